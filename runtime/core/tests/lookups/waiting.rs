//! Who needs a table that is not ready takes no turn, and says what it waits for.

use std::sync::atomic::Ordering;

use zamu_core::partition::Status;

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

#[test]
fn a_table_that_stopped_before_it_was_ready_is_named_with_the_remedy() {
    let mut world = World::new(1, Behaviour::default());
    for to in ["1", "13", "2"] {
        world.set("a", to);
    }
    world.process.settle();
    // By then it had been shown: it goes on with what there is.
    world.place("o", "a");
    world.process.settle();
    assert_eq!(world.replies(ORDER), ["accepted 1..2 1"]);
    world.restart();
    world.place("o", "a");
    world.run();
    let why = unready(&mut world, ORDER);
    for part in [
        "reference table `rates` has stopped in rate/0 at event 1",
        "trap: the toy broke",
        "`zamu tables resume board`",
    ] {
        assert!(why.contains(part), "{why}");
    }
    assert_eq!(world.status(RATE), Status::Running);
    world.behaviour.mended.store(true, Ordering::SeqCst);
    assert_eq!(world.process.set.as_mut().unwrap().resume("board"), Ok(1));
    world.process.settle();
    assert_eq!(world.replies(ORDER)[1], "accepted 2..3 2");
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

#[test]
fn whoever_waits_for_a_table_is_not_paused_and_cannot_be_resumed() {
    let mut world = bereft(Behaviour::default());
    world.run();
    let partition = zamu_core::model::PartitionId { aggregate_type: ORDER, number: 0 };
    assert!(!world.process.resume(partition), "it was not paused");
    assert!(matches!(world.status(ORDER), Status::Unready(_)));
    world.process.hold_tables = false;
    world.process.settle();
    assert_eq!(world.status(ORDER), Status::Running);
}
