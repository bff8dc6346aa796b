//! The rules of transfers, one table or story each.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{
    CONDITION, EXPIRATION, FULFILMENT, accepted, expiration, fulfil, fulfil_accepted,
    fulfil_invalid, fulfilled, invalid, payer, prepare, prepared, rejected, released,
};
use scheme::{ContentHasher, codes};
use serde_json::json;
use transfers::messages::{
    AckPayeeFundsCommitted, AckPayerFundsReserved, AckPayerFundsReversed, Command, Event,
    InvalidTransfer, PrepareTransfer, RejectTransfer,
};
use transfers::{Phase, Transfer};
use zamu_guest::Time;
use zamu_guest::testing::Scenario;

const WRONG: &str = "fulfilment: not the preimage of the condition";
const ZEROES: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn none() -> Scenario<Transfer> {
    Scenario::new().key("T1").id("zamu", "first")
}

fn reject() -> RejectTransfer {
    RejectTransfer { code: "4200".to_owned(), reason: "too much".to_owned() }
}

/// A transfer in each state, by the events that lead there.
fn in_state(phase: Phase) -> Scenario<Transfer> {
    let past: Vec<Event> = match phase {
        Phase::ReceivedPrepare => vec![accepted().into()],
        Phase::Reserved => vec![accepted().into(), prepared().into()],
        Phase::ReceivedFulfil => {
            vec![accepted().into(), prepared().into(), fulfil_accepted().into()]
        }
        Phase::Committed => {
            vec![accepted().into(), prepared().into(), fulfil_accepted().into(), fulfilled().into()]
        }
        Phase::ReceivedError => {
            vec![accepted().into(), prepared().into(), fulfil_invalid(WRONG).into()]
        }
        Phase::AbortedError => vec![
            accepted().into(),
            prepared().into(),
            fulfil_invalid(WRONG).into(),
            released(WRONG).into(),
        ],
        Phase::AbortedRejected => vec![accepted().into(), rejected().into()],
        Phase::Invalid => {
            vec![invalid("amount: more than nothing", content(&prepare())).into()]
        }
    };
    none().given(past).then_phase(phase)
}

trait Then {
    fn then_phase(self, phase: Phase) -> Self;
}

impl Then for Scenario<Transfer> {
    #[track_caller]
    fn then_phase(self, phase: Phase) -> Self {
        self.then_state(|state| {
            assert_eq!(state.0.as_ref().map(|transfer| transfer.state), Some(phase));
        })
    }
}

const PHASES: [Phase; 8] = [
    Phase::ReceivedPrepare,
    Phase::Reserved,
    Phase::ReceivedFulfil,
    Phase::Committed,
    Phase::ReceivedError,
    Phase::AbortedError,
    Phase::AbortedRejected,
    Phase::Invalid,
];

fn content(asked: &PrepareTransfer) -> scheme::ContentHash {
    [
        &asked.payer,
        &asked.payee,
        &asked.amount,
        &asked.currency,
        &asked.expiration,
        &asked.condition,
    ]
    .into_iter()
    .fold(ContentHasher::default(), |hasher, text| hasher.field(text))
    .finish()
}

/// Golden scenario 1.
#[test]
fn a_transfer_goes_from_prepare_to_commit() {
    let _ = none()
        .when(prepare())
        .then_events([accepted()])
        .then_phase(Phase::ReceivedPrepare)
        .when(AckPayerFundsReserved {})
        .then_events([prepared()])
        .then_phase(Phase::Reserved)
        .when(fulfil(FULFILMENT))
        .then_events([fulfil_accepted()])
        .then_phase(Phase::ReceivedFulfil)
        .when(AckPayeeFundsCommitted {})
        .then_events([fulfilled()])
        .then_phase(Phase::Committed);
}

