//! Tables whose handler has been renamed since they were made: nobody makes them any more.

use std::path::Path;

use zamu_core::projection::catalogue::{decode_catalogue, encode_catalogue};
use zamu_core::store::tables::{TableReader, TableStore};
use zamu_rocks::{RocksStore, StoreOptions};

/// The types of the configuration of these tests.
const TYPES: [(&str, u32); 3] = [("animal", 1), ("counter", 3), ("keeper", 1)];

/// In the files of a stopped node, `from` was called `to` when it made its tables.
pub(crate) fn rename(data: &Path, from: &str, to: &str) {
    let store = RocksStore::open(data, &StoreOptions::default(), &TYPES).unwrap();
    let tables = store.tables();
    let mut catalogue = decode_catalogue(tables.catalogue().unwrap().as_ref()).unwrap();
    let made = catalogue.projections.iter_mut().find(|made| made.name == from).unwrap();
    to.clone_into(&mut made.name);
    catalogue.projections.sort_by(|a, b| a.name.cmp(&b.name));
    tables.write_catalogue(&encode_catalogue(&catalogue), &[]).unwrap();
}
