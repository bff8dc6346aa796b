//! `GET /aggregates/{type}/{key}`: its state; `.../events`: its history, with provenance.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::task::spawn_blocking;
use zamu_core::error::EngineError;
use zamu_core::log::Limit;
use zamu_core::model::{Event, EventNumber, PartitionId, Sequence};
use zamu_rocks::LogReader;

use crate::http::App;
use crate::http::params::{Path, Query, number_of};
use crate::http::problem::Problem;
use crate::json::{self, Loose};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StateJson<'a> {
    r#type: &'a str,
    key: &'a str,
    partition: u32,
    sequence: u64,
    schema: &'a str,
    fold: u32,
    wake_at: Option<u64>,
    last_event: Option<u64>,
    state: Shown<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Shown<'a> {
    Json(Box<RawValue>),
    Raw(Loose<'a>),
}

/// The committed state, as its handler shows it.
pub(crate) async fn state(
    State(app): State<App>,
    Path((r#type, key)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let (partition, bytes) = place(&app, &r#type, &key)?;
    let ask = move |shard: &mut zamu_core::shard::Shard| {
        let found = shard.aggregate(partition, &bytes)?.filter(|found| found.sequence > 0);
        Ok::<_, zamu_core::shard::ReadError>(found.map(|aggregate| {
            let shown = shard.show(partition, &bytes, &aggregate);
            (aggregate, shown)
        }))
    };
    let Some((aggregate, shown)) = app.node.shards.ask(partition, ask).await?? else {
        return Err(absent(&r#type, &key));
    };
    // A handler that does not show its state leaves it as it is stored.
    let shown = shown.ok().and_then(|text| RawValue::from_string(text).ok());
    let told = StateJson {
        r#type: &r#type,
        key: &key,
        partition: partition.number,
        sequence: aggregate.sequence,
        schema: &aggregate.schema,
        fold: aggregate.fold,
        wake_at: aggregate.wake_at.map(|time| time.0),
        last_event: aggregate.last_event,
        state: shown.map_or_else(|| Shown::Raw(Loose::of(&aggregate.state)), Shown::Json),
    };
    Ok(Json(told).into_response())
}

/// What a client may ask of a history.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page {
    after: Option<String>,
    limit: Option<String>,
}

#[derive(Serialize)]
struct EventsJson<'a> {
    events: Vec<json::Event<'a>>,
}

/// Its events after a sequence, in order.
pub(crate) async fn events(
    State(app): State<App>,
    Path((r#type, key)): Path<(String, String)>,
    Query(page): Query<Page>,
) -> Result<Response, Problem> {
    let (partition, bytes) = place(&app, &r#type, &key)?;
    let after: Sequence = page.after.as_deref().map_or(Ok(0), |text| number_of("after", text))?;
    let limit = app.page(page.limit.as_deref())?;
    let asked = bytes.clone();
    let ask = move |shard: &mut zamu_core::shard::Shard| shard.aggregate(partition, &asked);
    let found = app.node.shards.ask(partition, ask).await??;
    let Some(newest) = found.filter(|found| found.sequence > 0) else {
        return Err(absent(&r#type, &key));
    };
    let Some(last) = newest.last_event else { return Err(absent(&r#type, &key)) };
    let wanted = Wanted { partition, key: bytes, newest: newest.sequence, last, after, limit };
    let Ok(_permit) = app.gates.scans.acquire().await else {
        return Err(Problem::busy("the node is shutting down"));
    };
    let reader = app.node.log.reader();
    let read = spawn_blocking(move || wanted.read(&reader)).await;
    let events = read.map_err(|_| Problem::new(500, "reading the log failed"))??;
    let told = events.iter().map(|event| json::event(event, partition, &app.node.terms));
    Ok(Json(EventsJson { events: told.collect() }).into_response())
}

/// Part of an aggregate's history.
struct Wanted {
    partition: PartitionId,
    key: Bytes,
    /// The aggregate's last sequence, and the number of that event.
    newest: Sequence,
    last: EventNumber,
    after: Sequence,
    limit: usize,
}

/// Up to so many events the chain is walked back, one read each; beyond, the place is searched for
/// and the partition is read forward from there.
const WALK_MAX: u64 = 2_000;
const SCAN: Limit = Limit { records: 4_000, bytes: 4 << 20 };

impl Wanted {
    fn read(&self, reader: &LogReader) -> Result<Vec<Event>, EngineError> {
        let back = self.newest.saturating_sub(self.after);
        if back <= WALK_MAX { self.walk(reader, back as usize) } else { self.scan(reader) }
    }

    fn walk(&self, reader: &LogReader, back: usize) -> Result<Vec<Event>, EngineError> {
        let mut events = reader.history(self.partition, self.last, back)?;
        events.reverse();
        events.truncate(self.limit);
        Ok(events)
    }

    fn scan(&self, reader: &LogReader) -> Result<Vec<Event>, EngineError> {
        let mut found = Vec::new();
        let mut next = self.start(reader)?;
        while next <= self.last && found.len() < self.limit {
            let page = reader.events(self.partition, next, SCAN)?;
            let Some(newest) = page.last() else { break };
            next = newest.number + 1;
            let wanted = |event: &Event| event.key == self.key && event.sequence > self.after;
            found.extend(page.into_iter().filter(wanted));
        }
        found.truncate(self.limit);
        Ok(found)
    }
}

impl Wanted {
    /// A number from which on all wanted events are found, and not many others before the first:
    /// an aggregate's sequences ascend with the numbers of its events, so they can be halved.
    fn start(&self, reader: &LogReader) -> Result<EventNumber, EngineError> {
        let (mut low, mut high) = (0, self.last);
        while high - low > SCAN.records as u64 {
            let middle = low + (high - low) / 2;
            match self.next_own(reader, middle, high)? {
                Some(own) if own.sequence <= self.after => low = own.number,
                _ => high = middle,
            }
        }
        Ok(low)
    }

    /// The aggregate's first event from a number on, below another.
    fn next_own(
        &self,
        reader: &LogReader,
        from: EventNumber,
        below: EventNumber,
    ) -> Result<Option<Event>, EngineError> {
        let mut next = from;
        while next < below {
            let page = reader.events(self.partition, next, SCAN)?;
            let Some(newest) = page.last() else { break };
            next = newest.number + 1;
            if let Some(own) = page.into_iter().find(|event| event.key == self.key) {
                return Ok(Some(own));
            }
        }
        Ok(None)
    }
}

fn place(app: &App, r#type: &str, key: &str) -> Result<(PartitionId, Bytes), Problem> {
    let aggregate_type = app.type_named(r#type)?;
    let partition = app.node.topology.partition(aggregate_type, key.as_bytes());
    Ok((partition, Bytes::copy_from_slice(key.as_bytes())))
}

fn absent(r#type: &str, key: &str) -> Problem {
    Problem::new(404, format!("there is no `{type}` with the key `{key}`")).with("field", "key")
}
