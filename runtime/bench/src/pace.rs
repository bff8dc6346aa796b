//! When which unit of work is sent.
//!
//! Open: at a fixed rate, whatever the host answers; a unit's latency then counts from the
//! moment at which it was due, so that a slow host cannot slow its own measure down. Closed: as fast
//! as it goes, with a bounded number under way.

use std::ops::Range;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};

/// What falls due within this time is sent together.
const TICK: Duration = Duration::from_millis(5);

/// Hands out units to be sent, each once, in order.
#[derive(Debug)]
pub struct Pace {
    total: u64,
    batch: u64,
    start: Instant,
    /// Nothing is handed out any more from then on.
    until: Option<Instant>,
    next: Mutex<u64>,
    mode: Mode,
}

#[derive(Debug)]
enum Mode {
    Open { rate: u64 },
    Closed { room: Semaphore },
}

/// Units to send now, and since when they have been due.
#[derive(Debug, PartialEq, Eq)]
pub struct Due {
    /// Their indices.
    pub indices: Range<u64>,
    /// When each was due; where absent, the moment of sending counts.
    pub rate: Option<u64>,
}

impl Pace {
    /// `rate` units a second, or `in_flight` at once; at most `batch` together.
    pub fn new(total: u64, batch: u32, rate: Option<u64>, in_flight: u32) -> Self {
        let mode = match rate {
            Some(rate) => Mode::Open { rate },
            None => Mode::Closed { room: Semaphore::new(in_flight as usize) },
        };
        let batch = if rate.is_some() { batch } else { batch.min(in_flight) };
        let (start, next) = (Instant::now(), Mutex::new(0));
        Self { total, batch: batch.into(), start, until: None, next, mode }
    }

    /// The same for so long, however many that makes: exactly those that fall due in it, or as many
    /// as can be sent.
    pub fn lasting(duration: Duration, batch: u32, rate: Option<u64>, in_flight: u32) -> Self {
        match rate {
            Some(rate) => Self::new(due_in(duration, rate), batch, Some(rate), in_flight),
            None => {
                let pace = Self::new(u64::MAX, batch, None, in_flight);
                Self { until: Some(pace.start + duration), ..pace }
            }
        }
    }

