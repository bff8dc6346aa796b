//! Ids that only records know: of clients' commands, and correlations. Requests are looked through,
//! newest first, and events where retention has removed the requests behind them.

use zamu_core::error::EngineError;
use zamu_core::log::Limit;
use zamu_core::model::{Cause, Event, Offset, PartitionId, Request};
use zamu_rocks::Timed;

use crate::trace::turns::kept;
use crate::trace::{Located, Source};

/// Records that are looked through at most, of requests and of events each.
pub(crate) const RECORDS_MAX: u64 = 500_000;
/// How many more after the last that was found: others of one correlation are near.
const MORE_MAX: u64 = 50_000;
const PAGE: u64 = 1_024;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Searched {
    /// Requests with that id or correlation.
    pub(crate) requests: Vec<(PartitionId, Offset)>,
    /// Events of such a request that is gone.
    pub(crate) events: Vec<Located>,
    /// How far was looked.
    pub(crate) note: String,
    /// All there is was looked through.
    pub(crate) complete: bool,
}

/// Looks for an id.
pub(crate) fn search(source: &Source<'_>, id: &str) -> Result<Searched, EngineError> {
    let mut searched = Searched::default();
    let mut requests = Backwards::new(source, |p| {
        let log = source.log;
        Ok((log.oldest(p, Timed::Requests)?, log.ends(p)?.requests))
    })?;
    while let Some((partition, first, next)) = requests.next_page() {
        let limit = Limit { records: (next - first) as usize, bytes: usize::MAX };
        let page = kept(source.log.requests(partition, first, limit))?.unwrap_or_default();
        let before = searched.requests.len();
        let found = page.iter().filter(|stored| is_of(&stored.record, id));
        searched.requests.extend(found.map(|stored| (partition, stored.offset)));
        requests.met(searched.requests.len() > before);
    }
    let mut events = Backwards::new(source, |p| {
        let log = source.log;
        let oldest = log.oldest(p, Timed::Requests)?;
        let from = match kept(log.appended(p, Timed::Requests, oldest))?.flatten() {
            Some(time) => log.since(p, Timed::Events, time)?,
            // No request is left, or there never was one.
            None => log.ends(p)?.events,
        };
        Ok((0, from))
    })?;
    if searched.requests.is_empty() {
        while let Some((partition, first, next)) = events.next_page() {
            let limit = Limit { records: (next - first) as usize, bytes: usize::MAX };
            let page = source.log.events(partition, first, limit)?;
            let before = searched.events.len();
            let found = page.into_iter().filter(|event| began(event, id));
            searched.events.extend(found.map(|event| Located { partition, event }));
            events.met(searched.events.len() > before);
        }
    }
    searched.complete = requests.is_done() && (events.is_done() || !searched.requests.is_empty());
    searched.note = if searched.complete {
        "all that the log holds was looked through".to_owned()
    } else {
        let (requests, events) = (requests.read, events.read);
        format!("the newest {requests} requests and {events} older events were looked through")
    };
    Ok(searched)
}

/// Whether a request has an id or a correlation.
fn is_of(request: &Request, id: &str) -> bool {
    let id = id.as_bytes();
    request.id == id
        || request.context.correlation == id
        || is_both(&request.source, &request.id, id)
}

/// Whether a request with that id or correlation began what an event is of.
fn began(event: &Event, wanted: &str) -> bool {
    let wanted = wanted.as_bytes();
    match &event.cause {
        Cause::Request { source, id, .. } => {
            id == wanted || event.context.correlation == wanted || is_both(source, id, wanted)
        }
        Cause::Wake { .. } => event.context.correlation == wanted,
        Cause::Command { .. } => false,
    }
}

/// `source/id`.
fn is_both(source: &[u8], id: &[u8], wanted: &[u8]) -> bool {
    let rest = wanted.strip_prefix(source).and_then(|rest| rest.strip_prefix(b"/"));
    rest.is_some_and(|rest| rest == id)
}

/// Pages of all partitions, from their ends back, a page of each in turn.
struct Backwards {
    /// Of each: the first number, and the end of what was not read yet.
    left: Vec<(PartitionId, u64, u64)>,
    turn: usize,
    read: u64,
    stop_at: u64,
}

impl Backwards {
    fn new(
        source: &Source<'_>,
        range: impl Fn(PartitionId) -> Result<(u64, u64), EngineError>,
    ) -> Result<Self, EngineError> {
        let mut left = Vec::new();
        for partition in source.log.partitions() {
            let (first, end) = range(partition)?;
            left.push((partition, first, end));
        }
        Ok(Self { left, turn: 0, read: 0, stop_at: RECORDS_MAX })
    }

    /// The next page: numbers from the first below the second.
    fn next_page(&mut self) -> Option<(PartitionId, u64, u64)> {
        if self.read >= self.stop_at {
            return None;
        }
        for _ in 0..self.left.len() {
            let index = self.turn % self.left.len();
            self.turn += 1;
            let (partition, first, end) = self.left[index];
            if first < end {
                let from = first.max(end.saturating_sub(PAGE));
                self.left[index].2 = from;
                self.read += end - from;
                return Some((partition, from, end));
            }
        }
        None
    }

    /// After something was found, the rest is near.
    fn met(&mut self, found: bool) {
        if found {
            self.stop_at = RECORDS_MAX.min(self.read + MORE_MAX);
        }
    }

    fn is_done(&self) -> bool {
        self.left.iter().all(|(_, first, end)| first >= end)
    }
}
