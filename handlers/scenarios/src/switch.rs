//! What a scenario needs of a switch, and what a [random story](crate::story) needs besides. Small, so
//! that any way to run the handlers can have it.

use serde_json::Value;

/// A switch under test.
///
/// # Contract
/// - Commands of one `send` are taken up one right after another, in their order, as far as they are
///   for one aggregate; what they cause comes after them.
/// - After `settle` nothing is under way any more: every event has been reacted to, and `state` and
///   `events` show all that happened. Only what is held back is still on its way.
/// - The clock stands still but for `advance`. What was sent before is decided before what becomes
///   due by it; a deadline has come when it has passed.
/// - A failure of the switch itself, as against a refusal, is an error.
pub trait Switch {
    /// Milliseconds since 1970, as commands that are sent now will see it.
    fn now_ms(&mut self) -> anyhow::Result<u64>;

    /// Sends commands together and waits for their outcomes, one for each.
    fn send(&mut self, commands: Vec<Command>) -> anyhow::Result<Vec<Outcome>>;

    /// Time passes. What becomes due by that happens while the switch gets on.
    fn advance(&mut self, ms: u64) -> anyhow::Result<()>;

    /// Waits until nothing is under way any more, but for what is held back.
    fn settle(&mut self) -> anyhow::Result<()>;

    /// Holds back what other aggregates send to those of this type, or lets it go, in its order. What
    /// clients send them is taken as ever.
    fn hold_back(&mut self, aggregate_type: &str, held: bool) -> anyhow::Result<()>;

    /// Delivers once more the last command of this kind that another aggregate sent to this one: the
    /// very same, as a sender does that cannot know whether it arrived.
    fn deliver_again(&mut self, aggregate_type: &str, key: &str, kind: &str) -> anyhow::Result<()>;

    /// Sends a command as the switch itself sends it and no client can; waits for its outcome. Whoever
    /// minds the switch is alarmed if it is refused: only a defect sends what is refused.
    fn send_inside(&mut self, command: Command) -> anyhow::Result<Outcome>;

    /// An aggregate's state; nothing if it has no events.
    fn state(&mut self, aggregate_type: &str, key: &str) -> anyhow::Result<Option<Value>>;

    /// An aggregate's events, in their order.
    fn events(&mut self, aggregate_type: &str, key: &str) -> anyhow::Result<Vec<Event>>;

    /// An aggregate's events but the first so many, in their order.
    fn events_from(
        &mut self,
        aggregate_type: &str,
        key: &str,
        first: usize,
    ) -> anyhow::Result<Vec<Event>> {
        let mut events = self.events(aggregate_type, key)?;
        Ok(events.split_off(first.min(events.len())))
    }
}

/// A switch whose progress, clock and life are in the hands of a test.
///
/// # Contract
/// - After [`Switch::settle`] every command that was posted has its outcome, whatever happened in
///   between, and an outcome that was known once stays what it is.
pub trait Driven: Switch {
    /// Sends a command and waits for nothing; gives its number, from 0, without a gap.
    fn post(&mut self, command: Command) -> anyhow::Result<usize>;

    /// Sends what was posted under this number once more, as a client does that has heard nothing: to
    /// the switch it is the same command. Whatever it answers this time must be what it answered, or
    /// answers, to the first.
    fn repeat(&mut self, posted: usize) -> anyhow::Result<()>;

    /// The outcome of what was posted under this number, if it is known yet.
    fn outcome(&mut self, posted: usize) -> anyhow::Result<Option<Outcome>>;

    /// Gets on a little. What gets on, where several things could, follows from `choice`.
    fn step(&mut self, choice: usize) -> anyhow::Result<()>;

    /// The process ends and another one begins. What was posted and not answered is sent again.
    fn restart(&mut self, end: End) -> anyhow::Result<()>;
}

/// How a process ends. Where a switch cannot tell some of these apart they are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// What has been handed to the log is finished.
    Orderly,
    /// At once; what was written is there.
    Killed,
    /// At once, and what was not durable may be gone.
    PowerLost,
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
