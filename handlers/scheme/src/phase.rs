//! How far a transfer is: the names that its state, its events and whoever reads them share.

use serde::{Deserialize, Serialize};

/// How far a transfer is.
///
/// ```text
/// (none) --> INVALID *
///    '-----> RECEIVED_PREPARE --> ABORTED_REJECTED *
///               |  '--> PREPARE_TIMEOUT --> EXPIRED_PREPARED *
///               |              '----------> RESERVED_TIMEOUT
///               '--> RESERVED --> RECEIVED_FULFIL --> COMMITTED *
///                       |'--> RECEIVED_ERROR --> ABORTED_ERROR *
///                       '---> RESERVED_TIMEOUT --> EXPIRED_RESERVED *
/// ```
/// A state with a star is final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Phase {
    /// Well formed; the payer's funds are being reserved.
    ReceivedPrepare,
    /// The offer ended while the payer's funds were being reserved: they may be, or may not.
    PrepareTimeout,
    /// The payer's funds are reserved; the payee may fulfil.
    Reserved,
    /// The offer ended without the payee's answer; the payer's funds are being released.
    ReservedTimeout,
    /// Fulfilled; the accounts are committing. Nothing stops it any more.
    ReceivedFulfil,
    /// Final: the payee has the money.
    Committed,
    /// Not fulfilled; the payer's funds are being released.
    ReceivedError,
    /// Final: released, as the payee did not fulfil.
    AbortedError,
    /// Final: the payer's funds could not be reserved.
    AbortedRejected,
    /// Final: the offer ended, and nothing had been reserved.
    ExpiredPrepared,
    /// Final: the offer ended, and what had been reserved is released.
    ExpiredReserved,
    /// Final: what was asked for breaks a rule.
    Invalid,
}

impl Phase {
    /// Every one.
    pub const ALL: [Self; 12] = [
        Self::ReceivedPrepare,
        Self::PrepareTimeout,
        Self::Reserved,
        Self::ReservedTimeout,
        Self::ReceivedFulfil,
        Self::Committed,
        Self::ReceivedError,
        Self::AbortedError,
        Self::AbortedRejected,
        Self::ExpiredPrepared,
        Self::ExpiredReserved,
        Self::Invalid,
    ];

    /// Whether nothing follows.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::Committed
            | Self::AbortedError
            | Self::AbortedRejected
            | Self::ExpiredPrepared
            | Self::ExpiredReserved
            | Self::Invalid => true,
            Self::ReceivedPrepare
            | Self::PrepareTimeout
            | Self::Reserved
            | Self::ReservedTimeout
            | Self::ReceivedFulfil
            | Self::ReceivedError => false,
        }
    }

    /// Whether the offer ended without an answer: what the payee says now comes too late.
    #[must_use]
    pub const fn is_over_time(self) -> bool {
        matches!(
            self,
            Self::PrepareTimeout
                | Self::ReservedTimeout
                | Self::ExpiredPrepared
                | Self::ExpiredReserved
        )
    }

    /// The name that stands in states and events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReceivedPrepare => "RECEIVED_PREPARE",
            Self::PrepareTimeout => "PREPARE_TIMEOUT",
            Self::Reserved => "RESERVED",
            Self::ReservedTimeout => "RESERVED_TIMEOUT",
            Self::ReceivedFulfil => "RECEIVED_FULFIL",
            Self::Committed => "COMMITTED",
            Self::ReceivedError => "RECEIVED_ERROR",
            Self::AbortedError => "ABORTED_ERROR",
            Self::AbortedRejected => "ABORTED_REJECTED",
            Self::ExpiredPrepared => "EXPIRED_PREPARED",
            Self::ExpiredReserved => "EXPIRED_RESERVED",
            Self::Invalid => "INVALID",
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_phase_has_one_name() {
        let names: BTreeSet<&str> = Phase::ALL.iter().map(|phase| phase.as_str()).collect();
        assert_eq!(names.len(), Phase::ALL.len());
        for phase in Phase::ALL {
            let json = serde_json::to_string(&phase).unwrap();
            assert_eq!(json, format!("\"{}\"", phase.as_str()));
            assert_eq!(serde_json::from_str::<Phase>(&json).unwrap(), phase);
        }
    }
}
