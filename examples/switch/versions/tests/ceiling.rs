//! What the version with a ceiling decides otherwise, and what it leaves as it was.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use scheme::directory::{ListedAccount, ListedParticipant};
use scheme::transfer_events::{InvalidTransfer, TransferPrepareAccepted};
use scheme::{ContentHash, ContentHasher};
use transfers::messages::PrepareTransfer;
use transfers::parties::{ACCOUNTS, PARTICIPANTS};
use transfers_ceiling::{CEILING, CappedTransfer, UNLUCKY};
use zamu_guest::testing::Scenario;

fn offer(amount: &str) -> PrepareTransfer {
    PrepareTransfer {
        payer: "simfsp01".to_owned(),
        payee: "simfsp02".to_owned(),
        amount: amount.to_owned(),
        currency: "USD".to_owned(),
        expiration: "2026-11-23T09:12:37.000Z".to_owned(),
        condition: "HOr22-H3AfTDHrSkPjJtVPRdKouuMkDXTR4ejlQa8Ks".to_owned(),
    }
}

fn content(offer: &PrepareTransfer) -> ContentHash {
    let PrepareTransfer { payer, payee, amount, currency, expiration, condition } = offer;
    let fields = [payer, payee, amount, currency, expiration, condition];
    fields.into_iter().fold(ContentHasher::default(), |hasher, text| hasher.field(text)).finish()
}

fn accepted(offer: &PrepareTransfer) -> TransferPrepareAccepted {
    TransferPrepareAccepted {
        payer: offer.payer.parse().unwrap(),
        payee: offer.payee.parse().unwrap(),
        amount: offer.amount.parse().unwrap(),
        currency: offer.currency.parse().unwrap(),
        expiration: offer.expiration.parse().unwrap(),
        condition: offer.condition.parse().unwrap(),
        content: content(offer),
    }
}

fn invalid(offer: &PrepareTransfer, reason: &str) -> InvalidTransfer {
    InvalidTransfer {
        payer: offer.payer.parse().ok(),
        code: "3100".to_owned(),
        reason: reason.to_owned(),
        content: content(offer),
    }
}

fn scenario() -> Scenario<CappedTransfer<false>> {
    parties(Scenario::new())
}

/// Both take part, and have an open account.
fn parties<const FAULTY: bool>(
    scenario: Scenario<CappedTransfer<FAULTY>>,
) -> Scenario<CappedTransfer<FAULTY>> {
    ["simfsp01", "simfsp02"].into_iter().fold(scenario, |scenario, participant| {
        let account = ListedAccount { currency: "USD".parse().unwrap(), open: true };
        scenario
            .given_reference(&PARTICIPANTS, participant, &ListedParticipant { active: true })
            .given_reference(&ACCOUNTS, format!("{participant}/USD"), &account)
    })
}

#[test]
fn more_than_the_ceiling_is_invalid_and_the_ceiling_itself_is_not() {
    for amount in ["500.01", "750", "999999999999999999"] {
        let offer = offer(amount);
        let refused = invalid(&offer, &format!("amount: no more than {CEILING} at once"));
        scenario().when(offer).then_events([refused]);
    }
    for amount in ["0.01", "499.99", CEILING] {
        let offer = offer(amount);
        let taken = accepted(&offer);
        scenario().when(offer).then_events([taken]);
    }
}

#[test]
fn what_was_taken_without_a_ceiling_goes_on_as_it_began() {
    let before = offer("750");
    scenario().given([accepted(&before)]).when(before).then_nothing();
}

#[test]
fn the_rules_of_the_first_version_stand() {
    let offer = offer("1.111");
    let broken = invalid(&offer, "amount: USD has 2 digits after the point");
    scenario().when(offer).then_events([broken]);
}

#[test]
fn the_defect_is_the_other_versions_alone() {
    let offer = offer(UNLUCKY);
    let taken = accepted(&offer);
    scenario().when(offer).then_events([taken]);
}

#[test]
#[should_panic(expected = "no fee is known for 13.13")]
fn the_version_with_the_defect_panics_on_one_amount() {
    let _ = parties(Scenario::<CappedTransfer<true>>::new()).when(offer(UNLUCKY)).then_nothing();
}

#[test]
fn they_are_versions_of_one_handler() {
    let manifest = |text: String| serde_json::from_str::<serde_json::Value>(&text).unwrap();
    let [first, next] = [transfers::handler(), transfers_ceiling::handler()]
        .map(|handler| manifest(handler.describe()));
    for same in ["name", "fold"] {
        assert_eq!(first[same], next[same], "{same}");
    }
    assert_ne!(first["version"], next["version"]);
}
