//! One aggregate of a batch while it is worked on: its state decoded once, its type erased.

use std::any::Any;

use super::lookups::Lookups;
use crate::aggregate::{Aggregate, Context};
use crate::bounds::{ANSWER_BYTES_MAX, BODY_BYTES_MAX, MESSAGES_PER_ITEM_MAX, within};
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
    /// Index into the aggregate's own list of command kinds; none for a Wake.
    pub(crate) kind: Option<usize>,
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
    /// Decides one command and folds its events; `event_kinds` are the manifest's indices of the
    /// aggregate's event kinds. Says how many events there were.
    fn decide(
        &mut self,
        command: &CommandItem<'_>,
        configuration: &dyn Any,
        lookups: Lookups<'_>,
        event_kinds: &[u32],
        written: &mut Written,
    ) -> Result<u32, String>;

    /// Folds one past event; `kind` is an index into the aggregate's own list of event kinds.
    fn evolve(&mut self, kind: usize, body: &[u8]) -> Result<(), String>;

    /// Appends the state, and says when it wants to be woken.
    fn write(&self, into: &mut Vec<u8>) -> Result<u64, String>;
}

/// Decodes a state into a slot; what is wrong with it otherwise.
pub(crate) type Open = fn(&[u8]) -> Result<Box<dyn Slot>, String>;

/// Opens a slot: an empty state is that of an aggregate without a past.
pub(crate) fn open<A: Aggregate>(state: &[u8]) -> Result<Box<dyn Slot>, String> {
    let state = if state.is_empty() {
        A::State::default()
    } else {
        json::decode(state).map_err(|error| error.to_string())?
    };
    Ok(Box::new(Live::<A> { state }))
}

struct Live<A: Aggregate> {
    state: A::State,
}

impl<A: Aggregate> Slot for Live<A> {
    fn decide(
        &mut self,
        command: &CommandItem<'_>,
        configuration: &dyn Any,
        lookups: Lookups<'_>,
        event_kinds: &[u32],
        written: &mut Written,
    ) -> Result<u32, String> {
        let configuration = configuration
            .downcast_ref::<A::Configuration>()
            .ok_or("the configuration has another type")?;
        match self.answer(command, configuration, lookups) {
            Ok(decision) => self.take(command.index, decision, event_kinds, written),
            Err(details) => {
                written.outcomes.refuse(MALFORMED, &details);
                Ok(0)
            }
        }
    }

    fn evolve(&mut self, kind: usize, body: &[u8]) -> Result<(), String> {
        let event = A::Event::decode(kind, body).map_err(|error| error.to_string())?;
        self.fold(&event);
        Ok(())
    }

    fn write(&self, into: &mut Vec<u8>) -> Result<u64, String> {
        let start = into.len();
        json::encode(&self.state, into)
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
        let Some(kind) = command.kind else { return Ok(A::wake(&self.state, &context)) };
        let asked = A::Command::decode(kind, command.body).map_err(|error| error.to_string())?;
        Ok(A::decide(&self.state, asked, &context))
    }

    fn take(
        &mut self,
        cause: u32,
        decision: Decision<A::Event>,
        event_kinds: &[u32],
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
            written.events.kind.push(event_kinds[event.kind()]);
            write_body(event, &mut written.events.bodies)?;
            self.fold(event);
        }
        Ok(decision.events.len() as u32)
    }

    fn fold(&mut self, event: &A::Event) {
        self.state = A::evolve(std::mem::take(&mut self.state), event);
    }
}

/// Appends a message's body.
pub(crate) fn write_body<M: Messages>(message: &M, into: &mut Blobs) -> Result<(), String> {
    let (name, start) = (M::KINDS[message.kind()].name, into.data.len());
    message.encode(&mut into.data).map_err(|error| format!("{name} cannot be JSON: {error}"))?;
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
