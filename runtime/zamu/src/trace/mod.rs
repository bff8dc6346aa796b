//! The causal tree of a business process: what was asked, what was decided, what that asked for in
//! turn, and what became of each, with the time that every hop took. Read from the log alone.
//!
//! - `names` says what an id may stand for; `search` finds what only a record can tell.
//! - `roots` climbs from an event to the request or the deadline that began it all.
//! - `tree` goes down again; `turns` and `reading` find records without reading all between.
//! - `step` is one line of the result.
//!
//! How records are found: an event names its cause. What it caused was written by the same commit,
//! so it has the same time, and the log finds records by time. A request or command was decided by
//! the one turn whose ranges hold it. All of that takes a few reads each, however long the log;
//! nothing is scanned but for ids that no aggregate has (`search`), and for what was caused by
//! commands that retention has removed. Both have a bound, and the trace says when it was met.
//!
//! Nothing is decided or written here.

mod names;
mod reading;
mod roots;
mod search;
mod step;
#[cfg(test)]
mod tests;
mod tree;
mod turns;

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use zamu_core::aggregate::{Aggregate, DecodeError};
use zamu_core::error::EngineError;
use zamu_core::model::{EventNumber, Kind, Offset, PartitionId, Sequence, TypeId};
use zamu_rocks::LogReader;

use crate::json::Terms;

pub use names::{Candidate, candidates};
pub use step::{Outcome, Step, StepHandler, StepKind};

use roots::Roots;
use search::Searched;
use tree::Tree;

/// How many of the processes that an id belongs to are shown, if nobody says otherwise.
pub const LIMIT: usize = 20;
/// How many may be asked for.
pub const LIMIT_MAX: usize = 1_000;

/// Where to look.
pub struct Source<'a> {
    /// The log.
    pub log: &'a LogReader,
    /// Names for what records only number.
    pub terms: &'a Terms,
    /// The handler that owns each aggregate type, by index; `None` where only the log tells.
    pub owners: &'a [Option<Arc<str>>],
    /// Shows bodies that are not JSON; those of which it says nothing are shown as they are.
    pub show: &'a Show<'a>,
}

/// What a message of this type and kind is for people, if that is not its body.
pub type Show<'a> = dyn Fn(TypeId, &Kind, &Bytes) -> Option<Bytes> + 'a;

impl Source<'_> {
    /// A body for people.
    fn shown(&self, of: TypeId, kind: &Kind, body: &Bytes) -> Bytes {
        (self.show)(of, kind, body).unwrap_or_else(|| body.clone())
    }
}

/// What is known of an aggregate beside the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Where it stands among the candidates that were asked for.
    pub candidate: usize,
    /// Sequence of its last event; 0 before the first.
    pub sequence: Sequence,
    /// The number of that event.
    pub last_event: Option<EventNumber>,
    /// Where remembered commands of clients stand in `requests`.
    pub requests: Vec<Offset>,
}

impl Known {
    /// What a stored aggregate says of itself.
    #[must_use]
    pub fn of(candidate: usize, aggregate: &Aggregate) -> Self {
        Self {
            candidate,
            sequence: aggregate.sequence,
            last_event: aggregate.last_event,
            requests: aggregate.window.entries().iter().map(|entry| entry.offset).collect(),
        }
    }
}

/// The trees that an id belongs to.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trace {
    /// What was asked for.
    pub id: String,
    /// What that is: `aggregate`, `event`, `command`, or `request` (the id or the correlation of
    /// one).
    pub found: &'static str,
    /// When the first of it was taken, milliseconds since 1970.
    pub started: Option<u64>,
    /// From then to the last of it, in milliseconds.
    pub took_ms: Option<u64>,
    /// Whether there may be more than is shown; `notes` say why.
    pub partial: bool,
    /// What is not shown, and what would show it.
    pub notes: Vec<String>,
    /// Each before what it caused, which follows in order.
    pub steps: Vec<Step>,
}

/// Why there is no trace.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// Nothing in the log has this id.
    #[error(
        "nothing is known of `{id}`. An id is TYPE/KEY or KEY (of an aggregate), TYPE/KEY/SEQUENCE (of an event), \
         TYPE/KEY/SEQUENCE/HANDLER/INDEX (of a command that an event handler sent), or the id or correlation id of a \
         client's command, alone or as SOURCE/ID; {searched}"
    )]
    Unknown {
        /// What was asked for.
        id: String,
        /// How far was looked.
        searched: String,
    },
    /// The log failed.
    #[error(transparent)]
    Log(#[from] EngineError),
    /// A record of the log cannot be read.
    #[error("a record of the log: {0}")]
    Record(#[from] DecodeError),
}

/// Traces an id. `known` are those of its [`candidates`] that exist; `limit` bounds the processes
/// that are shown: the newest ones.
///
/// # Errors
/// `Unknown` when the id stands for nothing; otherwise as the log has them.
pub fn trace(
    source: &Source<'_>,
    id: &str,
    known: &[Known],
    limit: usize,
) -> Result<Trace, TraceError> {
    let candidates = candidates(id, source.terms, &source.log.types());
    let mut roots = Roots::new(source, limit);
    let found = match names::choose(&candidates, known) {
        Some((what, chosen)) => {
            for (candidate, known) in chosen {
                roots.of_candidate(candidate, known)?;
            }
            what
        }
        None => {
            // Of one that never decided anything, at most dead letters tell.
            for candidate in candidates.iter().filter(|candidate| candidate.is_aggregate()) {
                roots.of_dead(candidate)?;
            }
            "aggregate"
        }
    };
    let found = if roots.is_empty() { searched(source, id, &mut roots)? } else { found };
    let (roots, mut notes) = roots.newest()?;
    let mut tree = Tree::new(source);
    for root in roots {
        tree.grow(root)?;
    }
    let (steps, more) = tree.finish();
    notes.extend(more);
    Ok(finished(id, found, steps, notes))
}

fn searched(
    source: &Source<'_>,
    id: &str,
    roots: &mut Roots<'_>,
) -> Result<&'static str, TraceError> {
    let Searched { requests, events, note, complete } = search::search(source, id)?;
    for (partition, offset) in requests {
        roots.of_request(partition, offset)?;
    }
    for event in events {
        roots.of_event(event)?;
    }
    if roots.is_empty() {
        return Err(TraceError::Unknown { id: id.to_owned(), searched: note });
    }
    if !complete {
        roots.note(note);
    }
    Ok("request")
}

fn finished(id: &str, found: &'static str, steps: Vec<Step>, notes: Vec<String>) -> Trace {
    let started = steps.iter().filter_map(|step| step.at).min();
    let ended = steps.iter().filter_map(|step| step.decided_at.max(step.at)).max();
    Trace {
        id: id.to_owned(),
        found,
        started,
        took_ms: ended.zip(started).map(|(ended, started)| ended - started),
        partial: !notes.is_empty(),
        notes,
        steps,
    }
}

/// An event and where it is.
#[derive(Clone, Debug)]
pub(crate) struct Located {
    /// Its partition.
    pub(crate) partition: PartitionId,
    /// The event.
    pub(crate) event: zamu_core::model::Event,
}
