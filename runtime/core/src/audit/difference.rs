//! What is not as it was: one difference between the log and what was decided once more, in words and
//! bytes that can be shown.

use std::sync::Arc;

use bytes::Bytes;

use crate::model::{Cause, DeadLetterNumber, Event, EventNumber, KindName, Offset, Sequence};
use crate::proto::command_outcome::Why;
use crate::proto::outcome::What;
use crate::proto::{CommandOutcome, Outcome, Refused};

/// Something of a turn that the log has otherwise than it was decided once more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What it is about.
    pub subject: Subject,
    /// What of it differs.
    pub field: &'static str,
    /// As the log has it; none if it is not there.
    pub recorded: Option<Bytes>,
    /// As it was decided once more; none if it was not decided at all.
    pub decided: Option<Bytes>,
    /// Whether the turn's own hash fits neither its events nor its answers: they were changed after the
    /// turn was committed. Otherwise other rules, another configuration or another input decided.
    pub altered: bool,
}

/// What a difference is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// An event.
    Event {
        /// Its number in the partition; none if the log has no such event.
        number: Option<EventNumber>,
        /// Key of the aggregate.
        key: Bytes,
        /// Its number in the aggregate.
        sequence: Sequence,
    },
    /// A record of `requests`.
    Request {
        /// Where it stands.
        offset: Offset,
        /// Key of the aggregate; empty where nothing tells.
        key: Bytes,
    },
    /// A record of `commands`.
    Command {
        /// Where it stands.
        offset: Offset,
    },
    /// A dead letter.
    DeadLetter(DeadLetterNumber),
    /// The turn as a whole: its batch record.
    Turn,
}

impl Difference {
    /// One that has yet to be told whether the turn was altered.
    pub(super) fn new(
        subject: Subject,
        field: &'static str,
        recorded: Option<Bytes>,
        decided: Option<Bytes>,
    ) -> Self {
        Self { subject, field, recorded, decided, altered: false }
    }
}

impl Subject {
    /// An event of the log.
    pub(super) fn recorded(event: &Event) -> Self {
        let (key, sequence) = (event.key.clone(), event.sequence);
        Self::Event { number: Some(event.number), key, sequence }
    }

    /// An event that the log has not.
    pub(super) fn decided(event: &Event) -> Self {
        Self::Event { number: None, key: event.key.clone(), sequence: event.sequence }
    }
}

/// An event in a few words.
pub(super) fn event(event: &Event) -> Bytes {
    [event.kind.name.as_bytes(), b" ", &event.body].concat().into()
}

/// A kind in a few words.
pub(super) fn kind(kind: &KindName) -> Bytes {
    kind.to_string().into()
}

/// What made an aggregate decide, in a few words.
pub(super) fn cause(cause: &Cause) -> Bytes {
    let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
    match cause {
        Cause::Request { offset, source, id } => {
            format!("request {offset} {}/{}", text(source), text(id))
        }
        Cause::Wake { offset, deadline } => format!("deadline {} in request {offset}", deadline.0),
        Cause::Command { offset, event, handler, index } => {
            let (key, sequence) = (text(&event.key), event.sequence);
            format!("command {offset}: {key}/{sequence}/{handler}/{index}")
        }
    }
    .into()
}

/// An outcome in a few words.
pub(super) fn outcome(outcome: Option<&Outcome>) -> Bytes {
    words(outcome).into()
}

/// What became of a command that caused no event, in a few words.
pub(super) fn command(outcome: &CommandOutcome) -> Bytes {
    match &outcome.why {
        Some(Why::Refused(refused)) => refusal(refused),
        Some(Why::Nothing(_)) => "nothing".to_owned(),
        Some(Why::Fault(fault)) => format!("fault, dead letter {}", fault.dead_letter),
        Some(Why::Seen(_)) => "had been taken before".to_owned(),
        None => "says nothing".to_owned(),
    }
    .into()
}

fn words(outcome: Option<&Outcome>) -> String {
    let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
    match outcome.and_then(|outcome| outcome.what.as_ref()) {
        Some(What::Accepted(accepted)) => {
            let range = accepted.sequences.unwrap_or_default();
            let last = range.next.saturating_sub(1);
            format!("accepted as {} to {last} {}", range.first, text(&accepted.reply))
        }
        Some(What::Refused(refused)) => refusal(refused),
        Some(What::Nothing(nothing)) => format!("nothing {}", text(&nothing.reply)),
        Some(What::Duplicate(duplicate)) => {
            let first = words(duplicate.outcome.as_deref());
            format!("duplicate of request {}: {first}", duplicate.first)
        }
        Some(What::Fault(fault)) => format!("fault, dead letter {}", fault.dead_letter),
        Some(What::Dropped(dropped)) => format!("dropped: {}", dropped.reason),
        None => "says nothing".to_owned(),
    }
}

fn refusal(refused: &Refused) -> String {
    format!("refused {} {}", refused.code, refused.details)
}

/// Numbers and names in a few words.
pub(super) fn said(value: &impl std::fmt::Debug) -> Bytes {
    format!("{value:?}").into()
}

/// A shared name.
pub(super) fn name(name: &Arc<str>) -> Bytes {
    Bytes::copy_from_slice(name.as_bytes())
}
