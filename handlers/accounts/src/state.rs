//! What an account remembers: totals only, never a list of transfers.
//!
//! That each transfer moves money once is kept by the transfer's own state and by the exactly-once
//! travel of commands.

use scheme::{Money, MoneyError, Percentage};
use serde::{Deserialize, Serialize};

/// One participant's account in one currency. Positive figures are owed to the scheme.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Whether it was opened. A credit may reach an account that never was.
    pub opened: bool,
    /// Whether it was closed since: nothing new is reserved, what is under way goes on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub closed: bool,
    /// The net debit cap: the most that `reserved` and `position` may come to by a reservation.
    /// Without one nothing is reserved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<Money>,
    /// Above this part of the cap there is an alarm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alarm: Option<Percentage>,
    /// The liquidity cover: what the participant has with the scheme, less what is on its way out.
    /// It limits like the cap. None where there never was a settlement account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cover: Option<Money>,
    /// Prepared and neither fulfilled nor released yet.
    pub reserved: Money,
    /// Committed: debits less credits.
    pub position: Money,
}

zamu_guest::protobuf! {
    State {
        opened = 1, closed = 2, cap = 3, alarm = 4, cover = 5, reserved = 6, position = 7,
    }
}

impl State {
    /// What the participant owes with all that is under way: the figure that cap and cover limit.
    ///
    /// # Errors
    /// If the sum is beyond the largest figure.
    pub fn current_position(&self) -> Result<Money, MoneyError> {
        self.reserved.plus(self.position)
    }

    /// The figure above which there is an alarm, where there is one.
    #[must_use]
    pub fn alarm_threshold(&self) -> Option<Money> {
        Some(self.alarm?.of(self.cap?))
    }
}
