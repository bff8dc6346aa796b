//! Turns by what they took and wrote: batch records are ordered by their ranges, so a few reads find
//! one among any number.

use std::collections::HashMap;
use std::sync::Arc;

use zamu_core::error::EngineError;
use zamu_core::log::Limit;
use zamu_core::model::{DeadLetterNumber, EventNumber, Offset, PartitionId, Time, TurnNumber};
use zamu_core::outcomes::decode_record;
use zamu_core::proto::{BatchRecord, Range};
use zamu_rocks::{LogReader, Timed};

use crate::trace::TraceError;

/// What a turn left.
#[derive(Debug)]
pub(crate) struct Turn {
    /// When the log took it, and all that it wrote.
    pub(crate) at: Option<Time>,
    /// Its batch record.
    pub(crate) record: BatchRecord,
}

/// Whether there is such a turn.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    /// This one.
    Turn(Arc<Turn>),
    /// Not yet.
    NotYet,
    /// There was one, and retention has removed its record.
    Removed,
}

/// Finds turns, and remembers those that it met on the way: searches share their first steps.
pub(crate) struct Turns<'a> {
    log: &'a LogReader,
    met: HashMap<(PartitionId, TurnNumber), Arc<Turn>>,
}

/// Turns that are remembered at most.
const MET_MAX: usize = 400;

impl<'a> Turns<'a> {
    pub(crate) fn new(log: &'a LogReader) -> Self {
        Self { log, met: HashMap::new() }
    }

    /// The turn that took the request at an offset.
    pub(crate) fn of_request(
        &mut self,
        partition: PartitionId,
        offset: Offset,
    ) -> Result<Found, TraceError> {
        self.by_range(partition, offset, |record| record.requests.as_ref())
    }

    /// The turn that took the command at an offset.
    pub(crate) fn of_command(
        &mut self,
        partition: PartitionId,
        offset: Offset,
    ) -> Result<Found, TraceError> {
        self.by_range(partition, offset, |record| record.commands.as_ref())
    }

    /// The turn that wrote the event of a number.
    pub(crate) fn of_event(
        &mut self,
        partition: PartitionId,
        number: EventNumber,
    ) -> Result<Found, TraceError> {
        self.by_range(partition, number, |record| record.events.as_ref())
    }

    /// The turn that closed a dead letter.
    pub(crate) fn closing(
        &mut self,
        partition: PartitionId,
        letter: DeadLetterNumber,
    ) -> Result<Found, TraceError> {
        let closed = |record: &BatchRecord| {
            record.dead_letters_next > letter && !record.dead_letters_open.contains(&letter)
        };
        let found = self.first(partition, closed)?;
        Ok(held(found, |record| record.dead_letters_closed.contains(&letter)))
    }

    /// The turn in which an event handler came past an event, if it is not that of the event itself.
    pub(crate) fn passing(
        &mut self,
        partition: PartitionId,
        handler: &str,
        event: EventNumber,
    ) -> Result<Found, TraceError> {
        self.first(partition, |record| passed(record, handler, event))
    }

    /// The newest turn.
    pub(crate) fn newest(
        &mut self,
        partition: PartitionId,
    ) -> Result<Option<Arc<Turn>>, TraceError> {
        match self.log.last_outcome(partition)? {
            Some((number, _)) => self.numbered(partition, number),
            None => Ok(None),
        }
    }

    fn by_range(
        &mut self,
        partition: PartitionId,
        number: u64,
        range: impl Fn(&BatchRecord) -> Option<&Range>,
    ) -> Result<Found, TraceError> {
        let next = |record: &BatchRecord| range(record).is_some_and(|range| range.next > number);
        let found = self.first(partition, next)?;
        // The oldest one that is left may be behind the one that is meant.
        Ok(held(found, |record| range(record).is_some_and(|range| range.first <= number)))
    }

    /// The first turn from which on something holds.
    fn first(
        &mut self,
        partition: PartitionId,
        holds: impl Fn(&BatchRecord) -> bool,
    ) -> Result<Found, TraceError> {
        let Some((last, _)) = self.log.last_outcome(partition)? else { return Ok(Found::NotYet) };
        let oldest = self.log.oldest(partition, Timed::Outcomes)?.clamp(1, last);
        let (mut low, mut high, mut found) = (oldest, last + 1, None);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.numbered(partition, middle)? {
                Some(turn) if holds(&turn.record) => {
                    found = Some(turn);
                    high = middle;
                }
                // Removed since this began: it was among the oldest.
                _ => low = middle + 1,
            }
        }
        Ok(found.map_or(Found::NotYet, Found::Turn))
    }

    /// The turn of a number, unless retention has removed it.
    pub(crate) fn numbered(
        &mut self,
        partition: PartitionId,
        number: TurnNumber,
    ) -> Result<Option<Arc<Turn>>, TraceError> {
        if let Some(turn) = self.met.get(&(partition, number)) {
            return Ok(Some(Arc::clone(turn)));
        }
        let one = Limit { records: 1, bytes: usize::MAX };
        let Some(mut records) = kept(self.log.outcomes(partition, number, one))? else {
            return Ok(None);
        };
        let Some((_, bytes)) = records.pop() else { return Ok(None) };
        let at = kept(self.log.appended(partition, Timed::Outcomes, number))?.flatten();
        let turn = Arc::new(Turn { at, record: decode_record(&bytes)? });
        if self.met.len() >= MET_MAX {
            self.met.clear();
        }
        self.met.insert((partition, number), Arc::clone(&turn));
        Ok(Some(turn))
    }
}

/// What was read; `None` if retention has removed it.
pub(crate) fn kept<T>(read: Result<T, EngineError>) -> Result<Option<T>, EngineError> {
    match read {
        Ok(found) => Ok(Some(found)),
        Err(EngineError::Trimmed(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether an event handler had come past an event after a turn.
pub(crate) fn passed(record: &BatchRecord, handler: &str, event: EventNumber) -> bool {
    record.cursors.iter().any(|cursor| cursor.handler == handler && cursor.next > event)
}

fn held(found: Found, is_so: impl Fn(&BatchRecord) -> bool) -> Found {
    match found {
        Found::Turn(turn) if !is_so(&turn.record) => Found::Removed,
        found => found,
    }
}
