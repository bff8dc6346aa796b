//! What the engine itself is worth: it goes the same way twice, and what is not at rest, not sound or
//! not so is an error that says what.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use bytes::Bytes;
use engine::{Layout, Runtime};
use scenarios::scenario::Step;
use scenarios::story::{self, Story};
use scenarios::switch::{Command, End, Outcome};
use scenarios::{Driven, Names, Switch, run_together};
use zamu_core::log::simulated::{Counts, Faults, Simulated};
use zamu_core::model::{Context, KindName, PartitionId, Request, TypeId, partition_of};

fn calm() -> (Runtime, Simulated) {
    let log = Simulated::new(1, Faults::none());
    (Runtime::simulated(Layout::new(&[]), &log, 1).unwrap(), log)
}

fn create(participant: &str) -> Command {
    Command {
        aggregate_type: "participant".to_owned(),
        key: participant.to_owned(),
        kind: "CreateParticipant".to_owned(),
        body: r#"{"name": "Bank"}"#.to_owned(),
    }
}

#[test]
fn the_same_seed_goes_the_same_way() {
    let once = |seed: u64| -> (String, Counts) {
        let told = Story::of(seed, 60..100);
        let log = Simulated::new(seed, Faults::all());
        let layout = Layout::new(&told.configuration());
        let mut switch = Runtime::simulated(layout, &log, seed).unwrap();
        story::play(&told, &mut switch).unwrap();
        (story::picture(&mut switch).unwrap(), log.counts())
    };
    for seed in 0..10 {
        assert_eq!(once(seed), once(seed), "seed {seed}");
    }
}

#[test]
fn tables_are_made_in_step_and_at_rest_when_the_switch_is() {
    let once = |seed: u64| {
        let told = Story::of(seed, 60..100);
        let log = Simulated::new(seed, Faults::all());
        let layout = Layout {
            projections: vec!["directory", "views"],
            ..Layout::new(&told.configuration())
        };
        let mut switch = Runtime::simulated(layout, &log, seed).unwrap();
        story::play(&told, &mut switch).unwrap();
        switch.settle().unwrap();
        for of in switch.standings() {
            let events = log.contents(of.partition).events.len() as u64;
            assert_eq!((of.served, of.next, of.stale), (true, events, None), "seed {seed}");
        }
        switch.restart(End::Killed).unwrap();
        switch.settle().unwrap();
        let ends: Vec<u64> = switch.standings().iter().map(|of| of.next).collect();
        assert!(ends.iter().sum::<u64>() > 10, "seed {seed}: {ends:?}");
        (story::picture(&mut switch).unwrap(), log.counts(), ends)
    };
    for seed in 0..5 {
        assert_eq!(once(seed), once(seed), "seed {seed}");
    }
}

#[test]
fn what_never_becomes_durable_is_no_rest_and_no_outcome() {
    let (mut switch, log) = calm();
    log.hold_durable(true);
    switch.post(create("a")).unwrap();
    let error = switch.settle().unwrap_err().to_string();
    assert!(error.contains("no rest after") && error.contains("under way"), "{error}");
    let error = switch.send(vec![create("b")]).unwrap_err().to_string();
    assert!(error.contains("no outcomes after"), "{error}");
    log.hold_durable(false);
    switch.settle().unwrap();
    assert_eq!(switch.outcome(0).unwrap(), Some(Outcome::Accepted { reply: None }));
}

#[test]
fn a_dead_letter_is_an_error_at_rest() {
    let (mut switch, log) = calm();
    // Without key, id and source.
    let broken = Request {
        key: Bytes::new(),
        kind: Arc::new(KindName::default()),
        source: Bytes::new(),
        id: Bytes::new(),
        context: Arc::new(Context::default()),
        redrive: None,
        wake: None,
        body: Bytes::new(),
    };
    let partition = PartitionId { aggregate_type: TypeId(0), number: 0 };
    log.intake().append(partition, vec![broken], Box::new(|_| ()));
    let error = switch.settle().unwrap_err().to_string();
    assert!(error.contains("DeadLetters"), "{error}");
}

#[test]
fn a_command_that_was_repeated_or_lost_with_the_power_counts_once() {
    let (mut switch, log) = calm();
    switch.post(create("a")).unwrap();
    switch.repeat(0).unwrap();
    switch.settle().unwrap();
    assert_eq!(switch.duplicates(), 1);

    log.hold_durable(true);
    let lost = switch.post(create("b")).unwrap();
    for choice in 0..50 {
        switch.step(choice).unwrap();
    }
    assert_eq!(switch.outcome(lost).unwrap(), None);
    log.hold_durable(false);
    switch.restart(End::PowerLost).unwrap();
    switch.settle().unwrap();
    assert_eq!(switch.outcome(lost).unwrap(), Some(Outcome::Accepted { reply: None }));
    for participant in ["a", "b"] {
        assert_eq!(switch.events("participant", participant).unwrap().len(), 1);
    }
}

