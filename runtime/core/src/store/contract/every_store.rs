//! What every store promises while nothing crashes.

use bytes::Bytes;

use super::{LEFT_0, LEFT_1, RIGHT_0, RIGHT_2, StoreUnderTest, bytes, write};
use crate::model::{PartitionId, Time};
use crate::store::{Store, Write};

/// And asking is no error.
pub fn a_new_partition_has_no_position_and_no_records(store: &mut impl StoreUnderTest) {
    let mut store = store.store();
    assert_eq!(store.position(LEFT_0), Ok(None));
    assert_eq!(store.get(LEFT_0, &[bytes("a")]), Ok(vec![None]));
    assert_eq!(store.scan(LEFT_0, None, 10), Ok(vec![]));
    assert_eq!(store.clear(LEFT_0), Ok(()));
}

/// Absent ones and repeated ones too.
pub fn values_come_back_in_the_order_of_the_keys_asked_for(store: &mut impl StoreUnderTest) {
    let mut store = store.store();
    put(&mut store, LEFT_0, &write(&[("a", "1"), ("b", "2"), ("c", "3")], &[], ""));
    assert_eq!(get(&mut store, LEFT_0, &["c", "x", "a", "c", "b"]), ["3", "-", "1", "3", "2"]);
    assert_eq!(store.get(LEFT_0, &[]), Ok(vec![]));
}

/// Readers see all of it.
pub fn a_write_puts_and_deletes_and_moves_the_position_at_once(store: &mut impl StoreUnderTest) {
    let mut store = store.store();
    put(&mut store, LEFT_0, &write(&[("a", "1"), ("b", "2")], &[], "p1"));
    assert_eq!(store.position(LEFT_0), Ok(Some(bytes("p1"))));
    put(&mut store, LEFT_0, &write(&[("c", "3"), ("b", "4")], &["a"], "p2"));
    assert_eq!(store.position(LEFT_0), Ok(Some(bytes("p2"))));
    assert_eq!(get(&mut store, LEFT_0, &["a", "b", "c"]), ["-", "4", "3"]);
}

/// So a flush can be written in chunks, with the position in the last one.
pub fn a_write_without_a_position_leaves_it_where_it_was(store: &mut impl StoreUnderTest) {
    let mut store = store.store();
    put(&mut store, LEFT_0, &write(&[("a", "1")], &[], ""));
    assert_eq!(store.position(LEFT_0), Ok(None));
    put(&mut store, LEFT_0, &write(&[], &[], "p1"));
    put(&mut store, LEFT_0, &write(&[("b", "2")], &["a"], ""));
    assert_eq!(store.position(LEFT_0), Ok(Some(bytes("p1"))));
}

/// Whatever it does to a key.
pub fn a_later_write_wins(store: &mut impl StoreUnderTest) {
    let mut store = store.store();
    for n in 0..100 {
        put(&mut store, LEFT_0, &write(&[("a", &n.to_string())], &[], ""));
        assert_eq!(get(&mut store, LEFT_0, &["a"]), [n.to_string()]);
    }
    put(&mut store, LEFT_0, &write(&[], &["a"], ""));
    assert_eq!(get(&mut store, LEFT_0, &["a"]), ["-"]);
    put(&mut store, LEFT_0, &write(&[("a", "again")], &[], ""));
    assert_eq!(get(&mut store, LEFT_0, &["a"]), ["again"]);
}

/// The rest of the write happens.
pub fn deleting_what_is_absent_is_no_error(store: &mut impl StoreUnderTest) {
    let mut store = store.store();
    put(&mut store, LEFT_0, &write(&[("a", "1")], &["x", "y"], "p"));
    assert_eq!(get(&mut store, LEFT_0, &["a", "x"]), ["1", "-"]);
    assert_eq!(store.position(LEFT_0), Ok(Some(bytes("p"))));
}

/// `Some` of nothing is not `None`.
pub fn an_empty_value_is_not_an_absent_one(store: &mut impl StoreUnderTest) {
    let mut store = store.store();
    put(&mut store, LEFT_0, &write(&[("a", "")], &[], ""));
    assert_eq!(store.get(LEFT_0, &[bytes("a"), bytes("b")]), Ok(vec![Some(Bytes::new()), None]));
    assert_eq!(store.scan(LEFT_0, None, 10), Ok(vec![(bytes("a"), Bytes::new())]));
}

