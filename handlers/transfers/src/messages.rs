//! What a transfer can be asked, and what can happen to it. Its id is the key.
//!
//! [`PrepareTransfer`], [`FulfilTransfer`] and [`AbortTransfer`] are for clients; all else is asked by
//! this crate's own event handler. The events that accounts react to are shared, in
//! [`scheme::transfer_events`].

use scheme::transfer_events::{
    TransferAborted, TransferFulfilAccepted, TransferFulfilInvalid, TransferPrepareAccepted,
    TransferTimedOut,
};
use scheme::{
    Amount, Condition, ContentHash, Currency, ErrorCode, FspId, Fulfilment, Phase, Timestamp,
};
use serde::{Deserialize, Serialize};

/// The payer asks for a transfer. Fields are text as the payer wrote it: one that breaks a rule
/// makes an invalid transfer, which is an event, not a malformed command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrepareTransfer {
    /// Who pays: a [`FspId`].
    pub payer: String,
    /// Who is paid: a [`FspId`].
    pub payee: String,
    /// How much: an [`Amount`], more than nothing, as fine as the currency allows.
    pub amount: String,
    /// In which currency: a [`Currency`].
    pub currency: String,
    /// When the offer ends: a [`Timestamp`].
    pub expiration: String,
    /// What the payee's fulfilment must hash to: a [`Condition`].
    pub condition: String,
}

/// The payer's funds are reserved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AckPayerFundsReserved {}

/// The payer's funds cannot be reserved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectTransfer {
    /// Why, for programs.
    pub code: String,
    /// Why, for people.
    pub reason: String,
}

/// The payee fulfils the transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FulfilTransfer {
    /// Who sends this. If it is not the payee, the payer's funds are released.
    pub fsp: FspId,
    /// A [`Fulfilment`], as the payee wrote it: one that is none releases the payer's funds.
    pub fulfilment: String,
}

/// The payee does not want the transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AbortTransfer {
    /// Who sends this. The payer's funds are released in any case.
    pub fsp: FspId,
    /// Why, for programs.
    pub code: ErrorCode,
    /// Why, for people: at most 128 characters.
    pub reason: String,
}

/// The payee's account has the money.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AckPayeeFundsCommitted {}

/// The payer's account has its reservation back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AckPayerFundsReversed {}

/// What was asked for breaks a rule. Final: `INVALID`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvalidTransfer {
    /// Who asked to pay, where that is a participant's name at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payer: Option<FspId>,
    /// Why, for programs.
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

/// What a rejection was before it could be another.
fn aborted_rejected() -> Phase {
    Phase::AbortedRejected
}

zamu_guest::messages! {
    /// What a transfer can be asked.
    pub enum Command {
        PrepareTransfer,
        AckPayerFundsReserved,
        RejectTransfer,
        FulfilTransfer,
        AckPayeeFundsCommitted,
        AckPayerFundsReversed,
        AbortTransfer,
    }
}

zamu_guest::messages! {
    /// What can happen to a transfer.
    pub enum Event {
        TransferPrepareAccepted,
        InvalidTransfer,
        TransferPrepared,
        TransferRejected,
        TransferFulfilAccepted,
        TransferFulfilInvalid,
        TransferFulfilled,
        TransferReleased,
        TransferAborted,
        TransferTimedOut,
    }
}
