//! Projections: what the kit finds, what crosses the columns, and what a handler says of tables.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::cell::Cell;

use serde::{Deserialize, Serialize};
use serde_json::json;
use support::{Filled, Jar, OldSealed, Sealed, Shelf, Stocked, panic_text};
use zamu_guest::columns::{Blobs, Changes, CurrentRows, Fault, Projected as Events, Subjects};
use zamu_guest::projection::{TableDeclaration, sequence_suffix};
use zamu_guest::testing::{Engine, Law, Native, Projected};
use zamu_guest::{Handler, KeyedTable, ListTable, Projection, ProjectionContext, Rows, Time};

zamu_guest::messages! {
    /// What the pantry takes of a jar.
    pub enum Taken { Filled, Sealed schema "2", OldSealed as "Sealed" }
}
zamu_guest::messages! { pub enum OfShelf { Stocked } }

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Content {
    pub grams: u64,
    pub fills: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub grams: u64,
    pub by: String,
    pub at: Time,
}

const CONTENTS: KeyedTable<Content> = KeyedTable::new("contents");
const HISTORY: ListTable<Entry> = ListTable::new("content-history");
const STOCKS: KeyedTable<String> = KeyedTable::new("stocks").reference();

/// Jars that are not sealed, with their history; a sealed one has neither.
struct Pantry;

impl Projection for Pantry {
    const TYPE: &'static str = "jar";
    const TABLES: &'static [TableDeclaration] = &[CONTENTS.declared(), HISTORY.declared()];
    type Event = Taken;

    fn project(event: &Taken, context: &ProjectionContext<'_>, rows: &mut Rows<'_>) {
        match event {
            Taken::Filled(Filled { grams, by }) => {
                let content = rows.current(&CONTENTS).get_or_insert(Content { grams: 0, fills: 0 });
                content.grams += grams;
                content.fills += 1;
                let (grams, at) = (content.grams, context.time);
                let entry = Entry { grams, by: by.clone(), at };
                rows.put(&HISTORY, context.sequence_suffix(), &entry);
            }
            Taken::Sealed(_) | Taken::OldSealed(_) => {
                *rows.current(&CONTENTS) = None;
                for sequence in 1..context.sequence {
                    rows.delete(&HISTORY, sequence_suffix(sequence));
                }
            }
        }
    }
}

struct Stocks;

impl Projection for Stocks {
    const TYPE: &'static str = "shelf";
    const TABLES: &'static [TableDeclaration] = &[STOCKS.declared()];
    type Event = OfShelf;

    fn project(event: &OfShelf, _: &ProjectionContext<'_>, rows: &mut Rows<'_>) {
        let OfShelf::Stocked(Stocked { jar }) = event;
        *rows.current(&STOCKS) = Some(jar.clone());
    }
}

fn filled(grams: u64) -> Filled {
    Filled { grams, by: "ann".to_owned() }
}

#[test]
fn rows_are_made_changed_and_taken_away() {
    Projected::<Pantry>::new()
        .at(Time(5))
        .then_no_row(&CONTENTS)
        .on(filled(2))
        .on(filled(3))
        .then_row(&CONTENTS, &Content { grams: 5, fills: 2 })
        .then_row(&CONTENTS, &json!({ "fills": 2, "grams": 5 }))
        .then_row_at(&HISTORY, &sequence_suffix(1), &json!({ "grams": 2, "by": "ann", "at": 5 }))
        .then_suffixes(&HISTORY, &["00000000000000000001", "00000000000000000002"])
        .key("other")
        .then_no_row(&CONTENTS)
        .on(filled(9))
        .then_suffixes(&HISTORY, &["00000000000000000001"])
        .key("key")
        .on(Sealed { at: Time(1) })
        .then_no_row(&CONTENTS)
        .then_no_row_at(&HISTORY, &sequence_suffix(2))
        .then_suffixes(&HISTORY, &[])
        .on_stored("Sealed", "1", "{}")
        .key("other")
        .then_row(&CONTENTS, &Content { grams: 9, fills: 1 });
}

#[test]
fn long_histories_pass_the_laws() {
    let mut pantry = Projected::<Pantry>::new();
    for number in 0..60 {
        pantry = pantry.key(["a", "b", "a/b"][number % 3]).on(filled(number as u64));
    }
    pantry.then_row(&CONTENTS, &Content { grams: (0..60).skip(2).step_by(3).sum(), fills: 20 });
}

