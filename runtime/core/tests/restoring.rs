//! A start finds what the last process left, whatever of the store is still there, within its bound
//! of memory; and a partition that cannot be restored harms no other.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::sync::Arc;

use bytes::Bytes;
use common::{CELL, Layout, World, limit};
use zamu_core::aggregate::decode;
use zamu_core::error::EngineError;
use zamu_core::guest::manifest::{HandlerSpec, Manifest};
use zamu_core::log::ShardLog as _;
use zamu_core::model::{PartitionId, Request, Time, partition_of};
use zamu_core::partition::Status;
use zamu_core::prng::Prng;
use zamu_core::proto::StorePosition;
use zamu_core::settings::Settings;
use zamu_core::shard::{ReadError, Step};
use zamu_core::simulation::{Program, no_tables};
use zamu_core::store::Store;
use zamu_core::store::memory::MemoryStore;
use zamu_core::topology::{BoundHandler, Start, StartFrom, Topology};

const CELLS: PartitionId = PartitionId { aggregate_type: CELL, number: 0 };

fn world(layout: Layout, settings: impl FnOnce(&mut Settings)) -> World {
    let mut layout = layout;
    settings(&mut layout.settings);
    World::new(layout)
}

/// Keys of a partition of cells that are two.
fn keys_in(number: u32) -> impl Iterator<Item = String> {
    let keys = (0..1_000).map(|n| format!("k{n}"));
    keys.filter(move |key| partition_of(key.as_bytes(), 2) == number)
}

/// A process that has flushed, released and trimmed all that it could, and then some more turns.
fn trimmed() -> World {
    let mut world = world(Layout::calm(2), |settings| {
        settings.flush_every_ms = 1;
        settings.release_every_ms = 1;
        settings.restore_chunk = limit(3);
    });
    for n in 0..20 {
        world.send(&format!("c{}", n % 7), &n.to_string(), "1");
        world.send(&format!("r{n}"), "1", "no");
        world.settle();
    }
    world.log.trim();
    world.layout.settings.flush_every_ms = u64::MAX;
    world.crash(&mut Prng::new(1));
    world.settle_steps();
    for n in 20..30 {
        world.send(&format!("c{}", n % 7), &n.to_string(), "1");
        world.send(&format!("r{n}"), "1", "no");
    }
    world.settle_steps();
    world
}

#[test]
fn a_store_that_is_lost_after_retention_is_rebuilt_from_all_events_and_the_newest_outcomes() {
    let mut world = trimmed();
    let before: Vec<_> = (0..7).map(|n| world.sum(CELL, &format!("c{n}"))).collect();
    assert_eq!(before.iter().sum::<u64>(), 30);
    let oldest = world.log.shard(&[]).oldest_turn(CELLS).unwrap();
    assert!(oldest > 2, "retention has removed nothing");
    world.store = MemoryStore::new();
    world.crash(&mut Prng::new(1));
    world.settle_steps();
    assert_eq!(world.status(CELLS), Some(Status::Running));
    let after: Vec<_> = (0..7).map(|n| world.sum(CELL, &format!("c{n}"))).collect();
    assert_eq!(after, before);
    let answered = world.answers.len();
    world.send("c1", "29", "1");
    world.send("r29", "1", "no");
    world.settle_steps();
    assert!(world.answer(answered).starts_with("duplicate of 58: accepted"));
    assert!(world.answer(answered + 1).starts_with("duplicate of 59: refused no"));
}

/// What is below the position could not even be folded any more.
#[test]
fn a_cold_start_folds_only_what_lies_above_the_position_of_the_store_and_equals_a_full_replay() {
    let mut world = world(Layout::calm(3), |settings| {
        settings.flush_every_ms = 1;
        settings.sample_every = 0;
    });
    for n in 0..20 {
        world.send(&format!("c{}", n % 7), &n.to_string(), "77");
    }
    world.settle();
    let behind = |world: &World| {
        let position = world.store.clone().position(CELLS).unwrap().unwrap();
        let position: StorePosition = decode(&position).unwrap();
        world.contents(CELL, 0).events.len() as u64 - position.events_next
    };
    assert_eq!(behind(&world), 0);
    world.store.clone().sync(CELLS).unwrap();
    world.layout.settings.flush_every_ms = u64::MAX;
    world.layout.behaviour.unfoldable_body = Some("77");
    world.crash(&mut Prng::new(1));
    for n in 20..35 {
        world.send(&format!("c{}", n % 7), &n.to_string(), "1");
    }
    world.settle_steps();
    assert_eq!(behind(&world), 15);
    let sums = |world: &mut World| -> Vec<u64> {
        (0..7).map(|n| world.sum(CELL, &format!("c{n}"))).collect()
    };
    let before = sums(&mut world);
    assert_eq!(before.iter().sum::<u64>(), 20 * 77 + 15);
    world.crash(&mut Prng::new(1));
    world.settle_steps();
    assert_eq!((world.status(CELLS), sums(&mut world)), (Some(Status::Running), before.clone()));
    // Without the store there is nothing but to fold everything.
    world.store = MemoryStore::new();
    world.crash(&mut Prng::new(1));
    world.settle_steps();
    assert!(matches!(world.status(CELLS), Some(Status::Halted(_))), "{:?}", world.status(CELLS));
    world.layout.behaviour.unfoldable_body = None;
    world.crash(&mut Prng::new(1));
    world.settle_steps();
    assert_eq!(sums(&mut world), before);
}

