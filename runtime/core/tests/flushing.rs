//! The store follows the log at its own pace: in small chunks, never for ever, and the log may forget
//! what the store has, also of a partition where nothing happens any more.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{CELL, Layout, MIRROR, World};
use zamu_core::aggregate::decode;
use zamu_core::error::EngineError;
use zamu_core::log::ShardLog as _;
use zamu_core::log::simulated::Faults;
use zamu_core::model::{PartitionId, Request, Time};
use zamu_core::partition::Status;
use zamu_core::prng::Prng;
use zamu_core::proto::StorePosition;
use zamu_core::settings::Settings;
use zamu_core::shard::Step;
use zamu_core::simulation::describe;
use zamu_core::store::Store as _;

const CELLS: PartitionId = PartitionId { aggregate_type: CELL, number: 0 };
const MIRRORS: PartitionId = PartitionId { aggregate_type: MIRROR, number: 0 };

fn world(layout: Layout, settings: impl FnOnce(&mut Settings)) -> World {
    let mut layout = layout;
    settings(&mut layout.settings);
    World::new(layout)
}

#[test]
fn an_idle_partition_lets_go_of_its_last_turns() {
    let mut world = world(Layout::calm(1), |settings| {
        settings.flush_every_ms = 10;
        settings.release_every_ms = 1_000;
    });
    world.now = 10_000;
    for n in 0..5 {
        world.send("c", &n.to_string(), "1");
        world.settle();
    }
    for _ in 0..2_000 {
        world.step();
    }
    world.log.trim();
    let oldest = world.log.shard(&[]).oldest_turn(CELLS).unwrap();
    assert_eq!(oldest, 5, "all but the newest are in the store");
}

/// However often an aggregate changes, and not at all when nothing does.
#[test]
fn states_are_flushed_once_in_each_period_in_which_something_changed() {
    const PERIOD_MS: u64 = 1_000;
    let mut world = world(Layout::calm(10), |settings| settings.flush_every_ms = PERIOD_MS);
    let mut flushed = Vec::new();
    let mut position = None;
    for ms in 0..20 * PERIOD_MS {
        if ms < 10 * PERIOD_MS && ms % 10 == 0 {
            world.send("c", &ms.to_string(), "1");
        }
        world.step();
        let now = world.store.clone().position(CELLS).unwrap();
        let now = now.map(|position| decode::<StorePosition>(&position).unwrap().turn);
        if now != position {
            (position, flushed) = (now, [flushed, vec![world.now]].concat());
        }
    }
    assert_eq!(world.sum(CELL, "c"), 1_000);
    assert!((10..=11).contains(&flushed.len()), "{flushed:?}");
    let pauses: Vec<u64> = flushed.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses[1..].iter().all(|ms| ms.abs_diff(PERIOD_MS) < 20), "{flushed:?}");
    let turns = world.contents(CELL, 0).outcomes.len() as u64;
    assert_eq!(position, Some(turns), "the last flush has everything");
}

#[test]
fn the_shard_asks_to_be_woken_for_a_release() {
    let mut world = world(Layout::calm(1), |settings| {
        settings.flush_every_ms = 10;
        settings.release_every_ms = 1_000;
        settings.sweep_every_ms = u64::MAX;
    });
    for n in 0..2 {
        world.send("c", &n.to_string(), "1");
        world.settle();
    }
    let mut now = Time(world.now);
    let mut waits = 0;
    while let Step::Wait(Some(until)) = world.shards[0].step(now) {
        assert!(until > now && waits < 100, "{until:?} at {now:?}");
        (now, waits) = (until, waits + 1);
        while world.shards[0].step(now) == Step::Again {}
    }
    world.log.trim();
    assert_eq!(world.log.shard(&[]).oldest_turn(CELLS).unwrap(), 2, "the last word is said");
}

#[test]
fn a_store_that_fails_for_good_halts_its_partitions_once_and_is_left_alone() {
    let mut world = World::new(Layout::calm(10));
    world.send("c", "1", "5");
    world.settle();
    world.send("c", "2", "5");
    for _ in 0..10 {
        world.step();
    }
    world.store.fail(Some(EngineError::Fatal("no space left".into())));
    world.now += 10_000;
    world.settle_steps();
    let status = world.status(CELLS);
    assert_eq!(status, Some(Status::Halted("store: no space left".into())));
    let failures = world.store.failures();
    assert!((1..=2).contains(&failures), "{failures}: once for each partition");
    assert!(world.shards[0].is_quiet(), "the process can end");
    let now = Time(world.now + 1_000_000);
    while world.shards[0].step(now) == Step::Again {}
    assert_eq!(world.shards[0].step(now), Step::Wait(None));
    assert_eq!(world.store.failures(), failures);
    // What it had lost is in the log.
    world.store.fail(None);
    world.crash(&mut Prng::new(1));
    world.settle();
    assert_eq!(world.sum(CELL, "c"), 10);
}

#[test]
fn a_step_writes_one_chunk_and_the_partitions_take_turns() {
    const PARTITIONS: u32 = 4;
    let layout = Layout { partitions: PARTITIONS, ..Layout::calm(500) };
    let mut world = world(layout, |settings| {
        settings.flush_chunk = 10;
        settings.flush_every_ms = 1_000;
        settings.sweep_every_ms = u64::MAX;
        settings.release_every_ms = u64::MAX;
    });
    world.settle();
    for n in 0..400 {
        world.send(&format!("c{n}"), &n.to_string(), "1");
    }
    world.settle_steps();
    world.now += 10_000;
    let cells = |number| PartitionId { aggregate_type: CELL, number };
    let written = |world: &World| -> Vec<usize> {
        (0..PARTITIONS).map(|n| world.store.unsynced(cells(n))).collect()
    };
    let mut before = written(&world);
    let mut order = Vec::new();
    while world.step() {
        let after = written(&world);
        let grown: Vec<_> = (0..4).filter(|n| after[*n] > before[*n]).collect();
        let chunks: usize = after.iter().zip(&before).map(|(a, b)| a - b).sum();
        assert!(chunks <= 1, "{chunks} chunks in one step");
        order.extend(grown);
        before = after;
    }
    assert!(order.len() >= 40, "{order:?}");
    assert_eq!(order[..8], [order[0], order[1], order[2], order[3]].repeat(2), "in rotation");
    assert!((0..4).all(|n| order[..4].contains(&n)), "{order:?}");
}

