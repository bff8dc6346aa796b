//! What an account remembers: totals only, never a list of transfers.
//!
//! That each transfer moves money once is kept by the transfer's own state and by the exactly-once
//! travel of commands.

use scheme::{Money, MoneyError};
use serde::{Deserialize, Serialize};

/// One participant's account in one currency. Positive figures are owed to the scheme.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Whether it was opened. A credit may reach an account that never was.
    pub opened: bool,
    /// The net debit cap: the most that `reserved` and `position` may come to by a reservation.
    pub cap: Money,
    /// Prepared and neither fulfilled nor released yet.
    pub reserved: Money,
    /// Committed: debits less credits.
    pub position: Money,
}

impl State {
    /// What the participant owes with all that is under way: the figure that the cap limits.
    ///
    /// # Errors
    /// If the sum is beyond the largest figure.
    pub fn current_position(&self) -> Result<Money, MoneyError> {
        self.reserved.plus(self.position)
    }
}
