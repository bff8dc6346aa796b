//! Other versions of handlers take over while the process runs: between two turns of each partition,
//! shard by shard, with nothing lost, doubled, reordered, or decided by an older version than its cause.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::sync::Arc;

use common::toy::{Behaviour, mirror_of};
use common::{CELL, Layout, MIRROR, World};
use zamu_core::model::PartitionId;
use zamu_core::outcomes::decode_record;
use zamu_core::partition::Status;
use zamu_core::prng::Prng;

const CELLS: PartitionId = PartitionId { aggregate_type: CELL, number: 0 };
const MIRRORS: PartitionId = PartitionId { aggregate_type: MIRROR, number: 0 };

fn mended() -> Behaviour {
    Behaviour { mended: Arc::new(true.into()), ..Behaviour::default() }
}

/// The deployments that decided the events of a type, in order.
fn deciders(world: &World, of: PartitionId) -> Vec<u64> {
    let events = world.contents(of.aggregate_type, of.number).events;
    events.iter().map(|event| event.deployment).collect()
}

fn steps(world: &mut World, number: u64) {
    for _ in 0..number {
        world.step();
    }
}

fn paused(world: &mut World) -> String {
    match world.status(CELLS).unwrap() {
        Status::Paused(why) => why,
        other => panic!("not paused: {other:?}"),
    }
}

#[test]
fn from_the_next_turn_on_the_new_version_decides_and_records_say_so() {
    let mut world = World::new(Layout::calm(1));
    for n in 0..4 {
        world.send("c", &n.to_string(), "13");
        if n == 1 {
            world.settle();
            world.layout.behaviour = mended();
            world.swap(1, [0]);
        }
    }
    world.settle();
    assert_eq!(deciders(&world, CELLS), [0, 0, 1, 1]);
    assert_eq!(
        deciders(&world, MIRRORS),
        [1, 1],
        "what the first version could not mirror is parked"
    );
    assert_eq!((world.sum(CELL, "c"), world.sum(MIRROR, &mirror_of(b"c"))), (52, 26));
    let records = world.contents(CELL, 0).outcomes;
    let numbers = records.iter().map(|(_, bytes)| decode_record(bytes).unwrap().deployment);
    assert_eq!(numbers.collect::<Vec<_>>(), [0, 0, 1, 1]);
    for letter in world.open_dead_letters(CELLS) {
        world.redrive(CELLS, letter);
    }
    world.settle();
    assert_eq!(world.sum(MIRROR, &mirror_of(b"c")), 52, "and redriven under the new one");
}

#[test]
fn turns_on_their_way_to_the_log_stay_what_they_are() {
    let mut world = World::new(Layout::calm(1));
    world.send("c", "1", "5");
    let taken = |world: &World| world.contents(CELL, 0).events.len() + world.log.undurable();
    while taken(&world) == 0 {
        world.step();
    }
    world.swap(1, [0]);
    world.send("c", "2", "6");
    world.settle();
    assert_eq!(deciders(&world, CELLS), [0, 1]);
    assert_eq!(world.sum(MIRROR, &mirror_of(b"c")), 11);
}

#[test]
fn a_shard_that_has_not_heard_of_a_deployment_waits_with_what_came_of_it() {
    let mut world = World::new(Layout { shards: 2, ..Layout::calm(50) });
    world.send("c", "1", "5");
    world.settle();
    world.swap(1, [0]);
    world.send("c", "2", "6");
    world.send_to(MIRRORS, "client", "m9", "1", "Copy", "1");
    world.settle_steps();
    let mirror = mirror_of(b"c");
    assert_eq!(world.sum(MIRROR, &mirror), 11 - 6, "the command of deployment 1 waits");
    assert_eq!(world.status(MIRRORS), Some(Status::Running));
    assert_eq!(world.contents(MIRROR, 0).commands.len(), 2);
    world.swap(1, [1]);
    world.settle();
    assert_eq!(world.sum(MIRROR, &mirror), 11);
    assert_eq!(deciders(&world, MIRRORS).last(), Some(&1));
    assert!(world.answers.contains_key(&(MIRRORS, 0)));
}

#[test]
fn a_restored_partition_that_waits_for_a_deployment_goes_on_when_it_takes_over() {
    let mut world = World::new(Layout::calm(1));
    world.swap(1, [0]);
    world.send("c", "1", "5");
    world.settle();
    // A start that has not heard of it.
    world.deploy(0);
    world.send("c", "2", "6");
    world.settle_steps();
    assert_eq!(world.status(CELLS), Some(Status::Waiting(1)));
    world.swap(1, [0]);
    world.settle();
    assert_eq!(world.status(CELLS), Some(Status::Running));
    assert_eq!(world.sum(CELL, "c"), 11);
}

