//! Finds the answer to an old request in the log: batch records are ordered by the requests that
//! they took, so a few reads are enough.

use std::sync::Arc;

use zamu_core::error::EngineError;
use zamu_core::log::Limit;
use zamu_core::model::{Offset, PartitionId, TurnNumber};
use zamu_core::outcomes::decode_record;
use zamu_core::proto::BatchRecord;
use zamu_rocks::LogReader;

use crate::node::answers::{Answer, in_record};

/// What the log knows of a request.
#[derive(Debug)]
pub enum Found {
    /// What became of it.
    Answer(Answer),
    /// No durable turn has taken it.
    NotYet,
    /// Its turn's batch record was removed by retention.
    Removed,
}

/// Looks for the answer to the request at an offset.
///
/// # Errors
/// As the log has them.
pub fn find(log: &LogReader, partition: PartitionId, offset: Offset) -> Result<Found, EngineError> {
    let Some((last, _)) = log.last_outcome(partition)? else { return Ok(Found::NotYet) };
    // The first turn whose range ends after the offset lies in `low..=last`, if there is one.
    let (mut low, mut high) = (1, last + 1);
    let mut found = None;
    while low < high {
        let middle = low + (high - low) / 2;
        match read(log, partition, middle)? {
            Some(record) if next(&record) > offset => {
                found = Some(record);
                high = middle;
            }
            // Taken later; or removed, and what is removed is the oldest.
            _ => low = middle + 1,
        }
    }
    let Some(record) = found else { return Ok(Found::NotYet) };
    Ok(in_record(&record, offset).map_or(Found::Removed, Found::Answer))
}

fn next(record: &BatchRecord) -> Offset {
    record.requests.as_ref().map_or(0, |range| range.next)
}

/// The batch record of a turn, `None` if it was removed.
fn read(
    log: &LogReader,
    partition: PartitionId,
    turn: TurnNumber,
) -> Result<Option<Arc<BatchRecord>>, EngineError> {
    let one = Limit { records: 1, bytes: usize::MAX };
    let records = match log.outcomes(partition, turn, one) {
        Ok(records) => records,
        Err(EngineError::Trimmed(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let Some((_, bytes)) = records.into_iter().next() else { return Ok(None) };
    let record = decode_record(&bytes).map_err(|error| EngineError::Damaged(error.to_string()))?;
    Ok(Some(Arc::new(record)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread;
    use std::time::Duration;

    use zamu_core::log::{Commit, InputPositions, LowWater, Progress, ShardLog, TurnWrite};
    use zamu_core::model::{Time, TypeId};
    use zamu_core::outcomes::encode_record;
    use zamu_core::proto::{Range, RequestOutcome};
    use zamu_rocks::{EmbeddedLog, EmbeddedShard, LogOptions};

    use super::*;

    const HERE: PartitionId = PartitionId { aggregate_type: TypeId(0), number: 0 };

    struct World {
        _folder: tempfile::TempDir,
        log: EmbeddedLog,
        shard: EmbeddedShard,
        turn: u64,
        next: u64,
        now: Arc<AtomicU64>,
    }

    impl World {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let options = LogOptions {
                retention: Duration::from_millis(10),
                segment_age: Duration::from_millis(10),
                ..LogOptions::default()
            };
            let now = Arc::new(AtomicU64::new(1));
            let time = Arc::clone(&now);
            let clock = Arc::new(move || Time(time.load(Ordering::Relaxed)));
            let log = EmbeddedLog::open(folder.path(), options, &[("t", 1)], clock).unwrap();
            let shard = log.shard(&[HERE], Arc::new(|| {})).unwrap();
            Self { _folder: folder, log, shard, turn: 0, next: 0, now }
        }

        /// A durable turn that took so many requests.
        fn turn(&mut self, requests: u64) {
            self.turn += 1;
            let first = self.next;
            self.next += requests;
            let external = (first..self.next)
                .map(|offset| RequestOutcome { offset, ..RequestOutcome::default() })
                .collect();
            let requests = Some(Range { first, next: self.next });
            let record = BatchRecord { turn: self.turn, requests, external, ..Default::default() };
            let write = TurnWrite {
                partition: HERE,
                turn: self.turn,
                input: InputPositions { requests: self.next, commands: 0 },
                events: Vec::new(),
                commands: Vec::new(),
                outcome: encode_record(&record),
                dead_letters: Vec::new(),
                wakes: Vec::new(),
            };
            self.shard.submit(Commit { id: self.turn, turns: vec![write] }).unwrap();
            while self.shard.poll() != Some(Progress::Durable(self.turn)) {
                thread::yield_now();
            }
        }

        /// The answer's offset, or what else is known.
        fn find(&self, offset: u64) -> Result<u64, &'static str> {
            match find(&self.log.reader(), HERE, offset).unwrap() {
                Found::Answer(answer) => Ok(answer.outcome().offset),
                Found::NotYet => Err("not yet"),
                Found::Removed => Err("removed"),
            }
        }
    }

    #[test]
    fn every_answer_is_found_among_turns_of_all_sizes() {
        let mut world = World::new();
        assert_eq!(world.find(0), Err("not yet"));
        for requests in [3, 0, 1, 0, 0, 5, 1, 0] {
            world.turn(requests);
        }
        for offset in 0..10 {
            assert_eq!(world.find(offset), Ok(offset));
        }
        assert_eq!(world.find(10), Err("not yet"));
    }

    #[test]
    fn what_retention_removed_is_told_apart_from_what_is_not_decided() {
        let mut world = World::new();
        for _ in 0..4 {
            world.turn(2);
            world.now.fetch_add(1_000, Ordering::Relaxed);
        }
        let input = InputPositions { requests: world.next, commands: 0 };
        world.shard.release(HERE, LowWater { turn: world.turn, input });
        world.turn(2);
        world.log.drop_expired().unwrap();
        assert_eq!(world.find(0), Err("removed"));
        assert_eq!((world.find(9), world.find(10)), (Ok(9), Err("not yet")));
    }
}
