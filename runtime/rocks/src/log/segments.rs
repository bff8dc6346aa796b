//! Segments: column families that are filled one after the other. Events are kept for ever, so theirs
//! are larger and fewer: several segments may share one.
//!
//! A segment begins with a note of how far every partition had come, so the segment of any record is
//! found without looking into files, and numbers go on even when all records of a topic have expired.

use std::sync::Arc;

use prost::Message as _;
use zamu_core::error::EngineError;
use zamu_core::model::{PartitionId, Time};

use crate::codec::proto;
use crate::keys::{Families, SegmentNumber, Topic};
use crate::log::ends::Ends;
use crate::types::TypeTable;

/// One segment.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    /// Its number.
    pub(crate) number: SegmentNumber,
    /// The group that opened it.
    pub(crate) first_group: u64,
    /// When that was.
    pub(crate) started: Time,
    /// How far each partition had come, by index.
    pub(crate) starts: Arc<[Ends]>,
    /// Number of the column family that holds its events.
    pub(crate) events: SegmentNumber,
    /// Its requests, commands and outcomes are still there.
    pub(crate) retained: bool,
}

impl Segment {
    /// Where its records are.
    pub(crate) fn families(&self) -> Families {
        Families { segment: self.number, events: self.events }
    }

    /// The note that stands for it.
    pub(crate) fn to_note(&self, types: &TypeTable) -> Vec<u8> {
        let ends = types.entries().iter().enumerate().map(|(index, entry)| {
            let partitions: Vec<_> = (0..entry.partitions)
                .filter_map(|number| {
                    let aggregate_type = zamu_core::model::TypeId(index as u16);
                    types.index(PartitionId { aggregate_type, number })
                })
                .map(|partition| self.starts[partition])
                .collect();
            proto::TypeEnds {
                aggregate_type: u32::from(entry.stored),
                requests: partitions.iter().map(|ends| ends.requests).collect(),
                commands: partitions.iter().map(|ends| ends.commands).collect(),
                outcomes: partitions.iter().map(|ends| ends.outcomes).collect(),
                events: partitions.iter().map(|ends| ends.events).collect(),
            }
        });
        proto::SegmentStart {
            first_group: self.first_group,
            time: self.started.0,
            ends: ends.collect(),
            events: self.events,
        }
        .encode_to_vec()
    }

    /// Reads such a note. A type that is younger than the segment starts at its beginning.
    pub(crate) fn from_note(
        number: SegmentNumber,
        note: bytes::Bytes,
        retained: bool,
        types: &TypeTable,
    ) -> Result<Self, EngineError> {
        let damaged =
            |what: &str| EngineError::Damaged(format!("note of segment {number}: {what}"));
        let note = proto::SegmentStart::decode(note).map_err(|e| damaged(&e.to_string()))?;
        let mut starts = vec![Ends::default(); types.partitions()];
        for ends in &note.ends {
            let aggregate_type =
                types.id(ends.aggregate_type).ok_or_else(|| damaged("an unregistered type"))?;
            for (i, &requests) in ends.requests.iter().enumerate() {
                let partition = PartitionId { aggregate_type, number: i as u32 };
                let index = types.index(partition).ok_or_else(|| damaged("a strange partition"))?;
                let other = |numbers: &[u64]| {
                    numbers.get(i).copied().ok_or_else(|| damaged("columns of different length"))
                };
                starts[index] = Ends {
                    requests,
                    commands: other(&ends.commands)?,
                    outcomes: other(&ends.outcomes)?,
                    events: other(&ends.events)?,
                    ..Ends::default()
                };
            }
        }
        Ok(Self {
            number,
            first_group: note.first_group,
            started: Time(note.time),
            starts: starts.into(),
            events: note.events,
            retained,
        })
    }
}

/// Where reading a partition's topic from a number on has to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// At this index of the list of segments.
    At(usize),
    /// The record has been removed; this is the first number that is left.
    Trimmed(u64),
}

/// Finds the segment of a record, in a list sorted by number.
pub(crate) fn place(segments: &[Segment], partition: usize, topic: Topic, number: u64) -> Place {
    let start = |segment: &Segment| segment.starts[partition].of(topic);
    let oldest = match topic {
        Topic::Events => 0,
        _ => segments.iter().position(|segment| segment.retained).unwrap_or(segments.len()),
    };
    let left = &segments[oldest..];
    match left.partition_point(|segment| start(segment) <= number) {
        0 => Place::Trimmed(left.first().map_or(number, start)),
        after => Place::At(oldest + after - 1),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;
    use crate::codec::samples;

    fn segment(number: SegmentNumber, requests: u64, retained: bool) -> Segment {
        let mut starts = vec![Ends::default(); 8];
        starts[5] = Ends { requests, commands: 1, outcomes: 2, events: 3, dead_letters: 1 };
        let starts = starts.into();
        Segment {
            number,
            first_group: number * 10,
            started: Time(number),
            starts,
            events: 1,
            retained,
        }
    }

    #[test]
    fn a_segments_note_says_where_every_partition_stood() {
        let types = samples::types();
        let segment = segment(3, 7, true);
        let note = segment.to_note(&types);
        let found = Segment::from_note(3, note.into(), true, &types).unwrap();
        assert_eq!(found.starts, segment.starts);
        assert_eq!((found.first_group, found.started, found.events), (30, Time(3), 1));
    }

    #[test]
    fn a_type_younger_than_a_segment_starts_at_its_beginning() {
        let types = samples::types();
        let note = segment(3, 7, true).to_note(&types);
        let mut entries = types.entries().to_vec();
        entries.push(crate::types::TypeEntry { name: "new".into(), partitions: 1, stored: 4 });
        let found = Segment::from_note(3, note.into(), true, &TypeTable::new(entries)).unwrap();
        assert_eq!((found.starts[5].requests, found.starts[8]), (7, Ends::default()));
    }

    #[test]
    fn records_are_looked_for_in_the_segment_that_was_open_when_they_were_written() {
        let segments = [
            segment(1, 0, false),
            segment(2, 10, true),
            segment(3, 20, true),
            segment(4, 20, true),
            segment(5, 30, true),
        ];
        let at = |topic, number| place(&segments, 5, topic, number);
        assert_eq!(at(Topic::Requests, 9), Place::Trimmed(10));
        assert_eq!(at(Topic::Requests, 10), Place::At(1));
        assert_eq!(at(Topic::Requests, 19), Place::At(1));
        assert_eq!(at(Topic::Requests, 20), Place::At(3));
        assert_eq!(at(Topic::Requests, 99), Place::At(4));
        assert_eq!(at(Topic::Events, 3), Place::At(4));
        assert_eq!(place(&segments, 0, Topic::Events, 0), Place::At(4));
        assert_eq!(place(&[], 0, Topic::Requests, 4), Place::Trimmed(4));
    }
}
