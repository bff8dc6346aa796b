//! The laws of money, I1 to I8 of the golden scenarios, held against events and states.
//!
//! A fold of its own over the events, by their names and fields alone: nothing of the handlers is
//! used, so that their mistakes are not repeated here. Only a switch at rest can be checked.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, bail, ensure};
use scheme::Money;
use serde_json::Value;

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

/// What the events of a transfer say.
#[derive(Clone, Debug, Default)]
struct Transfer {
    events: usize,
    state: Option<&'static str>,
    terms: Option<TransferTerms>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct TransferTerms {
    payer: String,
    payee: String,
    currency: String,
    amount: Money,
}

/// What the events of an account say.
#[derive(Clone, Debug, Default)]
struct Account {
    events: usize,
    was_above: bool,
    alarm_due: bool,
    closed: bool,
    cap: Option<Money>,
    alarm: Option<i128>,
    cover: Option<Money>,
    /// What it brought along.
    opening: Money,
    reserved: Money,
    position: Money,
}

/// What the events of a settlement account say.
#[derive(Clone, Debug, Default)]
struct Settlement {
    events: usize,
    opened: bool,
    funds: Money,
    leaving: Money,
}

/// How a transfer has moved money: which accounts did what for it.
#[derive(Clone, Debug, Default)]
struct Moves {
    reserved: Vec<String>,
    committed_payer: Vec<String>,
    committed_payee: Vec<String>,
    reversed: Vec<String>,
}

impl Transfer {
    fn fold(&mut self, events: &[Event]) -> anyhow::Result<()> {
        for event in events {
            self.state = Some(next(self.state, event)?);
            self.events += 1;
            if event.kind != "InvalidTransfer" {
                let terms = TransferTerms::of(&event.body)?;
                let first = self.terms.get_or_insert_with(|| terms.clone());
                ensure!(*first == terms, "I7: {} changes the terms", event.kind);
            }
        }
        Ok(())
    }

