//! `GET /requests/{type}/{partition}/{offset}`: what became of a request.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::http::App;
use crate::http::params::{Path, number_of};
use crate::http::problem::Problem;
use crate::http::waiting;
use crate::node::Found;

/// Finds it among those that wait, the recent answers, or in the log.
pub(crate) async fn get(
    State(app): State<App>,
    Path((r#type, partition, offset)): Path<(String, String, String)>,
) -> Result<Response, Problem> {
    let partition = app.partition(&r#type, &partition)?;
    let offset: u64 = number_of("offset", &offset)?;
    let number = partition.number;
    if offset >= app.node.reader.ends(partition)?.requests {
        let detail = format!("partition {type}/{number} has no request {offset}");
        return Err(Problem::new(404, detail).with("field", "offset"));
    }
    match waiting::look(&app, partition, offset).await? {
        Found::Answer(answer) => Ok(Json(waiting::told(&app, &answer, partition)).into_response()),
        Found::NotYet => {
            Ok((StatusCode::ACCEPTED, Json(json!({ "outcome": "pending" }))).into_response())
        }
        Found::Removed => Err(Problem::new(
            410,
            format!("the outcome of request {offset} of {type}/{number} is past its retention"),
        )
        .with("field", "offset")),
    }
}
