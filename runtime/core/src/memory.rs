//! A partition's aggregates in memory, from the newest to the oldest: those of turns that are not
//! durable yet, changed ones that wait for the next flush, those being flushed, and unchanged ones
//! kept for reading.
//!
//! Invariant: nothing but durable states ever reaches the store or a reader.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::aggregate::Aggregate;
use crate::log::CommitId;
use crate::model::Time;
use crate::working::Cached;

type Map<V> = HashMap<Bytes, V, foldhash::fast::RandomState>;

/// The aggregates of one partition that are in memory.
#[derive(Debug, Default)]
pub struct Memory {
    pending: Map<(CommitId, Arc<Aggregate>)>,
    changed: Map<Changed>,
    changed_bytes: usize,
    frozen: Map<Changed>,
    frozen_bytes: usize,
    clean: Clean,
}

/// A durable aggregate that is not in the store yet.
#[derive(Clone, Debug)]
pub struct Changed {
    /// The aggregate.
    pub aggregate: Arc<Aggregate>,
    /// The deadline under which the store's index has it until then, where that is known.
    pub indexed: Option<Time>,
}

impl Memory {
    /// An empty memory that keeps so many bytes of unchanged aggregates.
    #[must_use]
    pub fn new(cache_bytes: usize) -> Self {
        Self { clean: Clean { bytes_max: cache_bytes, ..Clean::default() }, ..Self::default() }
    }

    /// Puts in what a turn of a commit made of an aggregate.
    pub fn compute(&mut self, commit: CommitId, key: Bytes, aggregate: Arc<Aggregate>) {
        self.pending.insert(key, (commit, aggregate));
    }

    /// What a turn of this commit made of an aggregate is durable now, and will be put in by
    /// [`Memory::change`].
    pub fn make_durable(&mut self, commit: CommitId, key: &Bytes) {
        if self.pending.get(key).is_some_and(|(newest, _)| *newest == commit) {
            self.pending.remove(key);
        }
    }

    /// Forgets all that is not durable; `left` are the changes of turns that still may become so.
    pub fn discard<'a>(
        &mut self,
        left: impl Iterator<Item = (CommitId, &'a [(Bytes, Arc<Aggregate>)])>,
    ) {
        self.pending.clear();
        for (commit, changed) in left {
            for (key, aggregate) in changed {
                self.pending.insert(key.clone(), (commit, Arc::clone(aggregate)));
            }
        }
    }

    /// Puts in a durable state that is not in the store yet, and gives back the one that waited for
    /// its flush until now, if there is one.
    pub fn change(&mut self, key: Bytes, aggregate: Arc<Aggregate>) -> Option<Arc<Aggregate>> {
        let weight = |key: &Bytes, aggregate: &Aggregate| key.len() + aggregate.weight();
        self.changed_bytes += weight(&key, &aggregate);
        let clean = self.clean.remove(&key);
        let before = self.changed.remove(&key);
        if let Some(before) = &before {
            self.changed_bytes -= weight(&key, &before.aggregate);
        }
        let indexed = match &before {
            Some(before) => before.indexed,
            None => {
                let stored =
                    self.frozen.get(&key).map(|frozen| &frozen.aggregate).or(clean.as_ref());
                stored.and_then(|stored| stored.deadline())
            }
        };
        self.changed.insert(key, Changed { aggregate, indexed });
        before.map(|before| before.aggregate)
    }

    /// The durable aggregate, if it is in memory.
    pub fn durable(&mut self, key: &Bytes) -> Option<Arc<Aggregate>> {
        match self.changed.get(key).or_else(|| self.frozen.get(key)) {
            Some(known) => Some(Arc::clone(&known.aggregate)),
            None => self.clean.get(key),
        }
    }

    /// Bytes of changed aggregates, those being flushed included.
    #[must_use]
    pub fn unflushed_bytes(&self) -> usize {
        self.changed_bytes + self.frozen_bytes
    }

    /// Whether anything waits for a flush.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Sets what has changed apart, to be flushed. Nothing may be frozen already.
    pub fn freeze(&mut self) -> Vec<Bytes> {
        debug_assert!(self.frozen.is_empty(), "one flush at a time");
        self.frozen = std::mem::take(&mut self.changed);
        self.frozen_bytes = std::mem::take(&mut self.changed_bytes);
        let mut keys: Vec<Bytes> = self.frozen.keys().cloned().collect();
        keys.sort_unstable();
        keys
    }

    /// An aggregate that is being flushed.
    #[must_use]
    pub fn frozen(&self, key: &Bytes) -> Option<&Changed> {
        self.frozen.get(key)
    }

    /// What was frozen is in the store.
    pub fn thaw(&mut self) {
        self.frozen_bytes = 0;
        for (key, flushed) in std::mem::take(&mut self.frozen) {
            if !self.changed.contains_key(&key) {
                self.clean.insert(key, flushed.aggregate);
            }
        }
    }