/// Zero bytes, high bytes, prefixes of each other, long ones.
pub fn keys_are_any_bytes_and_scans_are_in_their_order(store: &mut impl StoreUnderTest) {
    let mut store = store.store();
    let mut keys: Vec<Bytes> = vec![
        Bytes::from_static(&[0xff, 0xff]),
        Bytes::from_static(&[0xff]),
        Bytes::from_static(&[0]),
        Bytes::from_static(&[0, 0]),
        Bytes::from_static(&[0, 0xff]),
        bytes("ab"),
        bytes("a"),
        bytes("a\0"),
        bytes("b"),
        Bytes::from(vec![b'k'; 2_000]),
    ];
    for key in &keys {
        let puts = vec![(key.clone(), key.clone())];
        put(&mut store, LEFT_0, &Write { puts, ..Write::default() });
    }
    put(&mut store, LEFT_0, &write(&[], &[], "a position is no record"));
    keys.sort();
    let pairs: Vec<_> = keys.iter().map(|key| (key.clone(), key.clone())).collect();
    assert_eq!(store.scan(LEFT_0, None, 100), Ok(pairs));
    let values = store.get(LEFT_0, &keys).expect("values");
    assert_eq!(values, keys.into_iter().map(Some).collect::<Vec<_>>());
}

/// A sweep may delete what it has just seen.
pub fn a_scan_goes_on_after_a_key_whether_or_not_it_is_there(store: &mut impl StoreUnderTest) {
    let mut store = store.store();
    put(&mut store, LEFT_0, &write(&[("a", "1"), ("b", "2"), ("c", "3")], &[], ""));
    assert_eq!(scan(&mut store, Some("a"), 10), ["b", "c"]);
    assert_eq!(scan(&mut store, Some("aa"), 10), ["b", "c"]);
    assert_eq!(scan(&mut store, Some("c"), 10), [""; 0]);
    put(&mut store, LEFT_0, &write(&[], &["b"], ""));
    assert_eq!(scan(&mut store, Some("b"), 10), ["c"]);
    assert_eq!(scan(&mut store, Some(""), 10), ["a", "c"]);
}

/// Page by page it gives all.
pub fn a_scan_gives_no_more_than_its_limit(store: &mut impl StoreUnderTest) {
    let mut store = store.store();
    let keys: Vec<String> = (0..100).map(|n| format!("key-{n:03}")).collect();
    for key in &keys {
        put(&mut store, LEFT_0, &write(&[(key, "v")], &[], ""));
    }
    assert_eq!(scan(&mut store, None, 0), [""; 0]);
    let mut found: Vec<String> = Vec::new();
    loop {
        let page = scan(&mut store, found.last().map(String::as_str), 7);
        assert!(page.len() <= 7);
        if page.is_empty() {
            break;
        }
        assert!(found.last() < page.first(), "{page:?} after {:?}", found.last());
        found.extend(page);
    }
    assert_eq!(found, keys);
}

/// Times as numbers, keys as bytes; the same key at several times, and several keys at one.
pub fn deadlines_come_in_the_order_of_time_and_key(store: &mut impl StoreUnderTest) {
    let mut store = store.store();
    let sorted = [
        (Time(0), bytes("")),
        (Time(0), bytes("b")),
        (Time(9), bytes("a")),
        (Time(10), Bytes::from_static(&[0])),
        (Time(10), bytes("a")),
        (Time(10), bytes("aa")),
        (Time(10), Bytes::from_static(&[0xff; 30])),
        (Time(256), bytes("a")),
        (Time(1 << 40), bytes("a")),
        (Time(u64::MAX), Bytes::from_static(&[0xff])),
    ];
    for deadline in sorted.iter().rev() {
        put(&mut store, LEFT_0, &deadlines(&[], std::slice::from_ref(deadline)));
    }
    // Again is no error, and one entry.
    put(&mut store, LEFT_0, &deadlines(&[], &sorted));
    assert_eq!(all_deadlines(&mut store, LEFT_0), sorted);
    put(&mut store, LEFT_0, &deadlines(&[sorted[3].clone(), (Time(3), bytes("x"))], &[]));
    let left: Vec<_> = sorted.iter().filter(|d| **d != sorted[3]).cloned().collect();
    assert_eq!(all_deadlines(&mut store, LEFT_0), left);
}

