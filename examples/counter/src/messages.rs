//! What a counter can be asked, and what can happen to it.

use serde::{Deserialize, Serialize};
use zamu_guest::Time;

zamu_guest::messages! {
    /// What a counter can be asked.
    pub enum CounterCommand {
        Increment,
        Reset,
    }
}

zamu_guest::messages! {
    /// What can happen to a counter.
    pub enum CounterEvent {
        Incremented,
        WasReset,
    }
}

/// Counts up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Increment {
    /// By how much; by 0 there is nothing to do.
    pub by: u64,
}

/// Begins again at 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reset {}

/// The counter has counted up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incremented {
    /// By how much.
    pub by: u64,
    /// What it stands at now.
    pub value: u64,
    /// When it begins again at 0, if nobody counts before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forgets_at: Option<Time>,
}

/// The counter was set back to 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WasReset {
    /// What it stood at before.
    pub from: u64,
}
