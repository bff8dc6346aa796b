//! The committer: one thread that gives offsets and append times, and writes.
//!
//! What waits is taken together as one *group*: one write batch, so it happens as a whole. A group is
//! *written* when RocksDB has it, and then shards may take its inputs; the syncer makes it durable.
//! The committer never waits for a sync, unless the syncer is far behind.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;

use crossbeam_channel::Sender;
use zamu_core::error::EngineError;
use zamu_core::failpoints::{HOLD_COMMIT, HOLD_SYNC, fires, hold_at};
use zamu_core::log::{Appended, CommitId};
use zamu_core::model::{Command, Offset, Request, Time};

use crate::codec;
use crate::frame::Packed;
use crate::keys::{self, Families, GroupNote, Stream, Topic};
use crate::log::board::{Side, add};
use crate::log::database::Batch;
use crate::log::ends::Ends;
use crate::log::jobs::{CommitJob, Job, Jobs, Promise, Reach};
use crate::log::segments::Segment;
use crate::log::shared::Shared;
use crate::log::survey::Survey;
use crate::log::syncer::Written;

/// See the file's head.
pub(crate) struct Committer {
    shared: Arc<Shared>,
    jobs: Jobs,
    to_syncer: Sender<Written>,
    /// How far each partition is written, by index.
    ends: Vec<Ends>,
    control: Offset,
    group: u64,
    time: Time,
    segment: Option<Open>,
    /// A failpoint holds commits up from here on.
    is_held: bool,
}

/// The segment that is being filled.
struct Open {
    families: Families,
    started: Time,
    bytes: u64,
    /// Bytes of the column family of events.
    events_bytes: u64,
}

impl Committer {
    /// A committer that goes on where the log ends.
    pub(crate) fn new(
        shared: Arc<Shared>,
        jobs: Jobs,
        to_syncer: Sender<Written>,
        survey: Survey,
    ) -> Self {
        let size = |family: &str| shared.view.database.family_bytes(family);
        let segment = survey.segments.last().map(|newest| Open {
            families: newest.families(),
            started: newest.started,
            bytes: size(&keys::segment_family(newest.number)),
            events_bytes: size(&keys::events_family(newest.events)),
        });
        Self {
            shared,
            jobs,
            to_syncer,
            ends: survey.ends,
            control: survey.control,
            group: survey.last_group,
            time: survey.time,
            segment,
            is_held: false,
        }
    }

    /// Writes until it is told to stop.
    pub(crate) fn run(mut self) {
        while let Some(mut jobs) = self.jobs.next(self.shared.options.group_bytes) {
            let stop = matches!(jobs.last(), Some(Job::Stop));
            if stop {
                jobs.extend(self.jobs.drain());
            }
            // After a failure jobs are dropped, which tells those who wait.
            if self.shared.check().is_ok()
                && let Err(e) = self.write(jobs)
            {
                self.shared.fail(&e.to_string());
            }
            if stop {
                return;
            }
        }
    }

    fn write(&mut self, jobs: Vec<Job>) -> Result<(), EngineError> {
        let shared = self.shared.clone();
        let time = (shared.clock)().max(self.time);
        let mut group = Group::new(self.group + 1, time, shared.view.database.batch());
        if jobs.iter().any(Job::writes) && self.segment_is_full(time) {
            self.begin_segment(&mut group)?;
        }
        for job in jobs {
            self.stage(job, &mut group)?;
        }
        self.stage_appends(&mut group)?;
        if !group.commits.is_empty() {
            hold_at(HOLD_COMMIT);
            self.let_appends_through();
        }
        if !group.batch.is_empty() {
            self.write_batch(&mut group)?;
        }
        self.publish(group);
        Ok(())
    }

    /// Where the sync of commits is to stand still, all that was written before the first of them is
    /// made durable before it is written: whoever appended it hears so, and no commit is on disk with
    /// it by chance.
    fn let_appends_through(&mut self) {
        if self.is_held || !fires(HOLD_SYNC) {
            return;
        }
        self.is_held = true;
        while self.shared.durable() < self.group && self.shared.check().is_ok() {
            std::thread::yield_now();
        }
    }

    fn segment_is_full(&self, now: Time) -> bool {
        let options = &self.shared.options;
        self.segment.as_ref().is_none_or(|open| {
            open.bytes >= options.segment_bytes
                || u128::from(now.0 - open.started.0.min(now.0)) >= options.segment_age.as_millis()
        })
    }

