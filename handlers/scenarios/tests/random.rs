//! Random stories on the native switch, and what the stories themselves are worth.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::thread;

use scenarios::Switch;
use scenarios::native::Native;
use scenarios::story::{self, Next, Story};

/// More on demand: `ZAMU_STORIES=0..1000000`, or one of them by its seed.
const STORIES: u64 = 100_000;
const VARIABLE: &str = "ZAMU_STORIES";

#[test]
fn the_laws_hold_at_every_rest() {
    let seeds = story::seeds(VARIABLE, STORIES).unwrap();
    let threads = thread::available_parallelism().map_or(1, |threads| threads.get() as u64);
    let share = (seeds.end - seeds.start).div_ceil(threads);
    thread::scope(|scope| {
        for number in 0..threads {
            let start = seeds.end.min(seeds.start + number * share);
            let mine = start..seeds.end.min(start + share);
            scope.spawn(move || {
                story::each(mine, 1..80, |_, told| {
                    story::play(told, &mut Native::new(&told.configuration(), 1)?)
                })
                .unwrap_or_else(|error| panic!("{VARIABLE}: {error:?}"));
            });
        }
    });
}

#[test]
fn the_batch_size_changes_nothing() {
    for seed in 0..200 {
        let told = Story::of(seed, 20..120);
        let mut seen = Vec::new();
        for batch_max in [1, 2, 50] {
            let mut switch = Native::new(&told.configuration(), batch_max).unwrap();
            let mut outcomes = Vec::new();
            for together in told.happens.chunks(20) {
                let commands = together.iter().filter_map(Next::command).collect();
                outcomes.extend(switch.send(commands).unwrap());
                switch.advance(1_500).unwrap();
                switch.settle().unwrap();
            }
            seen.push((outcomes, story::picture(&mut switch).unwrap()));
        }
        assert_eq!(seen[0], seen[1], "seed {seed}");
        assert_eq!(seen[0], seen[2], "seed {seed}");
    }
}

/// The generator is worth nothing if its stories never get anywhere.
#[test]
fn random_stories_reach_every_end_and_every_event() {
    let (mut ends, mut kinds, mut invalid) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    story::each(0..400, 60..120, |_, told| {
        let mut switch = Native::new(&told.configuration(), 1)?;
        story::play(told, &mut switch)?;
        ends.extend(story::ends(&mut switch)?);
        kinds.extend(story::kinds(&mut switch)?);
        invalid.extend(story::invalid(&mut switch)?);
        Ok(())
    })
    .unwrap();
    let expected = [
        "ABORTED_ERROR",
        "ABORTED_REJECTED",
        "COMMITTED",
        "EXPIRED_PREPARED",
        "EXPIRED_RESERVED",
        "INVALID",
        "RESERVED",
    ];
    assert_eq!(ends.into_iter().collect::<Vec<_>>(), expected);
    let expected = [
        "AccountClosed",
        "AccountOpened",
        "AccountReopened",
        "CoverHeld",
        "CoverLowered",
        "CoverRaised",
        "FundsIn",
        "FundsOutCommitted",
        "FundsOutPrepared",
        "FundsOutRejected",
        "InvalidTransfer",
        "LimitsChanged",
        "ParticipantActivated",
        "ParticipantCreated",
        "ParticipantDeactivated",
        "PayeeFundsCommitted",
        "PayerFundsCommitted",
        "PayerFundsRejected",
        "PayerFundsReserved",
        "PayerFundsReversed",
        "SettlementAccountOpened",
        "ThresholdExceeded",
        "TransferAborted",
        "TransferFulfilAccepted",
        "TransferFulfilInvalid",
        "TransferFulfilled",
        "TransferPrepareAccepted",
        "TransferPrepared",
        "TransferRejected",
        "TransferReleased",
        "TransferTimedOut",
    ];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), expected);
    let inactive = ("3202".to_owned(), "payer: the participant is not active".to_owned());
    assert!(invalid.contains(&inactive), "{invalid:?}");
    assert!(invalid.iter().filter(|(code, _)| code == "3202").count() == 1, "{invalid:?}");
    let unpayable: Vec<&str> = invalid
        .iter()
        .filter(|(code, _)| code == "3203")
        .map(|(_, reason)| reason.as_str())
        .collect();
    let expected = [
        "payee: no account in JPY",
        "payee: no account in USD",
        "payee: no such participant",
        "payee: the account in JPY is closed",
        "payee: the account in USD is closed",
        "payee: the participant is not active",
    ];
    assert_eq!(unpayable, expected);
}

/// A failure is told by its seed, and by the smallest story that fails like it.
#[test]
fn a_story_that_fails_is_told_by_its_seed_and_made_small() {
    let play = |_: u64, told: &Story| {
        let prepares = |next: &&Next| matches!(next, Next::Prepare { .. });
        anyhow::ensure!(told.happens.iter().filter(prepares).count() < 2, "two prepares");
        Ok(())
    };
    let error = story::each(3..9, 60..120, play).unwrap_err();
    let text = format!("{error:?}");
    assert!(text.starts_with("seed 3: Story"), "{text}");
    assert!(text.contains("two prepares"), "{text}");
    assert_eq!(text.matches("Prepare {").count(), 2, "{text}");
    assert_eq!(text.matches("Fulfil {").count(), 0, "{text}");

    let panics = story::each(5..6, 1..2, |_, _| panic!("a bug")).unwrap_err();
    assert!(format!("{panics:?}").contains("panicked: a bug"), "{panics:?}");
}

#[test]
fn seeds_come_from_the_environment_or_are_counted_from_nothing() {
    // A variable that nobody sets.
    assert_eq!(story::seeds("ZAMU_STORIES_OF_NOBODY", 7).unwrap(), 0..7);
}

#[test]
fn a_seed_tells_the_same_story_on_every_machine() {
    let told = Story::of(7, 1..80);
    assert_eq!(format!("{told:?}"), format!("{:?}", Story::of(7, 1..80)));
    assert_ne!(format!("{told:?}"), format!("{:?}", Story::of(8, 1..80)));
}
