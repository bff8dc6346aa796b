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
            scheme::ACCOUNT => self.account(key.to_owned()),
            _ => {}
        }
    }
}

/// Checks all laws over the touched transfers and accounts.
///
/// # Errors
/// The law that is broken, and by whom.
pub fn check<S: Switch + ?Sized>(switch: &mut S, touched: &Touched) -> anyhow::Result<()> {
    let mut books = Books::default();
    for id in &touched.transfers {
        let transfer = Transfer::fold(&switch.events(scheme::TRANSFER, id)?)
            .with_context(|| format!("transfer {id}"))?;
        let state = switch.state(scheme::TRANSFER, id)?;
        transfer.agrees_with(state.as_ref()).with_context(|| format!("transfer {id}"))?;
        books.transfers.insert(id.clone(), transfer);
    }
    for key in &touched.accounts {
        let events = switch.events(scheme::ACCOUNT, key)?;
        let account = books.fold_account(key, &events).with_context(|| format!("account {key}"))?;
        let state = switch.state(scheme::ACCOUNT, key)?;
        account.agrees_with(state.as_ref()).with_context(|| format!("account {key}"))?;
        books.accounts.insert(key.clone(), account);
    }
    books.balance()
}

/// What the events of a transfer say.
#[derive(Clone, Debug, Default)]
struct Transfer {
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
    cap: Option<Money>,
    reserved: Money,
    position: Money,
    any: bool,
}

/// How a transfer has moved money: which accounts did what for it.
#[derive(Clone, Debug, Default)]
struct Moves {
    reserved: Vec<String>,
    committed_payer: Vec<String>,
    committed_payee: Vec<String>,
    reversed: Vec<String>,
}

#[derive(Clone, Debug, Default)]
struct Books {
    transfers: BTreeMap<String, Transfer>,
    accounts: BTreeMap<String, Account>,
    moves: BTreeMap<String, Moves>,
}

impl Transfer {
    fn fold(events: &[Event]) -> anyhow::Result<Self> {
        let mut transfer = Self::default();
        for event in events {
            transfer.state = Some(next(transfer.state, event)?);
            if event.kind != "InvalidTransfer" {
                let terms = TransferTerms::of(&event.body)?;
                let first = transfer.terms.get_or_insert_with(|| terms.clone());
                ensure!(*first == terms, "I7: {} changes the terms", event.kind);
            }
        }
        Ok(transfer)
    }

    fn agrees_with(&self, state: Option<&Value>) -> anyhow::Result<()> {
        let seen = state.map(|state| state["state"].as_str().unwrap_or("no text"));
        ensure!(seen == self.state, "I7: events lead to {:?}, the state is {seen:?}", self.state);
        Ok(())
    }
}

/// The state that an event leads to.
fn next(state: Option<&'static str>, event: &Event) -> anyhow::Result<&'static str> {
    Ok(match (state, &*event.kind) {
        (None, "TransferPrepareAccepted") => "RECEIVED_PREPARE",
        (None, "InvalidTransfer") => "INVALID",
        (Some("RECEIVED_PREPARE"), "TransferPrepared") => "RESERVED",
        (Some("RECEIVED_PREPARE"), "TransferRejected") => "ABORTED_REJECTED",
        (Some("RESERVED"), "TransferFulfilAccepted") => "RECEIVED_FULFIL",
        (Some("RESERVED"), "TransferFulfilInvalid") => "RECEIVED_ERROR",
        (Some("RECEIVED_FULFIL"), "TransferFulfilled") => "COMMITTED",
        (Some("RECEIVED_ERROR"), "TransferReleased") => "ABORTED_ERROR",
        (Some("INVALID" | "ABORTED_REJECTED" | "COMMITTED" | "ABORTED_ERROR"), kind) => {
            bail!("I8: {kind} after the final state {state:?}")
        }
        (_, kind) => bail!("I4: {kind} in the state {state:?}"),
    })
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
            ensure!(!self.any, "I7: there are events and no state");
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
        Ok(())
    }
}

impl Books {
    /// Follows an account's events: each figure is what the one before and the amount make it.
    fn fold_account(&mut self, key: &str, events: &[Event]) -> anyhow::Result<Account> {
        let mut account = Account::default();
        for event in events {
            account.any = true;
            if event.kind == "AccountOpened" {
                account.cap = Some(money(&event.body, "cap")?);
                continue;
            }
            self.fold_move(key, &mut account, event)?;
        }
        Ok(account)
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
                    account.cap.is_some_and(|cap| sum <= cap),
                    "I2: {sum} after a reservation, under a cap of {:?}",
                    account.cap
                );
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
            for (sums, figure) in
                [(&mut reserved, account.reserved), (&mut positions, account.position)]
            {
                let sum = sums.entry(currency).or_default();
                *sum = sum.plus(figure)?;
            }
        }
        for (currency, sum) in positions {
            ensure!(sum == Money::ZERO, "I1: positions in {currency} sum to {sum}, not to nothing");
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
            None | Some("INVALID" | "ABORTED_REJECTED") => (0, 0, 0, 0),
            Some("RESERVED") => (1, 0, 0, 0),
            Some("COMMITTED") => (1, 1, 1, 0),
            Some("ABORTED_ERROR") => (1, 0, 0, 1),
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

fn text<'v>(body: &'v Value, field: &str) -> anyhow::Result<&'v str> {
    body[field].as_str().with_context(|| format!("no text {field} in {body}"))
}

fn money(body: &Value, field: &str) -> anyhow::Result<Money> {
    text(body, field)?.parse().with_context(|| format!("{field} in {body}"))
}