#[test]
fn what_nobody_takes_is_refused_by_name() {
    let (mut switch, _) = calm();
    let unknown = Command { kind: "Dance".to_owned(), ..create("a") };
    assert!(switch.post(unknown).unwrap_err().to_string().contains("takes no Dance"));
    let unknown = Command { aggregate_type: "dancer".to_owned(), ..create("a") };
    assert!(switch.post(unknown).unwrap_err().to_string().contains("no type dancer"));
    assert!(switch.repeat(0).is_err());
}

/// Nothing is pinned: which payers meet in a partition follows from their names, as Java clients of
/// Kafka would have it.
#[test]
fn payers_are_spread_over_partitions_by_their_keys_and_each_partition_keeps_their_order() {
    const PARTITIONS: u32 = 8;
    let log = Simulated::new(1, Faults::slow());
    let layout = Layout { partitions: PARTITIONS, ..Layout::new(&[]) };
    let mut switch = Runtime::simulated(layout, &log, 1).unwrap();
    let mut sent = Vec::new();
    for cap in 0..80 {
        let account = format!("simfsp{:02}/USD", 1 + cap % 8);
        let kind = if cap < 8 { "OpenAccount" } else { "ChangeLimits" };
        let command = Command {
            aggregate_type: "account".to_owned(),
            key: account.clone(),
            kind: kind.to_owned(),
            body: format!(r#"{{"cap":"{cap}"}}"#),
        };
        switch.post(command).unwrap();
        switch.step(cap).unwrap();
        sent.push((account, format!(r#"{{"cap":"{cap}"}}"#)));
    }
    switch.settle().unwrap();
    let mut used = 0;
    for number in 0..PARTITIONS {
        let is_here = |key: &[u8]| partition_of(key, PARTITIONS) == number;
        let of_payers = |key: &[u8]| key.starts_with(b"simfsp");
        let types = (0..8).map(|t| PartitionId { aggregate_type: TypeId(t), number });
        let happened: Vec<(String, String)> = types
            .flat_map(|partition| log.contents(partition).events)
            .filter(|event| of_payers(&event.key))
            .map(|event| [event.key, event.body].map(|b| String::from_utf8(b.to_vec()).unwrap()))
            .map(|[key, body]| (key, body))
            .collect();
        let mut expected = sent.clone();
        expected.retain(|(key, _)| is_here(key.as_bytes()));
        assert_eq!(happened, expected, "partition {number}");
        used += usize::from(!expected.is_empty());
    }
    assert!(used >= 4, "{used} partitions for eight payers");
}

/// A scenario that holds accounts back and lets them go has all of it in one batch.
#[test]
fn what_was_held_back_is_taken_in_one_turn_in_its_order() {
    let log = Simulated::new(1, Faults::none());
    let layout = Layout { partitions: 1, ..Layout::new(&[]) };
    let mut switch = Runtime::simulated(layout, &log, 1).unwrap();
    let all = scenarios::all().unwrap();
    for scenario in all.iter().filter(|scenario| scenario.number() == Some(32)) {
        let held = |step: &Step| matches!(step, Step::LetGo { .. });
        let at = scenario.steps.iter().position(held).unwrap();
        let names = Names { prefix: format!("s{at}{}-", scenario.title.len()) };
        let turns = |log: &Simulated| -> usize {
            let types = (0..8).map(|t| PartitionId { aggregate_type: TypeId(t), number: 0 });
            let of_accounts = |partition: &PartitionId| {
                let commands = log.contents(*partition).commands;
                commands.iter().any(|stored| stored.record.kind.name == "ReservePayerFunds")
            };
            types.filter(of_accounts).map(|partition| log.contents(partition).outcomes.len()).sum()
        };
        let mut before = Vec::new();
        run_together(&[(scenario, names)], &mut switch, |_| {
            before.push(turns(&log));
            Ok(())
        })
        .unwrap();
        assert_eq!(before[at], before[at - 1] + 1, "{before:?}");
    }
}

#[test]
fn time_passes_only_when_it_is_told_to() {
    for mut switch in [Runtime::embedded(Layout::new(&[])).unwrap(), calm().0] {
        let began = switch.now_ms().unwrap();
        switch.send(vec![create("a")]).unwrap();
        switch.settle().unwrap();
        assert_eq!(switch.now_ms().unwrap(), began);
        switch.advance(300_000).unwrap();
        switch.restart(End::Orderly).unwrap();
        assert_eq!(switch.now_ms().unwrap(), began + 300_000);
    }
}