    fn begin_segment(&mut self, group: &mut Group<'_>) -> Result<(), EngineError> {
        let view = &self.shared.view;
        let number = self.segment.as_ref().map_or(1, |open| open.families.segment + 1);
        let with_room = self
            .segment
            .as_ref()
            .filter(|open| open.events_bytes < self.shared.options.events_bytes);
        let (events, events_bytes) =
            with_room.map_or((number, 0), |open| (open.families.events, open.events_bytes));
        let families = Families { segment: number, events };
        view.database.create_family(&keys::segment_family(number))?;
        view.database.create_family(&keys::events_family(events))?;
        let segment = Segment {
            number,
            first_group: group.number,
            started: group.time,
            starts: self.ends.clone().into(),
            events,
            retained: true,
        };
        group.batch.put_note(&keys::segment_key(number), &segment.to_note(&view.types))?;
        self.segment = Some(Open { families, started: group.time, bytes: 0, events_bytes });
        group.segment = Some(segment);
        Ok(())
    }

    fn stage(&mut self, job: Job, group: &mut Group<'_>) -> Result<(), EngineError> {
        match job {
            Job::Commit(job) => self.stage_commit(job, group)?,
            Job::Append { index, requests, done, .. } => {
                let append = group.appends.entry(index).or_default();
                append.promises.push((append.requests.len(), done));
                append.requests.extend(requests);
            }
            Job::Control { record, done } => {
                let packed = codec::blobs::pack(vec![record])?;
                group.put(keys::CONTROL, Stream::CONTROL, self.control, packed)?;
                group.controls.push((self.control, done));
                self.control += 1;
            }
            Job::Carry { index, turn, outcome } => {
                if self.ends[index].outcomes == turn + 1 {
                    let packed = codec::blobs::pack(vec![outcome])?;
                    self.put(index, Topic::Outcomes, turn, packed, group)?;
                }
            }
            Job::Fence(side) => side.fence(),
            Job::Barrier(Reach::Durable, done) => group.barriers.push(done),
            Job::Barrier(Reach::Written, done) => group.written.push(done),
            Job::Stop => {}
        }
        Ok(())
    }

    fn stage_commit(&mut self, job: CommitJob, group: &mut Group<'_>) -> Result<(), EngineError> {
        let CommitJob { side, commit, frames, .. } = job;
        if side.is_fenced() {
            // Not written, and its shard is told why by the fence itself.
            return Ok(());
        }
        let mut commands: Vec<(usize, Vec<Command>)> = Vec::new();
        let mut wakes: Vec<(usize, Vec<Request>)> = Vec::new();
        for turn in commit.turns {
            let index = self.shared.view.index(turn.partition)?;
            wakes.push((index, turn.wakes));
            group.last_outcomes.push((index, turn.turn, turn.outcome));
            for (target, records) in turn.commands {
                commands.push((self.shared.view.index(target)?, records));
            }
        }
        for frame in frames {
            let next = self.ends[frame.index].of(frame.topic);
            let first = frame.first.unwrap_or(next);
            if first != next {
                return Err(EngineError::Fatal(format!(
                    "a commit brings {:?} {first} for partition index {}, which stands at {next}",
                    frame.topic, frame.index
                )));
            }
            self.put(frame.index, frame.topic, first, frame.packed, group)?;
        }
        for (index, records) in commands {
            group.published(index).commands.extend(records);
        }
        for (index, records) in wakes {
            group.published(index).requests.extend(records);
        }
        group.commits.push((side, commit.id));
        Ok(())
    }

    fn stage_appends(&mut self, group: &mut Group<'_>) -> Result<(), EngineError> {
        for (index, append) in mem::take(&mut group.appends) {
            let first = self.ends[index].requests;
            if !append.requests.is_empty() {
                let packed = codec::requests::pack(append.requests.iter())?;
                self.put(index, Topic::Requests, first, packed, group)?;
            }
            for (before, done) in append.promises {
                let appended = Appended { first: first + before as u64, time: group.time };
                group.appended.push((appended, done));
            }
            group.published(index).requests.extend(append.requests);
        }
        Ok(())
    }

    /// Stages a frame, and moves the end of its topic behind it.
    fn put(
        &mut self,
        index: usize,
        topic: Topic,
        first: u64,
        packed: Packed,
        group: &mut Group<'_>,
    ) -> Result<(), EngineError> {
        let Some(open) = &mut self.segment else { return Err(no_segment()) };
        let stream = self.shared.view.stream(index, topic);
        let next = first + packed.count();
        if topic == Topic::Events {
            open.events_bytes += packed.len() as u64;
        }
        group.put(&stream.family(open.families), stream, first, packed)?;
        self.ends[index].set(topic, next);
        group.published(index);
        Ok(())
    }

