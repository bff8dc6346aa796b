//! The rules of transfers, one table or story each.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{
    CONDITION, ENDED, EXPIRATION, FULFILMENT, Failed, abort, abort_by, aborted, accepted, answer,
    expiration, expired_prepared, expired_reserved, fulfil, fulfil_accepted, fulfil_by,
    fulfil_invalid, fulfilled, invalid, listed, payer, prepare, prepared, rejected, released,
    timed_out,
};
use scheme::transfer_events::{InvalidTransfer, TransferFulfilInvalid};
use scheme::{ContentHasher, codes};
use serde_json::json;
use transfers::messages::{
    AckPayeeFundsCommitted, AckPayerFundsReserved, AckPayerFundsReversed, Command, Event,
    PrepareTransfer, RejectTransfer,
};
use transfers::{Phase, Transfer};
use zamu_guest::Time;
use zamu_guest::testing::Scenario;

const WRONG: &str = "fulfilment: not the preimage of the condition";
const ZEROES: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// No transfer yet; payer and payee could both be paid.
fn none() -> Scenario<Transfer> {
    let listed = listed(listed(Scenario::new(), "simfsp01"), "simfsp02");
    listed.key("T1").id("zamu", "first")
}

fn reject() -> RejectTransfer {
    RejectTransfer { code: "4200".to_owned(), reason: "too much".to_owned() }
}

