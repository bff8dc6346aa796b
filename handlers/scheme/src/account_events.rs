//! What can happen to an account: transfers react to it, and the tables show it.
//!
//! Every event that moves money carries the account's two figures as they are after it:
//! `reserved` (prepared, not yet fulfilled) and `position` (committed). What participants know as
//! their *current position* is the sum of the two; it is what the net debit cap limits.

use serde::{Deserialize, Serialize};

use crate::money::{Amount, Money};
use crate::percentage::Percentage;

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

/// The account takes part from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountOpened {
    /// The net debit cap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<Money>,
    /// The part of the cap above which there is an alarm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alarm: Option<Percentage>,
    /// What the account brought along, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opening: Option<Opening>,
}

/// The position that an account brought along.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// What it brought along.
    pub amount: Money,
    /// Committed after this event: with what the account had been credited with before.
    pub position: Money,
}

/// Other limits hold from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitsChanged {
    /// The net debit cap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<Money>,
    /// The part of the cap above which there is an alarm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alarm: Option<Percentage>,
}

/// What the account owes has come above the threshold: its participant and the operator are to be
/// told. Happens once each time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ThresholdExceeded {
    /// The part of the cap that is the threshold.
    pub alarm: Percentage,
    /// The net debit cap.
    pub cap: Money,
    /// Reserved and committed together: above the threshold.
    pub current_position: Money,
}

/// Nothing is reserved any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountClosed {}

/// The account goes on as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountReopened {}

/// The participant has more cover.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoverRaised {
    /// How much more.
    pub amount: Money,
    /// Cover after this event.
    pub cover: Money,
}

/// The participant has less cover: so much may leave the settlement account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoverLowered {
    /// The client's name for it.
    pub reference: String,
    /// How much less.
    pub amount: Amount,
    /// Cover after this event.
    pub cover: Money,
}

/// The cover is needed for what is owed: nothing may leave. No figure changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoverHeld {
    /// The client's name for it.
    pub reference: String,
    /// How much was to leave.
    pub amount: Amount,
    /// Why, for programs.
    pub code: String,
    /// Why, for people.
    pub reason: String,
}

// What happens with every transfer. All else is rare, and JSON.
zamu_guest::protobuf! {
    PayerFundsReserved { transfer_id = 1, amount = 2, reserved = 3, position = 4 }
    PayerFundsRejected { transfer_id = 1, amount = 2, code = 3, reason = 4 }
    PayerFundsCommitted { transfer_id = 1, amount = 2, reserved = 3, position = 4 }
    PayeeFundsCommitted { transfer_id = 1, amount = 2, reserved = 3, position = 4, unopened = 5 }
    PayerFundsReversed { transfer_id = 1, amount = 2, reserved = 3, position = 4 }
}
