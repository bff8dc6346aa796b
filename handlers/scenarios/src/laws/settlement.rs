//! How a settlement account stands by its events, and what it is to the account that it covers.

use anyhow::{bail, ensure};
use scheme::Money;
use serde_json::Value;

use super::account::Account;
use super::body::{money, optional_money};
use crate::switch::Event;

/// What the events of a settlement account say.
#[derive(Clone, Debug, Default)]
pub(super) struct Settlement {
    pub(super) events: usize,
    opened: bool,
    funds: Money,
    leaving: Money,
}

impl Settlement {
    pub(super) fn fold(&mut self, events: &[Event]) -> anyhow::Result<()> {
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

    pub(super) fn agrees_with(&self, state: Option<&Value>) -> anyhow::Result<()> {
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
    pub(super) fn covers(&self, account: &Account) -> anyhow::Result<()> {
        ensure!(self.leaving == Money::ZERO, "at rest {} is still leaving", self.leaving);
        ensure!(
            account.cover == self.opened.then_some(self.funds),
            "I1: a cover of {:?} for {self:?}",
            account.cover
        );
        Ok(())
    }
}
