//! The ledger: what the events say, reckoned again from the first one, by nobody's word but theirs.
//!
//! A reader that stands on its own: it knows the events as JSON and the choreography of the switch,
//! and uses neither the runtime nor a handler nor their types. What it proves:
//! - order: events gapless by number and sequence, each chained to its aggregate's one before;
//! - channels: each command between aggregates has its one effect, in order, at the right place;
//! - deadlines: none is acted on before it has come, and nothing is agreed to or fulfilled after it;
//! - I1 sums: reservations and positions are what transfers under way come to, and at rest nothing
//!   but what accounts brought along; cover is what was paid in;
//! - I2 limits: no reservation beyond cap or cover, or of a closed account; no rejection that need
//!   not be; no cover given up that is needed; an alarm wherever the threshold is passed upward;
//! - I3 to I5: one reservation, one debit, one credit or else one release, of the agreed money;
//! - I6 and I7: each account's figures are the sum of its own events, and the state that is shown;
//! - I8: nothing follows a final state, and each comes from the state that it must come from.
//!
//! An event of a kind that it does not know is a finding. It takes it that no cover is required of a
//! participant without a settlement account, as the switch is configured.
//!
//! Reading and sending are left to others. Events of one partition come in order, partitions in any.

mod accounts;
mod channels;
mod event;
pub mod findings;
mod moment;
mod order;
mod settlements;
#[cfg(test)]
mod tests;
mod transfers;
mod units;

use std::collections::BTreeMap;

use anyhow::Result;

use crate::ledger::accounts::Accounts;
use crate::ledger::channels::Channels;
use crate::ledger::event::{Cause, Event, Movement, Terms};
use crate::ledger::findings::{LOST, OUT_OF_ORDER, UNBALANCED, UNKNOWN};
use crate::ledger::order::Order;
use crate::ledger::settlements::Settlements;
use crate::ledger::transfers::{Agreed, Transfers};

pub use accounts::{Figures, Sums};
pub use findings::Findings;
pub use settlements::Settlement;
pub use units::Units;

/// All events that the ledger knows, by type. Those of the last two move no money.
const KNOWN: [(&str, &[&str]); 5] = [
    (
        "transfer",
        &[
            "TransferPrepareAccepted",
            "InvalidTransfer",
            "TransferPrepared",
            "TransferRejected",
            "TransferFulfilAccepted",
            "TransferFulfilInvalid",
            "TransferAborted",
            "TransferTimedOut",
            "TransferFulfilled",
            "TransferReleased",
        ],
    ),
    (
        "account",
        &[
            "AccountOpened",
            "LimitsChanged",
            "ThresholdExceeded",
            "AccountClosed",
            "AccountReopened",
            "CoverRaised",
            "CoverLowered",
            "CoverHeld",
            "PayerFundsReserved",
            "PayerFundsRejected",
            "PayerFundsCommitted",
            "PayeeFundsCommitted",
            "PayerFundsReversed",
        ],
    ),
    (
        "settlement-account",
        &[
            "SettlementAccountOpened",
            "FundsIn",
            "FundsOutPrepared",
            "FundsOutCommitted",
            "FundsOutRejected",
        ],
    ),
    ("participant", &["ParticipantCreated", "ParticipantActivated", "ParticipantDeactivated"]),
    ("endpoints", &["EndpointSet", "EndpointRemoved"]),
];

/// Those of an account that are about a transfer.
const MOVEMENTS: [&str; 5] = [
    "PayerFundsReserved",
    "PayerFundsRejected",
    "PayerFundsCommitted",
    "PayeeFundsCommitted",
    "PayerFundsReversed",
];

/// All that was read so far.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    order: Order,
    channels: Channels,
    transfers: Transfers,
    accounts: Accounts,
    settlements: Settlements,
    findings: Findings,
}

/// States as the host shows them, by key.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// Of accounts.
    pub accounts: BTreeMap<String, Figures>,
    /// Of settlement accounts.
    pub settlements: BTreeMap<String, Settlement>,
}

/// What the ledger comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// Transfers that were fulfilled.
    pub completed: u64,
    /// Transfers that ended otherwise.
    pub refused: u64,
    /// How many ended in which final state.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// Taken, and not ended.
    pub lost: u64,
    /// Transfers with more than one of what there may be one of.
    pub doubled: u64,
    /// By currency.
    pub sums: BTreeMap<String, Sums>,
    /// Everything that is wrong.
    pub findings: Findings,
}

