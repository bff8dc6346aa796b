//! Given, when, then for an aggregate. What it says afterwards is in `then`.

mod then;

use serde::Serialize;

use super::engine::Engine;
use super::lane::{Answer, Asked, Happened, Lane, Names, Stored};
use super::laws::{self, Law, Step, broken, unfaulted};
use super::setting::Setting;
use super::window::Window;
use super::{MessageList, diff};
use crate::aggregate::Aggregate;
use crate::codec::{self, Codec};
use crate::columns;
use crate::handler::Handler;
use crate::handler::kinds::Kinds;
use crate::messages::Messages;
use crate::reference::Reference;
use crate::time::Time;

/// How many of the latest commands are decided again in batches after each step. Older ones have
/// been in batches of that size already.
const WINDOW: usize = 16;

/// One aggregate, and what happens to it. Every assertion panics with a readable difference, and so
/// does every law that is broken.
pub struct Scenario<A: Aggregate> {
    engine: Box<dyn Engine>,
    lane: Lane,
    command_kinds: Kinds,
    event_kinds: Kinds,
    /// The schema of states in Protobuf.
    protobuf_schema: Option<u32>,
    /// The form of what the test itself says.
    codec: Codec,
    attributes: Attributes,
    /// The aggregate now.
    stored: Stored,
    /// The fold of its events, never stored in between.
    folded: A::State,
    history: Vec<Happened>,
    /// The aggregate before the first of `steps`.
    base: Stored,
    steps: Vec<Step>,
    /// The answer of the last `when`.
    answer: Option<Answer>,
    /// Whether that command had come before.
    duplicate: bool,
    /// What the host remembers of commands.
    window: Window,
}

struct Attributes {
    time: Time,
    source: String,
    id: Option<String>,
    correlation: String,
    principal: String,
    asked: u64,
}

impl<A: Aggregate> Default for Scenario<A> {
    fn default() -> Self {
        Self::new()
    }
}

impl<A: Aggregate> std::fmt::Debug for Scenario<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scenario").field("lane", &self.lane).field("stored", &self.stored).finish()
    }
}

/// The setting: what holds for the commands that follow.
impl<A: Aggregate> Scenario<A> {
    /// A new aggregate with the key `key`, run natively.
    #[track_caller]
    pub fn new() -> Self {
        Self::on_engine(Handler::new("scenario", "0.0.0", 1).aggregate::<A>())
    }

    /// A new aggregate with the key `key`, run by an engine whose handler owns its type.
    ///
    /// # Panics
    /// If the handler does not know the type or one of its kinds.
    #[track_caller]
    pub fn on_engine(mut engine: impl Engine + 'static) -> Self {
        let names = Names::of(&mut engine);
        Self {
            lane: Lane {
                aggregate_type: names.aggregate_type(A::TYPE),
                key: "key".to_owned(),
                setting: Setting::new(),
            },
            command_kinds: names.kinds(A::Command::KINDS),
            event_kinds: names.kinds(A::Event::KINDS),
            protobuf_schema: names.state_schema(A::STATE_SCHEMA, Codec::Protobuf),
            codec: Codec::Json,
            engine: Box::new(engine),
            attributes: Attributes {
                time: Time(1_700_000_000_000),
                source: "test".to_owned(),
                id: None,
                correlation: "correlation".to_owned(),
                principal: "anonymous".to_owned(),
                asked: 0,
            },
            stored: Stored::absent(),
            folded: A::State::default(),
            history: Vec::new(),
            base: Stored::absent(),
            steps: Vec::new(),
            answer: None,
            duplicate: false,
            window: Window::default(),
        }
    }

