//! What the store adds to its contract: files, damage, configuration.

use std::fs;

use bytes::Bytes;
use zamu_core::error::EngineError;
use zamu_core::store::contract::TYPES;
use zamu_core::store::{Store as _, Write};

use super::harness::{LEFT_0, LEFT_1, RIGHT_0, copy_files, lengths};
use crate::{OpenError, RocksStore, StoreOptions};

fn open(folder: &tempfile::TempDir) -> Result<RocksStore, OpenError> {
    RocksStore::open(folder.path(), &StoreOptions::default(), &TYPES)
}

fn write(n: u64) -> Write {
    let value = Bytes::from(format!("{n:0200}"));
    let puts = (0..20).map(|key| (Bytes::from(format!("key-{key}")), value.clone())).collect();
    Write { puts, position: Some(value), ..Write::default() }
}

#[test]
fn a_second_opener_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).unwrap();
    let second = open(&folder).err().expect("refused");
    assert!(matches!(second, OpenError::InUse { .. }), "{second}");
    drop(store);
    assert!(open(&folder).is_ok());
}

#[test]
fn a_store_can_be_read_while_nobody_writes_it() {
    let folder = tempfile::tempdir().unwrap();
    let absent = RocksStore::open_read_only(folder.path(), &TYPES);
    assert!(matches!(absent, Err(OpenError::Absent { .. })));
    let store = open(&folder).unwrap();
    store.handle().write(LEFT_0, &write(1)).unwrap();
    drop(store);
    let types = [("left", 2), ("right", 3), ("new", 1)];
    let mut reader = RocksStore::open_read_only(folder.path(), &types).unwrap().handle();
    assert_eq!(reader.position(LEFT_0).unwrap(), write(1).position);
    assert_eq!(reader.scan(LEFT_0, None, 99).unwrap().len(), 20);
    assert!(matches!(reader.write(LEFT_0, &write(2)), Err(EngineError::Fatal(_))));
    let new =
        zamu_core::model::PartitionId { aggregate_type: zamu_core::model::TypeId(2), number: 0 };
    assert_eq!(reader.position(new).unwrap(), None);
    assert_eq!(reader.get(new, &["a".into(), "b".into()]).unwrap(), [None, None]);
}

#[test]
fn types_may_come_change_places_and_go_and_partitions_keep_their_records() {
    let folder = tempfile::tempdir().unwrap();
    let mut handle = open(&folder).unwrap().handle();
    handle.write(LEFT_1, &write(1)).unwrap();
    handle.write(RIGHT_0, &write(2)).unwrap();
    drop(handle);
    let options = StoreOptions::default();
    let only = RocksStore::open(folder.path(), &options, &[("other", 1), ("right", 3)]).unwrap();
    assert_eq!(only.handle().position(LEFT_0).unwrap(), None);
    assert_eq!(only.handle().position(RIGHT_0).unwrap(), write(2).position);
    assert!(matches!(only.handle().position(LEFT_1), Err(EngineError::Fatal(_))));
    drop(only);
    assert_eq!(open(&folder).unwrap().handle().position(LEFT_1).unwrap(), write(1).position);
}

#[test]
fn a_damaged_store_says_that_it_can_be_rebuilt() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).unwrap();
    (0..50).for_each(|n| store.handle().write(LEFT_0, &write(n)).unwrap());
    drop(store);
    let current = folder.path().join("store/CURRENT");
    let manifest = fs::read_to_string(&current).unwrap();
    let manifest = folder.path().join("store").join(manifest.trim());
    let mut bytes = fs::read(&manifest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&manifest, bytes).unwrap();
    let text = open(&folder).err().expect("refused").to_string();
    assert!(text.contains("rebuilt from the log"), "{text}");
}

/// A flipped byte in what was not flushed yet: the store ends before it, and never shows half of a
/// write or something older after something newer.
#[test]
fn a_damaged_end_makes_the_store_older_and_never_inconsistent() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).unwrap();
    (1..=50).for_each(|n| store.handle().write(LEFT_0, &write(n)).unwrap());
    let wal = lengths(&folder.path().join("store")).into_keys().next_back().unwrap();
    for part in [1, 3, 5, 7, 9] {
        let copy = tempfile::tempdir().unwrap();
        let to = copy.path().join("store");
        copy_files(&folder.path().join("store"), &to, |_, len| len);
        let mut bytes = fs::read(to.join(&wal)).unwrap();
        let at = bytes.len() * part / 10;
        bytes[at] ^= 1;
        fs::write(to.join(&wal), bytes).unwrap();
        let mut found = open(&copy).unwrap().handle();
        let position = found.position(LEFT_0).unwrap().expect("some writes are there");
        let records = found.scan(LEFT_0, None, 99).unwrap();
        assert_eq!(records.len(), 20);
        assert!(records.iter().all(|(_, value)| *value == position));
        let n: u64 = String::from_utf8_lossy(&position).parse().unwrap();
        assert!((1..50).contains(&n), "write {n} of 50, damaged at {part} tenths");
    }
}

#[test]
fn memory_for_writes_is_bounded_for_all_partitions_together() {
    let folder = tempfile::tempdir().unwrap();
    let options = StoreOptions { write_buffer_bytes: 2 << 20, ..StoreOptions::default() };
    let store = RocksStore::open(folder.path(), &options, &TYPES).unwrap();
    let mut handle = store.handle();
    for n in 0..6_000 {
        let partition = [LEFT_0, LEFT_1, RIGHT_0][n as usize % 3];
        let value = Bytes::from(vec![n as u8; 1_000]);
        let puts = vec![(Bytes::from(format!("key-{n}")), value)];
        handle.write(partition, &Write { puts, ..Write::default() }).unwrap();
    }
    let (files, memory) = store.sizes();
    assert!(memory < 6 << 20, "{memory} bytes in memory");
    assert!(files > 0);
    let told = store.tables().memory();
    assert_eq!(told.writes, memory);
    assert!(told.blocks <= options.block_cache_bytes as u64, "{told:?}");
    assert_eq!(handle.scan(LEFT_1, None, usize::MAX).unwrap().len(), 2_000);
}
