//! What participants have paid in: added up from the amounts alone, and compared with the cover of
//! the account that has the same key.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::ledger::event::Funds;
use crate::ledger::findings::{CAP, FIGURES, Findings, STATE, UNBALANCED};
use crate::ledger::units::Units;

/// What a participant has with the scheme in one currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Settlement {
    /// What is there.
    pub funds: Units,
    /// The part of it that is on its way out.
    pub leaving: Units,
}

/// All settlement accounts, by key.
#[derive(Clone, Debug, Default)]
pub(super) struct Settlements(BTreeMap<Box<str>, Settlement>);

impl Settlements {
    /// Enters an event: by its amount alone; the figures that it carries are compared.
    pub(super) fn enter(&mut self, key: &str, kind: &str, body: &Funds, findings: &mut Findings) {
        let settlement = self.0.entry(key.into()).or_default();
        let amount = body.amount.unwrap_or_default();
        match kind {
            "SettlementAccountOpened" => settlement.funds = body.funds.unwrap_or_default(),
            "FundsIn" => settlement.funds += amount,
            "FundsOutPrepared" => settlement.leaving += amount,
            "FundsOutRejected" => settlement.leaving -= amount,
            _ => {
                settlement.leaving -= amount;
                settlement.funds -= amount;
            }
        }
        let Settlement { funds, leaving } = *settlement;
        if body.funds.is_some_and(|told| told != funds)
            || body.leaving.is_some_and(|told| told != leaving)
        {
            findings.add(FIGURES, || format!("{kind} at {key}: {body:?}, not {settlement:?}"));
        }
        if leaving < Units::default() || leaving > funds {
            findings.add(CAP, || format!("{kind} at {key}: {settlement:?}"));
        }
    }

    /// What is wrong when nothing may be under way any more. `cover` knows the accounts.
    pub(super) fn check_drained(
        &self,
        cover: impl Fn(&str) -> Option<Units>,
        findings: &mut Findings,
    ) {
        for (key, settlement) in &self.0 {
            let cover = cover(key);
            if settlement.leaving != Units::default() || cover != Some(settlement.funds) {
                findings.add(UNBALANCED, || format!("{key}: {settlement:?}, a cover of {cover:?}"));
            }
        }
    }

    /// Compares with the states that the host shows.
    pub(super) fn compare(&self, states: &BTreeMap<String, Settlement>, findings: &mut Findings) {
        for (key, settlement) in &self.0 {
            let state = states.get(&**key);
            if state != Some(settlement) {
                findings.add(STATE, || format!("{key}: {state:?}, not {settlement:?}"));
            }
        }
    }
}
