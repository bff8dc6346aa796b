//! A handler as a vendor writes it, with the SDK: the counter of the examples.

use zamu_core::guest::columns::{ACCEPTED, NOTHING, PastColumns, REFUSED};
use zamu_core::guest::manifest::Manifest;
use zamu_core::guest::{Guest, check};
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

    let decided = counter.decide(&one, &batch).unwrap();
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
    counter.decide(&one, &batch).unwrap();
    assert!(counter.counters().item_fuel_max() * 10 < Limits::default().fuel_per_item);
}

#[test]
fn a_handler_of_the_sdk_meters_its_items() {
    let counter = counter(b"");
    assert!(counter.handler().spec().manifest.items);
}