    /// How many have been handed out.
    pub fn handed_out(&self) -> u64 {
        *self.next.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The start of the measure.
    pub fn start(&self) -> Instant {
        self.start
    }

    /// One unit has come to its end: there is room for another.
    pub fn finished(&self) {
        if let Mode::Closed { room } = &self.mode {
            room.add_permits(1);
        }
    }

    /// The next to send, as soon as they may be sent; nothing when all have been handed out.
    ///
    /// # Errors
    /// Never while the pace is in use.
    pub async fn next(&self) -> Result<Option<Due>> {
        match &self.mode {
            Mode::Open { rate } => Ok(self.next_due(*rate).await),
            Mode::Closed { room } => self.next_fitting(room).await,
        }
    }

    async fn next_due(&self, rate: u64) -> Option<Due> {
        loop {
            let indices = self.take(due(self.start.elapsed(), rate));
            if !indices.is_empty() {
                return Some(Due { indices, rate: Some(rate) });
            }
            if indices.start >= self.total {
                return None;
            }
            sleep_until(self.start + next_tick(due_at(indices.start, rate))).await;
        }
    }

    async fn next_fitting(&self, room: &Semaphore) -> Result<Option<Due>> {
        let indices = self.take(self.total);
        if indices.is_empty() {
            return Ok(None);
        }
        let wanted = (indices.end - indices.start) as u32;
        room.acquire_many(wanted).await.context("the pace was closed")?.forget();
        Ok(Some(Due { indices, rate: None }))
    }

    /// Up to a batch of those below `until`; empty, from the next one, if none is there.
    fn take(&self, until: u64) -> Range<u64> {
        let mut next = self.next.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if self.until.is_some_and(|until| Instant::now() >= until) {
            return *next..*next;
        }
        let end = until.min(self.total).min(*next + self.batch).max(*next);
        let start = std::mem::replace(&mut *next, end);
        start..end
    }
}

/// How many units are due after this time: the first at once.
fn due(elapsed: Duration, rate: u64) -> u64 {
    (elapsed.as_nanos() * u128::from(rate) / 1_000_000_000) as u64 + 1
}

/// How many fall due in this time: one at least.
fn due_in(duration: Duration, rate: u64) -> u64 {
    ((duration.as_nanos() * u128::from(rate)).div_ceil(1_000_000_000) as u64).max(1)
}

/// When a unit is due, from the start.
pub fn due_at(index: u64, rate: u64) -> Duration {
    let nanos = u128::from(index) * 1_000_000_000;
    Duration::from_nanos(nanos.div_ceil(u128::from(rate)) as u64)
}

fn next_tick(time: Duration) -> Duration {
    let ticks = time.as_nanos().div_ceil(TICK.as_nanos());
    TICK.saturating_mul(ticks as u32)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_unit_is_due_exactly_when_the_rate_says() {
        for rate in [1, 3, 7, 1_000, 999_999] {
            for index in [0, 1, 2, 1_000, 123_456] {
                let at = due_at(index, rate);
                assert!(due(at, rate) > index, "{index} at {rate}/s");
                if let Some(before) = at.checked_sub(Duration::from_nanos(1)) {
                    assert!(due(before, rate) <= index, "{index} at {rate}/s, just before");
                }
            }
        }
    }

    #[test]
    fn what_is_due_is_sent_at_the_next_tick() {
        assert_eq!(next_tick(Duration::ZERO), Duration::ZERO);
        assert_eq!(next_tick(Duration::from_millis(1)), TICK);
        assert_eq!(next_tick(TICK), TICK);
        assert_eq!(next_tick(Duration::from_nanos(5_000_001)), TICK * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn an_open_pace_sends_all_that_is_due_however_late_it_is_asked() {
        let pace = Pace::new(100, 30, Some(1_000), 1);
        assert_eq!(pace.next().await.unwrap().unwrap().indices, 0..1);
        // The host kept us waiting for 50 ms: 50 more are due, and none waits for an answer.
        tokio::time::advance(Duration::from_millis(50)).await;
        assert_eq!(pace.next().await.unwrap().unwrap().indices, 1..31);
        assert_eq!(pace.next().await.unwrap().unwrap().indices, 31..51);
        let later = pace.next().await.unwrap().unwrap();
        assert_eq!(later.indices, 51..56);
        assert_eq!(pace.start().elapsed(), Duration::from_millis(55));
    }

    #[tokio::test(start_paused = true)]
    async fn an_open_pace_ends_after_the_last_unit() {
        let pace = Pace::new(10, 100, Some(1_000), 1);
        let mut sent = 0;
        while let Some(due) = pace.next().await.unwrap() {
            assert_eq!(due.indices.start, sent);
            sent = due.indices.end;
        }
        assert_eq!(sent, 10);
    }

    #[tokio::test]
    async fn a_closed_pace_never_has_more_under_way_than_allowed() {
        let pace = Pace::new(10, 4, None, 6);
        assert_eq!(pace.next().await.unwrap().unwrap().indices, 0..4);
        let mut waiting = std::pin::pin!(pace.next());
        let none = tokio::select! { biased; _ = &mut waiting => false, () = std::future::ready(()) => true };
        assert!(none, "two of room are not enough for four");
        pace.finished();
        pace.finished();
        assert_eq!(waiting.await.unwrap().unwrap().indices, 4..8);
        (0..4).for_each(|_| pace.finished());
        assert_eq!(pace.next().await.unwrap().unwrap().indices, 8..10);
        assert_eq!(pace.next().await.unwrap(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pace_that_lasts_hands_out_what_falls_due_in_its_time() {
        let open = Pace::lasting(Duration::from_millis(2_500), 1_000, Some(10), 1);
        let mut sent = 0;
        while let Some(due) = open.next().await.unwrap() {
            sent = due.indices.end;
        }
        assert_eq!((sent, open.handed_out()), (25, 25));

        let closed = Pace::lasting(Duration::from_secs(2), 4, None, 8);
        assert_eq!(closed.next().await.unwrap().unwrap().indices, 0..4);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(closed.next().await.unwrap(), None);
        assert_eq!(closed.handed_out(), 4);
    }

    #[tokio::test]
    async fn a_batch_larger_than_the_room_does_not_wait_for_ever() {
        let pace = Pace::new(10, 100, None, 3);
        assert_eq!(pace.next().await.unwrap().unwrap().indices, 0..3);
    }
}
