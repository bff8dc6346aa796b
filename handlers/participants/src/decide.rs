//! The rules of participants. Nothing is changed here.

use scheme::participant_events::{
    ParticipantActivated, ParticipantCreated, ParticipantDeactivated,
};
use scheme::{FspId, codes};
use zamu_guest::{Context, Decision};

use crate::messages::{
    ActivateParticipant, Command, CreateParticipant, DeactivateParticipant, Event,
};
use crate::state::State;

const NAME_CHARS_MAX: usize = 128;

pub(crate) fn decide(state: &State, command: Command, context: &Context<'_>) -> Decision<Event> {
    match command {
        Command::CreateParticipant(create) => decide_create(state, create, context.key),
        Command::ActivateParticipant(ActivateParticipant {}) => decide_activate(state),
        Command::DeactivateParticipant(DeactivateParticipant {}) => decide_deactivate(state),
    }
}

fn decide_create(state: &State, create: CreateParticipant, key: &str) -> Decision<Event> {
    match &state.name {
        Some(name) if *name == create.name => Decision::nothing(),
        Some(_) => Decision::refuse(
            codes::MODIFIED_REQUEST,
            "the participant exists already, with another name",
        ),
        None => match check_new(key, &create) {
            Ok(()) => Decision::accept(ParticipantCreated { name: create.name }),
            Err(reason) => Decision::refuse(codes::VALIDATION, reason),
        },
    }
}

fn check_new(key: &str, create: &CreateParticipant) -> Result<(), String> {
    key.parse::<FspId>().map_err(|error| format!("key: {error}"))?;
    if (1..=NAME_CHARS_MAX).contains(&create.name.chars().count()) {
        Ok(())
    } else {
        Err(format!("name: write 1 to {NAME_CHARS_MAX} characters"))
    }
}

fn decide_activate(state: &State) -> Decision<Event> {
    match state {
        State { name: None, .. } => nobody(),
        State { active: true, .. } => Decision::nothing(),
        State { active: false, .. } => Decision::accept(ParticipantActivated {}),
    }
}

/// What is under way goes on to its end: accounts commit and release whoever is active.
fn decide_deactivate(state: &State) -> Decision<Event> {
    match state {
        State { name: None, .. } => nobody(),
        State { active: false, .. } => Decision::nothing(),
        State { active: true, .. } => Decision::accept(ParticipantDeactivated {}),
    }
}

fn nobody() -> Decision<Event> {
    Decision::refuse(codes::ID_NOT_FOUND, "no such participant: send CreateParticipant first")
}
