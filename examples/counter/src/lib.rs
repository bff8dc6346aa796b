//! The smallest handler: counters that count up to a limit and forget when they are left alone, a
//! counter of all counters, and tables of both.
//!
//! The runtime's own tests run it, too. Its tests are in `tests/`.

mod messages;
mod tables;
mod total;

use serde::{Deserialize, Serialize};
use zamu_guest::{Aggregate, Context, Decision, Time};

pub use messages::{CounterCommand, CounterEvent, Increment, Incremented, Reset, WasReset};
pub use tables::{COUNTERS, COUNTS, Count, Standing, Tables};
pub use total::{Heard, Sent, TOTAL, Total};

zamu_guest::handler! {
    name: "counter",
    fold: 1,
    aggregates: [Counter],
    event_handlers: [Total],
    projections: [Tables],
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
    /// When it begins again at 0 by itself, if nobody counts before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forgets_at: Option<Time>,
}

/// What the operator can configure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Configuration {
    /// The highest value that a counter reaches.
    pub limit: u64,
    /// A counter that nobody counts up for so many milliseconds begins again at 0.
    pub idle_ms: Option<u64>,
}

impl Default for Configuration {
    fn default() -> Self {
        Self { limit: u64::MAX, idle_ms: None }
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
            CounterCommand::Increment(Increment { by }) => increment(state, by, context),
            CounterCommand::Reset(Reset {}) if state.value == 0 => Decision::nothing(),
            CounterCommand::Reset(Reset {}) => Decision::accept(WasReset { from: state.value }),
        }
    }

    fn evolve(state: State, event: &CounterEvent) -> State {
        match event {
            CounterEvent::Incremented(event) => {
                State { value: event.value, forgets_at: event.forgets_at, ..state }
            }
            CounterEvent::WasReset(_) => {
                State { value: 0, resets: state.resets.saturating_add(1), forgets_at: None }
            }
        }
    }

    fn wake_at(state: &State) -> Option<Time> {
        state.forgets_at
    }

    fn wake(state: &State, _: &Context<'_, Configuration>) -> Decision<CounterEvent> {
        Decision::accept(WasReset { from: state.value })
    }
}

fn increment(
    state: &State,
    by: u64,
    context: &Context<'_, Configuration>,
) -> Decision<CounterEvent> {
    if by == 0 {
        return Decision::nothing().reply(&state.value);
    }
    // A deadline is a fact like any other: what is configured later does not move it.
    let Configuration { limit, idle_ms } = *context.configuration;
    let forgets_at = idle_ms.map(|idle_ms| context.time.plus_ms(idle_ms));
    match state.value.checked_add(by) {
        Some(value) if value <= limit => {
            Decision::accept(Incremented { by, value, forgets_at }).reply(&value)
        }
        _ => Decision::refuse(
            "over-limit",
            format!("{} and {by} more would pass the limit of {limit}", state.value),
        ),
    }
}
