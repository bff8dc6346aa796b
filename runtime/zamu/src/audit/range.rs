//! Which turns are meant: from one to another, by their number or by the time at which they were
//! committed. What retention has removed is refused, with what is left.

use zamu_core::audit::{AuditError, Span};
use zamu_core::error::EngineError;
use zamu_core::model::{PartitionId, Time, TurnNumber};
use zamu_rocks::{LogReader, Timed};

/// Where turns begin or end, as it is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Edge {
    /// With what there is.
    #[default]
    Open,
    /// With this turn.
    Turn(TurnNumber),
    /// At this time.
    Time(Time),
}

/// Turns of a partition that can be audited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turns {
    /// The partition.
    pub partition: PartitionId,
    /// The first; beyond `last` where there are none.
    pub first: TurnNumber,
    /// The last.
    pub last: TurnNumber,
    /// What there is.
    pub span: Span,
}

/// Turns that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Retention has removed some of them.
    #[error("turns before {} are gone", .0.turn)]
    Gone(Oldest),
    /// A batch record cannot be read.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The log cannot be read.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// The oldest turn that can be audited in its partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Oldest {
    /// The partition.
    pub partition: PartitionId,
    /// The turn; beyond the last where none can.
    pub turn: TurnNumber,
    /// When it was committed.
    pub time: Option<Time>,
}

impl Turns {
    /// Those of a partition between two edges, both included.
    ///
    /// # Errors
    /// When some of them are gone.
    pub fn between(
        log: &LogReader,
        partition: PartitionId,
        from: Edge,
        to: Edge,
    ) -> Result<Self, Refused> {
        let span = Span::of(&mut log.clone(), partition)?;
        let since = |time| log.since(partition, Timed::Outcomes, time);
        let first = match from {
            Edge::Open => span.first,
            Edge::Turn(turn) => turn.max(1),
            Edge::Time(time) => since(time)?.max(1),
        };
        if first < span.first && span.last > 0 {
            let time = log.appended(partition, Timed::Outcomes, span.first)?;
            return Err(Refused::Gone(Oldest { partition, turn: span.first, time }));
        }
        let last = match to {
            Edge::Open => span.last,
            Edge::Turn(turn) => turn,
            Edge::Time(Time(time)) => since(Time(time.saturating_add(1)))?.saturating_sub(1),
        };
        Ok(Self { partition, first, last: last.min(span.last), span })
    }

    /// How many they are.
    #[must_use]
    pub fn count(&self) -> u64 {
        (self.last + 1).saturating_sub(self.first)
    }
}
