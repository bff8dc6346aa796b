//! On an event, then commands: the kit for an event handler.

use serde::Serialize;

use super::diff;
use super::engine::Engine;
use super::lane::Names;
use super::laws::{Law, broken, check_room, unfaulted};
use super::scenario::survives;
use super::setting::Setting;
use crate::bounds::{BODY_BYTES_MAX, KEY_BYTES_MAX, MESSAGES_PER_ITEM_MAX};
use crate::codec::Codec;
use crate::columns::{Blobs, Fault, Heard, Sent};
use crate::event_handler::{EventHandler, Outbox};
use crate::handler::Handler;
use crate::handler::kinds::Kinds;
use crate::messages::{Addressed, Messages};
use crate::reference::Reference;
use crate::time::Time;

/// An event handler, and what it makes of events. Every assertion panics with a readable
/// difference, and so does every law that is broken.
pub struct Reaction<H: EventHandler> {
    engine: Box<dyn Engine>,
    /// The manifest's indices of types and kinds, by the handler's own indices.
    heard: (Vec<u32>, Kinds),
    sent: (Vec<u32>, Kinds),
    /// The form of the events.
    codec: Codec,
    setting: Setting,
    next: Event,
    /// All events so far with the commands that each led to.
    steps: Vec<(Event, Vec<Command>)>,
    handler: std::marker::PhantomData<fn() -> H>,
}

#[derive(Clone, Debug)]
struct Event {
    address: (u32, u32),
    key: String,
    sequence: u64,
    time: Time,
    correlation: String,
    principal: String,
    body: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Command {
    address: (u32, u32),
    key: String,
    body: Vec<u8>,
}

impl<H: EventHandler> Default for Reaction<H> {
    fn default() -> Self {
        Self::new()
    }
}

impl<H: EventHandler> std::fmt::Debug for Reaction<H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reaction").field("steps", &self.steps).finish()
    }
}

impl<H: EventHandler> Reaction<H> {
    /// The event handler alone, run natively.
    #[track_caller]
    pub fn new() -> Self {
        Self::on_engine(Handler::new("reaction", "0.0.0", 1).event_handler::<H>())
    }

    /// The event handler, run by an engine whose handler has it and hears these kinds with no other
    /// event handler.
    ///
    /// # Panics
    /// If the handler does not know a type or kind of the event handler.
    #[track_caller]
    pub fn on_engine(mut engine: impl Engine + 'static) -> Self {
        let names = Names::of(&mut engine);
        Self {
            heard: addresses::<H::Event>(&names),
            sent: addresses::<H::Command>(&names),
            codec: Codec::Json,
            engine: Box::new(engine),
            setting: Setting::new(),
            next: Event {
                address: (0, 0),
                key: "key".to_owned(),
                sequence: 1,
                time: Time(1_700_000_000_000),
                correlation: "correlation".to_owned(),
                principal: "anonymous".to_owned(),
                body: Vec::new(),
            },
            steps: Vec::new(),
            handler: std::marker::PhantomData,
        }
    }

    /// The configuration, in any form that serialises to the operator's document.
    ///
    /// # Panics
    /// If it cannot be JSON.
    #[track_caller]
    pub fn configured(mut self, configuration: impl Serialize) -> Self {
        self.setting.configure(&configuration);
        self.begin_anew()
    }

    /// This row stands in a reference table from now on.
    ///
    /// # Panics
    /// If the event handler does not declare the table, no row can have that key (1 to 1,024 bytes), or
    /// the row cannot be JSON.
    #[track_caller]
    pub fn given_reference<R>(
        mut self,
        table: &Reference<R>,
        key: impl AsRef<str>,
        row: &(impl Serialize + ?Sized),
    ) -> Self {
        self.setting.refer::<H>(H::REFERENCES, table.declared(), key.as_ref(), row);
        self.begin_anew()
    }

    /// No row stands at this key of a reference table any more.
    ///
    /// # Panics
    /// If the event handler does not declare the table.
    #[track_caller]
    pub fn given_no_reference<R>(mut self, table: &Reference<R>, key: impl AsRef<str>) -> Self {
        self.setting.forget::<H>(H::REFERENCES, table.declared(), key.as_ref());
        self.begin_anew()
    }

    /// What was heard in another setting is not put into batches with what follows.
    fn begin_anew(mut self) -> Self {
        self.steps.clear();
        self
    }

