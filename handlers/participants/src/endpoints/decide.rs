//! The rules of endpoints. Nothing is changed here.

use scheme::{FspId, codes};
use zamu_guest::{Context, Decision};

use super::messages::{Command, EndpointRemoved, EndpointSet, Event, RemoveEndpoint, SetEndpoint};
use super::{Configuration, State};

pub(crate) fn decide(
    state: &State,
    command: Command,
    context: &Context<'_, Configuration>,
) -> Decision<Event> {
    match command {
        Command::SetEndpoint(set) => decide_set(state, set, context),
        Command::RemoveEndpoint(remove) => decide_remove(state, remove),
    }
}

fn decide_set(
    state: &State,
    set: SetEndpoint,
    context: &Context<'_, Configuration>,
) -> Decision<Event> {
    let SetEndpoint { endpoint_type, value } = set;
    if state.0.get(&endpoint_type) == Some(&value) {
        return Decision::nothing();
    }
    match check(&endpoint_type, &value, context) {
        Ok(()) => Decision::accept(EndpointSet { endpoint_type, value }),
        Err(reason) => Decision::refuse(codes::VALIDATION, reason),
    }
}

fn check(
    endpoint_type: &str,
    value: &str,
    context: &Context<'_, Configuration>,
) -> Result<(), String> {
    context.key.parse::<FspId>().map_err(|error| format!("key: {error}"))?;
    let types = &context.configuration.endpoint_types;
    let Some(form) = types.get(endpoint_type) else {
        let known: Vec<&str> = types.keys().map(|name| &**name).collect();
        return Err(format!("type: there is no {endpoint_type}, only {}", known.join(", ")));
    };
    form.check(value).map_err(|error| format!("value: {error}"))
}

/// A type that is not configured any more can still be removed.
fn decide_remove(state: &State, remove: RemoveEndpoint) -> Decision<Event> {
    let RemoveEndpoint { endpoint_type } = remove;
    if state.0.contains_key(&endpoint_type) {
        Decision::accept(EndpointRemoved { endpoint_type })
    } else {
        Decision::refuse(codes::ID_NOT_FOUND, format!("there is no endpoint {endpoint_type}"))
    }
}
