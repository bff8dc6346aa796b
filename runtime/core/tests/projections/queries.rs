//! What queries read: rows by key, and pages in the order of keys over all partitions.

use bytes::Bytes;
use zamu_core::prng::Prng;
use zamu_core::projection::query::{self, Table};
use zamu_core::store::tables::memory::MemoryTables;
use zamu_core::store::tables::{Scan, TableStore};

use crate::toy::{Behaviour, Log, Maker, PARTITIONS, start};

fn filled() -> (Log, MemoryTables, Maker) {
    let (log, tables) = (Log::default(), MemoryTables::new());
    for number in 0..200 {
        log.append(&format!("cell-{number:03}"), "Added", "20");
        log.append(&format!("cell-{number:03}"), "Added", "30");
    }
    let mut maker = start(&log, &tables, &Behaviour::default(), 100);
    maker.settle();
    (log, tables, maker)
}

fn table(tables: &MemoryTables, name: &str) -> Table {
    query::find(&query::catalogue(tables).unwrap(), name, |_| true).unwrap()
}

/// All pages, one after another, each read from what there is then.
fn pages(tables: &MemoryTables, name: &str, prefix: &str, limit: usize) -> Vec<String> {
    let table = table(tables, name);
    let mut keys: Vec<Bytes> = Vec::new();
    loop {
        let scan = Scan { prefix: prefix.as_bytes(), after: keys.last().map(|key| &**key) };
        let page = table.page(&*tables.snapshot(), PARTITIONS, scan, limit).unwrap();
        assert!(page.rows.len() <= limit);
        assert!(!page.more || page.rows.len() == limit);
        keys.extend(page.rows.iter().map(|(key, _)| key.clone()));
        if !page.more {
            break;
        }
    }
    keys.iter().map(|key| String::from_utf8(key.to_vec()).unwrap()).collect()
}

#[test]
fn pages_are_complete_and_in_the_order_of_keys() {
    let (_, tables, _) = filled();
    let all: Vec<String> = (0..200).map(|number| format!("cell-{number:03}")).collect();
    for limit in [1, 7, 50, 200, 1_000] {
        assert_eq!(pages(&tables, "sums", "", limit), all, "pages of {limit}");
    }
    let tens: Vec<String> = all[10..20].to_vec();
    assert_eq!(pages(&tables, "sums", "cell-01", 3), tens);
    assert_eq!(pages(&tables, "adds", "cell-017/", 1), ["cell-017/20", "cell-017/30"]);
    assert!(pages(&tables, "sums", "nothing", 5).is_empty());
}

#[test]
fn a_row_that_was_there_all_the_time_is_in_the_pages_whatever_is_written_between_them() {
    let (log, tables, mut maker) = filled();
    let mut prng = Prng::new(13);
    let table = table(&tables, "sums");
    let mut after: Option<Bytes> = None;
    let mut found = Vec::new();
    loop {
        let scan = Scan { prefix: b"cell-", after: after.as_deref() };
        let page = table.page(&*tables.snapshot(), PARTITIONS, scan, 9).unwrap();
        found.extend(page.rows.iter().map(|(key, _)| key.clone()));
        after = found.last().cloned();
        if !page.more {
            break;
        }
        log.append(&format!("cell-{:03}x", prng.index(200)), "Added", "20");
        log.append(&format!("cell-{:03}", 2 * prng.index(100)), "Added", "25");
        log.append("cell-999", "Cleared", "");
        maker.settle();
    }
    assert!(found.windows(2).all(|pair| pair[0] < pair[1]), "in order, and none twice");
    let there = |number: u32| found.contains(&Bytes::from(format!("cell-{number:03}")));
    assert!((0..200).all(there));
}

#[test]
fn rows_are_found_by_their_key_alone() {
    let (log, tables, mut maker) = filled();
    log.append("a/b", "Added", "22");
    log.append("a", "Added", "23");
    maker.settle();
    let row = |name: &str, key: &str| {
        let key = Bytes::copy_from_slice(key.as_bytes());
        let row = table(&tables, name).row(&tables, PARTITIONS, &key).unwrap();
        row.map(|row| String::from_utf8(row.to_vec()).unwrap())
    };
    assert_eq!(row("sums", "cell-007"), Some("50".into()));
    assert_eq!(row("sums", "a/b"), Some("22".into()));
    assert_eq!(row("adds", "a/b/22"), Some("22".into()));
    assert_eq!(row("adds", "a/23"), Some("23".into()));
    for (name, key) in
        [("sums", "cell-200"), ("sums", ""), ("adds", "a"), ("adds", "a/b"), ("adds", "a/24")]
    {
        assert_eq!(row(name, key), None, "{name} {key}");
    }
    assert_eq!(query::find(&query::catalogue(&tables).unwrap(), "unknown", |_| true), None);
}

#[test]
fn one_answer_reads_one_moment() {
    let (log, tables, mut maker) = filled();
    let snapshot = tables.snapshot();
    log.append("cell-000", "Added", "20");
    maker.set.rebuild("sums").unwrap();
    maker.settle();
    let catalogue = query::catalogue(&*snapshot).unwrap();
    let old = query::find(&catalogue, "sums", |_| true).unwrap();
    assert_eq!(old.generation.number, 1);
    let row = old.row(&*snapshot, PARTITIONS, &Bytes::from_static(b"cell-000")).unwrap();
    assert_eq!(row, Some(Bytes::from_static(b"50")), "the dropped generation is still there");
    let now = table(&tables, "sums").row(&tables, PARTITIONS, &Bytes::from_static(b"cell-000"));
    assert_eq!(now, Ok(Some(Bytes::from_static(b"70"))));
}