/// Golden scenarios 12 and 19, for the transfer.
#[test]
fn a_transfer_whose_payer_cannot_pay_ends_as_rejected() {
    let _ = in_state(Phase::ReceivedPrepare)
        .when(reject())
        .then_events([rejected()])
        .then_phase(Phase::AbortedRejected);
}

/// Golden scenarios 39, 40 and 68.
#[test]
fn a_fulfilment_that_is_none_leads_to_release() {
    let length = |n| format!("fulfilment: 32 bytes are 43 characters of base64url, not {n}");
    let encoding =
        "fulfilment: not base64url without padding, or with spare bits that are not zero";
    for (text, reason) in [
        (ZEROES.to_owned(), WRONG.to_owned()),
        ("A".repeat(42), length(42)),
        ("A".repeat(44), length(44)),
        (String::new(), length(0)),
        (FULFILMENT.replace("UzY", "UzZ"), encoding.to_owned()),
        (FULFILMENT.replace('-', "+"), encoding.to_owned()),
        (CONDITION.to_owned(), WRONG.to_owned()),
    ] {
        let state = in_state(Phase::Reserved)
            .when(fulfil(&text))
            .then_events([fulfil_invalid(&reason)])
            .then_phase(Phase::ReceivedError);
        let state = then_reply_is(state, "RECEIVED_ERROR", &reason);
        let _ = state
            .when(AckPayerFundsReversed {})
            .then_events([released(&reason)])
            .then_phase(Phase::AbortedError);
    }
}

#[derive(serde::Serialize)]
struct Failed<'a> {
    state: &'a str,
    code: &'a str,
    reason: &'a str,
}

#[track_caller]
fn then_reply_is(scenario: Scenario<Transfer>, state: &str, reason: &str) -> Scenario<Transfer> {
    scenario.then_reply(&Failed { state, code: "3100", reason })
}

/// Golden scenarios 17, 24, 49, 69 and 70: the first rule that is broken is named.
#[test]
fn what_breaks_a_rule_is_an_invalid_transfer() {
    let amount = "amount: not an amount: write digits, at most one point with 1 to 4 digits after \
                  it, and no superfluous zero, as in 5 or 0.5";
    let payee = "payee: not a participant: 1 to 32 visible ASCII characters without a slash";
    let currency = "currency: not a currency: write its three upper-case letters, as in USD";
    let time = "expiration: not a time from 1970 to 9999: write it with milliseconds and zone, \
                as in 2026-11-23T09:12:37.000Z";
    let encoding = "condition: not base64url without padding, or with spare bits that are not zero";
    let length = "condition: 32 bytes are 43 characters of base64url, not 42";
    type Change = fn(&mut PrepareTransfer);
    let rows: &[(Change, &str)] = &[
        (|p| p.amount = "0".into(), "amount: more than nothing"),
        (|p| p.amount = "-5".into(), "amount: an amount has no sign"),
        (|p| p.amount = "abc".into(), amount),
        (|p| p.amount = "5.0".into(), amount),
        (|p| p.amount = ".5".into(), amount),
        (|p| p.amount = "05".into(), amount),
        (|p| p.amount = "1.00001".into(), amount),
        (|p| p.amount = "1e3".into(), amount),
        (|p| p.amount = String::new(), amount),
        (|p| p.amount = "1".repeat(19), "amount: more than 18 digits before the point"),
        (|p| p.amount = "1.111".into(), "amount: USD has 2 digits after the point"),
        (
            |p| (p.amount, p.currency) = ("1.5".into(), "JPY".into()),
            "amount: JPY has 0 digits after the point",
        ),
        (
            |p| (p.amount, p.currency) = ("1.0001".into(), "BHD".into()),
            "amount: BHD has 3 digits after the point",
        ),
        (|p| p.currency = "usd".into(), currency),
        (|p| p.currency = String::new(), currency),
        (|p| p.payee = "sim fsp".into(), payee),
        (|p| p.payee = String::new(), payee),
        (|p| p.payee = "simfsp01".into(), "payee: payer and payee are the same"),
        (|p| p.condition = "A".repeat(42), length),
        (|p| p.condition = CONDITION.replace("8Ks", "8Kt"), encoding),
        (|p| p.expiration = "tomorrow".into(), time),
        (|p| p.expiration = "2026-11-23T09:12:37Z".into(), time),
        (
            |p| p.expiration = "2023-11-14T22:13:19.999Z".into(),
            "expiration: in the past on arrival",
        ),
    ];
    for (change, reason) in rows {
        let mut asked = prepare();
        change(&mut asked);
        // The kit's time is 2023-11-14T22:13:20.000Z.
        let answered = none()
            .when(asked.clone())
            .then_events([invalid(reason, content(&asked))])
            .then_phase(Phase::Invalid);
        let _ = then_reply_is(answered, "INVALID", reason);
    }
}

