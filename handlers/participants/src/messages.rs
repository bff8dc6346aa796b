//! What a participant can be asked, and what can happen to it. The participant's id is the key.
//!
//! Events are shared with whoever reads them, in [`scheme::participant_events`].

use scheme::participant_events::{
    ParticipantActivated, ParticipantCreated, ParticipantDeactivated,
};
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

zamu_guest::messages! {
    /// What a participant can be asked.
    pub enum Command { CreateParticipant, ActivateParticipant, DeactivateParticipant }
}

zamu_guest::messages! {
    /// What can happen to a participant.
    pub enum Event { ParticipantCreated, ParticipantActivated, ParticipantDeactivated }
}
