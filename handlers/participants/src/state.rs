//! What a participant remembers.

use serde::{Deserialize, Serialize};

/// A participant; without a name it was never created.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Its name for people.
    pub name: Option<String>,
    /// Whether it takes part.
    pub active: bool,
}