#[test]
fn a_partition_that_paused_for_a_handlers_faults_goes_on_when_that_handler_is_replaced() {
    for poison in ["13", "trap"] {
        let mut world = World::new(Layout::calm(50));
        for n in 0..100 {
            world.send(&format!("c{n}"), &n.to_string(), poison);
        }
        world.settle();
        assert!(paused(&mut world).contains("20 of the last 20 aggregates faulted"));
        world.layout.behaviour = mended();
        world.swap(1, [0]);
        assert_eq!(world.status(CELLS), Some(Status::Running), "{poison}");
        world.settle();
        let letters = world.open_dead_letters(CELLS);
        assert_eq!(letters.len(), 20, "{poison}");
        for letter in letters {
            world.redrive(CELLS, letter);
        }
        world.settle();
        assert_eq!(world.open_dead_letters(CELLS), [0; 0]);
        assert_eq!(world.contents(CELL, 0).events.len(), 100, "{poison}");
    }
}

#[test]
fn a_pause_for_which_no_handler_is_to_blame_outlasts_a_swap_and_a_restart_of_the_shard() {
    let mut world = World::new(Layout::calm(50));
    for n in 0..100 {
        world.send_kind(&format!("c{n}"), &n.to_string(), "Late", "1");
    }
    world.settle();
    assert!(paused(&mut world).contains("no handler takes Late"));
    world.layout.behaviour.takes_late = true;
    world.swap(1, [0]);
    paused(&mut world);
    assert!(world.resume(CELLS));
    world.settle();
    assert_eq!(world.contents(CELL, 0).events.len(), 80);
}

#[test]
fn faults_of_the_old_version_are_not_counted_against_the_new_one() {
    let mut world = World::new(Layout::calm(1));
    let send = |world: &mut World, range: std::ops::Range<u32>, body: &str| {
        for n in range {
            world.send(&format!("c{n}"), &n.to_string(), body);
        }
        world.settle();
    };
    send(&mut world, 0..19, "trap");
    world.swap(1, [0]);
    send(&mut world, 19..38, "trap");
    assert_eq!(world.status(CELLS), Some(Status::Running), "19 of 19 and 19 of 19, not 38 of 38");
    send(&mut world, 38..39, "trap");
    paused(&mut world);
}

#[test]
fn a_power_loss_after_a_swap_leaves_what_the_log_says() {
    for seed in 0..50 {
        let mut rng = Prng::new(seed);
        let mut world = World::new(Layout { seed, shards: 2, ..Layout::calm(3) });
        for n in 0..20 {
            world.send(&format!("c{}", n % 3), &n.to_string(), "1");
        }
        for deployment in 1..=4 {
            steps(&mut world, rng.below(30));
            world.swap(deployment, [0]);
            steps(&mut world, rng.below(30));
            world.swap(deployment, [1]);
        }
        world.power_loss(&mut rng);
        world.settle();
        let cells: u64 = (0..3).map(|n| world.sum(CELL, &format!("c{n}"))).sum();
        assert_eq!(cells, 20, "seed {seed}");
        assert!(deciders(&world, CELLS).is_sorted() && deciders(&world, MIRRORS).is_sorted());
        assert_eq!(world.status(MIRRORS), Some(Status::Running));
    }
}

#[test]
fn a_partition_whose_past_could_not_be_folded_is_restored_once_a_version_that_can_takes_over() {
    let mut world = World::new(Layout::calm(1));
    world.layout.settings.flush_every_ms = 60_000;
    world.deploy(0);
    world.send("c", "1", "5");
    for _ in 0..20 {
        world.step();
    }
    assert_eq!(world.sum(CELL, "c"), 5);
    world.layout.behaviour.unfoldable = true;
    world.deploy(1);
    world.settle_steps();
    let status = world.status(CELLS);
    assert!(matches!(&status, Some(Status::Halted(why)) if why.contains("`evolve`")), "{status:?}");
    world.layout.behaviour.unfoldable = false;
    world.swap(2, [0]);
    world.send("c", "2", "6");
    world.settle();
    assert_eq!(world.status(CELLS), Some(Status::Running));
    assert_eq!((world.sum(CELL, "c"), world.sum(MIRROR, &mirror_of(b"c"))), (11, 11));
}

#[test]
fn commands_carry_no_later_deployment_than_the_turns_that_take_them() {
    for seed in 0..30 {
        let mut rng = Prng::new(seed);
        let mut world = World::new(Layout { seed, shards: 2, ..Layout::calm(3) });
        for deployment in 1..=6 {
            for n in 0..5 {
                world.send(&format!("c{}", n % 3), &format!("{deployment}-{n}"), "1");
            }
            let first = rng.index(2);
            world.swap(deployment, [first]);
            steps(&mut world, rng.below(20));
            world.swap(deployment, [1 - first]);
        }
        world.settle();
        let contents = world.contents(MIRROR, 0);
        let mut taken = 0;
        for (_, bytes) in &contents.outcomes {
            let record = decode_record(bytes).unwrap();
            let range = record.commands.unwrap();
            for command in &contents.commands {
                if (range.first..range.next).contains(&command.offset) {
                    taken += 1;
                    assert!(command.record.deployment <= record.deployment, "seed {seed}");
                }
            }
        }
        assert_eq!(taken, 30, "seed {seed}");
        let mirrored: u64 = (0..3).map(|m| world.sum(MIRROR, &format!("m{m}"))).sum();
        assert_eq!(mirrored, 30, "seed {seed}");
    }
}
