//! Participants of the scheme: taken up, activated, deactivated; and where each is to be reached.
//!
//! Endpoints are an aggregate of their own, so that whoever changes them does not meet what concerns
//! the participant itself. Money is left to accounts, transfers to their own crate. No event
//! handler: nothing that happens elsewhere changes a participant.

mod decide;
pub mod endpoints;
mod evolve;
pub mod messages;
mod state;

use zamu_guest::{Aggregate, Context, Decision};

pub use endpoints::Endpoints;
pub use state::State;

/// The aggregate of one participant. Its key is a [`scheme::FspId`].
#[derive(Clone, Copy, Debug)]
pub struct Participant;

impl Aggregate for Participant {
    const TYPE: &'static str = scheme::PARTICIPANT;
    type State = State;
    type Command = messages::Command;
    type Event = messages::Event;
    type Configuration = ();

    fn decide(
        state: &State,
        command: messages::Command,
        context: &Context<'_>,
    ) -> Decision<messages::Event> {
        decide::decide(state, command, context)
    }

    fn evolve(state: State, event: &messages::Event) -> State {
        evolve::evolve(state, event)
    }
}

zamu_guest::handler! {
    name: "participants",
    fold: 2,
    aggregates: [Participant, Endpoints],
}
