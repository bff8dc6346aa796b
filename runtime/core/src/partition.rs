//! One partition: where it stands, and its aggregates in memory.
//!
//! Invariants: turns that are not durable are kept apart, newest last, and can be thrown away; what
//! is told to readers, clients and the store comes from durable turns only.
//!
//! Each noun of it has a file: `status`, `turn` (with `redrives`, `waking`, `catching_up` and `report`),
//! `layers` and `owed`. Restoring is in [`restore`](crate::restore), flushing in [`flush`](crate::flush).

mod catching_up;
mod layers;
mod owed;
mod redrives;
mod report;
mod status;
mod turn;
mod waking;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::deadlines::Deadlines;
use crate::fault_rate::{FaultRate, Rates};
use crate::flush::Flush;
use crate::guest::Guest;
use crate::log::ShardLog;
use crate::memory::Memory;
use crate::model::{EventNumber, PartitionId, Time, TurnNumber};
use crate::observer::Observer;
use crate::outcomes::Standing;
use crate::references::References;
use crate::restore::Restore;
use crate::settings::Settings;
use crate::store::Store;
use crate::topology::{Blamed, Topology};

use layers::Layer;
use status::Trouble;

pub use catching_up::Behind;
pub use status::{Status, Stop};

/// What a partition needs of its shard to do anything.
pub struct Tools<'a> {
    /// The log.
    pub log: &'a mut dyn ShardLog,
    /// The store.
    pub store: &'a mut dyn Store,
    /// One instance per handler of the topology.
    pub guests: &'a mut [Box<dyn Guest>],
    /// Who does what.
    pub topology: &'a Topology,
    /// What guests may look up.
    pub references: &'a References,
    /// The bounds.
    pub settings: &'a Settings,
    /// Who listens.
    pub observer: &'a mut dyn Observer,
}

/// One partition of a shard.
#[derive(Debug)]
pub struct Partition {
    pub(crate) id: PartitionId,
    pub(crate) status: Status,
    /// After the last durable turn.
    pub(crate) durable: Standing,
    /// Turns that are not durable yet.
    layers: VecDeque<Layer>,
    pub(crate) memory: Memory,
    pub(crate) deadlines: Deadlines,
    rate: FaultRate,
    reaction_rates: Rates,
    trouble: Option<Trouble>,
    /// Why it is to pause once it is restored: it was paused when it had to start over.
    pub(crate) paused: Option<String>,
    /// Event handlers that are behind and broke too often to go on, and why. By name.
    held: BTreeMap<Arc<str>, String>,
    /// How many events the newest turn decided.
    last_events: usize,
    /// The handler that is to blame for a pause.
    blamed: Option<Blamed>,
    /// The last turn that was told before it had to start over: later ones may be durable.
    owes_after: Option<TurnNumber>,
    pub(crate) restore: Option<Restore>,
    /// Whether memory and store together are what the log says.
    pub(crate) restored: bool,
    /// Whether the reference tables that its handlers need were ready when they were last looked at. They
    /// stay so, and if they do not, a turn finds out.
    tables_ready: bool,
    pub(crate) flush: Flush,
    /// Append time of the last request that a durable turn of this process took. None that still
    /// comes is older.
    pub(crate) requests_time: Time,
}

impl Partition {
    /// A partition that this shard has just been given: it has to be restored first.
    #[must_use]
    pub fn new(id: PartitionId, settings: &Settings) -> Self {
        Self {
            id,
            status: Status::Restoring,
            durable: Standing::new(),
            layers: VecDeque::new(),
            memory: Memory::new(settings.cache_bytes),
            deadlines: Deadlines::default(),
            rate: FaultRate::new(settings),
            reaction_rates: Rates::new(settings),
            trouble: None,
            paused: None,
            held: BTreeMap::new(),
            last_events: 0,
            blamed: None,
            owes_after: None,
            restore: None,
            restored: false,
            tables_ready: false,
            flush: Flush::default(),
            requests_time: Time::default(),
        }
    }

    /// Forgets what the log knows better, to be restored from it. What only this process knows is
    /// kept: a pause, how many faulted, and which turns have been told.
    pub fn start_over(&mut self, settings: &Settings) {
        let before = std::mem::replace(self, Self::new(self.id, settings));
        self.owes_after = before.owes_after;
        if before.restored {
            self.owes_after = self.owes_after.or(Some(before.durable.turn));
        }
        (self.rate, self.reaction_rates) = (before.rate, before.reaction_rates);
        (self.paused, self.blamed, self.held) = (before.paused, before.blamed, before.held);
        match before.status {
            Status::Halted(_) | Status::Leaving => self.status = before.status,
            Status::Paused(reason) => self.paused = Some(reason),
            Status::Restoring | Status::Running | Status::Waiting(_) | Status::Unready(_) => {}
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> PartitionId {
        self.id
    }

    /// Where it stands after its last durable turn.
    #[must_use]
    pub fn durable(&self) -> &Standing {
        &self.durable
    }

    /// Turn and next event of all that is durable and folded here.
    pub(crate) fn folded_to(&self) -> (TurnNumber, EventNumber) {
        let durable = (self.durable.turn, self.durable.events_next);
        self.restore.as_ref().map_or(durable, Restore::folded_to)
    }

    /// Bytes that wait for a flush.
    #[must_use]
    pub fn unflushed_bytes(&self) -> usize {
        if self.is_out_of_service() { 0 } else { self.memory.unflushed_bytes() }
    }

    /// Whether nothing is left to be done for what is durable.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.is_out_of_service()
            || (self.status != Status::Restoring && !self.is_behind() && !self.memory.has_changed())
    }
}
