//! Deployments: which versions of handlers are in force, and which were.

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use zamu_core::model::DeploymentNumber;
use zamu_core::proto::{self, DeployedHandler};
use zamu_core::shard::PartitionView;

use crate::handlers::History;
use crate::json::{Loose, Terms};

/// The deployment in force.
#[derive(Debug, Serialize)]
struct InForce<'a> {
    /// Its number; 0 if there was none yet.
    pub deployment: DeploymentNumber,
    /// Its handlers, by name.
    pub handlers: Vec<Version<'a>>,
}

/// A handler as a deployment has it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Version<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its semantic version.
    pub version: &'a str,
    /// SHA-256 of its component.
    pub digest: &'a str,
    /// What its component may import: `pure` or `std`.
    pub class: &'a str,
    /// Its fold number.
    pub fold: u32,
    /// The deployment that put this version in force.
    pub since: DeploymentNumber,
    /// The deployment whose version a rollback brings back; `null` where there is none.
    pub previous: Option<DeploymentNumber>,
    /// Whether the configuration file had something else at the last start.
    pub differs_from_file: bool,
    /// From which event on it reacts where it has not reacted to all: `beginning` or `now`; `null` if
    /// that was never said.
    pub from: Option<&'a str>,
    /// The configuration that it gets.
    pub configuration: Loose<'a>,
}

/// An event handler that has not reacted to all events of a partition.
#[derive(Debug, Serialize)]
struct Behind<'a> {
    /// The handler.
    pub handler: &'a str,
    /// The type of the events.
    pub r#type: &'a str,
    /// The partition.
    pub partition: u32,
    /// The number of the next event that it reacts to.
    pub next: u64,
    /// The number that the next event of the partition will get.
    pub end: u64,
    /// Why it does not go on, if it does not.
    pub held: Option<&'a str>,
}

/// A deployment of the past, and what it changed.
#[derive(Debug, Serialize)]
struct Past<'a> {
    /// Its number.
    pub deployment: DeploymentNumber,
    /// When, in milliseconds since 1970.
    pub time: u64,
    /// Who asked for it: nobody at a start, `zamu` where the host has rolled back by itself.
    pub principal: &'a str,
    /// Why.
    pub reason: &'a str,
    /// What it changed.
    pub changes: Vec<Change<'a>>,
}

/// What a deployment changed of a handler.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Change<'a> {
    /// The handler.
    pub handler: &'a str,
    /// The version that came; `null` if the handler went.
    pub version: Option<&'a str>,
    /// Its digest.
    pub digest: Option<&'a str>,
    /// The version that went; `null` if the handler came.
    pub before: Option<&'a str>,
    /// Its digest.
    pub digest_before: Option<&'a str>,
    /// The configuration that came, if it is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub configuration: Option<Loose<'a>>,
}

/// A handler as a deployment has it.
#[must_use]
pub fn version(handler: &DeployedHandler) -> Version<'_> {
    Version {
        name: &handler.name,
        version: &handler.version,
        digest: &handler.digest,
        class: &handler.class,
        fold: handler.fold,
        since: handler.since,
        previous: Some(handler.previous).filter(|number| *number > 0),
        differs_from_file: handler.file.is_some(),
        from: Some(&*handler.from).filter(|from| !from.is_empty()),
        configuration: Loose::of(&handler.configuration),
    }
}

/// The deployment of that number as the one in force, as JSON.
///
/// # Errors
/// Never, in effect: when a text is no JSON.
pub fn in_force(
    history: &History,
    deployment: DeploymentNumber,
) -> serde_json::Result<Box<RawValue>> {
    let of = history.deployment(deployment).unwrap_or_default();
    let handlers = of.handlers.iter().map(version).collect();
    serde_json::value::to_raw_value(&InForce { deployment, handlers })
}

/// The event handlers that have not reacted to all events, by partition.
#[must_use]
pub fn behind(terms: &Terms, views: &[PartitionView]) -> Value {
    let of = |view: &PartitionView| -> Vec<Value> {
        let told = view.behind.iter().map(|behind| {
            let told = Behind {
                handler: &behind.handler,
                r#type: terms.type_name(view.partition.aggregate_type),
                partition: view.partition.number,
                next: behind.next,
                end: view.events_next,
                held: behind.held.as_deref(),
            };
            json!(told)
        });
        told.collect()
    };
    views.iter().flat_map(of).collect()
}

/// All deployments that changed something (of one handler, if it is named), newest first, as JSON.
///
/// # Errors
/// As [`in_force`].
pub fn past(history: &History, handler: Option<&str>) -> serde_json::Result<Box<RawValue>> {
    let all = history.deployments();
    let nothing = proto::Deployment::default();
    let befores = std::iter::once(&nothing).chain(all.iter().map(|(_, deployment)| &**deployment));
    let mut told: Vec<Past<'_>> = all
        .iter()
        .zip(befores)
        .map(|((number, deployment), before)| Past {
            deployment: *number,
            time: deployment.time,
            principal: &deployment.principal,
            reason: &deployment.reason,
            changes: changes(before, deployment, handler),
        })
        .filter(|past| !past.changes.is_empty())
        .collect();
    told.reverse();
    serde_json::value::to_raw_value(&told)
}

fn changes<'a>(
    before: &'a proto::Deployment,
    after: &'a proto::Deployment,
    only: Option<&str>,
) -> Vec<Change<'a>> {
    let find = |of: &'a proto::Deployment, name: &str| {
        of.handlers.iter().find(|handler| handler.name == name)
    };
    let gone = before.handlers.iter().filter(|handler| find(after, &handler.name).is_none());
    let names = after.handlers.iter().chain(gone).map(|handler| handler.name.as_str());
    names
        .filter(|name| only.is_none_or(|only| only == *name))
        .filter_map(|name| {
            let (old, new) = (find(before, name), find(after, name));
            let essence = |of: Option<&'a DeployedHandler>| {
                of.map(|handler| (&handler.digest, &handler.configuration))
            };
            if essence(old) == essence(new) {
                return None;
            }
            let configured = |of: Option<&'a DeployedHandler>| {
                of.map(|handler| &*handler.configuration).unwrap_or_default()
            };
            let other = configured(old) != configured(new);
            Some(Change {
                handler: name,
                version: new.map(|handler| &*handler.version),
                digest: new.map(|handler| &*handler.digest),
                before: old.map(|handler| &*handler.version),
                digest_before: old.map(|handler| &*handler.digest),
                configuration: other.then(|| Loose::of(configured(new))),
            })
        })
        .collect()
}
