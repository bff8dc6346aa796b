//! Who can pay and be paid: the rules of payer and payee that the directory knows, when a transfer is
//! asked for.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{
    FULFILMENT, Failed, accepted, content, fulfil, fulfil_accepted, invalid, listed, prepare,
    prepared,
};
use scheme::codes;
use scheme::directory::{ListedAccount, ListedParticipant};
use scheme::transfer_events::InvalidTransfer;
use serde_json::json;
use transfers::messages::{AckPayerFundsReserved, PrepareTransfer};
use transfers::parties::{ACCOUNTS, PARTICIPANTS};
use transfers::{Phase, Transfer};
use zamu_guest::testing::Scenario;

const PAYER: &str = "simfsp01";
const PAYEE: &str = "simfsp02";
const ACCOUNT: &str = "simfsp02/USD";
const INACTIVE_PAYER: &str = "payer: the participant is not active";

/// No transfer yet, and nobody in the directory.
fn nobody() -> Scenario<Transfer> {
    Scenario::new().key("T1").id("zamu", "first")
}

fn participant(active: bool) -> ListedParticipant {
    ListedParticipant { active }
}

fn account(currency: &str, open: bool) -> ListedAccount {
    ListedAccount { currency: currency.parse().unwrap(), open }
}

fn unpayable(reason: &str) -> InvalidTransfer {
    InvalidTransfer { code: "3203".to_owned(), ..invalid(reason, content()) }
}

fn failed<'a>(code: &'a str, reason: &'a str) -> Failed<'a> {
    Failed { state: "INVALID", code, reason }
}

#[track_caller]
fn then_phase(scenario: Scenario<Transfer>, phase: Phase) -> Scenario<Transfer> {
    scenario.then_state(|state| assert_eq!(state.0.as_ref().unwrap().state, phase))
}

/// Golden scenarios 20, 21 and 25.
#[test]
fn a_payee_that_cannot_be_paid_makes_an_invalid_transfer_that_says_why() {
    let active = || nobody().given_reference(&PARTICIPANTS, PAYEE, &participant(true));
    for (directory, reason) in [
        (nobody(), "payee: no such participant"),
        // An account without a participant is nobody's.
        (
            nobody().given_reference(&ACCOUNTS, ACCOUNT, &account("USD", true)),
            "payee: no such participant",
        ),
        (
            listed(nobody(), PAYEE).given_reference(&PARTICIPANTS, PAYEE, &participant(false)),
            "payee: the participant is not active",
        ),
        (active(), "payee: no account in USD"),
        (
            active()
                .given_reference(&ACCOUNTS, "simfsp02/EUR", &account("EUR", true))
                .given_reference(&ACCOUNTS, "simfsp01/USD", &account("USD", true)),
            "payee: no account in USD",
        ),
        (
            active().given_reference(&ACCOUNTS, ACCOUNT, &account("USD", false)),
            "payee: the account in USD is closed",
        ),
    ] {
        let answered = directory.when(prepare()).then_events([unpayable(reason)]);
        let reply = failed("3203", reason);
        let _ = then_phase(answered.then_reply(&reply), Phase::Invalid);
    }
}

#[test]
fn the_account_is_looked_for_in_the_currency_of_the_transfer() {
    let yen = PrepareTransfer { currency: "JPY".to_owned(), amount: "5".to_owned(), ..prepare() };
    listed(nobody(), PAYEE)
        .when(yen.clone())
        .then_reply(&failed("3203", "payee: no account in JPY"));
    let paid = listed(nobody(), PAYEE)
        .given_reference(&ACCOUNTS, "simfsp02/JPY", &account("JPY", true))
        .when(yen);
    let _ = then_phase(paid, Phase::ReceivedPrepare);
}

