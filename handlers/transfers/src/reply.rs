//! What a client is told beside "accepted": how a transfer ended, or that it failed.

use scheme::{Fulfilment, Phase};
use serde::Serialize;

use crate::state::Transfer;

/// How far a transfer is, and what came of it.
#[derive(Debug, Serialize)]
pub(crate) struct TransferResult<'a> {
    state: Phase,
    #[serde(skip_serializing_if = "Option::is_none")]
    fulfilment: Option<Fulfilment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl<'a> TransferResult<'a> {
    /// The result of a transfer that is final.
    pub(crate) fn of(transfer: &'a Transfer) -> Self {
        Self {
            state: transfer.state,
            fulfilment: transfer.fulfilment,
            code: transfer.failure.as_ref().map(|failure| &*failure.code),
            reason: transfer.failure.as_ref().map(|failure| &*failure.reason),
        }
    }

    /// What a command against a rule leads to.
    pub(crate) fn failed(state: Phase, code: &'a str, reason: &'a str) -> Self {
        Self { state, fulfilment: None, code: Some(code), reason: Some(reason) }
    }
}
