//! What became of the commands of an import, in numbers.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Numbers of commands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tally {
    /// Accepted now.
    pub(crate) accepted: u64,
    /// There was nothing to do.
    pub(crate) nothing: u64,
    /// Answered before, by an earlier run.
    pub(crate) duplicates: u64,
    /// Refused.
    pub(crate) refused: u64,
    /// Kept as dead letters.
    pub(crate) faults: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { accepted, nothing, duplicates, refused, faults } = self;
        write!(f, "{accepted} accepted")?;
        for (number, what) in [
            (nothing, "with nothing to do"),
            (duplicates, "sent before"),
            (refused, "refused"),
            (faults, "that a handler broke on"),
        ] {
            if *number > 0 {
                write!(f, ", {number} {what}")?;
            }
        }
        Ok(())
    }
}
