//! What a participant can be asked, and what can happen to it. The participant's id is the key.

use serde::{Deserialize, Serialize};

/// A client asks to take up a participant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateParticipant {
    /// Its name for people: 1 to 128 characters.
    pub name: String,
}

/// A client asks to let a participant take part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActivateParticipant {}

/// A client asks to let a participant take no part any more, until it is activated again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeactivateParticipant {}

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

zamu_guest::messages! {
    /// What a participant can be asked.
    pub enum Command { CreateParticipant, ActivateParticipant, DeactivateParticipant }
}

zamu_guest::messages! {
    /// What can happen to a participant.
    pub enum Event { ParticipantCreated, ParticipantActivated, ParticipantDeactivated }
}
