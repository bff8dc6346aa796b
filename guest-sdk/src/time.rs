//! Time as records carry it. There is no clock here, on purpose: time enters a handler only with the
//! messages it is given.

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01 UTC. In JSON a plain number.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Time(pub u64);

impl Time {
    /// This time, so many milliseconds later; the last time there is, if that would pass it.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// How many milliseconds this is after `earlier`; 0 if it is not after it.
    #[must_use]
    pub const fn ms_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}
