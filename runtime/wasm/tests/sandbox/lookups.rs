//! Reference tables: `decide` and `react` see the rows that they are called with, and nothing else
//! does.

use std::sync::Arc;

use bytes::Bytes;
use zamu_core::guest::columns::{ProjectedColumns, RowColumns, Subjects};
use zamu_core::guest::lookup::ReferenceRows;
use zamu_core::guest::{Fault, FaultReason, Guest, Lookup};
use zamu_wasm::Limits;

use crate::support::*;

/// One row in the zoo's only table.
struct Row(&'static str, &'static str);

impl ReferenceRows for Row {
    fn row(&self, table: u32, key: &[u8]) -> Option<Bytes> {
        let found = table == 0 && key == self.0.as_bytes();
        found.then(|| Bytes::from_static(self.1.as_bytes()))
    }
}

fn says(row: &'static str) -> Lookup {
    Lookup::new(Arc::new(Row("lion", row)))
}

fn decide(guest: &mut impl Guest, bodies: &[&str], lookup: &Lookup) -> Result<Vec<String>, Fault> {
    let decision = guest.decide(&one_aggregate(), &commands(bodies), lookup)?;
    Ok(replies(&decision))
}

#[test]
fn decide_and_react_see_the_rows_of_their_own_call() {
    let mut zoo = zoo();
    let asked = ["look lion", "note", "look tiger"];
    assert_eq!(decide(&mut zoo, &asked, &says("7")).unwrap(), ["7", "2", "-"]);
    assert_eq!(decide(&mut zoo, &asked, &says("")).unwrap(), ["", "2", "-"], "an empty row is one");
    assert_eq!(decide(&mut zoo, &asked, &Lookup::default()).unwrap(), ["-", "2", "-"]);
    let heard = events(&["react look lion", "react look tiger"]);
    assert_eq!(texts(&zoo.react(&heard, &says("8")).unwrap().bodies), ["8", "-"]);
    assert_eq!(texts(&zoo.react(&heard, &says("9")).unwrap().bodies), ["9", "-"]);
}

#[test]
fn what_makes_states_and_tables_looks_nothing_up() {
    let mut zoo = zoo();
    decide(&mut zoo, &["look lion"], &says("7")).unwrap();
    let evolve = zoo.evolve(&one_aggregate(), &past(&["x", "look-here"])).unwrap_err();
    let inspect = zoo.inspect(&aggregates(&[("look-here", "1")])).unwrap_err();
    let subjects = Subjects { aggregate_type: vec![0], keys: blobs(["a"]) };
    let told = ProjectedColumns {
        slot: vec![0],
        sequences: vec![1],
        kind: vec![1],
        time: vec![5],
        correlations: blobs(["c"]),
        bodies: blobs(["project look-here"]),
    };
    let project = zoo.project(&subjects, &RowColumns::default(), &told).unwrap_err();
    for (fault, call, culprit) in
        [(evolve, "evolve", 1), (inspect, "inspect", 0), (project, "project", 0)]
    {
        assert_eq!((fault.reason, fault.culprit), (FaultReason::Trap, Some(culprit)), "{fault}");
        assert!(fault.message.contains(&format!("looked something up in {call}")), "{fault}");
    }
}

#[test]
fn a_table_that_the_manifest_has_not_and_a_key_that_nobody_has_are_faults_of_their_item() {
    for (animal, message) in [
        ("look-beyond", "table 7, and the manifest's references has 1 entries"),
        ("look-long", "a key of 1025 bytes"),
    ] {
        let mut zoo = zoo();
        let fault = decide(&mut zoo, &["note", animal, "note"], &says("7")).unwrap_err();
        assert_eq!((fault.reason, fault.culprit), (FaultReason::Trap, Some(1)), "{fault}");
        assert!(fault.message.contains(message), "{fault}");
        let fault = zoo.react(&events(&["x", &format!("react {animal}")]), &says("7")).unwrap_err();
        assert_eq!((fault.reason, fault.culprit), (FaultReason::Trap, Some(1)), "{fault}");
        assert_healthy(&mut zoo);
    }
}

#[test]
fn looking_things_up_for_ever_runs_out_of_fuel() {
    let limits = Limits { fuel_per_item: 1_000_000, ..Limits::default() };
    let mut zoo = load("zoo", limits).instance();
    let fault = decide(&mut zoo, &["note", "look-storm"], &says("7")).unwrap_err();
    assert_eq!((fault.reason, fault.culprit), (FaultReason::Fuel, Some(1)), "{fault}");
    assert_healthy(&mut zoo);
}

#[test]
fn a_handler_of_before_reference_tables_names_none() {
    let counter = load("counter", Limits::default());
    assert!(counter.spec().manifest.references.is_empty());
    assert_eq!(load("zoo", Limits::default()).spec().manifest.references, ["notes"]);
}

#[test]
fn what_a_call_could_see_is_given_back_when_it_ends() {
    let row: Arc<dyn ReferenceRows> = Arc::new(Row("lion", "7"));
    let mut zoo = zoo();
    decide(&mut zoo, &["look lion"], &Lookup::new(Arc::clone(&row))).unwrap();
    zoo.react(&events(&["react look lion"]), &Lookup::new(Arc::clone(&row))).unwrap();
    assert_eq!(Arc::strong_count(&row), 1, "no version of tables is kept alive by an idle guest");
}
