//! A projection that breaks stops in that partition, at that event, and goes on once it is mended.

use zamu_core::error::EngineError;
use zamu_core::model::EventNumber;
use zamu_core::prng::Prng;
use zamu_core::projection::set::{OrderError, Standing};
use zamu_core::store::tables::memory::MemoryTables;

use crate::toy::{Behaviour, Log, Maker, PARTITIONS, ends, partition, positions, served, start};

/// A log in which one partition has an event that breaks; its partition and number.
fn poisoned(poison: &str) -> (Log, u32, EventNumber) {
    let log = Log::default();
    log.grow(&mut Prng::new(4), 80);
    let broken = log.append("b/c", "Added", poison);
    log.append("b/c", "Added", "21");
    log.grow(&mut Prng::new(5), 80);
    (log, zamu_core::model::partition_of(b"b/c", PARTITIONS), broken)
}

fn stale(maker: &Maker) -> Vec<Standing> {
    maker.set.standings().into_iter().filter(|standing| standing.stale.is_some()).collect()
}

#[test]
fn a_fault_stops_that_partition_at_that_event_and_no_other() {
    for (poison, reason) in [("13", "trap: the toy broke"), ("14", "bad-output: changes.")] {
        for (anonymous, page) in [(false, 1), (true, 1), (false, 50), (true, 50), (true, 1_000)] {
            let (log, number, broken) = poisoned(poison);
            let behaviour = Behaviour { anonymous, ..Behaviour::default() };
            let tables = MemoryTables::new();
            let mut maker = start(&log, &tables, &behaviour, page);
            maker.settle();

            let mut expected = ends(&log);
            expected[number as usize] = broken;
            assert_eq!(positions(&tables), expected, "{poison}, pages of {page}");
            assert_eq!(served(&tables), log.fold(&expected), "{poison}, pages of {page}");
            let stale = stale(&maker);
            assert_eq!(stale.len(), 1);
            assert_eq!(stale[0].partition, partition(number));
            let told = stale[0].stale.clone().unwrap();
            assert_eq!(told.event, broken);
            assert!(told.reason.starts_with(reason), "{}", told.reason);
            let line = format!("sums stopped in {number} at {broken}");
            assert_eq!(maker.told.0.lock().unwrap().iter().filter(|l| **l == line).count(), 1);
        }
    }
}

#[test]
fn what_stopped_goes_on_when_it_is_told_to_after_it_was_mended() {
    let (log, _, _) = poisoned("13");
    let (tables, behaviour) = (MemoryTables::new(), Behaviour::default());
    let mut maker = start(&log, &tables, &behaviour, 50);
    maker.settle();
    assert_eq!(maker.set.resume("sums"), Ok(1));
    maker.settle();
    assert_eq!(stale(&maker).len(), 1, "it breaks again");
    behaviour.mend();
    maker.settle();
    assert_eq!(stale(&maker).len(), 1, "nobody told it to go on");
    assert_eq!(maker.set.resume("sums"), Ok(1));
    maker.settle();
    assert_eq!(stale(&maker).len(), 0);
    assert_eq!(served(&tables), log.fold(&ends(&log)));
    assert_eq!(maker.set.resume("sums"), Ok(0));
    assert_eq!(maker.set.resume("cells"), Err(OrderError::Unknown("cells".into())));
}

#[test]
fn what_stopped_goes_on_after_a_restart_with_what_was_mended() {
    let (log, _, _) = poisoned("14");
    let (tables, behaviour) = (MemoryTables::new(), Behaviour::default());
    start(&log, &tables, &behaviour, 50).settle();
    behaviour.mend();
    start(&log, &tables, &behaviour, 50).settle();
    assert_eq!(served(&tables), log.fold(&ends(&log)));
}

#[test]
fn what_the_machine_denies_stops_nothing_and_is_tried_again() {
    let (log, number, broken) = poisoned("15");
    let (tables, behaviour) = (MemoryTables::new(), Behaviour::default());
    let mut maker = start(&log, &tables, &behaviour, 1);
    let mut denied = 0;
    for _ in 0..1_000 {
        match maker.set.step() {
            Ok(_) => {}
            Err(EngineError::Retry(why)) => {
                assert_eq!(why, "host: the toy broke");
                denied += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(denied > 1, "tried again");
    assert!(stale(&maker).is_empty());
    let mut expected = ends(&log);
    expected[number as usize] = broken;
    assert_eq!(positions(&tables), expected, "the others go on");
    behaviour.mend();
    maker.settle();
    assert_eq!(served(&tables), log.fold(&ends(&log)));
}
