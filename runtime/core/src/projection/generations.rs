//! The catalogue of generations, as all sets of projections of a process share it: it is one record of
//! the store, and each of them changes its own projections in it.

use std::sync::{Arc, Mutex, PoisonError};

use super::catalogue::{self, Change};
use crate::error::EngineError;
use crate::log::events::Events;
use crate::proto::{TableCatalogue, TableGeneration, TableProjection};
use crate::store::tables::{Generation, TableStore};

/// See the file's head.
#[derive(Clone)]
pub struct Generations {
    store: Arc<dyn TableStore>,
    catalogue: Arc<Mutex<TableCatalogue>>,
}

impl Generations {
    /// Reads the catalogue of these tables, which must be of this log.
    ///
    /// # Errors
    /// When it cannot be read, or belongs to another log.
    pub fn open(store: Arc<dyn TableStore>, events: &dyn Events) -> Result<Self, EngineError> {
        let mut catalogue = catalogue::decode_catalogue(store.catalogue()?.as_ref())
            .map_err(|error| EngineError::Damaged(format!("the catalogue of tables: {error}")))?;
        let log_id = events.log_id();
        if !catalogue.log_id.is_empty() && catalogue.log_id != log_id {
            return Err(EngineError::Fatal(
                "the tables were made of another log: remove the folder `store`, and they are made \
                 anew"
                .to_owned(),
            ));
        }
        catalogue.log_id = log_id;
        Ok(Self { store, catalogue: Arc::new(Mutex::new(catalogue)) })
    }

    /// The tables.
    #[must_use]
    pub fn store(&self) -> &dyn TableStore {
        &*self.store
    }

    /// What there is of a projection.
    #[must_use]
    pub fn of(&self, projection: &str) -> Option<TableProjection> {
        let catalogue = self.catalogue.lock().unwrap_or_else(PoisonError::into_inner);
        catalogue::entry(&catalogue, projection).cloned()
    }

    /// What is served of a projection.
    #[must_use]
    pub fn served(&self, projection: &str) -> Option<TableGeneration> {
        self.of(projection)?.serving
    }

    /// Forgets a projection that no handler makes any more, and all its rows. Gives what there was of it.
    ///
    /// # Errors
    /// When that cannot be written. Nothing has changed then.
    pub fn forget(&self, projection: &str) -> Result<Option<TableProjection>, EngineError> {
        let mut forgotten = None;
        self.change(|old| {
            forgotten = catalogue::entry(old, projection).cloned();
            catalogue::forget(old, projection)
        })?;
        Ok(forgotten)
    }

    /// Writes what `change` makes of the catalogue, if anything. Gives the number of the newest
    /// generation.
    ///
    /// # Errors
    /// When it cannot be written. Nothing has changed then.
    pub fn change(
        &self,
        change: impl FnOnce(&TableCatalogue) -> Option<Change>,
    ) -> Result<Generation, EngineError> {
        let mut catalogue = self.catalogue.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(change) = change(&catalogue) {
            let bytes = catalogue::encode_catalogue(&change.catalogue);
            self.store.write_catalogue(&bytes, &change.dropped)?;
            *catalogue = change.catalogue;
        }
        Ok(catalogue.last_generation)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::log::simulated::{Faults, Simulated};
    use bytes::Bytes;

    use crate::store::tables::memory::MemoryTables;
    use crate::store::tables::{Place, RowWrite, TableReader};

    fn open(log: u64, tables: &MemoryTables) -> Result<Generations, EngineError> {
        let log = Simulated::new(log, Faults::none());
        Generations::open(Arc::new(tables.clone()), &log.events())
    }

    fn build(generations: &Generations, projection: &str) -> Generation {
        let shape = TableGeneration::default();
        generations.change(|old| Some(catalogue::build(old, projection, &shape))).unwrap()
    }

    #[test]
    fn what_one_set_changes_another_does_not_undo() {
        let tables = MemoryTables::default();
        let one = open(1, &tables).unwrap();
        let other = one.clone();
        assert_eq!((build(&one, "p"), build(&other, "q"), build(&one, "p")), (1, 2, 3));
        for generations in [one, other, open(1, &tables).unwrap()] {
            let building = |name| generations.of(name).unwrap().building.unwrap().number;
            assert_eq!((building("p"), building("q")), (3, 2));
            assert_eq!(generations.served("p"), None);
        }
    }

    #[test]
    fn what_is_forgotten_is_gone_with_its_rows_and_nothing_else_is() {
        let tables = MemoryTables::default();
        let generations = open(1, &tables).unwrap();
        let places = [build(&generations, "p"), build(&generations, "q")].map(|generation| Place {
            generation,
            source: 0,
            partition: 0,
        });
        let key = (0, Bytes::from_static(b"k"));
        for place in places {
            let puts = vec![(0, key.1.clone(), Bytes::from_static(b"row"))];
            tables.write(place, &RowWrite { puts, ..RowWrite::default() }).unwrap();
        }
        let forgotten = generations.forget("p").unwrap().unwrap();
        assert_eq!(forgotten.building.unwrap().number, places[0].generation);
        let rows = |place| tables.rows(place, std::slice::from_ref(&key)).unwrap()[0].is_some();
        assert_eq!(places.map(rows), [false, true]);
        assert_eq!(generations.forget("p").unwrap(), None);
        assert_eq!(open(1, &tables).unwrap().of("p"), None, "after a restart, too");
        assert!(generations.of("q").is_some());
    }
}
