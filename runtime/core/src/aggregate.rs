//! One aggregate as the host knows it, and its record in the store.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;

use crate::model::{EventNumber, Offset, Sequence, Time};
use crate::proto;
use crate::window::{Entry, Window};

/// The version of the encoding of everything that the core stores; its first byte.
pub const ENCODING: u8 = 1;

/// An aggregate: the fold of its events, and its memory of external commands. An absent one has
/// sequence 0, an empty state and an empty window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Aggregate {
    /// Sequence of its last event; 0 before the first.
    pub sequence: Sequence,
    /// Id of the schema of `state`.
    pub schema: Arc<str>,
    /// The state, as its handler encodes it.
    pub state: Bytes,
    /// Fold number of the handler that made the state.
    pub fold: u32,
    /// When its state wants to be woken.
    pub wake_at: Option<Time>,
    /// The sequence at which that was given up, because a Wake caused no event.
    pub wake_given_up: Option<Sequence>,
    /// Number of its last event in the partition.
    pub last_event: Option<EventNumber>,
    /// Outcomes of requests below this offset are folded in.
    pub requests_folded: Offset,
    /// Remembered external commands.
    pub window: Window,
}

/// Stored bytes are not a record of this core.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Another version of the encoding.
    #[error(
        "encoding version {0} is not known here (this build knows {ENCODING}): it was written by a newer zamu"
    )]
    Version(u8),
    /// Damaged bytes.
    #[error("damaged record: {0}")]
    Damaged(String),
}

/// A stored message behind its version byte.
#[must_use]
pub fn encode(message: &impl Message) -> Bytes {
    let mut bytes = BytesMut::with_capacity(1 + message.encoded_len());
    bytes.put_u8(ENCODING);
    message.encode_raw(&mut bytes);
    bytes.freeze()
}

/// Reads a stored message.
///
/// # Errors
/// When the version is unknown or the bytes are damaged.
pub fn decode<M: Message + Default>(bytes: &Bytes) -> Result<M, DecodeError> {
    match bytes.first() {
        Some(&ENCODING) => {
            M::decode(bytes.slice(1..)).map_err(|e| DecodeError::Damaged(e.to_string()))
        }
        Some(version) => Err(DecodeError::Version(*version)),
        None => Err(DecodeError::Damaged("empty".into())),
    }
}

impl Aggregate {
    /// The record for the store.
    #[must_use]
    pub fn to_record(&self) -> Bytes {
        encode(&proto::AggregateRecord {
            sequence: self.sequence,
            state_schema: self.schema.to_string(),
            state: self.state.clone(),
            fold: self.fold,
            wake_at: self.wake_at.map(|t| t.0),
            wake_given_up: self.wake_given_up,
            last_event: self.last_event,
            requests_folded: self.requests_folded,
            window: self.window.entries().iter().map(window_entry).collect(),
        })
    }

    /// Reads a record of the store.
    ///
    /// # Errors
    /// When it is damaged or from a newer version.
    pub fn from_record(bytes: &Bytes) -> Result<Self, DecodeError> {
        let record: proto::AggregateRecord = decode(bytes)?;
        let window = record.window.into_iter().map(remembered).collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            sequence: record.sequence,
            schema: record.state_schema.into(),
            state: record.state,
            fold: record.fold,
            wake_at: record.wake_at.map(Time),
            wake_given_up: record.wake_given_up,
            last_event: record.last_event,
            requests_folded: record.requests_folded,
            window: window.into(),
        })
    }

    /// The deadline at which it is to be woken: the one that its state wants, unless that was given
    /// up.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        self.wake_at.filter(|_| self.wake_given_up != Some(self.sequence))
    }

    /// Roughly what it occupies in memory, in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        let entry = |e: &Entry<proto::Outcome>| {
            size_of_val(e) + e.source.len() + e.id.len() + e.answer.encoded_len()
        };
        let window: usize = self.window.entries().iter().map(entry).sum();
        size_of_val(self) + self.state.len() + window
    }
}

