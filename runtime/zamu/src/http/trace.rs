//! `GET /trace?id=ID`: the causal tree of a business process, through every aggregate.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::task::spawn_blocking;
use zamu_core::model::{Kind, TypeId};
use zamu_core::shard::Shard;

use crate::http::App;
use crate::http::params::{Query, number_of};
use crate::http::problem::Problem;
use crate::trace::{self, Candidate, Known, LIMIT, LIMIT_MAX, Source, Trace, TraceError};

/// What a client may ask.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    id: String,
    limit: Option<String>,
}

/// The processes that an id belongs to, the newest ones, each from what began it down.
pub(crate) async fn get(
    State(app): State<App>,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let limit = asked.limit.as_deref().map_or(Ok(LIMIT), |limit| number_of("limit", limit))?;
    if !(1..=LIMIT_MAX).contains(&limit) {
        let problem = format!("is {limit}; it must be from 1 to {LIMIT_MAX}");
        return Err(Problem::field("limit", problem));
    }
    if asked.id.is_empty() {
        return Err(Problem::field("id", "is empty: name what is to be traced"));
    }
    let known = known(&app, &asked.id).await?;
    let Ok(_permit) = app.gates.scans.acquire().await else {
        return Err(Problem::busy("the node is shutting down"));
    };
    let reading = app.clone();
    let traced = spawn_blocking(move || traced(&reading, &asked.id, &known, limit)).await;
    let trace = traced.map_err(|_| Problem::new(500, "reading the log failed"))??;
    Ok(Json(trace).into_response())
}

/// The aggregates that the id may name, asked of their shards.
async fn known(app: &App, id: &str) -> Result<Vec<Known>, Problem> {
    let candidates = trace::candidates(id, &app.node.terms, &app.node.reader.types());
    let mut known = Vec::new();
    for (candidate, Candidate { partition, key, .. }) in candidates.into_iter().enumerate() {
        let ask = move |shard: &mut Shard| shard.aggregate(partition, &key);
        if let Some(aggregate) = app.node.shards.ask(partition, ask).await?? {
            known.push(Known::of(candidate, &aggregate));
        }
    }
    Ok(known)
}

fn traced(app: &App, id: &str, known: &[Known], limit: usize) -> Result<Trace, TraceError> {
    let topology = &app.node.in_force.now().topology;
    let owner = |index: usize| {
        let owner = &topology.handlers[topology.owner(TypeId(index as u16))];
        Some(Arc::clone(&owner.spec.name))
    };
    let owners: Vec<_> = (0..topology.types.len()).map(owner).collect();
    let log = app.node.log.reader();
    let show = |of, kind: &Kind, body: &Bytes| app.node.show_body(of, kind, body);
    let source = Source { log: &log, terms: &app.node.terms, owners: &owners, show: &show };
    trace::trace(&source, id, known, limit)
}

impl From<TraceError> for Problem {
    fn from(error: TraceError) -> Self {
        match error {
            TraceError::Unknown { .. } => Self::new(404, error.to_string()).with("field", "id"),
            TraceError::Log(error) => error.into(),
            TraceError::Record(_) => Self::new(500, error.to_string()),
        }
    }
}