/// Both bounds belong to them; page by page they give all.
pub fn deadlines_are_given_within_their_bounds_and_limit(store: &mut impl StoreUnderTest) {
    let mut store = store.store();
    let all: Vec<_> = (0..100_u64).map(|n| (Time(n / 3), bytes(&format!("key-{n:03}")))).collect();
    put(&mut store, LEFT_0, &deadlines(&[], &all));
    let mut given = |from: (Time, &[u8]), until, limit| {
        store.deadlines(LEFT_0, from, until, limit).expect("deadlines")
    };
    assert_eq!(given((Time(0), b""), Time(0), 9), all[..3]);
    assert_eq!(given((Time(1), b""), Time(2), 99), all[3..9]);
    assert_eq!(given((Time(1), b"key-004"), Time(2), 99), all[4..9]);
    assert_eq!(given((Time(1), b"key-004\0"), Time(1), 99), all[5..6]);
    assert_eq!(given((Time(40), b""), Time(u64::MAX), 99), []);
    assert_eq!(given((Time(2), b""), Time(1), 99), []);
    assert_eq!(given((Time(0), b""), Time(99), 0), []);
    let mut found: Vec<(Time, Bytes)> = Vec::new();
    loop {
        let from = found.last().map_or((Time(0), Bytes::new()), |(deadline, key)| {
            (*deadline, [key, &[0][..]].concat().into())
        });
        let page = given((from.0, &from.1), Time(u64::MAX), 7);
        assert!(page.len() <= 7);
        if page.is_empty() {
            break;
        }
        found.extend(page);
    }
    assert_eq!(found, all);
}

/// Neither scans nor gets show them, clearing removes them, and partitions have their own.
pub fn deadlines_are_no_records_and_records_no_deadlines(store: &mut impl StoreUnderTest) {
    let mut store = store.store();
    let mine = [(Time(1), bytes("a")), (Time(2), Bytes::from_static(&[0xff; 20]))];
    let change = Write { deadlines: mine.to_vec(), ..write(&[("a", "1"), ("b", "2")], &[], "p") };
    put(&mut store, LEFT_0, &change);
    put(&mut store, LEFT_1, &change);
    put(&mut store, LEFT_0, &write(&[], &["a"], ""));
    assert_eq!(scan(&mut store, None, 10), ["b"]);
    assert_eq!(all_deadlines(&mut store, LEFT_0), mine);
    assert_eq!(all_deadlines(&mut store, RIGHT_0), []);
    store.clear(LEFT_0).expect("clear");
    assert_eq!(all_deadlines(&mut store, LEFT_0), []);
    assert_eq!(all_deadlines(&mut store, LEFT_1), mine);
}

/// Done ones go first.
pub fn a_deadline_that_is_done_and_put_in_one_write_is_there(store: &mut impl StoreUnderTest) {
    let mut store = store.store();
    let deadline = [(Time(7), bytes("a"))];
    put(&mut store, LEFT_0, &deadlines(&deadline, &deadline));
    put(&mut store, LEFT_0, &deadlines(&deadline, &deadline));
    assert_eq!(all_deadlines(&mut store, LEFT_0), deadline);
}

/// The same keys in two partitions of a type and in two types.
pub fn partitions_are_independent(store: &mut impl StoreUnderTest) {
    let mut store = store.store();
    let partitions = [LEFT_0, LEFT_1, RIGHT_0, RIGHT_2];
    for (n, partition) in partitions.into_iter().enumerate() {
        put(&mut store, partition, &write(&[("a", &n.to_string())], &[], &format!("p{n}")));
    }
    put(&mut store, LEFT_1, &write(&[], &["a"], ""));
    for (n, partition) in partitions.into_iter().enumerate() {
        assert_eq!(store.position(partition), Ok(Some(bytes(&format!("p{n}")))));
        let expected = if partition == LEFT_1 { "-".to_string() } else { n.to_string() };
        assert_eq!(get(&mut store, partition, &["a"]), [expected]);
    }
}

/// The position too, and nothing of the others.
pub fn clearing_removes_all_of_one_partition(store: &mut impl StoreUnderTest) {
    let mut store = store.store();
    for partition in [LEFT_0, LEFT_1, RIGHT_0] {
        put(&mut store, partition, &write(&[("a", "1"), ("b", "2")], &[], "p"));
    }
    store.clear(LEFT_0).expect("clear");
    assert_eq!(store.position(LEFT_0), Ok(None));
    assert_eq!(get(&mut store, LEFT_0, &["a", "b"]), ["-", "-"]);
    assert_eq!(store.scan(LEFT_0, None, 10), Ok(vec![]));
    for partition in [LEFT_1, RIGHT_0] {
        assert_eq!(store.position(partition), Ok(Some(bytes("p"))));
        assert_eq!(get(&mut store, partition, &["a", "b"]), ["1", "2"]);
    }
}

/// By the same handle.
pub fn a_cleared_partition_can_be_filled_again(store: &mut impl StoreUnderTest) {
    let mut store = store.store();
    put(&mut store, LEFT_0, &write(&[("a", "1"), ("b", "2")], &[], "p1"));
    store.clear(LEFT_0).expect("clear");
    put(&mut store, LEFT_0, &write(&[("b", "3")], &[], "p2"));
    assert_eq!(get(&mut store, LEFT_0, &["a", "b"]), ["-", "3"]);
    assert_eq!(store.position(LEFT_0), Ok(Some(bytes("p2"))));
}

