//! HTTP: what clients and operators see of a node. JSON everywhere but for metrics and live events;
//! errors are problem details (RFC 9457) that name the field and the remedy.
//!
//! - `record` checks what a client sent and makes requests of it; `commands` and `batch` take them.
//! - `waiting` waits for answers; `requests` finds old ones.
//! - `aggregates`, `tables` and `stream` read; `operators`, `handlers`, `dead_letters` and `trace` are for whoever
//!   runs the node.
//! - `gate` bounds what is in flight; `server` the connections.
//!
//! Authentication and TLS are left to whoever stands in front.

mod aggregates;
mod batch;
mod commands;
mod dead_letters;
mod gate;
mod handlers;
mod operators;
mod params;
mod position;
mod problem;
mod record;
mod requests;
mod server;
mod stream;
mod tables;
mod trace;
mod waiting;

use std::sync::Arc;

use axum::Router;
use axum::http::{Method, Uri};
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::routing::{delete, get, post, put};

use crate::config;
use crate::node::Services;

pub use position::Position;
pub use server::Server;

use gate::Gates;
use problem::Problem;

/// What every request sees.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) node: Arc<Services>,
    pub(crate) settings: Arc<config::Http>,
    pub(crate) gates: Gates,
}

/// All routes.
pub fn router(node: Arc<Services>, settings: &config::Http) -> Router {
    let gates = Gates::new(settings);
    let app = App { node, settings: Arc::new(settings.clone()), gates };
    let bounded = Router::new()
        .route("/commands", post(batch::post))
        .route("/aggregates/{type}/{key}", get(aggregates::state))
        .route("/aggregates/{type}/{key}/commands", post(commands::post))
        .route("/aggregates/{type}/{key}/events", get(aggregates::events))
        .route("/requests/{type}/{partition}/{offset}", get(requests::get))
        .layer(from_fn_with_state(app.clone(), gate::bound));
    let operators = Router::new()
        .route("/topics", get(operators::topics))
        .route("/topics/{type}/{partition}/resume", post(operators::resume))
        .route("/dead-letters", get(dead_letters::list))
        .route("/dead-letters/{type}/{partition}/redrive", post(dead_letters::redrive_all))
        .route("/dead-letters/{type}/{partition}/{number}", get(dead_letters::show))
        .route("/dead-letters/{type}/{partition}/{number}/redrive", post(dead_letters::redrive))
        .route("/tables", get(tables::list))
        .route("/tables/{table}/rows", get(tables::rows))
        .route("/tables/{table}/rows/{*key}", get(tables::row))
        .route("/projections/{name}", delete(tables::drop_orphaned))
        .route("/projections/{name}/rebuild", post(tables::rebuild))
        .route("/projections/{name}/resume", post(tables::resume))
        .route("/handlers", get(handlers::list).post(handlers::deploy))
        .route("/handlers/{name}", get(handlers::show))
        .route("/handlers/{name}/configuration", put(handlers::configure))
        .route("/handlers/{name}/rollback", post(handlers::roll_back))
        .route("/deployments", get(handlers::past))
        .route("/topology", get(operators::topology))
        .route("/trace", get(trace::get))
        .layer(from_fn_with_state(app.clone(), gate::bound_operators));
    // What must answer when nothing else does has no bound but that of connections.
    bounded
        .merge(operators)
        .route("/events", get(stream::get))
        .route("/health", get(operators::health))
        .route("/ready", get(operators::ready))
        .route("/metrics", get(operators::metrics))
        .fallback(nowhere)
        .method_not_allowed_fallback(not_so)
        .layer(from_fn_with_state(app.clone(), gate::count))
        .with_state(app)
}

async fn nowhere(uri: Uri) -> impl IntoResponse {
    Problem::new(404, format!("there is nothing at {}", uri.path())).with("field", "path")
}

async fn not_so(method: Method, uri: Uri) -> impl IntoResponse {
    Problem::new(405, format!("{} does not take {method}", uri.path())).with("field", "method")
}
