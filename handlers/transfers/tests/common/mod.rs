//! Messages as the tests of transfers write them.

#![allow(clippy::unwrap_used, clippy::expect_used, dead_code, unreachable_pub)]

use scheme::directory::{ListedAccount, ListedParticipant};
use scheme::transfer_events::{
    Answer, InvalidTransfer, TransferAborted, TransferFulfilAccepted, TransferFulfilInvalid,
    TransferFulfilled, TransferPrepareAccepted, TransferPrepared, TransferRejected,
    TransferReleased, TransferTimedOut,
};
use scheme::{
    Amount, Condition, ContentHash, ContentHasher, Currency, FspId, Fulfilment, Timestamp,
};
use transfers::messages::{AbortTransfer, FulfilTransfer, PrepareTransfer};
use transfers::parties::{ACCOUNTS, PARTICIPANTS};
use transfers::{Phase, Transfer};
use zamu_guest::testing::Scenario;

pub const FULFILMENT: &str = "XoSz1cL0tljJSCp_VtIYmPNw-zFUgGfbUqf69AagUzY";
pub const CONDITION: &str = "HOr22-H3AfTDHrSkPjJtVPRdKouuMkDXTR4ejlQa8Ks";
pub const EXPIRATION: &str = "2026-11-23T09:12:37.000Z";
pub const ENDED: &str = "the offer ended at 2026-11-23T09:12:37.000Z";
/// Fingerprint of [`prepare`].
pub const CONTENT: &str = "Tw5OLZFV_EwM10QaErETXw";

pub fn payer() -> FspId {
    "simfsp01".parse().unwrap()
}

pub fn payee() -> FspId {
    "simfsp02".parse().unwrap()
}

pub fn amount() -> Amount {
    "1.11".parse().unwrap()
}

pub fn currency() -> Currency {
    "USD".parse().unwrap()
}

pub fn expiration() -> Timestamp {
    EXPIRATION.parse().unwrap()
}

pub fn condition() -> Condition {
    CONDITION.parse().unwrap()
}

pub fn fulfilment() -> Fulfilment {
    FULFILMENT.parse().unwrap()
}

pub fn content() -> ContentHash {
    CONTENT.parse().unwrap()
}

/// The participant is active from now on, and has an open account in USD.
pub fn listed(scenario: Scenario<Transfer>, participant: &str) -> Scenario<Transfer> {
    let account = ListedAccount { currency: currency(), open: true };
    scenario
        .given_reference(&PARTICIPANTS, participant, &ListedParticipant { active: true })
        .given_reference(&ACCOUNTS, format!("{participant}/USD"), &account)
}

pub fn prepare() -> PrepareTransfer {
    PrepareTransfer {
        payer: "simfsp01".to_owned(),
        payee: "simfsp02".to_owned(),
        amount: "1.11".to_owned(),
        currency: "USD".to_owned(),
        expiration: EXPIRATION.to_owned(),
        condition: CONDITION.to_owned(),
    }
}

pub fn accepted() -> TransferPrepareAccepted {
    TransferPrepareAccepted {
        payer: payer(),
        payee: payee(),
        amount: amount(),
        currency: currency(),
        expiration: expiration(),
        condition: condition(),
        content: content(),
    }
}

pub fn invalid(reason: &str, content: ContentHash) -> InvalidTransfer {
    InvalidTransfer {
        payer: Some(payer()),
        code: "3100".to_owned(),
        reason: reason.to_owned(),
        content,
    }
}

pub fn prepared() -> TransferPrepared {
    TransferPrepared {
        payer: payer(),
        payee: payee(),
        amount: amount(),
        currency: currency(),
        expiration: expiration(),
        condition: condition(),
    }
}

pub fn rejected() -> TransferRejected {
    TransferRejected {
        payer: payer(),
        payee: payee(),
        amount: amount(),
        currency: currency(),
        state: Phase::AbortedRejected,
        code: "4200".to_owned(),
        reason: "too much".to_owned(),
    }
}

/// What a rejection is when the offer had ended before.
pub fn expired_prepared() -> TransferRejected {
    TransferRejected {
        state: Phase::ExpiredPrepared,
        code: "3303".to_owned(),
        reason: ENDED.to_owned(),
        ..rejected()
    }
}

pub fn fulfil(fulfilment: &str) -> FulfilTransfer {
    fulfil_by("simfsp02", fulfilment)
}

pub fn fulfil_by(fsp: &str, fulfilment: &str) -> FulfilTransfer {
    FulfilTransfer { fsp: fsp.parse().unwrap(), fulfilment: fulfilment.to_owned() }
}

pub fn abort() -> AbortTransfer {
    abort_by("simfsp02", "5104", "no such customer")
}

pub fn abort_by(fsp: &str, code: &str, reason: &str) -> AbortTransfer {
    AbortTransfer {
        fsp: fsp.parse().unwrap(),
        code: code.parse().unwrap(),
        reason: reason.to_owned(),
    }
}

/// The fingerprint of an answer: its name and its fields.
pub fn answer(fsp: &str, fields: &[&str]) -> Answer {
    let hasher = ContentHasher::default();
    let content = fields.iter().fold(hasher, |hasher, field| hasher.field(field)).finish();
    Answer { fsp: fsp.parse().unwrap(), content }
}

pub fn fulfil_accepted() -> TransferFulfilAccepted {
    TransferFulfilAccepted {
        payer: payer(),
        payee: payee(),
        amount: amount(),
        currency: currency(),
        fulfilment: fulfilment(),
    }
}

/// What becomes of the payee's answer, if that is no fulfilment.
pub fn fulfil_invalid(reason: &str, fulfilment: &str) -> TransferFulfilInvalid {
    TransferFulfilInvalid {
        payer: payer(),
        payee: payee(),
        amount: amount(),
        currency: currency(),
        code: "3100".to_owned(),
        reason: reason.to_owned(),
        answer: Some(answer("simfsp02", &["fulfil", fulfilment])),
    }
}

pub fn aborted() -> TransferAborted {
    TransferAborted {
        payer: payer(),
        payee: payee(),
        amount: amount(),
        currency: currency(),
        code: "5104".to_owned(),
        reason: "no such customer".to_owned(),
        answer: answer("simfsp02", &["abort", "5104", "no such customer"]),
    }
}

pub fn timed_out(state: Phase) -> TransferTimedOut {
    TransferTimedOut {
        payer: payer(),
        payee: payee(),
        amount: amount(),
        currency: currency(),
        state,
        code: "3303".to_owned(),
        reason: ENDED.to_owned(),
    }
}

pub fn fulfilled() -> TransferFulfilled {
    TransferFulfilled {
        payer: payer(),
        payee: payee(),
        amount: amount(),
        currency: currency(),
        fulfilment: fulfilment(),
    }
}

pub fn released(code: &str, reason: &str) -> TransferReleased {
    TransferReleased {
        payer: payer(),
        payee: payee(),
        amount: amount(),
        currency: currency(),
        state: Phase::AbortedError,
        code: code.to_owned(),
        reason: reason.to_owned(),
        unannounced: false,
    }
}

pub fn expired_reserved(unannounced: bool) -> TransferReleased {
    TransferReleased { state: Phase::ExpiredReserved, unannounced, ..released("3303", ENDED) }
}

/// What a client is told of a transfer that failed.
#[derive(serde::Serialize)]
pub struct Failed<'a> {
    pub state: &'a str,
    pub code: &'a str,
    pub reason: &'a str,
}
