//! What is found when a log is opened: who it is, how far it reaches, and whether it is whole.
//!
//! # How damage is told from a torn tail
//! What is written together is one *group*: one write batch of RocksDB, so it is there as a whole or
//! not at all. Groups are numbered without a gap, and each notes which group was durable when it was
//! written. A power failure may lose any groups that were not durable, later ones not always with
//! them. So the first missing group, if it is above every durable number that anybody noted, begins
//! a torn tail: it is cut there, and what follows is removed. A group that is missing below such a
//! number was durable, and nothing but damage takes it away.
//!
//! This file only reads; [`cut`] makes the change.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message as _;
use zamu_core::error::EngineError;
use zamu_core::model::{Offset, Time, TurnNumber};

use crate::codec::{self, proto};
use crate::keys::{self, Families, SegmentNumber, Stream, Topic};
use crate::log::database::{Database, StoredFrame};
use crate::log::ends::{CONTROL_FIRST, Ends};
use crate::log::segments::Segment;
use crate::types::TypeTable;

/// What was found.
pub(crate) struct Survey {
    /// All segments that have begun, by number.
    pub(crate) segments: Vec<Segment>,
    /// How far each partition reaches, by index.
    pub(crate) ends: Vec<Ends>,
    /// The newest batch record of each partition, by index.
    pub(crate) last_outcomes: Vec<Option<(TurnNumber, Bytes)>>,
    /// The next control record's offset.
    pub(crate) control: Offset,
    /// The newest group that stays.
    pub(crate) last_group: u64,
    /// Its time: append times go on from here.
    pub(crate) time: Time,
    /// Groups below this one are known to be in sorted files.
    pub(crate) verified: u64,
    /// What a torn tail left above the newest group that stays.
    pub(crate) torn: Torn,
}

/// What has to be removed.
#[derive(Debug, Default)]
pub(crate) struct Torn {
    keys: Vec<(String, Vec<u8>)>,
}

impl Torn {
    /// Whether there is anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Number of frames and notes.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }
}

/// Looks through a log. `mark` is the newest group that the mark beside the log says was durable.
pub(crate) fn survey(
    database: &Database,
    types: &TypeTable,
    mark: u64,
) -> Result<Survey, EngineError> {
    let verified = number_note(database, keys::VERIFIED)?.unwrap_or(1);
    let groups = check_groups(database, verified, mark)?;
    let segments = segments(database, types)?;
    let mut torn = Torn { keys: groups.torn };
    let (segments, beyond): (Vec<_>, Vec<_>) =
        segments.into_iter().partition(|segment| segment.first_group <= groups.last);
    for segment in &beyond {
        torn.keys.push((keys::META.to_string(), keys::segment_key(segment.number)));
    }
    let mut files = Files { database, cut: groups.last, torn: &mut torn };
    let families = files.families_above(segments.last().map_or(0, |segment| segment.number));
    for segment in families {
        files.mark_torn(types, segment)?;
    }
    let ends = ends(&mut files, types, segments.last())?;
    let last_outcomes = last_outcomes(&mut files, types, &segments, &ends)?;
    let control = files.end(keys::CONTROL, Stream::CONTROL)?.unwrap_or(CONTROL_FIRST);
    let started = segments.last().map_or(Time(0), |segment| segment.started);
    Ok(Survey {
        ends,
        last_outcomes,
        control,
        last_group: groups.last,
        time: groups.time.max(started),
        verified,
        torn,
        segments,
    })
}

/// Removes a torn tail. Durable when this returns.
pub(crate) fn cut(database: &Database, torn: &Torn) -> Result<(), EngineError> {
    let mut batch = database.batch();
    for (family, key) in &torn.keys {
        batch.delete(family, key)?;
    }
    batch.write(true)
}

/// A note that is one number.
pub(crate) fn number_note(database: &Database, key: &[u8]) -> Result<Option<u64>, EngineError> {
    let Some(note) = database.note(key)? else { return Ok(None) };
    let bytes = note.as_ref().try_into().map_err(|_| {
        EngineError::Damaged(format!("note `{}` is no number", String::from_utf8_lossy(key)))
    })?;
    Ok(Some(u64::from_be_bytes(bytes)))
}

struct Groups {
    last: u64,
    time: Time,
    torn: Vec<(String, Vec<u8>)>,
}

/// Finds the newest group that has all others below it.
fn check_groups(database: &Database, verified: u64, mark: u64) -> Result<Groups, EngineError> {
    let families: BTreeMap<SegmentNumber, String> = database
        .families()
        .into_iter()
        .filter_map(|name| Some((keys::segment_of_family(&name)?, name)))
        .collect();
    let mut groups = Groups { last: verified - 1, time: Time(0), torn: Vec::new() };
    let (mut durable, mut expected) = (mark, verified);
    for family in families.values() {
        database.visit_groups(family, verified, |group, note| {
            durable = durable.max(note.durable);
            if group == expected {
                expected += 1;
                groups.last = group;
                groups.time = note.time;
            } else {
                groups.torn.push((family.clone(), keys::group_key(group).to_vec()));
            }
            Ok(())
        })?;
    }
    if durable > groups.last {
        return Err(EngineError::Damaged(format!(
            "group {} is missing, although everything up to group {durable} had been synced",
            groups.last + 1
        )));
    }
    Ok(groups)
}

