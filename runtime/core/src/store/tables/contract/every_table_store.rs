//! What every store of tables does while nothing goes wrong.

use bytes::Bytes;

use super::{FAR, NEXT, ONE, OTHER_PARTITION, OTHER_SOURCE, TablesUnderTest, bytes, write};
use crate::store::tables::{Place, RowWrite, Scan, TableReader};

/// Neither catalogue nor position nor row.
pub fn new_tables_are_empty(under_test: &mut impl TablesUnderTest) {
    let tables = under_test.tables();
    assert_eq!(tables.catalogue(), Ok(None));
    assert_eq!(tables.position(ONE), Ok(None));
    assert_eq!(tables.rows(ONE, &[(0, bytes("a"))]), Ok(vec![None]));
    assert_eq!(tables.rows(ONE, &[]), Ok(vec![]));
    assert_eq!(tables.scan(ONE, 0, Scan::default(), 10), Ok(vec![]));
}

/// Deleting what is absent is no error.
pub fn a_write_puts_and_deletes_rows_and_moves_the_position_at_once(
    under_test: &mut impl TablesUnderTest,
) {
    let tables = under_test.tables();
    tables.write(ONE, &write(&[("a", "1"), ("b", "2")], &["never"], "p1")).expect("write");
    tables.write(ONE, &write(&[("c", "3")], &["a"], "p2")).expect("write");
    assert_eq!(tables.position(ONE), Ok(Some(bytes("p2"))));
    assert_eq!(scan(&*tables, ONE, "", None, 10), ["b=2", "c=3"]);
}

/// Also the same row twice.
pub fn rows_come_back_in_the_order_asked_for(under_test: &mut impl TablesUnderTest) {
    let tables = under_test.tables();
    tables.write(ONE, &write(&[("a", "1"), ("b", "2")], &[], "p")).expect("write");
    let asked = ["b", "x", "a", "b"].map(|key| (0, bytes(key)));
    let found = tables.rows(ONE, &asked).expect("rows");
    assert_eq!(found, [Some(bytes("2")), None, Some(bytes("1")), Some(bytes("2"))]);
}

/// Row by row.
pub fn a_later_write_wins(under_test: &mut impl TablesUnderTest) {
    let tables = under_test.tables();
    for n in 0..5 {
        let value = n.to_string();
        tables.write(ONE, &write(&[("a", &value)], &[], &value)).expect("write");
    }
    assert_eq!(scan(&*tables, ONE, "", None, 10), ["a=4"]);
}

/// A row may have no bytes.
pub fn an_empty_row_is_not_an_absent_one(under_test: &mut impl TablesUnderTest) {
    let tables = under_test.tables();
    tables.write(ONE, &write(&[("a", "")], &[], "p")).expect("write");
    assert_eq!(tables.rows(ONE, &[(0, bytes("a"))]), Ok(vec![Some(Bytes::new())]));
}

/// Whether the row to go on after is there or not.
pub fn scans_are_in_the_order_of_keys_and_go_on_after_one(under_test: &mut impl TablesUnderTest) {
    let tables = under_test.tables();
    let keys = ["b", "a", "a/", "aa", "\u{1}", "\u{10ffff}", "ab"];
    let puts: Vec<_> = keys.iter().map(|key| (*key, "v")).collect();
    tables.write(ONE, &write(&puts, &[], "p")).expect("write");
    let mut sorted = keys;
    sorted.sort_unstable();
    let all: Vec<String> = sorted.iter().map(|key| format!("{key}=v")).collect();
    assert_eq!(scan(&*tables, ONE, "", None, 100), all);
    assert_eq!(scan(&*tables, ONE, "", None, 2), all[..2]);
    assert_eq!(scan(&*tables, ONE, "", Some("a/"), 100), all[3..]);
    assert_eq!(scan(&*tables, ONE, "", Some("a0"), 1), all[3..4]);
    assert!(scan(&*tables, ONE, "", Some("\u{10ffff}"), 1).is_empty());
}

/// Prefixes that end in the highest byte included.
pub fn a_scan_by_prefix_gives_all_that_begins_so_and_nothing_else(
    under_test: &mut impl TablesUnderTest,
) {
    let tables = under_test.tables();
    let keys: [&[u8]; 6] = [b"a", b"a\xff", b"a\xff\xff", b"a\xff\xff1", b"b", b"\xff\xff"];
    let puts = keys.iter().map(|key| (0, Bytes::copy_from_slice(key), bytes("v"))).collect();
    let rows = RowWrite { puts, position: bytes("p"), ..RowWrite::default() };
    tables.write(ONE, &rows).expect("write");
    let scan = |prefix: &[u8], after: Option<&[u8]>| {
        let rows = tables.scan(ONE, 0, Scan { prefix, after }, 100).expect("scan");
        rows.into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };
    assert_eq!(scan(b"a", None), keys[..4]);
    assert_eq!(scan(b"a\xff", None), keys[1..4]);
    assert_eq!(scan(b"a\xff\xff", Some(b"a\xff\xff")), keys[3..4]);
    assert_eq!(scan(b"\xff", None), keys[5..]);
    assert_eq!(scan(b"b", Some(b"a")), keys[4..5]);
    assert!(scan(b"a", Some(b"b")).is_empty());
    assert!(scan(b"c", None).is_empty());
}

