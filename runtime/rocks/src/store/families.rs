//! Column families of the store, whatever they hold: values by key, and one batch of changes.

use std::sync::Arc;

use bytes::Bytes;
use rocksdb::{BoundColumnFamily, DBPinnableSlice, ReadOptions, WriteBatch};
use zamu_core::error::EngineError;

use super::Inner;
use crate::error::engine_error;

/// One of them. A store opened for reading may lack any.
pub(super) type Family<'a> = Arc<BoundColumnFamily<'a>>;

impl Inner {
    pub(super) fn value(
        &self,
        doing: &str,
        family: &Family<'_>,
        key: &[u8],
        options: &ReadOptions,
    ) -> Result<Option<Bytes>, EngineError> {
        let value = self.rocks.get_cf_opt(family, key, options);
        Ok(value.map_err(|e| engine_error(doing, &e))?.map(Bytes::from))
    }

    /// In the order of `keys`. A single one is not worth the trouble of a batch.
    pub(super) fn values(
        &self,
        doing: &str,
        family: &Family<'_>,
        keys: &[Vec<u8>],
        options: &ReadOptions,
    ) -> Result<Vec<Option<Bytes>>, EngineError> {
        if let [key] = keys {
            return Ok(vec![self.value(doing, family, key, options)?]);
        }
        let values = self.rocks.batched_multi_get_cf_opt(family, keys, false, options);
        let value = |value: Result<Option<DBPinnableSlice<'_>>, rocksdb::Error>| {
            let value = value.map_err(|e| engine_error(doing, &e))?;
            Ok(value.map(|value| Bytes::copy_from_slice(&value)))
        };
        values.into_iter().map(value).collect()
    }

    pub(super) fn apply(&self, doing: &str, batch: WriteBatch) -> Result<(), EngineError> {
        self.rocks.write(batch).map_err(|e| engine_error(doing, &e))
    }
}

/// # Errors
/// When there is none.
pub(super) fn to_write(family: Option<Family<'_>>) -> Result<Family<'_>, EngineError> {
    family.ok_or_else(|| EngineError::Fatal("the store is open for reading only".to_string()))
}