#[test]
fn a_wrong_expectation_is_shown_as_a_difference() {
    let pantry = || Projected::<Pantry>::new().on(filled(2));
    let other = panic_text(|| pantry().then_row(&CONTENTS, &Content { grams: 3, fills: 1 }));
    assert!(other.contains("row key of table contents is another"), "{other}");
    assert!(other.contains("-   \"grams\": 3") && other.contains("+   \"grams\": 2"), "{other}");
    let missing =
        panic_text(|| pantry().key("b").then_row(&CONTENTS, &Content { grams: 2, fills: 1 }));
    assert!(missing.contains("there is no row b in table contents"), "{missing}");
    assert!(missing.contains("contents key:"), "{missing}");
    let there = panic_text(|| pantry().then_no_row(&CONTENTS));
    assert!(there.contains("there is a row key in table contents"), "{there}");
    let suffixes = panic_text(|| pantry().then_suffixes(&HISTORY, &["1"]));
    assert!(suffixes.contains("-     \"1\","), "{suffixes}");
}

/// A projection with one defect, which the event selects.
struct Defective;

const ODD: KeyedTable<Odd> = KeyedTable::new("odd");
const ODDS: ListTable<String> = ListTable::new("odds");
const UNDECLARED: KeyedTable<String> = KeyedTable::new("undeclared");

/// Loses what it skips.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Odd {
    seen: u64,
    #[serde(skip)]
    forgotten: u64,
}

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

impl Projection for Defective {
    const TYPE: &'static str = "jar";
    const TABLES: &'static [TableDeclaration] = &[ODD.declared(), ODDS.declared()];
    type Event = Taken;

    fn project(event: &Taken, context: &ProjectionContext<'_>, rows: &mut Rows<'_>) {
        let Taken::Filled(Filled { by, .. }) = event else { return };
        match by.as_str() {
            "hidden state" => {
                CALLS.set(CALLS.get() + 1);
                rows.put(&ODDS, "1", &CALLS.get().to_string());
            }
            "a field that is not stored" => {
                let odd = rows.current(&ODD).get_or_insert_default();
                odd.forgotten += 1;
                odd.seen += odd.forgotten;
            }
            "memory of others" => {
                rows.put(&ODDS, "1", &CALLS.get().to_string());
                CALLS.set(u64::from(context.key.ends_with("neighbour")));
            }
            "a table of others" => *rows.current(&UNDECLARED) = Some(String::new()),
            "a slash" => rows.put(&ODDS, "1/2", &String::new()),
            "no suffix" => rows.put(&ODDS, "", &String::new()),
            "a long suffix" => rows.put(&ODDS, "x".repeat(256), &String::new()),
            "a large row" => rows.put(&ODDS, "1", &"x".repeat(1 << 20)),
            _ => {}
        }
    }
}

fn defect(how: &str) -> Filled {
    Filled { grams: 1, by: how.to_owned() }
}

#[test]
fn broken_laws_are_found() {
    for (how, law) in
        [("hidden state", Law::Repeatable), ("a field that is not stored", Law::Splittable)]
    {
        CALLS.set(0);
        let text = panic_text(|| {
            Projected::<Defective>::new().on(defect(how)).on(defect(how)).on(defect(how))
        });
        assert!(text.starts_with(&format!("law broken: {law}")), "{how}: {text}");
    }
}

#[test]
fn what_the_host_would_not_take_is_named() {
    for (how, expected) in [
        ("a table of others", "table undeclared is not among the projection's TABLES"),
        ("a slash", "never empty and has no `/` in it, unlike `1/2`"),
        ("no suffix", "never empty and has no `/` in it, unlike ``"),
        ("a long suffix", "table odds: a suffix has 256 bytes"),
        ("a large row", "row key/1 of table odds: the row has 1048578 bytes"),
    ] {
        let text = panic_text(|| Projected::<Defective>::new().on(defect(how)));
        assert!(text.contains(expected), "{how}: {text}");
    }
}

fn subjects(keys: &[&str]) -> Subjects {
    Subjects { aggregate_type: vec![0; keys.len()], keys: keys.iter().collect() }
}