/// A partition may move to another shard of the process.
pub fn every_handle_of_a_process_sees_every_write(store: &mut impl StoreUnderTest) {
    let (mut first, mut second) = (store.store(), store.store());
    put(&mut first, LEFT_0, &write(&[("a", "1")], &[], "p1"));
    assert_eq!(get(&mut second, LEFT_0, &["a"]), ["1"]);
    put(&mut second, LEFT_0, &write(&[("a", "2")], &[], "p2"));
    assert_eq!(get(&mut first, LEFT_0, &["a"]), ["2"]);
    assert_eq!(first.position(LEFT_0), Ok(Some(bytes("p2"))));
    first.clear(LEFT_0).expect("clear");
    assert_eq!(get(&mut second, LEFT_0, &["a"]), ["-"]);
}

/// Ten thousand records at once, and a record of a megabyte.
pub fn big_writes_are_whole(store: &mut impl StoreUnderTest) {
    let mut store = store.store();
    let puts: Vec<_> = (0..10_000)
        .map(|n| (bytes(&format!("key-{n:05}")), bytes(&format!("value {n}"))))
        .chain([(bytes("z"), Bytes::from(vec![7; 1 << 20]))])
        .collect();
    let all = Write { puts: puts.clone(), position: Some(bytes("p")), ..Write::default() };
    put(&mut store, LEFT_0, &all);
    assert_eq!(store.scan(LEFT_0, None, usize::MAX), Ok(puts));
}

/// Records and position.
pub fn what_was_written_is_there_after_a_restart(store: &mut impl StoreUnderTest) {
    let mut handle = store.store();
    put(&mut handle, LEFT_0, &write(&[("a", "1"), ("b", "2")], &[], "p1"));
    put(&mut handle, RIGHT_2, &write(&[("a", "3")], &[], ""));
    put(&mut handle, LEFT_0, &write(&[], &["b"], "p2"));
    put(&mut handle, LEFT_0, &deadlines(&[], &[(Time(1), bytes("a")), (Time(2), bytes("b"))]));
    put(&mut handle, LEFT_0, &deadlines(&[(Time(1), bytes("a"))], &[]));
    drop(handle);
    store.restart();
    let mut handle = store.store();
    assert_eq!(get(&mut handle, LEFT_0, &["a", "b"]), ["1", "-"]);
    assert_eq!(all_deadlines(&mut handle, LEFT_0), [(Time(2), bytes("b"))]);
    assert_eq!(handle.position(LEFT_0), Ok(Some(bytes("p2"))));
    assert_eq!(get(&mut handle, RIGHT_2, &["a"]), ["3"]);
    assert_eq!(handle.position(RIGHT_2), Ok(None));
}

/// Nothing comes back.
pub fn a_cleared_partition_is_empty_after_a_restart(store: &mut impl StoreUnderTest) {
    let mut handle = store.store();
    put(&mut handle, LEFT_0, &write(&[("a", "1")], &[], "p1"));
    handle.clear(LEFT_0).expect("clear");
    drop(handle);
    store.restart();
    let mut handle = store.store();
    assert_eq!(handle.position(LEFT_0), Ok(None));
    assert_eq!(handle.scan(LEFT_0, None, 10), Ok(vec![]));
}

fn put(store: &mut Box<dyn Store>, partition: PartitionId, write: &Write) {
    store.write(partition, write).expect("write");
}

/// A write of deadlines alone.
fn deadlines(done: &[(Time, Bytes)], put: &[(Time, Bytes)]) -> Write {
    Write { deadlines_done: done.to_vec(), deadlines: put.to_vec(), ..Write::default() }
}

fn all_deadlines(store: &mut Box<dyn Store>, partition: PartitionId) -> Vec<(Time, Bytes)> {
    let from = (Time(0), &[][..]);
    store.deadlines(partition, from, Time(u64::MAX), usize::MAX).expect("deadlines")
}

/// Values as text; `-` for an absent one.
fn get(store: &mut Box<dyn Store>, partition: PartitionId, keys: &[&str]) -> Vec<String> {
    let keys: Vec<_> = keys.iter().map(|key| bytes(key)).collect();
    let values = store.get(partition, &keys).expect("values");
    values.iter().map(|value| value.as_ref().map_or("-".into(), text)).collect()
}

/// Keys of the left partition, as text.
fn scan(store: &mut Box<dyn Store>, after: Option<&str>, limit: usize) -> Vec<String> {
    let pairs = store.scan(LEFT_0, after.map(str::as_bytes), limit).expect("pairs");
    pairs.iter().map(|(key, _)| text(key)).collect()
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
