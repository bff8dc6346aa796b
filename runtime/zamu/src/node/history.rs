//! An aggregate's events after a sequence, wherever in its history that is, without reading its
//! partition from the beginning: the chain of its events is walked, or its sequences are halved.

use bytes::Bytes;
use zamu_core::error::EngineError;
use zamu_core::log::Limit;
use zamu_core::model::{Event, EventNumber, PartitionId, Sequence};
use zamu_rocks::LogReader;

/// Part of an aggregate's history.
#[derive(Clone, Debug)]
pub struct EventsAfter {
    /// Where the aggregate is.
    pub partition: PartitionId,
    /// Its key.
    pub key: Bytes,
    /// Its last sequence.
    pub newest: Sequence,
    /// The number of that event.
    pub last: EventNumber,
    /// The sequence after which events are wanted.
    pub after: Sequence,
    /// How many are wanted at most: the first ones.
    pub limit: usize,
}

/// Up to so many events the chain is walked back, one read each; beyond, the place is searched for
/// and the partition is read forward from there.
const WALK_MAX: u64 = 2_000;
const SCAN: Limit = Limit { records: 4_000, bytes: 4 << 20 };

impl EventsAfter {
    /// Reads them, in order.
    ///
    /// # Errors
    /// As the log has them.
    pub fn read(&self, reader: &LogReader) -> Result<Vec<Event>, EngineError> {
        let back = self.newest.saturating_sub(self.after);
        if back <= WALK_MAX { self.walk(reader, back as usize) } else { self.scan(reader) }
    }

    fn walk(&self, reader: &LogReader, back: usize) -> Result<Vec<Event>, EngineError> {
        let mut events = reader.history(self.partition, self.last, back)?;
        events.reverse();
        events.truncate(self.limit);
        Ok(events)
    }

    fn scan(&self, reader: &LogReader) -> Result<Vec<Event>, EngineError> {
        let mut found = Vec::new();
        let mut next = self.start(reader)?;
        while next <= self.last && found.len() < self.limit {
            let page = reader.events(self.partition, next, SCAN)?;
            let Some(newest) = page.last() else { break };
            next = newest.number + 1;
            let wanted = |event: &Event| event.key == self.key && event.sequence > self.after;
            found.extend(page.into_iter().filter(wanted));
        }
        found.truncate(self.limit);
        Ok(found)
    }

    /// A number from which on all wanted events are found, and not many others before the first:
    /// an aggregate's sequences ascend with the numbers of its events, so they can be halved.
    fn start(&self, reader: &LogReader) -> Result<EventNumber, EngineError> {
        let (mut low, mut high) = (0, self.last);
        while high - low > SCAN.records as u64 {
            let middle = low + (high - low) / 2;
            match self.next_own(reader, middle, high)? {
                Some(own) if own.sequence <= self.after => low = own.number,
                _ => high = middle,
            }
        }
        Ok(low)
    }

    /// The aggregate's first event from a number on, below another.
    fn next_own(
        &self,
        reader: &LogReader,
        from: EventNumber,
        below: EventNumber,
    ) -> Result<Option<Event>, EngineError> {
        let mut next = from;
        while next < below {
            let page = reader.events(self.partition, next, SCAN)?;
            let Some(newest) = page.last() else { break };
            next = newest.number + 1;
            if let Some(own) = page.into_iter().find(|event| event.key == self.key) {
                return Ok(Some(own));
            }
        }
        Ok(None)
    }
}
