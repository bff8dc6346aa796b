//! A store in memory, for tests. It keeps every write as a journal, so that a test can let it crash
//! between any two of them: the newest writes of a partition are undone, whole ones only, down to
//! the last [`Store::sync`] at most. What one crash left is not safe from the next.
//!
//! All handles of one [`MemoryStore`] are one process's view of one store; a crash leaves them
//! usable, as if opened again.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::{Store, Write};
use crate::error::EngineError;
use crate::model::{PartitionId, Time};
use crate::prng::Prng;

/// The store. Clones are the same one.
#[derive(Clone, Default)]
pub struct MemoryStore {
    partitions: Arc<Mutex<BTreeMap<PartitionId, Partition>>>,
    failing: Arc<Mutex<Failing>>,
}

/// What a test lets go wrong.
#[derive(Default)]
struct Failing {
    error: Option<EngineError>,
    times: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Contents {
    records: BTreeMap<Bytes, Bytes>,
    deadlines: BTreeSet<(Time, Bytes)>,
    position: Option<Bytes>,
}

#[derive(Default)]
struct Partition {
    contents: Contents,
    /// How to undo each write since the last sync, oldest first.
    journal: Vec<Undo>,
}

/// What was there before.
enum Undo {
    Write {
        records: Vec<(Bytes, Option<Bytes>)>,
        /// Entries of the index, and whether they were there.
        deadlines: Vec<((Time, Bytes), bool)>,
        position: Option<Bytes>,
    },
    Clear(Contents),
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Loses a drawn number of the newest writes of each partition.
    pub fn crash(&self, prng: &mut Prng) {
        for partition in self.lock().values_mut() {
            let kept = prng.index(partition.journal.len() + 1);
            partition.crash(kept);
        }
    }

    /// Loses the newest unsynced writes of a partition, but for the oldest `kept` of them. Gives back
    /// how many there were.
    pub fn crash_keeping(&self, partition: PartitionId, kept: usize) -> usize {
        let mut partitions = self.lock();
        let partition = partitions.entry(partition).or_default();
        let writes = partition.journal.len();
        partition.crash(kept);
        writes
    }

    /// How many writes of a partition a crash could lose.
    #[must_use]
    pub fn unsynced(&self, partition: PartitionId) -> usize {
        self.lock().get(&partition).map_or(0, |partition| partition.journal.len())
    }

    /// From now on everything that a shard asks for fails with this error, or no longer.
    pub fn fail(&self, error: Option<EngineError>) {
        self.failing().error = error;
    }

    /// How often something has failed.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failing().times
    }

    fn failing(&self) -> MutexGuard<'_, Failing> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self) -> Result<(), EngineError> {
        let mut failing = self.failing();
        let Some(error) = failing.error.clone() else { return Ok(()) };
        failing.times += 1;
        Err(error)
    }

    /// All records of a partition, in key order, for comparing.
    #[must_use]
    pub fn records(&self, partition: PartitionId) -> Vec<(Bytes, Bytes)> {
        let partitions = self.lock();
        let records = partitions.get(&partition).map(|p| &p.contents.records);
        let pairs = records.into_iter().flatten();
        pairs.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// All deadlines of a partition, in their order, for comparing.
    #[must_use]
    pub fn all_deadlines(&self, partition: PartitionId) -> Vec<(Time, Bytes)> {
        let partitions = self.lock();
        let deadlines = partitions.get(&partition).map(|p| &p.contents.deadlines);
        deadlines.into_iter().flatten().cloned().collect()
    }

    /// Every change of a partition is made in one piece: what a panic elsewhere leaves is whole.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<PartitionId, Partition>> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, partition: PartitionId, act: impl FnOnce(&mut Partition) -> T) -> T {
        act(self.lock().entry(partition).or_default())
    }
}

impl Store for MemoryStore {
    fn sync(&mut self, partition: PartitionId) -> Result<(), EngineError> {
        self.check()?;
        self.with(partition, |p| p.journal.clear());
        Ok(())
    }

    fn position(&mut self, partition: PartitionId) -> Result<Option<Bytes>, EngineError> {
        self.check()?;
        Ok(self.with(partition, |p| p.contents.position.clone()))
    }

    fn get(
        &mut self,
        partition: PartitionId,
        keys: &[Bytes],
    ) -> Result<Vec<Option<Bytes>>, EngineError> {
        self.check()?;
        Ok(self.with(partition, |p| {
            keys.iter().map(|key| p.contents.records.get(key).cloned()).collect()
        }))
    }

    fn write(&mut self, partition: PartitionId, write: &Write) -> Result<(), EngineError> {
        self.check()?;
        self.with(partition, |p| p.write(write));
        Ok(())
    }

