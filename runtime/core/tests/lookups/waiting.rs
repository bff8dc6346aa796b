//! Who needs a table that is not ready takes no turn, and says what it waits for.

use std::sync::atomic::Ordering;

use zamu_core::model::PartitionId;
use zamu_core::partition::Status;
use zamu_core::references::{Content, Version};

use crate::toy::*;

/// Five rates, and a process that has lost its tables and is started again.
fn bereft(behaviour: Behaviour) -> World {
    let mut world = World::new(1, behaviour);
    for rate in ["a", "b", "c", "d", "a"] {
        world.set(rate, "1");
    }
    world.process.settle();
    world.process.hold_tables = true;
    world.process.tables.crash_keeping(0);
    world.restart();
    world
}

fn unready(world: &mut World, of: zamu_core::model::TypeId) -> String {
    match world.status(of) {
        Status::Unready(why) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_partition_waits_for_the_tables_it_needs_and_says_how_far_they_are() {
    let mut world = bereft(Behaviour::default());
    world.place("o", "a");
    world.run();
    let why = "reference table `rates` is being built, 5 events behind";
    assert_eq!(unready(&mut world, ORDER), why);
    assert_eq!(unready(&mut world, NOTE), why, "its own handler is the one that looks things up");
    assert_eq!(world.status(RATE), Status::Running, "who makes the table waits for nobody");
    assert!(world.replies(ORDER).is_empty());
    assert!(world.process.step_tables());
    assert_eq!(
        unready(&mut world, ORDER),
        "reference table `rates` is being built, 3 events behind"
    );
    // New events do not put it off.
    world.set("e", "2");
    world.run();
    while world.status(ORDER) != Status::Running {
        assert!(world.process.step_tables(), "it gets on until it is ready");
    }
    world.run();
    assert_eq!(world.replies(ORDER), ["accepted 1..2 1"]);
    assert_eq!(world.versions(ORDER), [6], "the pages that were made are seen");
}

#[test]
fn a_partition_that_waits_takes_no_turn_and_is_at_rest() {
    let mut world = World::new(1, Behaviour::default());
    world.set("a", "1");
    world.place("o", "a");
    world.process.settle();
    let turns = world.records(ORDER, 0).len();
    world.process.hold_tables = true;
    world.process.tables.crash_keeping(0);
    world.restart();
    world.run();
    assert_eq!(world.records(ORDER, 0).len(), turns);
    assert!(world.process.shards.iter().all(zamu_core::shard::Shard::is_quiet));
}

/// A table that stopped at the second of three events, and a turn that looked it up.
fn stopped() -> World {
    let mut world = World::new(1, Behaviour::default());
    for to in ["1", "13", "2"] {
        world.set("a", to);
    }
    world.process.settle();
    // It had been shown before: turns go on with what there is.
    world.place("o", "a");
    world.process.settle();
    assert_eq!(world.replies(ORDER), ["accepted 1..2 1"]);
    world
}

#[test]
fn a_table_that_stopped_is_looked_up_as_it_stands_after_a_restart_too() {
    let mut world = stopped();
    for n in 2..5 {
        world.restart();
        world.place("o", "a");
        world.process.settle();
        assert_eq!(world.replies(ORDER)[n - 1], format!("accepted {n}..{} 1", n + 1));
    }
    assert_eq!(world.versions(ORDER), [1, 1, 1, 1], "each record says what was seen");
    world.behaviour.mended.store(true, Ordering::SeqCst);
    assert_eq!(world.process.set.as_mut().unwrap().resume("board"), Ok(1));
    world.process.settle();
    world.place("o", "a");
    world.process.settle();
    assert_eq!(world.replies(ORDER)[4], "accepted 5..6 2", "and goes on once it is mended");
    assert_eq!(world.versions(ORDER)[4], 3);
}

#[test]
fn a_table_that_stopped_is_not_looked_up_while_its_rows_up_to_there_are_still_made() {
    let mut world = World::new(1, Behaviour { partitions: 3, ..Behaviour::default() });
    for rate in ["a", "b", "c", "d", "e", "f", "a", "b", "c", "d", "e", "f"] {
        world.set(rate, "1");
    }
    world.process.settle();
    // None of these turns saw anything of the break.
    world.place("o", "a");
    world.process.settle();
    world.process.hold_tables = true;
    world.set("a", "13");
    world.run();
    world.process.tables.crash_keeping(0);
    world.restart();
    world.run();
    let mut waited = 0;
    while matches!(world.status(ORDER), Status::Unready(_)) {
        assert!(world.process.step_tables(), "it gets on until it is shown");
        world.run();
        waited += 1;
    }
    assert!(waited > 5, "all partitions but one have to come to the end: {waited}");
    let found = |world: &World, rate: &str| {
        world.process.references.newest().tables[0].row(rate.as_bytes()).cloned()
    };
    assert!(["a", "b", "c", "d", "e", "f"].iter().all(|rate| found(&world, rate).is_some()));
}

#[test]
fn a_table_that_stopped_before_what_turns_had_seen_is_waited_for_and_named_with_the_remedy() {
    let mut world = World::new(1, Behaviour::default());
    world.behaviour.mended.store(true, Ordering::SeqCst);
    for to in ["1", "13", "2"] {
        world.set("a", to);
    }
    world.process.settle();
    world.place("o", "a");
    world.process.settle();
    assert_eq!(world.versions(ORDER), [3]);
    // Another version of the projection cannot read what the one before could.
    world.behaviour.mended.store(false, Ordering::SeqCst);
    world.process.tables.crash_keeping(0);
    world.restart();
    world.place("o", "a");
    world.run();
    let why = unready(&mut world, ORDER);
    for part in [
        "reference table `rates` has stopped in rate/0 at event 1",
        "trap: the toy broke",
        "Earlier turns saw it at event 3",
        "`zamu tables resume board`",
    ] {
        assert!(why.contains(part), "{why}");
    }
    assert_eq!(world.status(RATE), Status::Running);
    assert_eq!(world.versions(ORDER), [3], "no turn was taken on less");
    world.behaviour.mended.store(true, Ordering::SeqCst);
    assert_eq!(world.process.set.as_mut().unwrap().resume("board"), Ok(1));
    world.process.settle();
    assert_eq!(world.replies(ORDER)[1], "accepted 2..3 2");
}

#[test]
fn a_table_that_nothing_tells_about_is_not_looked_up_as_it_stands() {
    let mut world = stopped();
    // A turn of rates names no table: it may have seen any, before it looked none up.
    world.behaviour.own = true;
    world.restart();
    world.place("o", "a");
    world.run();
    let why = unready(&mut world, ORDER);
    assert!(why.contains("Nothing tells how much of it earlier turns saw"), "{why}");
    world.behaviour.own = false;
    world.restart();
    world.process.settle();
    assert_eq!(world.replies(ORDER)[1], "accepted 2..3 1", "who looks up what it did goes on");
}

#[test]
fn a_table_that_stops_later_stops_nobody_and_what_was_served_is_served() {
    let mut world = World::new(1, Behaviour::default());
    world.set("a", "1");
    world.process.settle();
    world.set("b", "13");
    world.set("a", "2");
    world.process.settle();
    for _ in 0..2 {
        world.place("o", "a b");
        world.process.settle();
    }
    assert_eq!(world.replies(ORDER), ["accepted 1..2 1 -", "accepted 2..3 1 -"]);
    assert_eq!(world.versions(ORDER), [1, 1], "the record says that it is the old one");
    assert_eq!(world.status(ORDER), Status::Running);
}

const ORDERS: PartitionId = PartitionId { aggregate_type: ORDER, number: 0 };

#[test]
fn whoever_waits_for_a_table_is_not_paused_and_cannot_be_resumed() {
    let mut world = bereft(Behaviour::default());
    world.run();
    assert!(!world.process.resume(ORDERS), "it was not paused");
    assert!(matches!(world.status(ORDER), Status::Unready(_)));
    world.process.hold_tables = false;
    world.process.settle();
    assert_eq!(world.status(ORDER), Status::Running);
    assert!(!world.process.resume(ORDERS), "nor is it now");
}

/// No table is to be looked at, as far as turns can see.
fn withhold(world: &World) -> Version {
    let shown = (*world.process.references.newest()).clone();
    let mut withheld = shown.clone();
    for table in &mut withheld.tables {
        table.content = Content::Pending("is withheld".to_owned());
    }
    world.process.references.publish(withheld);
    shown
}

#[test]
fn whoever_is_paused_waits_for_no_table_before_an_operator_resumes_it() {
    let mut world = World::new(1, Behaviour { fault_share_max: 0.5, ..Behaviour::default() });
    world.set("a", "1");
    world.process.settle();
    // As many aggregates as it takes to be sure that it is not one of them.
    for n in 0..20 {
        world.place(&format!("o{n}"), "trap");
    }
    world.process.settle();
    assert!(matches!(world.status(ORDER), Status::Paused(_)), "{:?}", world.status(ORDER));
    let shown = withhold(&world);
    world.place("p", "a");
    world.run();
    assert!(matches!(world.status(ORDER), Status::Paused(_)), "{:?}", world.status(ORDER));
    let turns = world.records(ORDER, 0).len();
    assert!(world.process.resume(ORDERS), "it was paused");
    world.run();
    assert_eq!(unready(&mut world, ORDER), "reference table `rates` is withheld");
    assert!(!world.process.resume(ORDERS), "it is paused no more, and waits");
    assert_eq!(world.records(ORDER, 0).len(), turns, "a turn without its table is not taken");
    world.process.references.publish(shown);
    world.process.settle();
    assert_eq!(world.status(ORDER), Status::Running);
    assert_eq!(world.replies(ORDER).last().unwrap(), "accepted 1..2 1");
}

#[test]
fn a_partition_that_was_running_waits_for_a_table_that_is_not_shown_any_more() {
    let mut world = World::new(1, Behaviour::default());
    world.set("a", "1");
    world.place("o", "a");
    world.process.settle();
    assert_eq!(world.status(ORDER), Status::Running);
    let shown = withhold(&world);
    world.place("o", "a");
    world.run();
    assert_eq!(unready(&mut world, ORDER), "reference table `rates` is withheld");
    world.process.references.publish(shown);
    world.process.settle();
    assert_eq!(world.replies(ORDER).last().unwrap(), "accepted 2..3 1");
}