    /// Whether an aggregate is in memory in any form but the unchanged.
    #[must_use]
    pub fn holds(&self, key: &Bytes) -> bool {
        self.pending.contains_key(key)
            || self.changed.contains_key(key)
            || self.frozen.contains_key(key)
    }

    /// Forgets an unchanged aggregate, because the store did.
    pub fn forget(&mut self, key: &Bytes) {
        self.clean.remove(key);
    }
}

impl Cached for Memory {
    fn cached(&mut self, key: &Bytes) -> Option<Arc<Aggregate>> {
        match self.pending.get(key) {
            Some((_, aggregate)) => Some(Arc::clone(aggregate)),
            None => self.durable(key),
        }
    }

    fn keep(&mut self, key: &Bytes, aggregate: &Arc<Aggregate>) {
        self.clean.insert(key.clone(), Arc::clone(aggregate));
    }
}

/// Unchanged aggregates in two halves: what is used moves to the young one; when that is full, the
/// old one is dropped and they change places.
#[derive(Debug, Default)]
struct Clean {
    young: Map<Arc<Aggregate>>,
    old: Map<Arc<Aggregate>>,
    young_bytes: usize,
    bytes_max: usize,
}

impl Clean {
    fn get(&mut self, key: &Bytes) -> Option<Arc<Aggregate>> {
        if let Some(aggregate) = self.young.get(key) {
            return Some(Arc::clone(aggregate));
        }
        let (key, aggregate) = self.old.remove_entry(key)?;
        self.insert(key, Arc::clone(&aggregate));
        Some(aggregate)
    }

    fn insert(&mut self, key: Bytes, aggregate: Arc<Aggregate>) {
        self.remove(&key);
        self.young_bytes += key.len() + aggregate.weight();
        self.young.insert(key, aggregate);
        if self.young_bytes * 2 > self.bytes_max {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
    }

    fn remove(&mut self, key: &Bytes) -> Option<Arc<Aggregate>> {
        let old = self.old.remove(key);
        let Some(aggregate) = self.young.remove(key) else { return old };
        self.young_bytes -= key.len() + aggregate.weight();
        Some(aggregate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aggregate(sequence: u64) -> Arc<Aggregate> {
        Arc::new(Aggregate { sequence, ..Aggregate::default() })
    }

    fn seen(memory: &mut Memory) -> (Option<u64>, Option<u64>) {
        let key = Bytes::from_static(b"k");
        (memory.cached(&key).map(|a| a.sequence), memory.durable(&key).map(|a| a.sequence))
    }

    #[test]
    fn readers_see_only_what_is_durable_while_turns_see_the_newest() {
        let mut memory = Memory::new(1 << 20);
        let key = Bytes::from_static(b"k");
        memory.compute(1, key.clone(), aggregate(1));
        memory.compute(2, key.clone(), aggregate(2));
        assert_eq!(seen(&mut memory), (Some(2), None));
        memory.make_durable(1, &key);
        memory.change(key, aggregate(1));
        assert_eq!(seen(&mut memory), (Some(2), Some(1)));
        memory.discard(std::iter::empty());
        assert_eq!(seen(&mut memory), (Some(1), Some(1)));
    }

    #[test]
    fn what_changes_during_a_flush_is_newer_than_what_is_flushed() {
        let mut memory = Memory::new(1 << 20);
        let key = Bytes::from_static(b"k");
        memory.change(key.clone(), aggregate(1));
        assert_eq!(memory.freeze(), vec![key.clone()]);
        memory.change(key, aggregate(2));
        assert_eq!(seen(&mut memory), (Some(2), Some(2)));
        memory.thaw();
        assert_eq!(seen(&mut memory), (Some(2), Some(2)));
        assert!(memory.has_changed());
    }

    #[test]
    fn bytes_that_wait_are_counted_back_when_they_are_flushed() {
        let mut memory = Memory::new(1 << 20);
        for sequence in 1..4 {
            memory.change(Bytes::from_static(b"k"), aggregate(sequence));
        }
        assert_eq!(memory.unflushed_bytes(), 1 + aggregate(0).weight());
        memory.freeze();
        memory.thaw();
        assert_eq!(memory.unflushed_bytes(), 0);
    }

    #[test]
    fn the_cache_of_unchanged_aggregates_keeps_its_bound() {
        let mut memory = Memory::new(10_000);
        for i in 0..1_000_u32 {
            memory.keep(&Bytes::from(i.to_string()), &aggregate(1));
        }
        let kept = memory.clean.young.len() + memory.clean.old.len();
        assert!(kept > 10 && kept * aggregate(0).weight() <= 10_000, "{kept}");
    }
}
