//! The turns of a partition that can be audited: their batch records and inputs must be there, and the
//! batch record before them, which says where the partition stood.

use super::AuditError;
use crate::log::Limit;
use crate::log::records::{Kept, Records};
use crate::model::{PartitionId, TurnNumber};
use crate::outcomes::decode_record;
use crate::proto::{BatchRecord, Range};

/// One record.
const ONE: Limit = Limit { records: 1, bytes: usize::MAX };

/// The turns of a partition that can be audited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The oldest turn whose batch record is there. What was before it only events tell.
    pub oldest: TurnNumber,
    /// The first turn that can be audited: beyond `last` if none can.
    pub first: TurnNumber,
    /// The last turn; 0 before any.
    pub last: TurnNumber,
}

impl Span {
    /// What retention has left.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn of(log: &mut dyn Records, partition: PartitionId) -> Result<Self, AuditError> {
        let kept = log.kept(partition)?;
        let oldest = kept.oldest.max(1);
        // Where the first turn that is left began nothing tells but the turn before it.
        let (mut low, mut high) = (if oldest == 1 { 1 } else { oldest + 1 }, kept.newest + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            match has_input(&read(log, partition, middle)?, &kept) {
                true => high = middle,
                false => low = middle + 1,
            }
        }
        Ok(Self { oldest, first: low, last: kept.newest })
    }

    /// Whether no turn can be audited.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.first > self.last
    }
}

/// Whether a turn's input is there. If it is, that of all later turns is.
fn has_input(record: &BatchRecord, kept: &Kept) -> bool {
    let is_there = |range: &Option<Range>, from| range.is_none_or(|range| range.first >= from);
    is_there(&record.requests, kept.input.requests)
        && is_there(&record.commands, kept.input.commands)
}

/// The batch record of a turn.
pub(super) fn read(
    log: &mut dyn Records,
    partition: PartitionId,
    turn: TurnNumber,
) -> Result<BatchRecord, AuditError> {
    let problem = |problem: String| AuditError::Record { turn, problem };
    let found = log.outcomes(partition, turn, ONE)?.pop();
    let (_, bytes) = found
        .filter(|(number, _)| *number == turn)
        .ok_or_else(|| problem("is missing".to_owned()))?;
    decode_record(&bytes).map_err(|error| problem(format!("cannot be read: {error}")))
}
