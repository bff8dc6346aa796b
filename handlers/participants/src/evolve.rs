//! What events make of a participant.

use scheme::participant_events::{
    ParticipantActivated, ParticipantCreated, ParticipantDeactivated,
};

use crate::messages::Event;
use crate::state::State;

pub(crate) fn evolve(state: State, event: &Event) -> State {
    match event {
        Event::ParticipantCreated(ParticipantCreated { name }) => {
            State { name: Some(name.clone()), active: false }
        }
        Event::ParticipantActivated(ParticipantActivated {}) => State { active: true, ..state },
        Event::ParticipantDeactivated(ParticipantDeactivated {}) => {
            State { active: false, ..state }
        }
    }
}
