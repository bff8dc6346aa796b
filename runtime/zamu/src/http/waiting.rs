//! Waiting for answers, as `Prefer` asks, and telling them.

use std::ops::Range;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};
use zamu_core::model::{Offset, PartitionId};

use crate::http::App;
use crate::http::position::Position;
use crate::http::problem::Problem;
use crate::json;
use crate::node::{Answer, Asked, Found, Recent, find};

/// Where a command stands.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Place<'a> {
    pub(crate) r#type: &'a str,
    pub(crate) key: &'a str,
    pub(crate) partition: u32,
    pub(crate) offset: Offset,
}

impl Place<'_> {
    /// Where its outcome can be asked for.
    pub(crate) fn location(&self) -> String {
        format!("/requests/{}/{}/{}", self.r#type, self.partition, self.offset)
    }
}

/// For how long a client wants to wait; `None` if it does not.
pub(crate) fn wanted(app: &App, headers: &HeaderMap) -> Result<Option<Duration>, Problem> {
    for value in headers.get_all("prefer") {
        let value = value.to_str().map_err(|_| Problem::field("prefer", "is no text"))?;
        for preference in value.split([',', ';']) {
            let (name, argument) = preference.split_once('=').unwrap_or((preference, ""));
            if !name.trim().eq_ignore_ascii_case("wait") {
                continue;
            }
            let argument = argument.trim().trim_matches('"');
            let ms = if argument.is_empty() {
                app.settings.wait_ms
            } else {
                let seconds: u64 = argument.parse().map_err(|_| {
                    Problem::field("prefer", format!("waits for `{argument}`: say whole seconds"))
                })?;
                seconds.saturating_mul(1_000)
            };
            return Ok(Some(Duration::from_millis(ms.min(app.settings.wait_ms_max))));
        }
    }
    Ok(None)
}

/// Waits for the answers to requests next to each other. What is not answered by then is `None`.
pub(crate) async fn answers(
    app: &App,
    partition: PartitionId,
    offsets: Range<Offset>,
    until: Instant,
) -> Result<Vec<Option<Answer>>, Problem> {
    let Asked { look, wait } = app.node.answers.ask(partition, offsets.clone());
    let rest = look.end;
    let mut answers = known(app, partition, look).await?;
    if let Some(wait) = wait {
        match timeout_at(until, wait.told()).await {
            Ok(Some(told)) => answers.extend(told.into_iter().map(Some)),
            // Too late, or the node stops: some may be there all the same.
            _ => answers.extend(known(app, partition, rest..offsets.end).await?),
        }
    }
    Ok(answers)
}

/// The answers to requests next to each other, as far as there are some now.
async fn known(
    app: &App,
    partition: PartitionId,
    offsets: Range<Offset>,
) -> Result<Vec<Option<Answer>>, Problem> {
    let mut answers = Vec::new();
    for offset in offsets {
        answers.push(match look(app, partition, offset).await? {
            Found::Answer(answer) => Some(answer),
            Found::NotYet | Found::Removed => None,
        });
    }
    Ok(answers)
}

/// What is known of a request now.
pub(crate) async fn look(
    app: &App,
    partition: PartitionId,
    offset: Offset,
) -> Result<Found, Problem> {
    match app.node.answers.recent(partition, offset) {
        Recent::Here(answer) => Ok(Found::Answer(answer)),
        Recent::NotYet => Ok(Found::NotYet),
        Recent::InTheLog => {
            let reader = app.node.reader.clone();
            let found = spawn_blocking(move || find(&reader, partition, offset)).await;
            Ok(found.map_err(|_| Problem::new(500, "reading the log failed"))??)
        }
    }
}

/// The answer to one command, or 202 with its location.
pub(crate) fn one(
    answer: Option<&Answer>,
    place: &Place<'_>,
    partition: PartitionId,
    app: &App,
) -> Response {
    let Some(answer) = answer else { return pending(place) };
    let told = told(app, answer, partition);
    let location = [(header::LOCATION, place.location())];
    match json::status(answer.outcome()) {
        200 => (location, axum::Json(told)).into_response(),
        status => (location, problem(status, &told)).into_response(),
    }
}

/// What became of a command, and the position after it.
pub(crate) fn told<'a>(
    app: &'a App,
    answer: &'a Answer,
    partition: PartitionId,
) -> json::Outcome<'a> {
    let position = answer.next_event().map(|next| {
        let of = app.node.types.settings(partition.aggregate_type);
        let types = [(partition.aggregate_type, &*of.name, of.partitions)];
        Position::new(&types, |other| if other == partition { next } else { 0 }).to_string()
    });
    json::answer(answer.outcome(), partition, &app.node.terms).at(position)
}

/// 202: durable, and not decided yet.
pub(crate) fn pending(place: &Place<'_>) -> Response {
    let location = [(header::LOCATION, place.location())];
    (StatusCode::ACCEPTED, location, axum::Json(place)).into_response()
}

/// A refusal or a fault as problem details: all that [`json::answer`] says, but for `type`, which
/// is the problem's.
fn problem(status: u16, told: &json::Outcome<'_>) -> Problem {
    let detail = match status {
        422 => "the aggregate's handler refused the command: `code` and `details` say why",
        _ => {
            "the handler broke on this command: `deadLetter` keeps it until an operator redrives it"
        }
    };
    let mut problem = Problem::new(status, detail);
    if let Ok(serde_json::Value::Object(members)) = serde_json::to_value(told) {
        for (name, value) in members {
            let name = if name == "type" { "aggregateType" } else { &name };
            problem = problem.with(name, value);
        }
    }
    problem
}

/// The entry of a list for a command that is not decided yet.
pub(crate) fn pending_entry(place: &Place<'_>) -> serde_json::Value {
    json!({
        "status": 202,
        "outcome": "pending",
        "type": place.r#type,
        "key": place.key,
        "partition": place.partition,
        "offset": place.offset,
        "location": place.location(),
    })
}

/// A list that was written as JSON already.
pub(crate) fn json_bytes(status: StatusCode, bytes: Vec<u8>) -> Response {
    let json = HeaderValue::from_static("application/json");
    (status, [(header::CONTENT_TYPE, json)], bytes).into_response()
}
