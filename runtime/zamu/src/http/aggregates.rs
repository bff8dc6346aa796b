//! `GET /aggregates/{type}/{key}`: its state; `.../events`: its history, with provenance.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::task::spawn_blocking;
use zamu_core::error::EngineError;
use zamu_core::model::{PartitionId, Sequence};

use crate::http::App;
use crate::http::params::{Path, Query, number_of};
use crate::http::problem::Problem;
use crate::json::{self, Loose};
use crate::node::EventsAfter;

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
    let newest = newest.sequence;
    let wanted = EventsAfter { partition, key: bytes, newest, last, after, limit };
    let Ok(_permit) = app.gates.scans.acquire().await else {
        return Err(Problem::busy("the node is shutting down"));
    };
    let node = Arc::clone(&app.node);
    let read = spawn_blocking(move || {
        let mut events = wanted.read(&node.log.reader())?;
        node.show_events(partition.aggregate_type, &mut events);
        Ok::<_, EngineError>(events)
    });
    let read = read.await;
    let events = read.map_err(|_| Problem::new(500, "reading the log failed"))??;
    let told = events.iter().map(|event| json::event(event, partition, &app.node.terms));
    Ok(Json(EventsJson { events: told.collect() }).into_response())
}

fn place(app: &App, r#type: &str, key: &str) -> Result<(PartitionId, Bytes), Problem> {
    let aggregate_type = app.type_named(r#type)?;
    let partition = app.node.types.partition(aggregate_type, key.as_bytes());
    Ok((partition, Bytes::copy_from_slice(key.as_bytes())))
}

fn absent(r#type: &str, key: &str) -> Problem {
    Problem::new(404, format!("there is no `{type}` with the key `{key}`")).with("field", "key")
}
