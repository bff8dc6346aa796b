//! One aggregate of a batch while it is worked on: its state decoded once, its type erased.

use std::any::Any;

use super::Owned;
use super::kinds::Kinds;
use super::lookups::Lookups;
use crate::aggregate::{Aggregate, Context};
use crate::bounds::{ANSWER_BYTES_MAX, BODY_BYTES_MAX, MESSAGES_PER_ITEM_MAX, within};
use crate::codec::{self, Codec};
use crate::columns::{self, Blobs, Events, NEVER, Outcomes};
use crate::decision::{Decision, Outcome};
use crate::json;
use crate::messages::Messages;
use crate::time::Time;

/// A refusal's code for a command that was not understood.
pub(crate) const MALFORMED: &str = "malformed";

/// One command, as text and bytes of the columns.
pub(crate) struct CommandItem<'a> {
    /// Index in the batch.
    pub(crate) index: u32,
    /// Index into the aggregate's own list of command kinds, and the body's form; none for a Wake.
    pub(crate) kind: Option<(usize, Codec)>,
    pub(crate) key: &'a [u8],
    pub(crate) time: u64,
    pub(crate) source: &'a [u8],
    pub(crate) id: &'a [u8],
    pub(crate) correlation: &'a [u8],
    pub(crate) principal: &'a [u8],
    pub(crate) body: &'a [u8],
}

/// What `decide` has written so far.
#[derive(Default)]
pub(crate) struct Written {
    pub(crate) outcomes: Outcomes,
    pub(crate) events: Events,
}

/// A decoded state and what can be done with it. Errors are for the operator.
pub(crate) trait Slot {
    /// Decides one command and folds its events, which are of these kinds. Says how many events there
    /// were.
    fn decide(
        &mut self,
        command: &CommandItem<'_>,
        configuration: &dyn Any,
        lookups: Lookups<'_>,
        event_kinds: &Kinds,
        written: &mut Written,
    ) -> Result<u32, String>;

    /// Folds one past event; `kind` is an index into the aggregate's own list of event kinds.
    fn evolve(&mut self, kind: usize, codec: Codec, body: &[u8]) -> Result<(), String>;

    /// The form in which the state is written now.
    fn codec(&self) -> Codec;

    /// Appends the state, and says when it wants to be woken.
    fn write(&self, into: &mut Vec<u8>) -> Result<u64, String>;

    /// Appends the state as JSON.
    fn show(&self, into: &mut Vec<u8>) -> Result<(), String>;
}

/// Decodes a state in this form into a slot; what is wrong with it otherwise.
pub(crate) type Open = fn(&[u8], Codec) -> Result<Box<dyn Slot>, String>;

/// Opens a slot: an empty state is that of an aggregate without a past.
pub(crate) fn open<A: Aggregate>(state: &[u8], codec: Codec) -> Result<Box<dyn Slot>, String> {
    let state = if state.is_empty() {
        A::State::default()
    } else {
        codec::decode(codec, state, A::STATE_PROTOBUF).map_err(|error| error.to_string())?
    };
    Ok(Box::new(Live::<A> { state, codec }))
}

/// Appends a message of an aggregate as JSON; what is wrong with it otherwise.
pub(crate) type Show = fn(&Owned, u32, &[u8], &mut Vec<u8>) -> Result<(), String>;

/// Shows a command or an event. Where both have one name the first that decodes is meant.
pub(crate) fn show<A: Aggregate>(
    owned: &Owned,
    kind: u32,
    body: &[u8],
    into: &mut Vec<u8>,
) -> Result<(), String> {
    let command = owned.commands.read(kind).map(|own| show_as::<A::Command>(own, body, into));
    if let Some(Ok(())) = command {
        return Ok(());
    }
    match owned.events.read(kind).map(|own| show_as::<A::Event>(own, body, into)).or(command) {
        Some(shown) => shown,
        None => Err("it is neither a command nor an event of this type".to_owned()),
    }
}

fn show_as<M: Messages>(
    (kind, codec): (usize, Codec),
    body: &[u8],
    into: &mut Vec<u8>,
) -> Result<(), String> {
    let start = into.len();
    let shown = M::decode(kind, codec, body).and_then(|message| message.encode(Codec::Json, into));
    shown.map_err(|error| {
        into.truncate(start);
        error.to_string()
    })
}

struct Live<A: Aggregate> {
    state: A::State,
    /// The form in which the state is written: that of the events, once one was Protobuf.
    codec: Codec,
}

impl<A: Aggregate> Slot for Live<A> {
    fn decide(
        &mut self,
        command: &CommandItem<'_>,
        configuration: &dyn Any,
        lookups: Lookups<'_>,
        event_kinds: &Kinds,
        written: &mut Written,
    ) -> Result<u32, String> {
        let configuration = configuration
            .downcast_ref::<A::Configuration>()
            .ok_or("the configuration has another type")?;
        match self.answer(command, configuration, lookups) {
            Ok(decision) => {
                let codec = |event: &A::Event| A::codec(event, configuration);
                self.take(command.index, decision, codec, event_kinds, written)
            }
            Err(details) => {
                written.outcomes.refuse(MALFORMED, &details);
                Ok(0)
            }
        }
    }