#[test]
fn partitions_do_not_fall_due_together_again_and_again() {
    let layout = Layout { partitions: 8, ..Layout::calm(500) };
    let mut world = world(layout, |settings| {
        settings.flush_every_ms = 1_000;
        settings.sweep_every_ms = u64::MAX;
        settings.release_every_ms = u64::MAX;
    });
    let cells = |number| PartitionId { aggregate_type: CELL, number };
    world.now = 10_000;
    let mut flushed = std::collections::BTreeMap::new();
    for round in 0..30 {
        for n in 0..80 {
            world.send(&format!("c{n}"), &format!("{n}/{round}"), "1");
        }
        for _ in 0..100 {
            let before: Vec<_> = (0..8).map(|n| world.store.unsynced(cells(n))).collect();
            world.step();
            let grown = (0..8).filter(|n| world.store.unsynced(cells(*n)) > before[*n as usize]);
            let hundredth = world.now % 1_000 / 100;
            for number in grown.filter(|_| round >= 20) {
                flushed.insert(number, hundredth);
            }
        }
    }
    let times: std::collections::BTreeSet<_> = flushed.values().collect();
    assert_eq!(flushed.len(), 8);
    assert!(times.len() >= 4, "{flushed:?}");
}

/// A world whose mirrors refused one command at 1000 ms, with a window of 1,000,000 ms.
fn with_a_refusal() -> World {
    let mut world = world(Layout { shards: 2, ..Layout::calm(1) }, |settings| {
        settings.flush_every_ms = 1;
        settings.sweep_every_ms = 1;
    });
    world.now = 1_000;
    world.log.tick(Time(1_000));
    ask_mirror(&world, "m", "1");
    world.settle();
    assert_eq!(world.store.records(MIRRORS).len(), 1, "it is remembered");
    world
}

/// A client asks a mirror for what it refuses.
fn ask_mirror(world: &World, key: &'static str, id: &'static str) {
    let request = Request {
        key: key.into(),
        kind: common::toy::kind("Copy"),
        source: "client".into(),
        id: id.into(),
        context: Default::default(),
        redrive: None,
        wake: None,
        body: "no".into(),
    };
    world.append(MIRRORS, request);
}

#[test]
fn a_refusal_is_swept_once_its_window_has_passed_and_not_earlier() {
    let mut world = with_a_refusal();
    for (time, key, left) in [(1_000_500, "m2", ["m", "m2"]), (1_001_500, "m3", ["m2", "m3"])] {
        world.now = time;
        world.log.tick(Time(time));
        ask_mirror(&world, key, "1");
        world.settle();
        for _ in 0..50 {
            world.step();
        }
        let keys: Vec<_> = world.store.records(MIRRORS).into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, left, "at {time}");
    }
}

#[test]
fn a_request_that_waits_behind_younger_commands_still_finds_what_it_repeats() {
    let mut world = with_a_refusal();
    // It is appended within the window...
    world.log.tick(Time(1_500));
    for id in ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"] {
        ask_mirror(&world, "other", id);
    }
    ask_mirror(&world, "m", "1");
    world.log.settle();
    // ... and taken only after many commands whose causes are much younger.
    world.now = 3_000_000;
    world.log.tick(Time(world.now));
    for n in 0..50 {
        world.send(&format!("c{n}"), "1", "1");
    }
    world.log.settle();
    for _ in 0..400 {
        let now = Time(world.now);
        world.shards[0].step(now);
        world.now += 1;
        world.log.tick(now);
    }
    world.settle();
    let answers: Vec<_> =
        world.answers.range((MIRRORS, 0)..).map(|(_, answer)| describe(answer)).collect();
    assert_eq!(answers.len(), 12);
    assert_eq!(answers[11], "duplicate of 0: refused no");
}

#[test]
fn a_shard_at_its_bound_of_memory_takes_no_input_until_it_has_flushed() {
    let mut world = world(Layout::calm(1), |settings| {
        settings.changed_bytes_max = 2_000;
        settings.flush_every_ms = u64::MAX;
        settings.flush_chunk = 2;
    });
    for n in 0..100 {
        world.send(&format!("c{n}"), &n.to_string(), "1");
    }
    let mut most = 0;
    while world.answers.len() < 100 {
        assert!(world.now < 10_000, "input never goes on");
        world.step();
        most = most.max(world.shards[0].unflushed_bytes());
    }
    // Turns in flight when the bound is reached come on top of it.
    assert!((2_000..8_000).contains(&most), "{most}");
}

#[test]
fn a_turn_that_the_log_has_refused_is_still_to_be_done_before_the_process_ends() {
    let refusing = Faults { refuse: 1_000, ..Faults::none() };
    let mut world = World::new(Layout { faults: refusing, ..Layout::calm(1) });
    world.step();
    assert!(world.shards[0].is_quiet());
    world.send("c", "1", "5");
    world.step();
    assert!(!world.shards[0].is_quiet(), "its turn waits for the log");
    world.log.set_faults(Faults::none());
    world.settle();
    assert!(world.shards[0].is_quiet());
    assert_eq!(world.sum(CELL, "c"), 5);
}
