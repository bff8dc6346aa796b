//! Threads that drive shards: step, tell the outside world, park until there is news.
//!
//! Everything that wants something of a shard sends it a call, which runs between two steps. A
//! thread is woken by the log, by a call, or by the time that the shard asked for.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use tokio::sync::oneshot;
use zamu_core::model::{PartitionId, Time};
use zamu_core::shard::{Effect, PartitionView, Shard, Step};

use crate::node::answers::Answers;
use crate::telemetry::Seconds;

/// Calls that may wait for one shard.
const CALLS_MAX: usize = 1_024;
/// Calls served between two steps.
const CALLS_AT_ONCE: usize = 64;
/// The longest time without a look around, in case a wake-up was missed.
const LOOK_AROUND: Duration = Duration::from_secs(1);
/// Native stack of a shard's thread: the engine needs 2 MiB.
pub(super) const STACK_BYTES: usize = 8 << 20;

type Call = Box<dyn FnOnce(&mut Shard) + Send>;

/// Wakes a thread that may not have been started yet.
#[derive(Clone, Debug, Default)]
pub struct Doorbell(Arc<OnceLock<Thread>>);

impl Doorbell {
    /// Wakes the thread, or keeps it from falling asleep.
    pub fn ring(&self) {
        if let Some(thread) = self.0.get() {
            thread.unpark();
        }
    }

    /// From now on it wakes this thread.
    pub(super) fn belongs_here(&self) {
        // There is one place that sets it.
        drop(self.0.set(thread::current()));
    }
}

/// All shards of a node.
#[derive(Debug)]
pub struct Shards {
    seats: Vec<Seat>,
    /// By type and partition: which seat.
    owners: Vec<Vec<usize>>,
}

#[derive(Debug)]
struct Seat {
    calls: Sender<Call>,
    doorbell: Doorbell,
    stopping: Arc<AtomicBool>,
    waiting: Gauge,
    gap_ns: Arc<AtomicU64>,
}

/// What a shard's thread is given.
pub struct Start {
    /// The shard.
    pub shard: Shard,
    /// Wakes the thread.
    pub doorbell: Doorbell,
    /// Its time at work.
    pub busy: Seconds,
    /// Calls that wait for it.
    pub waiting: Gauge,
    /// From the end of each step in a row of busy ones to the end of the next.
    pub gaps: Histogram,
    /// The same where another deployment took over in between.
    pub swap_gaps: Histogram,
}

/// What all shards' threads share.
#[derive(Clone)]
pub struct Outside {
    /// Who waits for answers.
    pub answers: Arc<Answers>,
    /// Milliseconds since 1970.
    pub clock: Arc<dyn Fn() -> Time + Send + Sync>,
    /// Told that a thread has ended when it should not have.
    pub failed: Arc<dyn Fn(String) + Send + Sync>,
}

/// Why a shard did not serve a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Too many calls wait.
    #[error("too many reads wait for this partition")]
    Busy,
    /// The shard has stopped.
    #[error("the partition is not served any more")]
    Gone,
}

/// Which of `shards` each partition goes to: each type's partitions in turn, and the types one after
/// another, so that all shards have their share of each.
#[must_use]
pub fn deal(types: impl Iterator<Item = u32>, shards: usize) -> Vec<Vec<usize>> {
    let mut next = 0..;
    types
        .map(|partitions| {
            next.by_ref().take(partitions as usize).map(|n: usize| n % shards).collect()
        })
        .collect()
}

