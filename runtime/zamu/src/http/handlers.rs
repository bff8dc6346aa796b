//! `/handlers`: which versions are in force; `/deployments`: which were; orders that put others in force.
//!
//! A deployment that has begun is carried through, whether the client that asked for it waits or not.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use zamu_core::guest::manifest::Manifest;
use zamu_core::topology::{StartFrom, SuccessionError};

use crate::handlers;
use crate::http::App;
use crate::http::gate::{Component, Payload};
use crate::http::params::{Path, Query, number_of};
use crate::http::problem::Problem;
use crate::http::record::PRINCIPAL;
use crate::json;
use crate::node::{DeployError, Deployed, Order, Services, What};

/// What is in force.
pub(crate) async fn list(State(app): State<App>) -> Result<Json<Value>, Problem> {
    let deployment = app.node.in_force.now().topology.deployment;
    let told = json::in_force(&app.node.terms.history, deployment).map_err(unreadable)?;
    let mut told: Value = serde_json::from_str(told.get()).map_err(unreadable)?;
    let views = app.node.shards.views().await?;
    told["behind"] = json::behind(&app.node.terms, &views);
    Ok(Json(told))
}

/// One handler, with what it says of itself.
pub(crate) async fn show(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Problem> {
    let now = app.node.in_force.now();
    let handler = now.loaded.iter().find(|handler| *handler.spec().name == *name);
    let handler = handler.ok_or_else(|| unknown(&app.node, &name))?;
    let deployment = now.topology.deployment;
    let entry = app.node.terms.history.entry(deployment, &name).unwrap_or_default();
    let mut told = serde_json::to_value(json::version(&entry)).map_err(unreadable)?;
    told["deployment"] = json!(deployment);
    told["manifest"] = manifest(handler.manifest());
    Ok(Json(told))
}

/// What a client may ask of the past.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    handler: Option<String>,
}

/// All deployments, newest first.
pub(crate) async fn past(
    State(app): State<App>,
    Query(asked): Query<Asked>,
) -> Result<Json<Box<RawValue>>, Problem> {
    json::past(&app.node.terms.history, asked.handler.as_deref()).map(Json).map_err(unreadable)
}

/// How something is to be put in force.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct How {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    dry_run: bool,
    /// Of a component: the configuration that it comes with.
    configuration: Option<String>,
    /// Of a component: from which event on it reacts where it has not reacted to all.
    from: Option<String>,
    /// Of a rollback: the deployment whose version is to come back.
    to: Option<String>,
    /// Of a rollback: only if what this deployment put in force still is.
    of: Option<String>,
}

/// Puts the component in the body in force.
pub(crate) async fn deploy(
    State(app): State<App>,
    Query(how): Query<How>,
    Component(payload): Component,
) -> Result<Response, Problem> {
    how.is_without("to")?;
    how.is_without("of")?;
    let configuration = how.configuration.as_deref().map(configuration).transpose()?;
    let from = how.from.as_deref().map(start).transpose()?;
    carry_out(&app, What::Component { wasm: payload.bytes, configuration, from }, how).await
}

/// Puts the configuration in the body in force for the component that is.
pub(crate) async fn configure(
    State(app): State<App>,
    Path(handler): Path<String>,
    Query(how): Query<How>,
    payload: Payload,
) -> Result<Response, Problem> {
    how.is_without("to")?;
    how.is_without("of")?;
    how.is_without("configuration")?;
    how.is_without("from")?;
    let text = std::str::from_utf8(&payload.bytes);
    let text = text.map_err(|_| Problem::field("body", "is not UTF-8: send a JSON object"))?;
    let configuration = configuration(text).map_err(|problem| problem.with("field", "body"))?;
    carry_out(&app, What::Configuration { handler, configuration }, how).await
}

/// Brings back an earlier version.
pub(crate) async fn roll_back(
    State(app): State<App>,
    Path(handler): Path<String>,
    Query(how): Query<How>,
) -> Result<Response, Problem> {
    how.is_without("configuration")?;
    how.is_without("from")?;
    let to = how.to.as_deref().map(|to| number_of("to", to)).transpose()?;
    let of = how.of.as_deref().map(|of| number_of("of", of)).transpose()?;
    carry_out(&app, What::RollBack { handler, to, of }, how).await
}

async fn carry_out(app: &App, what: What, how: How) -> Result<Response, Problem> {
    let node = Arc::clone(&app.node);
    let principal = String::from_utf8_lossy(PRINCIPAL).into_owned();
    let order = Order { principal, reason: how.reason };
    let place = if matches!(what, What::RollBack { .. }) { "handler" } else { "body" };
    let done =
        if how.dry_run { node.would_deploy(what).await } else { node.deploy(what, order).await };
    let done = done.map_err(|error| problem(error, place))?;
    Ok(Json(told(&done)).into_response())
}

