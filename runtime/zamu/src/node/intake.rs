//! Takes external commands: back-pressure first, then the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use prometheus_client::metrics::histogram::Histogram;
use tokio::sync::oneshot;
use zamu_core::error::EngineError;
use zamu_core::log::{Appended, Intake};
use zamu_core::model::{PartitionId, Request};
use zamu_core::topology::Topology;

use crate::node::answers::Answers;

/// The way in.
pub struct Entrance {
    intake: Arc<dyn Intake>,
    answers: Arc<Answers>,
    lag_max: u64,
    closed: AtomicBool,
    /// By type and partition.
    partitions: Vec<Vec<Arc<Flow>>>,
    append_seconds: Histogram,
}

/// What has gone into one partition.
#[derive(Debug, Default)]
struct Flow {
    /// Requests that are being appended.
    appending: AtomicU64,
    /// The offset after the last durable request.
    next: AtomicU64,
}

/// Why a command is not taken.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Refusal {
    /// Too many wait already.
    #[error("{waiting} requests of this partition wait already, and {lag_max} may")]
    Lag {
        /// How many wait.
        waiting: u64,
        /// How many may.
        lag_max: u64,
    },
    /// The node stops.
    #[error("the node is shutting down")]
    Closed,
    /// The log is full for the moment; nothing happened.
    #[error("the log is busy: {0}")]
    Busy(String),
    /// The log failed; whether it happened is not known.
    #[error("the log failed: {0}")]
    Failed(String),
}

impl Entrance {
    /// An open way in. `next` says how far each partition's requests reach.
    pub fn new(
        intake: Arc<dyn Intake>,
        answers: Arc<Answers>,
        topology: &Topology,
        lag_max: u64,
        append_seconds: Histogram,
    ) -> Self {
        let flows = |partitions| (0..partitions).map(|_| Arc::default()).collect();
        let partitions = topology.types.iter().map(|t| flows(t.partitions)).collect();
        Self {
            intake,
            answers,
            lag_max,
            closed: AtomicBool::new(false),
            partitions,
            append_seconds,
        }
    }

    /// Says how far a partition's requests reached when the log was opened.
    pub fn opened(&self, partition: PartitionId, next: u64) {
        self.flow(partition).next.fetch_max(next, Ordering::Relaxed);
    }

    /// Whether more requests may come for a partition. A call is taken whole, however large it is: one
    /// that had to fit would wait for ever behind smaller ones.
    ///
    /// # Errors
    /// When too many wait, or the node stops.
    pub fn check(&self, partition: PartitionId) -> Result<(), Refusal> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(Refusal::Closed);
        }
        let waiting = self.lag(partition);
        if waiting >= self.lag_max {
            return Err(Refusal::Lag { waiting, lag_max: self.lag_max });
        }
        Ok(())
    }

    /// How many requests of a partition are appended, or being appended, and not answered.
    #[must_use]
    pub fn lag(&self, partition: PartitionId) -> u64 {
        let flow = self.flow(partition);
        let next = flow.next.load(Ordering::Relaxed);
        next.saturating_sub(self.answers.answered(partition))
            + flow.appending.load(Ordering::Relaxed)
    }

    /// Appends requests next to each other. The result comes when they are durable.
    pub fn append(
        &self,
        partition: PartitionId,
        requests: Vec<Request>,
    ) -> oneshot::Receiver<Result<Appended, Refusal>> {
        let (tell, told) = oneshot::channel();
        let count = requests.len() as u64;
        let flow = Arc::clone(self.flow(partition));
        flow.appending.fetch_add(count, Ordering::Relaxed);
        let (seconds, start) = (self.append_seconds.clone(), Instant::now());
        let done = Box::new(move |result: Result<Appended, EngineError>| {
            if let Ok(appended) = &result {
                flow.next.fetch_max(appended.first + count, Ordering::Relaxed);
                seconds.observe(start.elapsed().as_secs_f64());
            }
            flow.appending.fetch_sub(count, Ordering::Relaxed);
            let result = result.map_err(|error| match error {
                EngineError::Retry(why) => Refusal::Busy(why),
                other => Refusal::Failed(other.to_string()),
            });
            // A client that has gone need not be told.
            drop(tell.send(result));
        });
        self.intake.append(partition, requests, done);
        told
    }

    /// Takes nothing more.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    /// Whether nothing more is taken.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    fn flow(&self, partition: PartitionId) -> &Arc<Flow> {
        &self.partitions[usize::from(partition.aggregate_type.0)][partition.number as usize]
    }
}
