//! What the core tells whoever measures it. The core itself reads no clock and writes no log line.

use crate::model::{PartitionId, TurnNumber};
use crate::topology::Blamed;

/// Listens to a shard. All methods have an empty default.
pub trait Observer: Send {
    /// A monotonic clock in nanoseconds, for the time of each step; 0 where nobody measures.
    fn clock_ns(&mut self) -> u64 {
        0
    }

    /// A turn was computed.
    fn turn(&mut self, _report: &TurnReport) {}

    /// A commit was handed to the log, so many nanoseconds ago by [`Observer::clock_ns`], and is durable.
    fn durable(&mut self, _commit_ns: u64) {}

    /// Something that an operator must hear of.
    fn alarm(&mut self, _alarm: Alarm<'_>) {}

    /// A partition was restored and is ready.
    fn restored(&mut self, _partition: PartitionId, _turns: u64, _events: u64) {}

    /// So many aggregates were written to the store.
    fn flushed(&mut self, _partition: PartitionId, _aggregates: usize) {}
}

/// What one turn did.
#[derive(Debug, Clone, Default)]
pub struct TurnReport {
    /// The partition.
    pub partition: Option<PartitionId>,
    /// The turn.
    pub turn: TurnNumber,
    /// Records of `commands`.
    pub commands: u64,
    /// Records of `requests`.
    pub requests: u64,
    /// Decided events.
    pub events: u64,
    /// Commands sent to other aggregates.
    pub sent: u64,
    /// Refusals, duplicates of refusals not counted.
    pub refused: u64,
    /// Duplicates.
    pub duplicates: u64,
    /// Faults.
    pub faults: u64,
    /// Events to which event handlers reacted that had missed them.
    pub caught_up: u64,
    /// Wakes that were put into the log.
    pub wakes_sent: u64,
    /// Wakes that came from the log and were no longer wanted.
    pub wakes_unwanted: u64,
    /// Wakes that caused no event: their deadlines are given up.
    pub given_up: u64,
    /// Nanoseconds of each step: decode, load, decide, react, collect.
    pub step_ns: [u64; 5],
}

/// Names of the entries of [`TurnReport::step_ns`].
pub const STEPS: [&str; 5] = ["decode", "load", "decide", "react", "collect"];

/// Something that an operator must hear of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alarm<'a> {
    /// A partition stopped for good.
    Halted {
        /// Which.
        partition: PartitionId,
        /// Why.
        reason: &'a str,
    },
    /// A partition waits for an operator, or for another version of a handler.
    Paused {
        /// Which.
        partition: PartitionId,
        /// Why.
        reason: &'a str,
        /// The handler that is to blame, if one is: the partition goes on once it is replaced.
        blamed: Option<Blamed>,
    },
    /// An event handler that is behind has stopped where it is, because it broke too often. The
    /// partition goes on without it, until it is replaced or an operator resumes the partition.
    Held {
        /// Where.
        partition: PartitionId,
        /// Why.
        reason: &'a str,
        /// The event handler.
        blamed: Blamed,
    },
    /// A handler's fault is final: it is in a dead letter.
    Faulted {
        /// Where.
        partition: PartitionId,
        /// The handler.
        blamed: Blamed,
        /// Key of the aggregate.
        key: &'a [u8],
    },
    /// Choreographed commands were refused: a defect of handlers.
    CommandsRefused {
        /// Where.
        partition: PartitionId,
        /// How many.
        count: u64,
    },
    /// Handlers did not answer Wakes with an event: these deadlines are given up.
    DeadlinesGivenUp {
        /// Where.
        partition: PartitionId,
        /// How many.
        count: u64,
    },
    /// A record became a dead letter.
    DeadLetters {
        /// Where.
        partition: PartitionId,
        /// How many.
        count: u64,
    },
}

/// Nobody listens.
#[derive(Debug, Default)]
pub struct Silent;

impl Observer for Silent {}