#[test]
fn an_invalid_transfer_names_its_payer_only_if_that_is_a_name() {
    let asked = PrepareTransfer { payer: "sim/fsp".to_owned(), ..prepare() };
    let _ = none().when(asked.clone()).then_events([InvalidTransfer {
        payer: None,
        code: codes::VALIDATION.to_owned(),
        reason: "payer: not a participant: 1 to 32 visible ASCII characters without a slash"
            .to_owned(),
        content: content(&asked),
    }]);
}

/// Golden scenario 49: the very moment is not past yet.
#[test]
fn an_offer_may_end_at_the_moment_it_arrives_and_not_before() {
    let end = Time(expiration().ms());
    let _ = none().at(end).when(prepare()).then_events([accepted()]);
    let _ = none()
        .at(end.plus_ms(1))
        .when(prepare())
        .then_events([invalid("expiration: in the past on arrival", content(&prepare()))]);
}

/// Golden scenario 24.
#[test]
fn one_pays_oneself_only_where_the_operator_allows_it() {
    let on_us = PrepareTransfer { payee: "simfsp01".to_owned(), ..prepare() };
    for (configuration, allowed) in [
        (json!({}), false),
        (json!({ "allowOnUs": false }), false),
        (json!({ "allowOnUs": true }), true),
    ] {
        let asked = none().configured(configuration).when(on_us.clone());
        let _ = if allowed {
            let mut event = accepted();
            event.payee = payer();
            event.content = content(&on_us);
            asked.then_events([event])
        } else {
            asked.then_phase(Phase::Invalid)
        };
    }
}

/// Golden scenarios 26 and 27.
#[test]
fn the_same_prepare_again_does_nothing_and_tells_the_result_once_there_is_one() {
    for phase in PHASES {
        let again = in_state(phase).when(prepare()).then_nothing();
        let _ = match phase {
            Phase::Committed => {
                #[derive(serde::Serialize)]
                struct Committed {
                    state: &'static str,
                    fulfilment: &'static str,
                }
                again.then_reply(&Committed { state: "COMMITTED", fulfilment: FULFILMENT })
            }
            Phase::AbortedError => then_reply_is(again, "ABORTED_ERROR", WRONG),
            Phase::Invalid => then_reply_is(again, "INVALID", "amount: more than nothing"),
            Phase::AbortedRejected => again.then_reply(&Failed {
                state: "ABORTED_REJECTED",
                code: "4200",
                reason: "too much",
            }),
            Phase::ReceivedPrepare
            | Phase::Reserved
            | Phase::ReceivedFulfil
            | Phase::ReceivedError => {
                assert!(!phase.is_final());
                again
            }
        }
        .then_phase(phase);
    }
}

