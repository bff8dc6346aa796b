//! What an account can be asked, and what can happen to it. Its key is `participant/currency`.
//!
//! Only [`OpenAccount`] is for clients; all else is asked by this crate's own event handler. The
//! events that transfers react to are shared, in [`scheme::account_events`].

use scheme::account_events::{
    PayeeFundsCommitted, PayerFundsCommitted, PayerFundsRejected, PayerFundsReserved,
    PayerFundsReversed,
};
use scheme::{Amount, Money};
use serde::{Deserialize, Serialize};

/// A client asks to open an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenAccount {
    /// The net debit cap: how far reservations and position together may go. Not negative.
    pub cap: Money,
}

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

/// The account takes part from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountOpened {
    /// The net debit cap.
    pub cap: Money,
}

zamu_guest::messages! {
    /// What an account can be asked.
    pub enum Command {
        OpenAccount,
        ReservePayerFunds,
        CommitPayerFunds,
        CommitPayeeFunds,
        ReversePayerFunds,
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
    }
}
