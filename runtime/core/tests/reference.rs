//! Random runs over a log that does everything a log may do, with crashes and power losses between
//! any two steps, against the plain reference model. One seed replays a whole run. In each an event handler is
//! added on the way, which catches up with what has happened, or begins with what comes.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::audit::Toys;
use common::copied::{Copied, audit, differences};
use common::model::Model;
use common::toy::{self, Behaviour, MIRRORS, number, seat_of};
use common::{CELL, Layout, MIRROR, World, limit};
use zamu_core::log::InputPositions;
use zamu_core::log::simulated::{Counts, Faults};
use zamu_core::model::{Cause, PartitionId, Request, Stored, Time};
use zamu_core::outcomes::decode_record;
use zamu_core::prng::Prng;
use zamu_core::settings::Settings;
use zamu_core::simulation::describe;
use zamu_core::topology::{Start, StartFrom, Types};

const SEEDS: u64 = 500;
const PARTITIONS: u32 = 2;

#[test]
fn any_run_equals_the_reference_model() {
    let only = std::env::var("ZAMU_SEED").ok().map(|s| s.parse().expect("ZAMU_SEED is a number"));
    let mut least_turns = u64::MAX;
    let mut seen = Seen::default();
    for seed in only.map_or(0..SEEDS, |seed| seed..seed + 1) {
        let run = std::panic::catch_unwind(|| run(seed));
        match run {
            Ok((world, wakes)) => {
                least_turns = least_turns.min(turns(&world));
                seen.add(&world.log.counts(), wakes);
            }
            Err(cause) => {
                let said = cause.downcast_ref::<String>().cloned().unwrap_or_default();
                panic!("seed {seed} (replay with ZAMU_SEED={seed}): {said}");
            }
        }
    }
    assert!(least_turns >= 200, "a run had only {least_turns} turns");
    if only.is_none() {
        seen.assert_all();
    }
}

#[test]
fn what_any_run_has_left_is_decided_the_same_once_more() {
    let (mut found, mut as_recorded) = ([0; 5], 0);
    for seed in 0..SEEDS / 5 {
        let (world, _) = run(seed);
        let types = toy::topology(PARTITIONS, 0, &Behaviour::default()).types.clone();
        let mut log = Copied::of(&world.log, &types);
        let (mended_from, starts) = (world.deployment(), world.layout.starts.clone());
        let mut toys = Toys { partitions: PARTITIONS, mended_from, starts, instead: None };
        for partition in types.partitions() {
            let audited = audit(&mut log, &types, &mut toys, partition, None).unwrap();
            assert_eq!(audited.len() as u64, world.log.durable_turn(partition), "seed {seed}");
            let differences = differences(&audited);
            assert!(differences.is_empty(), "seed {seed}, {partition:?}: {differences:#?}");
            for turn in &audited {
                assert_eq!((turn.as_recorded, &turn.undecided), (0, &None), "seed {seed}");
                let counts = [turn.requests, turn.commands, turn.events, turn.faults, 1];
                found.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
            }
            as_recorded += audit_what_is_left(&mut log, &mut toys, &types, partition, seed);
        }
    }
    assert!(as_recorded > 10, "retention hardly matters: {as_recorded}");
    let [requests, commands, events, faults, turns] = found;
    assert!(requests > 10_000 && commands > 10_000 && events > 20_000, "{found:?}");
    assert!(faults > 1_000 && turns > 20_000, "{found:?}");
}

/// The same, once retention has removed the records of some turns. Returns how many answers only they
/// could have told.
fn audit_what_is_left(
    log: &mut Copied,
    toys: &mut Toys,
    types: &Types,
    partition: PartitionId,
    seed: u64,
) -> u64 {
    let turns = log.contents[&partition].outcomes.len() as u64;
    let mut left = log.clone();
    left.oldest = 1 + seed % turns;
    let begins = left.record(partition, left.oldest);
    left.input = InputPositions {
        requests: begins.requests.unwrap().first,
        commands: begins.commands.unwrap().first,
    };
    let audited = audit(&mut left, types, toys, partition, None).unwrap();
    let first = if left.oldest == 1 { 1 } else { left.oldest + 1 };
    assert_eq!(audited.len() as u64, turns + 1 - first, "seed {seed}");
    let differences = differences(&audited);
    assert!(differences.is_empty(), "seed {seed}, {partition:?}: {differences:#?}");
    audited.iter().map(|turn| turn.as_recorded).sum()
}

