//! The bytes of messages and states, frozen: the log keeps them for ever.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{
    accepted, amount, condition, content, currency, expiration, fulfil, fulfil_accepted,
    fulfil_invalid, fulfilled, fulfilment, invalid, payee, payer, prepare, prepared, rejected,
    released,
};
use transfers::messages::{
    AckPayeeFundsCommitted, AckPayerFundsReserved, AckPayerFundsReversed, Command, Event,
    InvalidTransfer, RejectTransfer,
};
use transfers::{Failure, Phase, State, Terms, TransferState};
use zamu_guest::Messages;

fn frozen<M: Messages>(golden: &[(M, &str, &str)]) {
    for kind in M::KINDS {
        assert!(golden.iter().any(|(_, name, _)| *name == kind.name), "{} has no bytes", kind.name);
    }
    for (message, kind, body) in golden {
        let mut written = Vec::new();
        message.encode(&mut written).unwrap();
        assert_eq!(String::from_utf8(written).unwrap(), *body);
        assert_eq!(M::KINDS[message.kind()].name, *kind);
        assert_eq!(M::KINDS[message.kind()].schema, "1");
        assert_eq!(M::decode(message.kind(), body.as_bytes()).unwrap(), *message);
    }
}

#[test]
fn commands_keep_their_bytes() {
    let (code, reason) = ("4200".to_owned(), "too much".to_owned());
    frozen::<Command>(&[
        (
            prepare().into(),
            "PrepareTransfer",
            r#"{"payer":"simfsp01","payee":"simfsp02","amount":"1.11","currency":"USD","expiration":"2026-11-23T09:12:37.000Z","condition":"HOr22-H3AfTDHrSkPjJtVPRdKouuMkDXTR4ejlQa8Ks"}"#,
        ),
        (AckPayerFundsReserved {}.into(), "AckPayerFundsReserved", "{}"),
        (
            RejectTransfer { code, reason }.into(),
            "RejectTransfer",
            r#"{"code":"4200","reason":"too much"}"#,
        ),
        (
            fulfil(common::FULFILMENT).into(),
            "FulfilTransfer",
            r#"{"fulfilment":"XoSz1cL0tljJSCp_VtIYmPNw-zFUgGfbUqf69AagUzY"}"#,
        ),
        (AckPayeeFundsCommitted {}.into(), "AckPayeeFundsCommitted", "{}"),
        (AckPayerFundsReversed {}.into(), "AckPayerFundsReversed", "{}"),
    ]);
}

#[test]
fn events_keep_their_bytes() {
    frozen::<Event>(&[
        (
            accepted().into(),
            "TransferPrepareAccepted",
            r#"{"payer":"simfsp01","payee":"simfsp02","amount":"1.11","currency":"USD","expiration":"2026-11-23T09:12:37.000Z","condition":"HOr22-H3AfTDHrSkPjJtVPRdKouuMkDXTR4ejlQa8Ks","content":"Tw5OLZFV_EwM10QaErETXw"}"#,
        ),
        (
            invalid("amount: more than nothing", content()).into(),
            "InvalidTransfer",
            r#"{"payer":"simfsp01","code":"3100","reason":"amount: more than nothing","content":"Tw5OLZFV_EwM10QaErETXw"}"#,
        ),
        (
            InvalidTransfer { payer: None, ..invalid("no", content()) }.into(),
            "InvalidTransfer",
            r#"{"code":"3100","reason":"no","content":"Tw5OLZFV_EwM10QaErETXw"}"#,
        ),
        (
            prepared().into(),
            "TransferPrepared",
            r#"{"payer":"simfsp01","payee":"simfsp02","amount":"1.11","currency":"USD","expiration":"2026-11-23T09:12:37.000Z","condition":"HOr22-H3AfTDHrSkPjJtVPRdKouuMkDXTR4ejlQa8Ks"}"#,
        ),
        (
            rejected().into(),
            "TransferRejected",
            r#"{"payer":"simfsp01","payee":"simfsp02","amount":"1.11","currency":"USD","code":"4200","reason":"too much"}"#,
        ),
        (
            fulfil_accepted().into(),
            "TransferFulfilAccepted",
            r#"{"payer":"simfsp01","payee":"simfsp02","amount":"1.11","currency":"USD","fulfilment":"XoSz1cL0tljJSCp_VtIYmPNw-zFUgGfbUqf69AagUzY"}"#,
        ),
        (
            fulfil_invalid("no").into(),
            "TransferFulfilInvalid",
            r#"{"payer":"simfsp01","payee":"simfsp02","amount":"1.11","currency":"USD","code":"3100","reason":"no"}"#,
        ),
        (
            fulfilled().into(),
            "TransferFulfilled",
            r#"{"payer":"simfsp01","payee":"simfsp02","amount":"1.11","currency":"USD","fulfilment":"XoSz1cL0tljJSCp_VtIYmPNw-zFUgGfbUqf69AagUzY"}"#,
        ),
        (
            released("no").into(),
            "TransferReleased",
            r#"{"payer":"simfsp01","payee":"simfsp02","amount":"1.11","currency":"USD","state":"ABORTED_ERROR","code":"3100","reason":"no"}"#,
        ),
    ]);
}

