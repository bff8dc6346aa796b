//! Participants of the scheme: taken up, then activated.
//!
//! Money is left to accounts, transfers to their own crate. No event handler: nothing that happens
//! elsewhere changes a participant.

mod decide;
mod evolve;
pub mod messages;
mod state;

use zamu_guest::{Aggregate, Context, Decision};

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
    fold: 1,
    aggregates: [Participant],
}