/// How often each kind of fault struck, over all runs: what never strikes proves nothing.
#[derive(Debug, Default)]
struct Seen {
    faults: [u64; 9],
    /// Wakes that were answered, came in vain, and were given up.
    wakes: [u64; 3],
}

impl Seen {
    fn add(&mut self, counts: &Counts, wakes: [u64; 3]) {
        for (sum, times) in self.wakes.iter_mut().zip(wakes) {
            *sum += times;
        }
        let struck = [
            counts.refused,
            counts.aborted,
            counts.doubted_happened,
            counts.doubted_not,
            counts.revoked,
            counts.lost,
            counts.fenced,
            counts.crashes,
            counts.writes_lost,
        ];
        for (sum, times) in self.faults.iter_mut().zip(struck) {
            *sum += times;
        }
    }

    fn assert_all(&self) {
        assert!(
            self.faults.iter().all(|times| *times >= 100),
            "some fault hardly strikes: {self:?}"
        );
        assert!(
            self.wakes.iter().all(|times| *times >= 2 * SEEDS),
            "deadlines hardly come: {self:?}"
        );
    }
}

/// Runs one seed; returns what is left, and what became of Wakes.
fn run(seed: u64) -> (World, [u64; 3]) {
    let mut rng = Prng::new(seed);
    let mut world = World::new(layout(seed, &mut rng));
    world.skew = 4 * (rng.below(4) as i64 - 1);
    let mut sent = 0;
    let mut losses = Vec::new();
    let mut deployment = 0;
    let added_at = rng.between(1, 4);
    let from = if rng.below(4) == 0 { StartFrom::Now } else { StartFrom::Beginning };
    while turns(&world) < 200 {
        for _ in 0..rng.below(6) {
            send(&mut world, &mut rng, sent);
            sent += 1;
        }
        for _ in 0..rng.below(12) {
            let before = world.log.counts();
            world.step();
            let after = world.log.counts();
            if (before.lost, before.fenced) != (after.lost, after.fenced) {
                losses.push(Loss::of(&world));
            }
        }
        let end = rng.below(60);
        if end < 2 {
            losses.push(Loss::of(&world));
        }
        match end {
            0 => world.crash(&mut rng),
            1 => world.power_loss(&mut rng),
            2 | 3 => {
                deployment += 1;
                if deployment == added_at {
                    world.add_audience(from);
                }
                let some: Vec<usize> =
                    (0..world.shards.len()).filter(|_| rng.below(2) == 0).collect();
                world.swap(deployment, some);
            }
            _ => {}
        }
    }
    world.log.set_faults(Faults::slow());
    let all = 0..world.shards.len();
    if deployment < added_at {
        world.add_audience(from);
    }
    world.swap(deployment + 1, all);
    let_deadlines_pass(&mut world);
    let mended_at = mend_and_redrive(&mut world, &mut rng);
    check(&mut world, &mended_at, &losses);
    world.crash(&mut rng);
    let_deadlines_pass(&mut world);
    let wakes = check(&mut world, &mended_at, &losses);
    (world, wakes)
}

/// All deadlines that were set lie in the past afterwards, and so do those that follow from them.
fn let_deadlines_pass(world: &mut World) {
    for _ in 0..3 {
        world.advance(150);
        world.settle();
    }
}

fn layout(seed: u64, rng: &mut Prng) -> Layout {
    let settings = Settings {
        turn: limit(1 + rng.index(8)),
        commit_records: 1 + rng.index(20),
        flush_every_ms: rng.between(1, 50),
        wake_retry_ms: rng.between(1, 100),
        release_every_ms: rng.between(1, 200),
        flush_chunk: 1 + rng.index(4),
        restore_chunk: limit(1 + rng.index(10)),
        sample_every: 3,
        fault_share_max: 2.0,
        ..Settings::default()
    };
    Layout {
        faults: Faults::all(),
        settings,
        partitions: PARTITIONS,
        shards: 2,
        seed,
        ..Layout::calm(1)
    }
}