    fn write_batch(&mut self, group: &mut Group<'_>) -> Result<(), EngineError> {
        let note = GroupNote { durable: self.shared.durable(), time: group.time };
        let Some(open) = &mut self.segment else { return Err(no_segment()) };
        let family = keys::segment_family(open.families.segment);
        let key = keys::group_key(group.number);
        group.batch.put(&family, &key, &note.seal(group.number))?;
        let bytes = group.batch.size() as u64;
        group.batch.write(false)?;
        open.bytes += bytes;
        self.group = group.number;
        self.time = group.time;
        let (commits, appends) = (group.commits.len() as u64, group.appended.len() as u64);
        self.shared.counters.wrote(commits, appends, group.records, bytes);
        Ok(())
    }

    /// Shows what is written to shards, and hands it to the syncer.
    fn publish(&self, mut group: Group<'_>) {
        let view = &self.shared.view;
        if let Some(segment) = group.segment.take() {
            view.change_segments(|segments| segments.push(segment));
        }
        let mut wake: Vec<Arc<Side>> = Vec::new();
        view.board.publish(|board| {
            for (index, news) in &mut group.published {
                let mut partition = board.partition(*index);
                partition.written = self.ends[*index];
                if let Some(owner) = &partition.owner
                    && !(news.requests.is_empty() && news.commands.is_empty())
                {
                    add(&mut wake, owner);
                }
                partition.requests.push(group.time, mem::take(&mut news.requests));
                partition.commands.push(group.time, mem::take(&mut news.commands));
            }
        });
        for (side, id) in &group.commits {
            Side::advance(&side.written, *id);
            add(&mut wake, side);
        }
        wake.iter().for_each(|side| side.wake());
        group.written.into_iter().for_each(|done| done.keep(Ok(())));
        let written = Written {
            group: self.group,
            ends: group.published.keys().map(|index| (*index, self.ends[*index])).collect(),
            last_outcomes: group.last_outcomes,
            control: self.control,
            commits: newest(group.commits),
            appended: group.appended,
            controls: group.controls,
            barriers: group.barriers,
        };
        // The syncer outlives the committer, unless it has failed; promises then tell so.
        let _ = self.to_syncer.send(written);
    }
}

/// Whatever writes has begun a segment before.
fn no_segment() -> EngineError {
    EngineError::Fatal("a group is written before any segment has begun".to_string())
}

/// The newest commit of each shard, of commits in order.
fn newest(commits: Vec<(Arc<Side>, CommitId)>) -> Vec<(Arc<Side>, CommitId)> {
    let mut newest: Vec<(Arc<Side>, CommitId)> = Vec::new();
    for (side, id) in commits {
        match newest.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &side)) {
            Some(known) => known.1 = id,
            None => newest.push((side, id)),
        }
    }
    newest
}

/// A group while it is put together.
struct Group<'a> {
    number: u64,
    time: Time,
    batch: Batch<'a>,
    records: u64,
    segment: Option<Segment>,
    appends: BTreeMap<usize, Append>,
    published: BTreeMap<usize, News>,
    last_outcomes: Vec<(usize, u64, bytes::Bytes)>,
    commits: Vec<(Arc<Side>, CommitId)>,
    appended: Vec<(Appended, Promise<Appended>)>,
    controls: Vec<(Offset, Promise<Offset>)>,
    barriers: Vec<Promise<()>>,
    written: Vec<Promise<()>>,
}

/// Appends to one partition; each promise with the number of requests before its own.
#[derive(Default)]
struct Append {
    requests: Vec<Request>,
    promises: Vec<(usize, Promise<Appended>)>,
}

/// New inputs of one partition.
#[derive(Default)]
struct News {
    requests: Vec<Request>,
    commands: Vec<Command>,
}

impl<'a> Group<'a> {
    fn new(number: u64, time: Time, batch: Batch<'a>) -> Self {
        Self {
            number,
            time,
            batch,
            records: 0,
            segment: None,
            appends: BTreeMap::new(),
            published: BTreeMap::new(),
            last_outcomes: Vec::new(),
            commits: Vec::new(),
            appended: Vec::new(),
            controls: Vec::new(),
            barriers: Vec::new(),
            written: Vec::new(),
        }
    }

    fn put(
        &mut self,
        family: &str,
        stream: Stream,
        first: u64,
        packed: Packed,
    ) -> Result<(), EngineError> {
        self.records += packed.count();
        let key = stream.key(first);
        self.batch.put(family, &key, &packed.seal(&key, self.number, self.time))
    }

    fn published(&mut self, index: usize) -> &mut News {
        self.published.entry(index).or_default()
    }
}