fn window_entry(entry: &Entry<proto::Outcome>) -> proto::WindowEntry {
    proto::WindowEntry {
        source: entry.source.clone(),
        id: entry.id.clone(),
        content: Bytes::copy_from_slice(&entry.content),
        time: entry.time.0,
        offset: entry.offset,
        outcome: Some(entry.answer.clone()),
    }
}

fn remembered(entry: proto::WindowEntry) -> Result<Entry<proto::Outcome>, DecodeError> {
    let damaged = |what: &str| DecodeError::Damaged(format!("window entry without {what}"));
    Ok(Entry {
        content: entry.content.as_ref().try_into().map_err(|_| damaged("content hash"))?,
        answer: entry.outcome.ok_or_else(|| damaged("outcome"))?,
        source: entry.source,
        id: entry.id,
        time: Time(entry.time),
        offset: entry.offset,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Aggregate {
        Aggregate {
            sequence: 3,
            schema: "1".into(),
            state: Bytes::from_static(b"{}"),
            fold: 2,
            wake_at: Some(Time(77)),
            wake_given_up: None,
            last_event: Some(0),
            requests_folded: 9,
            window: vec![Entry {
                source: "s".into(),
                id: "i".into(),
                content: [7; 16],
                time: Time(5),
                offset: 8,
                answer: proto::Outcome {
                    what: Some(proto::outcome::What::Refused(proto::Refused {
                        code: "c".into(),
                        details: "d".into(),
                    })),
                },
            }]
            .into(),
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        assert_eq!(Aggregate::from_record(&sample().to_record()), Ok(sample()));
    }

    /// Frozen: a change here makes every existing store unreadable.
    #[test]
    fn the_bytes_of_a_record_do_not_change() {
        let hex: String = sample().to_record().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(
            hex,
            "0108031201311a027b7d2002284d3000380942260a01731201691a100707070707070707\
             070707070707070720052808320812060a0163120164"
        );
    }

    /// Frozen, too: the same record after a Wake went unanswered.
    #[test]
    fn the_bytes_of_a_record_that_gave_up_do_not_change() {
        let record = Aggregate { wake_given_up: Some(3), ..sample() };
        let hex: String = record.to_record().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(
            hex,
            "0108031201311a027b7d2002284d3000380942260a01731201691a100707070707070707\
             070707070707070720052808320812060a01631201644803"
        );
        assert_eq!(Aggregate::from_record(&record.to_record()), Ok(record));
    }

    #[test]
    fn a_deadline_that_was_given_up_is_wanted_again_at_the_next_sequence() {
        let given_up = Aggregate { wake_given_up: Some(3), ..sample() };
        assert_eq!((sample().deadline(), given_up.deadline()), (Some(Time(77)), None));
        assert_eq!(Aggregate { sequence: 4, ..given_up }.deadline(), Some(Time(77)));
    }

    #[test]
    fn remembered_answers_weigh_what_they_hold() {
        let long = "x".repeat(1_000);
        let refused = proto::Refused { code: long.clone(), details: long.clone() };
        let accepted = proto::Accepted { sequences: None, reply: long.clone().into() };
        let nothing = proto::Nothing { reply: long.into() };
        for (what, held) in [
            (proto::outcome::What::Refused(refused), 2_000),
            (proto::outcome::What::Accepted(accepted), 1_000),
            (proto::outcome::What::Nothing(nothing), 1_000),
        ] {
            let answer = proto::Outcome { what: Some(what) };
            let first = sample().window.entries()[0].clone();
            let window = vec![Entry { answer, ..first }; 64].into();
            let aggregate = Aggregate { window, ..sample() };
            assert!(aggregate.weight() >= 64 * held, "{}", aggregate.weight());
            assert!(aggregate.weight() >= aggregate.to_record().len());
        }
    }

    #[test]
    fn a_newer_encoding_is_refused_by_its_version() {
        assert_eq!(
            Aggregate::from_record(&Bytes::from_static(&[9, 1])),
            Err(DecodeError::Version(9))
        );
    }
}
