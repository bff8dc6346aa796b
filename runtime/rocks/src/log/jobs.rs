//! What waits for the committer: two bounded queues, the work of shards before work from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use zamu_core::error::EngineError;
use zamu_core::log::{Appended, Commit};
use zamu_core::model::{Offset, Request, TurnNumber};

use crate::frame::Packed;
use crate::keys::Topic;
use crate::log::board::Side;

/// One thing for the committer to do.
pub(crate) enum Job {
    /// A shard's commit.
    Commit(CommitJob),
    /// Requests from outside.
    Append {
        /// Index of the partition.
        index: usize,
        /// The requests.
        requests: Vec<Request>,
        /// Their bytes of keys and bodies.
        bytes: usize,
        /// Told when they are durable.
        done: Promise<Appended>,
    },
    /// A control record.
    Control {
        /// The record.
        record: Bytes,
        /// Told its offset when it is durable.
        done: Promise<Offset>,
    },
    /// Writes a partition's newest batch record again, into the current segment, unless there is a
    /// newer one by now.
    Carry {
        /// Index of the partition.
        index: usize,
        /// The batch record's turn.
        turn: TurnNumber,
        /// The batch record.
        outcome: Bytes,
    },
    /// Another shard takes over from this one: what it has put before is written, what comes after is
    /// not.
    Fence(Arc<Side>),
    /// Told when everything before it has come so far.
    Barrier(Reach, Promise<()>),
    /// The last job: everything before it is written and synced, then the threads end.
    Stop,
}

/// How far a barrier waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Ordered, and visible to shards.
    Written,
    /// Safe from the loss of power.
    Durable,
}

/// A shard's commit with its frames.
pub(crate) struct CommitJob {
    /// Who commits.
    pub(crate) side: Arc<Side>,
    /// The commit.
    pub(crate) commit: Commit,
    /// Its records, packed: as many entries as it has topics with records.
    pub(crate) frames: Vec<CommitFrame>,
    /// Its bytes of keys and bodies, roughly.
    pub(crate) bytes: usize,
}

/// One frame of a commit.
pub(crate) struct CommitFrame {
    /// Index of the partition that it goes to.
    pub(crate) index: usize,
    /// Its topic.
    pub(crate) topic: Topic,
    /// The number of its first record; `None` for commands, whose offsets the committer gives.
    pub(crate) first: Option<u64>,
    /// The records.
    pub(crate) packed: Packed,
}

impl Job {
    /// Whether it leaves something in the log.
    pub(crate) fn writes(&self) -> bool {
        !matches!(self, Self::Fence(_) | Self::Barrier(..) | Self::Stop)
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Commit(job) => job.bytes,
            Self::Append { bytes, .. } => *bytes,
            Self::Control { record, .. } => record.len(),
            Self::Carry { outcome, .. } => outcome.len(),
            Self::Fence(_) | Self::Barrier(..) | Self::Stop => 0,
        }
    }
}

/// Told the result of a job.
type Done<T> = Box<dyn FnOnce(Result<T, EngineError>) + Send>;

/// Calls back exactly once, even when it is dropped on the way.
pub(crate) struct Promise<T>(Option<Done<T>>);

impl<T> Promise<T> {
    /// A promise to call `done`.
    pub(crate) fn new(done: Done<T>) -> Self {
        Self(Some(done))
    }

    /// Keeps it.
    pub(crate) fn keep(mut self, result: Result<T, EngineError>) {
        if let Some(done) = self.0.take() {
            done(result);
        }
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        if let Some(done) = self.0.take() {
            done(Err(EngineError::Fatal("the log is closed".to_string())));
        }
    }
}

/// Where jobs are put.
pub(crate) struct Queue {
    shards: Sender<Job>,
    outside: Sender<Job>,
    bytes: Arc<AtomicUsize>,
    bytes_max: usize,
}

/// Where the committer finds them.
pub(crate) struct Jobs {
    shards: Receiver<Job>,
    outside: Receiver<Job>,
    bytes: Arc<AtomicUsize>,
}

/// A pair of bounded queues.
pub(crate) fn queue(jobs_max: usize, bytes_max: usize) -> (Queue, Jobs) {
    let (shards_in, shards) = bounded(jobs_max.max(1));
    let (outside_in, outside) = bounded(jobs_max.max(1));
    let bytes = Arc::new(AtomicUsize::new(0));
    let queue = Queue { shards: shards_in, outside: outside_in, bytes: bytes.clone(), bytes_max };
    (queue, Jobs { shards, outside, bytes })
}

/// A job that was turned away.
pub(crate) type Refused = Box<(Job, EngineError)>;

impl Queue {
    /// Puts a job of a shard, unless the queue is full.
    pub(crate) fn put(&self, job: Job) -> Result<(), Refused> {
        self.try_put(&self.shards, job)
    }

    /// Puts a job from outside, unless the queue is full.
    pub(crate) fn put_outside(&self, job: Job) -> Result<(), Refused> {
        self.try_put(&self.outside, job)
    }