#[test]
fn a_rebuild_that_is_interrupted_goes_on_where_it_was_flushed() {
    let mut world = trimmed();
    world.store = MemoryStore::new();
    world.layout.settings.changed_bytes_max = 500;
    let mut rng = Prng::new(1);
    let mut positions = std::collections::BTreeSet::new();
    for steps in 1..40 {
        world.crash(&mut rng);
        for _ in 0..steps {
            world.step();
            positions.extend(world.store.clone().position(CELLS).unwrap());
        }
    }
    assert!(positions.len() > 4, "{}", positions.len());
    world.layout.settings.changed_bytes_max = 1 << 20;
    world.crash(&mut rng);
    world.settle_steps();
    let sums: u64 = (0..7).map(|n| world.sum(CELL, &format!("c{n}"))).sum();
    assert_eq!(sums, 30);
}

#[test]
fn a_restore_keeps_the_bound_of_memory_by_flushing_on_its_way() {
    let mut world = world(Layout::calm(1), |settings| {
        settings.flush_every_ms = u64::MAX;
        settings.restore_chunk = limit(1);
        settings.flush_chunk = 3;
    });
    for n in 0..100 {
        world.send(&format!("c{n}"), &n.to_string(), "1");
    }
    world.settle_steps();
    let all = world.shards[0].unflushed_bytes();
    let bound = all / 20;
    world.layout.settings.changed_bytes_max = bound;
    world.crash(&mut Prng::new(1));
    let mut most = 0;
    while world.status(CELLS) != Some(Status::Running) {
        assert!(world.now < 10_000, "the restore never ends");
        world.step();
        most = most.max(world.shards[0].unflushed_bytes());
    }
    assert!(most <= bound * 2, "{most} of {bound}");
    assert_eq!((0..100).map(|n| world.sum(CELL, &format!("c{n}"))).sum::<u64>(), 100);
}

#[test]
fn a_partition_that_halts_while_it_is_restored_stops_no_other_and_lets_the_shard_end() {
    let layout = Layout { partitions: 2, ..Layout::calm(1) };
    let mut world = world(layout, |settings| {
        settings.flush_every_ms = u64::MAX;
        settings.restore_chunk = limit(1);
        settings.sample_every = 0;
    });
    for (n, key) in keys_in(0).take(60).enumerate() {
        world.send(&key, &n.to_string(), if n == 59 { "77" } else { "1" });
    }
    world.settle_steps();
    world.layout.settings.changed_bytes_max = world.shards[0].unflushed_bytes() / 3;
    world.layout.settings.flush_every_ms = 1;
    world.layout.behaviour.unfoldable_body = Some("77");
    world.crash(&mut Prng::new(1));
    world.settle_steps();
    let status = world.status(CELLS);
    assert!(matches!(&status, Some(Status::Halted(why)) if why.contains("`evolve`")), "{status:?}");
    let key = keys_in(1).next().unwrap();
    world.send(&key, "1", "5");
    world.settle_steps();
    assert_eq!(world.sum(CELL, &key), 5);
    assert!(world.shards[0].is_quiet());
    let key = Bytes::from(keys_in(0).next().unwrap());
    assert_eq!(world.shards[0].aggregate(CELLS, &key), Err(ReadError::NotReady));
}

#[test]
fn an_engine_that_asks_to_try_again_is_asked_a_millisecond_later() {
    let mut world = World::new(Layout::calm(1));
    world.send("c", "1", "5");
    world.settle();
    world.store.fail(Some(EngineError::Retry("busy".into())));
    world.crash(&mut Prng::new(1));
    let now = Time(world.now);
    let steps: Vec<_> = (0..5).map(|_| world.shards[0].step(now)).collect();
    assert_eq!(steps.last(), Some(&Step::Wait(Some(now.plus_ms(1)))), "{steps:?}");
    assert_eq!(world.status(CELLS), Some(Status::Restoring));
    world.store.fail(None);
    world.settle();
    // The same while a turn reads what it is about.
    world.store.fail(Some(EngineError::Retry("busy".into())));
    world.send("new", "1", "5");
    world.log.settle();
    let now = Time(world.now);
    let steps: Vec<_> = (0..5).map(|_| world.shards[0].step(now)).collect();
    assert_eq!(steps.last(), Some(&Step::Wait(Some(now.plus_ms(1)))), "{steps:?}");
    world.store.fail(None);
    world.settle();
    assert_eq!((world.sum(CELL, "c"), world.sum(CELL, "new")), (5, 5));
}

