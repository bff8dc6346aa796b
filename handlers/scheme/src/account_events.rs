//! What accounts decide and transfers react to.
//!
//! Every event that moves money carries the account's two figures as they are after it:
//! `reserved` (prepared, not yet fulfilled) and `position` (committed). What participants know as
//! their *current position* is the sum of the two; it is what the net debit cap limits.

use serde::{Deserialize, Serialize};

use crate::money::{Amount, Money};

/// The payer's account reserved the amount of a transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PayerFundsReserved {
    /// The transfer.
    pub transfer_id: String,
    /// Its amount.
    pub amount: Amount,
    /// Reserved after this event.
    pub reserved: Money,
    /// Committed after this event.
    pub position: Money,
}

/// The payer's account could not reserve the amount of a transfer. No figure changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PayerFundsRejected {
    /// The transfer.
    pub transfer_id: String,
    /// Its amount.
    pub amount: Amount,
    /// Why, for programs: [`PAYER_LIQUIDITY`](crate::codes::PAYER_LIQUIDITY),
    /// [`PAYER_LIMIT`](crate::codes::PAYER_LIMIT) or
    /// [`PAYER_NOT_FOUND`](crate::codes::PAYER_NOT_FOUND).
    pub code: String,
    /// Why, for people.
    pub reason: String,
}

/// The payer's account turned the reservation of a transfer into a debit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PayerFundsCommitted {
    /// The transfer.
    pub transfer_id: String,
    /// Its amount.
    pub amount: Amount,
    /// Reserved after this event.
    pub reserved: Money,
    /// Committed after this event.
    pub position: Money,
}

/// The payee's account was credited with the amount of a transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PayeeFundsCommitted {
    /// The transfer.
    pub transfer_id: String,
    /// Its amount.
    pub amount: Amount,
    /// Reserved after this event.
    pub reserved: Money,
    /// Committed after this event.
    pub position: Money,
    /// Whether the account had never been opened: it takes the credit all the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unopened: bool,
}

/// The payer's account gave back the reservation of a transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PayerFundsReversed {
    /// The transfer.
    pub transfer_id: String,
    /// Its amount.
    pub amount: Amount,
    /// Reserved after this event.
    pub reserved: Money,
    /// Committed after this event.
    pub position: Money,
}
