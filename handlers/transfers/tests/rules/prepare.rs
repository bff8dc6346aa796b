//! What may be prepared, and what becomes of a second prepare.

use scheme::codes;
use scheme::transfer_events::InvalidTransfer;
use serde_json::json;
use transfers::Phase;
use transfers::messages::PrepareTransfer;
use zamu_guest::Time;

use crate::common::{CONDITION, ENDED, Failed, accepted, expiration, invalid, payer, prepare};
use crate::phases::{
    Then as _, WRONG, ZEROES, content, in_state, none, then_committed, then_reply_is,
};

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