impl Shards {
    /// Starts a thread for each.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub fn start(
        owners: Vec<Vec<usize>>,
        starts: Vec<Start>,
        outside: &Outside,
    ) -> std::io::Result<(Self, Vec<JoinHandle<()>>)> {
        let mut seats = Vec::new();
        let mut threads = Vec::new();
        for (number, start) in starts.into_iter().enumerate() {
            let (calls, inbox) = bounded(CALLS_MAX);
            let stopping = Arc::new(AtomicBool::new(false));
            let doorbell = start.doorbell.clone();
            let waiting = start.waiting.clone();
            let gap_ns = Arc::default();
            let of = Arc::clone(&gap_ns);
            let seat = Seat { calls, doorbell, stopping: Arc::clone(&stopping), waiting, gap_ns };
            let outside = outside.clone();
            let thread = thread::Builder::new()
                .name(format!("zamu-shard-{number}"))
                .stack_size(STACK_BYTES)
                .spawn(move || run(number, start, &inbox, &stopping, &of, &outside))?;
            seats.push(seat);
            threads.push(thread);
        }
        Ok((Self { seats, owners }, threads))
    }

    /// Has the shard that owns a partition do something; the result comes when it has.
    ///
    /// # Errors
    /// When the shard has too much to do or has stopped.
    pub async fn ask<T: Send + 'static>(
        &self,
        partition: PartitionId,
        what: impl FnOnce(&mut Shard) -> T + Send + 'static,
    ) -> Result<T, CallError> {
        let owner = self.owners[usize::from(partition.aggregate_type.0)][partition.number as usize];
        self.seats[owner].ask(what)?.await.map_err(|_| CallError::Gone)
    }

    /// All partitions of all shards, in order.
    ///
    /// # Errors
    /// As [`Shards::ask`].
    pub async fn views(&self) -> Result<Vec<PartitionView>, CallError> {
        let asked: Vec<_> = self.seats.iter().map(|seat| seat.ask(Shard::view)).collect();
        let mut views = Vec::new();
        for view in asked {
            views.extend(view?.await.map_err(|_| CallError::Gone)?);
        }
        views.sort_by_key(|view| view.partition);
        Ok(views)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.seats.len()
    }

    /// Has every shard do something of its own: one for each, in order. However much they have to do,
    /// they come to it.
    ///
    /// # Errors
    /// When one has stopped.
    pub async fn tell_all<T: Send + 'static>(
        &self,
        what: Vec<impl FnOnce(&mut Shard) -> T + Send + 'static>,
    ) -> Result<Vec<T>, CallError> {
        let told: Vec<_> =
            self.seats.iter().zip(what).map(|(seat, what)| seat.insist(what)).collect();
        let mut done = Vec::new();
        for told in told {
            done.push(told.await.map_err(|_| CallError::Gone)?);
        }
        Ok(done)
    }

    /// The longest time, over all shards, from the end of the step before the last deployment took over to
    /// the end of the step after it: no partition had to wait for longer between two turns. Known once
    /// each has taken a step since.
    ///
    /// # Errors
    /// When one has stopped.
    pub async fn swap_gap(&self) -> Result<Duration, CallError> {
        self.tell_all(vec![|_: &mut Shard| (); self.seats.len()]).await?;
        let gaps = self.seats.iter().map(|seat| seat.gap_ns.load(Ordering::Acquire));
        Ok(Duration::from_nanos(gaps.max().unwrap_or_default()))
    }

    /// Tells all threads to finish what is in flight and to end.
    pub fn stop(&self) {
        for seat in &self.seats {
            seat.stopping.store(true, Ordering::Release);
            seat.doorbell.ring();
        }
    }
}

impl Seat {
    fn ask<T: Send + 'static>(
        &self,
        what: impl FnOnce(&mut Shard) -> T + Send + 'static,
    ) -> Result<oneshot::Receiver<T>, CallError> {
        let (call, told) = call(what);
        match self.calls.try_send(call) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return Err(CallError::Busy),
            Err(TrySendError::Disconnected(_)) => return Err(CallError::Gone),
        }
        self.waiting.set(i64::try_from(self.calls.len()).unwrap_or(i64::MAX));
        self.doorbell.ring();
        Ok(told)
    }

    /// As [`Seat::ask`], and waits for its place elsewhere if too many calls wait.
    fn insist<T: Send + 'static>(
        &self,
        what: impl FnOnce(&mut Shard) -> T + Send + 'static,
    ) -> oneshot::Receiver<T> {
        let (call, told) = call(what);
        if let Err(TrySendError::Full(call)) = self.calls.try_send(call) {
            let (calls, doorbell) = (self.calls.clone(), self.doorbell.clone());
            tokio::task::spawn_blocking(move || {
                // Where the shard has stopped, whoever waits is told so by the end of the call.
                drop(calls.send(call));
                doorbell.ring();
            });
        }
        self.doorbell.ring();
        told
    }
}

/// A call, and where its result comes.
fn call<T: Send + 'static>(
    what: impl FnOnce(&mut Shard) -> T + Send + 'static,
) -> (Call, oneshot::Receiver<T>) {
    let (tell, told) = oneshot::channel();
    // Nobody may be there any more to hear it.
    (Box::new(move |shard| drop(tell.send(what(shard)))), told)
}

/// Tells when a thread ends although nobody asked it to.
struct Watch<'a> {
    number: usize,
    stopping: &'a AtomicBool,
    outside: &'a Outside,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if thread::panicking() || !self.stopping.load(Ordering::Acquire) {
            let what = if thread::panicking() { "panicked: see above" } else { "was taken over" };
            (self.outside.failed)(format!("shard {} {what}", self.number));
        }
    }
}

