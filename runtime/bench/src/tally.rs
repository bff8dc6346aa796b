//! What is known of each unit while they run: sent, taken, ended, and how long it took.
//!
//! What the log says is left to `audit`, which reads it independently.

use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use serde::Serialize;
use tokio::time::Instant;

const TAKEN: u8 = 1;
/// What takes longer than an hour counts as an hour.
const LATENCY_MAX_US: u64 = 3_600_000_000;

/// How a unit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// As it was meant to.
    Completed = 2,
    /// A handler said no, or that there was nothing to do.
    Refused = 4,
    /// A handler broke on it.
    Faulted = 8,
}

/// Shared by senders, which know when units were due, and listeners, which see their ends.
#[derive(Debug)]
pub(crate) struct Tally(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    zero: Instant,
    /// Units before are not measured.
    first: u64,
    /// By unit: microseconds from zero to the moment that its latency counts from.
    since_us: Vec<u64>,
    marks: Vec<u8>,
    latency_us: Histogram<u64>,
    counts: Counts,
    last_completed: Instant,
    start: Instant,
    /// Completed in each second since the start.
    by_second: Vec<u64>,
}

/// How many of the measured units have come how far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Sent.
    pub(crate) sent: u64,
    /// Durably in the log, as far as the host has told.
    pub(crate) taken: u64,
    /// Completed.
    pub(crate) completed: u64,
    /// Refused.
    pub(crate) refused: u64,
    /// Faulted.
    pub(crate) faulted: u64,
}

impl Counts {
    /// Ended, in whatever way.
    pub(crate) fn ended(&self) -> u64 {
        self.completed + self.refused + self.faulted
    }
}

/// Latency of completed units in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Latency {
    /// Half took no longer.
    pub p50: f64,
    /// Nine of ten.
    pub p90: f64,
    /// 99 of 100.
    pub p99: f64,
    /// 999 of 1,000.
    #[serde(rename = "p99.9")]
    pub p999: f64,
    /// The longest.
    pub max: f64,
    /// Of all.
    pub mean: f64,
}

impl Tally {
    /// Nothing sent yet.
    ///
    /// # Errors
    /// When there is no memory for the histogram.
    pub(crate) fn new() -> Result<Self> {
        let now = Instant::now();
        Ok(Self(Mutex::new(Inner {
            zero: now,
            first: 0,
            since_us: Vec::new(),
            marks: Vec::new(),
            latency_us: Histogram::new_with_max(LATENCY_MAX_US, 3).context("a histogram")?,
            counts: Counts::default(),
            last_completed: now,
            start: now,
            by_second: Vec::new(),
        })))
    }

    /// From now on only this unit and those after it are counted and measured.
    pub(crate) fn measure_from(&self, first: u64, start: Instant) {
        let mut inner = self.lock();
        inner.first = first;
        inner.counts = Counts::default();
        inner.latency_us.reset();
        (inner.start, inner.last_completed) = (start, start);
        inner.by_second.clear();
    }

    /// A unit is sent; its latency counts from then.
    pub(crate) fn sent(&self, unit: u64, since: Instant) {
        let mut inner = self.lock();
        let us = since.saturating_duration_since(inner.zero).as_micros() as u64;
        let index = unit as usize;
        if inner.since_us.len() <= index {
            inner.since_us.resize(index + 1, 0);
            inner.marks.resize(index + 1, 0);
        }
        inner.since_us[index] = us;
        inner.counts.sent += u64::from(unit >= inner.first);
    }

    /// The host has taken these units.
    pub(crate) fn taken(&self, units: std::ops::Range<u64>) {
        let mut inner = self.lock();
        for unit in units {
            if inner.mark(unit, TAKEN) {
                inner.counts.taken += u64::from(unit >= inner.first);
            }
        }
    }

    /// A unit has ended; whether for the first time.
    pub(crate) fn ended(&self, unit: u64, end: End) -> bool {
        let now = Instant::now();
        let mut inner = self.lock();
        if inner.end(unit).is_some() || !inner.mark(unit, end as u8) {
            return false;
        }
        if unit < inner.first {
            return true;
        }
        match end {
            End::Completed => inner.completed(unit, now),
            End::Refused => inner.counts.refused += 1,
            End::Faulted => inner.counts.faulted += 1,
        }
        true
    }

    /// How far all are.
    pub(crate) fn counts(&self) -> Counts {
        self.lock().counts
    }

    /// Units that were ever sent: these, from 0.
    pub(crate) fn units(&self) -> u64 {
        self.lock().marks.len() as u64
    }

