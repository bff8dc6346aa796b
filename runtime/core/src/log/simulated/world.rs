//! The state behind all handles of a simulated log, and how it moves on: what was submitted is
//! written in a drawn order between shards (but in order within one), and becomes durable in the one
//! order in which it was written. Its parts are the nouns below; this file has its time.

mod checks;
mod draws;
mod failures;
mod owners;
mod reading;
mod shards;
mod writes;

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::faults::{Counts, Fate, Faults};
use super::topics::Topics;
use crate::error::EngineError;
use crate::log::{AppendDone, Appended};
use crate::model::{PartitionId, Time};
use crate::prng::Prng;
use owners::Owner;
use shards::Shard;
use writes::{Append, Written};

/// Everything, behind one lock.
pub(super) struct World {
    prng: Prng,
    faults: Faults,
    script: VecDeque<Fate>,
    counts: Counts,
    id: Bytes,
    process: u64,
    tick: u64,
    now: Time,
    partitions: BTreeMap<PartitionId, Topics>,
    owners: BTreeMap<PartitionId, Owner>,
    shards: Vec<Shard>,
    appends: BTreeMap<PartitionId, VecDeque<Append>>,
    /// Written and not durable, oldest first.
    undurable: VecDeque<Written>,
    written_held: bool,
    durable_held: bool,
    news: News,
}

/// What is to be done once the lock is released.
#[derive(Default)]
pub(super) struct News {
    /// Appends that came to their end.
    pub(super) told: Vec<(AppendDone, Result<Appended, EngineError>)>,
    /// Appends whose process died: their owners' code may run when these are dropped.
    pub(super) never_told: Vec<AppendDone>,
}

impl World {
    pub(super) fn new(seed: u64, faults: Faults) -> Self {
        let mut prng = Prng::new(seed);
        let id = Bytes::copy_from_slice(&[prng.draw(), prng.draw()].map(u64::to_be_bytes).concat());
        Self {
            prng,
            faults,
            script: VecDeque::new(),
            counts: Counts::default(),
            id,
            process: 1,
            tick: 0,
            now: Time::default(),
            partitions: BTreeMap::new(),
            owners: BTreeMap::new(),
            shards: Vec::new(),
            appends: BTreeMap::new(),
            undurable: VecDeque::new(),
            written_held: false,
            durable_held: false,
            news: News::default(),
        }
    }

    pub(super) fn tick(&mut self, now: Time) {
        self.tick += 1;
        self.now = self.now.max(now);
        self.disturb();
        self.pump();
    }

    pub(super) fn settle(&mut self) {
        while self.is_busy() {
            self.tick += 1;
            self.pump();
        }
    }

    /// Does all that is due.
    fn pump(&mut self) {
        while let Some(source) = self.draw_source() {
            self.write_from(source);
        }
        while !self.durable_held
            && self.undurable.front().is_some_and(|written| written.due <= self.tick)
        {
            self.sync_oldest();
        }
        self.hand_over();
    }

    /// Whether something is on its way that nothing holds back.
    pub(super) fn is_busy(&self) -> bool {
        let to_write = self.shards.iter().any(|s| !s.in_flight.is_empty())
            || self.appends.values().any(|queue| !queue.is_empty());
        (to_write && !self.written_held) || (!self.undurable.is_empty() && !self.durable_held)
    }

    pub(super) fn undurable(&self) -> usize {
        self.undurable.len()
    }

    pub(super) fn hold_durable(&mut self, held: bool) {
        self.durable_held = held;
        self.pump();
    }

    pub(super) fn hold_written(&mut self, held: bool) {
        self.written_held = held;
        self.pump();
    }

    pub(super) fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    pub(super) fn next(&mut self, fate: Fate) {
        self.script.push_back(fate);
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    pub(super) fn process(&self) -> u64 {
        self.process
    }

    pub(super) fn id(&self) -> Bytes {
        self.id.clone()
    }

    pub(super) fn take_news(&mut self) -> News {
        std::mem::take(&mut self.news)
    }

    pub(super) fn check_alive(&self, process: u64) -> Result<(), EngineError> {
        if process == self.process {
            return Ok(());
        }
        Err(EngineError::Fatal("this handle's process has ended: open another".into()))
    }
}
