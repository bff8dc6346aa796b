//! The figures of each account, added up from the amounts alone, and its cap.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use crate::ledger::event::Movement;
use crate::ledger::findings::{CAP, FIGURES, Findings, STATE, UNBALANCED};
use crate::ledger::transfers::Transfers;
use crate::ledger::units::Units;

/// An account by its index in the ledger.
pub(super) type AccountIndex = u32;

/// The code of a rejection because of the cap.
const PAYER_LIMIT: &str = "4200";

/// What an account owes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Figures {
    /// Prepared, not yet fulfilled.
    pub reserved: Units,
    /// Committed.
    pub position: Units,
}

/// Sums over all accounts of a currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sums {
    /// Nothing, always: what one owes another is owed.
    pub positions: Units,
    /// Nothing, when nothing is under way.
    pub reservations: Units,
}

/// All accounts.
#[derive(Clone, Debug, Default)]
pub(super) struct Accounts {
    keys: HashMap<Box<str>, AccountIndex>,
    accounts: Vec<Account>,
}

#[derive(Clone, Debug)]
struct Account {
    key: Box<str>,
    /// None before it was opened.
    cap: Option<Units>,
    figures: Figures,
}

impl Accounts {
    /// The index of an account, whether it is open or not.
    pub(super) fn index(&mut self, key: &str) -> AccountIndex {
        if let Some(index) = self.keys.get(key) {
            return *index;
        }
        let index = self.accounts.len() as AccountIndex;
        self.keys.insert(key.into(), index);
        let figures = Figures::default();
        self.accounts.push(Account { key: key.into(), cap: None, figures });
        index
    }

    /// Whether an account is of a currency.
    pub(super) fn is_of(&self, index: AccountIndex, currency: &str) -> bool {
        self.accounts.get(index as usize).is_some_and(|account| account.currency() == currency)
    }

    /// Enters the opening of an account.
    pub(super) fn open(&mut self, key: &str, cap: Units) {
        let index = self.index(key) as usize;
        self.accounts[index].cap = Some(cap);
    }

    /// Enters a movement: by its amount alone; the figures that the event carries are compared.
    ///
    /// # Errors
    /// When its kind is not known.
    pub(super) fn enter(
        &mut self,
        key: &str,
        kind: &str,
        movement: &Movement<'_>,
        findings: &mut Findings,
    ) -> Result<()> {
        let index = self.index(key) as usize;
        self.accounts[index].enter(kind, movement, findings)
    }

    /// Compares what accounts have with what transfers say of them, whatever is under way.
    pub(super) fn check(&self, transfers: &Transfers, findings: &mut Findings) {
        let currencies: BTreeMap<&str, ()> =
            self.accounts.iter().map(|account| (account.currency(), ())).collect();
        for currency in currencies.keys() {
            let of_currency = || self.accounts.iter().filter(|a| a.currency() == *currency);
            let reserved: Units = of_currency().map(|account| account.figures.reserved).sum();
            let position: Units = of_currency().map(|account| account.figures.position).sum();
            let due = transfers.totals(|index| self.is_of(index, currency));
            if (reserved, position) != due {
                findings.add(UNBALANCED, || {
                    format!("{currency}: {reserved} reserved and {position} owed, not {due:?}")
                });
            }
        }
    }

    /// Compares with the states that the host shows.
    pub(super) fn compare(&self, states: &BTreeMap<String, Figures>, findings: &mut Findings) {
        for Account { key, cap, figures } in &self.accounts {
            match states.get(&**key) {
                Some(state) if state == figures => {}
                // One that transfers name and nobody opened has nothing to show.
                None if cap.is_none() && *figures == Figures::default() => {}
                state => findings.add(STATE, || format!("{key}: {state:?}, not {figures:?}")),
            }
        }
    }
}

impl Account {
    fn enter(
        &mut self,
        kind: &str,
        movement: &Movement<'_>,
        findings: &mut Findings,
    ) -> Result<()> {
        let amount = movement.amount;
        let id = &movement.transfer_id;
        let before = self.figures;
        match kind {
            "PayerFundsReserved" => self.figures.reserved += amount,
            "PayerFundsRejected" => {}
            "PayerFundsCommitted" => {
                self.figures.reserved -= amount;
                self.figures.position += amount;
            }
            "PayeeFundsCommitted" => self.figures.position -= amount,
            "PayerFundsReversed" => self.figures.reserved -= amount,
            _ => bail!("an event that the ledger does not know: {kind}"),
        }
        let Account { key, cap, figures } = self;
        let asked = before.reserved + before.position + amount;
        let within = cap.is_some_and(|cap| asked <= cap);
        let is_limit = movement.code.as_deref() == Some(PAYER_LIMIT);
        if (kind == "PayerFundsReserved" && !within) || (is_limit && within) {
            findings.add(CAP, || format!("{kind} of {id} at {key}: {asked} with a cap of {cap:?}"));
        }
        let told = movement.reserved.zip(movement.position);
        if told.is_some_and(|told| told != (figures.reserved, figures.position)) {
            findings.add(FIGURES, || format!("{kind} of {id} at {key}: {told:?}, not {figures:?}"));
        }
        if figures.reserved < Units::default() {
            findings.add(UNBALANCED, || format!("{kind} of {id} at {key}: {figures:?}"));
        }
        Ok(())
    }

    fn currency(&self) -> &str {
        self.key.rsplit_once('/').map_or("", |(_, currency)| currency)
    }
}

/// Sums of states by currency.
pub(super) fn sums(states: &BTreeMap<String, Figures>) -> BTreeMap<String, Sums> {
    let mut sums: BTreeMap<String, Sums> = BTreeMap::new();
    for (key, figures) in states {
        let currency = key.rsplit_once('/').map_or("", |(_, currency)| currency);
        let sum = sums.entry(currency.to_owned()).or_default();
        sum.positions += figures.position;
        sum.reservations += figures.reserved;
    }
    sums
}