    /// Key of the aggregate whose events follow.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.next.key = key.into();
        self
    }

    /// The form of the events that follow, where their kind has it. In which form commands are written,
    /// [`EventHandler::codec`] says.
    pub fn in_form(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    /// The time of the events that follow.
    pub fn at(mut self, time: Time) -> Self {
        self.next.time = time;
        self
    }

    /// Sequence of the next event; the kit counts on from there.
    pub fn sequence(mut self, sequence: u64) -> Self {
        self.next.sequence = sequence;
        self
    }

    /// Who asked for what led to the events that follow.
    pub fn principal(mut self, principal: impl Into<String>) -> Self {
        self.next.principal = principal.into();
        self
    }

    /// The correlation of the events that follow.
    pub fn correlation(mut self, correlation: impl Into<String>) -> Self {
        self.next.correlation = correlation.into();
        self
    }

    /// This happened.
    ///
    /// # Panics
    /// If the handler faults or a law is broken.
    #[track_caller]
    pub fn on(mut self, event: impl Into<H::Event>) -> Self {
        let message = event.into();
        let (types, kinds) = &self.heard;
        let (codec, kind) = kinds.written(message.kind(), self.codec);
        self.next.body = survives(&message, codec);
        self.next.address = (types[message.kind()], kind);
        let event = self.next.clone();
        self.next.sequence += 1;
        let commands = unfaulted("react", self.react(std::slice::from_ref(&event)));
        let commands: Vec<Command> = commands.into_iter().flatten().collect();
        check_room("an event", "commands", commands.len(), MESSAGES_PER_ITEM_MAX);
        for command in &commands {
            check_room("a command's key", "bytes", command.key.len(), KEY_BYTES_MAX);
            check_room("a command", "bytes", command.body.len(), BODY_BYTES_MAX);
        }
        self.steps.push((event, commands));
        self.check_laws();
        self
    }

    /// The last event led to exactly these commands, each with the key it is sent to.
    ///
    /// # Panics
    /// If it did not.
    #[track_caller]
    pub fn then_commands(self, commands: impl Into<Outbox<H::Command>>) -> Self {
        let (expected, found) = (commands.into().commands, self.commands());
        if expected != found {
            panic!("other commands than expected (-):\n{}", diff::values(&expected, &found));
        }
        self
    }

    /// The last event led to no command.
    ///
    /// # Panics
    /// If it did.
    #[track_caller]
    pub fn then_nothing(self) -> Self {
        self.then_commands(Outbox::none())
    }

    /// The commands that the last event led to, each with the key it is sent to.
    ///
    /// # Panics
    /// If there was no event.
    #[track_caller]
    #[must_use]
    pub fn commands(&self) -> Vec<(String, H::Command)> {
        let Some((_, commands)) = self.steps.last() else {
            panic!("`then` needs an `on` before it")
        };
        let mut decoded = Vec::with_capacity(commands.len());
        for command in commands {
            let (types, kinds) = &self.sent;
            let (aggregate_type, kind) = command.address;
            let kind = kinds.read_where(kind, |own| types[own] == aggregate_type);
            match kind.map(|(kind, codec)| H::Command::decode(kind, codec, &command.body)) {
                Some(Ok(message)) => decoded.push((command.key.clone(), message)),
                Some(Err(error)) => broken(
                    Law::MessageLossless,
                    "a command was written and cannot be read",
                    &format!("{error}\n{}", diff::pretty(&command.body)),
                ),
                None => panic!("a command was sent that is not declared: {command:?}"),
            }
        }
        decoded
    }

    /// The last event again, then all runs of events that end with it, each in one batch.
    #[track_caller]
    fn check_laws(&mut self) {
        for message in self.commands() {
            survives(&message.1, Codec::Json);
        }
        let last = self.steps.len() - 1;
        for first in (0..=last).rev().chain([last, last]) {
            let (events, singles): (Vec<_>, Vec<_>) = self.steps[first..].iter().cloned().unzip();
            let found = unfaulted("react", self.react(&events));
            if found != singles {
                let (law, how) = if first == last {
                    (Law::Repeatable, "the same event, heard twice, led to different commands")
                } else {
                    (Law::Splittable, "events one by one (-) and in one batch (+)")
                };
                broken(law, how, &diff::values(&show(&singles), &show(&found)));
            }
        }
    }

    /// The commands that each of the events leads to, heard in one call.
    fn react(&mut self, events: &[Event]) -> Result<Vec<Vec<Command>>, Fault> {
        let heard = Heard {
            aggregate_type: events.iter().map(|event| event.address.0).collect(),
            keys: events.iter().map(|event| &event.key).collect(),
            sequences: events.iter().map(|event| event.sequence).collect(),
            kind: events.iter().map(|event| event.address.1).collect(),
            time: events.iter().map(|event| event.time.0).collect(),
            correlations: events.iter().map(|event| &event.correlation).collect::<Blobs>(),
            principals: events.iter().map(|event| &event.principal).collect(),
            bodies: events.iter().map(|event| &event.body).collect(),
        };
        let sent = self.engine.react(&heard, &self.setting)?;
        by_cause(&sent, events.len())
    }
}

fn by_cause(sent: &Sent, events: usize) -> Result<Vec<Vec<Command>>, Fault> {
    let mut commands = vec![Vec::new(); events];
    for (index, cause) in sent.cause.iter().enumerate() {
        let Some(caused) = commands.get_mut(*cause as usize) else {
            return Err(Fault::Internal(format!("command {index} names no event of the batch")));
        };
        caused.push(Command {
            address: (sent.aggregate_type[index], sent.kind[index]),
            key: String::from_utf8_lossy(sent.keys.get(index)).into_owned(),
            body: sent.bodies.get(index).to_vec(),
        });
    }
    Ok(commands)
}

fn show(commands: &[Vec<Command>]) -> Vec<Vec<String>> {
    let line = |command: &Command| {
        let (aggregate_type, kind) = command.address;
        format!(
            "to {}, type {aggregate_type}, kind {kind}: {}",
            command.key,
            diff::pretty(&command.body)
        )
    };
    commands.iter().map(|of_event| of_event.iter().map(line).collect()).collect()
}

fn addresses<M: Addressed>(names: &Names) -> (Vec<u32>, Kinds) {
    let types = M::TYPES.iter().map(|name| names.aggregate_type(name));
    (types.collect(), names.kinds(M::KINDS))
}

impl<C, K: Into<String>, T: Into<C>, const N: usize> From<[(K, T); N]> for Outbox<C> {
    fn from(commands: [(K, T); N]) -> Self {
        commands.into_iter().map(|(key, command)| (key.into(), command.into())).collect()
    }
}
