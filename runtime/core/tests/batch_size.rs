//! Batch size never changes a result: one fixed log of requests, with duplicates, refusals, poison
//! and Wakes, gives the same events, commands per channel, outcomes and aggregate records, byte for
//! byte, whatever a turn takes at once.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::collections::BTreeMap;

use bytes::Bytes;
use common::model::Model;
use common::toy::Behaviour;
use common::{CELL, Layout, World};
use zamu_core::model::{Command, Event, PartitionId};
use zamu_core::prng::Prng;
use zamu_core::settings::Settings;
use zamu_core::store::Store;

/// All that must be equal.
#[derive(Debug, PartialEq)]
struct Result {
    events: Vec<Event>,
    commands: Vec<Command>,
    answers: Vec<String>,
    dead_letters: Vec<(u64, Bytes)>,
    records: BTreeMap<Bytes, Bytes>,
}

fn kind(rng: &mut Prng) -> &'static str {
    if rng.below(40) == 0 { "Unknown" } else { "Add" }
}

fn body(rng: &mut Prng) -> String {
    match rng.below(20) {
        0 => "no".into(),
        1 => "done".into(),
        2 => "trap".into(),
        3 => "lie".into(),
        4 => "13".into(),
        5 => "twice 4".into(),
        14..20 => format!("@{}", 100_000 + rng.below(10)),
        n => n.to_string(),
    }
}

fn run(batch: usize, anonymous: bool, seed: u64) -> Result {
    let behaviour = Behaviour { anonymous, ..Behaviour::default() };
    let calm = Layout::calm(batch);
    let settings = Settings { fault_share_max: 2.0, ..calm.settings };
    let mut world = World::new(Layout { behaviour, settings, ..calm });
    let mut rng = Prng::new(seed);
    // The shard's clock is before all deadlines and the log's past them: the Wakes are those that
    // stand in the log, at the same places whatever the batch.
    world.skew = -600 * 30_000;
    let mut model = Model::new();
    let mut sent: Vec<(String, u64, &str, String)> = Vec::new();
    for n in 0..600_u64 {
        // A window of ids lasts for some thirty requests.
        world.set_time(n * 30_000);
        let fresh = (format!("c{}", rng.below(20)), n, kind(&mut rng), body(&mut rng));
        if let Some(at) = model.deadlines.get(&fresh.0).filter(|_| rng.below(3) > 0) {
            let (at, sequence) = (*at, model.sequence(&fresh.0) - rng.below(8) / 7);
            world.send_wake(&fresh.0, sequence, at);
            follow(&mut model, &world);
            continue;
        }
        let (key, id, kind, body) = match sent.len().checked_sub(1 + rng.index(60)) {
            Some(before) if rng.below(4) == 0 => {
                let (key, id, kind, same) = sent[before].clone();
                (key, id, kind, if rng.below(4) == 0 { body(&mut rng) } else { same })
            }
            _ => fresh,
        };
        world.send_kind(&key, &id.to_string(), kind, &body);
        follow(&mut model, &world);
        sent.push((key, id, kind, body));
    }
    world.settle();
    assert!(model.wakes.iter().all(|times| *times > 5), "{:?}", model.wakes);
    let cells = PartitionId { aggregate_type: CELL, number: 0 };
    let contents = world.log.contents(cells);
    let mirror = world.contents(common::MIRROR, 0);
    Result {
        events: contents.events,
        commands: mirror.commands.into_iter().map(|c| c.record).collect(),
        answers: world
            .answers
            .iter()
            .filter(|((p, _), _)| *p == cells)
            .map(|(_, a)| zamu_core::simulation::describe(a))
            .collect(),
        dead_letters: contents.dead_letters,
        records: world.store.clone().scan(cells, None, usize::MAX).unwrap().into_iter().collect(),
    }
}

/// The model decides what was sent last.
fn follow(model: &mut Model, world: &World) {
    let sent = world.contents(CELL, 0).requests.pop().expect("it is durable at once");
    model.take(&sent, false);
}

#[test]
fn batches_of_1_2_50_and_500_leave_the_same_bytes() {
    for (seed, anonymous) in [(1, false), (2, true), (3, false)] {
        let one_by_one = run(1, anonymous, seed);
        assert_eq!(one_by_one.answers.len(), 600);
        assert!(one_by_one.dead_letters.len() > 50, "the poison was in it");
        let count = |what| one_by_one.answers.iter().filter(|a| a.starts_with(what)).count();
        let (remembered, reused) = (count("duplicate"), count("refused id-reused"));
        assert!((10..100).contains(&remembered), "{remembered} of some 110 were remembered");
        assert!((5..40).contains(&reused), "{reused} of some 40 ids were reused in time");
        for batch in [2, 50, 500] {
            let batched = run(batch, anonymous, seed);
            let what = format!("batch of {batch}, anonymous {anonymous}");
            assert!(batched.events == one_by_one.events, "{what}: events differ");
            assert!(batched.commands == one_by_one.commands, "{what}: commands differ");
            assert_eq!(batched.answers, one_by_one.answers, "{what}");
            assert!(batched.dead_letters == one_by_one.dead_letters, "{what}: letters differ");
            assert!(batched.records == one_by_one.records, "{what}: records differ");
        }
    }
}
