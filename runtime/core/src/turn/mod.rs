//! The steps of a turn, one file each, and the types that one hands to the next.
//!
//! ```text
//! decode → load → decide → react → collect
//! ```
//!
//! `decode` and `collect` are pure; `load` reads the store, `decide` and `react` call a guest.
//! Taking from the log and committing to it is the shard's.

pub mod collect;
pub mod decide;
pub mod decode;
pub mod load;
pub mod react;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::model::{
    Command, Context, DeadLetterNumber, Event, EventNumber, EventRef, HOST_SOURCE, Kind, Offset,
    Request, Sequence, Stored, Time, Wake,
};
use crate::proto;
use crate::topology::{Blamed, HandlerIndex};
use crate::window::ContentHash;

/// What was taken from the log for one turn.
#[derive(Clone, Debug, Default)]
pub struct Taken {
    /// Of `commands`: they come first.
    pub commands: Vec<Stored<Command>>,
    /// Of `requests`.
    pub requests: Vec<Stored<Request>>,
}

/// One record of the input, decoded.
#[derive(Clone, Debug)]
pub struct Item {
    /// Where it stands.
    pub place: Place,
    /// The record's time: of a request when the log took it, of a choreographed command its cause's.
    pub time: Time,
    /// The dead letter that it redrives.
    pub redrives: Option<DeadLetterNumber>,
    /// What there is to do.
    pub task: Task,
}

/// Where an item stands in a partition's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// At this offset of `commands`.
    Commands(Offset),
    /// At this offset of `requests`.
    Requests(Offset),
}

impl Place {
    /// The offset, in whichever input.
    #[must_use]
    pub fn offset(self) -> Offset {
        match self {
            Self::Commands(offset) | Self::Requests(offset) => offset,
        }
    }
}

/// What there is to do for an item.
#[derive(Clone, Debug)]
pub enum Task {
    /// Ask the aggregate's handler.
    Decide(Ask),
    /// Let an event handler react to an event that was parked.
    React {
        /// The event.
        event: Event,
        /// The event handler.
        handler: Arc<str>,
    },
    /// Nothing: no handler takes the kind. Its handler may have lost it, so this counts as a fault
    /// of its aggregate.
    Untaken {
        /// Key of the aggregate.
        key: Bytes,
        /// The kind.
        kind: Kind,
    },
    /// Nothing: the record itself said enough.
    Settled(Verdict),
}

/// A command to be decided.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Key of the aggregate.
    pub key: Bytes,
    /// Index of the kind in the owner's manifest, or that of a Wake.
    pub kind: u32,
    /// Its time, which its events get: the item's, or that of the record that is redriven.
    pub time: Time,
    /// Who asks.
    pub sender: Sender,
    /// Correlation, principal, trace.
    pub context: Arc<Context>,
    /// The command itself.
    pub body: Bytes,
}

/// Who sent a command.
#[derive(Clone, Debug)]
pub enum Sender {
    /// A client.
    External {
        /// Who made the id.
        source: Bytes,
        /// The id.
        id: Bytes,
        /// What it said, hashed.
        content: ContentHash,
    },
    /// The aggregate's own deadline, if it is still that.
    Wake(Wake),
    /// An event handler.
    Choreographed {
        /// Where the command stood in `commands`.
        offset: Offset,
        /// The event that caused it.
        event: EventRef,
        /// The event handler.
        handler: Arc<str>,
        /// Which of its commands for that event.
        index: u32,
    },
}

/// What became of an item.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The aggregate accepted it.
    Accepted {
        /// Sequence of its first event.
        first: Sequence,
        /// How many events it caused.
        events: u64,
        /// What the caller gets back.
        reply: Bytes,
    },
    /// The aggregate refused it.
    Refused {
        /// Stable code.
        code: String,
        /// For people.
        details: String,
    },
    /// There was nothing to do.
    Nothing {
        /// What the caller gets back.
        reply: Bytes,
    },
    /// It was decided before.
    Duplicate {
        /// Offset of the first in `requests`.
        first: Offset,
        /// What was answered then.
        outcome: Box<proto::Outcome>,
    },
    /// Its id had come with other content.
    Reused,
    /// It could not be processed: a dead letter.
    Fault(Failure),
    /// Its channel number had been seen.
    Seen,
    /// A redrive of a parked event: what became of it is told by the reaction.
    Reacted,
    /// A redrive of what is not open.
    Dropped(String),
    /// A Wake that its aggregate does not want: why not.
    Unwanted(&'static str),
}

impl Verdict {
    /// The outcome that it leaves in the window and in the batch record; none for one that is not an
    /// aggregate's own and final answer.
    #[must_use]
    pub fn outcome(&self) -> Option<proto::Outcome> {
        use proto::outcome::What;
        let what = match self {
            Verdict::Accepted { first, events, reply } => What::Accepted(proto::Accepted {
                sequences: Some(proto::Range { first: *first, next: first + events }),
                reply: reply.clone(),
            }),
            Verdict::Refused { code, details } => {
                What::Refused(proto::Refused { code: code.clone(), details: details.clone() })
            }
            Verdict::Nothing { reply } => What::Nothing(proto::Nothing { reply: reply.clone() }),
            _ => return None,
        };
        Some(proto::Outcome { what: Some(what) })
    }
}

