//! The batch record: what a turn leaves behind, and how recovery reads it.
//!
//! [`Standing`] is where a partition stands after a turn. It is made from the newest batch record
//! alone, and every record carries the whole of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::aggregate::{DecodeError, decode, encode};
use crate::channels::Channels;
use crate::log::{InputPositions, TurnWrite};
use crate::model::{DeadLetterNumber, DeploymentNumber, EventNumber, Time, TurnNumber};
use crate::proto::{self, BatchRecord, Range};
use crate::topology::TypeSettings;
use crate::window::ContentHash;

/// Where a partition stands after a turn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Number of the last turn; 0 before the first.
    pub turn: TurnNumber,
    /// Rolling hash of all turns so far.
    pub hash: [u8; 16],
    /// Next offsets to take.
    pub input: InputPositions,
    /// Number of the next event.
    pub events_next: EventNumber,
    /// Number of the next dead letter, from 1.
    pub dead_letters_next: DeadLetterNumber,
    /// Dead letters that no redrive has closed.
    pub dead_letters_open: Arc<BTreeSet<DeadLetterNumber>>,
    /// Last numbers sent.
    pub sent: Channels,
    /// Last numbers seen.
    pub seen: Channels,
    /// By event handler, the number of the next event to react to.
    pub cursors: Arc<BTreeMap<Arc<str>, EventNumber>>,
    /// Highest record time so far.
    pub time: Time,
    /// Highest deployment so far.
    pub deployment: DeploymentNumber,
}

/// A batch record does not fit the configuration or is damaged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Its bytes cannot be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// It names a type that is not configured.
    #[error("names aggregate type `{0}`, which is not configured: add it under [types]")]
    UnknownType(String),
    /// A part is missing.
    #[error("has no {0}")]
    Missing(&'static str),
}

impl Standing {
    /// Where a partition stands that has had no turn.
    #[must_use]
    pub fn new() -> Self {
        Self { dead_letters_next: 1, ..Self::default() }
    }

    /// Where a partition stands after the turn that left this record.
    ///
    /// # Errors
    /// When the record does not fit the configured types.
    pub fn after(record: &BatchRecord, types: &[TypeSettings]) -> Result<Self, RecordError> {
        let channels = |list: &[proto::Channels]| {
            Channels::from_record(list, types).map_err(RecordError::UnknownType)
        };
        let next = |range: &Option<Range>, what| {
            range.as_ref().map(|r| r.next).ok_or(RecordError::Missing(what))
        };
        Ok(Self {
            turn: record.turn,
            hash: record.hash.as_ref().try_into().map_err(|_| RecordError::Missing("hash"))?,
            input: InputPositions {
                requests: next(&record.requests, "range of requests")?,
                commands: next(&record.commands, "range of commands")?,
            },
            events_next: next(&record.events, "range of events")?,
            dead_letters_next: record.dead_letters_next,
            dead_letters_open: Arc::new(record.dead_letters_open.iter().copied().collect()),
            sent: channels(&record.sent)?,
            seen: channels(&record.seen)?,
            cursors: Arc::new(
                record.cursors.iter().map(|c| (Arc::from(&*c.handler), c.next)).collect(),
            ),
            time: Time(record.time),
            deployment: record.deployment,
        })
    }

    /// Writes all of this into a batch record; the ranges begin where `before` ended.
    pub fn write_to(&self, before: &Standing, record: &mut BatchRecord, types: &[TypeSettings]) {
        let range = |first, next| Some(Range { first, next });
        record.turn = self.turn;
        record.hash = Bytes::copy_from_slice(&self.hash);
        record.requests = range(before.input.requests, self.input.requests);
        record.commands = range(before.input.commands, self.input.commands);
        record.events = range(before.events_next, self.events_next);
        record.deployment = self.deployment;
        record.sent = self.sent.to_record(types);
        record.seen = self.seen.to_record(types);
        record.cursors = self
            .cursors
            .iter()
            .map(|(handler, next)| proto::Cursor { handler: handler.to_string(), next: *next })
            .collect();
        record.dead_letters_open = self.dead_letters_open.iter().copied().collect();
        record.dead_letters_next = self.dead_letters_next;
        record.time = self.time.0;
    }
}

/// The bytes of a batch record, for the log.
#[must_use]
pub fn encode_record(record: &BatchRecord) -> Bytes {
    encode(record)
}

/// Reads a batch record of the log.
///
/// # Errors
/// When it is damaged or from a newer version.
pub fn decode_record(bytes: &Bytes) -> Result<BatchRecord, DecodeError> {
    decode(bytes)
}

/// First 16 bytes of SHA-256 over a command's kind and body.
#[must_use]
pub fn content_hash(kind: &str, body: &[u8]) -> ContentHash {
    let mut hash = Sha256::new();
    hash.update((kind.len() as u64).to_le_bytes());
    hash.update(kind);
    hash.update(body);
    first_half(hash)
}

/// The rolling hash after a turn: over the previous one, the events with their identity, and the
/// outcomes.
#[must_use]
pub fn roll(previous: &[u8; 16], turn: &TurnWrite, record: &BatchRecord) -> [u8; 16] {
    use prost::Message;
    let mut hash = Sha256::new();
    hash.update(previous);
    for event in &turn.events {
        hash.update(event.number.to_le_bytes());
        hash.update(event.sequence.to_le_bytes());
        hash.update((event.key.len() as u64).to_le_bytes());
        hash.update(&event.key);
        hash.update(&event.kind.name);
        hash.update(&event.body);
    }
    let mut bytes = Vec::new();
    for outcome in &record.external {
        bytes.clear();
        outcome.encode_raw(&mut bytes);
        hash.update(&bytes);
    }
    first_half(hash)
}

fn first_half(hash: Sha256) -> [u8; 16] {
    let digest: [u8; 32] = hash.finalize().into();
    let mut half = [0; 16];
    half.copy_from_slice(&digest[..16]);
    half
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{PartitionId, TypeId};

    fn types() -> Vec<TypeSettings> {
        vec![TypeSettings { name: "t".into(), partitions: 2, window_ids: 1, window_ms: 1 }]
    }

    #[test]
    fn the_newest_record_alone_restores_where_a_partition_stands() {
        let mut standing = Standing {
            turn: 4,
            hash: [9; 16],
            input: InputPositions { requests: 10, commands: 20 },
            events_next: 30,
            dead_letters_next: 3,
            dead_letters_open: Arc::new([1, 2].into()),
            cursors: Arc::new([(Arc::from("h"), 30)].into()),
            time: Time(99),
            deployment: 7,
            ..Standing::new()
        };
        let other = PartitionId { aggregate_type: TypeId(0), number: 1 };
        standing.sent.advance(other, 5);
        standing.seen.advance(other, 6);
        let mut record = BatchRecord::default();
        standing.write_to(&Standing::new(), &mut record, &types());
        let read = decode_record(&encode_record(&record)).map(|r| Standing::after(&r, &types()));
        assert_eq!(read, Ok(Ok(standing)));
    }

    #[test]
    fn content_is_told_apart_by_kind_and_by_body() {
        assert_ne!(content_hash("a", b"bc"), content_hash("ab", b"c"));
        assert_eq!(content_hash("a", b"b"), content_hash("a", b"b"));
    }
}
