//! What transfers decide and accounts react to. The transfer's id is the event's key.

use serde::{Deserialize, Serialize};

use crate::condition::{Condition, Fulfilment};
use crate::content::ContentHash;
use crate::currency::Currency;
use crate::money::Amount;
use crate::names::FspId;
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

/// The payee's fulfilment is none: the payer's funds are to be released.
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
}
