//! For whoever runs the node: partitions, topology, health, metrics.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use zamu_core::partition::Status;
use zamu_core::shard::PartitionView;
use zamu_core::store::tables::TableStore;

use crate::http::App;
use crate::http::params::Path;
use crate::http::problem::Problem;
use crate::json::{self, Flow};
use crate::telemetry;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Topic<'a> {
    r#type: &'a str,
    partition: u32,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    turn: u64,
    events: u64,
    requests: Input,
    commands: Input,
    dead_letters: u64,
}

#[derive(Serialize)]
struct Input {
    next: u64,
    end: u64,
    lag: u64,
}

impl Input {
    fn new(next: u64, end: u64) -> Self {
        Self { next, end, lag: end.saturating_sub(next) }
    }
}

/// All partitions.
pub(crate) async fn topics(State(app): State<App>) -> Result<Response, Problem> {
    let views = app.node.shards.views().await?;
    let topics: Vec<_> = views.iter().map(|view| topic(&app, view)).collect();
    Ok(Json(topics).into_response())
}

fn topic<'a>(app: &'a App, view: &PartitionView) -> Topic<'a> {
    let (status, reason) = status(&view.status);
    Topic {
        r#type: app.node.terms.type_name(view.partition.aggregate_type),
        partition: view.partition.number,
        status,
        reason,
        turn: view.turn,
        events: view.events_next,
        requests: Input::new(view.position.requests, view.ends.requests),
        commands: Input::new(view.position.commands, view.ends.commands),
        dead_letters: view.dead_letters,
    }
}

fn status(status: &Status) -> (&'static str, Option<String>) {
    match status {
        Status::Restoring => ("restoring", None),
        Status::Running => ("running", None),
        Status::Paused(reason) => ("paused", Some(reason.clone())),
        Status::Halted(reason) => ("halted", Some(reason.clone())),
        Status::Waiting(number) => ("waiting", Some(format!("for deployment {number}"))),
        Status::Unready(why) => ("unready", Some(why.clone())),
        Status::Leaving => ("leaving", None),
    }
}

/// Lets a paused partition go on.
pub(crate) async fn resume(
    State(app): State<App>,
    Path((r#type, partition)): Path<(String, String)>,
) -> Result<Json<Value>, Problem> {
    let partition = app.partition(&r#type, &partition)?;
    let resumed = app.node.shards.ask(partition, move |shard| shard.resume(partition)).await?;
    Ok(Json(json!({ "resumed": resumed })))
}

/// Who sends what to whom.
pub(crate) async fn topology(State(app): State<App>) -> Json<Flow> {
    let topology = &app.node.in_force.now().topology;
    let specs: Vec<_> = topology.handlers.iter().map(|h| Arc::clone(&h.spec)).collect();
    Json(Flow::of(topology.types.iter().map(|t| (&*t.name, t.partitions)), &specs))
}

/// The process answers.
pub(crate) async fn health() -> Json<Value> {
    Json(json!({ "status": "alive" }))
}

/// Whether every partition takes turns; if not, which do not.
pub(crate) async fn ready(State(app): State<App>) -> Result<Response, Problem> {
    if app.node.entrance.is_closed() {
        return Err(Problem::busy("the node is shutting down"));
    }
    let views = app.node.shards.views().await?;
    let others: Vec<Value> = views
        .iter()
        .filter(|view| view.status != Status::Running)
        .map(|view| {
            let (status, reason) = status(&view.status);
            let r#type = app.node.terms.type_name(view.partition.aggregate_type);
            let partition = view.partition.number;
            json!({ "type": r#type, "partition": partition, "status": status, "reason": reason })
        })
        .collect();
    let partitions = app.node.types.partitions().count();
    if others.is_empty() && views.len() == partitions {
        return Ok(Json(json!({ "status": "ready", "partitions": partitions })).into_response());
    }
    let running = views.len() - others.len();
    let detail = format!("{running} of {partitions} partitions take turns");
    Err(Problem::busy(detail).with("partitions", others))
}

/// Everything that is counted, as Prometheus reads it.
pub(crate) async fn metrics(State(app): State<App>) -> Result<Response, Problem> {
    let views = app.node.shards.views().await.unwrap_or_default();
    let bodies = app.gates.bodies_bytes(&app.settings);
    app.node.metrics.bodies_in_flight.set(i64::try_from(bodies).unwrap_or(i64::MAX));
    let node = app.node;
    let text = spawn_blocking(move || {
        let log = node.log.metrics();
        if let Ok(told) = json::tables(&*node.tables.store.snapshot(), &*node) {
            telemetry::tables(&node.metrics, &told);
        }
        telemetry::memory(&node.metrics, "log", node.log.memory());
        telemetry::memory(&node.metrics, "store", node.tables.store.memory());
        telemetry::scrape(&node.metrics, &node.types, &views, &node.guests, &log);
        node.metrics.text()
    })
    .await
    .map_err(|_| Problem::new(500, "the figures could not be read"))?;
    let form =
        HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    Ok((StatusCode::OK, [(header::CONTENT_TYPE, form)], text).into_response())
}
