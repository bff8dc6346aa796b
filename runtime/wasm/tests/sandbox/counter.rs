//! A handler as a vendor writes it, with the SDK: the counter of the examples.

use zamu_core::guest::columns::{
    ACCEPTED, NOTHING, PUT, PastColumns, ProjectedColumns, REFUSED, RowColumns, Subjects,
};
use zamu_core::guest::manifest::Manifest;
use zamu_core::guest::{FaultReason, Guest, Lookup, check};
use zamu_wasm::{Instance, Limits};

use crate::support::*;

fn counter(configuration: &[u8]) -> Instance {
    load_configured("counter", Limits::default(), configuration).instance()
}

fn kind(manifest: &Manifest, name: &str) -> u32 {
    manifest.kinds.iter().position(|kind| kind.name == name).unwrap() as u32
}

fn owned_type(manifest: &Manifest) -> u32 {
    manifest.types.iter().position(|name| name == "counter").unwrap() as u32
}

#[test]
fn a_handler_of_the_sdk_decides_folds_and_shows_itself() {
    let mut counter = counter(br#"{"limit": 10}"#);
    let manifest = counter.handler().spec().manifest.clone();
    let mut batch = commands(&[r#"{"by":4}"#, r#"{"by":5}"#, r#"{"by":2}"#, r#"{"by":0}"#, "{}"]);
    batch.kind = vec![kind(&manifest, "Increment"); 5];
    let mut one = one_aggregate();
    one.aggregate_type = vec![owned_type(&manifest)];

    let decided = counter.decide(&one, &batch, &Lookup::default()).unwrap();
    check::decision(&decided, &batch.slot, &one.aggregate_type, &manifest).unwrap();
    assert_eq!(decided.outcomes.code, [ACCEPTED, ACCEPTED, REFUSED, NOTHING, REFUSED]);
    assert_eq!(texts(&decided.outcomes.reasons), ["", "", "over-limit", "", "malformed"]);
    assert_eq!(decided.events.cause, [0, 1]);

    let events = PastColumns {
        slot: vec![0; 2],
        kind: decided.events.kind.clone(),
        time: batch.time[..2].to_vec(),
        bodies: decided.events.bodies.clone(),
    };
    assert_eq!(counter.evolve(&one, &events).unwrap(), decided.states);

    one.sequences = vec![2];
    one.schemas = decided.states.schemas;
    one.states = decided.states.bytes;
    let shown: serde_json::Value =
        serde_json::from_str(&texts(&counter.inspect(&one).unwrap())[0]).unwrap();
    assert_eq!(shown["value"], 9);
    assert_eq!(counter.counters().faults(), 0);
}

#[test]
fn a_handler_of_the_sdk_uses_a_small_part_of_its_budget() {
    let mut counter = counter(b"");
    let manifest = counter.handler().spec().manifest.clone();
    let mut batch = commands(&[r#"{"by":1}"#; 256]);
    batch.kind = vec![kind(&manifest, "Increment"); 256];
    let mut one = one_aggregate();
    one.aggregate_type = vec![owned_type(&manifest)];
    counter.decide(&one, &batch, &Lookup::default()).unwrap();
    assert!(counter.counters().item_fuel_max() * 10 < Limits::default().fuel_per_item);
}

#[test]
fn a_handler_of_the_sdk_meters_its_items() {
    let counter = counter(b"");
    assert!(counter.handler().spec().manifest.items);
}

/// One counter, and what it counted: 2, then 3.
fn counted(manifest: &Manifest) -> (Subjects, ProjectedColumns) {
    let subjects = Subjects { aggregate_type: vec![owned_type(manifest)], keys: blobs(["a"]) };
    let events = ProjectedColumns {
        slot: vec![0, 0],
        sequences: vec![1, 2],
        kind: vec![kind(manifest, "Incremented"); 2],
        time: vec![5, 6],
        correlations: blobs(["c", "c"]),
        bodies: blobs([r#"{"by":2,"value":2}"#, r#"{"by":3,"value":5}"#]),
    };
    (subjects, events)
}

#[test]
fn a_handler_of_the_sdk_projects_what_it_is_handed() {
    let mut counter = counter(b"");
    assert!(counter.handler().roles().projection);
    let manifest = counter.handler().spec().manifest.clone();
    let names: Vec<&str> = manifest.tables.iter().map(|table| table.name.as_str()).collect();
    assert_eq!(names, ["counters", "counts"]);
    assert!(manifest.tables[0].keyed && !manifest.tables[1].keyed);
    let (subjects, events) = counted(&manifest);
    let rows = RowColumns {
        slot: vec![0],
        table: vec![0],
        values: blobs([r#"{"value":0,"highest":9,"changed":1}"#]),
    };
    let changes = counter.project(&subjects, &rows, &events).unwrap();
    check::changes::changes(&changes, &subjects, 2, &manifest).unwrap();
    assert_eq!((&*changes.slot, &*changes.table), (&[0, 0, 0][..], &[1, 1, 0][..]));
    assert_eq!(changes.delete, [PUT; 3]);
    assert_eq!(texts(&changes.suffixes), ["00000000000000000001", "00000000000000000002", ""]);
    assert_eq!(
        texts(&changes.values),
        [r#"{"by":2,"at":5}"#, r#"{"by":3,"at":6}"#, r#"{"value":5,"highest":9,"changed":6}"#]
    );
}

#[test]
fn a_projection_has_a_budget_for_each_event_and_a_fault_names_the_event() {
    let limits = Limits {
        fuel_per_item: 1,
        fuel_per_byte: 0,
        fuel_overhead_per_item: 0,
        ..Limits::default()
    };
    let mut starved = load("counter", limits).instance();
    let manifest = starved.handler().spec().manifest.clone();
    let (subjects, mut events) = counted(&manifest);
    let fault = starved.project(&subjects, &RowColumns::default(), &events).unwrap_err();
    assert_eq!(fault.reason, FaultReason::Fuel, "{fault}");
    events.bodies = blobs([r#"{"by":2,"value":2}"#, "{}"]);
    let fault = counter(b"").project(&subjects, &RowColumns::default(), &events).unwrap_err();
    assert_eq!(fault.reason, FaultReason::Returned, "{fault}");
    assert!(fault.message.contains("counter/a: item 1, event Incremented"), "{fault}");
}
