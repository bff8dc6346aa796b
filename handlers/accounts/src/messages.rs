//! What an account can be asked, and what can happen to it. Its key is `participant/currency`.
//!
//! Clients open, limit, close and reopen accounts; whatever moves a figure is asked by this crate's
//! own event handlers. Events are shared with whoever reads them, in [`scheme::account_events`].

use scheme::account_events::{
    AccountClosed, AccountOpened, AccountReopened, CoverHeld, CoverLowered, CoverRaised,
    LimitsChanged, PayeeFundsCommitted, PayerFundsCommitted, PayerFundsRejected,
    PayerFundsReserved, PayerFundsReversed, ThresholdExceeded,
};
use scheme::{Amount, Money, Percentage};
use serde::{Deserialize, Serialize};

/// A client asks to open an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenAccount {
    /// The net debit cap: how far reservations and position together may go. Not negative. Without
    /// one, nothing is reserved until there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<Money>,
    /// An alarm above this part of the cap, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alarm: Option<Percentage>,
    /// The position that the account brings along from where it was kept before; added to what it
    /// has already been credited with. The openings of a currency are to sum to nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Money>,
}

/// A client asks for other limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeLimits {
    /// The net debit cap from now on, not negative; if left out there is none, and nothing is
    /// reserved. It may be below what is owed: then nothing is reserved until less is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<Money>,
    /// An alarm above this part of the cap from now on; none if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alarm: Option<Percentage>,
}

/// A client asks that nothing be reserved any more, whatever the figures are: what is under way goes
/// on to its end, and credits are taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloseAccount {}

/// A client asks to go on with a closed account, as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReopenAccount {}

/// Reserve the amount of a transfer, if the cap allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReservePayerFunds {
    /// The transfer.
    pub transfer_id: String,
    /// Its amount.
    pub amount: Amount,
}

/// Turn a reservation into a debit. Never rejected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CommitPayerFunds {
    /// The transfer.
    pub transfer_id: String,
    /// Its amount.
    pub amount: Amount,
}

/// Credit the amount of a transfer. Never rejected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CommitPayeeFunds {
    /// The transfer.
    pub transfer_id: String,
    /// Its amount.
    pub amount: Amount,
}

/// Give a reservation back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReversePayerFunds {
    /// The transfer.
    pub transfer_id: String,
    /// Its amount.
    pub amount: Amount,
}

/// The participant has more funds with the scheme.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RaiseCover {
    /// How much more.
    pub amount: Money,
}

/// The participant wants funds back, if what is owed stays covered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LowerCover {
    /// The client's name for it.
    pub reference: String,
    /// How much.
    pub amount: Amount,
}

// What transfers ask. All else is asked by people, or rarely, and is JSON.
zamu_guest::protobuf! {
    ReservePayerFunds { transfer_id = 1, amount = 2 }
    CommitPayerFunds { transfer_id = 1, amount = 2 }
    CommitPayeeFunds { transfer_id = 1, amount = 2 }
    ReversePayerFunds { transfer_id = 1, amount = 2 }
}

zamu_guest::messages! {
    /// What an account can be asked.
    pub enum Command {
        OpenAccount,
        ReservePayerFunds,
        CommitPayerFunds,
        CommitPayeeFunds,
        ReversePayerFunds,
        ChangeLimits,
        CloseAccount,
        ReopenAccount,
        RaiseCover,
        LowerCover,
    }
}

zamu_guest::messages! {
    /// What can happen to an account.
    pub enum Event {
        AccountOpened,
        PayerFundsReserved,
        PayerFundsRejected,
        PayerFundsCommitted,
        PayeeFundsCommitted,
        PayerFundsReversed,
        LimitsChanged,
        ThresholdExceeded,
        AccountClosed,
        AccountReopened,
        CoverRaised,
        CoverLowered,
        CoverHeld,
    }
}
