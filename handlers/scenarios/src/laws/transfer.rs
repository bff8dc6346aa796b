//! How far a transfer is by its events, and what its accounts have done for it by theirs.

use anyhow::{Context as _, bail, ensure};
use scheme::{Money, Timestamp};
use serde_json::Value;

use super::body::{money, text};
use crate::switch::Event;

/// What the events of a transfer say.
#[derive(Clone, Debug, Default)]
pub(super) struct Transfer {
    pub(super) events: usize,
    pub(super) state: Option<&'static str>,
    pub(super) terms: Option<TransferTerms>,
    /// When the offer ends.
    ends: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TransferTerms {
    pub(super) payer: String,
    pub(super) payee: String,
    pub(super) currency: String,
    pub(super) amount: Money,
}

/// How a transfer has moved money: which accounts did what for it.
#[derive(Clone, Debug, Default)]
pub(super) struct Moves {
    pub(super) reserved: Vec<String>,
    pub(super) committed_payer: Vec<String>,
    pub(super) committed_payee: Vec<String>,
    pub(super) reversed: Vec<String>,
}

impl Transfer {
    pub(super) fn fold(&mut self, events: &[Event]) -> anyhow::Result<()> {
        for event in events {
            self.state = Some(next(self.state, event)?);
            self.events += 1;
            if event.kind != "InvalidTransfer" {
                let terms = TransferTerms::of(&event.body)?;
                let first = self.terms.get_or_insert_with(|| terms.clone());
                ensure!(*first == terms, "I7: {} changes the terms", event.kind);
                self.fold_end(event)?;
            }
        }
        Ok(())
    }

    /// Whoever tells the end of the offer tells the one that was accepted.
    fn fold_end(&mut self, event: &Event) -> anyhow::Result<()> {
        if event.kind != "TransferPrepareAccepted" && event.body.get("expiration").is_none() {
            return Ok(());
        }
        let expiration = text(&event.body, "expiration")?;
        let ends: Timestamp = expiration.parse().context("expiration")?;
        let first = *self.ends.get_or_insert(ends);
        ensure!(first == ends, "I7: {} changes the end of the offer", event.kind);
        Ok(())
    }

    /// An offer that has ended is not waited for: at rest its money is with whom it belongs to. At
    /// the very moment it has not ended.
    pub(super) fn ends_in_time(&self, now_ms: u64) -> anyhow::Result<()> {
        let Some(ends) = self.ends.filter(|_| self.state == Some("RESERVED")) else {
            return Ok(());
        };
        ensure!(
            now_ms <= ends.ms(),
            "every transfer ends: at rest it is RESERVED {} ms after its offer ended at {ends}",
            now_ms - ends.ms()
        );
        Ok(())
    }

    pub(super) fn agrees_with(&self, state: Option<&Value>) -> anyhow::Result<()> {
        let seen = state.map(|state| state["state"].as_str().unwrap_or("no text"));
        ensure!(seen == self.state, "I7: events lead to {:?}, the state is {seen:?}", self.state);
        Ok(())
    }
}

/// The state that an event leads to.
fn next(state: Option<&'static str>, event: &Event) -> anyhow::Result<&'static str> {
    let says = event.body["state"].as_str().unwrap_or_default();
    Ok(match (state, &*event.kind, says) {
        (None, "TransferPrepareAccepted", _) => "RECEIVED_PREPARE",
        (None, "InvalidTransfer", _) => "INVALID",
        (Some("RECEIVED_PREPARE"), "TransferPrepared", _) => "RESERVED",
        (Some("RECEIVED_PREPARE"), "TransferRejected", "ABORTED_REJECTED") => "ABORTED_REJECTED",
        (Some("RECEIVED_PREPARE"), "TransferTimedOut", "PREPARE_TIMEOUT") => "PREPARE_TIMEOUT",
        (Some("PREPARE_TIMEOUT"), "TransferRejected", "EXPIRED_PREPARED") => "EXPIRED_PREPARED",
        (Some("PREPARE_TIMEOUT" | "RESERVED"), "TransferTimedOut", "RESERVED_TIMEOUT") => {
            "RESERVED_TIMEOUT"
        }
        (Some("RESERVED_TIMEOUT"), "TransferReleased", "EXPIRED_RESERVED") => "EXPIRED_RESERVED",
        (Some("RESERVED"), "TransferFulfilAccepted", _) => "RECEIVED_FULFIL",
        (Some("RESERVED"), "TransferFulfilInvalid" | "TransferAborted", _) => "RECEIVED_ERROR",
        (Some("RECEIVED_FULFIL"), "TransferFulfilled", _) => "COMMITTED",
        (Some("RECEIVED_ERROR"), "TransferReleased", "ABORTED_ERROR") => "ABORTED_ERROR",
        (Some(state), kind, _) if is_final(state) => {
            bail!("I8: {kind} after the final state {state}")
        }
        (_, kind, says) => bail!("I4: {kind} {says} in the state {state:?}"),
    })
}

fn is_final(state: &str) -> bool {
    matches!(
        state,
        "INVALID"
            | "ABORTED_REJECTED"
            | "ABORTED_ERROR"
            | "EXPIRED_PREPARED"
            | "EXPIRED_RESERVED"
            | "COMMITTED"
    )
}

impl TransferTerms {
    fn of(body: &Value) -> anyhow::Result<Self> {
        Ok(Self {
            payer: text(body, "payer")?.to_owned(),
            payee: text(body, "payee")?.to_owned(),
            currency: text(body, "currency")?.to_owned(),
            amount: money(body, "amount")?,
        })
    }
}

impl Moves {
    /// Whether this is what a transfer in that state has done: each thing once, and never both
    /// commit and release.
    pub(super) fn fit(&self, state: Option<&str>) -> anyhow::Result<()> {
        let done = (
            self.reserved.len(),
            self.committed_payer.len(),
            self.committed_payee.len(),
            self.reversed.len(),
        );
        let expected = match state {
            None | Some("INVALID" | "ABORTED_REJECTED" | "EXPIRED_PREPARED") => (0, 0, 0, 0),
            Some("RESERVED") => (1, 0, 0, 0),
            Some("COMMITTED") => (1, 1, 1, 0),
            Some("ABORTED_ERROR" | "EXPIRED_RESERVED") => (1, 0, 0, 1),
            Some(other) => bail!("at rest a transfer is not {other}"),
        };
        ensure!(
            done == expected,
            "I3, I5: reserved, committed (payer, payee) and reversed {done:?} times in {state:?}, \
             not {expected:?}"
        );
        Ok(())
    }
}
