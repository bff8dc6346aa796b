//! What a crash may leave of a store: the oldest writes of each partition, whole ones.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Crashes, LEFT_0, RIGHT_2, bytes, write};
use crate::model::{PartitionId, Time};
use crate::prng::Prng;
use crate::store::{Store, Write};

/// Thousandths of the writes that survive, over all runs of a test.
const KEPT: [u32; 11] = [0, 90, 170, 280, 390, 480, 570, 660, 780, 920, 1000];

/// What is found equals what a map holds after some of the first writes, none left out; two
/// partitions may have lost different numbers.
pub fn a_crash_leaves_a_prefix_of_the_writes_of_a_partition(store: &mut impl Crashes) {
    let mut prng = Prng::new(11);
    for kept in KEPT {
        let mut handle = store.store();
        let mut histories = BTreeMap::new();
        for partition in [LEFT_0, RIGHT_2] {
            histories.insert(partition, vec![contents(&mut handle, partition)]);
        }
        for n in 0..40 {
            let partition = if prng.coin() { LEFT_0 } else { RIGHT_2 };
            let change = draw_write(&mut prng, &format!("{kept}-{n}"));
            handle.write(partition, &change).expect("write");
            let history = histories.entry(partition).or_default();
            history.push(contents(&mut handle, partition));
        }
        drop(handle);
        store.crash(kept);
        let mut handle = store.store();
        for (partition, history) in &histories {
            let found = contents(&mut handle, *partition);
            assert!(history.contains(&found), "{partition:?}, {kept} kept: {found:?}");
            assert!(kept < 1000 || history.last() == Some(&found), "{partition:?} lost something");
        }
    }
}

/// A hundred records that change together with the position.
pub fn a_write_survives_whole_or_not_at_all(store: &mut impl Crashes) {
    for (round, kept) in KEPT.into_iter().enumerate() {
        let mut handle = store.store();
        for n in 0..20 {
            let value = format!("{round}-{n:02}");
            let keys = (0..100).map(|key| (bytes(&format!("key-{key}")), bytes(&value)));
            let change =
                Write { puts: keys.collect(), position: Some(bytes(&value)), ..Write::default() };
            handle.write(LEFT_0, &change).expect("write");
        }
        drop(handle);
        store.crash(kept);
        let (records, position) = contents(&mut store.store(), LEFT_0);
        match position {
            Some(position) => {
                assert_eq!(records.len(), 100);
                assert!(records.iter().all(|(_, value)| *value == position), "{records:?}");
            }
            None => assert_eq!(records, []),
        }
    }
}

/// Either all that there was before, or nothing of it.
pub fn a_crash_never_brings_half_of_a_cleared_partition_back(store: &mut impl Crashes) {
    for kept in KEPT {
        let mut handle = store.store();
        handle.clear(LEFT_0).expect("clear");
        handle.sync(LEFT_0).expect("sync");
        for key in ["a", "b", "c"] {
            handle.write(LEFT_0, &write(&[(key, "old")], &[], key)).expect("write");
        }
        handle.clear(LEFT_0).expect("clear");
        for key in ["a", "b"] {
            handle.write(LEFT_0, &write(&[(key, "new")], &[], "")).expect("write");
        }
        drop(handle);
        store.crash(kept);
        let (records, position) = contents(&mut store.store(), LEFT_0);
        let values: Vec<_> = records.iter().map(|(_, value)| value.clone()).collect();
        let is_all = |text| values.iter().all(|value| *value == bytes(text));
        if position.is_some() {
            assert!(is_all("old"), "{records:?} at {position:?}");
            assert_eq!(position.as_ref(), records.last().map(|(key, _)| key));
        } else {
            assert!(is_all("new") && values.len() <= 2, "{records:?}");
        }
    }
}