fn segments(database: &Database, types: &TypeTable) -> Result<Vec<Segment>, EngineError> {
    let families = database.families();
    let exists = |name: &str| families.iter().any(|family| family == name);
    let mut segments: Vec<Segment> = Vec::new();
    for (number, note) in database.notes(keys::segment_of_key)? {
        let retained = exists(&keys::segment_family(number));
        let segment = Segment::from_note(number, note, retained, types)?;
        if !exists(&keys::events_family(segment.events)) {
            return Err(EngineError::Damaged(format!(
                "the events of segment {number} are missing"
            )));
        }
        segments.push(segment);
    }
    segments.sort_by_key(|segment| segment.number);
    if segments.last().is_some_and(|newest| !newest.retained) {
        return Err(EngineError::Damaged("the newest segment is missing".to_string()));
    }
    Ok(segments)
}

struct Files<'a> {
    database: &'a Database,
    cut: u64,
    torn: &'a mut Torn,
}

impl Files<'_> {
    /// Segments that have column families but have not begun.
    fn families_above(&self, newest: SegmentNumber) -> Vec<SegmentNumber> {
        let mut numbers: Vec<_> = self
            .database
            .families()
            .iter()
            .filter_map(|name| {
                keys::segment_of_family(name).or_else(|| keys::segment_of_events_family(name))
            })
            .filter(|number| *number > newest)
            .collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    /// Notes what a torn tail left in a segment that has not begun.
    fn mark_torn(&mut self, types: &TypeTable, segment: SegmentNumber) -> Result<(), EngineError> {
        for stream in
            streams(types, &[Topic::Requests, Topic::Commands, Topic::Outcomes, Topic::Events])
        {
            let family = stream.family(Families { segment, events: segment });
            if self.database.families().contains(&family) {
                self.end(&family, stream)?;
            }
        }
        Ok(())
    }

    /// The number after a stream's last frame in a column family, if it has one there.
    fn end(&mut self, family: &str, stream: Stream) -> Result<Option<u64>, EngineError> {
        self.last(family, stream, |frame| Ok(frame.next()))
    }

    fn last<T>(
        &mut self,
        family: &str,
        stream: Stream,
        read: impl FnOnce(StoredFrame<'_>) -> Result<T, EngineError>,
    ) -> Result<Option<T>, EngineError> {
        let (found, torn) = self.database.last_frame(family, stream, self.cut, read)?;
        for first in torn {
            let entry = (family.to_string(), stream.key(first).to_vec());
            if !self.torn.keys.contains(&entry) {
                self.torn.keys.push(entry);
            }
        }
        Ok(found)
    }
}

fn ends(
    files: &mut Files<'_>,
    types: &TypeTable,
    newest: Option<&Segment>,
) -> Result<Vec<Ends>, EngineError> {
    let mut all = Vec::with_capacity(types.partitions());
    for index in 0..types.partitions() {
        let mut ends = newest.map_or_else(Ends::default, |segment| segment.starts[index]);
        for topic in
            [Topic::Requests, Topic::Commands, Topic::Outcomes, Topic::Events, Topic::DeadLetters]
        {
            let stream = stream(types, index, topic);
            let family = match (topic, newest) {
                (Topic::DeadLetters, _) => keys::DEAD_LETTERS.to_string(),
                (_, Some(segment)) => stream.family(segment.families()),
                (_, None) => continue,
            };
            if let Some(next) = files.end(&family, stream)? {
                ends.set(topic, next.max(ends.of(topic)));
            }
        }
        all.push(ends);
    }
    Ok(all)
}

fn last_outcomes(
    files: &mut Files<'_>,
    types: &TypeTable,
    segments: &[Segment],
    ends: &[Ends],
) -> Result<Vec<Option<(TurnNumber, Bytes)>>, EngineError> {
    let mut all = Vec::with_capacity(ends.len());
    for (index, ends) in ends.iter().enumerate() {
        all.push(match ends.outcomes - 1 {
            0 => None,
            turn => Some((turn, last_outcome(files, types, segments, index, turn)?)),
        });
    }
    Ok(all)
}

fn last_outcome(
    files: &mut Files<'_>,
    types: &TypeTable,
    segments: &[Segment],
    index: usize,
    turn: TurnNumber,
) -> Result<Bytes, EngineError> {
    let stream = stream(types, index, Topic::Outcomes);
    for segment in segments.iter().rev().filter(|segment| segment.retained) {
        let family = stream.family(segment.families());
        let found = files.last(&family, stream, |frame| {
            Ok((frame.next(), codec::blobs::unpack(frame.payload()?)?))
        })?;
        match found {
            Some((next, mut records)) if next == turn + 1 => {
                if let Some(newest) = records.pop() {
                    return Ok(newest);
                }
            }
            _ => {}
        }
    }
    Err(EngineError::Damaged(format!(
        "batch record {turn}, the newest of partition {} of type {}, is missing",
        stream.partition, stream.type_id
    )))
}

fn streams<'a>(types: &'a TypeTable, topics: &'a [Topic]) -> impl Iterator<Item = Stream> + 'a {
    (0..types.partitions())
        .flat_map(move |index| topics.iter().map(move |topic| stream(types, index, *topic)))
}

fn stream(types: &TypeTable, index: usize, topic: Topic) -> Stream {
    let (type_id, partition) = types.place(index);
    Stream { topic, type_id, partition }
}

/// Reads the log's registry of types, in the order of its numbers.
pub(crate) fn registered_types(
    database: &Database,
) -> Result<Vec<(u16, proto::AggregateType)>, EngineError> {
    let mut types = Vec::new();
    for (id, note) in database.notes(keys::type_of_key)? {
        let entry = proto::AggregateType::decode(note)
            .map_err(|e| EngineError::Damaged(format!("registry note of type {id}: {e}")))?;
        types.push((id, entry));
    }
    types.sort_by_key(|(id, _)| *id);
    Ok(types)
}
