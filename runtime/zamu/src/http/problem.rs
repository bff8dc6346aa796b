//! Problem details (RFC 9457): how every error is told.
//!
//! What is wrong with a request names its `field`: a member, a header, a parameter, `path`, `method`
//! or `body`. Three answers below 500 have none, as nothing in the request is wrong: 410 where a
//! history meets what retention took from the log, 422 for what a handler refused (`code` and
//! `details` say why), and 429 for a partition that is behind. A request that is no HTTP, or whose
//! headers are too large or too many (400, 414, 431), never comes this far: the connection answers
//! it, without a body, and ends.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use zamu_core::error::EngineError;
use zamu_core::shard::ReadError;

use crate::node::{CallError, Refusal};

/// An error, as a client is told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Problem {
    status: u16,
    detail: String,
    retry_after_s: Option<u32>,
    more: Map<String, Value>,
}

impl Problem {
    /// A problem with this status. The detail says what was wrong, where, and what to do.
    pub(crate) fn new(status: u16, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), retry_after_s: None, more: Map::new() }
    }

    /// 400: a field of what the client sent.
    pub(crate) fn field(field: impl Into<String>, problem: impl std::fmt::Display) -> Self {
        let field = field.into();
        Self::new(400, format!("`{field}` {problem}")).with("field", field)
    }

    /// 503 for now.
    pub(crate) fn busy(detail: impl Into<String>) -> Self {
        Self::new(503, detail).retry_after(1)
    }

    /// With one more member.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }

    /// With the seconds after which another try is worth it.
    pub(crate) fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut members = Map::new();
        members.insert("type".into(), json!("about:blank"));
        members.insert("title".into(), json!(status.canonical_reason().unwrap_or("Error")));
        members.insert("status".into(), json!(status.as_u16()));
        members.insert("detail".into(), json!(self.detail));
        for (name, value) in self.more {
            members.entry(name).or_insert(value);
        }
        let mut response = Response::new(Body::from(Value::Object(members).to_string()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, json);
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match &refusal {
            Refusal::Lag { .. } => {
                Self::new(429, format!("{refusal}: try again later")).retry_after(1)
            }
            Refusal::Closed | Refusal::Busy(_) => Self::busy(refusal.to_string()),
            Refusal::Failed(_) => Self::new(
                503,
                format!("{refusal}; the command may or may not have been taken: send it again with the same id and source"),
            )
            .retry_after(1),
        }
    }
}

impl From<CallError> for Problem {
    fn from(error: CallError) -> Self {
        Self::busy(error.to_string())
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::NotHere | ReadError::NotReady => Self::busy(error.to_string()),
            ReadError::Engine(_) | ReadError::Fault(_) => Self::new(500, error.to_string()),
        }
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Trimmed(_) => Self::new(410, error.to_string()),
            EngineError::Retry(_) => Self::busy(error.to_string()),
            _ => Self::new(500, error.to_string()),
        }
    }
}
