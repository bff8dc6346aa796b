//! What a transfer remembers.
//!
//! ```text
//! (none) --PrepareTransfer--> RECEIVED_PREPARE --AckPayerFundsReserved--> RESERVED
//!    |                            '--RejectTransfer--> ABORTED_REJECTED *
//!    '--PrepareTransfer, against a rule--> INVALID *
//! RESERVED --FulfilTransfer--> RECEIVED_FULFIL --AckPayeeFundsCommitted--> COMMITTED *
//!    '--FulfilTransfer, not the preimage--> RECEIVED_ERROR --AckPayerFundsReversed--> ABORTED_ERROR *
//! ```
//! A state with a star is final.

use scheme::{Amount, Condition, ContentHash, Currency, FspId, Fulfilment, Timestamp};
use serde::{Deserialize, Serialize};

/// A transfer, or none yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct State(pub Option<Transfer>);

/// A transfer that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// How far it is.
    pub state: Phase,
    /// Fingerprint of the request.
    pub content: ContentHash,
    /// What was asked for; nothing if it was invalid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<Terms>,
    /// The payee's proof, once it was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fulfilment: Option<Fulfilment>,
    /// What went wrong, if anything did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// What payer and payee agreed to. Never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Who pays.
    pub payer: FspId,
    /// Who is paid.
    pub payee: FspId,
    /// How much.
    pub amount: Amount,
    /// In which currency.
    pub currency: Currency,
    /// When the offer ends. Nothing happens then as yet.
    pub expiration: Timestamp,
    /// What the fulfilment must hash to.
    pub condition: Condition,
}

/// Why a transfer failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// For programs.
    pub code: String,
    /// For people.
    pub reason: String,
}

/// How far a transfer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Phase {
    /// Well formed; the payer's funds are being reserved.
    ReceivedPrepare,
    /// The payer's funds are reserved; the payee may fulfil.
    Reserved,
    /// Fulfilled; the accounts are committing. Nothing stops it any more.
    ReceivedFulfil,
    /// Final: the payee has the money.
    Committed,
    /// Not fulfilled; the payer's funds are being released.
    ReceivedError,
    /// Final: released.
    AbortedError,
    /// Final: the payer's funds could not be reserved.
    AbortedRejected,
    /// Final: what was asked for breaks a rule.
    Invalid,
}

impl Phase {
    /// Whether nothing follows.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::Committed | Self::AbortedError | Self::AbortedRejected | Self::Invalid => true,
            Self::ReceivedPrepare | Self::Reserved | Self::ReceivedFulfil | Self::ReceivedError => {
                false
            }
        }
    }

    /// The name that stands in states and events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReceivedPrepare => "RECEIVED_PREPARE",
            Self::Reserved => "RESERVED",
            Self::ReceivedFulfil => "RECEIVED_FULFIL",
            Self::Committed => "COMMITTED",
            Self::ReceivedError => "RECEIVED_ERROR",
            Self::AbortedError => "ABORTED_ERROR",
            Self::AbortedRejected => "ABORTED_REJECTED",
            Self::Invalid => "INVALID",
        }
    }
}