/// The same key at every place.
pub fn places_tables_and_generations_do_not_mix(under_test: &mut impl TablesUnderTest) {
    let tables = under_test.tables();
    let places = [ONE, OTHER_PARTITION, OTHER_SOURCE, NEXT, FAR];
    for (n, place) in places.iter().enumerate() {
        let mut rows = write(&[("k", &n.to_string())], &[], &n.to_string());
        rows.puts.push((1, bytes("k"), bytes("of table 1")));
        rows.puts.push((u16::MAX, bytes("k"), bytes("of the last table")));
        tables.write(*place, &rows).expect("write");
    }
    for (n, place) in places.iter().enumerate() {
        assert_eq!(scan(&*tables, *place, "", None, 10), [format!("k={n}")]);
        assert_eq!(tables.position(*place), Ok(Some(bytes(&n.to_string()))));
        let others = [(1, bytes("k")), (u16::MAX, bytes("k")), (2, bytes("k"))];
        let found = tables.rows(*place, &others).expect("rows");
        assert_eq!(found, [Some(bytes("of table 1")), Some(bytes("of the last table")), None]);
    }
}

/// Also an empty one.
pub fn a_catalogue_comes_back_as_it_was_written(under_test: &mut impl TablesUnderTest) {
    let tables = under_test.tables();
    tables.write_catalogue(&bytes("one"), &[]).expect("write");
    tables.write_catalogue(&bytes(""), &[]).expect("write");
    assert_eq!(tables.catalogue(), Ok(Some(Bytes::new())));
}

/// Rows, positions and all places of it.
pub fn a_dropped_generation_is_gone_and_the_others_stay(under_test: &mut impl TablesUnderTest) {
    let tables = under_test.tables();
    for place in [ONE, OTHER_PARTITION, OTHER_SOURCE, NEXT, FAR] {
        tables.write(place, &write(&[("k", "v")], &[], "p")).expect("write");
    }
    tables.write_catalogue(&bytes("without 1"), &[1, 7]).expect("write");
    for place in [ONE, OTHER_PARTITION, OTHER_SOURCE] {
        assert_eq!(tables.position(place), Ok(None));
        assert!(scan(&*tables, place, "", None, 10).is_empty());
    }
    assert_eq!(tables.position(NEXT), Ok(Some(bytes("p"))));
    tables.write_catalogue(&bytes("without the last"), &[u32::MAX]).expect("write");
    assert_eq!(tables.position(FAR), Ok(None));
    assert_eq!(scan(&*tables, NEXT, "", None, 10), ["k=v"]);
    assert_eq!(tables.catalogue(), Ok(Some(bytes("without the last"))));
}

/// Neither rows nor positions nor drops.
pub fn a_snapshot_sees_nothing_that_came_after_it(under_test: &mut impl TablesUnderTest) {
    let tables = under_test.tables();
    tables.write_catalogue(&bytes("before"), &[]).expect("write");
    tables.write(ONE, &write(&[("a", "1"), ("b", "1")], &[], "p1")).expect("write");
    let snapshot = tables.snapshot();
    tables.write(ONE, &write(&[("a", "2"), ("c", "2")], &["b"], "p2")).expect("write");
    let after = tables.snapshot();
    tables.write_catalogue(&bytes("after"), &[1]).expect("write");
    assert_eq!(scan(&*snapshot, ONE, "", None, 10), ["a=1", "b=1"]);
    assert_eq!(snapshot.position(ONE), Ok(Some(bytes("p1"))));
    assert_eq!(snapshot.catalogue(), Ok(Some(bytes("before"))));
    assert_eq!(snapshot.rows(ONE, &[(0, bytes("a"))]), Ok(vec![Some(bytes("1"))]));
    assert_eq!(scan(&*after, ONE, "", None, 10), ["a=2", "c=2"]);
    assert!(scan(&*tables, ONE, "", None, 10).is_empty());
}

/// Rows, positions and catalogue.
pub fn what_was_written_is_there_after_a_restart(under_test: &mut impl TablesUnderTest) {
    let tables = under_test.tables();
    tables.write_catalogue(&bytes("c"), &[]).expect("write");
    tables.write(ONE, &write(&[("a", "1")], &[], "p")).expect("write");
    drop(tables);
    under_test.restart();
    let tables = under_test.tables();
    assert_eq!(tables.catalogue(), Ok(Some(bytes("c"))));
    assert_eq!(tables.position(ONE), Ok(Some(bytes("p"))));
    assert_eq!(scan(&*tables, ONE, "", None, 10), ["a=1"]);
}

fn scan(
    tables: &(impl TableReader + ?Sized),
    place: Place,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
) -> Vec<String> {
    let scan = Scan { prefix: prefix.as_bytes(), after: after.map(str::as_bytes) };
    let rows = tables.scan(place, 0, scan, limit).expect("scan");
    let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
    rows.iter().map(|(key, value)| format!("{}={}", text(key), text(value))).collect()
}