/// With all that was written before it; what came after may go.
pub fn a_synced_write_survives_every_crash(store: &mut impl Crashes) {
    for (round, kept) in KEPT.into_iter().enumerate() {
        let mut handle = store.store();
        for n in 0..5 {
            let key = format!("{round:02}-{n}");
            handle.write(LEFT_0, &write(&[(&key, "v")], &["z"], &key)).expect("write");
        }
        handle.sync(LEFT_0).expect("sync");
        let (synced, position) = contents(&mut handle, LEFT_0);
        assert_eq!(synced.len(), 5 * (round + 1));
        handle.write(LEFT_0, &write(&[("z", "not synced")], &[], "z")).expect("write");
        drop(handle);
        store.crash(kept);
        store.crash(0);
        let (mut found, found_position) = contents(&mut store.store(), LEFT_0);
        if found_position == Some(bytes("z")) {
            assert_eq!(found.pop(), Some((bytes("z"), bytes("not synced"))));
        } else {
            assert_eq!(found_position, position);
        }
        assert_eq!(found, synced);
    }
}

/// A record and its one deadline, changed together a hundred times.
pub fn deadlines_survive_with_the_records_of_their_write(store: &mut impl Crashes) {
    for kept in KEPT {
        let mut handle = store.store();
        handle.clear(LEFT_0).expect("clear");
        for n in 0..100_u64 {
            let change = Write {
                deadlines_done: vec![(Time(n), bytes("a"))],
                deadlines: vec![(Time(n + 1), bytes("a"))],
                ..write(&[("a", &(n + 1).to_string())], &[], "")
            };
            handle.write(LEFT_0, &change).expect("write");
        }
        drop(handle);
        store.crash(kept);
        let mut handle = store.store();
        let record = handle.get(LEFT_0, &[bytes("a")]).expect("record").remove(0);
        let found = handle.deadlines(LEFT_0, (Time(0), b""), Time(u64::MAX), 9).expect("deadlines");
        let shown: Vec<_> =
            found.iter().map(|(deadline, _)| bytes(&deadline.0.to_string())).collect();
        assert_eq!(shown, record.into_iter().collect::<Vec<_>>(), "{kept} kept");
    }
}

/// Whatever else was written meanwhile.
pub fn syncing_one_partition_is_enough_for_that_partition(store: &mut impl Crashes) {
    let mut handle = store.store();
    for n in 0..10 {
        let n = n.to_string();
        handle.write(LEFT_0, &write(&[("a", &n)], &[], &n)).expect("write");
        handle.write(RIGHT_2, &write(&[("a", &n)], &[], &n)).expect("write");
    }
    handle.sync(RIGHT_2).expect("sync");
    drop(handle);
    store.crash(0);
    let mut handle = store.store();
    assert_eq!(contents(&mut handle, RIGHT_2), (vec![(bytes("a"), bytes("9"))], Some(bytes("9"))));
    let (records, position) = contents(&mut handle, LEFT_0);
    assert_eq!(records.first().map(|(_, value)| value), position.as_ref());
}

/// Of a partition that was never written, too.
pub fn syncing_again_and_syncing_nothing_are_no_errors(store: &mut impl Crashes) {
    let mut handle = store.store();
    assert_eq!(handle.sync(LEFT_0), Ok(()));
    handle.write(RIGHT_2, &write(&[("a", "1")], &[], "p")).expect("write");
    assert_eq!(handle.sync(RIGHT_2), Ok(()));
    assert_eq!(handle.sync(RIGHT_2), Ok(()));
    assert_eq!(handle.sync(LEFT_0), Ok(()));
}

/// All records and the position.
fn contents(
    store: &mut Box<dyn Store>,
    partition: PartitionId,
) -> (Vec<(Bytes, Bytes)>, Option<Bytes>) {
    let records = store.scan(partition, None, usize::MAX).expect("records");
    (records, store.position(partition).expect("position"))
}

/// A write of a few keys, which `name` tells from all others.
fn draw_write(prng: &mut Prng, name: &str) -> Write {
    let mut change = Write { position: prng.coin().then(|| bytes(name)), ..Write::default() };
    for key in 0..8 {
        let key = bytes(&format!("key-{key}"));
        match prng.below(4) {
            0 => change.puts.push((key, bytes(name))),
            1 => change.deletes.push(key),
            _ => {}
        }
    }
    change
}
