//! Aggregates as they were before a turn: in memory up to a bound, beyond it in a store of the audit's
//! own. One partition's.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::aggregate::Aggregate;
use crate::error::EngineError;
use crate::model::PartitionId;
use crate::store::{Store, Write};
use crate::topology::BoundHandler;
use crate::turn::load::load_keys;
use crate::working::{Cached, Working};

/// How many aggregates are put into the store at once.
const CHUNK: usize = 1_000;

/// See the file's head.
pub(super) struct Past<'a> {
    partition: PartitionId,
    store: &'a mut dyn Store,
    memory: InMemory,
    bytes_max: usize,
}

#[derive(Default)]
struct InMemory {
    held: HashMap<Bytes, Kept, foldhash::fast::RandomState>,
    bytes: usize,
}

struct Kept {
    aggregate: Arc<Aggregate>,
    /// The store has it otherwise, or not at all.
    changed: bool,
    bytes: usize,
}

impl<'a> Past<'a> {
    /// Nothing has happened yet, and the store has nothing of the partition.
    pub(super) fn new(partition: PartitionId, store: &'a mut dyn Store, bytes_max: usize) -> Self {
        Self { partition, store, memory: InMemory::default(), bytes_max }
    }

    /// Aggregates by key.
    pub(super) fn load<'k>(
        &mut self,
        keys: impl Iterator<Item = &'k Bytes>,
        owner: &BoundHandler,
    ) -> Result<Working, EngineError> {
        load_keys(keys, self.partition, owner, &mut self.memory, self.store)
    }

    /// From now on, these are what they are.
    pub(super) fn change(&mut self, working: Working) -> Result<(), EngineError> {
        for (key, held) in working {
            if held.changed {
                self.memory.put(key, held.aggregate, true);
            }
        }
        if self.memory.bytes > self.bytes_max { self.relieve() } else { Ok(()) }
    }

    fn relieve(&mut self) -> Result<(), EngineError> {
        let memory = std::mem::take(&mut self.memory);
        let changed = memory.held.into_iter().filter(|(_, kept)| kept.changed);
        let mut puts = changed.map(|(key, kept)| (key, kept.aggregate.to_record())).peekable();
        while puts.peek().is_some() {
            let puts: Vec<_> = puts.by_ref().take(CHUNK).collect();
            self.store.write(self.partition, &Write { puts, ..Write::default() })?;
        }
        Ok(())
    }
}

impl InMemory {
    fn put(&mut self, key: Bytes, aggregate: Arc<Aggregate>, changed: bool) {
        let bytes = key.len() + aggregate.weight();
        self.bytes += bytes;
        let before = self.held.insert(key, Kept { aggregate, changed, bytes });
        self.bytes -= before.map_or(0, |before| before.bytes);
    }
}

impl Cached for InMemory {
    fn cached(&mut self, key: &Bytes) -> Option<Arc<Aggregate>> {
        self.held.get(key).map(|kept| Arc::clone(&kept.aggregate))
    }

    fn keep(&mut self, key: &Bytes, aggregate: &Arc<Aggregate>) {
        self.put(key.clone(), Arc::clone(aggregate), false);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::model::TypeId;
    use crate::store::memory::MemoryStore;
    use crate::topology::fixture::of_one_type;
    use crate::working::Held;

    const CELLS: PartitionId = PartitionId { aggregate_type: TypeId(0), number: 0 };

    #[test]
    fn aggregates_are_what_they_last_were_whether_memory_holds_them_or_the_store() {
        let (topology, mut store) = (of_one_type().unwrap(), MemoryStore::new());
        let mut past = Past::new(CELLS, &mut store, 10_000);
        let keys: Vec<Bytes> = (0..200).map(|n| Bytes::from(format!("k{n}"))).collect();
        for sequence in 1..=3 {
            for key in &keys {
                let state = Bytes::from(vec![b'x'; 100]);
                let aggregate = Arc::new(Aggregate { sequence, state, ..Aggregate::default() });
                let held = Held { aggregate, changed: true };
                past.change([(key.clone(), held)].into_iter().collect()).unwrap();
                assert!(past.memory.bytes <= 10_000, "{} bytes", past.memory.bytes);
            }
        }
        let working = past.load(keys.iter(), &topology.handlers[0]).unwrap();
        assert!(keys.iter().all(|key| working[key].aggregate.sequence == 3));
        assert!(
            past.load(keys[..1].iter(), &topology.handlers[0]).unwrap()[&keys[0]]
                .aggregate
                .sequence
                == 3
        );
        assert!(store.scan(CELLS, None, 1_000).unwrap().len() > 100, "most are in the store");
    }
}