    /// The aggregate's key.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.lane.key = key.into();
        self.begin_anew()
    }

    /// The configuration, in any form that serialises to the operator's document.
    ///
    /// # Panics
    /// If it cannot be JSON.
    #[track_caller]
    pub fn configured(mut self, configuration: impl Serialize) -> Self {
        self.lane.setting.configure(&configuration);
        self.begin_anew()
    }

    /// This row stands in a reference table from now on.
    ///
    /// # Panics
    /// If the aggregate does not declare the table, no row can have that key (1 to 1,024 bytes), or the
    /// row cannot be JSON.
    #[track_caller]
    pub fn given_reference<R>(
        mut self,
        table: &Reference<R>,
        key: impl AsRef<str>,
        row: &(impl Serialize + ?Sized),
    ) -> Self {
        self.lane.setting.refer::<A>(A::REFERENCES, table.declared(), key.as_ref(), row);
        self.begin_anew()
    }

    /// No row stands at this key of a reference table any more.
    ///
    /// # Panics
    /// If the aggregate does not declare the table.
    #[track_caller]
    pub fn given_no_reference<R>(mut self, table: &Reference<R>, key: impl AsRef<str>) -> Self {
        self.lane.setting.forget::<A>(A::REFERENCES, table.declared(), key.as_ref());
        self.begin_anew()
    }

    /// The form of the commands that follow and of the events that are given, where their kind has it.
    /// In which form the aggregate answers, [`Aggregate::codec`] says.
    pub fn in_form(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    /// The time of the records that follow.
    pub fn at(mut self, time: Time) -> Self {
        self.attributes.time = time;
        self
    }

    /// So many milliseconds pass.
    pub fn later_by_ms(mut self, ms: u64) -> Self {
        self.attributes.time = self.attributes.time.plus_ms(ms);
        self
    }

    /// Who asks.
    pub fn principal(mut self, principal: impl Into<String>) -> Self {
        self.attributes.principal = principal.into();
        self
    }

    /// The correlation of the commands that follow.
    pub fn correlation(mut self, correlation: impl Into<String>) -> Self {
        self.attributes.correlation = correlation.into();
        self
    }

    /// Source and id of the next command; without it the kit numbers commands. A command whose source and
    /// id came before is answered as then, and changes nothing: the host never asks a handler twice. With
    /// another content it is refused with `id-reused`.
    pub fn id(mut self, source: impl Into<String>, id: impl Into<String>) -> Self {
        self.attributes.source = source.into();
        self.attributes.id = Some(id.into());
        self
    }

    /// Earlier steps are not put into batches with later ones, because key or setting differ.
    fn begin_anew(mut self) -> Self {
        self.base = self.stored.clone();
        self.steps.clear();
        self
    }
}

/// Given and when.
impl<A: Aggregate> Scenario<A> {
    /// These events have happened.
    ///
    /// # Panics
    /// If a law is broken.
    #[track_caller]
    pub fn given(mut self, events: impl MessageList<A::Event>) -> Self {
        let mut happened = Vec::new();
        for event in events.into_messages() {
            let (codec, kind) = self.event_kinds.written(event.kind(), self.codec);
            let body = survives(&event, codec);
            happened.push(Happened { kind, time: self.attributes.time.0, body });
            self.fold(&event);
        }
        self.happen(happened)
    }

    #[track_caller]
    fn happen(mut self, happened: Vec<Happened>) -> Self {
        let folded = self.lane.evolve(&mut *self.engine, &self.stored, &happened);
        self.stored = unfaulted("evolve", folded);
        laws::check_room_of_state(&self.stored);
        self.history.extend(happened);
        self.check_history();
        self.check_deadline();
        self.answer = None;
        self.begin_anew()
    }

    /// This event has happened, with a body as it stands in a log: how to guard that old records
    /// are still understood.
    ///
    /// # Panics
    /// If the aggregate has no such event, its body does not decode, or a law is broken.
    #[track_caller]
    pub fn given_stored(mut self, kind: &str, schema: &str, body: impl AsRef<[u8]>) -> Self {
        let event: A::Event = super::stored(kind, schema, body.as_ref());
        self.fold(&event);
        let (_, kind) = self.event_kinds.written(event.kind(), Codec::Json);
        let time = self.attributes.time.0;
        self.happen(vec![Happened { kind, time, body: body.as_ref().to_vec() }])
    }

    /// This is asked.
    ///
    /// # Panics
    /// If the handler faults or a law is broken.
    #[track_caller]
    pub fn when(mut self, command: impl Into<A::Command>) -> Self {
        let command = command.into();
        let (codec, kind) = self.command_kinds.written(command.kind(), self.codec);
        let body = survives(&command, codec);
        let asked = self.attributes.ask(kind, body);
        self.ask(asked)
    }

    /// This is asked with a body as a client might send it, whether it can be read or not.
    ///
    /// # Panics
    /// If the aggregate takes no such kind, the handler faults or a law is broken.
    #[track_caller]
    pub fn when_body(mut self, kind: &str, body: impl AsRef<[u8]>) -> Self {
        match A::Command::KINDS.iter().position(|known| known.name == kind) {
            Some(kind) => {
                let (_, kind) = self.command_kinds.written(kind, self.codec);
                let asked = self.attributes.ask(kind, body.as_ref().to_vec());
                self.ask(asked)
            }
            None => panic!("{} takes no command {kind}: {:?}", A::TYPE, A::Command::KINDS),
        }
    }

    /// It is `time`, and the aggregate is woken, as its state wants: its deadline has come.
    ///
    /// # Panics
    /// If the state has no deadline or a later one, the handler faults or a law is broken.
    #[track_caller]
    pub fn when_woken_at(mut self, time: Time) -> Self {
        let wake_at = A::wake_at(&self.state());
        if wake_at.is_none_or(|wake_at| wake_at > time) {
            panic!("the aggregate is not to be woken at {time:?}: its wake_at is {wake_at:?}");
        }
        self.attributes.time = time;
        let asked = wake::<A>(&self.lane, &self.stored, time.0);
        self.ask(asked)
    }

