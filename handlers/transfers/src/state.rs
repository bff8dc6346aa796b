//! What a transfer remembers.
//!
//! ```text
//! (none) --PrepareTransfer--> RECEIVED_PREPARE --AckPayerFundsReserved--> RESERVED
//!    |                            |'--RejectTransfer--> ABORTED_REJECTED *
//!    |                            '--Wake--> PREPARE_TIMEOUT --RejectTransfer--> EXPIRED_PREPARED *
//!    |                                             '--AckPayerFundsReserved--> RESERVED_TIMEOUT
//!    '--PrepareTransfer, against a rule or for parties that cannot pay or be paid--> INVALID *
//! RESERVED --FulfilTransfer--> RECEIVED_FULFIL --AckPayeeFundsCommitted--> COMMITTED *
//!    |'--FulfilTransfer, not the preimage, or not the payee's--> RECEIVED_ERROR
//!    |'--AbortTransfer--> RECEIVED_ERROR --AckPayerFundsReversed--> ABORTED_ERROR *
//!    '--Wake--> RESERVED_TIMEOUT --AckPayerFundsReversed--> EXPIRED_RESERVED *
//! ```
//! A state with a star is final. The payer's funds are released only from RECEIVED_ERROR and
//! RESERVED_TIMEOUT, which are reached once at most, and only with funds reserved.

use scheme::transfer_events::Answer;
use scheme::{Amount, Condition, ContentHash, Currency, FspId, Fulfilment, Phase, Timestamp};
use serde::{Deserialize, Serialize};
use zamu_guest::Protobuf;
use zamu_guest::json::Malformed;

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
    /// The answer that did not fulfil it, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
    /// What went wrong, if anything did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Whether it timed out before the payee was told of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unannounced: bool,
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
    /// When the offer ends: the deadline until the payee has answered.
    pub expiration: Timestamp,
    /// What the fulfilment must hash to.
    pub condition: Condition,
}

zamu_guest::protobuf! {
    Transfer {
        state = 1, content = 2, terms = 3, fulfilment = 4, answer = 5, failure = 6, unannounced = 7,
    }
    Terms { payer = 1, payee = 2, amount = 3, currency = 4, expiration = 5, condition = 6 }
    Failure { code = 1, reason = 2 }
}

/// That of the transfer; nothing for none.
impl Protobuf for State {
    fn from_protobuf(message: &[u8]) -> Result<Self, Malformed> {
        if message.is_empty() {
            return Ok(Self(None));
        }
        Transfer::from_protobuf(message).map(|transfer| Self(Some(transfer)))
    }

    fn to_protobuf(&self, into: &mut Vec<u8>) {
        if let Some(transfer) = &self.0 {
            transfer.to_protobuf(into);
        }
    }
}

impl Transfer {
    /// The terms, if it is in one of these states.
    pub(crate) fn in_phase(&self, phases: &[Phase]) -> Option<&Terms> {
        self.terms.as_ref().filter(|_| phases.contains(&self.state))
    }
}

/// Why a transfer failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// For programs.
    pub code: String,
    /// For people.
    pub reason: String,
}
