//! The figures of each account, added up from the amounts alone, and its limits.

use std::collections::{BTreeMap, HashMap};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::ledger::event::{Alarm, Cover, Event, Limits, Movement};
use crate::ledger::findings::{ALARM, CAP, FIGURES, Findings, STATE, UNBALANCED};
use crate::ledger::transfers::Transfers;
use crate::ledger::units::Units;

/// An account by its index in the ledger.
pub(super) type AccountIndex = u32;

/// Codes of rejections: because of the cap, of the cover, or of the account itself.
const PAYER_LIMIT: &str = "4200";
const PAYER_LIQUIDITY: &str = "4001";
const PAYER_NOT_FOUND: &str = "3202";

/// What an account owes, and how much it may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Figures {
    /// Prepared, not yet fulfilled.
    pub reserved: Units,
    /// Committed.
    pub position: Units,
    /// The net debit cap, if it has one.
    pub cap: Option<Units>,
    /// The liquidity cover, if it has a settlement account beside it.
    pub cover: Option<Units>,
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

#[derive(Clone, Debug, Default)]
struct Account {
    key: Box<str>,
    opened: bool,
    closed: bool,
    /// In percent of the cap.
    alarm: Option<i128>,
    /// What it brought along.
    opening: Units,
    figures: Figures,
    was_above: bool,
    /// What is owed has just passed the threshold: an alarm must come next.
    alarm_due: bool,
}

impl Accounts {
    /// The index of an account, whether it is open or not.
    pub(super) fn index(&mut self, key: &str) -> AccountIndex {
        if let Some(index) = self.keys.get(key) {
            return *index;
        }
        let index = self.accounts.len() as AccountIndex;
        self.keys.insert(key.into(), index);
        self.accounts.push(Account { key: key.into(), ..Account::default() });
        index
    }

    /// Whether an account is of a currency.
    pub(super) fn is_of(&self, index: AccountIndex, currency: &str) -> bool {
        self.accounts.get(index as usize).is_some_and(|account| account.currency() == currency)
    }

    /// Enters an event that moves money for a transfer, or does not: by its amount alone; the
    /// figures that it carries are compared.
    pub(super) fn enter_movement(
        &mut self,
        key: &str,
        kind: &str,
        movement: &Movement<'_>,
        findings: &mut Findings,
    ) {
        let index = self.index(key) as usize;
        self.accounts[index].enter_movement(kind, movement, findings);
        self.accounts[index].expect_alarm(kind, findings);
    }

    /// Enters any other event.
    ///
    /// # Errors
    /// When its body cannot be read.
    pub(super) fn enter(&mut self, event: &Event<'_>, findings: &mut Findings) -> Result<()> {
        let index = self.index(&event.key) as usize;
        self.accounts[index].enter(event, findings)?;
        self.accounts[index].expect_alarm(&event.kind, findings);
        Ok(())
    }

    /// The cover of an account.
    pub(super) fn cover(&self, key: &str) -> Option<Units> {
        self.accounts[*self.keys.get(key)? as usize].figures.cover
    }

    /// What accounts of a currency have brought along.
    pub(super) fn brought(&self, currency: &str) -> Units {
        let of_currency = self.accounts.iter().filter(|account| account.currency() == currency);
        of_currency.map(|account| account.opening).sum()
    }

    /// Compares what accounts have with what transfers say of them, whatever is under way.
    pub(super) fn check(&self, transfers: &Transfers, findings: &mut Findings) {
        let currencies: BTreeMap<&str, ()> =
            self.accounts.iter().map(|account| (account.currency(), ())).collect();
        for currency in currencies.keys() {
            let of_currency = || self.accounts.iter().filter(|a| a.currency() == *currency);
            let reserved: Units = of_currency().map(|account| account.figures.reserved).sum();
            let position: Units =
                of_currency().map(|account| account.figures.position - account.opening).sum();
            let due = transfers.totals(|index| self.is_of(index, currency));
            if (reserved, position) != due {
                findings.add(UNBALANCED, || {
                    format!("{currency}: {reserved} reserved and {position} owed, not {due:?}")
                });
            }
        }
        for Account { key, figures, .. } in self.accounts.iter().filter(|a| a.alarm_due) {
            findings.add(ALARM, || format!("{key}: none came at {figures:?}"));
        }
    }

    /// Compares with the states that the host shows.
    pub(super) fn compare(&self, states: &BTreeMap<String, Figures>, findings: &mut Findings) {
        for Account { key, opened, figures, .. } in &self.accounts {
            match states.get(&**key) {
                Some(state) if state == figures => {}
                // One that transfers name and nobody opened has nothing to show.
                None if !opened && *figures == Figures::default() => {}
                state => findings.add(STATE, || format!("{key}: {state:?}, not {figures:?}")),
            }
        }
    }
}

