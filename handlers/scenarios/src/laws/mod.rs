//! The laws of money, I1 to I8 of the golden scenarios, held against events and states; and that every
//! transfer ends.
//!
//! A fold of its own over the events, by their names and fields alone: nothing of the handlers is
//! used, so that their mistakes are not repeated here. Only a switch at rest can be checked.

mod account;
mod body;
mod settlement;
mod transfer;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, bail, ensure};
use scheme::Money;

use self::account::Account;
use self::body::{money, text};
use self::settlement::Settlement;
use self::transfer::{Moves, Transfer};
use crate::switch::{Event, Switch};

/// Whom the commands so far may have touched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    transfers: BTreeSet<String>,
    accounts: BTreeSet<String>,
}

impl Touched {
    /// Notes a transfer by its id.
    pub fn transfer(&mut self, id: String) {
        self.transfers.insert(id);
    }

    /// Notes an account by its key.
    pub fn account(&mut self, key: String) {
        self.accounts.insert(key);
    }

    /// Notes an aggregate of any type.
    pub fn aggregate(&mut self, aggregate_type: &str, key: &str) {
        match aggregate_type {
            scheme::TRANSFER => self.transfer(key.to_owned()),
            scheme::ACCOUNT | scheme::SETTLEMENT_ACCOUNT => self.account(key.to_owned()),
            _ => {}
        }
    }
}

/// Checks all laws over the touched transfers and accounts.
///
/// # Errors
/// The law that is broken, and by whom.
pub fn check<S: Switch + ?Sized>(switch: &mut S, touched: &Touched) -> anyhow::Result<()> {
    Books::default().check(switch, touched)
}

/// What the events of all transfers and accounts say so far. Each is read once, so that a switch can
/// be checked again and again.
#[derive(Clone, Debug, Default)]
pub struct Books {
    transfers: BTreeMap<String, Transfer>,
    accounts: BTreeMap<String, Account>,
    settlements: BTreeMap<String, Settlement>,
    moves: BTreeMap<String, Moves>,
}

impl Books {
    /// Reads what has happened since the last check, and checks all laws.
    ///
    /// # Errors
    /// The law that is broken, and by whom.
    pub fn check<S: Switch + ?Sized>(
        &mut self,
        switch: &mut S,
        touched: &Touched,
    ) -> anyhow::Result<()> {
        for id in &touched.transfers {
            self.read_transfer(switch, id).with_context(|| format!("transfer {id}"))?;
        }
        for key in &touched.accounts {
            self.read_account(switch, key).with_context(|| format!("account {key}"))?;
            self.read_settlement(switch, key)
                .with_context(|| format!("settlement account {key}"))?;
        }
        self.balance(switch.now_ms()?)
    }

    fn read_transfer<S: Switch + ?Sized>(
        &mut self,
        switch: &mut S,
        id: &str,
    ) -> anyhow::Result<()> {
        let transfer = entry(&mut self.transfers, id);
        let events = switch.events_from(scheme::TRANSFER, id, transfer.events)?;
        transfer.fold(&events)?;
        if transfer.events == 0 || !events.is_empty() {
            transfer.agrees_with(switch.state(scheme::TRANSFER, id)?.as_ref())?;
        }
        Ok(())
    }

    fn read_account<S: Switch + ?Sized>(
        &mut self,
        switch: &mut S,
        key: &str,
    ) -> anyhow::Result<()> {
        let mut account = std::mem::take(entry(&mut self.accounts, key));
        let events = switch.events_from(scheme::ACCOUNT, key, account.events)?;
        self.fold_account(key, &mut account, &events)?;
        if account.events == 0 || !events.is_empty() {
            account.agrees_with(switch.state(scheme::ACCOUNT, key)?.as_ref())?;
        }
        *entry(&mut self.accounts, key) = account;
        Ok(())
    }

    fn read_settlement<S: Switch + ?Sized>(
        &mut self,
        switch: &mut S,
        key: &str,
    ) -> anyhow::Result<()> {
        let settlement = entry(&mut self.settlements, key);
        let first = settlement.events;
        let events = switch.events_from(scheme::SETTLEMENT_ACCOUNT, key, first)?;
        settlement.fold(&events)?;
        if settlement.events == 0 || !events.is_empty() {
            settlement.agrees_with(switch.state(scheme::SETTLEMENT_ACCOUNT, key)?.as_ref())?;
        }
        settlement.covers(entry(&mut self.accounts, key))
    }

