//! The payee's answer, and those of others.

use scheme::codes;
use scheme::transfer_events::TransferFulfilInvalid;
use transfers::Phase;
use transfers::messages::{AckPayerFundsReversed, Command};

use crate::common::{
    CONDITION, FULFILMENT, Failed, abort, abort_by, aborted, answer, fulfil, fulfil_by,
    fulfil_invalid, released,
};
use crate::phases::{Then as _, WRONG, ZEROES, in_state, none, then_committed, then_reply_is};

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
