//! Step 2: the aggregates that the items name, as all earlier turns have left them.

use std::sync::Arc;

use bytes::Bytes;

use super::{Item, Task};
use crate::error::EngineError;
use crate::model::PartitionId;
use crate::store::Store;
use crate::working::{Cached, Held, Working, read};

/// Loads all aggregates that the items name.
///
/// # Errors
/// When the store cannot be read, or a record in it is damaged.
pub fn load(
    items: &[Item],
    partition: PartitionId,
    cache: &mut impl Cached,
    store: &mut dyn Store,
) -> Result<Working, EngineError> {
    let keys = items.iter().filter_map(|item| match &item.task {
        Task::Decide(ask) => Some(&ask.key),
        _ => None,
    });
    load_keys(keys, partition, cache, store)
}

/// Loads aggregates by key.
///
/// # Errors
/// As [`load`].
pub fn load_keys<'a>(
    keys: impl Iterator<Item = &'a Bytes>,
    partition: PartitionId,
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
        if cached.is_none() {
            missing.push(key.clone());
        }
        let aggregate = cached.unwrap_or_default();
        working.insert(key.clone(), Held { aggregate, changed: false });
    }
    if missing.is_empty() {
        return Ok(working);
    }
    let records = store.get(partition, &missing)?;
    for (key, record) in missing.into_iter().zip(records) {
        let aggregate = match record {
            Some(record) => Arc::new(read(&key, &record)?),
            None => Arc::default(),
        };
        cache.keep(&key, &aggregate);
        working.insert(key, Held { aggregate, changed: false });
    }
    Ok(working)
}
