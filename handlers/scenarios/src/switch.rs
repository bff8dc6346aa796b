//! What a scenario needs of a switch. Small, so that any way to run the handlers can have it.

use serde_json::Value;

/// A switch under test.
///
/// # Contract
/// - Commands of one `send` are taken up one right after another, in their order, as far as they are
///   for one aggregate; what they cause comes after them.
/// - After `settle` nothing is under way any more: every event has been reacted to, and `state` and
///   `events` show all that happened.
/// - A failure of the switch itself, as against a refusal, is an error.
pub trait Switch {
    /// Milliseconds since 1970, as commands that are sent now will see it.
    fn now_ms(&mut self) -> anyhow::Result<u64>;

    /// Sends commands together and waits for their outcomes, one for each.
    fn send(&mut self, commands: Vec<Command>) -> anyhow::Result<Vec<Outcome>>;

    /// Waits until nothing is under way any more.
    fn settle(&mut self) -> anyhow::Result<()>;

    /// An aggregate's state; nothing if it has no events.
    fn state(&mut self, aggregate_type: &str, key: &str) -> anyhow::Result<Option<Value>>;

    /// An aggregate's events, in their order.
    fn events(&mut self, aggregate_type: &str, key: &str) -> anyhow::Result<Vec<Event>>;
}

/// A client's command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Type of the aggregate.
    pub aggregate_type: String,
    /// Key of the aggregate.
    pub key: String,
    /// Kind of the command.
    pub kind: String,
    /// Its body, JSON unless it is meant to be malformed.
    pub body: String,
}

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was accepted.
    Accepted {
        /// What the client gets back, if anything.
        reply: Option<Value>,
    },
    /// There was nothing to do.
    Nothing {
        /// What the client gets back, if anything.
        reply: Option<Value>,
    },
    /// It was refused.
    Refused {
        /// For programs.
        code: String,
        /// For people.
        details: String,
    },
}

/// What happened to an aggregate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Kind of the event.
    pub kind: String,
    /// Its body.
    pub body: Value,
}
