//! Tables, in a column family of the store: rows of all generations, places and tables, by their
//! full key. One write-ahead log for all, so that a crash leaves a prefix of all writes.

use std::sync::Arc;

use bytes::Bytes;
use rocksdb::{Direction, IteratorMode, ReadOptions, SnapshotWithThreadMode, WriteBatch};
use zamu_core::error::EngineError;
use zamu_core::store::tables::{
    Generation, Place, RowWrite, Scan, TableNumber, TableReader, TableStore,
};

use super::families::{Family, to_write};
use super::{Inner, Rocks};
use crate::error::engine_error;
use crate::keys;
use crate::memory::{MemoryBytes, memory};

/// See [`TableStore`] for what it promises. Clones are the same tables.
#[derive(Clone)]
pub struct Tables {
    pub(super) inner: Arc<Inner>,
}

impl Tables {
    /// `None` in a store opened for reading that never had tables.
    fn family(&self) -> Option<Family<'_>> {
        self.inner.rocks.cf_handle(keys::TABLES)
    }

    /// What the whole store keeps in memory now, states of aggregates included.
    #[must_use]
    pub fn memory(&self) -> MemoryBytes {
        memory(&self.inner.rocks, self.inner.names())
    }

    fn reading(&self) -> Reading<'_> {
        Reading { inner: &self.inner, family: self.family(), snapshot: None }
    }
}

impl TableStore for Tables {
    fn write(&self, place: Place, write: &RowWrite) -> Result<(), EngineError> {
        let family = to_write(self.family())?;
        let mut batch = WriteBatch::default();
        for (table, key, value) in &write.puts {
            batch.put_cf(&family, keys::row_key(place, *table, key), value);
        }
        for (table, key) in &write.deletes {
            batch.delete_cf(&family, keys::row_key(place, *table, key));
        }
        batch.put_cf(&family, keys::place_key(place), &write.position);
        self.inner.apply("writing rows", batch)
    }

    fn write_catalogue(
        &self,
        catalogue: &Bytes,
        dropped: &[Generation],
    ) -> Result<(), EngineError> {
        let family = to_write(self.family())?;
        let mut batch = WriteBatch::default();
        batch.put_cf(&family, keys::TABLE_CATALOGUE, catalogue);
        for generation in dropped {
            let (first, end) = keys::generation_range(*generation);
            batch.delete_range_cf(&family, first, end);
        }
        self.inner.apply("writing the catalogue of tables", batch)
    }

    fn snapshot(&self) -> Box<dyn TableReader + '_> {
        let snapshot = Some(self.inner.rocks.snapshot());
        Box::new(Reading { snapshot, ..self.reading() })
    }
}

impl TableReader for Tables {
    fn catalogue(&self) -> Result<Option<Bytes>, EngineError> {
        self.reading().catalogue()
    }

    fn position(&self, place: Place) -> Result<Option<Bytes>, EngineError> {
        self.reading().position(place)
    }

    fn rows(
        &self,
        place: Place,
        rows: &[(TableNumber, Bytes)],
    ) -> Result<Vec<Option<Bytes>>, EngineError> {
        self.reading().rows(place, rows)
    }

    fn scan(
        &self,
        place: Place,
        table: TableNumber,
        scan: Scan<'_>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, EngineError> {
        self.reading().scan(place, table, scan, limit)
    }
}

/// What is there now, or was when the snapshot was taken.
struct Reading<'a> {
    inner: &'a Inner,
    family: Option<Family<'a>>,
    snapshot: Option<SnapshotWithThreadMode<'a, Rocks>>,
}

impl Reading<'_> {
    fn options(&self) -> ReadOptions {
        let mut options = ReadOptions::default();
        if let Some(snapshot) = &self.snapshot {
            options.set_snapshot(snapshot);
        }
        options
    }

    fn get(&self, doing: &str, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        let Some(family) = &self.family else { return Ok(None) };
        self.inner.value(doing, family, key, &self.options())
    }
}

impl TableReader for Reading<'_> {
    fn catalogue(&self) -> Result<Option<Bytes>, EngineError> {
        self.get("reading the catalogue of tables", keys::TABLE_CATALOGUE)
    }

    fn position(&self, place: Place) -> Result<Option<Bytes>, EngineError> {
        self.get("reading a position of tables", &keys::place_key(place))
    }

    fn rows(
        &self,
        place: Place,
        rows: &[(TableNumber, Bytes)],
    ) -> Result<Vec<Option<Bytes>>, EngineError> {
        let Some(family) = &self.family else { return Ok(vec![None; rows.len()]) };
        let keys: Vec<_> =
            rows.iter().map(|(table, key)| keys::row_key(place, *table, key)).collect();
        self.inner.values("reading rows", family, &keys, &self.options())
    }

    fn scan(
        &self,
        place: Place,
        table: TableNumber,
        scan: Scan<'_>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, EngineError> {
        let Some(family) = &self.family else { return Ok(Vec::new()) };
        let prefix = keys::row_key(place, table, scan.prefix);
        let first = match scan.begins_after() {
            // The next key after a key is that key with a zero byte behind it.
            Some(after) => [&keys::row_key(place, table, after)[..], &[0]].concat(),
            None => prefix.clone(),
        };
        let mut options = self.options();
        options.set_iterate_upper_bound(keys::end_of_prefix(&prefix));
        let start = IteratorMode::From(&first, Direction::Forward);
        let pairs = self.inner.rocks.iterator_cf_opt(family, options, start);
        let bare = keys::row_key(place, table, b"").len();
        pairs
            .take(limit)
            .map(|pair| {
                let (key, value) = pair.map_err(|e| engine_error("scanning a table", &e))?;
                Ok((Bytes::from(key).slice(bare..), Bytes::from(value)))
            })
            .collect()
    }
}