#[test]
fn a_state_keeps_its_bytes() {
    let terms = Terms {
        payer: payer(),
        payee: payee(),
        amount: amount(),
        currency: currency(),
        expiration: expiration(),
        condition: condition(),
    };
    let reserved = TransferState {
        state: Phase::Reserved,
        content: content(),
        terms: Some(terms),
        fulfilment: None,
        failure: None,
    };
    let committed = TransferState {
        state: Phase::Committed,
        fulfilment: Some(fulfilment()),
        ..reserved.clone()
    };
    let invalid = TransferState {
        state: Phase::Invalid,
        content: content(),
        terms: None,
        fulfilment: None,
        failure: Some(Failure { code: "3100".to_owned(), reason: "no".to_owned() }),
    };
    let terms = r#""terms":{"payer":"simfsp01","payee":"simfsp02","amount":"1.11","currency":"USD","expiration":"2026-11-23T09:12:37.000Z","condition":"HOr22-H3AfTDHrSkPjJtVPRdKouuMkDXTR4ejlQa8Ks"}"#;
    let hash = r#""content":"Tw5OLZFV_EwM10QaErETXw""#;
    for (transfer, json) in [
        (Some(reserved), format!(r#"{{"state":"RESERVED",{hash},{terms}}}"#)),
        (
            Some(committed),
            format!(
                r#"{{"state":"COMMITTED",{hash},{terms},"fulfilment":"XoSz1cL0tljJSCp_VtIYmPNw-zFUgGfbUqf69AagUzY"}}"#
            ),
        ),
        (
            Some(invalid),
            format!(r#"{{"state":"INVALID",{hash},"failure":{{"code":"3100","reason":"no"}}}}"#),
        ),
        (None, "null".to_owned()),
    ] {
        let state = State(transfer);
        assert_eq!(serde_json::to_string(&state).unwrap(), json);
        assert_eq!(serde_json::from_str::<State>(&json).unwrap(), state);
    }
}

#[test]
fn a_phase_has_one_name() {
    for (phase, name) in [
        (Phase::ReceivedPrepare, "RECEIVED_PREPARE"),
        (Phase::Reserved, "RESERVED"),
        (Phase::ReceivedFulfil, "RECEIVED_FULFIL"),
        (Phase::Committed, "COMMITTED"),
        (Phase::ReceivedError, "RECEIVED_ERROR"),
        (Phase::AbortedError, "ABORTED_ERROR"),
        (Phase::AbortedRejected, "ABORTED_REJECTED"),
        (Phase::Invalid, "INVALID"),
    ] {
        assert_eq!(phase.as_str(), name);
        assert_eq!(serde_json::to_string(&phase).unwrap(), format!("\"{name}\""));
    }
}
