//! The newest records of one input of one partition, decoded, so that taking them costs no reading.
//!
//! A tail is a window on the log: it ends where the log ends, and begins wherever its bound lets it.

use std::collections::VecDeque;

use zamu_core::log::Limit;
use zamu_core::model::{Command, Offset, Request, Stored, Time};

/// A record that can be taken.
pub(crate) trait Input: Clone {
    /// Bytes of key and body.
    fn cost(&self) -> usize;
}

impl Input for Request {
    fn cost(&self) -> usize {
        self.key.len() + self.body.len()
    }
}

impl Input for Command {
    fn cost(&self) -> usize {
        self.key.len() + self.body.len()
    }
}

/// What is left of a [`Limit`] while an answer is being filled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    records: usize,
    bytes: usize,
    empty: bool,
}

impl Room {
    /// All of it.
    pub(crate) fn new(limit: Limit) -> Self {
        Self { records: limit.records, bytes: limit.bytes, empty: true }
    }

    /// Whether a record of so many bytes goes in; if so it does. The first one always does.
    pub(crate) fn admits(&mut self, cost: usize) -> bool {
        if !self.empty && (self.records == 0 || self.bytes < cost) {
            return false;
        }
        self.records = self.records.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(cost);
        self.empty = false;
        true
    }

    /// Whether not even an empty record would go in.
    pub(crate) fn is_full(&self) -> bool {
        !self.empty && self.records == 0
    }
}

/// Bytes that a kept record costs beside its key and body, roughly.
const RECORD_OVERHEAD: usize = 300;

/// See the file's head.
#[derive(Debug)]
pub(crate) struct Tail<R> {
    records: VecDeque<Stored<R>>,
    end: Offset,
    bytes: usize,
    bytes_max: usize,
}

impl<R: Input> Tail<R> {
    /// An empty tail at the end of the log.
    pub(crate) fn new(end: Offset, bytes_max: usize) -> Self {
        Self { records: VecDeque::new(), end, bytes: 0, bytes_max }
    }

    /// Adds records at the end.
    pub(crate) fn push(&mut self, appended: Time, records: impl IntoIterator<Item = R>) {
        for record in records {
            self.bytes += record.cost() + RECORD_OVERHEAD;
            self.records.push_back(Stored { offset: self.end, appended, record });
            self.end += 1;
        }
        while self.bytes > self.bytes_max && self.drop_first() {}
    }

    /// Records from `from` on, or `None` if that is before the tail's beginning. What lies before
    /// `from` has been taken and is let go.
    pub(crate) fn take(&mut self, from: Offset, limit: Limit) -> Option<Vec<Stored<R>>> {
        if from >= self.end {
            return Some(Vec::new());
        }
        if from < self.end - self.records.len() as u64 {
            return None;
        }
        while self.records.front().is_some_and(|first| first.offset < from) && self.drop_first() {}
        let mut room = Room::new(limit);
        Some(
            self.records
                .iter()
                .take_while(|stored| room.admits(stored.record.cost()))
                .cloned()
                .collect(),
        )
    }

    fn drop_first(&mut self) -> bool {
        let Some(first) = self.records.pop_front() else { return false };
        self.bytes -= first.record.cost() + RECORD_OVERHEAD;
        true
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;
    use crate::codec::samples;

    const ALL: Limit = Limit { records: 1_000, bytes: 1 << 20 };

    fn request(body: usize) -> Request {
        Request { body: vec![0; body].into(), ..samples::bare_request() }
    }

    fn offsets(taken: Option<Vec<Stored<Request>>>) -> Option<Vec<Offset>> {
        taken.map(|records| records.iter().map(|stored| stored.offset).collect())
    }

    #[test]
    fn a_tail_gives_what_was_pushed_from_any_offset_it_holds() {
        let mut tail = Tail::new(10, 1 << 20);
        tail.push(Time(1), vec![request(1), request(1)]);
        tail.push(Time(2), vec![request(1)]);
        assert_eq!(offsets(tail.take(9, ALL)), None);
        assert_eq!(offsets(tail.take(10, ALL)), Some(vec![10, 11, 12]));
        assert_eq!(offsets(tail.take(12, ALL)), Some(vec![12]));
        assert_eq!(offsets(tail.take(13, ALL)), Some(vec![]));
        assert_eq!(offsets(tail.take(10, ALL)), None, "what was passed is let go");
    }

    #[test]
    fn limits_hold_but_one_record_is_always_given() {
        let mut tail = Tail::new(0, 1 << 20);
        tail.push(Time(1), vec![request(100), request(100), request(100)]);
        let limit = |records, bytes| Limit { records, bytes };
        assert_eq!(offsets(tail.take(0, limit(2, 1_000))), Some(vec![0, 1]));
        assert_eq!(offsets(tail.take(0, limit(9, 250))), Some(vec![0, 1]));
        assert_eq!(offsets(tail.take(0, limit(0, 0))), Some(vec![0]));
    }

    #[test]
    fn beyond_its_bound_a_tail_lets_the_oldest_go() {
        let mut tail = Tail::new(0, 1_500);
        tail.push(Time(1), (0..10).map(|_| request(100)));
        assert_eq!(offsets(tail.take(6, ALL)), None);
        assert_eq!(offsets(tail.take(7, ALL)), Some(vec![7, 8, 9]));
        tail.push(Time(1), [request(10_000)]);
        assert_eq!(offsets(tail.take(10, ALL)), None, "one too large is not kept at all");
    }
}