    /// Follows an account's events: each figure is what the one before and the amount make it, and
    /// there is an alarm wherever the threshold is passed upward, and nowhere else.
    fn fold_account(
        &mut self,
        key: &str,
        account: &mut Account,
        events: &[Event],
    ) -> anyhow::Result<()> {
        for event in events {
            account.events += 1;
            ensure!(
                (event.kind == "ThresholdExceeded") == account.alarm_due,
                "an alarm is due: {}, and there is {}",
                account.alarm_due,
                event.kind
            );
            if !account.fold_limits(event)? {
                self.fold_move(key, account, event)?;
            }
            let is_above = account.is_above_threshold()?;
            account.alarm_due = is_above && !account.was_above;
            account.was_above = is_above;
        }
        ensure!(!account.alarm_due, "an alarm is due at the end");
        Ok(())
    }

    fn fold_move(&mut self, key: &str, account: &mut Account, event: &Event) -> anyhow::Result<()> {
        let (body, kind) = (&event.body, &*event.kind);
        let id = text(body, "transferId")?;
        let amount = money(body, "amount")?;
        let terms = self.transfers.get(id).and_then(|transfer| transfer.terms.as_ref());
        let terms = terms.with_context(|| format!("I4: {kind} for no transfer, {id}"))?;
        ensure!(terms.amount == amount, "I4: {kind} of another amount than transfer {id} has");
        let party = if kind == "PayeeFundsCommitted" { &terms.payee } else { &terms.payer };
        ensure!(
            format!("{party}/{}", terms.currency) == key,
            "I6: {kind} for transfer {id}, which is {terms:?}"
        );
        let moves = self.moves.entry(id.to_owned()).or_default();
        match kind {
            "PayerFundsRejected" => return Ok(()),
            "PayerFundsReserved" => {
                account.reserved = account.reserved.plus(amount)?;
                moves.reserved.push(key.to_owned());
                let sum = account.reserved.plus(account.position)?;
                ensure!(
                    account.cap.is_some_and(|cap| sum <= cap)
                        && account.cover.is_none_or(|cover| sum <= cover),
                    "I2: {sum} after a reservation, under a cap of {:?} and a cover of {:?}",
                    account.cap,
                    account.cover
                );
                ensure!(!account.closed, "I2: a closed account reserves");
            }
            "PayerFundsCommitted" => {
                account.reserved = account.reserved.minus(amount)?;
                account.position = account.position.plus(amount)?;
                moves.committed_payer.push(key.to_owned());
            }
            "PayeeFundsCommitted" => {
                ensure!(
                    body.get("unopened").is_none(),
                    "I4: {kind} for transfer {id}, to an account that was never opened"
                );
                account.position = account.position.minus(amount)?;
                moves.committed_payee.push(key.to_owned());
            }
            "PayerFundsReversed" => {
                account.reserved = account.reserved.minus(amount)?;
                moves.reversed.push(key.to_owned());
            }
            other => bail!("an event that nobody knows: {other}"),
        }
        ensure!(
            (account.reserved, account.position)
                == (money(body, "reserved")?, money(body, "position")?),
            "I7: {kind} says {body}, but what went before leads to reserved {} and position {}",
            account.reserved,
            account.position
        );
        ensure!(!account.reserved.is_negative(), "I3: less than nothing is reserved after {kind}");
        Ok(())
    }

    /// What holds over all accounts together, at this time.
    fn balance(&self, now_ms: u64) -> anyhow::Result<()> {
        let mut under_way: BTreeMap<&str, Money> = BTreeMap::new();
        for (id, transfer) in &self.transfers {
            let none = Moves::default();
            let moves = self.moves.get(id).unwrap_or(&none);
            let fits = moves.fit(transfer.state).and_then(|()| transfer.ends_in_time(now_ms));
            fits.with_context(|| format!("transfer {id}"))?;
            if let (Some("RESERVED"), Some(terms)) = (transfer.state, &transfer.terms) {
                let sum = under_way.entry(&terms.currency).or_default();
                *sum = sum.plus(terms.amount)?;
            }
        }
        let mut reserved: BTreeMap<&str, Money> = BTreeMap::new();
        let mut positions: BTreeMap<&str, Money> = BTreeMap::new();
        for (key, account) in &self.accounts {
            let currency = key.rsplit('/').next().unwrap_or_default();
            let moved = account.position.minus(account.opening)?;
            for (sums, figure) in [(&mut reserved, account.reserved), (&mut positions, moved)] {
                let sum = sums.entry(currency).or_default();
                *sum = sum.plus(figure)?;
            }
        }
        for (currency, sum) in positions {
            ensure!(
                sum == Money::ZERO,
                "I1: positions in {currency} moved by {sum}, not by nothing"
            );
        }
        for (currency, sum) in reserved {
            let expected = under_way.get(currency).copied().unwrap_or_default();
            ensure!(sum == expected, "I1: {sum} {currency} reserved, {expected} under way");
        }
        Ok(())
    }
}

fn entry<'m, V: Default>(map: &'m mut BTreeMap<String, V>, key: &str) -> &'m mut V {
    map.entry(key.to_owned()).or_default()
}
