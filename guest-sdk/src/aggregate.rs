//! The role of a command handler: a unit of consistency, as two pure functions.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec::{Codec, ProtobufForm};
use crate::decision::Decision;
use crate::handler::lookups::Lookups;
use crate::messages::Messages;
use crate::reference::{Reference, ReferenceDeclaration};
use crate::time::Time;

/// An aggregate type: decides commands, and folds its own events into state.
///
/// # Laws
/// The test kit ([`crate::testing`]) checks them after every step, without being asked:
/// - the same input gives the same output: no clock, no randomness, no static that changes;
/// - deciding a batch of commands gives what deciding them one by one gives;
/// - state is the fold of the events: what `decide` leaves and what `evolve` makes of the stored
///   events are equal, byte for byte. So the JSON of a state must be canonical: structs (serde
///   writes fields in their order), `Vec`, `BTreeMap`; **never a `HashMap` or `HashSet`**, whose
///   order differs from run to run;
/// - states and messages survive the way to each of their forms and back (no `#[serde(skip)]` on what
///   matters);
/// - a command that was decided can be asked again, on the state that it left: it is accepted, refused or
///   nothing, but does not fault;
/// - a state that asks to be woken answers with an event, and is not due again for ever.
///
/// Neither function may fail: panic only on what cannot be, and that message goes to the dead
/// letters. All arithmetic on what a client sent must be checked.
pub trait Aggregate: 'static {
    /// The type's name: in topics, addresses and the log. Lower-case letters, digits and hyphens.
    const TYPE: &'static str;
    /// Id of the state's schema. Changes with any change of the state's JSON, together with the
    /// handler's fold number.
    const STATE_SCHEMA: &'static str = "1";
    /// The state's Protobuf form, if it has one: `Some(ProtobufForm::new())`.
    ///
    /// The form of a state follows the events: it is JSON until an event in Protobuf is folded, and
    /// Protobuf from then on. So a fold of the same events always gives the same bytes, and an
    /// aggregate that lived before there was this form goes on with the same fold number. The two forms
    /// have schema ids of their own, and both are read: a version that reads one only cannot follow one
    /// that has written the other.
    const STATE_PROTOBUF: Option<ProtobufForm<Self::State>> = None;
    /// The reference tables that it looks things up in: each a [`Reference::declared`].
    const REFERENCES: &'static [ReferenceDeclaration] = &[];

    /// What the aggregate remembers; the default is an aggregate without a past.
    type State: Serialize + DeserializeOwned + Default + Clone + PartialEq + Debug + 'static;
    /// What it can be asked.
    type Command: Messages;
    /// What can happen to it.
    type Event: Messages;
    /// The part of the handler's configuration that it reads, a JSON document written by the
    /// operator; the default where there is none. `()` reads nothing.
    type Configuration: DeserializeOwned + Default + 'static;

    /// What becomes of a command. The events that it returns are folded by [`Aggregate::evolve`]
    /// before the next command is decided.
    fn decide(
        state: &Self::State,
        command: Self::Command,
        context: &Context<'_, Self::Configuration>,
    ) -> Decision<Self::Event>;

    /// The state after an event. Facts are never refused: also those of older versions must be
    /// taken.
    #[must_use]
    fn evolve(state: Self::State, event: &Self::Event) -> Self::State;

    /// In which form an event is written: chosen by its kind, as the operator configured. Those who
    /// hear it read it in either, if they were built with the body's Protobuf form.
    #[must_use]
    fn codec(event: &Self::Event, configuration: &Self::Configuration) -> Codec {
        let _ = (event, configuration);
        Codec::Json
    }

    /// The one time at which the aggregate wants to be woken: its deadline. A function of the state.
    ///
    /// Once that time has passed, and if no event came in between, [`Aggregate::wake`] is asked what
    /// happens. What the log took before it looked at the clock is decided first.
    #[must_use]
    fn wake_at(state: &Self::State) -> Option<Time> {
        let _ = state;
        None
    }

    /// What happens at the deadline that [`Aggregate::wake_at`] of this state gives. `context.time`
    /// is never before it, `context.source` is `zamu`, and nobody waits for an answer.
    ///
    /// A deadline is answered with at least one event, after which the state has another deadline
    /// or none. Anything else is a fault, and the aggregate is not woken again until something else
    /// has happened to it.
    fn wake(
        state: &Self::State,
        context: &Context<'_, Self::Configuration>,
    ) -> Decision<Self::Event> {
        let _ = (state, context);
        let details = format!("{} has a wake_at, but no wake that answers it", Self::TYPE);
        Decision::refuse("wake-missing", details)
    }
}

/// Everything about a command that is not in it, its aggregate's state excepted.
#[derive(Debug)]
#[non_exhaustive]
pub struct Context<'a, C = ()> {
    /// Key of the aggregate.
    pub key: &'a str,
    /// When the log took the command or the Wake; for a command that an event caused, the event's
    /// time.
    pub time: Time,
    /// Who made the id: the client's source, or `zamu` for a Wake and a command that an event
    /// caused.
    pub source: &'a str,
    /// The command's id, unique for its source; for a Wake `type/key/sequence/wake`, with the
    /// sequence of the state that wanted it.
    pub id: &'a str,
    /// Ties together all messages of one business process; for a Wake its id, as it begins one.
    pub correlation: &'a str,
    /// Who asked: authenticated, or `anonymous`; `zamu` for a Wake.
    pub principal: &'a str,
    /// What the operator configured.
    pub configuration: &'a C,
    pub(crate) lookups: Lookups<'a>,
}

impl<C> Context<'_, C> {
    /// The row at this key in a reference table, if there is one: as it was a moment ago, and the same
    /// for all of a batch.
    ///
    /// # Panics
    /// If the table is not among [`Aggregate::REFERENCES`], or the row does not decode as `R`: the
    /// command becomes a dead letter that names table, key and field.
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
