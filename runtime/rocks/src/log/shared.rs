//! What the handles and threads of one open log share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use zamu_core::error::EngineError;
use zamu_core::model::Offset;

use crate::log::board::Waker;
use crate::log::database::Database;
use crate::log::jobs::{Job, Promise, Queue, Reach};
use crate::log::lock::Lock;
use crate::log::metrics::Counters;
use crate::log::options::{Clock, LogOptions, SyncStep};
use crate::log::view::View;

/// See the file's head.
pub(crate) struct Shared {
    /// Reading.
    pub(crate) view: Arc<View>,
    /// Settings.
    pub(crate) options: LogOptions,
    /// Time.
    pub(crate) clock: Clock,
    /// Where jobs are put.
    pub(crate) queue: Queue,
    /// What is counted.
    pub(crate) counters: Counters,
    /// The newest durable group.
    pub(crate) durable: AtomicU64,
    /// Groups below this one are known to be in sorted files.
    pub(crate) verified: AtomicU64,
    /// How often this log was opened.
    pub(crate) epoch: u64,
    /// Who is told when something became durable.
    pub(crate) listeners: Listeners,
    /// The segment that was told to be held by a partition that does not release it; 0 for none.
    pub(crate) told_held: AtomicU64,
    /// One at a time: changing owners, dropping segments.
    pub(crate) housekeeping: Mutex<()>,
    /// One sync at a time.
    syncing: Mutex<()>,
    /// Held as long as anyone uses the log.
    pub(crate) lock: Lock,
    failed: OnceLock<String>,
}

impl Shared {
    /// What a log shares.
    pub(crate) fn new(
        view: Arc<View>,
        options: LogOptions,
        clock: Clock,
        queue: Queue,
        opened: Opened,
    ) -> Self {
        Self {
            view,
            options,
            clock,
            queue,
            counters: Counters::default(),
            durable: AtomicU64::new(opened.last_group),
            verified: AtomicU64::new(opened.verified),
            epoch: opened.epoch,
            listeners: Listeners::default(),
            told_held: AtomicU64::new(0),
            housekeeping: Mutex::new(()),
            syncing: Mutex::new(()),
            lock: opened.lock,
            failed: OnceLock::new(),
        }
    }

    /// The log cannot go on: ends the process, unless the options say otherwise. From then on
    /// everything is refused.
    pub(crate) fn fail(&self, reason: &str) {
        if self.failed.set(reason.to_string()).is_err() {
            return;
        }
        tracing::error!(reason, "the embedded log cannot go on");
        match &self.options.on_fatal {
            Some(hook) => hook(reason),
            None => std::process::abort(),
        }
        for owner in self.view.board.owners() {
            owner.wake();
        }
    }

    /// Why the log cannot go on, if it cannot.
    pub(crate) fn check(&self) -> Result<(), EngineError> {
        match self.failed.get() {
            None => Ok(()),
            Some(reason) => Err(EngineError::Fatal(format!("the log has failed: {reason}"))),
        }
    }

    /// Waits until everything that shards have put before has come so far.
    pub(crate) fn barrier(&self, reach: Reach) -> Result<(), EngineError> {
        self.wait(|done| self.queue.put_and_wait(Job::Barrier(reach, done)))
    }

    /// Waits until everything that anyone has put before has come so far.
    pub(crate) fn settle(&self, reach: Reach) -> Result<(), EngineError> {
        self.wait(|done| self.queue.put_last_and_wait(Job::Barrier(reach, done)))
    }

    /// Puts a control record and waits until it is durable.
    pub(crate) fn append_control(&self, record: Bytes) -> Result<Offset, EngineError> {
        self.wait(|done| self.queue.put_and_wait(Job::Control { record, done }))
    }

    fn wait<T: Send + 'static>(
        &self,
        put: impl FnOnce(Promise<T>) -> Result<(), EngineError>,
    ) -> Result<T, EngineError> {
        self.check()?;
        let (tell, told) = crossbeam_channel::bounded(1);
        // The receiver waits below, so it is there.
        let promise = Promise::new(Box::new(move |result| drop(tell.send(result))));
        put(promise)?;
        told.recv().unwrap_or_else(|_| Err(EngineError::Fatal("the log is closed".to_string())))
    }

    /// Has the write-ahead log synced by `sync`: everything up to a group, and more.
    pub(crate) fn sync(
        &self,
        group: u64,
        sync: impl FnOnce(&Database) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let _alone = self.syncing.lock().unwrap_or_else(PoisonError::into_inner);
        let step = |step| self.options.on_sync.iter().for_each(|hook| hook(step));
        step(SyncStep::Before(group));
        sync(&self.view.database)?;
        step(SyncStep::After(group));
        Ok(())
    }

    /// The newest durable group.
    pub(crate) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// Alone with what only one may do at a time.
    pub(crate) fn housekeep(&self) -> MutexGuard<'_, ()> {
        self.housekeeping.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What opening found out.
pub(crate) struct Opened {
    /// The newest group.
    pub(crate) last_group: u64,
    /// Groups below this one are in sorted files.
    pub(crate) verified: u64,
    /// How often the log was opened.
    pub(crate) epoch: u64,
    /// The lock.
    pub(crate) lock: Lock,
}

/// Who is told when something became durable.
#[derive(Default)]
pub(crate) struct Listeners(Mutex<Vec<(u64, Waker)>>);

impl Listeners {
    /// Adds a listener; its number removes it.
    pub(crate) fn add(&self, listener: Waker) -> u64 {
        let mut listeners = self.lock();
        let number = listeners.last().map_or(0, |(number, _)| number + 1);
        listeners.push((number, listener));
        number
    }

    /// Removes a listener.
    pub(crate) fn remove(&self, number: u64) {
        self.lock().retain(|(known, _)| *known != number);
    }

    /// Tells all of them.
    pub(crate) fn tell(&self) {
        let listeners: Vec<_> = self.lock().iter().map(|(_, listener)| listener.clone()).collect();
        listeners.iter().for_each(|listener| listener());
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(u64, Waker)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