#[test]
fn a_restore_that_is_told_to_try_again_does_not_begin_again() {
    let mut world = world(Layout::calm(1), |settings| {
        settings.flush_every_ms = u64::MAX;
        settings.restore_chunk = limit(1);
    });
    for n in 0..10 {
        world.send(&format!("c{n}"), &n.to_string(), "1");
    }
    world.settle_steps();
    world.crash(&mut Prng::new(1));
    // Every other step fails: a restore that begins again each time never ends.
    for step in 0..60 {
        world.store.fail((step % 2 == 0).then(|| EngineError::Retry("busy".into())));
        world.step();
    }
    assert_eq!(world.status(CELLS), Some(Status::Running));
}

#[test]
fn a_store_of_another_log_and_one_ahead_of_its_log_are_refused_with_the_remedy() {
    let halted = |world: &mut World| {
        world.settle_steps();
        match world.status(CELLS) {
            Some(Status::Halted(why)) => why,
            other => panic!("{other:?}"),
        }
    };
    let mut other = World::new(Layout { seed: 2, ..Layout::calm(1) });
    other.send("c", "1", "5");
    other.settle();
    let mut world = World::new(Layout::calm(1));
    world.send("c", "1", "5");
    world.settle();
    other.store.sync(CELLS).unwrap();
    world.store = other.store.clone();
    world.crash(&mut Prng::new(3));
    assert!(halted(&mut world).contains("belongs to another log: remove the store's folder"));

    let mut world = World::new(Layout { seed: 2, ..Layout::calm(1) });
    world.store = other.store.clone();
    world.shards.clear();
    world.log.crash();
    world.start();
    assert!(halted(&mut world).contains("the log ends with turn 0: the log has lost records"));
}

#[test]
fn states_that_were_made_with_another_fold_number_are_not_touched() {
    let mut world = World::new(Layout::calm(1));
    world.send("c", "1", "5");
    world.settle();
    let topology = common::toy::topology(1, 0, &world.layout.behaviour);
    let renamed = |handler: &BoundHandler| {
        let spec = HandlerSpec::clone(&handler.spec);
        let fold = spec.manifest.fold + 1;
        let manifest = Manifest { fold, ..spec.manifest };
        Arc::new(HandlerSpec { name: format!("{}-too", spec.name).into(), manifest, ..spec })
    };
    let specs = topology.handlers.iter().map(renamed).collect();
    let now = Start { from: StartFrom::Now, since: 1 };
    let topology = Topology::new(1, topology.types.clone(), specs).unwrap();
    let topology = topology.starting([("mirrors-too".into(), now)].into());
    let (settings, behaviour) = (world.layout.settings.clone(), world.layout.behaviour.clone());
    world.replace(Program {
        topology: Arc::new(topology),
        guests: Box::new(move || common::toy::guests(&behaviour)),
        projecting: Box::new(no_tables),
        settings,
        shards: 1,
    });
    world.send("c", "2", "1");
    world.settle_steps();
    let status = world.status(CELLS);
    let Some(Status::Halted(why)) = &status else { panic!("{status:?}") };
    for part in ["state of `c`", "fold number 1", "handler `cells-too`", "has 2", "go back"] {
        assert!(why.contains(part), "{why}");
    }
    assert_eq!(world.contents(CELL, 0).events.len(), 1);
}

#[test]
fn what_is_remembered_of_a_request_does_not_keep_the_call_in_which_it_came() {
    let mut world = World::new(Layout::calm(1));
    let call = Bytes::from([b"c12".to_vec(), vec![b'x'; 100_000]].concat());
    let request = Request {
        key: call.slice(0..1),
        kind: common::toy::kind("Add"),
        source: call.slice(1..2),
        id: call.slice(2..3),
        context: Default::default(),
        redrive: None,
        wake: None,
        body: Bytes::from_static(b"7"),
    };
    world.append(CELLS, request);
    world.settle();
    let cell = world.read(CELL, "c").unwrap();
    let entry = &cell.window.entries()[0];
    assert_eq!((&*entry.source, &*entry.id), (&b"1"[..], &b"2"[..]));
    let range = call.as_ptr_range();
    assert!(!range.contains(&entry.source.as_ptr()) && !range.contains(&entry.id.as_ptr()));
}
