//! Messages as the tests of transfers write them.

#![allow(clippy::unwrap_used, clippy::expect_used, dead_code, unreachable_pub)]

use scheme::transfer_events::{
    TransferFulfilAccepted, TransferFulfilInvalid, TransferPrepareAccepted,
};
use scheme::{Amount, Condition, ContentHash, Currency, FspId, Fulfilment, Timestamp};
use transfers::Phase;
use transfers::messages::{
    FulfilTransfer, InvalidTransfer, PrepareTransfer, TransferFulfilled, TransferPrepared,
    TransferRejected, TransferReleased,
};

pub const FULFILMENT: &str = "XoSz1cL0tljJSCp_VtIYmPNw-zFUgGfbUqf69AagUzY";
pub const CONDITION: &str = "HOr22-H3AfTDHrSkPjJtVPRdKouuMkDXTR4ejlQa8Ks";
pub const EXPIRATION: &str = "2026-11-23T09:12:37.000Z";
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
        code: "4200".to_owned(),
        reason: "too much".to_owned(),
    }
}

pub fn fulfil(fulfilment: &str) -> FulfilTransfer {
    FulfilTransfer { fulfilment: fulfilment.to_owned() }
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

pub fn fulfil_invalid(reason: &str) -> TransferFulfilInvalid {
    TransferFulfilInvalid {
        payer: payer(),
        payee: payee(),
        amount: amount(),
        currency: currency(),
        code: "3100".to_owned(),
        reason: reason.to_owned(),
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

pub fn released(reason: &str) -> TransferReleased {
    TransferReleased {
        payer: payer(),
        payee: payee(),
        amount: amount(),
        currency: currency(),
        state: Phase::AbortedError,
        code: "3100".to_owned(),
        reason: reason.to_owned(),
    }
}
