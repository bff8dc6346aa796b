//! The bytes of messages and states, frozen: the log keeps them for ever.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{
    abort, aborted, accepted, amount, answer, condition, content, currency, expiration,
    expired_reserved, fulfil, fulfil_accepted, fulfil_invalid, fulfilled, fulfilment, invalid,
    payee, payer, prepare, prepared, rejected, released, timed_out,
};
use scheme::transfer_events::{InvalidTransfer, TransferFulfilInvalid};
use transfers::messages::{
    AckPayeeFundsCommitted, AckPayerFundsReserved, AckPayerFundsReversed, Command, Event,
    RejectTransfer,
};
use transfers::{Failure, Phase, State, Terms, TransferState};
use zamu_guest::testing::{frozen, frozen_protobuf, frozen_protobuf_states, frozen_states};
use zamu_guest::{Codec, Messages};

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
            r#"{"fsp":"simfsp02","fulfilment":"XoSz1cL0tljJSCp_VtIYmPNw-zFUgGfbUqf69AagUzY"}"#,
        ),
        (
            abort().into(),
            "AbortTransfer",
            r#"{"fsp":"simfsp02","code":"5104","reason":"no such customer"}"#,
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
            r#"{"payer":"simfsp01","payee":"simfsp02","amount":"1.11","currency":"USD","state":"ABORTED_REJECTED","code":"4200","reason":"too much"}"#,
        ),
        (
            fulfil_accepted().into(),
            "TransferFulfilAccepted",
            r#"{"payer":"simfsp01","payee":"simfsp02","amount":"1.11","currency":"USD","fulfilment":"XoSz1cL0tljJSCp_VtIYmPNw-zFUgGfbUqf69AagUzY"}"#,
        ),
        (
            fulfil_invalid("no", "A").into(),
            "TransferFulfilInvalid",
            r#"{"payer":"simfsp01","payee":"simfsp02","amount":"1.11","currency":"USD","code":"3100","reason":"no","answer":{"fsp":"simfsp02","content":"k1wLI6iDvxgH45sKe31lDQ"}}"#,
        ),
        (
            TransferFulfilInvalid { answer: None, ..fulfil_invalid("no", "A") }.into(),
            "TransferFulfilInvalid",
            r#"{"payer":"simfsp01","payee":"simfsp02","amount":"1.11","currency":"USD","code":"3100","reason":"no"}"#,
        ),
        (
            aborted().into(),
            "TransferAborted",
            r#"{"payer":"simfsp01","payee":"simfsp02","amount":"1.11","currency":"USD","code":"5104","reason":"no such customer","answer":{"fsp":"simfsp02","content":"CTikaYr__2pFTpTYHNwflA"}}"#,
        ),
        (
            timed_out(Phase::PrepareTimeout).into(),
            "TransferTimedOut",
            r#"{"payer":"simfsp01","payee":"simfsp02","amount":"1.11","currency":"USD","state":"PREPARE_TIMEOUT","code":"3303","reason":"the offer ended at 2026-11-23T09:12:37.000Z"}"#,
        ),
        (
            fulfilled().into(),
            "TransferFulfilled",
            r#"{"payer":"simfsp01","payee":"simfsp02","amount":"1.11","currency":"USD","fulfilment":"XoSz1cL0tljJSCp_VtIYmPNw-zFUgGfbUqf69AagUzY"}"#,
        ),
        (
            released("3100", "no").into(),
            "TransferReleased",
            r#"{"payer":"simfsp01","payee":"simfsp02","amount":"1.11","currency":"USD","state":"ABORTED_ERROR","code":"3100","reason":"no"}"#,
        ),
        (
            expired_reserved(true).into(),
            "TransferReleased",
            r#"{"payer":"simfsp01","payee":"simfsp02","amount":"1.11","currency":"USD","state":"EXPIRED_RESERVED","code":"3303","reason":"the offer ended at 2026-11-23T09:12:37.000Z","unannounced":true}"#,
        ),
    ]);
}

#[test]
fn commands_keep_their_bytes_in_protobuf() {
    let (code, reason) = ("4200".to_owned(), "too much".to_owned());
    frozen_protobuf::<Command>(&[
        (AckPayerFundsReserved {}.into(), "AckPayerFundsReserved", ""),
        (
            RejectTransfer { code, reason }.into(),
            "RejectTransfer",
            "0a04343230301208746f6f206d756368",
        ),
        (AckPayeeFundsCommitted {}.into(), "AckPayeeFundsCommitted", ""),
        (AckPayerFundsReversed {}.into(), "AckPayerFundsReversed", ""),
    ]);
}