fn send(world: &mut World, rng: &mut Prng, n: u64) {
    let key = format!("c{}", rng.below(9));
    // One in five repeats an id of the recent past, with the same content or with other.
    let id = if rng.below(5) == 0 { n.saturating_sub(rng.below(30)) } else { n };
    let now = world.now;
    let body = match (id * 7 + rng.below(20) / 19) % 31 {
        23 => "@".into(),
        24..=30 => format!("@{}", now + rng.below(40)),
        0 => "no".to_string(),
        1 => "done".into(),
        2 => "trap".into(),
        3 => "lie".into(),
        4 => "13".into(),
        5 => format!("twice {}", id % 50),
        _ => (id % 50).to_string(),
    };
    let kind = if n % 41 == 40 { "Unknown" } else { "Add" };
    world.send_kind(&key, &id.to_string(), kind, &body);
}

fn turns(world: &World) -> u64 {
    let all = |t| (0..PARTITIONS).map(move |number| PartitionId { aggregate_type: t, number });
    all(CELL).chain(all(MIRROR)).map(|p| world.log.durable_turn(p)).sum()
}

/// The handlers are mended, and every open dead letter is redriven. Returns the offsets from which
/// on each partition of cells was decided by mended handlers.
fn mend_and_redrive(world: &mut World, rng: &mut Prng) -> Vec<u64> {
    world.mend();
    let ends: Vec<u64> = (0..PARTITIONS)
        .map(|p| world.contents(CELL, p).requests.last().map_or(0, |r| r.offset + 1))
        .collect();
    let_deadlines_pass(world);
    for number in 0..PARTITIONS {
        let partition = PartitionId { aggregate_type: CELL, number };
        for letter in world.open_dead_letters(partition) {
            world.redrive(partition, letter);
            if rng.below(4) == 0 {
                world.redrive(partition, letter);
            }
        }
    }
    let_deadlines_pass(world);
    ends
}

/// A shard, or its hold on a partition, has ended: what it had in flight may have become durable
/// with nobody there to tell.
struct Loss {
    at: Time,
    answered: BTreeSet<(PartitionId, u64)>,
}

impl Loss {
    fn of(world: &World) -> Self {
        Self { at: Time(world.now), answered: world.answers.keys().copied().collect() }
    }

    fn may_have_taken(&self, partition: PartitionId, request: &Stored<Request>) -> bool {
        request.appended <= self.at && !self.answered.contains(&(partition, request.offset))
    }
}

/// Returns what became of Wakes.
fn check(world: &mut World, mended_at: &[u64], losses: &[Loss]) -> [u64; 3] {
    let mut wakes = [0; 3];
    let mut mirrored: BTreeMap<String, u64> = BTreeMap::new();
    for number in 0..PARTITIONS {
        let contents = world.contents(CELL, number);
        let model = Model::of(&contents, mended_at[number as usize]);
        let partition = PartitionId { aggregate_type: CELL, number };
        check_answers(world, partition, &model);
        for request in &contents.requests {
            let told = world.answers.contains_key(&(partition, request.offset));
            let lost = losses.iter().any(|loss| loss.may_have_taken(partition, request));
            assert!(told || lost, "request {} of {partition:?} has no answer", request.offset);
        }
        check_events(&contents, &model);
        assert_eq!(model.deadlines, BTreeMap::new(), "deadlines that passed and nobody woke");
        for (sum, times) in wakes.iter_mut().zip(model.wakes) {
            *sum += times;
        }
        for (key, sum) in &model.sums {
            assert_eq!(world.sum(CELL, key), *sum, "sum of {key}");
        }
        let open: Vec<u64> = model.letters.keys().copied().collect();
        assert_eq!(world.open_dead_letters(partition), open, "open dead letters");
        for (mirror, sum) in model.mirrored {
            *mirrored.entry(mirror).or_default() += sum;
        }
    }
    for mirror in 0..MIRRORS {
        let key = format!("m{mirror}");
        let expected = mirrored.get(&key).copied().unwrap_or(0);
        assert_eq!(world.sum(MIRROR, &key), expected, "mirror {key}");
    }
    check_channels(world);
    check_audience(world);
    check_deployments(world);
    wakes
}

