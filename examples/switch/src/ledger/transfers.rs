//! The life of each transfer: what may follow what, what there may be one of, and whether the
//! accounts moved what was agreed.

use std::collections::HashMap;

use anyhow::{Result, bail};

use crate::ledger::accounts::AccountIndex;
use crate::ledger::event::Terms;
use crate::ledger::findings::{CONTRADICTORY, DOUBLED, Findings, OUT_OF_ORDER};
use crate::ledger::units::Units;

/// All transfers.
#[derive(Clone, Debug, Default)]
pub(super) struct Transfers(HashMap<Box<str>, Transfer>);

/// One transfer, as its own events and those of accounts tell.
#[derive(Clone, Debug, Default)]
pub(super) struct Transfer {
    state: State,
    agreed: Option<Agreed>,
    /// How often it ended.
    ends: u8,
    reserved: Moved,
    rejected: Moved,
    payer_committed: Moved,
    payee_committed: Moved,
    released: Moved,
}

/// What was agreed when it began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Agreed {
    pub(super) payer: AccountIndex,
    pub(super) payee: AccountIndex,
    pub(super) amount: Units,
}

/// How often an account did something for it, and the last time what.
#[derive(Clone, Copy, Debug, Default)]
struct Moved {
    times: u8,
    account: AccountIndex,
    amount: Units,
}

/// Where a transfer is by its own events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Unknown,
    Asked,
    Prepared,
    Accepted,
    Invalid,
    Fulfilled,
    Failed,
}

impl Transfers {
    /// Enters an event of a transfer.
    ///
    /// # Errors
    /// When its kind is not known.
    pub(super) fn enter(&mut self, id: &str, kind: &str, findings: &mut Findings) -> Result<()> {
        let transfer = self.of(id);
        let next = match (transfer.state, kind) {
            (State::Unknown, "TransferPrepareAccepted") => State::Asked,
            (State::Unknown, "InvalidTransfer") => State::Failed,
            (State::Asked, "TransferPrepared") => State::Prepared,
            (State::Asked, "TransferRejected") => State::Failed,
            (State::Prepared, "TransferFulfilAccepted") => State::Accepted,
            (State::Prepared, "TransferFulfilInvalid") => State::Invalid,
            (State::Accepted, "TransferFulfilled") => State::Fulfilled,
            (State::Invalid, "TransferReleased") => State::Failed,
            (state, kind) => {
                findings.add(OUT_OF_ORDER, || format!("{id}: {kind} when {state:?}"));
                match kind {
                    _ if matches!(state, State::Fulfilled | State::Failed) => state,
                    "TransferFulfilled" => State::Fulfilled,
                    "TransferRejected" | "TransferReleased" | "InvalidTransfer" => State::Failed,
                    "TransferPrepareAccepted"
                    | "TransferPrepared"
                    | "TransferFulfilAccepted"
                    | "TransferFulfilInvalid" => state,
                    _ => bail!("an event that the ledger does not know: {kind}"),
                }
            }
        };
        let ended =
            ["TransferFulfilled", "TransferRejected", "TransferReleased", "InvalidTransfer"];
        transfer.ends = transfer.ends.saturating_add(u8::from(ended.contains(&kind)));
        transfer.state = next;
        Ok(())
    }

    /// Notes what was agreed.
    pub(super) fn agree(&mut self, id: &str, agreed: Agreed) {
        self.of(id).agreed = Some(agreed);
    }

    /// Compares what a later event says of it with what was agreed.
    pub(super) fn compare(&mut self, id: &str, terms: &Terms<'_>, findings: &mut Findings) {
        let amount = self.of(id).agreed.map(|agreed| agreed.amount);
        if amount.is_some_and(|amount| amount != terms.amount) {
            findings.add(CONTRADICTORY, || format!("{id}: {} is not the amount", terms.amount));
        }
    }

    /// Enters what an account did for a transfer.
    ///
    /// # Errors
    /// When the kind of the account's event is not known.
    pub(super) fn moved(
        &mut self,
        id: &str,
        kind: &str,
        account: AccountIndex,
        amount: Units,
    ) -> Result<()> {
        let transfer = self.of(id);
        let moved = match kind {
            "PayerFundsReserved" => &mut transfer.reserved,
            "PayerFundsRejected" => &mut transfer.rejected,
            "PayerFundsCommitted" => &mut transfer.payer_committed,
            "PayeeFundsCommitted" => &mut transfer.payee_committed,
            "PayerFundsReversed" => &mut transfer.released,
            _ => bail!("an event that the ledger does not know: {kind}"),
        };
        *moved = Moved { times: moved.times.saturating_add(1), account, amount };
        Ok(())
    }

