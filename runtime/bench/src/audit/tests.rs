//! What is found in events that say so.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use serde_json::json;

use super::*;
use crate::load::{Load, Options};

const LOAD: &str = r#"
    name = "test"
    unit = "unit"
    config = "x.toml"
    [send]
    type = "t"
    kind = "Do"
    key = "{id}"
    data = {}
    [ends]
    by = "events"
    completed = [{ type = "t", kind = "Done" }]
    refused = [{ type = "t", kind = "Undone" }]
    once = [{ type = "u", kind = "Moved" }]
    [[sums]]
    name = "moved"
    terms = [{ events = "u", kind = "Moved", value = "/data/by", group = "/data/of" }]
"#;

struct Books {
    plan: Plan,
    letters: Letters,
    events: Vec<String>,
    numbers: BTreeMap<String, u64>,
}

impl Books {
    fn new() -> Self {
        let load = Load::parse(LOAD, Path::new("load.toml")).unwrap();
        let plan = load.plan(&Options::default()).unwrap();
        Self { plan, letters: Letters::default(), events: Vec::new(), numbers: BTreeMap::new() }
    }

    fn event(&mut self, unit: u64, of: &str, kind: &str, by: &str) {
        let number = self.numbers.entry(of.to_owned()).or_insert(0);
        let event = json!({
            "type": of, "kind": kind, "key": "k", "partition": 0, "number": *number,
            "correlation": name(&self.plan.values, unit), "data": { "by": by, "of": "X" },
        });
        *number += 1;
        self.events.push(event.to_string());
    }

    fn close(&self, units: u64, heard: impl Fn(u64) -> Option<End>) -> Audit {
        let mut ledger = Ledger::new(&self.plan, &self.letters, units);
        self.events.iter().for_each(|event| ledger.enter(event).unwrap());
        ledger.close(heard)
    }
}

fn findings(audit: &Audit) -> Vec<String> {
    audit.findings.lines().collect()
}

#[test]
fn every_unit_is_found_under_how_it_ended() {
    let mut books = Books::new();
    books.event(0, "t", "Done", "0");
    books.event(1, "t", "Undone", "0");
    books.event(3, "u", "Moved", "1.50");
    books.event(3, "t", "Done", "0");
    books.event(0, "u", "Moved", "-1.5");
    books.letters.units.insert(2);
    let ends = [End::Completed, End::Refused, End::Faulted, End::Completed];
    let audit = books.close(4, |unit| Some(ends[unit as usize]));
    assert_eq!((audit.completed, audit.refused, audit.faulted), (2, 1, 1));
    assert_eq!((audit.lost, audit.doubled, audit.events), (0, 0, 5));
    assert_eq!(audit.sums["moved"]["X"], "0");
    assert_eq!(findings(&audit), Vec::<String>::new());
}

#[test]
fn an_event_handler_that_broke_on_an_event_is_a_fault_of_its_unit() {
    let mut books = Books::new();
    books.event(0, "u", "Moved", "0");
    books.letters.events.insert(("u".to_owned(), 0, 0));
    let audit = books.close(1, |_| None);
    assert_eq!((audit.faulted, audit.lost), (1, 0));
}

#[test]
fn what_is_lost_doubled_or_out_of_balance_is_found() {
    for (make, part) in [
        (&(|_: &mut Books| {}) as &dyn Fn(&mut Books), "lost: 1"),
        (
            &|books| {
                books.event(0, "t", "Done", "0");
                books.event(0, "t", "Done", "0");
            },
            "doubled: 1",
        ),
        (
            &|books| {
                books.event(0, "t", "Done", "0");
                books.event(0, "t", "Undone", "0");
            },
            "ended twice: 1",
        ),
        (
            &|books| {
                books.event(0, "t", "Done", "0");
                books.event(0, "u", "Moved", "0.01");
            },
            "a sum that is not zero: 1 (moved of X: 0.01)",
        ),
        (
            &|books| {
                books.event(0, "t", "Done", "0");
                books.event(7, "t", "Done", "0");
            },
            "an event of a unit that was never sent: 1",
        ),
        (&|books| books.event(0, "t", "Undone", "0"), "told otherwise than the log has it: 1"),
        (
            &|books| {
                books.numbers.insert("t".to_owned(), 1);
                books.event(0, "t", "Done", "0");
            },
            "an event out of its order: 1 (t/0: 1 instead of 0)",
        ),
    ] {
        let mut books = Books::new();
        make(&mut books);
        let found = findings(&books.close(1, |_| Some(End::Completed)));
        assert!(found.iter().any(|line| line.starts_with(part)), "`{part}` in {found:?}");
    }
}

#[test]
fn the_keys_of_states_are_those_of_the_choices() {
    let load = LOAD.to_owned()
        + r#"
            [[sums]]
            name = "states"
            terms = [{ states = "t", each = "shop", key = "{shop}/USD", value = "/value" }]
            [values]
            a = { number = [1, 2] }
            shop = { choose = 3, text = "shop-{n}", first = 7 }
        "#;
    let plan = Load::parse(&load, Path::new("l")).unwrap().plan(&Options::default()).unwrap();
    let Where::States { each, key, .. } = &plan.sums[1].terms[0].of else { panic!() };
    let each = each.unwrap();
    let keys = (0..plan.values.choices(each)).map(|at| key.of(&plan.values, each, at).unwrap());
    assert_eq!(keys.collect::<Vec<_>>(), ["shop-7/USD", "shop-8/USD", "shop-9/USD"]);
}

#[test]
fn a_figure_that_is_no_number_is_named() {
    let mut books = Books::new();
    books.event(0, "u", "Moved", "much");
    let mut ledger = Ledger::new(&books.plan, &books.letters, 1);
    let error = ledger.enter(&books.events[0]).unwrap_err().to_string();
    assert!(error.contains("`moved`") && error.contains("/data/by"), "{error}");
}