impl Ledger {
    /// Enters an event.
    ///
    /// # Errors
    /// When it is not what an event looks like.
    pub fn enter(&mut self, json: &str) -> Result<()> {
        let event = Event::parse(json)?;
        let place = self.order.enter(&event, &mut self.findings);
        self.channels.enter(&event, place, &mut self.order, &mut self.findings)?;
        if matches!(event.cause, Cause::Wake { .. }) && event.kind != "TransferTimedOut" {
            self.findings
                .add(OUT_OF_ORDER, || format!("{} {} at a deadline", event.id, event.kind));
        }
        let Event { aggregate_type, key, kind, .. } = &event;
        let known = KNOWN.iter().find(|(known, _)| known == aggregate_type);
        match known.filter(|(_, kinds)| kinds.contains(&&**kind)).map(|(known, _)| *known) {
            Some("transfer") => self.enter_transfer(&event)?,
            Some("account") if MOVEMENTS.contains(&&**kind) => self.enter_movement(&event)?,
            Some("account") => self.accounts.enter(&event, &mut self.findings)?,
            Some("settlement-account") => {
                self.settlements.enter(key, kind, &event.body()?, &mut self.findings);
            }
            Some(_) => {}
            None => self.findings.add(UNKNOWN, || format!("{} {kind}", event.id)),
        }
        Ok(())
    }

    /// How a transfer ended, if it did: the final state, and the code if it was not fulfilled.
    #[must_use]
    pub fn end(&self, transfer: &str) -> Option<(&'static str, Option<&str>)> {
        self.transfers.end(transfer)
    }

    /// How many events of a partition have been entered.
    #[must_use]
    pub fn entered(&self, aggregate_type: &str, partition: u32) -> u64 {
        self.order.entered(aggregate_type, partition)
    }

    /// What is wrong with all that was read, if much may still be under way.
    #[must_use]
    pub fn so_far(&self) -> Findings {
        self.check().1
    }

    /// Closes the ledger, when nothing is under way any more: `taken` are the ids of transfers that
    /// the host took.
    #[must_use]
    pub fn close(&self, taken: impl IntoIterator<Item = String>, shown: &Shown) -> Balance {
        let (doubled, mut findings) = self.check();
        self.channels.check_drained(&mut findings);
        self.transfers.check_drained(&mut findings);
        let mut lost = 0;
        for id in taken.into_iter().filter(|id| !self.transfers.has_ended(id)) {
            lost += 1;
            findings.add(LOST, || id);
        }
        self.settlements.check_drained(|key| self.accounts.cover(key), &mut findings);
        self.settlements.compare(&shown.settlements, &mut findings);
        self.accounts.compare(&shown.accounts, &mut findings);
        let sums = accounts::sums(&shown.accounts);
        for (currency, sums) in &sums {
            let due = Sums { positions: self.accounts.brought(currency), ..Sums::default() };
            if *sums != due {
                findings.add(UNBALANCED, || format!("{currency}: {sums:?}"));
            }
        }
        let (completed, refused) = self.transfers.ended();
        let outcomes = self.transfers.outcomes();
        Balance { completed, refused, outcomes, lost, doubled, sums, findings }
    }

    fn enter_transfer(&mut self, event: &Event<'_>) -> Result<()> {
        self.transfers.enter(&event.key, &event.kind, &event.body()?, &mut self.findings);
        match &*event.kind {
            "TransferPrepareAccepted" => {
                let terms: Terms<'_> = event.body()?;
                let payer = self.accounts.index(&terms.payer_account());
                let payee = self.accounts.index(&terms.payee_account());
                let until = terms.expiration;
                let agreed = Agreed { payer, payee, amount: terms.amount, until };
                self.transfers.agree(&event.key, agreed);
            }
            "InvalidTransfer" => return Ok(()),
            _ => self.transfers.compare(&event.key, &event.body()?, &mut self.findings),
        }
        self.transfers.check_time(event, &mut self.findings);
        Ok(())
    }

    fn enter_movement(&mut self, event: &Event<'_>) -> Result<()> {
        let Event { key, kind, .. } = event;
        let movement: Movement<'_> = event.body()?;
        self.accounts.enter_movement(key, kind, &movement, &mut self.findings);
        let account = self.accounts.index(key);
        self.transfers.moved(&movement.transfer_id, kind, account, movement.amount);
        Ok(())
    }

    /// What is wrong, and how many transfers are doubled.
    fn check(&self) -> (u64, Findings) {
        let mut findings = self.findings.clone();
        let doubled = self.transfers.check(&mut findings);
        self.channels.check(&mut findings);
        self.accounts.check(&self.transfers, &mut findings);
        (doubled, findings)
    }
}
