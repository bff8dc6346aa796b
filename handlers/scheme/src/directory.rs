//! The directory: who takes part and which accounts are open, as one context lists it and others look
//! it up. What a listing means for a transfer is left to transfers.

use serde::{Deserialize, Serialize};

use crate::currency::Currency;

/// Name of the table of participants. Their rows are at their [`FspId`](crate::FspId).
pub const PARTICIPANTS: &str = "participants";
/// Name of the table of position accounts. Their rows are at their [`AccountKey`](crate::AccountKey).
pub const ACCOUNTS: &str = "accounts";

/// A participant that was taken up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedParticipant {
    /// Whether it takes part now.
    pub active: bool,
}

/// A position account that was opened once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedAccount {
    /// Its currency.
    pub currency: Currency,
    /// Whether it is open now, and not closed.
    pub open: bool,
}
