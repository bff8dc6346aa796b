//! What a simulated log does to its users, how often, and what it has done so far.

use std::ops::RangeInclusive;

/// How the log behaves. Chances are in thousandths; every draw comes from the log's one seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults {
    /// Ticks from submitting (or appending) until it is written. 0: at once.
    pub write_ticks: RangeInclusive<u64>,
    /// Ticks from written until durable. 0: at once.
    pub sync_ticks: RangeInclusive<u64>,
    /// That `submit` gives a commit back with `Retry`.
    pub refuse: u32,
    /// That a commit is aborted, with all that were submitted after it.
    pub abort: u32,
    /// That a commit, and those after it, become unknown; a drawn number of them happen.
    pub doubt: u32,
    /// That `resolve` cannot tell yet.
    pub unresolved: u32,
    /// That an append fails, surely without effect.
    pub reject: u32,
    /// That a commit or an append leaves a gap of one offset behind it.
    pub gap: u32,
    /// That a piece of news is told together with the next one.
    pub coalesce: u32,
    /// That a take or a read gives fewer records than there are (one at least).
    pub short: u32,
    /// Per tick: that a partition is revoked and goes to a drawn shard, maybe the same.
    pub revoke: u32,
    /// Per tick: that a partition is lost and goes to a drawn shard, maybe the same.
    pub lose: u32,
    /// Per tick: that a shard is fenced; nobody owns its partitions then.
    pub fence: u32,
    /// Per tick: that retention removes what was released.
    pub trim: u32,
}

impl Faults {
    /// Nothing goes wrong, and all is durable at once.
    #[must_use]
    pub fn none() -> Self {
        Self {
            write_ticks: 0..=0,
            sync_ticks: 0..=0,
            refuse: 0,
            abort: 0,
            doubt: 0,
            unresolved: 0,
            reject: 0,
            gap: 0,
            coalesce: 0,
            short: 0,
            revoke: 0,
            lose: 0,
            fence: 0,
            trim: 0,
        }
    }

    /// Nothing goes wrong, but everything takes its time.
    #[must_use]
    pub fn slow() -> Self {
        Self { write_ticks: 1..=4, sync_ticks: 1..=6, coalesce: 300, short: 100, ..Self::none() }
    }

    /// Everything goes wrong now and then.
    #[must_use]
    pub fn all() -> Self {
        Self {
            refuse: 50,
            abort: 30,
            doubt: 30,
            unresolved: 300,
            reject: 30,
            gap: 100,
            revoke: 10,
            lose: 10,
            fence: 5,
            trim: 100,
            ..Self::slow()
        }
    }
}

impl Default for Faults {
    fn default() -> Self {
        Self::none()
    }
}

/// What shall become of one commit, whatever the chances say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is written in due course.
    Written,
    /// The next `submit` gives it back with `Retry`.
    Refused,
    /// It is aborted, with those submitted after it.
    Aborted,
    /// It becomes unknown, with those submitted after it. So many of these, from the first on, have
    /// happened in truth.
    Doubted {
        /// How many happened; more than there are means all.
        happened: usize,
    },
}

/// How often what was done: a test that wants a fault asserts that it took place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Commits that were written.
    pub written: u64,
    /// Commits that `submit` gave back with `Retry`.
    pub refused: u64,
    /// Times that a commit was aborted (with its followers).
    pub aborted: u64,
    /// Commits that became unknown and had happened.
    pub doubted_happened: u64,
    /// Commits that became unknown and had not happened.
    pub doubted_not: u64,
    /// Appends that failed.
    pub rejected: u64,
    /// Partitions revoked.
    pub revoked: u64,
    /// Partitions lost.
    pub lost: u64,
    /// Shards fenced.
    pub fenced: u64,
    /// Times that the process died.
    pub crashes: u64,
    /// Times that power was lost.
    pub power_losses: u64,
    /// Commits and appends that were written and then lost with the power.
    pub writes_lost: u64,
}
