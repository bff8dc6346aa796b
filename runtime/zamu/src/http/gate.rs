//! Bounds on what is in flight: requests, bytes of bodies, streams. What does not fit is told so at
//! once; nothing queues here.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, Request, State};
use axum::http::header::CONTENT_LENGTH;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};
use zamu_core::model::PartitionId;

use crate::config;
use crate::http::App;
use crate::http::problem::Problem;
use crate::node::Refusal;
use crate::telemetry::StatusLabels;

/// What may be in flight.
#[derive(Clone, Debug)]
pub(crate) struct Gates {
    requests: Arc<Semaphore>,
    /// Of operators: clients that wait must not keep them out.
    operators: Arc<Semaphore>,
    /// One permit per KiB.
    bodies: Arc<Semaphore>,
    pub(crate) streams: Arc<Semaphore>,
    /// Long reads of the log at once.
    pub(crate) scans: Arc<Semaphore>,
}

/// Requests of operators at once.
const OPERATORS_MAX: usize = 16;
/// Long reads of the log at once: each keeps a core busy.
const SCANS_MAX: usize = 2;
const KIB: usize = 1_024;

impl Gates {
    /// Nothing is in flight.
    pub(crate) fn new(settings: &config::Http) -> Self {
        let gate = |permits| Arc::new(Semaphore::new(permits));
        Self {
            requests: gate(settings.requests_max),
            operators: gate(OPERATORS_MAX),
            bodies: gate(settings.bodies_bytes_max / KIB),
            streams: gate(settings.streams_max),
            scans: gate(SCANS_MAX),
        }
    }
}

impl Gates {
    /// Bytes of bodies in flight, in whole KiB.
    pub(crate) fn bodies_bytes(&self, settings: &config::Http) -> usize {
        (settings.bodies_bytes_max / KIB - self.bodies.available_permits()) * KIB
    }
}

/// Lets a request through if not too many are being worked on.
pub(crate) async fn bound(State(app): State<App>, request: Request, next: Next) -> Response {
    let Ok(_permit) = app.gates.requests.try_acquire() else {
        let max = app.settings.requests_max;
        return Problem::busy(format!("{max} requests are being worked on already"))
            .into_response();
    };
    let in_flight = &app.node.metrics.requests_in_flight;
    in_flight.inc();
    let _guard = Leave(in_flight);
    next.run(request).await
}

/// Lets an operator's request through if not too many are being worked on.
pub(crate) async fn bound_operators(
    State(app): State<App>,
    request: Request,
    next: Next,
) -> Response {
    match app.gates.operators.try_acquire() {
        Ok(_permit) => next.run(request).await,
        Err(_) => {
            let detail =
                format!("{OPERATORS_MAX} requests of operators are being worked on already");
            Problem::busy(detail).into_response()
        }
    }
}

/// Counts the answer by its status.
pub(crate) async fn count(State(app): State<App>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let labels = StatusLabels { status: response.status().as_u16() };
    app.node.metrics.responses.get_or_create(&labels).inc();
    response
}

/// Counts one less when it is dropped, also when the client has gone.
struct Leave<'a>(&'a prometheus_client::metrics::gauge::Gauge);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Waits at the door until all these partitions have room, or for as long as is configured.
pub(crate) async fn room(app: &App, partitions: &[PartitionId]) -> Result<(), Problem> {
    let until = Instant::now() + Duration::from_millis(app.settings.lag_wait_ms);
    let mut progress = app.node.answers.progress();
    loop {
        progress.mark_unchanged();
        let check = |partition: &PartitionId| app.node.entrance.check(*partition).err();
        match partitions.iter().find_map(check) {
            None => return Ok(()),
            Some(Refusal::Lag { .. }) if Instant::now() < until => {
                // Whether there was any or not: look again.
                drop(timeout_at(until, progress.changed()).await);
            }
            Some(refusal) => return Err(refusal.into()),
        }
    }
}

/// A request's body, whole, and the room that it takes.
pub(crate) struct Payload {
    /// The bytes.
    pub(crate) bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

/// A body that is a component: it may be as large as one that the configuration names.
pub(crate) struct Component(pub(crate) Payload);

/// How large a body may be, and which setting says so.
struct Bound {
    max: usize,
    key: &'static str,
}

impl FromRequest<App> for Payload {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let bound = Bound { max: app.settings.body_bytes_max, key: "http.body-bytes-max" };
        Self::read(request, app, bound).await
    }
}

impl FromRequest<App> for Component {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let max = app.node.deployer.component_bytes_max();
        // It has to fit into the room for all bodies.
        let bound = match app.settings.bodies_bytes_max / KIB * KIB {
            room if room < max => Bound { max: room, key: "http.bodies-bytes-max" },
            _ => Bound { max, key: "limits.component-bytes" },
        };
        Payload::read(request, app, bound).await.map(Self)
    }
}

impl Payload {
    async fn read(request: Request, app: &App, bound: Bound) -> Result<Self, Problem> {
        let Bound { max, key } = bound;
        let told = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
        let told = told.and_then(|length| length.parse::<usize>().ok());
        let too_large = || {
            Problem::new(413, format!("the body is larger than {max} bytes ({key})"))
                .with("field", "body")
        };
        if told.is_some_and(|length| length > max) {
            return Err(too_large());
        }
        let room = told.unwrap_or(max).div_ceil(KIB).max(1);
        let room = u32::try_from(room).unwrap_or(u32::MAX);
        let room = Arc::clone(&app.gates.bodies).try_acquire_many_owned(room).map_err(|_| {
            Problem::busy("bodies of other requests take all the room (http.bodies-bytes-max)")
        })?;
        let patience = Duration::from_millis(app.settings.receive_timeout_ms);
        match timeout(patience, to_bytes(request.into_body(), max)).await {
            Ok(Ok(bytes)) => Ok(Self { bytes, _room: room }),
            Ok(Err(error)) if is_too_large(&error) => Err(too_large()),
            Ok(Err(error)) => Err(Problem::field("body", format!("ended early: {error}"))),
            Err(_) => Err(Problem::new(408, "the body took too long (http.receive-timeout-ms)")
                .with("field", "body")),
        }
    }
}

fn is_too_large(error: &axum::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if error.is::<http_body_util::LengthLimitError>() {
            return true;
        }
        source = error.source();
    }
    false
}
