//! Tables in memory, for tests. Every write is kept, so that a test can let it crash between any two
//! of them: what is left are the oldest ones, whole.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::{Generation, Place, RowWrite, Scan, TableNumber, TableReader, TableStore};
use crate::error::EngineError;

/// The tables. Clones are the same ones.
#[derive(Clone, Default)]
pub struct MemoryTables {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    contents: Arc<Contents>,
    writes: Vec<Write>,
}

enum Write {
    Rows(Place, RowWrite),
    Catalogue(Bytes, Vec<Generation>),
}

/// What is in the tables at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Contents {
    catalogue: Option<Bytes>,
    positions: BTreeMap<Place, Bytes>,
    rows: BTreeMap<(Place, TableNumber, Bytes), Bytes>,
}

impl MemoryTables {
    /// Empty tables.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many writes there were.
    #[must_use]
    pub fn writes(&self) -> usize {
        self.lock().writes.len()
    }

    /// Loses all writes but the oldest `kept`.
    pub fn crash_keeping(&self, kept: usize) {
        let mut inner = self.lock();
        inner.writes.truncate(kept);
        let mut contents = Contents::default();
        for write in &inner.writes {
            contents.apply(write);
        }
        inner.contents = Arc::new(contents);
    }

    /// All rows of a place with their table, in order, for comparing.
    #[must_use]
    pub fn all_rows(&self, place: Place) -> Vec<(TableNumber, Bytes, Bytes)> {
        let inner = self.lock();
        let mine = inner.contents.rows.iter().filter(|((of, ..), _)| *of == place);
        mine.map(|((_, table, key), value)| (*table, key.clone(), value.clone())).collect()
    }

    /// Every change is made in one piece: what a panic elsewhere leaves is whole.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn apply(&self, write: Write) {
        let mut inner = self.lock();
        Arc::make_mut(&mut inner.contents).apply(&write);
        inner.writes.push(write);
    }

    fn contents(&self) -> Arc<Contents> {
        Arc::clone(&self.lock().contents)
    }
}

impl Contents {
    fn apply(&mut self, write: &Write) {
        match write {
            Write::Rows(place, write) => {
                for (table, key, value) in &write.puts {
                    self.rows.insert((*place, *table, key.clone()), value.clone());
                }
                for (table, key) in &write.deletes {
                    self.rows.remove(&(*place, *table, key.clone()));
                }
                self.positions.insert(*place, write.position.clone());
            }
            Write::Catalogue(catalogue, dropped) => {
                self.catalogue = Some(catalogue.clone());
                self.rows.retain(|(place, ..), _| !dropped.contains(&place.generation));
                self.positions.retain(|place, _| !dropped.contains(&place.generation));
            }
        }
    }
}

impl TableReader for MemoryTables {
    fn catalogue(&self) -> Result<Option<Bytes>, EngineError> {
        Ok(self.contents().catalogue.clone())
    }

    fn position(&self, place: Place) -> Result<Option<Bytes>, EngineError> {
        Ok(self.contents().positions.get(&place).cloned())
    }

    fn rows(
        &self,
        place: Place,
        rows: &[(TableNumber, Bytes)],
    ) -> Result<Vec<Option<Bytes>>, EngineError> {
        let contents = self.contents();
        let row = |(table, key): &(TableNumber, Bytes)| {
            contents.rows.get(&(place, *table, key.clone())).cloned()
        };
        Ok(rows.iter().map(row).collect())
    }

    fn scan(
        &self,
        place: Place,
        table: TableNumber,
        scan: Scan<'_>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, EngineError> {
        let key = |key: &[u8]| (place, table, Bytes::copy_from_slice(key));
        let low = match scan.begins_after() {
            Some(after) => Bound::Excluded(key(after)),
            None => Bound::Included(key(scan.prefix)),
        };
        let contents = self.contents();
        let rows = contents.rows.range((low, Bound::Unbounded));
        let mine = rows.take_while(|((of, number, key), _)| {
            (*of, *number) == (place, table) && key.starts_with(scan.prefix)
        });
        Ok(mine.take(limit).map(|((.., key), value)| (key.clone(), value.clone())).collect())
    }
}

impl TableStore for MemoryTables {
    fn write(&self, place: Place, write: &RowWrite) -> Result<(), EngineError> {
        self.apply(Write::Rows(place, write.clone()));
        Ok(())
    }

    fn write_catalogue(
        &self,
        catalogue: &Bytes,
        dropped: &[Generation],
    ) -> Result<(), EngineError> {
        self.apply(Write::Catalogue(catalogue.clone(), dropped.to_vec()));
        Ok(())
    }

    fn snapshot(&self) -> Box<dyn TableReader + '_> {
        // Tables of its own, whose contents nobody writes.
        let inner = Inner { contents: self.contents(), writes: Vec::new() };
        Box::new(Self { inner: Arc::new(Mutex::new(inner)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tables::contract::{Crashes, TablesUnderTest};

    impl TablesUnderTest for MemoryTables {
        fn tables(&mut self) -> Arc<dyn TableStore> {
            Arc::new(self.clone())
        }

        fn restart(&mut self) {
            // The memory is what a process leaves in good order.
        }
    }

    impl Crashes for MemoryTables {
        fn crash(&mut self, kept: u32) {
            self.crash_keeping(self.writes() * kept as usize / 1000);
        }
    }

    crate::table_contract!(every_table_store: MemoryTables::new);
    crate::table_contract!(crashes: MemoryTables::new);
}