/// Golden scenario 28.
#[test]
fn a_prepare_with_any_other_field_is_refused_in_every_state() {
    type Change = fn(&mut PrepareTransfer);
    let changes: &[Change] = &[
        |p| p.amount = "1.12".into(),
        |p| p.payer = "simfsp03".into(),
        |p| p.payee = "simfsp03".into(),
        |p| p.currency = "EUR".into(),
        |p| p.condition = ZEROES.into(),
        // The same moment, written in another way, is other content.
        |p| p.expiration = "2026-11-23T11:12:37.000+02:00".into(),
        |p| p.amount = "not even an amount".into(),
    ];
    for phase in PHASES {
        for change in changes {
            let mut asked = prepare();
            change(&mut asked);
            let _ =
                in_state(phase).when(asked).then_refused(codes::MODIFIED_REQUEST).then_phase(phase);
        }
    }
}

/// Golden scenarios 29, 30, 36 and 38, and all others of their kind: the table of what each state
/// takes. What it does not take is refused with both states named, and changes nothing.
#[test]
fn each_state_takes_what_it_waits_for_and_nothing_else() {
    let commands: [(Command, Phase, &str); 5] = [
        (AckPayerFundsReserved {}.into(), Phase::ReceivedPrepare, "RECEIVED_PREPARE"),
        (reject().into(), Phase::ReceivedPrepare, "RECEIVED_PREPARE"),
        (fulfil(FULFILMENT).into(), Phase::Reserved, "RESERVED"),
        (AckPayeeFundsCommitted {}.into(), Phase::ReceivedFulfil, "RECEIVED_FULFIL"),
        (AckPayerFundsReversed {}.into(), Phase::ReceivedError, "RECEIVED_ERROR"),
    ];
    for (command, awaited, name) in commands {
        let _ = none()
            .when(command.clone())
            .then_refused(codes::TRANSFER_NOT_FOUND)
            .then_state(|state| assert_eq!(state.0, None));
        for phase in PHASES.into_iter().filter(|phase| *phase != awaited) {
            let _ = in_state(phase)
                .when(command.clone())
                .then_refused(codes::VALIDATION)
                .then_details(&format!("the transfer is {}, not {name}", phase.as_str()))
                .then_phase(phase);
        }
    }
}

#[test]
fn a_wrong_fulfilment_in_the_wrong_state_releases_nothing() {
    for phase in PHASES.into_iter().filter(|phase| *phase != Phase::Reserved) {
        let _ = in_state(phase).when(fulfil(ZEROES)).then_refused(codes::VALIDATION);
    }
}

#[test]
fn a_client_does_not_tell_what_accounts_have_done() {
    let commands: [Command; 4] = [
        AckPayerFundsReserved {}.into(),
        reject().into(),
        AckPayeeFundsCommitted {}.into(),
        AckPayerFundsReversed {}.into(),
    ];
    for command in commands {
        for phase in PHASES {
            let _ = in_state(phase)
                .id("client", "1")
                .when(command.clone())
                .then_refused(codes::VALIDATION)
                .then_details("no client");
        }
    }
}

#[test]
fn a_client_prepares_and_fulfils() {
    let _ = none().id("client", "1").when(prepare()).then_events([accepted()]);
    let _ = in_state(Phase::Reserved)
        .id("client", "1")
        .when(fulfil(FULFILMENT))
        .then_events([fulfil_accepted()]);
}

#[test]
fn a_body_that_cannot_be_read_is_refused_with_the_field_named() {
    let unknown = format!(
        r#"{{"payer":"a","payee":"b","amount":"1","currency":"USD","expiration":"{EXPIRATION}","condition":"{CONDITION}","note":""}}"#
    );
    for (kind, body, field) in [
        ("PrepareTransfer", "{}", "payer"),
        ("PrepareTransfer", r#"{"payer":"a","payee":"b","amount":1}"#, "amount"),
        ("PrepareTransfer", &unknown, "note"),
        ("FulfilTransfer", "{}", "fulfilment"),
        ("FulfilTransfer", r#"{"fulfilment":null}"#, "fulfilment"),
        ("RejectTransfer", r#"{"code":"4200"}"#, "reason"),
    ] {
        let _ = none().when_body(kind, body).then_refused("malformed").then_details(field);
    }
}