    /// Puts a job among those of shards, waiting for room.
    pub(crate) fn put_and_wait(&self, job: Job) -> Result<(), EngineError> {
        self.bytes.fetch_add(job.bytes(), Ordering::Relaxed);
        self.shards.send(job).map_err(|_| closed())
    }

    /// Puts a job among those from outside, waiting for room: everything put before, by anyone, is
    /// done before it.
    pub(crate) fn put_last_and_wait(&self, job: Job) -> Result<(), EngineError> {
        self.bytes.fetch_add(job.bytes(), Ordering::Relaxed);
        self.outside.send(job).map_err(|_| closed())
    }

    /// Whether there is no room; asked before a commit is packed.
    pub(crate) fn is_full(&self) -> bool {
        self.shards.is_full() || self.bytes.load(Ordering::Relaxed) >= self.bytes_max
    }

    /// Jobs that wait.
    pub(crate) fn len(&self) -> usize {
        self.shards.len() + self.outside.len()
    }

    fn try_put(&self, queue: &Sender<Job>, job: Job) -> Result<(), Refused> {
        let bytes = job.bytes();
        let waiting = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let refused = if waiting >= self.bytes_max {
            (job, full())
        } else {
            match queue.try_send(job) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Full(job)) => (job, full()),
                Err(TrySendError::Disconnected(job)) => (job, closed()),
            }
        };
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        Err(Box::new(refused))
    }
}

impl Jobs {
    /// Waits for a job, and gives it with what else waits, within `bytes_max`: those of shards
    /// first. `None` when nobody can put any more.
    pub(crate) fn next(&self, bytes_max: usize) -> Option<Vec<Job>> {
        let first = crossbeam_channel::select_biased! {
            recv(self.shards) -> job => job.ok()?,
            recv(self.outside) -> job => job.ok()?,
        };
        let mut bytes = first.bytes();
        let mut jobs = vec![first];
        for queue in [&self.shards, &self.outside] {
            while bytes < bytes_max
                && !matches!(jobs.last(), Some(Job::Stop))
                && let Ok(job) = queue.try_recv()
            {
                bytes += job.bytes();
                jobs.push(job);
            }
        }
        self.bytes.fetch_sub(jobs.iter().map(Job::bytes).sum(), Ordering::Relaxed);
        Some(jobs)
    }

    /// All that still waits.
    pub(crate) fn drain(&self) -> Vec<Job> {
        let jobs: Vec<_> = self.shards.try_iter().chain(self.outside.try_iter()).collect();
        self.bytes.fetch_sub(jobs.iter().map(Job::bytes).sum(), Ordering::Relaxed);
        jobs
    }
}

fn full() -> EngineError {
    EngineError::Retry("the log's queue is full".to_string())
}

fn closed() -> EngineError {
    EngineError::Fatal("the log is closed".to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use std::sync::Mutex;

    use super::*;

    fn control(bytes: usize) -> Job {
        Job::Control { record: vec![0; bytes].into(), done: Promise::new(Box::new(|_| ())) }
    }

    fn sizes(jobs: &[Job]) -> Vec<usize> {
        jobs.iter().map(Job::bytes).collect()
    }

    #[test]
    fn work_in_flight_comes_before_work_from_outside() {
        let (queue, jobs) = queue(9, 1_000);
        assert!(queue.put_outside(control(1)).is_ok());
        assert!(queue.put(control(2)).is_ok());
        assert!(queue.put(control(3)).is_ok());
        assert_eq!(sizes(&jobs.next(1_000).unwrap()), [2, 3, 1]);
    }

    #[test]
    fn full_queues_turn_away_and_take_again_when_there_is_room() {
        let (queue, jobs) = queue(2, 10);
        let refusal = |result: Result<(), Refused>| result.err().map(|refused| refused.1);
        assert!(queue.put(control(1)).is_ok() && queue.put(control(1)).is_ok());
        assert!(matches!(refusal(queue.put(control(1))), Some(EngineError::Retry(_))));
        assert!(queue.is_full());
        assert!(queue.put_outside(control(20)).is_ok(), "room in number and not yet full in bytes");
        assert!(matches!(refusal(queue.put_outside(control(1))), Some(EngineError::Retry(_))));
        assert_eq!(sizes(&jobs.next(1).unwrap()), [1], "no more than asked for");
        assert_eq!(sizes(&jobs.drain()), [1, 20]);
        assert!(queue.put(control(1)).is_ok());
        drop(jobs);
        assert!(matches!(refusal(queue.put(control(1))), Some(EngineError::Fatal(_))));
    }

    #[test]
    fn a_promise_is_kept_exactly_once_even_when_it_is_lost() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let promise = || {
            let told = told.clone();
            Promise::new(Box::new(move |result: Result<u64, EngineError>| {
                told.lock().unwrap().push(result);
            }))
        };
        promise().keep(Ok(7));
        drop(promise());
        let told = told.lock().unwrap();
        assert_eq!(told[0], Ok(7));
        assert!(matches!(&told[1..], [Err(EngineError::Fatal(_))]), "{told:?}");
    }
}