/// A transfer in each state, by the events that lead there.
fn in_state(phase: Phase) -> Scenario<Transfer> {
    let past: Vec<Event> = match phase {
        Phase::ReceivedPrepare => vec![accepted().into()],
        Phase::PrepareTimeout => vec![accepted().into(), timed_out(phase).into()],
        Phase::ExpiredPrepared => vec![
            accepted().into(),
            timed_out(Phase::PrepareTimeout).into(),
            expired_prepared().into(),
        ],
        Phase::Reserved => vec![accepted().into(), prepared().into()],
        Phase::ReservedTimeout => {
            vec![accepted().into(), prepared().into(), timed_out(phase).into()]
        }
        Phase::ExpiredReserved => vec![
            accepted().into(),
            prepared().into(),
            timed_out(Phase::ReservedTimeout).into(),
            expired_reserved(false).into(),
        ],
        Phase::ReceivedFulfil => {
            vec![accepted().into(), prepared().into(), fulfil_accepted().into()]
        }
        Phase::Committed => {
            vec![accepted().into(), prepared().into(), fulfil_accepted().into(), fulfilled().into()]
        }
        Phase::ReceivedError => {
            vec![accepted().into(), prepared().into(), fulfil_invalid(WRONG, ZEROES).into()]
        }
        Phase::AbortedError => vec![
            accepted().into(),
            prepared().into(),
            fulfil_invalid(WRONG, ZEROES).into(),
            released("3100", WRONG).into(),
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
            .then_events([fulfil_invalid(&reason, &text)])
            .then_phase(Phase::ReceivedError);
        let state = then_reply_is(state, "RECEIVED_ERROR", &reason);
        let _ = state
            .when(AckPayerFundsReversed {})
            .then_events([released("3100", &reason)])
            .then_phase(Phase::AbortedError);
    }
}

#[track_caller]
fn then_committed(scenario: Scenario<Transfer>) -> Scenario<Transfer> {
    #[derive(serde::Serialize)]
    struct Committed {
        state: &'static str,
        fulfilment: &'static str,
    }
    scenario.then_reply(&Committed { state: "COMMITTED", fulfilment: FULFILMENT })
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
    for phase in Phase::ALL {
        let again = in_state(phase).when(prepare()).then_nothing();
        let _ = match phase {
            Phase::Committed => then_committed(again),
            Phase::AbortedError => then_reply_is(again, "ABORTED_ERROR", WRONG),
            Phase::Invalid => then_reply_is(again, "INVALID", "amount: more than nothing"),
            Phase::AbortedRejected => again.then_reply(&Failed {
                state: "ABORTED_REJECTED",
                code: "4200",
                reason: "too much",
            }),
            Phase::ExpiredPrepared | Phase::ExpiredReserved => {
                again.then_reply(&Failed { state: phase.as_str(), code: "3303", reason: ENDED })
            }
            Phase::ReceivedPrepare
            | Phase::PrepareTimeout
            | Phase::Reserved
            | Phase::ReservedTimeout
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
    for phase in Phase::ALL {
        for change in changes {
            let mut asked = prepare();
            change(&mut asked);
            let _ =
                in_state(phase).when(asked).then_refused(codes::MODIFIED_REQUEST).then_phase(phase);
        }
    }
}

/// Golden scenarios 36 and 38, and all others of their kind: the table of what each state takes from
/// accounts. What it does not take is refused with both states named, and changes nothing.
#[test]
fn each_state_takes_what_it_waits_for_from_accounts_and_nothing_else() {
    let commands: [(Command, &[Phase]); 4] = [
        (AckPayerFundsReserved {}.into(), &[Phase::ReceivedPrepare, Phase::PrepareTimeout]),
        (reject().into(), &[Phase::ReceivedPrepare, Phase::PrepareTimeout]),
        (AckPayeeFundsCommitted {}.into(), &[Phase::ReceivedFulfil]),
        (AckPayerFundsReversed {}.into(), &[Phase::ReceivedError, Phase::ReservedTimeout]),
    ];
    for (command, awaited) in commands {
        let _ = none()
            .when(command.clone())
            .then_refused(codes::TRANSFER_NOT_FOUND)
            .then_state(|state| assert_eq!(state.0, None));
        for phase in Phase::ALL.into_iter().filter(|phase| !awaited.contains(phase)) {
            let (seen, name) = (phase.as_str(), awaited[0].as_str());
            let _ = in_state(phase)
                .when(command.clone())
                .then_refused(codes::VALIDATION)
                .then_details(&format!("the transfer is {seen}, not {name}"))
                .then_phase(phase);
        }
    }
}

/// Golden scenarios 29, 30 and 47: what each state makes of each answer, in time.
#[test]
fn each_state_has_its_word_for_each_answer() {
    let (modified, wrong) = (codes::MODIFIED_REQUEST, codes::VALIDATION);
    let rows: [(Command, &str, &str); 8] = [
        (fulfil(FULFILMENT).into(), "nothing", modified),
        (fulfil(ZEROES).into(), modified, "nothing"),
        (fulfil("A").into(), modified, modified),
        (fulfil("").into(), modified, modified),
        (abort().into(), modified, modified),
        (fulfil_by("simfsp03", FULFILMENT).into(), wrong, wrong),
        (fulfil_by("simfsp01", ZEROES).into(), wrong, wrong),
        (abort_by("simfsp03", "5104", "").into(), wrong, wrong),
    ];
    for (command, fulfilled, failed) in rows {
        let _ = none()
            .when(command.clone())
            .then_refused(codes::TRANSFER_NOT_FOUND)
            .then_state(|state| assert_eq!(state.0, None));
        for phase in Phase::ALL.into_iter().filter(|phase| *phase != Phase::Reserved) {
            let word = match phase {
                Phase::ReceivedFulfil | Phase::Committed => fulfilled,
                // The state that the kit is brought to is that of a wrong fulfilment.
                Phase::ReceivedError | Phase::AbortedError => failed,
                _ if phase.is_over_time() => codes::TRANSFER_EXPIRED,
                _ => wrong,
            };
            let asked = in_state(phase).when(command.clone());
            let _ = match word {
                "nothing" if phase == Phase::Committed => then_committed(asked.then_nothing()),
                "nothing" if phase == Phase::AbortedError => {
                    then_reply_is(asked.then_nothing(), "ABORTED_ERROR", WRONG)
                }
                "nothing" => asked.then_nothing(),
                code => asked.then_refused(code),
            }
            .then_phase(phase);
        }
    }
}

/// Golden scenario 42: the payer's funds are released, and the payee can do nothing about it.
#[test]
fn an_answer_from_anyone_but_the_payee_leads_to_release() {
    let reason = |fsp: &str| format!("fsp: {fsp} is not the payee");
    let rows: [(Command, &str, &[&str]); 3] = [
        (fulfil_by("simfsp03", FULFILMENT).into(), "simfsp03", &["fulfil", FULFILMENT]),
        (fulfil_by("simfsp01", ZEROES).into(), "simfsp01", &["fulfil", ZEROES]),
        (abort_by("simfsp03", "5104", "no").into(), "simfsp03", &["abort", "5104", "no"]),
    ];
    for (command, fsp, fields) in rows {
        let reason = reason(fsp);
        let event = TransferFulfilInvalid {
            answer: Some(answer(fsp, fields)),
            ..fulfil_invalid(&reason, "")
        };
        let asked = in_state(Phase::Reserved).when(command.clone()).then_events([event]);
        let _ = then_reply_is(asked, "RECEIVED_ERROR", &reason)
            .when(command)
            .then_nothing()
            .when(fulfil_by(fsp, "A"))
            .then_refused(codes::MODIFIED_REQUEST)
            .when(fulfil(FULFILMENT))
            .then_refused(codes::VALIDATION)
            .when(AckPayerFundsReversed {})
            .then_events([released("3100", &reason)])
            .when(fulfil(FULFILMENT))
            .then_refused(codes::VALIDATION)
            .then_phase(Phase::AbortedError);
    }
}

/// Golden scenario 43.
#[test]
fn the_payee_aborts_with_a_code_and_the_payers_funds_are_released() {
    let asked = in_state(Phase::Reserved)
        .when(abort())
        .then_events([aborted()])
        .then_phase(Phase::ReceivedError)
        .when(abort())
        .then_nothing()
        .when(abort_by("simfsp02", "5105", "no such customer"))
        .then_refused(codes::MODIFIED_REQUEST)
        .when(abort_by("simfsp02", "5104", "no such account"))
        .then_refused(codes::MODIFIED_REQUEST)
        .when(fulfil(FULFILMENT))
        .then_refused(codes::MODIFIED_REQUEST)
        .when(AckPayerFundsReversed {})
        .then_events([released("5104", "no such customer")])
        .then_phase(Phase::AbortedError);
    let _ = asked.when(abort()).then_nothing().then_reply(&Failed {
        state: "ABORTED_ERROR",
        code: "5104",
        reason: "no such customer",
    });
}

#[test]
fn an_abort_has_a_reason_of_128_characters_at_most() {
    let (most, more) = ("ä".repeat(128), "ä".repeat(129));
    let _ = in_state(Phase::Reserved)
        .when(abort_by("simfsp02", "5104", &more))
        .then_refused(codes::VALIDATION)
        .then_details("reason: ")
        .when(abort_by("simfsp02", "5104", &most))
        .then_phase(Phase::ReceivedError);
}

/// Golden scenario 46.
#[test]
fn an_offer_that_ends_without_an_answer_is_released() {
    let end = Time(expiration().ms());
    let _ = in_state(Phase::Reserved)
        .then_wake_at(Some(end))
        .when_woken_at(end)
        .then_events([timed_out(Phase::ReservedTimeout)])
        .then_wake_at(None)
        .when(AckPayerFundsReversed {})
        .then_events([expired_reserved(false)])
        .then_phase(Phase::ExpiredReserved);
}

/// Golden scenario 45, with a reservation under way: nothing is frozen, whatever comes of it.
#[test]
fn an_offer_that_ends_while_funds_are_being_reserved_waits_for_what_comes_of_it() {
    let end = Time(expiration().ms());
    let timeout = || {
        none()
            .when(prepare())
            .then_wake_at(Some(end))
            .when_woken_at(end.plus_ms(7))
            .then_events([timed_out(Phase::PrepareTimeout)])
            .then_phase(Phase::PrepareTimeout)
            .then_wake_at(None)
            .id("zamu", "next")
    };
    let _ = timeout()
        .when(AckPayerFundsReserved {})
        .then_events([timed_out(Phase::ReservedTimeout)])
        .then_phase(Phase::ReservedTimeout)
        .id("zamu", "last")
        .when(AckPayerFundsReversed {})
        .then_events([expired_reserved(true)])
        .then_phase(Phase::ExpiredReserved);
    let _ = timeout()
        .when(reject())
        .then_events([expired_prepared()])
        .then_phase(Phase::ExpiredPrepared);
}

#[test]
fn only_a_transfer_that_waits_for_the_payee_or_its_reservation_has_a_deadline() {
    let end = Some(Time(expiration().ms()));
    for phase in Phase::ALL {
        let waits = matches!(phase, Phase::ReceivedPrepare | Phase::Reserved);
        let _ = in_state(phase).then_wake_at(if waits { end } else { None });
    }
    let _ = none().then_wake_at(None);
}

/// Golden scenario 47, before the switch has noticed the end by itself.
#[test]
fn an_answer_in_time_counts_and_one_that_comes_later_is_refused_and_changes_nothing() {
    let end = Time(expiration().ms());
    let _ =
        in_state(Phase::Reserved).at(end).when(fulfil(FULFILMENT)).then_events([fulfil_accepted()]);
    let _ = in_state(Phase::Reserved).at(end).when(abort()).then_events([aborted()]);
    for command in [
        Command::from(fulfil(FULFILMENT)),
        fulfil(ZEROES).into(),
        abort().into(),
        fulfil_by("simfsp03", FULFILMENT).into(),
    ] {
        for phase in [Phase::ReceivedPrepare, Phase::Reserved] {
            let _ = in_state(phase)
                .at(end.plus_ms(1))
                .when(command.clone())
                .then_refused(codes::TRANSFER_EXPIRED)
                .then_details(ENDED)
                .then_phase(phase);
        }
    }
    // What was fulfilled in time is committed, however long that takes.
    let _ = in_state(Phase::ReceivedFulfil)
        .at(end.plus_ms(1))
        .when(fulfil(FULFILMENT))
        .then_nothing()
        .id("zamu", "next")
        .when(AckPayeeFundsCommitted {})
        .then_events([fulfilled()])
        .when(fulfil(FULFILMENT))
        .then_nothing()
        .then_phase(Phase::Committed);
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
        for phase in Phase::ALL {
            let _ = in_state(phase)
                .id("client", "1")
                .when(command.clone())
                .then_refused(codes::VALIDATION)
                .then_details("no client");
        }
    }
}

#[test]
fn a_client_prepares_fulfils_and_aborts() {
    let _ = in_state(Phase::Reserved).id("client", "1").when(abort()).then_events([aborted()]);
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
        ("FulfilTransfer", "{}", "fsp"),
        ("FulfilTransfer", r#"{"fsp":"sim/fsp","fulfilment":"x"}"#, "fsp"),
        ("FulfilTransfer", r#"{"fsp":"simfsp02","fulfilment":null}"#, "fulfilment"),
        ("AbortTransfer", r#"{"fsp":"simfsp02","code":"510","reason":""}"#, "code"),
        ("AbortTransfer", r#"{"fsp":"simfsp02","code":"5104"}"#, "reason"),
        ("AbortTransfer", r#"{"code":"5104","reason":""}"#, "fsp"),
        ("RejectTransfer", r#"{"code":"4200"}"#, "reason"),
    ] {
        let _ = none().when_body(kind, body).then_refused("malformed").then_details(field);
    }
}
