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
    use crate::guest::manifest::{HandlerSpec, Manifest, OwnedType};
    use crate::memory::Memory;
    use crate::model::TypeId;
    use crate::store::memory::MemoryStore;
    use crate::topology::{Topology, TypeSettings};

    #[test]
    fn a_key_does_not_keep_the_memory_of_the_record_that_named_it() {
        let record = Bytes::from(vec![b'k'; 1_000]);
        let manifest = Manifest {
            types: vec!["t".into()],
            aggregates: vec![OwnedType::default()],
            ..Manifest::default()
        };
        let spec = HandlerSpec {
            name: "h".into(),
            digest: String::new(),
            manifest,
            configuration: Bytes::new(),
        };
        let t = TypeSettings { name: "t".into(), partitions: 1, window_ids: 1, window_ms: 1 };
        let topology = Topology::new(1, vec![t], vec![Arc::new(spec)]).unwrap();
        let id = PartitionId { aggregate_type: TypeId(0), number: 0 };
        let (mut memory, mut store) = (Memory::new(1_000_000), MemoryStore::new());
        let key = record.slice(..3);
        let owner = &topology.handlers[0];
        let working = load_keys(std::iter::once(&key), id, owner, &mut memory, &mut store).unwrap();
        drop((working, key));
        assert!(memory.cached(&Bytes::from_static(b"kkk")).is_some());
        assert!(record.is_unique(), "the cache keeps it");
    }
}
