//! What the driver knows of each transfer while they run: sent, taken, ended, and how long it took.
//!
//! Money and exactly-once are left to the ledger, which is kept from the events themselves.

use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use tokio::time::Instant;

const TAKEN: u8 = 1;
const ENDED: u8 = 2;
/// What takes longer than an hour counts as an hour.
const LATENCY_MAX_US: u64 = 3_600_000_000;

/// Shared by the payer's side, which sends, and its stream, which sees the end.
#[derive(Debug)]
pub(crate) struct Tally(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    start: Instant,
    /// By transfer: microseconds from the start to the moment that its latency counts from.
    since_us: Vec<u64>,
    marks: Vec<u8>,
    latency_us: Histogram<u64>,
    counts: Counts,
    last_fulfilled: Instant,
}

/// How many transfers have come how far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Answered 202.
    pub(crate) taken: u64,
    /// Ended, in whatever state.
    pub(crate) ended: u64,
    /// Ended, but not fulfilled.
    pub(crate) refused: u64,
}

/// Latency in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

impl Tally {
    /// Nothing sent yet.
    ///
    /// # Errors
    /// When there is no memory for the histogram.
    pub(crate) fn new(transfers: u64, start: Instant) -> Result<Self> {
        let size = usize::try_from(transfers)?;
        Ok(Self(Mutex::new(Inner {
            start,
            since_us: vec![0; size],
            marks: vec![0; size],
            latency_us: Histogram::new_with_max(LATENCY_MAX_US, 3).context("a histogram")?,
            counts: Counts::default(),
            last_fulfilled: start,
        })))
    }

    /// The latency of this transfer counts from then.
    pub(crate) fn sent(&self, index: u64, since: Instant) {
        let mut inner = self.lock();
        let us = since.saturating_duration_since(inner.start).as_micros() as u64;
        if let Some(slot) = inner.since_us.get_mut(index as usize) {
            *slot = us;
        }
    }

    /// The host has taken these transfers.
    pub(crate) fn taken(&self, indices: std::ops::Range<u64>) {
        let mut inner = self.lock();
        for index in indices {
            if inner.mark(index, TAKEN) {
                inner.counts.taken += 1;
            }
        }
    }

    /// A transfer has ended; whether for the first time.
    pub(crate) fn ended(&self, index: u64, fulfilled: bool) -> bool {
        let now = Instant::now();
        let mut inner = self.lock();
        if !inner.mark(index, ENDED) {
            return false;
        }
        inner.counts.ended += 1;
        inner.counts.refused += u64::from(!fulfilled);
        if fulfilled {
            inner.last_fulfilled = now;
            let us = now.saturating_duration_since(inner.start).as_micros() as u64;
            let latency = us.saturating_sub(inner.since_us[index as usize]);
            inner.latency_us.saturating_record(latency);
        }
        true
    }

    /// How far all are.
    pub(crate) fn counts(&self) -> Counts {
        self.lock().counts
    }

    /// When the last one was fulfilled.
    pub(crate) fn last_fulfilled(&self) -> Instant {
        self.lock().last_fulfilled
    }

    /// Whether the host has taken this transfer.
    pub(crate) fn was_taken(&self, index: u64) -> bool {
        self.lock().marks.get(index as usize).is_some_and(|marks| marks & TAKEN != 0)
    }

    /// Of the fulfilled ones, so far.
    pub(crate) fn latency(&self) -> Latency {
        let inner = self.lock();
        let ms = |us: u64| us as f64 / 1_000.0;
        Latency {
            p50: ms(inner.latency_us.value_at_quantile(0.5)),
            p99: ms(inner.latency_us.value_at_quantile(0.99)),
            max: ms(inner.latency_us.max()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Whether the mark is new.
    fn mark(&mut self, index: u64, mark: u8) -> bool {
        let Some(marks) = self.marks.get_mut(index as usize) else { return false };
        let is_new = *marks & mark == 0;
        *marks |= mark;
        is_new
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn latency_counts_from_the_moment_a_transfer_was_due() {
        let start = Instant::now();
        let tally = Tally::new(2, start).unwrap();
        tokio::time::advance(Duration::from_millis(40)).await;
        tally.sent(0, start);
        tally.sent(1, Instant::now());
        tokio::time::advance(Duration::from_millis(10)).await;
        assert!(tally.ended(0, true) && tally.ended(1, true));
        let latency = tally.latency();
        assert!((latency.max - 50.0).abs() < 0.1, "{latency:?}");
        assert!((latency.p50 - 10.0).abs() < 0.1, "{latency:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_transfer_counts_once_however_often_it_is_told() {
        let tally = Tally::new(3, Instant::now()).unwrap();
        tally.taken(0..2);
        tally.taken(0..2);
        assert!(tally.ended(0, true));
        assert!(!tally.ended(0, true));
        let fulfilled = Instant::now();
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(tally.ended(1, false));
        assert_eq!(tally.last_fulfilled(), fulfilled);
        assert!(!tally.ended(3, true), "not one of ours");
        assert_eq!(tally.counts(), Counts { taken: 2, ended: 2, refused: 1 });
        assert!(tally.was_taken(1) && !tally.was_taken(2) && !tally.was_taken(9));
    }
}
