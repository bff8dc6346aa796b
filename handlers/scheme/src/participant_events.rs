//! What can happen to a participant: participants decide it, and the directory lists it.

use serde::{Deserialize, Serialize};

/// A participant was taken up; it takes no part yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParticipantCreated {
    /// Its name for people.
    pub name: String,
}

/// The participant takes part from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParticipantActivated {}

/// The participant takes no part any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParticipantDeactivated {}