fn run(
    number: usize,
    start: Start,
    inbox: &Receiver<Call>,
    stopping: &AtomicBool,
    gap_ns: &AtomicU64,
    outside: &Outside,
) {
    let Start { mut shard, doorbell, busy, waiting, gaps, swap_gaps } = start;
    doorbell.belongs_here();
    let _watch = Watch { number, stopping, outside };
    let gaps = Gaps { all: &gaps, swaps: &swap_gaps, last_swap_ns: gap_ns };
    let drive = Drive { inbox, stopping, outside, busy: &busy, waiting: &waiting, gaps };
    drive.run(&mut shard);
}

struct Drive<'a> {
    inbox: &'a Receiver<Call>,
    stopping: &'a AtomicBool,
    outside: &'a Outside,
    busy: &'a Seconds,
    waiting: &'a Gauge,
    gaps: Gaps<'a>,
}

/// Where the times between the ends of two steps go.
struct Gaps<'a> {
    all: &'a Histogram,
    swaps: &'a Histogram,
    last_swap_ns: &'a AtomicU64,
}

impl Gaps<'_> {
    /// A step has ended, so long after the one before it or after the thread was woken.
    fn note(&self, gap: Duration, has_swapped: bool) {
        if !has_swapped {
            self.all.observe(gap.as_secs_f64());
            return;
        }
        self.swaps.observe(gap.as_secs_f64());
        let ns = u64::try_from(gap.as_nanos()).unwrap_or(u64::MAX);
        self.last_swap_ns.store(ns, Ordering::Release);
    }
}

impl Drive<'_> {
    /// Until the shard is fenced, or told to stop and quiet.
    fn run(&self, shard: &mut Shard) {
        let mut since = Instant::now();
        // Set while stopping, and then grows, so that what would be flushed later is flushed at once.
        let mut ahead_ms = None;
        // The first step takes over the partitions; nobody must see the shard without them.
        shard.step((self.outside.clock)());
        let mut ended = Instant::now();
        loop {
            let deployment = shard.deployment();
            self.serve(shard);
            let now = (self.outside.clock)();
            let stopping = self.stopping.load(Ordering::Acquire);
            if stopping && ahead_ms.is_none() {
                ahead_ms = Some(0);
                shard.wind_down(0);
            }
            let step = shard.step(now);
            self.tell(shard);
            let now_ended = Instant::now();
            self.gaps.note(now_ended - ended, shard.deployment() != deployment);
            ended = now_ended;
            match step {
                Step::Fenced => return,
                Step::Again => {}
                Step::Wait(_) if stopping && shard.is_quiet() => return,
                Step::Wait(_) if let Some(ahead) = ahead_ms.filter(|ms| *ms < AHEAD_MS_MAX) => {
                    ahead_ms = Some(ahead + AHEAD_MS);
                    shard.wind_down(ahead + AHEAD_MS);
                }
                Step::Wait(until) => {
                    self.busy.inc_by(since.elapsed().as_secs_f64());
                    self.park(until, now);
                    since = Instant::now();
                    ended = since;
                }
            }
        }
    }

    fn serve(&self, shard: &mut Shard) {
        for call in self.inbox.try_iter().take(CALLS_AT_ONCE) {
            call(shard);
            self.waiting.set(i64::try_from(self.inbox.len()).unwrap_or(i64::MAX));
        }
    }

    fn tell(&self, shard: &mut Shard) {
        for effect in shard.take_effects() {
            let Effect::Durable { partition, record } = effect;
            self.outside.answers.durable(partition, &record);
        }
    }

    /// A doorbell that rang since the last park makes this return at once.
    fn park(&self, until: Option<Time>, now: Time) {
        if !self.inbox.is_empty() {
            return;
        }
        let wait = until.map_or(LOOK_AROUND, |until| {
            Duration::from_millis(until.0.saturating_sub(now.0)).min(LOOK_AROUND)
        });
        thread::park_timeout(wait);
    }
}

/// By how much the clock of flushes runs ahead at each step that found nothing to do while stopping, and at
/// most.
const AHEAD_MS: u64 = 60_000;
const AHEAD_MS_MAX: u64 = 100 * AHEAD_MS;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shard_gets_its_share_of_every_type() {
        assert_eq!(deal([4, 1, 3].into_iter(), 2), [vec![0, 1, 0, 1], vec![0], vec![1, 0, 1]]);
        assert_eq!(deal([3].into_iter(), 1), [[0, 0, 0]]);
    }
}
