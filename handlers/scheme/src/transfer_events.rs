//! What can happen to a transfer: accounts react to it, participants are told of it, and the tables
//! show it. The transfer's id is the event's key.

use serde::{Deserialize, Serialize};

use crate::condition::{Condition, Fulfilment};
use crate::content::ContentHash;
use crate::currency::Currency;
use crate::money::Amount;
use crate::names::FspId;
use crate::phase::Phase;
use crate::timestamp::Timestamp;

/// A transfer was asked for and is well formed: the payer's funds are to be reserved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferPrepareAccepted {
    /// Who pays.
    pub payer: FspId,
    /// Who is paid.
    pub payee: FspId,
    /// How much; more than nothing.
    pub amount: Amount,
    /// In which currency.
    pub currency: Currency,
    /// When the payer's offer ends.
    pub expiration: Timestamp,
    /// What the payee's fulfilment must hash to.
    pub condition: Condition,
    /// Fingerprint of the request, by which a repetition is known.
    pub content: ContentHash,
}

/// The payee fulfilled the transfer: both accounts are to commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferFulfilAccepted {
    /// Who pays.
    pub payer: FspId,
    /// Who is paid.
    pub payee: FspId,
    /// How much.
    pub amount: Amount,
    /// In which currency.
    pub currency: Currency,
    /// The preimage of the condition.
    pub fulfilment: Fulfilment,
}

/// An answer that fulfils nothing: the payer's funds are to be released. Either the payee's
/// fulfilment is none, or somebody else answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferFulfilInvalid {
    /// Who pays.
    pub payer: FspId,
    /// Who would have been paid.
    pub payee: FspId,
    /// How much.
    pub amount: Amount,
    /// In which currency.
    pub currency: Currency,
    /// Why, for programs.
    pub code: String,
    /// Why, for people.
    pub reason: String,
    /// Who answered what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
}

/// The payee does not want the transfer: the payer's funds are to be released.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferAborted {
    /// Who pays.
    pub payer: FspId,
    /// Who would have been paid.
    pub payee: FspId,
    /// How much.
    pub amount: Amount,
    /// In which currency.
    pub currency: Currency,
    /// Why, for programs: the payee's code.
    pub code: String,
    /// Why, for people: the payee's words.
    pub reason: String,
    /// Who answered what.
    pub answer: Answer,
}

/// The offer ended without the payee's answer. Where the payer's funds are reserved they are to be
/// released; where they may yet be, this happens once more when they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferTimedOut {
    /// Who pays.
    pub payer: FspId,
    /// Who would have been paid.
    pub payee: FspId,
    /// How much.
    pub amount: Amount,
    /// In which currency.
    pub currency: Currency,
    /// [`Phase::PrepareTimeout`] while the funds are being reserved, [`Phase::ReservedTimeout`] once
    /// they are.
    pub state: Phase,
    /// Why, for programs.
    pub code: String,
    /// Why, for people.
    pub reason: String,
}

/// What was asked for breaks a rule, its payer is not active, or its payee cannot be paid. Final:
/// `INVALID`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvalidTransfer {
    /// Who asked to pay, where that is a participant's name at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payer: Option<FspId>,
    /// Why, for programs: [`VALIDATION`](crate::codes::VALIDATION),
    /// [`PAYER_NOT_FOUND`](crate::codes::PAYER_NOT_FOUND) or
    /// [`PAYEE_NOT_FOUND`](crate::codes::PAYEE_NOT_FOUND).
    pub code: String,
    /// Why, for people: the field and the rule.
    pub reason: String,
    /// Fingerprint of the request, by which a repetition is known.
    pub content: ContentHash,
}

/// The payer's funds are reserved: the payee may fulfil, and is told by this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferPrepared {
    /// Who pays.
    pub payer: FspId,
    /// Who is paid.
    pub payee: FspId,
    /// How much.
    pub amount: Amount,
    /// In which currency.
    pub currency: Currency,
    /// When the offer ends.
    pub expiration: Timestamp,
    /// What the fulfilment must hash to.
    pub condition: Condition,
}

/// The payer's funds could not be reserved. Final, in the given state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferRejected {
    /// Who would have paid.
    pub payer: FspId,
    /// Who would have been paid.
    pub payee: FspId,
    /// How much.
    pub amount: Amount,
    /// In which currency.
    pub currency: Currency,
    /// The final state: [`Phase::AbortedRejected`], or [`Phase::ExpiredPrepared`] if the offer had
    /// ended before.
    #[serde(default = "aborted_rejected")]
    pub state: Phase,
    /// Why, for programs.
    pub code: String,
    /// Why, for people.
    pub reason: String,
}

/// The payee has the money: the payer is told by this. Final: `COMMITTED`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferFulfilled {
    /// Who paid.
    pub payer: FspId,
    /// Who was paid.
    pub payee: FspId,
    /// How much.
    pub amount: Amount,
    /// In which currency.
    pub currency: Currency,
    /// The payee's proof.
    pub fulfilment: Fulfilment,
}

/// The payer has its reservation back. Final, in the given state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferReleased {
    /// Who would have paid.
    pub payer: FspId,
    /// Who would have been paid.
    pub payee: FspId,
    /// How much.
    pub amount: Amount,
    /// In which currency.
    pub currency: Currency,
    /// The final state: [`Phase::AbortedError`] or [`Phase::ExpiredReserved`].
    pub state: Phase,
    /// Why, for programs.
    pub code: String,
    /// Why, for people.
    pub reason: String,
    /// Whether the payee was never told of the transfer, and need not be now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unannounced: bool,
}

/// An answer to a transfer that did not fulfil it, by which a repetition is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Who sent it.
    pub fsp: FspId,
    /// Fingerprint of what it said.
    pub content: ContentHash,
}

// What accounts hear. The events that participants are told of (prepared, fulfilled, rejected, released,
// invalid) leave the switch as they are, and are JSON.
zamu_guest::protobuf! {
    TransferPrepareAccepted {
        payer = 1, payee = 2, amount = 3, currency = 4, expiration = 5, condition = 6, content = 7,
    }
    TransferFulfilAccepted { payer = 1, payee = 2, amount = 3, currency = 4, fulfilment = 5 }
    TransferFulfilInvalid {
        payer = 1, payee = 2, amount = 3, currency = 4, code = 5, reason = 6, answer = 7,
    }
    TransferAborted {
        payer = 1, payee = 2, amount = 3, currency = 4, code = 5, reason = 6, answer = 7,
    }
    TransferTimedOut {
        payer = 1, payee = 2, amount = 3, currency = 4, state = 5, code = 6, reason = 7,
    }
    Answer { fsp = 1, content = 2 }
}

/// What a rejection was before it could be another.
fn aborted_rejected() -> Phase {
    Phase::AbortedRejected
}