/// Golden scenario 19: a payer that nobody knows is left to its account, and so are its accounts.
#[test]
fn a_payer_that_is_not_listed_is_left_to_its_account() {
    let _ = listed(nobody(), PAYEE).when(prepare()).then_events([accepted()]);
    let closed = account("USD", false);
    let _ = listed(listed(nobody(), PAYEE), PAYER)
        .given_reference(&ACCOUNTS, "simfsp01/USD", &closed)
        .when(prepare())
        .then_events([accepted()]);
}

#[test]
fn a_payer_that_is_not_active_makes_an_invalid_transfer_until_it_is_again() {
    let inactive = participant(false);
    let with =
        |scenario: Scenario<Transfer>| scenario.given_reference(&PARTICIPANTS, PAYER, &inactive);
    let unable = InvalidTransfer { code: "3202".to_owned(), ..unpayable(INACTIVE_PAYER) };
    let answered = with(listed(nobody(), PAYEE)).when(prepare()).then_events([unable]);
    let _ = then_phase(answered.then_reply(&failed("3202", INACTIVE_PAYER)), Phase::Invalid);
    let again = with(listed(nobody(), PAYEE))
        .given_reference(&PARTICIPANTS, PAYER, &participant(true))
        .when(prepare());
    let _ = again.then_events([accepted()]);
}

#[test]
fn the_payer_is_looked_up_before_the_payee() {
    let _ = nobody()
        .given_reference(&PARTICIPANTS, PAYER, &participant(false))
        .when(prepare())
        .then_reply(&failed("3202", INACTIVE_PAYER));
}

#[test]
fn the_form_is_checked_before_the_parties_are_looked_up() {
    let asked = PrepareTransfer { amount: "0".to_owned(), ..prepare() };
    let reply = failed("3100", "amount: more than nothing");
    let inactive = nobody().given_reference(&PARTICIPANTS, PAYER, &participant(false));
    for directory in [nobody(), inactive] {
        let _ = directory.when(asked.clone()).then_reply(&reply);
    }
}

/// As golden scenarios 26 to 28: what the directory says in the meantime changes no answer.
#[test]
fn a_transfer_that_was_invalid_stays_so_when_its_payee_has_joined() {
    let reason = "payee: no such participant";
    let reply = failed("3203", reason);
    let other = PrepareTransfer { amount: "1.12".to_owned(), ..prepare() };
    let _ = listed(nobody().when(prepare()).then_events([unpayable(reason)]), PAYEE)
        .when(prepare())
        .then_nothing()
        .then_reply(&reply)
        .when(other)
        .then_refused(codes::MODIFIED_REQUEST);
}

#[test]
fn a_transfer_that_was_accepted_is_not_judged_again() {
    let gone = |scenario: Scenario<Transfer>| {
        scenario.given_no_reference(&PARTICIPANTS, PAYEE).given_no_reference(&ACCOUNTS, ACCOUNT)
    };
    let begun = || listed(nobody(), PAYEE).when(prepare()).then_events([accepted()]);
    let other = PrepareTransfer { payee: "ghost".to_owned(), ..prepare() };
    let _ = gone(begun())
        .when(prepare())
        .then_nothing()
        .when(other)
        .then_refused(codes::MODIFIED_REQUEST)
        .when(AckPayerFundsReserved {})
        .then_events([prepared()])
        .when(fulfil(FULFILMENT))
        .then_events([fulfil_accepted()]);
    let deactivated = begun().given_reference(&PARTICIPANTS, PAYEE, &participant(false));
    let _ = deactivated.when(prepare()).then_nothing();
    let deactivated = begun().given_reference(&PARTICIPANTS, PAYER, &participant(false));
    let _ = deactivated
        .when(prepare())
        .then_nothing()
        .when(AckPayerFundsReserved {})
        .then_events([prepared()]);
}

#[test]
fn the_tables_that_are_looked_up_are_those_that_the_manifest_names() {
    let manifest: serde_json::Value =
        serde_json::from_str(&transfers::handler().describe()).unwrap();
    assert_eq!(manifest["references"], json!(["participants", "accounts"]));
}
