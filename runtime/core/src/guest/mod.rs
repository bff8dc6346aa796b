//! The seam to handlers: all that a turn sees of a guest.
//!
//! [`columns`] has the shapes that cross it, `check` what the host demands of returned columns,
//! `isolation` what happens on a fault. How a guest runs is left to implementations: `zamu-wasm`
//! runs components in a sandbox, `native` plain Rust for tests.

pub mod check;
pub mod columns;
pub mod isolation;
pub mod lookup;
pub mod manifest;
#[cfg(any(test, feature = "testing"))]
pub mod native;

use columns::{
    Aggregates, Blobs, ChangeColumns, CommandColumns, Decision, EventColumns, MessageColumns,
    PastColumns, ProjectedColumns, RowColumns, SentColumns, States, Subjects,
};

pub use lookup::Lookup;

/// One handler's instance in one shard.
///
/// # Contract
/// - Calls are synchronous and deterministic: equal arguments give equal results, in every process.
///   What may be looked up is an argument, too.
/// - An instance may keep memory between calls, but no call's result may depend on it.
/// - A call that fails leaves nothing behind: after a [`Fault`] the next call runs in a fresh
///   instance, without being asked.
/// - Budgets are per item. With `n` items in a call, item `i` may use what one item may use alone,
///   so that batch size does not change what fits. A limit that is hit is a fault.
/// - Returned columns are *not* checked here: the caller does ([`check`]).
pub trait Guest: Send {
    /// Decides commands, in order, for the given aggregates. May look things up.
    ///
    /// # Errors
    /// A fault says what broke, and which item did if that is known.
    fn decide(
        &mut self,
        aggregates: &Aggregates,
        commands: &CommandColumns,
        lookup: &Lookup,
    ) -> Result<Decision, Fault>;

    /// Folds events into states. Sees no configuration and looks nothing up.
    ///
    /// # Errors
    /// As for [`Guest::decide`].
    fn evolve(&mut self, aggregates: &Aggregates, events: &PastColumns) -> Result<States, Fault>;

    /// Turns events into commands for other aggregates. May look things up.
    ///
    /// # Errors
    /// As for [`Guest::decide`].
    fn react(&mut self, events: &EventColumns, lookup: &Lookup) -> Result<SentColumns, Fault>;

    /// Turns events into changes of rows. Sees no configuration and looks nothing up.
    ///
    /// # Errors
    /// As for [`Guest::decide`]; always, for a handler that has no tables.
    fn project(
        &mut self,
        _subjects: &Subjects,
        _rows: &RowColumns,
        _events: &ProjectedColumns,
    ) -> Result<ChangeColumns, Fault> {
        Err(Fault::unnamed(FaultReason::Instantiate, "the handler has no tables"))
    }

    /// Renders states as JSON, one text per aggregate.
    ///
    /// # Errors
    /// As for [`Guest::decide`].
    fn inspect(&mut self, aggregates: &Aggregates) -> Result<Blobs, Fault>;

    /// Renders messages as JSON, one text per message.
    ///
    /// # Errors
    /// As for [`Guest::decide`]; always, for a handler that shows none.
    fn show(&mut self, _messages: &MessageColumns) -> Result<Blobs, Fault> {
        Err(Fault::unnamed(FaultReason::Instantiate, "the handler shows no messages"))
    }

    /// Discards the instance: the next call runs in a fresh one.
    fn renew(&mut self);
}

/// A guest broke. Never a business answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {message}")]
pub struct Fault {
    /// The item at which it broke, where that is known.
    pub culprit: Option<u32>,
    /// What kind of breach it was.
    pub reason: FaultReason,
    /// For people: the panic's text, the limit that was hit, the column that lied.
    pub message: String,
}

impl Fault {
    /// A fault that names no item.
    #[must_use]
    pub fn unnamed(reason: FaultReason, message: impl Into<String>) -> Self {
        Self { culprit: None, reason, message: message.into() }
    }
}

/// What kind of breach a fault was. The text is stable: it stands in dead letters and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultReason {
    /// The guest trapped: a panic, unreachable code, an access out of bounds, a full stack.
    Trap,
    /// An item used more fuel than one item may.
    Fuel,
    /// A call used more CPU time than any may.
    Time,
    /// The guest wanted more memory than it may have.
    Memory,
    /// The guest returned more than it may.
    Output,
    /// Returned columns contradict each other or the manifest.
    BadOutput,
    /// A Wake caused no event.
    WakeUnanswered,
    /// The guest itself said that it cannot work on the batch.
    Returned,
    /// The instance could not be made.
    Instantiate,
    /// The machine could not give what the guest may have, memory above all.
    Host,
}

impl FaultReason {
    /// Whether it says nothing of the items: they were not at work. Such a fault is no item's
    /// verdict, whatever the batch.
    #[must_use]
    pub fn blames_no_item(self) -> bool {
        matches!(self, Self::Instantiate | Self::Host)
    }

    /// The stable text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trap => "trap",
            Self::Fuel => "fuel",
            Self::Time => "time",
            Self::Memory => "memory",
            Self::Output => "output",
            Self::BadOutput => "bad-output",
            Self::WakeUnanswered => "wake-unanswered",
            Self::Returned => "returned",
            Self::Instantiate => "instantiate",
            Self::Host => "host",
        }
    }
}

impl std::fmt::Display for FaultReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
