//! Where a participant is to be reached: one address for each type of endpoint.
//!
//! Whoever sends something looks the address up when it sends; events of transfers carry none.
//! Whether the participant exists is not asked here: an address of nobody harms nobody.

mod address;
mod configuration;
mod decide;
mod evolve;
pub mod messages;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use zamu_guest::{Aggregate, Context, Decision};

pub use address::Form;
pub use configuration::Configuration;

/// All endpoints of one participant. The key is a [`scheme::FspId`].
#[derive(Clone, Copy, Debug)]
pub struct Endpoints;

/// Addresses by type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct State(pub BTreeMap<String, String>);

impl Aggregate for Endpoints {
    const TYPE: &'static str = scheme::ENDPOINTS;
    type State = State;
    type Command = messages::Command;
    type Event = messages::Event;
    type Configuration = Configuration;

    fn decide(
        state: &State,
        command: messages::Command,
        context: &Context<'_, Configuration>,
    ) -> Decision<messages::Event> {
        decide::decide(state, command, context)
    }

    fn evolve(state: State, event: &messages::Event) -> State {
        evolve::evolve(state, event)
    }
}
