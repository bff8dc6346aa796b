//! What a transfer can be asked, and what can happen to it. Its id is the key.
//!
//! [`PrepareTransfer`], [`FulfilTransfer`] and [`AbortTransfer`] are for clients; all else is asked by
//! this crate's own event handler. Events are shared with whoever reads them, in
//! [`scheme::transfer_events`].

use scheme::transfer_events::{
    InvalidTransfer, TransferAborted, TransferFulfilAccepted, TransferFulfilInvalid,
    TransferFulfilled, TransferPrepareAccepted, TransferPrepared, TransferRejected,
    TransferReleased, TransferTimedOut,
};
use scheme::{ErrorCode, FspId};
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
    /// How much: an [`scheme::Amount`], more than nothing, as fine as the currency allows.
    pub amount: String,
    /// In which currency: a [`scheme::Currency`].
    pub currency: String,
    /// When the offer ends: a [`scheme::Timestamp`].
    pub expiration: String,
    /// What the payee's fulfilment must hash to: a [`scheme::Condition`].
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
    /// A [`scheme::Fulfilment`], as the payee wrote it: one that is none releases the payer's funds.
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

// What accounts answer. What payer and payee say is JSON.
zamu_guest::protobuf! {
    AckPayerFundsReserved {}
    RejectTransfer { code = 1, reason = 2 }
    AckPayeeFundsCommitted {}
    AckPayerFundsReversed {}
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