    #[track_caller]
    fn ask(mut self, asked: Asked) -> Self {
        if let Some(first) = self.window.find(&asked) {
            (self.answer, self.duplicate) = (Some(first), true);
            return self;
        }
        let rows = std::slice::from_ref(&asked);
        let decided = self.lane.decide(&mut *self.engine, &self.stored, rows, None);
        let (answers, after) = unfaulted("decide", decided);
        let [answer] = answers.try_into().unwrap_or_else(|answers: Vec<_>| {
            panic!("decide gave {} answers to one command", answers.len())
        });
        laws::check_room_of_answer(&answer);
        laws::check_room_of_state(&after);
        self.steps.push(Step {
            asked: asked.clone(),
            answer: answer.clone(),
            after: after.clone(),
        });
        if self.steps.len() > WINDOW {
            self.base = self.steps.remove(0).after;
        }
        laws::check_decide(&self.lane, &mut *self.engine, &self.base, &self.steps);
        for event in self.decode_events(&answer) {
            survives(&event, Codec::Json);
            self.fold(&event);
        }
        self.stored = after;
        self.history.extend(answer.events.iter().cloned());
        self.check_history();
        self.check_deadline();
        if asked.kind != columns::WAKE {
            self.window.remember(asked, answer.clone());
        }
        (self.answer, self.duplicate) = (Some(answer), false);
        self
    }

    fn fold(&mut self, event: &A::Event) {
        self.folded = A::evolve(std::mem::take(&mut self.folded), event);
    }

    #[track_caller]
    fn check_deadline(&mut self) {
        let ask = |state: &Stored, time| wake::<A>(&self.lane, state, time);
        let now = self.attributes.time.0;
        laws::check_deadline(&self.lane, &mut *self.engine, &self.stored, now, ask);
    }

    #[track_caller]
    fn check_history(&mut self) {
        laws::check_evolve(&self.lane, &mut *self.engine, &self.history, &self.stored);
        if !self.history.is_empty() {
            let state = self.state();
            if state != self.folded {
                broken(
                    Law::StateLossless,
                    "the fold of the events (-) and the state read back from the store (+)",
                    &diff::values(&self.folded, &state),
                );
            }
            state_survives::<A>(&state);
        }
    }
}

/// A state is the same in each form that it has.
#[track_caller]
fn state_survives<A: Aggregate>(state: &A::State) {
    let Some(form) = A::STATE_PROTOBUF else { return };
    let mut bytes = Vec::new();
    (form.encode)(state, &mut bytes);
    match codec::decode(Codec::Protobuf, &bytes, A::STATE_PROTOBUF) {
        Ok(read) if read == *state => {}
        Ok(read) => broken(
            Law::StateLossless,
            "a state (-) and what is read back of it as Protobuf (+)",
            &diff::values(state, &read),
        ),
        Err(error) => broken(
            Law::StateLossless,
            "a state was written as Protobuf and cannot be read",
            &format!("{error}\n{}", diff::pretty(&bytes)),
        ),
    }
}

impl Attributes {
    fn ask(&mut self, kind: u32, body: Vec<u8>) -> Asked {
        self.asked += 1;
        Asked {
            kind,
            time: self.time.0,
            source: self.source.clone(),
            id: self.id.take().unwrap_or_else(|| format!("command-{}", self.asked)),
            correlation: self.correlation.clone(),
            principal: self.principal.clone(),
            body,
        }
    }
}

/// The Wake of this state.
fn wake<A: Aggregate>(lane: &Lane, state: &Stored, time: u64) -> Asked {
    let id = columns::wake_id(A::TYPE, &lane.key, state.sequence);
    Asked {
        kind: columns::WAKE,
        time,
        source: columns::HOST_SOURCE.to_owned(),
        id: id.clone(),
        correlation: id,
        principal: columns::HOST_SOURCE.to_owned(),
        body: Vec::new(),
    }
}

/// The body, in this form, of a message that is the same after it was stored and read again in each
/// form that it has.
#[track_caller]
pub(crate) fn survives<M: Messages>(message: &M, codec: Codec) -> Vec<u8> {
    for other in Codec::ALL {
        let has_it = other == Codec::Json || M::KINDS[message.kind()].has_protobuf;
        if other != codec && has_it {
            survives_as(message, other);
        }
    }
    survives_as(message, codec)
}

#[track_caller]
fn survives_as<M: Messages>(message: &M, codec: Codec) -> Vec<u8> {
    let mut body = Vec::new();
    if let Err(error) = message.encode(codec, &mut body) {
        let how = format!("a message cannot be written as {codec:?}");
        broken(Law::MessageLossless, &how, &error.to_string());
    }
    match M::decode(message.kind(), codec, &body) {
        Ok(read) if read == *message => {}
        Ok(read) => broken(
            Law::MessageLossless,
            "a message (-) and what is read back of it (+)",
            &diff::values(message, &read),
        ),
        Err(error) => broken(
            Law::MessageLossless,
            "a message was written and cannot be read",
            &format!("{error}\n{}", diff::pretty(&body)),
        ),
    }
    body
}
