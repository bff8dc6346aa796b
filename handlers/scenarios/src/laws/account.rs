//! How an account stands by its events. Those that move money for a transfer are left to the books,
//! which know the transfer.

use anyhow::{Context as _, ensure};
use scheme::Money;
use serde_json::Value;

use super::body::{money, optional_money};
use crate::switch::Event;

/// What the events of an account say.
#[derive(Clone, Debug, Default)]
pub(super) struct Account {
    pub(super) events: usize,
    pub(super) was_above: bool,
    pub(super) alarm_due: bool,
    pub(super) closed: bool,
    pub(super) cap: Option<Money>,
    alarm: Option<i128>,
    pub(super) cover: Option<Money>,
    /// What it brought along.
    pub(super) opening: Money,
    pub(super) reserved: Money,
    pub(super) position: Money,
}

impl Account {
    pub(super) fn agrees_with(&self, state: Option<&Value>) -> anyhow::Result<()> {
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
    pub(super) fn is_above_threshold(&self) -> anyhow::Result<bool> {
        let (Some(alarm), Some(cap)) = (self.alarm, self.cap) else { return Ok(false) };
        let hundredfold = |sum: Money, by: i128| sum.units().checked_mul(by).context("too much");
        Ok(hundredfold(self.current_position()?, 100)? > hundredfold(cap, alarm)?)
    }

    /// Follows what is not about a transfer. Tells whether it was.
    pub(super) fn fold_limits(&mut self, event: &Event) -> anyhow::Result<bool> {
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