fn told(done: &Deployed) -> Value {
    let Deployed { spec, before, loose, stays, swap } = done;
    let stand_alone: Vec<Value> = loose
        .iter()
        .map(|(r#type, kind, what)| json!({ "type": r#type, "kind": kind, "what": what }))
        .collect();
    let us = |time: std::time::Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    json!({
        "handler": &*spec.name,
        "version": spec.manifest.version,
        "digest": spec.digest,
        "before": before.as_ref().map(|before| json!({ "version": before.version, "digest": before.digest })),
        "deployment": swap.map(|swap| swap.deployment),
        "stallUs": swap.map(|swap| us(swap.stall)),
        "gapUs": swap.map(|swap| us(swap.gap)),
        "spreadUs": swap.map(|swap| us(swap.spread)),
        "standAlone": stand_alone,
        "rollback": stays,
    })
}

/// From which event on a handler reacts.
fn start(text: &str) -> Result<StartFrom, Problem> {
    let problem = || Problem::field("from", format!("is `{text}`: it is `beginning` or `now`"));
    StartFrom::named(text).ok_or_else(problem)
}

fn configuration(text: &str) -> Result<Bytes, Problem> {
    let document = handlers::document(text);
    document
        .map_err(|error| Problem::field("configuration", format!("is no JSON object: {error:#}")))
}

impl How {
    /// What makes no sense here must not be given.
    fn is_without(&self, not: &'static str) -> Result<(), Problem> {
        let given = match not {
            "to" => self.to.is_some(),
            "of" => self.of.is_some(),
            "from" => self.from.is_some(),
            _ => self.configuration.is_some(),
        };
        if given { Err(Problem::field(not, "is not for this order: leave it out")) } else { Ok(()) }
    }
}

fn unknown(node: &Services, handler: &str) -> Problem {
    let now = node.in_force.now();
    let known: Vec<&str> = now.loaded.iter().map(|handler| &*handler.spec().name).collect();
    let detail = format!("there is no handler `{handler}`; there are {}", known.join(", "));
    Problem::new(404, detail).with("field", "handler")
}

fn unreadable(error: serde_json::Error) -> Problem {
    Problem::new(500, format!("the deployment cannot be shown: {error}"))
}

/// What a handler says of itself, indices resolved.
fn manifest(manifest: &Manifest) -> Value {
    let type_name = |index: &u32| &manifest.types[*index as usize];
    let kinds = |indices: &[u32]| -> Vec<Value> {
        let kind = |index: &u32| {
            let kind = &manifest.kinds[*index as usize];
            json!({ "kind": kind.name, "schema": kind.schema, "contentType": kind.content_type })
        };
        indices.iter().map(kind).collect()
    };
    let of = |all: &[zamu_core::guest::manifest::TypeKinds]| -> Vec<Value> {
        let entry = |of: &zamu_core::guest::manifest::TypeKinds| json!({ "type": type_name(&of.aggregate_type), "kinds": kinds(&of.kinds) });
        all.iter().map(entry).collect()
    };
    let owned = manifest.aggregates.iter().map(|owned| {
        json!({
            "type": type_name(&owned.aggregate_type),
            "commands": kinds(&owned.commands),
            "events": kinds(&owned.events),
        })
    });
    let tables = manifest.tables.iter().map(|table| {
        json!({
            "table": table.name,
            "type": type_name(&table.aggregate_type),
            "keyed": table.keyed,
            "reference": table.reference,
        })
    });
    json!({
        "aggregates": owned.collect::<Vec<_>>(),
        "reactsTo": of(&manifest.subscriptions),
        "sends": of(&manifest.sends),
        "projects": of(&manifest.projections),
        "tables": tables.collect::<Vec<_>>(),
        "looksUp": manifest.references,
        "stateSchemas": manifest.state_schemas,
        "metersItems": manifest.items,
    })
}

/// Why nothing was put in force. `place` is what named the version.
fn problem(error: DeployError, place: &'static str) -> Problem {
    let detail = error.to_string();
    let (status, field) = match error {
        DeployError::Unknown { .. } | DeployError::New { .. } => (404, "handler"),
        DeployError::NoDeployment { .. } => (404, "to"),
        DeployError::Overtaken { .. } => (409, "of"),
        DeployError::Succession(SuccessionError::Reaction { .. }) => (409, "from"),
        DeployError::Load(_) => (400, place),
        DeployError::Wiring(_) | DeployError::Succession(_) | DeployError::Same(_) => (409, place),
        DeployError::First(_) => (409, "handler"),
        DeployError::Busy | DeployError::Failed(_) => return Problem::busy(detail),
        // Nothing in the request is wrong, and another try does not help.
        DeployError::Kept(_) | DeployError::Unfinished(_) => return Problem::new(500, detail),
    };
    Problem::new(status, detail).with("field", field)
}

#[cfg(test)]
mod tests {
    use axum::http::header::RETRY_AFTER;

    use super::*;

    #[test]
    fn only_where_another_try_may_help_one_is_asked_to_come_again() {
        let broken = || anyhow::anyhow!("it broke");
        for (error, status, again) in [
            (DeployError::Busy, 503, true),
            (DeployError::Failed(broken()), 503, true),
            (DeployError::Kept(broken()), 500, false),
            (DeployError::Unfinished(7), 500, false),
            (DeployError::Same("h".to_owned()), 409, false),
        ] {
            let told = format!("{error:?}");
            let response = problem(error, "body").into_response();
            let says = (response.status().as_u16(), response.headers().contains_key(RETRY_AFTER));
            assert_eq!(says, (status, again), "{told}");
        }
    }
}
