//! Every misbehaviour has an expected reaction: the right fault, the right culprit, a message that
//! says what to look at; and afterwards the guest and its neighbours are served as before.

use std::time::Duration;

use zamu_core::guest::{FaultReason, Guest, Lookup, check};
use zamu_wasm::Limits;

use crate::support::*;

/// What a guest is asked to do, the fault that follows, whether the item is blamed, and what the
/// message says.
const ANIMALS: [(&str, FaultReason, bool, &str); 13] = [
    ("trap", FaultReason::Trap, true, "the zoo was asked to trap"),
    ("trap-quietly", FaultReason::Trap, true, "unreachable"),
    ("out-of-bounds", FaultReason::Trap, true, "index out of bounds"),
    ("stack", FaultReason::Trap, true, "deep recursion"),
    ("loop", FaultReason::Fuel, true, "fuel_per_item"),
    ("memory", FaultReason::Memory, true, "memory_bytes"),
    ("output", FaultReason::Output, false, "1048576 bytes (output_bytes)"),
    ("fault", FaultReason::Returned, false, "the zoo was asked to give up"),
    ("unsupported-schema", FaultReason::Returned, false, "state schema 7 (not in its manifest)"),
    ("unsupported-kind", FaultReason::Returned, false, "kind 9 (not in its manifest)"),
    ("item-again", FaultReason::BadOutput, false, "ascend strictly"),
    ("item-far", FaultReason::BadOutput, false, "meter.item(1000000)"),
    ("burn 100000000", FaultReason::Fuel, true, "fuel_per_item"),
];

fn limits() -> Limits {
    Limits { output_bytes: 1 << 20, ..Limits::default() }
}

const LIES: [&str; 9] = [
    "lie-ends-descend",
    "lie-ends-beyond-data",
    "lie-column-too-long",
    "lie-cause-out-of-range",
    "lie-unknown-kind",
    "lie-unknown-code",
    "lie-too-few-outcomes",
    "lie-too-few-states",
    "lie-cause-refused",
];

#[test]
fn every_misbehaviour_is_the_fault_of_its_item_and_the_next_batch_is_served() {
    for name in ["zoo", "zoo-std"] {
        let mut zoo = load(name, limits()).instance();
        for (animal, reason, blamed, says) in ANIMALS {
            let fault = decide(&mut zoo, &["note", animal, "note"]).unwrap_err();
            assert_eq!(fault.reason, reason, "{name}, {animal}: {fault}");
            assert_eq!(fault.culprit, blamed.then_some(1), "{name}, {animal}: {fault}");
            assert!(fault.message.contains(says), "{name}, {animal}: {fault}");
            assert_healthy(&mut zoo);
            assert_healthy(&mut zoo.handler().instance());
        }
        assert_eq!(zoo.counters().faults(), ANIMALS.len() as u64, "{name}");
    }
}

#[test]
fn a_guest_that_does_not_meter_faults_alike_and_blames_nobody() {
    let mut plain = load("zoo-plain", limits()).instance();
    for (animal, reason, _, says) in ANIMALS {
        let fault = decide(&mut plain, &["note", animal, "note"]);
        // It calls `item` once where it should not, and that ascends.
        if animal == "item-again" {
            assert!(fault.is_ok());
            continue;
        }
        let fault = fault.unwrap_err();
        assert_eq!((fault.reason, fault.culprit), (reason, None), "{animal}: {fault}");
        assert!(fault.message.contains(says), "{animal}: {fault}");
        assert_healthy(&mut plain);
    }
}

#[test]
fn the_first_and_the_last_item_are_blamed_as_well() {
    let mut zoo = zoo();
    for (batch, culprit) in [(["trap", "note"], 0), (["note", "trap"], 1)] {
        let fault = decide(&mut zoo, &batch).unwrap_err();
        assert_eq!(fault.culprit, Some(culprit));
    }
}

