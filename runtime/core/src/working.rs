//! Aggregates on their way through a turn: where they are looked for, how they are held while they
//! change, and how a guest is shown them. Loading and changing them is left to the steps.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::aggregate::Aggregate;
use crate::error::EngineError;
use crate::guest::columns::Aggregates;
use crate::model::TypeId;
use crate::topology::BoundHandler;

/// The aggregates that a turn works on, by key; all that its items name are there.
pub type Working = HashMap<Bytes, Held, foldhash::fast::RandomState>;

/// An aggregate in a turn.
#[derive(Clone, Debug)]
pub struct Held {
    /// As the items so far have left it.
    pub aggregate: Arc<Aggregate>,
    /// Whether this turn changed it.
    pub changed: bool,
}

/// Where aggregates are looked for before the store.
pub trait Cached {
    /// The aggregate, if it is in memory.
    fn cached(&mut self, key: &Bytes) -> Option<Arc<Aggregate>>;
    /// An aggregate that was read from the store (absent ones too), to be found next time.
    fn keep(&mut self, key: &Bytes, aggregate: &Arc<Aggregate>);
}

/// Reads an aggregate's record.
///
/// # Errors
/// When it is damaged; the key is named.
pub fn read(key: &Bytes, record: &Bytes) -> Result<Aggregate, EngineError> {
    Aggregate::from_record(record).map_err(|e| {
        EngineError::Damaged(format!("store record of `{}`: {e}", String::from_utf8_lossy(key)))
    })
}

/// Reads the record of an aggregate that its owner is to go on with.
///
/// # Errors
/// As [`read`], and when the state was made with another fold number than the owner's.
pub fn read_of(
    owner: &BoundHandler,
    key: &Bytes,
    record: &Bytes,
) -> Result<Aggregate, EngineError> {
    let aggregate = read(key, record)?;
    let manifest = &owner.spec.manifest;
    if aggregate.sequence == 0 || aggregate.fold == manifest.fold {
        return Ok(aggregate);
    }
    Err(EngineError::Fatal(format!(
        "the state of `{}` was made with fold number {made}, and handler `{}` {} has {}: go back to a component with fold number {made}, or start with a new data directory",
        String::from_utf8_lossy(key),
        owner.spec.name,
        manifest.version,
        manifest.fold,
        made = aggregate.fold,
    )))
}

/// Appends an aggregate to the columns of a handler's call.
pub fn push_aggregate(
    columns: &mut Aggregates,
    owner: &BoundHandler,
    aggregate_type: TypeId,
    key: &[u8],
    aggregate: &Aggregate,
) {
    let schemas = &owner.spec.manifest.state_schemas;
    let schema = schemas.iter().position(|s| **s == *aggregate.schema);
    columns.aggregate_type.push(owner.type_index(aggregate_type).unwrap_or(u32::MAX));
    columns.keys.push(key);
    columns.sequences.push(aggregate.sequence);
    // An empty state has no schema; one that the handler does not read is the guest's to refuse.
    let none = if aggregate.sequence == 0 { 0 } else { u32::MAX };
    columns.schemas.push(schema.map_or(none, |s| s as u32));
    columns.states.push(&aggregate.state);
}