impl Account {
    fn enter(&mut self, event: &Event<'_>, findings: &mut Findings) -> Result<()> {
        match &*event.kind {
            "AccountOpened" => {
                self.opened = true;
                let limits: Limits = event.body()?;
                self.limit(&limits);
                if let Some(opening) = limits.opening {
                    self.opening = opening.amount;
                    self.figures.position += opening.amount;
                    self.told(&event.kind, opening.position, self.figures.position, findings);
                }
            }
            "LimitsChanged" => self.limit(&event.body()?),
            "AccountClosed" => self.closed = true,
            "AccountReopened" => self.closed = false,
            "ThresholdExceeded" => {
                let Alarm { alarm, cap, current_position } = event.body()?;
                self.told(&event.kind, current_position, self.owed(), findings);
                if (Some(alarm), Some(cap)) != (self.alarm, self.figures.cap) {
                    findings.add(FIGURES, || format!("{}: {alarm} % of {cap}", event.id));
                }
            }
            _ => self.enter_cover(&event.kind, &event.body()?, findings),
        }
        Ok(())
    }

    fn limit(&mut self, limits: &Limits) {
        (self.figures.cap, self.alarm) = (limits.cap, limits.alarm);
    }

    fn enter_cover(&mut self, kind: &str, body: &Cover, findings: &mut Findings) {
        let before = self.figures.cover.unwrap_or_default();
        let needed = self.owed().max(Units::default());
        let after = match kind {
            "CoverRaised" => before + body.amount,
            _ => before - body.amount,
        };
        if kind == "CoverHeld" {
            if after >= needed {
                findings.add(CAP, || format!("{kind} at {}: {needed} of {before}", self.key));
            }
            return;
        }
        if kind == "CoverLowered" && after < needed {
            findings.add(CAP, || format!("{kind} at {}: {needed} of {after}", self.key));
        }
        self.figures.cover = Some(after);
        self.told(kind, body.cover.unwrap_or_default(), after, findings);
    }

    fn enter_movement(&mut self, kind: &str, movement: &Movement<'_>, findings: &mut Findings) {
        let amount = movement.amount;
        let id = &movement.transfer_id;
        self.check_limits(kind, movement, findings);
        match kind {
            "PayerFundsReserved" => self.figures.reserved += amount,
            "PayerFundsCommitted" => {
                self.figures.reserved -= amount;
                self.figures.position += amount;
            }
            "PayeeFundsCommitted" => self.figures.position -= amount,
            "PayerFundsReversed" => self.figures.reserved -= amount,
            // A rejection moves nothing.
            _ => {}
        }
        let Account { key, figures, .. } = self;
        let told = movement.reserved.zip(movement.position);
        if told.is_some_and(|told| told != (figures.reserved, figures.position)) {
            findings.add(FIGURES, || format!("{kind} of {id} at {key}: {told:?}, not {figures:?}"));
        }
        if figures.reserved < Units::default() {
            findings.add(UNBALANCED, || format!("{kind} of {id} at {key}: {figures:?}"));
        }
    }

    /// Whether it may reserve, or must reject for the reason that it names.
    fn check_limits(&self, kind: &str, movement: &Movement<'_>, findings: &mut Findings) {
        let asked = self.owed() + movement.amount;
        let Figures { cap, cover, .. } = self.figures;
        let due = match cap {
            Some(_) if !self.opened || self.closed => Some(PAYER_NOT_FOUND),
            None => Some(PAYER_NOT_FOUND),
            _ if cover.is_some_and(|cover| asked > cover) => Some(PAYER_LIQUIDITY),
            Some(cap) if asked > cap => Some(PAYER_LIMIT),
            Some(_) => None,
        };
        let is_wrong = match kind {
            "PayerFundsReserved" => due.is_some(),
            "PayerFundsRejected" => due.is_none() || due != movement.code.as_deref(),
            _ => false,
        };
        if is_wrong {
            findings.add(CAP, || {
                let code = &movement.code;
                let id = &movement.transfer_id;
                format!("{kind} {code:?} of {id} for {asked}, not {due:?}: {self:?}")
            });
        }
    }

    /// Compares what an event says with what it comes to.
    fn told(&self, kind: &str, told: Units, figure: Units, findings: &mut Findings) {
        if told != figure {
            findings.add(FIGURES, || format!("{kind} at {}: {told}, not {figure}", self.key));
        }
    }

    /// There is an alarm right after the threshold was passed upward, and nowhere else.
    fn expect_alarm(&mut self, kind: &str, findings: &mut Findings) {
        if (kind == "ThresholdExceeded") != self.alarm_due {
            findings.add(ALARM, || format!("{kind} at {}: {:?}", self.key, self.figures));
        }
        let is_above = match (self.alarm, self.figures.cap) {
            (Some(percent), Some(cap)) => self.owed().0 * 100 > cap.0 * percent,
            _ => false,
        };
        self.alarm_due = is_above && !self.was_above;
        self.was_above = is_above;
    }

    fn owed(&self) -> Units {
        self.figures.reserved + self.figures.position
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