#[test]
fn every_call_names_its_culprit() {
    let mut zoo = zoo();
    let mut faults = Vec::new();
    faults.push(zoo.evolve(&one_aggregate(), &past(&["x", "trap"])).unwrap_err());
    faults.push(zoo.react(&events(&["x", "react trap", "x"]), &Lookup::default()).unwrap_err());
    faults.push(zoo.inspect(&aggregates(&[("a", "1"), ("trap", "2")])).unwrap_err());
    for fault in faults {
        assert_eq!((fault.reason, fault.culprit), (FaultReason::Trap, Some(1)), "{fault}");
        assert!(fault.message.contains("the zoo was asked to trap"), "{fault}");
    }
}

#[test]
fn lying_columns_reach_the_cores_check_and_are_found_there() {
    let mut zoo = zoo();
    for lie in LIES {
        let decision = decide(&mut zoo, &["note", lie]).unwrap();
        let fault =
            check::decision(&decision, &[0, 0], &[0], &zoo.handler().spec().manifest).unwrap_err();
        assert_eq!(fault.reason, FaultReason::BadOutput, "{lie}: {fault}");
        assert_healthy(&mut zoo);
    }
    let honest = decide(&mut zoo, &["note", "note"]).unwrap();
    check::decision(&honest, &[0, 0], &[0], &zoo.handler().spec().manifest).unwrap();
}

#[test]
fn what_fuel_does_not_see_the_cpu_time_stops() {
    let limits = Limits {
        fuel_per_item: u64::MAX / 4,
        cpu_time_per_item: Duration::from_millis(20),
        ..Limits::default()
    };
    let mut zoo = load("zoo", limits).instance();
    let fault = decide(&mut zoo, &["note", "loop"]).unwrap_err();
    assert_eq!((fault.reason, fault.culprit), (FaultReason::Time, Some(1)), "{fault}");
    assert!(fault.message.contains("20ms (cpu_time_per_item)"), "{fault}");
    assert_healthy(&mut zoo);
}

#[test]
fn a_smaller_memory_is_named_by_its_limit() {
    let mut zoo = load("zoo", Limits { memory_bytes: 4 << 20, ..Limits::default() }).instance();
    let fault = decide(&mut zoo, &["hoard"]).unwrap_err();
    assert_eq!((fault.reason, fault.culprit), (FaultReason::Memory, Some(0)), "{fault}");
    assert!(fault.message.contains("may have 4194304"), "{fault}");
}

#[test]
fn a_guest_that_cannot_be_started_is_a_fault_of_the_instance() {
    let handler = load("zoo", Limits::default());
    // The same component, which was admitted with more memory than this deployment gives it.
    let error = zamu_wasm::Handler::load(
        &ENGINE,
        &guest("zoo"),
        Some(&cache()),
        Limits { memory_bytes: 1 << 16, ..Limits::default() },
        bytes::Bytes::new(),
    )
    .map(drop)
    .unwrap_err();
    assert!(error.to_string().contains("memory_bytes"), "{error}");
    assert_healthy(&mut handler.instance());
}

#[test]
fn columns_that_contradict_each_other_on_the_way_in_harm_the_guest_only() {
    let mut zoo = zoo();
    let honest = commands(&["note", "note"]);
    let mut no_such_slot = honest.clone();
    no_such_slot.slot = vec![0, u32::MAX];
    let mut too_few_bodies = honest.clone();
    too_few_bodies.bodies.ends.clear();
    let mut ends_descend = honest.clone();
    ends_descend.bodies.ends = vec![u32::MAX, 0];
    let mut too_few_slots = honest;
    too_few_slots.slot.clear();
    for columns in [&no_such_slot, &ends_descend, &too_few_slots] {
        let fault = zoo.decide(&one_aggregate(), columns, &Lookup::default()).unwrap_err();
        assert!(matches!(fault.reason, FaultReason::Trap | FaultReason::BadOutput), "{fault}");
        assert_healthy(&mut zoo);
    }
    assert!(
        zoo.decide(&one_aggregate(), &too_few_bodies, &Lookup::default())
            .unwrap()
            .outcomes
            .code
            .is_empty()
    );
}