    fn scan(
        &mut self,
        partition: PartitionId,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, EngineError> {
        self.check()?;
        let low = after.map_or(Bound::Unbounded, Bound::Excluded);
        Ok(self.with(partition, |p| {
            let pairs = p.contents.records.range::<[u8], _>((low, Bound::Unbounded));
            pairs.take(limit).map(|(key, value)| (key.clone(), value.clone())).collect()
        }))
    }

    fn deadlines(
        &mut self,
        partition: PartitionId,
        from: (Time, &[u8]),
        until: Time,
        limit: usize,
    ) -> Result<Vec<(Time, Bytes)>, EngineError> {
        self.check()?;
        let from = (from.0, Bytes::copy_from_slice(from.1));
        Ok(self.with(partition, |p| {
            let entries = p.contents.deadlines.range(from..);
            entries.take_while(|(deadline, _)| *deadline <= until).take(limit).cloned().collect()
        }))
    }

    fn clear(&mut self, partition: PartitionId) -> Result<(), EngineError> {
        self.check()?;
        self.with(partition, |p| {
            let before = std::mem::take(&mut p.contents);
            p.journal.push(Undo::Clear(before));
        });
        Ok(())
    }
}

impl Partition {
    fn write(&mut self, write: &Write) {
        let mut undo = Vec::with_capacity(write.puts.len() + write.deletes.len());
        for (key, value) in &write.puts {
            let before = self.contents.records.insert(key.clone(), value.clone());
            undo.push((key.clone(), before));
        }
        for key in &write.deletes {
            let before = self.contents.records.remove(key);
            undo.push((key.clone(), before));
        }
        let deadlines = &mut self.contents.deadlines;
        let gone = write.deadlines_done.iter().map(|d| (d.clone(), deadlines.remove(d)));
        let mut undo_deadlines: Vec<_> = gone.collect();
        let put = write.deadlines.iter().map(|d| (d.clone(), !deadlines.insert(d.clone())));
        undo_deadlines.extend(put);
        let position = self.contents.position.clone();
        self.journal.push(Undo::Write { records: undo, deadlines: undo_deadlines, position });
        if write.position.is_some() {
            self.contents.position.clone_from(&write.position);
        }
    }

    fn crash(&mut self, kept: usize) {
        while self.journal.len() > kept {
            match self.journal.pop() {
                Some(Undo::Write { records, deadlines, position }) => {
                    self.undo(records, position);
                    self.undo_deadlines(deadlines);
                }
                Some(Undo::Clear(before)) => self.contents = before,
                None => {}
            }
        }
    }

    fn undo(&mut self, records: Vec<(Bytes, Option<Bytes>)>, position: Option<Bytes>) {
        // Newest first: a key may have been changed twice.
        for (key, before) in records.into_iter().rev() {
            match before {
                Some(value) => self.contents.records.insert(key, value),
                None => self.contents.records.remove(&key),
            };
        }
        self.contents.position = position;
    }

    fn undo_deadlines(&mut self, deadlines: Vec<((Time, Bytes), bool)>) {
        for (entry, was_there) in deadlines.into_iter().rev() {
            if was_there {
                self.contents.deadlines.insert(entry);
            } else {
                self.contents.deadlines.remove(&entry);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract::{Crashes, StoreUnderTest};

    impl StoreUnderTest for MemoryStore {
        fn store(&mut self) -> Box<dyn Store> {
            Box::new(self.clone())
        }

        fn restart(&mut self) {
            // The memory is what a process leaves in good order.
        }
    }

    impl Crashes for MemoryStore {
        fn crash(&mut self, kept: u32) {
            let mut partitions = self.lock();
            for partition in partitions.values_mut() {
                let writes = partition.journal.len();
                partition.crash(writes * kept as usize / 1000);
            }
        }
    }

    crate::store_contract!(every_store: MemoryStore::new);
    crate::store_contract!(crashes: MemoryStore::new);

    #[test]
    fn the_same_seed_loses_the_same_writes() {
        let crashed = |seed| {
            let mut store = MemoryStore::new();
            for n in 0..50_u8 {
                let puts = vec![(Bytes::from(vec![n]), Bytes::from(vec![n]))];
                let write = Write { puts, ..Write::default() };
                store.write(PARTITION, &write).unwrap_or_default();
            }
            store.crash(&mut Prng::new(seed));
            store.records(PARTITION).len()
        };
        assert_eq!(crashed(1), crashed(1));
        let kept: std::collections::BTreeSet<_> = (0..20).map(crashed).collect();
        assert!(kept.len() > 5, "{kept:?}");
    }

    const PARTITION: PartitionId =
        PartitionId { aggregate_type: crate::model::TypeId(0), number: 0 };
}
