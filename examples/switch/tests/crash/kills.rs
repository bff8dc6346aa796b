//! Whatever moment it dies at, the host goes on as if nothing had happened.

use crate::dice::Dice;
use crate::story::{Death, Enough, Outcome, Story};

/// After so many syncs at least, states have changed that are not in the store.
const SYNCS_MIN: u64 = 30;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// Goes through the deaths of one seed after another, and expects nothing to be found.
async fn survives(deaths: fn(&mut Dice) -> Vec<Death>) {
    survives_with(false, deaths).await;
}

/// The same, with an operator at work who deploys one version after the other if there are `swaps`.
async fn survives_with(swaps: bool, deaths: fn(&mut Dice) -> Vec<Death>) {
    let first = number("ZAMU_CRASH_SEED", 1);
    for seed in first..first + number("ZAMU_CRASH_ROUNDS", 1) {
        let deaths = deaths(&mut Dice::new(seed));
        println!("ZAMU_CRASH_SEED={seed}: {deaths:?}");
        let then = Enough { answers: 20, ..Enough::default() };
        let outcome = Story { seed, deaths, sabotage: None, swaps, then }.run().await;
        let Outcome { balance, findings, folded, compared, deciders } = outcome;
        let all: Vec<String> = findings.lines().collect();
        assert!(all.is_empty(), "ZAMU_CRASH_SEED={seed}: {all:#?}");
        assert!(folded.iter().all(|turns| *turns > 0), "ZAMU_CRASH_SEED={seed}: {folded:?}");
        assert!(balance.completed > 0 && balance.refused > 0 && compared > 0, "{balance:?}");
        assert_eq!(deciders > 3, swaps, "ZAMU_CRASH_SEED={seed}: {deciders} deployments");
        println!("{:?}, {compared} answers compared, turns folded: {folded:?}", balance.outcomes);
    }
}

#[tokio::test]
async fn killed_between_written_and_durable_and_after_it_nothing_is_lost_or_doubled() {
    survives(|dice| {
        let points = ["die-after-written", "die-after-durable"];
        (0..4).map(|n| Death::At(points[n % 2], SYNCS_MIN + dice.below(60))).collect()
    })
    .await;
}

#[tokio::test]
async fn killed_in_a_flush_of_the_store_nothing_is_lost_or_doubled() {
    survives(|dice| (0..2).map(|_| Death::At("die-in-flush", 10 + dice.below(90))).collect()).await;
}

#[tokio::test]
async fn killed_at_any_moment_nothing_is_lost_or_doubled() {
    survives(|dice| {
        let enough = |dice: &mut Dice| match dice.below(2) {
            0 => Enough { answers: 20 + dice.below(50), ..Enough::default() },
            _ => Enough { events: 60 + dice.below(150), ..Enough::default() },
        };
        (0..4).map(|_| Death::Kill(enough(dice))).collect()
    })
    .await;
}

#[tokio::test]
async fn without_power_at_any_moment_nothing_that_was_told_is_lost_or_doubled() {
    survives(|dice| (0..3).map(|_| Death::Power(SYNCS_MIN + dice.below(60))).collect()).await;
}

#[tokio::test]
async fn killed_while_versions_take_over_nothing_is_lost_and_all_agree_who_decided() {
    survives_with(true, |dice| {
        let kill = |dice: &mut Dice| {
            Death::Kill(Enough { events: 60 + dice.below(100), ..Enough::default() })
        };
        let point = Death::At("die-after-written", SYNCS_MIN + dice.below(60));
        vec![kill(dice), point, kill(dice)]
    })
    .await;
}