fn fills(slots: &[u32]) -> Events {
    let n = slots.len();
    Events {
        slot: slots.to_vec(),
        sequences: (1..=n as u64).collect(),
        kind: vec![0; n],
        time: vec![7; n],
        correlations: slots.iter().map(|_| "c").collect(),
        bodies: slots.iter().map(|_| r#"{"grams":1,"by":"ann"}"#).collect(),
    }
}

fn project(rows: &CurrentRows, events: &Events) -> Result<Changes, Fault> {
    let handler = Handler::new("pantry", "1.0.0", 1).projection::<Pantry>();
    handler.project(&subjects(&["a", "b"]), rows, events, &mut Native::default())
}

#[test]
fn a_row_crosses_back_once_however_many_events_change_it() {
    let changes = project(&CurrentRows::default(), &fills(&[0, 1, 0, 0])).unwrap();
    let keyed: Vec<usize> = (0..changes.table.len()).filter(|i| changes.table[*i] == 0).collect();
    assert_eq!(keyed.len(), 2, "{changes:?}");
    assert_eq!(changes.slot[keyed[0]], 1);
    assert_eq!(changes.values.get(keyed[1]), br#"{"grams":3,"fills":3}"#);
    assert_eq!(changes.table.iter().filter(|table| **table == 1).count(), 4);
}

#[test]
fn a_row_that_is_looked_at_and_not_changed_is_not_written() {
    struct Looks;
    impl Projection for Looks {
        const TYPE: &'static str = "jar";
        const TABLES: &'static [TableDeclaration] = &[CONTENTS.declared()];
        type Event = Taken;
        fn project(_: &Taken, _: &ProjectionContext<'_>, rows: &mut Rows<'_>) {
            let _ = rows.current(&CONTENTS).is_some();
        }
    }
    let handler = Handler::new("looks", "1.0.0", 1).projection::<Looks>();
    let rows = CurrentRows {
        slot: vec![0],
        table: vec![0],
        values: ["{\"grams\":1,\"fills\":1}"].iter().collect(),
    };
    let changes =
        handler.project(&subjects(&["a", "b"]), &rows, &fills(&[0, 1]), &mut Native::default());
    assert_eq!(changes, Ok(Changes::default()));
}

#[test]
fn a_row_of_another_shape_is_a_fault_that_names_it() {
    let rows = CurrentRows {
        slot: vec![0],
        table: vec![0],
        values: ["{\"grams\":\"x\"}"].iter().collect(),
    };
    let text = panic_text(|| project(&rows, &fills(&[0])));
    assert!(text.starts_with("row a of table contents: it does not decode: grams:"), "{text}");
}

#[test]
fn columns_that_contradict_each_other_are_faults() {
    let none = CurrentRows::default();
    assert!(project(&none, &Events { kind: vec![9], ..fills(&[0]) }).is_err());
    assert!(project(&none, &fills(&[2])).is_err());
    assert!(project(&none, &Events { time: vec![], ..fills(&[0]) }).is_err());
    let row = |slot| CurrentRows { slot: vec![slot], table: vec![0], values: Blobs::default() };
    assert!(project(&row(0), &fills(&[0])).is_err());
    let malformed = Events { bodies: ["{}"].iter().collect(), ..fills(&[0]) };
    let fault = project(&none, &malformed).unwrap_err().to_string();
    let says = "jar/a: item 0, event Filled (schema 1): missing field `grams`";
    assert!(fault.starts_with(says), "{fault}");
}

#[test]
fn the_manifest_names_tables_and_what_is_projected() {
    let handler = Handler::new("views", "1.0.0", 4).projection::<Pantry>().projection::<Stocks>();
    let manifest: serde_json::Value = serde_json::from_str(&handler.describe()).unwrap();
    assert_eq!(
        manifest["tables"],
        json!([
            { "name": "contents", "type": 0, "keyed": true, "reference": false },
            { "name": "content-history", "type": 0, "keyed": false, "reference": false },
            { "name": "stocks", "type": 1, "keyed": true, "reference": true },
        ])
    );
    assert_eq!(manifest["types"], json!(["jar", "shelf"]));
    assert_eq!(
        manifest["projections"],
        json!([{ "type": 0, "events": [0, 1, 2] }, { "type": 1, "events": [3] }])
    );
}

#[test]
fn two_projections_of_one_table_are_refused() {
    let text = panic_text(|| {
        Handler::new("views", "1.0.0", 1).projection::<Pantry>().projection::<Pantry>()
    });
    assert!(text.contains("table contents stands twice in handler views"), "{text}");
}

#[test]
fn projections_live_beside_the_other_roles() {
    let all = Handler::new("all", "1.0.0", 1)
        .aggregate::<Jar>()
        .aggregate::<Shelf>()
        .projection::<Stocks>()
        .projection::<Pantry>();
    Projected::<Pantry>::on_engine(all).on(OldSealed {}).then_no_row(&CONTENTS);
    let mut alone: Box<dyn Engine> = Box::new(Handler::new("all", "1.0.0", 1).aggregate::<Jar>());
    assert!(!alone.describe().contains("tables"));
}

#[test]
fn whatever_key_and_correlation_a_client_chose_its_events_become_rows() {
    let handler = Handler::new("pantry", "1.0.0", 1).projection::<Pantry>();
    let events = Events { correlations: [b"\xff"].iter().collect(), ..fills(&[0]) };
    let long = "k".repeat(zamu_guest::bounds::KEY_BYTES_MAX);
    let (subjects, rows) = (subjects(&[&long]), CurrentRows::default());
    let changes = handler.project(&subjects, &rows, &events, &mut Native::default()).unwrap();
    assert_eq!(changes.slot.len(), 2);
}