    /// How a unit ended, as far as was heard.
    pub(crate) fn end(&self, unit: u64) -> Option<End> {
        self.lock().end(unit)
    }

    /// From the start of the measure to the last unit that completed, in seconds.
    pub(crate) fn seconds(&self) -> f64 {
        let inner = self.lock();
        inner.last_completed.saturating_duration_since(inner.start).as_secs_f64()
    }

    /// How many completed in each whole second since the start.
    pub(crate) fn by_second(&self) -> Vec<u64> {
        let inner = self.lock();
        let whole = inner.last_completed.saturating_duration_since(inner.start).as_secs();
        let mut counts = inner.by_second.clone();
        counts.resize(whole as usize, 0);
        counts
    }

    /// Of the completed ones.
    pub(crate) fn latency(&self) -> Latency {
        let inner = self.lock();
        let histogram = &inner.latency_us;
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1_000.0;
        Latency {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: histogram.max() as f64 / 1_000.0,
            mean: histogram.mean() / 1_000.0,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Whether the mark is new.
    fn mark(&mut self, unit: u64, mark: u8) -> bool {
        let Some(marks) = self.marks.get_mut(unit as usize) else { return false };
        let is_new = *marks & mark == 0;
        *marks |= mark;
        is_new
    }

    fn end(&self, unit: u64) -> Option<End> {
        let marks = *self.marks.get(unit as usize)?;
        [End::Completed, End::Refused, End::Faulted].into_iter().find(|end| marks & *end as u8 != 0)
    }

    fn completed(&mut self, unit: u64, now: Instant) {
        self.counts.completed += 1;
        self.last_completed = now;
        let us = now.saturating_duration_since(self.zero).as_micros() as u64;
        self.latency_us.saturating_record(us.saturating_sub(self.since_us[unit as usize]));
        let second = now.saturating_duration_since(self.start).as_secs() as usize;
        if self.by_second.len() <= second {
            self.by_second.resize(second + 1, 0);
        }
        self.by_second[second] += 1;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn latency_counts_from_the_moment_a_unit_was_due_however_late_it_was_sent() {
        let tally = Tally::new().unwrap();
        let due = Instant::now();
        tokio::time::advance(Duration::from_millis(40)).await;
        tally.sent(0, due);
        tally.sent(1, Instant::now());
        tokio::time::advance(Duration::from_millis(10)).await;
        assert!(tally.ended(0, End::Completed) && tally.ended(1, End::Completed));
        let latency = tally.latency();
        assert!((latency.max - 50.0).abs() < 0.1, "{latency:?}");
        assert!((latency.p50 - 10.0).abs() < 0.1, "{latency:?}");
        assert!((latency.mean - 30.0).abs() < 0.1, "{latency:?}");
        assert!(latency.p90 > 49.9 && latency.p999 > 49.9, "{latency:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_unit_ends_once_however_often_it_is_told() {
        let tally = Tally::new().unwrap();
        (0..4).for_each(|unit| tally.sent(unit, Instant::now()));
        tally.taken(0..2);
        tally.taken(0..2);
        assert!(tally.ended(0, End::Completed));
        assert!(!tally.ended(0, End::Completed) && !tally.ended(0, End::Refused));
        assert!(tally.ended(1, End::Refused) && tally.ended(2, End::Faulted));
        assert!(!tally.ended(4, End::Completed), "was never sent");
        let expected = Counts { sent: 4, taken: 2, completed: 1, refused: 1, faulted: 1 };
        assert_eq!(tally.counts(), expected);
        assert_eq!((tally.end(0), tally.end(3)), (Some(End::Completed), None));
    }

    #[tokio::test(start_paused = true)]
    async fn what_warmed_it_up_is_neither_counted_nor_measured() {
        let tally = Tally::new().unwrap();
        let start = Instant::now();
        tally.sent(0, start);
        tokio::time::advance(Duration::from_secs(9)).await;
        assert!(tally.ended(0, End::Completed));
        tally.measure_from(1, Instant::now());
        assert_eq!((tally.counts(), tally.seconds()), (Counts::default(), 0.0));
        for unit in 1..=2 {
            tally.sent(unit, Instant::now());
            tokio::time::advance(Duration::from_millis(1_500)).await;
            tally.ended(unit, End::Completed);
        }
        assert_eq!(tally.counts().completed, 2);
        assert!((tally.latency().max - 1_500.0).abs() < 2.0);
        assert!((tally.seconds() - 3.0).abs() < 0.01);
        assert_eq!(tally.by_second(), [0, 1, 0]);
        assert_eq!(tally.units(), 3);
    }
}