#[test]
fn events_keep_their_bytes_in_protobuf() {
    frozen_protobuf::<Event>(&[
        (
            accepted().into(),
            "TransferPrepareAccepted",
            "0a0873696d6673703031120873696d66737030321a022b5c22035553442888ffb6bda03432201ceaf6dbe1f701f4c31eb4a43e326d54f45d2a8bae3240d74d1e1e8e541af0ab3a104f0e4e2d9155fc4c0cd7441a12b1135f",
        ),
        (
            fulfil_accepted().into(),
            "TransferFulfilAccepted",
            "0a0873696d6673703031120873696d66737030321a022b5c22035553442a205e84b3d5c2f4b658c9482a7f56d21898f370fb31548067db52a7faf406a05336",
        ),
        (
            fulfil_invalid("no", "A").into(),
            "TransferFulfilInvalid",
            "0a0873696d6673703031120873696d66737030321a022b5c22035553442a043331303032026e6f3a1c0a0873696d66737030321210935c0b23a883bf1807e39b0a7b7d650d",
        ),
        (
            TransferFulfilInvalid { answer: None, ..fulfil_invalid("no", "A") }.into(),
            "TransferFulfilInvalid",
            "0a0873696d6673703031120873696d66737030321a022b5c22035553442a043331303032026e6f",
        ),
        (
            aborted().into(),
            "TransferAborted",
            "0a0873696d6673703031120873696d66737030321a022b5c22035553442a043531303432106e6f207375636820637573746f6d65723a1c0a0873696d667370303212100938a4698affff6a454e94d81cdc1f94",
        ),
        (
            timed_out(Phase::PrepareTimeout).into(),
            "TransferTimedOut",
            "0a0873696d6673703031120873696d66737030321a022b5c220355534428023204333330333a2b746865206f6666657220656e64656420617420323032362d31312d32335430393a31323a33372e3030305a",
        ),
    ]);
}

/// Participants are told by these, and read JSON.
#[test]
fn what_leaves_the_switch_has_no_other_form() {
    for kind in Event::KINDS {
        let is_told = [
            "InvalidTransfer",
            "TransferPrepared",
            "TransferRejected",
            "TransferFulfilled",
            "TransferReleased",
        ]
        .contains(&kind.name);
        assert_eq!(kind.has_protobuf, !is_told, "{kind:?}");
    }
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
        answer: None,
        failure: None,
        unannounced: false,
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
        answer: None,
        failure: Some(Failure { code: "3100".to_owned(), reason: "no".to_owned() }),
        unannounced: false,
    };
    let released = TransferState {
        state: Phase::AbortedError,
        answer: Some(answer("simfsp02", &["fulfil", "A"])),
        failure: invalid.failure.clone(),
        unannounced: true,
        ..reserved.clone()
    };
    let terms = r#""terms":{"payer":"simfsp01","payee":"simfsp02","amount":"1.11","currency":"USD","expiration":"2026-11-23T09:12:37.000Z","condition":"HOr22-H3AfTDHrSkPjJtVPRdKouuMkDXTR4ejlQa8Ks"}"#;
    let hash = r#""content":"Tw5OLZFV_EwM10QaErETXw""#;
    for (transfer, bytes) in [
        (
            Some(reserved.clone()),
            "080312104f0e4e2d9155fc4c0cd7441a12b1135f1a460a0873696d6673703031120873696d66737030321a022b5c22035553442888ffb6bda03432201ceaf6dbe1f701f4c31eb4a43e326d54f45d2a8bae3240d74d1e1e8e541af0ab",
        ),
        (
            Some(committed.clone()),
            "080612104f0e4e2d9155fc4c0cd7441a12b1135f1a460a0873696d6673703031120873696d66737030321a022b5c22035553442888ffb6bda03432201ceaf6dbe1f701f4c31eb4a43e326d54f45d2a8bae3240d74d1e1e8e541af0ab22205e84b3d5c2f4b658c9482a7f56d21898f370fb31548067db52a7faf406a05336",
        ),
        (Some(invalid.clone()), "080c12104f0e4e2d9155fc4c0cd7441a12b1135f320a0a043331303012026e6f"),
        (
            Some(released.clone()),
            "080812104f0e4e2d9155fc4c0cd7441a12b1135f1a460a0873696d6673703031120873696d66737030321a022b5c22035553442888ffb6bda03432201ceaf6dbe1f701f4c31eb4a43e326d54f45d2a8bae3240d74d1e1e8e541af0ab2a1c0a0873696d66737030321210935c0b23a883bf1807e39b0a7b7d650d320a0a043331303012026e6f3801",
        ),
        (None, ""),
    ] {
        frozen_protobuf_states(&[(State(transfer), bytes)]);
    }
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
        (
            Some(released),
            format!(
                r#"{{"state":"ABORTED_ERROR",{hash},{terms},"answer":{{"fsp":"simfsp02","content":"k1wLI6iDvxgH45sKe31lDQ"}},"failure":{{"code":"3100","reason":"no"}},"unannounced":true}}"#
            ),
        ),
        (None, "null".to_owned()),
    ] {
        frozen_states(&[(State(transfer), &json)]);
    }
}

/// As it was written before a rejection could be another.
#[test]
fn a_rejection_without_a_state_is_read_as_it_was_meant() {
    let body = r#"{"payer":"simfsp01","payee":"simfsp02","amount":"1.11","currency":"USD","code":"4200","reason":"too much"}"#;
    let kind = Event::from(rejected()).kind();
    assert_eq!(Event::decode(kind, Codec::Json, body.as_bytes()).unwrap(), rejected().into());
}
