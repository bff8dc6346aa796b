//! The smallest handler: counters that count up to a limit, and a counter of all counters.
//!
//! The runtime's own tests run it, too. Its tests are in `tests/`.

mod messages;
mod total;

use serde::{Deserialize, Serialize};
use zamu_guest::{Aggregate, Context, Decision};

pub use messages::{CounterCommand, CounterEvent, Increment, Incremented, Reset, WasReset};
pub use total::{Heard, Sent, TOTAL, Total};

zamu_guest::handler! {
    name: "counter",
    fold: 1,
    aggregates: [Counter],
    event_handlers: [Total],
}

/// A named counter.
#[derive(Debug)]
pub struct Counter;

/// What a counter remembers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// What it has counted to since the last reset.
    pub value: u64,
    /// How often it was reset.
    pub resets: u64,
}

/// What the operator can configure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Configuration {
    /// The highest value that a counter reaches.
    pub limit: u64,
}

impl Default for Configuration {
    fn default() -> Self {
        Self { limit: u64::MAX }
    }
}

impl Aggregate for Counter {
    const TYPE: &'static str = "counter";
    type State = State;
    type Command = CounterCommand;
    type Event = CounterEvent;
    type Configuration = Configuration;

    fn decide(
        state: &State,
        command: CounterCommand,
        context: &Context<'_, Configuration>,
    ) -> Decision<CounterEvent> {
        match command {
            CounterCommand::Increment(Increment { by }) => {
                increment(state, by, context.configuration.limit)
            }
            CounterCommand::Reset(Reset {}) if state.value == 0 => Decision::nothing(),
            CounterCommand::Reset(Reset {}) => Decision::accept(WasReset { from: state.value }),
        }
    }

    fn evolve(state: State, event: &CounterEvent) -> State {
        match event {
            CounterEvent::Incremented(event) => State { value: event.value, ..state },
            CounterEvent::WasReset(_) => State { value: 0, resets: state.resets.saturating_add(1) },
        }
    }
}

fn increment(state: &State, by: u64, limit: u64) -> Decision<CounterEvent> {
    if by == 0 {
        return Decision::nothing().reply(&state.value);
    }
    match state.value.checked_add(by) {
        Some(value) if value <= limit => Decision::accept(Incremented { by, value }).reply(&value),
        _ => Decision::refuse(
            "over-limit",
            format!("{} and {by} more would pass the limit of {limit}", state.value),
        ),
    }
}