fn check_answers(world: &World, partition: PartitionId, model: &Model) {
    for (offset, expected) in &model.answers {
        let given = world.answers.get(&(partition, *offset)).map(describe);
        if let Some(given) = given {
            assert_eq!(given, *expected, "answer to request {offset} of {partition:?}");
        }
    }
}

fn check_events(contents: &zamu_core::log::simulated::Contents, model: &Model) {
    let mut last: BTreeMap<String, u64> = BTreeMap::new();
    let mut events = Vec::new();
    for (i, event) in contents.events.iter().enumerate() {
        let key = String::from_utf8_lossy(&event.key).into_owned();
        assert_eq!(event.number, i as u64, "event numbers are gapless");
        assert_eq!(event.previous, last.insert(key.clone(), event.number), "the chain of {key}");
        events.push((key, event.sequence, String::from_utf8_lossy(&event.body).into_owned()));
    }
    assert_eq!(events, model.events);
}

/// Every channel into a partition of mirrors is gapless from 1, as an independent reader sees it.
fn check_channels(world: &World) {
    for number in 0..PARTITIONS {
        let mut last: BTreeMap<PartitionId, u64> = BTreeMap::new();
        for command in world.contents(MIRROR, number).commands {
            let stamp = command.record.channel.expect("a host sent it");
            let seen = last.entry(stamp.from).or_default();
            assert_eq!(stamp.number, *seen + 1, "channel from {:?}", stamp.from);
            *seen = stamp.number;
        }
    }
}

/// The audience has heard of every event from its start on, once and in order.
fn check_audience(world: &mut World) {
    let mut sums: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut due: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let start = world.layout.starts["audience"];
    for number in 0..PARTITIONS {
        let contents = world.contents(CELL, number);
        let from = first_heard(&contents, start);
        for event in contents.events.iter().filter(|event| event.number >= from) {
            let key = String::from_utf8_lossy(&event.key).into_owned();
            due.entry(key).or_default().push(event.sequence);
            let (sum, events) = sums.entry(seat_of(&event.key)).or_default();
            *sum += self::number(&event.body);
            *events += 1;
        }
    }
    let mut heard: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for number in 0..PARTITIONS {
        for command in world.contents(MIRROR, number).commands {
            let command = command.record;
            if &*command.handler == "audience" {
                let key = String::from_utf8_lossy(&command.cause.key).into_owned();
                heard.entry(key).or_default().push(command.cause.sequence);
            }
        }
    }
    assert_eq!(heard, due, "what the audience was told of");
    for (seat, (sum, events)) in sums {
        let told = world.read(MIRROR, &seat).map_or(0, |mirror| mirror.sequence);
        assert_eq!((world.sum(MIRROR, &seat), told), (sum, events), "seat {seat}");
    }
}

/// The number of the first event of a partition that an audience has to hear of, as the log tells it.
fn first_heard(contents: &zamu_core::log::simulated::Contents, start: Start) -> u64 {
    if start.from == StartFrom::Beginning {
        return 0;
    }
    let records =
        contents.outcomes.iter().map(|(_, bytes)| decode_record(bytes).expect("readable"));
    let first = records.into_iter().find(|record| record.deployment >= start.since);
    let range = first.and_then(|record| record.events);
    range.map_or(contents.events.len() as u64, |range| range.first)
}

/// Nothing is decided by an older version than its cause, and none decides after a newer one.
fn check_deployments(world: &World) {
    for (aggregate_type, number) in
        [CELL, MIRROR].into_iter().flat_map(|of| (0..PARTITIONS).map(move |number| (of, number)))
    {
        let contents = world.contents(aggregate_type, number);
        let mut newest = 0;
        for event in &contents.events {
            assert!(event.deployment >= newest, "an older version decides after a newer one");
            newest = event.deployment;
            let Cause::Command { offset, .. } = &event.cause else { continue };
            let command = contents.commands.iter().find(|command| command.offset == *offset);
            let sender = command.expect("commands are kept").record.deployment;
            assert!(event.deployment >= sender, "decided by an older version than its cause");
        }
    }
}