    fn evolve(&mut self, kind: usize, codec: Codec, body: &[u8]) -> Result<(), String> {
        let event = A::Event::decode(kind, codec, body).map_err(|error| error.to_string())?;
        self.fold(&event, codec);
        Ok(())
    }

    fn codec(&self) -> Codec {
        self.codec
    }

    fn show(&self, into: &mut Vec<u8>) -> Result<(), String> {
        json::encode(&self.state, into)
            .map_err(|error| format!("the state cannot be JSON: {error}"))
    }

    fn write(&self, into: &mut Vec<u8>) -> Result<u64, String> {
        let start = into.len();
        codec::encode(&self.state, self.codec, A::STATE_PROTOBUF, into)
            .map_err(|error| format!("the state cannot be JSON: {error}"))?;
        within("the state", "bytes", into.len() - start, BODY_BYTES_MAX)?;
        Ok(A::wake_at(&self.state).map_or(NEVER, |time| time.0))
    }
}

impl<A: Aggregate> Live<A> {
    /// What the vendor's code says, or what is wrong with the command, for the one who sent it.
    fn answer(
        &self,
        command: &CommandItem<'_>,
        configuration: &A::Configuration,
        lookups: Lookups<'_>,
    ) -> Result<Decision<A::Event>, String> {
        let context = context(command, configuration, lookups)?;
        let Some((kind, codec)) = command.kind else {
            return Ok(A::wake(&self.state, &context));
        };
        let asked =
            A::Command::decode(kind, codec, command.body).map_err(|error| error.to_string())?;
        Ok(A::decide(&self.state, asked, &context))
    }

    fn take(
        &mut self,
        cause: u32,
        decision: Decision<A::Event>,
        chosen: impl Fn(&A::Event) -> Codec,
        event_kinds: &Kinds,
        written: &mut Written,
    ) -> Result<u32, String> {
        if let Some(defect) = decision.defect {
            return Err(defect);
        }
        within("the decision", "events", decision.events.len(), MESSAGES_PER_ITEM_MAX)?;
        within("the reply", "bytes", decision.reply.len(), ANSWER_BYTES_MAX)?;
        match decision.outcome {
            Outcome::Refused { code, details } => written.outcomes.refuse(&code, &details),
            Outcome::Accepted => written.outcomes.answer(columns::ACCEPTED, &decision.reply),
            Outcome::Nothing => written.outcomes.answer(columns::NOTHING, &decision.reply),
        }
        for event in &decision.events {
            written.events.cause.push(cause);
            let (codec, kind) = event_kinds.written(event.kind(), chosen(event));
            written.events.kind.push(kind);
            write_body(event, codec, &mut written.events.bodies)?;
            self.fold(event, codec);
        }
        Ok(decision.events.len() as u32)
    }

    /// `codec` is the event's.
    fn fold(&mut self, event: &A::Event, codec: Codec) {
        self.state = A::evolve(std::mem::take(&mut self.state), event);
        if codec == Codec::Protobuf && A::STATE_PROTOBUF.is_some() {
            self.codec = Codec::Protobuf;
        }
    }
}

/// Appends a message's body.
pub(crate) fn write_body<M: Messages>(
    message: &M,
    codec: Codec,
    into: &mut Blobs,
) -> Result<(), String> {
    let (name, start) = (M::KINDS[message.kind()].name, into.data.len());
    let encoded = message.encode(codec, &mut into.data);
    encoded.map_err(|error| format!("{name} cannot be JSON: {error}"))?;
    within(name, "bytes", into.data.len() - start, BODY_BYTES_MAX)?;
    into.end_blob();
    Ok(())
}

impl Outcomes {
    fn refuse(&mut self, code: &str, details: &str) {
        self.code.push(columns::REFUSED);
        self.reasons.push(code.as_bytes());
        self.details.push(details.as_bytes());
        self.replies.push(b"");
    }

    fn answer(&mut self, code: u8, reply: &[u8]) {
        self.code.push(code);
        self.reasons.push(b"");
        self.details.push(b"");
        self.replies.push(reply);
    }
}

/// The command's context, or what is wrong with it.
fn context<'a, C>(
    command: &CommandItem<'a>,
    configuration: &'a C,
    lookups: Lookups<'a>,
) -> Result<Context<'a, C>, String> {
    Ok(Context {
        key: text("key", command.key)?,
        time: Time(command.time),
        source: text("source", command.source)?,
        id: text("id", command.id)?,
        correlation: text("correlation", command.correlation)?,
        principal: text("principal", command.principal)?,
        configuration,
        lookups,
    })
}

/// Attributes are text; what is not was put there by a client.
pub(crate) fn text<'a>(what: &str, bytes: &'a [u8]) -> Result<&'a str, String> {
    std::str::from_utf8(bytes).map_err(|error| format!("{what}: not UTF-8: {error}"))
}
