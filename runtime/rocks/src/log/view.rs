//! Reading a log: what shards, readers and tools have in common. Only durable records are given,
//! except to [`View::written_input`].

use std::ops::ControlFlow;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use zamu_core::error::EngineError;
use zamu_core::log::Limit;
use zamu_core::model::{
    Command, DeadLetterNumber, Event, EventNumber, Offset, PartitionId, Request, Stored, Time,
    TurnNumber,
};

use crate::codec::{self, Names};
use crate::keys::{Families, Stream, Topic};
use crate::log::board::Board;
use crate::log::database::Database;
use crate::log::ends::{CONTROL_FIRST, Ends};
use crate::log::segments::{Place, Segment, place};
use crate::log::tail::{Input, Room};
use crate::types::TypeTable;

/// A log that can be read.
pub(crate) struct View {
    /// The files.
    pub(crate) database: Database,
    /// The aggregate types.
    pub(crate) types: TypeTable,
    /// Who this log is.
    pub(crate) log_id: Bytes,
    /// How far it reaches.
    pub(crate) board: Board,
    segments: RwLock<Arc<Vec<Segment>>>,
}

/// One frame's records as they were written.
pub(crate) struct Chunk {
    first: u64,
    appended: Time,
    payload: Bytes,
}

impl View {
    /// A view of files that have been looked through.
    pub(crate) fn new(
        database: Database,
        types: TypeTable,
        log_id: Bytes,
        board: Board,
        segments: Vec<Segment>,
    ) -> Self {
        Self { database, types, log_id, board, segments: RwLock::new(Arc::new(segments)) }
    }

