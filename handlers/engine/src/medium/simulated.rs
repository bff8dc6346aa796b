//! The simulated log, and store and tables in memory: a run follows from the seed of the log, the seed given
//! here and what the test does, and from nothing else.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use scenarios::switch::End;
use zamu_core::log::Intake;
use zamu_core::log::events::Events;
use zamu_core::log::simulated::Simulated;
use zamu_core::model::{Command, Event, EventNumber, PartitionId, Stored, Time, TurnNumber};
use zamu_core::outcomes::decode_record;
use zamu_core::prng::Prng;
use zamu_core::proto::BatchRecord;
use zamu_core::store::memory::MemoryStore;
use zamu_core::store::tables::TableStore;
use zamu_core::store::tables::memory::MemoryTables;

use super::{Medium, Place};

/// A simulated log, a store and tables that forget their newest writes when the process does not end
/// in good order.
pub(crate) struct SimulatedMedium {
    log: Simulated,
    store: MemoryStore,
    tables: MemoryTables,
    prng: Prng,
}

impl SimulatedMedium {
    /// A store of its own beside this log. What it loses is drawn from the seed.
    pub(crate) fn new(log: &Simulated, seed: u64, now: Time) -> Self {
        log.tick(now);
        let (store, tables) = (MemoryStore::new(), MemoryTables::new());
        Self { log: log.clone(), store, tables, prng: Prng::new(seed) }
    }
}

impl SimulatedMedium {
    /// Store and tables lose some of their newest writes.
    fn lose_writes(&mut self) {
        self.store.crash(&mut self.prng);
        let writes = self.tables.writes();
        if writes > 0 {
            self.tables.crash_keeping(self.prng.index(writes + 1));
        }
    }
}

impl Medium for SimulatedMedium {
    fn place(&mut self, partitions: &[PartitionId]) -> anyhow::Result<Place> {
        let (log, store) = (self.log.shard(partitions), self.store.clone());
        Ok(Place { log: Box::new(log), store: Box::new(store) })
    }

    fn tables(&self) -> anyhow::Result<(Box<dyn Events>, Arc<dyn TableStore>)> {
        Ok((Box::new(self.log.events()), Arc::new(self.tables.clone())))
    }

    fn intake(&self) -> anyhow::Result<Arc<dyn Intake>> {
        Ok(self.log.intake())
    }

    fn get_on(&mut self, now: Time) -> anyhow::Result<()> {
        self.log.tick(now);
        Ok(())
    }

    fn is_durable(&self) -> bool {
        self.log.undurable() == 0
    }

    fn orphans(&self) -> Vec<PartitionId> {
        self.log.orphans()
    }

    fn history(
        &self,
        partition: PartitionId,
        last: EventNumber,
        count: usize,
    ) -> anyhow::Result<Vec<Event>> {
        let all = self.log.contents(partition).events;
        let mut events: Vec<Event> = Vec::new();
        let mut next = Some(last);
        while events.len() < count {
            let number = next.with_context(|| format!("{} of {count} events", events.len()))?;
            let event = all.get(number as usize).with_context(|| format!("no event {number}"))?;
            ensure!(event.number == number, "event {} stands where {number} should", event.number);
            next = event.previous;
            events.push(event.clone());
        }
        events.reverse();
        Ok(events)
    }

    fn commands(&self, partition: PartitionId) -> anyhow::Result<Vec<Stored<Command>>> {
        Ok(self.log.contents(partition).commands)
    }

    fn records(
        &self,
        partition: PartitionId,
        after: TurnNumber,
    ) -> anyhow::Result<Vec<BatchRecord>> {
        let all = self.log.contents(partition).outcomes;
        let later = all.iter().filter(|(turn, _)| *turn > after);
        Ok(later.map(|(_, bytes)| decode_record(bytes)).collect::<Result<_, _>>()?)
    }

    fn restart(&mut self, end: End) -> anyhow::Result<()> {
        match end {
            End::Orderly => {
                self.log.settle();
                self.log.crash();
            }
            End::Killed => {
                self.log.crash();
                self.lose_writes();
            }
            End::PowerLost => {
                self.log.power_loss();
                self.lose_writes();
            }
        }
        Ok(())
    }
}
