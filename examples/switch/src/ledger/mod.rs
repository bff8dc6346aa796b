//! The ledger: what the events say, reckoned again from the first one, by nobody's word but theirs.
//!
//! A reader that stands on its own: it knows the events as JSON and the choreography of the switch,
//! and uses neither the runtime nor a handler nor their types. What it proves:
//! - order: events gapless by number and sequence, each chained to its aggregate's one before;
//! - channels: each command between aggregates has its one effect, in order, at the right place;
//! - I1 sums: reservations and positions are what transfers under way come to, and nothing at rest;
//! - I2 caps: no reservation beyond the cap, no rejection below it;
//! - I3 to I5: one reservation, one debit, one credit or else one release, of the agreed money;
//! - I6 and I7: each account's figures are the sum of its own events, and the state that is shown;
//! - I8: nothing follows a final state.
//!
//! Reading and sending are left to others. Events of one partition come in order, partitions in any.

mod accounts;
mod channels;
mod event;
pub mod findings;
mod order;
#[cfg(test)]
mod tests;
mod transfers;
mod units;

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Deserialize;

use crate::ledger::accounts::Accounts;
use crate::ledger::channels::Channels;
use crate::ledger::event::{Event, Movement, Terms};
use crate::ledger::findings::{LOST, UNBALANCED};
use crate::ledger::order::Order;
use crate::ledger::transfers::{Agreed, Transfers};

pub use accounts::{Figures, Sums};
pub use findings::Findings;
pub use units::Units;

/// All that was read so far.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    order: Order,
    channels: Channels,
    transfers: Transfers,
    accounts: Accounts,
    findings: Findings,
}

/// What the ledger comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// Transfers that were fulfilled.
    pub completed: u64,
    /// Transfers that ended otherwise.
    pub refused: u64,
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
        match (&*event.aggregate_type, &*event.kind) {
            ("transfer", _) => self.enter_transfer(&event),
            ("account", "AccountOpened") => {
                #[derive(Deserialize)]
                struct Opened {
                    cap: Units,
                }
                self.accounts.open(&event.key, event.body::<Opened>()?.cap);
                Ok(())
            }
            ("account", kind) => {
                let movement: Movement<'_> = event.body()?;
                self.accounts.enter(&event.key, kind, &movement, &mut self.findings)?;
                let account = self.accounts.index(&event.key);
                self.transfers.moved(&movement.transfer_id, kind, account, movement.amount)
            }
            _ => Ok(()),
        }
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
    /// the host took, `states` the accounts as it shows them.
    #[must_use]
    pub fn close(
        &self,
        taken: impl IntoIterator<Item = String>,
        states: &BTreeMap<String, Figures>,
    ) -> Balance {
        let (doubled, mut findings) = self.check();
        self.channels.check_drained(&mut findings);
        self.transfers.check_drained(&mut findings);
        let mut lost = 0;
        for id in taken.into_iter().filter(|id| !self.transfers.has_ended(id)) {
            lost += 1;
            findings.add(LOST, || id);
        }
        self.accounts.compare(states, &mut findings);
        let sums = accounts::sums(states);
        for (currency, sums) in &sums {
            if *sums != Sums::default() {
                findings.add(UNBALANCED, || format!("{currency}: {sums:?}"));
            }
        }
        let (completed, refused) = self.transfers.ended();
        Balance { completed, refused, lost, doubled, sums, findings }
    }

    fn enter_transfer(&mut self, event: &Event<'_>) -> Result<()> {
        self.transfers.enter(&event.key, &event.kind, &mut self.findings)?;
        match &*event.kind {
            "TransferPrepareAccepted" => {
                let terms: Terms<'_> = event.body()?;
                let payer = self.accounts.index(&terms.payer_account());
                let payee = self.accounts.index(&terms.payee_account());
                let agreed = Agreed { payer, payee, amount: terms.amount };
                self.transfers.agree(&event.key, agreed);
            }
            "InvalidTransfer" => {}
            _ => self.transfers.compare(&event.key, &event.body()?, &mut self.findings),
        }
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
