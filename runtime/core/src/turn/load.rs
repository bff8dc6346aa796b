//! Step 2: the aggregates that the items name, as all earlier turns have left them.

use std::sync::Arc;

use bytes::Bytes;

use super::{Item, Task};
use crate::error::EngineError;
use crate::model::PartitionId;
use crate::store::Store;
use crate::topology::BoundHandler;
use crate::working::{Cached, Held, Working, read_of};

/// Loads all aggregates that the items name.
///
/// # Errors
/// When the store cannot be read, or a record in it is damaged or was made with another fold number
/// than the owner's.
pub fn load(
    items: &[Item],
    partition: PartitionId,
    owner: &BoundHandler,
    cache: &mut impl Cached,
    store: &mut dyn Store,
) -> Result<Working, EngineError> {
    let keys = items.iter().filter_map(|item| match &item.task {
        Task::Decide(ask) => Some(&ask.key),
        _ => None,
    });
    load_keys(keys, partition, owner, cache, store)
}

/// Loads aggregates by key.
///
/// # Errors
/// As [`load`].
pub fn load_keys<'a>(
    keys: impl Iterator<Item = &'a Bytes>,
    partition: PartitionId,
    owner: &BoundHandler,
    cache: &mut impl Cached,
    store: &mut dyn Store,
) -> Result<Working, EngineError> {
    let mut working = Working::default();
    let mut missing = Vec::new();
    for key in keys {
        if working.contains_key(key) {
            continue;
        }
        let cached = cache.cached(key);
        // Aggregates outlive the record that named them: a key never keeps the memory of one.
        let key = Bytes::copy_from_slice(key);
        if cached.is_none() {
            missing.push(key.clone());
        }
        let aggregate = cached.unwrap_or_default();
        working.insert(key, Held { aggregate, changed: false });
    }
    if missing.is_empty() {
        return Ok(working);
    }
    let records = store.get(partition, &missing)?;
    for (key, record) in missing.into_iter().zip(records) {
        let aggregate = match record {
            Some(record) => Arc::new(read_of(owner, &key, &record)?),
            None => Arc::default(),
        };
        cache.keep(&key, &aggregate);
        working.insert(key, Held { aggregate, changed: false });
    }
    Ok(working)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::aggregate::Aggregate;
    use crate::error::EngineError;
    use crate::memory::Memory;
    use crate::model::TypeId;
    use crate::store::Write;
    use crate::store::memory::MemoryStore;
    use crate::topology::fixture::of_one_type;

    const CELLS: PartitionId = PartitionId { aggregate_type: TypeId(0), number: 0 };

    #[test]
    fn a_key_does_not_keep_the_memory_of_the_record_that_named_it() {
        let record = Bytes::from(vec![b'k'; 1_000]);
        let topology = of_one_type().unwrap();
        let (mut memory, mut store) = (Memory::new(1_000_000), MemoryStore::new());
        let key = record.slice(..3);
        let owner = &topology.handlers[0];
        let working =
            load_keys(std::iter::once(&key), CELLS, owner, &mut memory, &mut store).unwrap();
        drop((working, key));
        assert!(memory.cached(&Bytes::from_static(b"kkk")).is_some());
        assert!(record.is_unique(), "the cache keeps it");
    }

    /// Sequences of aggregates, as a turn that names them finds them; 0 where there is none.
    fn found(keys: &[&'static str], memory: &mut Memory, store: &mut MemoryStore) -> Vec<u64> {
        let topology = of_one_type().unwrap();
        let keys: Vec<Bytes> = keys.iter().map(|key| Bytes::from_static(key.as_bytes())).collect();
        let owner = &topology.handlers[0];
        let working = load_keys(keys.iter(), CELLS, owner, memory, store).unwrap();
        keys.iter().map(|key| working[key].aggregate.sequence).collect()
    }

    /// Of turns that are not durable, changed and waiting for a flush, being flushed, kept for reading,
    /// in the store, nowhere: what is older must not be seen.
    #[test]
    fn a_state_is_looked_for_in_memory_from_the_newest_then_in_the_store_and_then_there_is_none() {
        let of = |sequence| Aggregate { sequence, ..Aggregate::default() };
        let (mut memory, mut store) = (Memory::new(1_000_000), MemoryStore::new());
        let keys = ["stored", "computed", "changed", "frozen"];
        let puts = keys.map(|key| (Bytes::from_static(key.as_bytes()), of(1).to_record()));
        store.write(CELLS, &Write { puts: puts.to_vec(), ..Write::default() }).unwrap();
        let change = |memory: &mut Memory, key: &'static str, sequence| {
            memory.change(Bytes::from_static(key.as_bytes()), Arc::new(of(sequence)));
        };
        ["computed", "changed", "frozen"].iter().for_each(|key| change(&mut memory, key, 2));
        memory.freeze();
        ["computed", "changed"].iter().for_each(|key| change(&mut memory, key, 3));
        memory.compute(1, Bytes::from_static(b"computed"), Arc::new(of(4)));
        let asked = ["computed", "changed", "frozen", "stored", "nobody"];
        assert_eq!(found(&asked, &mut memory, &mut store), [4, 3, 2, 1, 0]);
        // All of them are in memory by now, what is nowhere included.
        store.fail(Some(EngineError::Fatal("out of reach".into())));
        assert_eq!(found(&asked, &mut memory, &mut store), [4, 3, 2, 1, 0]);
        memory.thaw();
        assert_eq!(found(&asked, &mut memory, &mut store), [4, 3, 2, 1, 0]);
    }
}
