//! Fuel: equal work costs equal fuel, and the size of a batch does not change what fits.

use zamu_core::guest::{Fault, FaultReason, Guest};
use zamu_wasm::{Instance, Limits};

use crate::support::*;

const FUEL: u64 = 200_000;

fn tight(name: &str) -> Instance {
    load(name, Limits { fuel_per_item: FUEL, ..Limits::default() }).instance()
}

/// Decides in a fresh sandbox.
fn afresh(zoo: &mut Instance, bodies: &[&str]) -> Result<u64, Fault> {
    zoo.renew();
    let before = zoo.counters().fuel();
    decide(zoo, bodies)?;
    Ok(zoo.counters().fuel() - before)
}

/// The most rounds that fit into one item's budget when it is alone.
fn most_that_fits(zoo: &mut Instance) -> u64 {
    let (mut fits, mut too_many) = (0, FUEL);
    while too_many - fits > 1 {
        let rounds = fits.midpoint(too_many);
        match afresh(zoo, &[&format!("burn {rounds}")]) {
            Ok(_) => fits = rounds,
            Err(fault) => {
                assert_eq!(fault.reason, FaultReason::Fuel, "{fault}");
                too_many = rounds;
            }
        }
    }
    fits
}

#[test]
fn equal_batches_use_equal_fuel() {
    let batch = ["note", "burn 1000", "refuse no", "nothing", "emit x"];
    let first = afresh(&mut zoo(), &batch).unwrap();
    let second = afresh(&mut zoo(), &batch).unwrap();
    assert_eq!(first, second);
    assert!(first > 1_000);
}

#[test]
fn more_work_uses_more_fuel() {
    let mut zoo = zoo();
    let little = afresh(&mut zoo, &["burn 1000"]).unwrap();
    let much = afresh(&mut zoo, &["burn 2000"]).unwrap();
    assert!(much >= little + 1_000, "{little} and {much}");
}

#[test]
fn the_size_of_a_batch_does_not_change_what_fits() {
    let mut zoo = tight("zoo");
    let alone = most_that_fits(&mut zoo);
    // A vector that grows for its neighbours, too, may cost an item a little more or less.
    let (fits, too_much) = (alone * 95 / 100, alone * 105 / 100);
    let (fits, too_much) = (format!("burn {fits}"), format!("burn {too_much}"));
    for size in [1, 2, 50, 500] {
        afresh(&mut zoo, &vec![fits.as_str(); size]).unwrap();
        for position in [0, size / 2, size - 1] {
            let mut batch = vec![fits.as_str(); size];
            batch[position] = &too_much;
            let fault = afresh(&mut zoo, &batch).unwrap_err();
            let expected = (FaultReason::Fuel, Some(position as u32));
            assert_eq!((fault.reason, fault.culprit), expected, "{size}: {fault}");
        }
    }
}

#[test]
fn a_longer_item_may_use_more() {
    let mut zoo = tight("zoo");
    let rounds = most_that_fits(&mut zoo) + 5_000;
    let short = format!("burn {rounds}");
    let long = format!("burn {rounds:0>200}");
    assert!(afresh(&mut zoo, &[&short]).is_err());
    afresh(&mut zoo, &[&long]).unwrap();
}

#[test]
fn without_metering_items_share_one_budget() {
    let mut plain = tight("zoo-plain");
    let one = most_that_fits(&mut plain);
    let batch = [format!("burn {}", one * 3 / 2), "note".to_owned(), "note".to_owned()];
    let batch: Vec<&str> = batch.iter().map(String::as_str).collect();
    assert!(afresh(&mut plain, &batch[..1]).is_err());
    afresh(&mut plain, &batch).unwrap();
    let fault = afresh(&mut plain, &["note", "loop"]).unwrap_err();
    assert_eq!((fault.reason, fault.culprit), (FaultReason::Fuel, None));
}

#[test]
fn the_largest_item_is_counted() {
    let mut zoo = zoo();
    decide(&mut zoo, &["note", "burn 50000", "note"]).unwrap();
    let counters = zoo.counters();
    assert!(counters.item_fuel_max() > 50_000);
    assert!(counters.item_fuel_max() < counters.fuel());
    assert_eq!((counters.calls(), counters.items(), counters.faults()), (1, 3, 0));
}
