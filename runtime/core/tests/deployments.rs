//! What a process finds that a later deployment has written waits for that deployment; and an event
//! handler that has not reacted to all events is let in only where it is said from which one on it reacts.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::toy::mirror_of;
use common::{CELL, Layout, MIRROR, World};
use zamu_core::model::{PartitionId, Time};
use zamu_core::partition::Status;
use zamu_core::topology::{Start, StartFrom, Starts};

const CELLS: PartitionId = PartitionId { aggregate_type: CELL, number: 0 };
const MIRRORS: PartitionId = PartitionId { aggregate_type: MIRROR, number: 0 };

/// A client adds to the one cell that has a part here.
fn add(world: &mut World, id: &str, number: &str) {
    world.send("c", id, number);
}

fn starts(name: &str, from: StartFrom, since: u64) -> Starts {
    [(name.into(), Start { from, since })].into()
}

/// What its mirror shows.
fn mirrored(world: &mut World) -> u64 {
    world.sum(MIRROR, &mirror_of(b"c"))
}

/// Only the cells take turns, in a shard of their own, until so many commands wait for the mirrors.
fn step_cells_until_sent(world: &mut World, commands: usize) {
    for now in world.now..world.now + 1_000 {
        if world.contents(MIRROR, 0).commands.len() == commands {
            return;
        }
        world.shards[0].step(Time(now));
        world.advance(1);
    }
    panic!("the cells have sent {:?}", world.contents(MIRROR, 0).commands);
}

#[test]
fn a_partition_that_a_later_deployment_has_written_waits_for_it_and_can_be_read() {
    let mut world = World::new(Layout::calm(1));
    world.deploy(7);
    add(&mut world, "1", "5");
    world.settle();
    world.deploy(6);
    add(&mut world, "2", "6");
    world.settle();
    assert_eq!(world.status(CELLS), Some(Status::Waiting(7)));
    assert_eq!(world.status(MIRRORS), Some(Status::Waiting(7)));
    assert_eq!((world.sum(CELL, "c"), mirrored(&mut world)), (5, 5));
    assert_eq!((world.answers.len(), world.contents(CELL, 0).events.len()), (1, 1));
    assert!(!world.resume(CELLS), "no operator lets it go on");
    world.deploy(7);
    world.settle();
    assert_eq!(world.status(CELLS), Some(Status::Running));
    assert_eq!(world.answer(1), "accepted 2..3 11");
    assert_eq!((world.sum(CELL, "c"), mirrored(&mut world)), (11, 11));
}

#[test]
fn a_command_of_a_later_deployment_waits_and_so_does_all_behind_it_but_nothing_before_it() {
    let mut world = World::new(Layout { shards: 2, ..Layout::calm(50) });
    add(&mut world, "1", "5");
    step_cells_until_sent(&mut world, 1);
    world.deploy(1);
    add(&mut world, "2", "6");
    step_cells_until_sent(&mut world, 2);
    world.deploy(0);
    world.send_to(MIRRORS, "client", "m9", "1", "Copy", "1");
    world.settle_steps();
    assert_eq!(world.status(CELLS), Some(Status::Waiting(1)));
    assert_eq!(world.status(MIRRORS), Some(Status::Running));
    assert_eq!(mirrored(&mut world), 5, "the first command is taken, the second is not");
    assert!(!world.answers.contains_key(&(MIRRORS, 0)), "work in flight comes before new work");
    world.deploy(1);
    world.settle();
    assert_eq!(mirrored(&mut world), 11);
    assert!(world.answers.contains_key(&(MIRRORS, 0)));
}

#[test]
fn an_event_handler_that_missed_events_is_refused_unless_it_is_said_from_which_on_it_reacts() {
    let mut world = World::new(Layout::calm(1));
    add(&mut world, "1", "5");
    world.settle();
    world.layout.behaviour.unsubscribed = true;
    world.deploy(1);
    add(&mut world, "2", "6");
    world.settle();
    world.layout.behaviour.unsubscribed = false;
    world.deploy(2);
    add(&mut world, "3", "7");
    world.settle();
    let status = world.status(CELLS);
    let Some(Status::Halted(why)) = &status else { panic!("{status:?}") };
    for part in ["`mirrors`", "up to event 1 of 2", "catch up (`from = \"beginning\"`)"] {
        assert!(why.contains(part), "{why}");
    }
    assert_eq!((world.sum(CELL, "c"), world.answers.len()), (11, 2), "it is read, and not decided");
    world.layout.starts = starts("mirrors", StartFrom::Now, 2);
    world.deploy(2);
    world.settle();
    assert_eq!(world.status(CELLS), Some(Status::Running));
    assert_eq!(world.sum(CELL, "c"), 18);
    assert_eq!(mirrored(&mut world), 12, "what it has missed is not made up for");
    // From now on the log knows where it is.
    world.layout.starts = Starts::new();
    world.deploy(2);
    add(&mut world, "4", "8");
    world.settle();
    assert_eq!(world.status(CELLS), Some(Status::Running));
    assert_eq!(mirrored(&mut world), 20);
}

#[test]
fn an_event_handler_that_comes_back_makes_up_for_what_it_has_missed_and_for_nothing_else() {
    let mut world = World::new(Layout::calm(1));
    add(&mut world, "1", "5");
    world.settle();
    world.layout.behaviour.unsubscribed = true;
    world.swap(1, [0]);
    add(&mut world, "2", "6");
    world.settle();
    assert_eq!(mirrored(&mut world), 5);
    world.layout.behaviour.unsubscribed = false;
    world.layout.starts = starts("mirrors", StartFrom::Beginning, 2);
    world.swap(2, [0]);
    add(&mut world, "3", "7");
    world.settle();
    assert_eq!(mirrored(&mut world), 18);
    assert_eq!(world.contents(MIRROR, 0).commands.len(), 3);
}

#[test]
fn a_start_that_is_declared_for_one_name_lets_no_other_handler_in() {
    let mut world = World::new(Layout::calm(1));
    world.layout.behaviour.unsubscribed = true;
    world.deploy(1);
    add(&mut world, "1", "5");
    world.settle();
    world.layout.behaviour.unsubscribed = false;
    world.layout.starts = starts("mirror", StartFrom::Now, 2);
    world.deploy(2);
    world.settle();
    let status = world.status(CELLS);
    assert!(
        matches!(&status, Some(Status::Halted(why)) if why.contains("up to event 0 of 1")),
        "{status:?}"
    );
    assert_eq!(mirrored(&mut world), 0);
}
