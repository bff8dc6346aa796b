//! Negative controls: each of these breaks a promise of the real host on purpose, and the very check
//! that guards it must find that. Without the sabotage the same run finds nothing.

use switch::ledger::Findings;
use switch::ledger::findings::{BROKEN_CHANNEL, LOST};

use crate::cap;
use crate::held::{self, Held};
use crate::story::{Enough, NOT_RUNNING, Story};
use crate::told::{ANSWER_CHANGED, ANSWER_GONE, DECIDED_AGAIN, REFUSAL_FORGOTTEN, STATE_GONE};

/// The load alone, without a death.
async fn load(sabotage: Option<&'static str>) -> Findings {
    let then = Enough { answers: 20, ..Enough::default() };
    Story { seed: 1, deaths: Vec::new(), sabotage, swaps: false, then }.run().await.findings
}

fn is_clean(findings: &Findings) {
    assert!(findings.is_empty(), "{:#?}", findings.lines().collect::<Vec<_>>());
}

fn has_found(findings: &Findings, what: &str) {
    let lines: Vec<_> = findings.lines().collect();
    assert!(findings.count(what) > 0, "`{what}` was not found: {lines:#?}");
}

#[tokio::test]
async fn states_published_before_the_commit_are_found() {
    is_clean(&held::look(Held::Unwritten, None, false).await);
    let sabotaged = held::look(Held::Unwritten, Some("publish-before-commit"), false).await;
    has_found(&sabotaged, STATE_GONE);
}

#[tokio::test]
async fn answers_before_durable_are_found_when_the_power_fails() {
    is_clean(&held::look(Held::Undurable, None, false).await);
    let sabotaged = held::look(Held::Undurable, Some("answer-before-durable"), true).await;
    has_found(&sabotaged, ANSWER_GONE);
}

#[tokio::test]
async fn a_host_without_dedupe_is_found() {
    is_clean(&load(None).await);
    has_found(&load(Some("skip-dedupe")).await, DECIDED_AGAIN);
}

#[tokio::test]
async fn a_dropped_channel_number_is_found() {
    let sabotaged = load(Some("drop-channel-number")).await;
    has_found(&sabotaged, NOT_RUNNING);
    let says_why = |line: String| line.contains("number 2 came where 1 was due");
    assert!(sabotaged.lines().any(says_why), "{sabotaged:?}");
    has_found(&sabotaged, BROKEN_CHANNEL);
    has_found(&sabotaged, LOST);
}

#[tokio::test]
async fn a_recovery_that_forgets_outcomes_is_found() {
    is_clean(&cap::refuses_again(None).await);
    let sabotaged = cap::refuses_again(Some("forget-outcomes")).await;
    has_found(&sabotaged, REFUSAL_FORGOTTEN);
    has_found(&sabotaged, ANSWER_CHANGED);
}
