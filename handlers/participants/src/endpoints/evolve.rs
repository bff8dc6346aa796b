//! What events make of a participant's endpoints.

use super::State;
use super::messages::{EndpointRemoved, EndpointSet, Event};

pub(crate) fn evolve(mut state: State, event: &Event) -> State {
    match event {
        Event::EndpointSet(EndpointSet { endpoint_type, value }) => {
            state.0.insert(endpoint_type.clone(), value.clone());
        }
        Event::EndpointRemoved(EndpointRemoved { endpoint_type }) => {
            state.0.remove(endpoint_type);
        }
    }
    state
}