/// Why something became a dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Stable code.
    pub reason: Cow<'static, str>,
    /// For people.
    pub message: String,
}

impl Failure {
    /// Of a kind that no handler takes.
    #[must_use]
    pub fn untaken(kind: &Kind) -> Self {
        Self { reason: "unknown-kind".into(), message: format!("no handler takes {kind}") }
    }
}

/// A partition has to pause: its turn ends with this item, whatever else was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// The last item of the turn.
    pub after: usize,
    /// Why.
    pub reason: String,
    /// The handler that another version would mend it of, if one is to blame.
    pub blamed: Option<Blamed>,
}

impl Pause {
    /// Because too many faulted, the last one of them like this.
    #[must_use]
    pub fn of(
        after: usize,
        rate: &dyn std::fmt::Display,
        last: &Failure,
        blamed: Option<Blamed>,
    ) -> Self {
        let Failure { reason, message } = last;
        let reason = format!(
            "{rate}; last: {reason}: {message}. Deploy a mended version or roll back (`zamu handlers`), or resume to go on as it is"
        );
        Self { after, reason, blamed }
    }
}

/// What deciding made of the items.
#[derive(Debug, Default)]
pub struct Decided {
    /// One per item, in order. They may end early if the partition has to pause.
    pub verdicts: Vec<Verdict>,
    /// Decided events, with the item that caused each, in order.
    pub events: Vec<(usize, Event)>,
    /// That the partition has to pause. All after that item was decided in vain.
    pub pause: Option<Pause>,
}

/// An event that event handlers react to in this turn.
#[derive(Clone, Debug)]
pub struct Reaction<'a> {
    /// The item that brought it.
    pub item: usize,
    /// The event.
    pub event: &'a Event,
    /// Only this handler reacts (a redrive); otherwise all that subscribe.
    pub only: Option<&'a str>,
}

/// What event handlers made of the events.
#[derive(Debug, Default)]
pub struct Reacted {
    /// Commands, in the order (event, handler, index). Not yet numbered.
    pub commands: Vec<Outgoing>,
    /// Events that a handler could not react to, in the order (event, handler).
    pub parked: Vec<Parked>,
    /// That the partition has to pause. All after that item was reacted to in vain, if at all.
    pub pause: Option<Pause>,
}

/// A command on its way out.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Index of the reaction that caused it.
    pub reaction: usize,
    /// Where it goes.
    pub target: crate::model::PartitionId,
    /// The command, without its channel stamp.
    pub command: Command,
}

/// An event that a handler could not react to.
#[derive(Clone, Debug)]
pub struct Parked {
    /// Index of the reaction.
    pub reaction: usize,
    /// Key of the event's aggregate.
    pub key: Bytes,
    /// The event handler, as an index of the topology.
    pub handler: HandlerIndex,
    /// What broke.
    pub failure: Failure,
}

/// What event handlers made of events that they had missed.
#[derive(Debug, Default)]
pub struct CaughtUp {
    /// How many events they reacted to.
    pub events: u64,
    /// Commands, in the order (event, handler, index). Not yet numbered. Reactions are those of a page
    /// of its own for each handler.
    pub commands: Vec<Outgoing>,
    /// Events that a handler could not react to, each with the event, in the order (event, handler).
    pub parked: Vec<(Event, Parked)>,
    /// The next event of each handler that has not come to the end, by handler: it does not react to
    /// what this turn decides.
    pub behind: BTreeMap<HandlerIndex, EventNumber>,
}

/// The id of an event, as text: `type/key/sequence`.
pub fn write_event_id(id: &mut Vec<u8>, type_name: &str, event: &EventRef) {
    id.extend_from_slice(type_name.as_bytes());
    id.push(b'/');
    id.extend_from_slice(&event.key);
    id.push(b'/');
    id.extend_from_slice(event.sequence.to_string().as_bytes());
}

/// The id of a Wake, as text: `type/key/sequence/wake`.
#[must_use]
pub fn wake_id(type_name: &str, key: &[u8], sequence: Sequence) -> Bytes {
    let mut id = Vec::with_capacity(type_name.len() + key.len() + 27);
    id.extend_from_slice(type_name.as_bytes());
    id.push(b'/');
    id.extend_from_slice(key);
    id.extend_from_slice(format!("/{sequence}/wake").as_bytes());
    id.into()
}

/// The record of a Wake. Its context is made when it is decoded.
#[must_use]
pub fn wake_request(type_name: &str, key: Bytes, wake: Wake) -> Request {
    Request {
        id: wake_id(type_name, &key, wake.sequence),
        key,
        kind: Kind::default(),
        source: Bytes::from_static(HOST_SOURCE.as_bytes()),
        context: Arc::default(),
        redrive: None,
        wake: Some(wake),
        body: Bytes::new(),
    }
}

/// The id of a choreographed command, as text: `event id/handler/index`.
pub fn write_command_id(
    id: &mut Vec<u8>,
    type_name: &str,
    event: &EventRef,
    handler: &str,
    index: u32,
) {
    write_event_id(id, type_name, event);
    id.push(b'/');
    id.extend_from_slice(handler.as_bytes());
    id.push(b'/');
    id.extend_from_slice(index.to_string().as_bytes());
}