    /// The segments as they are now.
    pub(crate) fn segments(&self) -> Arc<Vec<Segment>> {
        self.segments.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes the list of segments.
    pub(crate) fn change_segments(&self, change: impl FnOnce(&mut Vec<Segment>)) {
        let mut segments = self.segments.write().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut segments));
    }

    /// Index of a partition.
    pub(crate) fn index(&self, partition: PartitionId) -> Result<usize, EngineError> {
        self.types.index(partition).ok_or_else(|| {
            EngineError::Fatal(format!("no partition {}", self.types.describe(partition)))
        })
    }

    /// How far a partition is durable.
    pub(crate) fn durable(&self, index: usize) -> Ends {
        self.board.look(index, |partition| partition.durable)
    }

    /// Durable events.
    pub(crate) fn events(
        &self,
        index: usize,
        from: EventNumber,
        limit: Limit,
        names: &mut Names,
    ) -> Result<Vec<Event>, EngineError> {
        let end = self.durable(index).events;
        let unpack = |chunk: Chunk| {
            let events = codec::events::unpack(chunk.first, chunk.payload, &self.types, names)?;
            Ok(events.into_iter().map(|event| (event.number, event)).collect())
        };
        let cost = |event: &Event| event.key.len() + event.body.len();
        self.read(index, Topic::Events, from, end, limit, unpack, cost)
    }

    /// Durable batch records.
    pub(crate) fn outcomes(
        &self,
        index: usize,
        from: TurnNumber,
        limit: Limit,
    ) -> Result<Vec<(TurnNumber, Bytes)>, EngineError> {
        let (end, last, let_go) = self.board.look(index, |partition| {
            let last = partition.last_outcome.clone();
            (partition.durable.outcomes, last, partition.let_go.turn())
        });
        // The newest one outlives its segment.
        if let Some(last) = last.filter(|last| last.0 == from) {
            return Ok(vec![last]);
        }
        self.check_kept(index, Topic::Outcomes, from, let_go + 1)?;
        self.read(index, Topic::Outcomes, from, end, limit, numbered, Bytes::len).map(|records| {
            records.into_iter().zip(from..).map(|(bytes, turn)| (turn, bytes)).collect()
        })
    }

    /// The oldest turn whose batch record is given, like those of all later turns.
    pub(crate) fn oldest_turn(&self, index: usize) -> TurnNumber {
        let segments = self.segments();
        let kept = segments.iter().find(|segment| segment.retained);
        let kept = kept.map_or(1, |segment| segment.starts[index].outcomes);
        self.board.look(index, |partition| {
            // The newest one outlives its segment.
            let newest = partition.last_outcome.as_ref().map_or(1, |(turn, _)| *turn);
            kept.max(partition.let_go.turn() + 1).min(newest)
        })
    }

    /// The newest durable batch record.
    pub(crate) fn last_outcome(&self, index: usize) -> Option<(TurnNumber, Bytes)> {
        self.board.look(index, |partition| partition.last_outcome.clone())
    }

    /// Durable dead letters.
    pub(crate) fn dead_letters(
        &self,
        index: usize,
        from: DeadLetterNumber,
        limit: Limit,
    ) -> Result<Vec<(DeadLetterNumber, Bytes)>, EngineError> {
        let from = from.max(1);
        let end = self.durable(index).dead_letters;
        self.read(index, Topic::DeadLetters, from, end, limit, numbered, Bytes::len)
            .map(|records| records.into_iter().zip(from..).map(|(bytes, n)| (n, bytes)).collect())
    }

    /// One durable dead letter.
    pub(crate) fn dead_letter(
        &self,
        index: usize,
        number: DeadLetterNumber,
    ) -> Result<Option<Bytes>, EngineError> {
        let one = Limit { records: 1, bytes: usize::MAX };
        let mut found = self.dead_letters(index, number, one)?;
        Ok(found.pop().filter(|(known, _)| *known == number).map(|(_, letter)| letter))
    }

    /// Durable control records.
    pub(crate) fn control(
        &self,
        from: Offset,
        limit: Limit,
    ) -> Result<Vec<(Offset, Bytes)>, EngineError> {
        let from = from.max(CONTROL_FIRST);
        let end = self.board.control();
        self.read(0, Topic::Control, from, end, limit, numbered, Bytes::len)
            .map(|records| records.into_iter().zip(from..).map(|(bytes, n)| (n, bytes)).collect())
    }

    /// Records of an input, below `end`.
    pub(crate) fn input<R: StoredInput>(
        &self,
        index: usize,
        from: Offset,
        end: Offset,
        limit: Limit,
        names: &mut Names,
    ) -> Result<Vec<Stored<R>>, EngineError> {
        let let_go = self.board.look(index, |partition| partition.let_go.input());
        let kept = Ends { requests: let_go.requests, commands: let_go.commands, ..Ends::default() };
        self.check_kept(index, R::TOPIC, from, kept.of(R::TOPIC))?;
        let unpack = |chunk: Chunk| {
            let Chunk { first, appended, payload } = chunk;
            let records = R::unpack(payload, &self.types, names)?;
            let stored = |(offset, record)| (offset, Stored { offset, appended, record });
            Ok((first..).zip(records).map(stored).collect())
        };
        let cost = |stored: &Stored<R>| stored.record.cost();
        self.read(index, R::TOPIC, from, end, limit, unpack, cost)
    }

    /// When the log took a durable record: `None` if it is not there, or no longer.
    pub(crate) fn appended(
        &self,
        index: usize,
        topic: Topic,
        number: u64,
    ) -> Result<Option<Time>, EngineError> {
        let end = self.durable(index).of(topic);
        if number < self.oldest(index, topic) || number >= end {
            return Ok(None);
        }
        let stream = self.stream(index, topic);
        let mut found = None;
        for family in self.families(stream, index, number)? {
            self.database.visit_frames(&family, stream, number, number + 1, |frame| {
                found = Some(frame.header.appended);
                Ok(ControlFlow::Break(()))
            })?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Err(self.gap(stream, number, number + 1))
    }

    /// The first durable record of a topic that is still there and that the log took at a time or
    /// later; the end, if there is none. Only headers of frames are read.
    pub(crate) fn since(&self, index: usize, topic: Topic, time: Time) -> Result<u64, EngineError> {
        let (mut low, mut high) = (self.oldest(index, topic), self.durable(index).of(topic));
        while low < high {
            let middle = low + (high - low) / 2;
            match self.appended(index, topic, middle) {
                Ok(Some(appended)) if appended >= time => high = middle,
                // Removed since this began: it was among the oldest.
                Ok(_) | Err(EngineError::Trimmed(_)) => low = middle + 1,
                Err(error) => return Err(error),
            }
        }
        Ok(low)
    }

    /// The number of the oldest record of a topic that is still given.
    pub(crate) fn oldest(&self, index: usize, topic: Topic) -> u64 {
        let segments = self.segments();
        let kept = segments.iter().find(|segment| segment.retained);
        let kept = kept.map_or(0, |segment| segment.starts[index].of(topic));
        self.board.look(index, |partition| match topic {
            Topic::Requests => kept.max(partition.let_go.input().requests),
            Topic::Commands => kept.max(partition.let_go.input().commands),
            Topic::Outcomes => kept.max(partition.let_go.turn() + 1),
            Topic::Events | Topic::DeadLetters | Topic::Control => 0,
        })
    }

    /// Records of a partition's topic from `from` on, below `end`, within a limit.
    #[expect(clippy::too_many_arguments, reason = "the one place that all topics are read through")]
    fn read<T>(
        &self,
        index: usize,
        topic: Topic,
        from: u64,
        end: u64,
        limit: Limit,
        mut unpack: impl FnMut(Chunk) -> Result<Vec<(u64, T)>, EngineError>,
        cost: impl Fn(&T) -> usize,
    ) -> Result<Vec<T>, EngineError> {
        let mut room = Room::new(limit);
        let mut found = Vec::new();
        self.visit(index, topic, from, end, |chunk| {
            for (number, record) in unpack(chunk)? {
                if number < from || number >= end {
                    continue;
                }
                if !room.admits(cost(&record)) {
                    return Ok(ControlFlow::Break(()));
                }
                found.push(record);
            }
            Ok(if room.is_full() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(found)
    }

    /// Visits the frames that hold the records from `from` up to `end`, without a gap.
    fn visit(
        &self,
        index: usize,
        topic: Topic,
        from: u64,
        end: u64,
        mut visit: impl FnMut(Chunk) -> Result<ControlFlow<()>, EngineError>,
    ) -> Result<(), EngineError> {
        if from >= end {
            return Ok(());
        }
        let stream = self.stream(index, topic);
        let mut next = from;
        let mut stopped = false;
        for family in self.families(stream, index, from)? {
            self.database.visit_frames(&family, stream, next, end, |frame| {
                if frame.first > next {
                    return Err(self.gap(stream, next, frame.first));
                }
                next = frame.next();
                let chunk = Chunk {
                    first: frame.first,
                    appended: frame.header.appended,
                    payload: frame.payload()?,
                };
                let flow = visit(chunk)?;
                stopped = flow.is_break();
                Ok(flow)
            })?;
            if stopped || next >= end {
                return Ok(());
            }
        }
        Err(self.gap(stream, next, end))
    }

    /// The column families that hold a stream from a record on.
    fn families(
        &self,
        stream: Stream,
        index: usize,
        from: u64,
    ) -> Result<Vec<String>, EngineError> {
        if matches!(stream.topic, Topic::DeadLetters | Topic::Control) {
            return Ok(vec![stream.family(Families { segment: 0, events: 0 })]);
        }
        let segments = self.segments();
        match place(&segments, index, stream.topic, from) {
            Place::At(first) => {
                let families =
                    segments[first..].iter().map(|segment| stream.family(segment.families()));
                let mut families: Vec<_> = families.collect();
                families.dedup();
                Ok(families)
            }
            Place::Trimmed(left) => {
                self.check_kept(index, stream.topic, from, left).map(|()| vec![])
            }
        }
    }

    /// Records of a topic below `kept` are no longer given.
    fn check_kept(
        &self,
        index: usize,
        topic: Topic,
        from: u64,
        kept: u64,
    ) -> Result<(), EngineError> {
        if from >= kept {
            return Ok(());
        }
        Err(EngineError::Trimmed(format!(
            "{topic:?} {from} of {}: retention has removed what lies below {kept}",
            self.describe(self.stream(index, topic))
        )))
    }

    /// The stream of a topic of the partition at an index.
    pub(crate) fn stream(&self, index: usize, topic: Topic) -> Stream {
        if topic == Topic::Control {
            return Stream::CONTROL;
        }
        let (type_id, partition) = self.types.place(index);
        Stream { topic, type_id, partition }
    }

    fn gap(&self, stream: Stream, from: u64, to: u64) -> EngineError {
        EngineError::Damaged(format!(
            "{:?} from {from} up to {to} of {} are missing",
            stream.topic,
            self.describe(stream),
        ))
    }

    fn describe(&self, stream: Stream) -> String {
        match self.types.id(u32::from(stream.type_id)) {
            Some(aggregate_type) if stream.topic != Topic::Control => {
                self.types.describe(PartitionId { aggregate_type, number: stream.partition })
            }
            _ => "the control topic".to_string(),
        }
    }
}

/// An input as frames hold it.
pub(crate) trait StoredInput: Input {
    /// Its topic.
    const TOPIC: Topic;

    /// The records of a frame.
    fn unpack(
        payload: Bytes,
        types: &TypeTable,
        names: &mut Names,
    ) -> Result<Vec<Self>, EngineError>;
}

impl StoredInput for Request {
    const TOPIC: Topic = Topic::Requests;

    fn unpack(payload: Bytes, _: &TypeTable, names: &mut Names) -> Result<Vec<Self>, EngineError> {
        codec::requests::unpack(payload, names)
    }
}

impl StoredInput for Command {
    const TOPIC: Topic = Topic::Commands;

    fn unpack(
        payload: Bytes,
        types: &TypeTable,
        names: &mut Names,
    ) -> Result<Vec<Self>, EngineError> {
        codec::commands::unpack(payload, types, names)
    }
}

fn numbered(chunk: Chunk) -> Result<Vec<(u64, Bytes)>, EngineError> {
    Ok((chunk.first..).zip(codec::blobs::unpack(chunk.payload)?).collect())
}