    /// How many were fulfilled, and how many ended otherwise.
    pub(super) fn ended(&self) -> (u64, u64) {
        let count = |state| self.0.values().filter(|transfer| transfer.state == state).count();
        (count(State::Fulfilled) as u64, count(State::Failed) as u64)
    }

    /// Whether a transfer ended.
    pub(super) fn has_ended(&self, id: &str) -> bool {
        self.0.get(id).is_some_and(|transfer| transfer.ends > 0)
    }

    /// What accounts must have reserved and what must be committed, from what was agreed.
    pub(super) fn totals(&self, in_currency: impl Fn(AccountIndex) -> bool) -> (Units, Units) {
        let mut totals = (Units::default(), Units::default());
        for transfer in self.0.values() {
            let Some(agreed) = transfer.agreed.filter(|agreed| in_currency(agreed.payer)) else {
                continue;
            };
            let Transfer { reserved, payer_committed, payee_committed, released, .. } = transfer;
            if reserved.times > 0 && payer_committed.times == 0 && released.times == 0 {
                totals.0 += agreed.amount;
            }
            if payer_committed.times > 0 {
                totals.1 += agreed.amount;
            }
            if payee_committed.times > 0 {
                totals.1 -= agreed.amount;
            }
        }
        totals
    }

    /// What is wrong, whatever is still under way; how many transfers are doubled.
    pub(super) fn check(&self, findings: &mut Findings) -> u64 {
        let mut doubled = 0;
        for (id, transfer) in &self.0 {
            if let Some(what) = transfer.doubled() {
                doubled += 1;
                findings.add(DOUBLED, || format!("{id}: {what}"));
            }
            transfer.contradictions().for_each(|what| {
                findings.add(CONTRADICTORY, || format!("{id}: {what}: {transfer:?}"));
            });
        }
        doubled
    }

    /// What is wrong when nothing may be under way any more.
    pub(super) fn check_drained(&self, findings: &mut Findings) {
        for (id, transfer) in &self.0 {
            let (payer, payee) = (transfer.payer_committed.times, transfer.payee_committed.times);
            if payer != payee {
                let what = || format!("{id}: debited {payer} times and credited {payee} times");
                findings.add(CONTRADICTORY, what);
            }
        }
    }

    fn of(&mut self, id: &str) -> &mut Transfer {
        if !self.0.contains_key(id) {
            self.0.insert(id.into(), Transfer::default());
        }
        self.0.entry(id.into()).or_default()
    }
}

impl Transfer {
    fn doubled(&self) -> Option<&'static str> {
        [
            (self.reserved.times, "reserved twice"),
            (self.payer_committed.times, "the payer's commit twice"),
            (self.payee_committed.times, "the payee's commit twice"),
            (self.released.times, "released twice"),
            (self.ends, "ended twice"),
        ]
        .into_iter()
        .find(|(times, _)| *times > 1)
        .map(|(_, what)| what)
    }

    fn contradictions(&self) -> impl Iterator<Item = &'static str> {
        let done = |moved: Moved| moved.times > 0;
        let fulfilled = self.state == State::Fulfilled;
        let other = |moved: Moved, side: fn(&Agreed) -> AccountIndex| {
            let as_agreed =
                |agreed: &Agreed| (moved.account, moved.amount) == (side(agreed), agreed.amount);
            done(moved) && !self.agreed.as_ref().is_some_and(as_agreed)
        };
        let payer = |agreed: &Agreed| agreed.payer;
        [
            (done(self.released) && done(self.payer_committed), "both released and committed"),
            (done(self.released) && done(self.payee_committed), "both released and credited"),
            (done(self.reserved) && done(self.rejected), "both reserved and rejected"),
            (fulfilled && !done(self.payee_committed), "fulfilled without the payee's money"),
            (fulfilled && !done(self.reserved), "fulfilled without a reservation"),
            (done(self.released) && !done(self.reserved), "released without a reservation"),
            (done(self.payer_committed) && !done(self.reserved), "debited without a reservation"),
            (done(self.payee_committed) && !done(self.reserved), "credited without a reservation"),
            (other(self.reserved, payer), "not reserved as agreed"),
            (other(self.rejected, payer), "not rejected as agreed"),
            (other(self.payer_committed, payer), "not debited as agreed"),
            (other(self.payee_committed, |agreed| agreed.payee), "not credited as agreed"),
            (other(self.released, payer), "not released as agreed"),
        ]
        .into_iter()
        .filter(|(holds, _)| *holds)
        .map(|(_, what)| what)
    }
}
