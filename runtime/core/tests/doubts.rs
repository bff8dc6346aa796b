//! A commit whose outcome is in doubt costs nobody anything: what happened is told, what did not is
//! done again, and a pause stays a pause.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{CELL, Layout, World, limit};
use zamu_core::log::simulated::{Fate, Faults};
use zamu_core::model::PartitionId;
use zamu_core::partition::Status;
use zamu_core::prng::Prng;
use zamu_core::settings::Settings;

const CELLS: PartitionId = PartitionId { aggregate_type: CELL, number: 0 };

/// A key of this partition of cells, of two.
fn key(world: &World, number: u32, nth: usize) -> String {
    let mine = |key: &String| world.cell_partition(key).number == number;
    (0..).map(|n| format!("k{n}")).filter(mine).nth(nth).unwrap()
}

fn two_partitions() -> World {
    World::new(Layout { partitions: 2, ..Layout::calm(500) })
}

#[test]
fn a_commit_that_turns_out_to_have_happened_is_answered() {
    for happened in [0, 1, 2] {
        let mut world = two_partitions();
        for number in 0..2 {
            world.log.next(Fate::Doubted { happened });
            let key = key(&world, number, 0);
            world.send(&key, "1", "5");
            world.settle();
            assert_eq!(world.answer(number as usize), "accepted 1..2 5", "{happened} happened");
            assert_eq!(world.sum(CELL, &key), 5);
        }
        let counts = world.log.counts();
        assert_eq!(counts.doubted_happened + counts.doubted_not, 2, "the doubts were there");
    }
}

#[test]
fn every_request_is_answered_whatever_becomes_of_commits() {
    let mut doubted = 0;
    for seed in 0..40 {
        let mut rng = Prng::new(seed);
        let faults = Faults { revoke: 0, lose: 0, fence: 0, reject: 0, doubt: 80, ..Faults::all() };
        let settings = Settings {
            turn: limit(1 + rng.index(4)),
            commit_records: 1 + rng.index(6),
            flush_every_ms: rng.between(1, 50),
            ..Settings::default()
        };
        let calm = Layout::calm(1);
        let mut world = World::new(Layout { seed, faults, settings, partitions: 2, ..calm });
        for n in 0..200 {
            world.send(&format!("c{}", rng.below(9)), &n.to_string(), "1");
            for _ in 0..rng.below(5) {
                world.step();
            }
        }
        world.log.set_faults(Faults::slow());
        world.settle();
        let answered = world.answers.keys().filter(|(p, _)| p.aggregate_type == CELL).count();
        assert_eq!(answered, 200, "seed {seed}");
        doubted += world.log.counts().doubted_happened;
    }
    assert!(doubted > 100, "only {doubted} commits were in doubt and had happened");
}

#[test]
fn a_pause_outlives_a_doubtful_commit() {
    let mut world = two_partitions();
    for n in 0..60 {
        let key = key(&world, 0, n);
        world.send(&key, &n.to_string(), "trap");
    }
    world.settle();
    let paused = world.status(CELLS);
    assert!(matches!(paused, Some(Status::Paused(_))), "{paused:?}");
    world.log.next(Fate::Doubted { happened: 1 });
    let other = key(&world, 1, 0);
    world.send(&other, "1", "1");
    world.settle();
    assert_eq!(world.log.counts().doubted_happened, 1);
    assert_eq!(world.status(CELLS), paused);
    assert_eq!(world.open_dead_letters(CELLS).len(), 20, "nothing was taken meanwhile");
    assert!(world.resume(CELLS));
    world.settle();
    assert_eq!(world.open_dead_letters(CELLS).len(), 40, "twenty more, and it pauses again");
}