    fn agrees_with(&self, state: Option<&Value>) -> anyhow::Result<()> {
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

impl Account {
    fn agrees_with(&self, state: Option<&Value>) -> anyhow::Result<()> {
        let Some(state) = state else {
            ensure!(self.events == 0, "I7: there are events and no state");
            return Ok(());
        };
        let seen = (money(state, "reserved")?, money(state, "position")?);
        ensure!(
            seen == (self.reserved, self.position),
            "I7: events lead to reserved {} and position {}, the state has {} and {}",
            self.reserved,
            self.position,
            seen.0,
            seen.1
        );
        let seen = (optional_money(state, "cap")?, optional_money(state, "cover")?);
        ensure!(
            seen == (self.cap, self.cover),
            "I7: events lead to the limits {:?} and {:?}, the state has {seen:?}",
            self.cap,
            self.cover
        );
        Ok(())
    }

    fn current_position(&self) -> anyhow::Result<Money> {
        Ok(self.reserved.plus(self.position)?)
    }

    /// Whether more is owed than the alarm's part of the cap.
    fn is_above_threshold(&self) -> anyhow::Result<bool> {
        let (Some(alarm), Some(cap)) = (self.alarm, self.cap) else { return Ok(false) };
        let hundredfold = |sum: Money, by: i128| sum.units().checked_mul(by).context("too much");
        Ok(hundredfold(self.current_position()?, 100)? > hundredfold(cap, alarm)?)
    }

    /// Follows what is not about a transfer. Tells whether it was.
    fn fold_limits(&mut self, event: &Event) -> anyhow::Result<bool> {
        let body = &event.body;
        match &*event.kind {
            "AccountOpened" => {
                self.set_limits(body)?;
                if let Some(opening) = body.get("opening") {
                    self.opening = money(opening, "amount")?;
                    self.position = self.position.plus(self.opening)?;
                    ensure!(
                        self.position == money(opening, "position")?,
                        "I7: the opening leads to {}, not to {opening}",
                        self.position
                    );
                }
            }
            "LimitsChanged" => self.set_limits(body)?,
            "AccountClosed" => self.closed = true,
            "AccountReopened" => self.closed = false,
            "ThresholdExceeded" => {
                ensure!(
                    money(body, "currentPosition")? == self.current_position()?,
                    "I7: the alarm says {body}, not {}",
                    self.current_position()?
                );
            }
            "CoverRaised" => {
                let cover = self.cover.unwrap_or_default().plus(money(body, "amount")?)?;
                self.set_cover(cover, body)?;
            }
            "CoverLowered" => {
                let cover = self.cover.unwrap_or_default().minus(money(body, "amount")?)?;
                self.set_cover(cover, body)?;
                let owed = self.current_position()?.max(Money::ZERO);
                ensure!(cover >= owed, "I2: {owed} is owed, and the cover is lowered to {cover}");
            }
            "CoverHeld" => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn set_limits(&mut self, body: &Value) -> anyhow::Result<()> {
        self.cap = optional_money(body, "cap")?;
        self.alarm = body["alarm"].as_i64().map(i128::from);
        Ok(())
    }

    fn set_cover(&mut self, cover: Money, body: &Value) -> anyhow::Result<()> {
        ensure!(cover == money(body, "cover")?, "I7: a cover of {cover}, not as in {body}");
        self.cover = Some(cover);
        Ok(())
    }
}

impl Settlement {
    fn fold(&mut self, events: &[Event]) -> anyhow::Result<()> {
        for event in events {
            let (body, kind) = (&event.body, &*event.kind);
            let amount = || money(body, "amount");
            self.events += 1;
            match kind {
                "SettlementAccountOpened" => {
                    (self.opened, self.funds) = (true, money(body, "funds")?);
                }
                "FundsIn" => self.funds = self.funds.plus(amount()?)?,
                "FundsOutPrepared" => self.leaving = self.leaving.plus(amount()?)?,
                "FundsOutRejected" => self.leaving = self.leaving.minus(amount()?)?,
                "FundsOutCommitted" => {
                    self.leaving = self.leaving.minus(amount()?)?;
                    self.funds = self.funds.minus(amount()?)?;
                }
                other => bail!("an event that nobody knows: {other}"),
            }
            let told = (optional_money(body, "funds")?, optional_money(body, "leaving")?);
            ensure!(
                told.0.is_none_or(|funds| funds == self.funds)
                    && told.1.is_none_or(|leaving| leaving == self.leaving),
                "I7: {kind} says {body}, but what went before leads to {self:?}"
            );
            ensure!(
                !self.leaving.is_negative() && self.leaving <= self.funds,
                "I2: more leaves than there is after {kind}: {self:?}"
            );
        }
        Ok(())
    }

    fn agrees_with(&self, state: Option<&Value>) -> anyhow::Result<()> {
        let seen = match state {
            None => (Money::ZERO, Money::ZERO),
            Some(state) => (money(state, "funds")?, money(state, "leaving")?),
        };
        ensure!(
            seen == (self.funds, self.leaving),
            "I7: events lead to {self:?}, the state has {seen:?}"
        );
        Ok(())
    }

    /// At rest nothing is on its way, and the position account has what is here as its cover.
    fn covers(&self, account: &Account) -> anyhow::Result<()> {
        ensure!(self.leaving == Money::ZERO, "at rest {} is still leaving", self.leaving);
        ensure!(
            account.cover == self.opened.then_some(self.funds),
            "I1: a cover of {:?} for {self:?}",
            account.cover
        );
        Ok(())
    }
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
        self.balance()
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

    /// What holds over all accounts together.
    fn balance(&self) -> anyhow::Result<()> {
        let mut under_way: BTreeMap<&str, Money> = BTreeMap::new();
        for (id, transfer) in &self.transfers {
            let none = Moves::default();
            let moves = self.moves.get(id).unwrap_or(&none);
            moves.fit(transfer.state).with_context(|| format!("transfer {id}"))?;
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

impl Moves {
    /// Whether this is what a transfer in that state has done: each thing once, and never both
    /// commit and release.
    fn fit(&self, state: Option<&str>) -> anyhow::Result<()> {
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

fn entry<'m, V: Default>(map: &'m mut BTreeMap<String, V>, key: &str) -> &'m mut V {
    map.entry(key.to_owned()).or_default()
}

fn text<'v>(body: &'v Value, field: &str) -> anyhow::Result<&'v str> {
    body[field].as_str().with_context(|| format!("no text {field} in {body}"))
}

fn optional_money(body: &Value, field: &str) -> anyhow::Result<Option<Money>> {
    body.get(field).map(|_| money(body, field)).transpose()
}

fn money(body: &Value, field: &str) -> anyhow::Result<Money> {
    text(body, field)?.parse().with_context(|| format!("{field} in {body}"))
}
