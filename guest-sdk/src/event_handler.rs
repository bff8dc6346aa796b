//! The role of an event handler: events of some aggregates become commands for others.

use serde::de::DeserializeOwned;

use crate::codec::Codec;
use crate::handler::lookups::Lookups;
use crate::messages::Addressed;
use crate::reference::{Reference, ReferenceDeclaration};
use crate::time::Time;

/// Turns events into commands: how contexts talk to each other.
///
/// It has no memory, on purpose: what must be remembered is some aggregate's state. What it returns
/// for an event depends on that event, and on reference tables if it looks things up there; never on
/// the batch it came in.
pub trait EventHandler: 'static {
    /// The reference tables that it looks things up in: each a [`Reference::declared`].
    const REFERENCES: &'static [ReferenceDeclaration] = &[];

    /// The events that it hears: an enum made by [`addressed!`](crate::addressed).
    type Event: Addressed;
    /// The commands that it may send: an enum made by [`addressed!`](crate::addressed).
    type Command: Addressed;
    /// The part of the handler's configuration that it reads, a JSON document written by the
    /// operator; the default where there is none. `()` reads nothing.
    type Configuration: DeserializeOwned + Default + 'static;

    /// The commands that this event leads to, in the order in which they are to be sent.
    fn react(
        event: &Self::Event,
        context: &EventContext<'_, Self::Configuration>,
    ) -> Outbox<Self::Command>;

    /// In which form a command is written: chosen by its kind, as the operator configured.
    #[must_use]
    fn codec(command: &Self::Command, configuration: &Self::Configuration) -> Codec {
        let _ = (command, configuration);
        Codec::Json
    }
}

/// Everything about an event that is not in it.
#[derive(Debug)]
#[non_exhaustive]
pub struct EventContext<'a, C = ()> {
    /// Type of the aggregate that decided the event.
    pub aggregate_type: &'a str,
    /// Key of that aggregate.
    pub key: &'a str,
    /// The event's number within its aggregate, from 1.
    pub sequence: u64,
    /// The time of the command that caused the event.
    pub time: Time,
    /// Ties together all messages of one business process.
    pub correlation: &'a str,
    /// Who asked for what led to the event.
    pub principal: &'a str,
    /// What the operator configured.
    pub configuration: &'a C,
    pub(crate) lookups: Lookups<'a>,
}

impl<C> EventContext<'_, C> {
    /// The row at this key in a reference table, if there is one: as it was a moment ago, and the same
    /// for all of a batch.
    ///
    /// # Panics
    /// If the table is not among [`EventHandler::REFERENCES`], or the row does not decode as `R`: the
    /// event is parked as a dead letter that names table, key and field.
    #[track_caller]
    #[must_use]
    pub fn lookup<R: DeserializeOwned>(
        &self,
        table: &Reference<R>,
        key: impl AsRef<str>,
    ) -> Option<R> {
        self.lookups.row(table, key.as_ref())
    }
}

/// Commands to send, in order.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "commands that are not returned are not sent"]
pub struct Outbox<C> {
    pub(crate) commands: Vec<(String, C)>,
}

impl<C> Outbox<C> {
    /// Nothing to send.
    pub fn none() -> Self {
        Self { commands: Vec::new() }
    }

    /// One command, for the aggregate with this key; its type follows from the command. An empty
    /// key is a fault.
    pub fn to(key: impl Into<String>, command: impl Into<C>) -> Self {
        Self::none().and_to(key, command)
    }

    /// One more.
    pub fn and_to(mut self, key: impl Into<String>, command: impl Into<C>) -> Self {
        self.commands.push((key.into(), command.into()));
        self
    }
}

impl<C> Default for Outbox<C> {
    fn default() -> Self {
        Self::none()
    }
}

impl<C> Extend<(String, C)> for Outbox<C> {
    fn extend<I: IntoIterator<Item = (String, C)>>(&mut self, commands: I) {
        self.commands.extend(commands);
    }
}

impl<C> FromIterator<(String, C)> for Outbox<C> {
    fn from_iter<I: IntoIterator<Item = (String, C)>>(commands: I) -> Self {
        Self { commands: commands.into_iter().collect() }
    }
}
