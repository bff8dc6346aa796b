//! `GET /tables`: what there is to ask; `/tables/{table}/rows`: rows by key, and pages of them;
//! orders for projections.
//!
//! Every answer reads one snapshot, and says how far it has come and whether it is brought up to
//! date. `min-position` waits until the table has come as far as an earlier answer said.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};
use zamu_core::error::EngineError;
use zamu_core::model::{EventNumber, PartitionId, TypeId};
use zamu_core::projection::Stale;
use zamu_core::projection::catalogue::{alike, shape_of};
use zamu_core::projection::query::{self, Table};
use zamu_core::projection::set::OrderError;
use zamu_core::store::tables::{Scan, TableReader, TableStore};

use crate::http::params::{Path, Query};
use crate::http::position::{Position, demanded};
use crate::http::problem::Problem;
use crate::http::{App, waiting};
use crate::json::{self, Loose, Sources};
use crate::node::{DropError, Services};

/// All projections with their tables, and where they stand.
pub(crate) async fn list(State(app): State<App>) -> Result<Response, Problem> {
    let told = read(&app, |node, snapshot| json::tables(snapshot, node)).await?;
    Ok(Json(told).into_response())
}

/// What a client may ask of one row.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct OneRow {
    min_position: Option<String>,
}

/// One row.
pub(crate) async fn row(
    State(app): State<App>,
    Path((name, key)): Path<(String, String)>,
    Query(asked): Query<OneRow>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    reach(&app, &headers, &name, asked.min_position.as_deref()).await?;
    let told = read(&app, move |node, snapshot| {
        let Some(found) = Found::of(node, snapshot, &name)? else {
            return Ok(Err(no_table(&name)));
        };
        let bytes = Bytes::copy_from_slice(key.as_bytes());
        let Some(row) = found.table.row(snapshot, found.partitions, &bytes)? else {
            let detail = format!("there is no row `{key}` in table `{name}`");
            return Ok(Err(Problem::new(404, detail)
                .with("field", "key")
                .with("position", found.position(snapshot)?)
                .with("stale", found.stale(node, &key))));
        };
        let told = RowTold {
            table: &name,
            key: &key,
            value: Loose::of(&row),
            position: found.position(snapshot)?,
            stale: found.stale(node, &key),
        };
        Ok(Ok(Json(told).into_response()))
    });
    told.await?
}

#[derive(Serialize)]
struct RowTold<'a> {
    table: &'a str,
    key: &'a str,
    value: Loose<'a>,
    position: String,
    stale: Value,
}

/// What a client may ask of many rows.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ManyRows {
    prefix: Option<String>,
    after: Option<String>,
    limit: Option<String>,
    min_position: Option<String>,
}

/// A page of rows in the order of their keys.
pub(crate) async fn rows(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(asked): Query<ManyRows>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let limit = app.page(asked.limit.as_deref())?;
    let after = asked.after.as_deref().map(key_of_cursor).transpose()?;
    reach(&app, &headers, &name, asked.min_position.as_deref()).await?;
    let Ok(_permit) = app.gates.scans.acquire().await else {
        return Err(Problem::busy("the node is shutting down"));
    };
    let prefix = asked.prefix.unwrap_or_default();
    let told = read(&app, move |node, snapshot| {
        let Some(found) = Found::of(node, snapshot, &name)? else {
            return Ok(Err(no_table(&name)));
        };
        let scan = Scan { prefix: prefix.as_bytes(), after: after.as_deref() };
        let page = found.table.page(snapshot, found.partitions, scan, limit)?;
        let last = page.rows.last().filter(|_| page.more);
        let rows = page
            .rows
            .iter()
            .map(|(key, value)| RowIn { key: json::text(key), value: Loose::of(value) });
        let told = RowsTold {
            table: &name,
            rows: rows.collect(),
            next: last.map(|(key, _)| URL_SAFE_NO_PAD.encode(key)),
            position: found.position(snapshot)?,
            stale: found.all_stale(node),
        };
        Ok(Ok(Json(told).into_response()))
    });
    told.await?
}

#[derive(Serialize)]
struct RowsTold<'a> {
    table: &'a str,
    rows: Vec<RowIn<'a>>,
    next: Option<String>,
    position: String,
    stale: Value,
}

#[derive(Serialize)]
struct RowIn<'a> {
    key: std::borrow::Cow<'a, str>,
    value: Loose<'a>,
}

/// Begins to build a projection's tables anew.
pub(crate) async fn rebuild(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Problem> {
    let number = app.node.tables.rebuild(name).await??;
    Ok(Json(json!({ "generation": number })))
}

/// Has a projection that stopped try again.
pub(crate) async fn resume(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Problem> {
    let resumed = app.node.tables.resume(name).await??;
    Ok(Json(json!({ "resumed": resumed })))
}

/// Removes the tables of a projection that no handler makes any more.
pub(crate) async fn drop_orphaned(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Problem> {
    let node = std::sync::Arc::clone(&app.node);
    let dropped = spawn_blocking(move || node.tables.drop_orphaned(&name)).await;
    let dropped = dropped.map_err(|_| Problem::new(500, "dropping the tables failed"))??;
    let made = [&dropped.serving, &dropped.building].into_iter().flatten();
    let tables = dropped.serving.iter().flat_map(|serving| &serving.tables);
    Ok(Json(json!({
        "dropped": dropped.name,
        "tables": tables.map(|table| &table.name).collect::<Vec<_>>(),
        "generations": made.map(|generation| generation.number).collect::<Vec<_>>(),
    })))
}

impl From<DropError> for Problem {
    fn from(error: DropError) -> Self {
        match error {
            DropError::Made(_) => Self::new(409, error.to_string()).with("field", "name"),
            DropError::Unknown(_) => Self::new(404, error.to_string()).with("field", "name"),
            DropError::Engine(error) => error.into(),
        }
    }
}

impl From<OrderError> for Problem {
    fn from(error: OrderError) -> Self {
        match error {
            OrderError::Unknown(_) => Self::new(404, error.to_string()).with("field", "name"),
            OrderError::Engine(error) => error.into(),
        }
    }
}

/// Reads a snapshot of all tables.
async fn read<T: Send + 'static>(
    app: &App,
    look: impl FnOnce(&Services, &dyn TableReader) -> Result<T, EngineError> + Send + 'static,
) -> Result<T, Problem> {
    let node = std::sync::Arc::clone(&app.node);
    let looked = spawn_blocking(move || look(&node, &*node.tables.store.snapshot())).await;
    Ok(looked.map_err(|_| Problem::new(500, "reading the tables failed"))??)
}

/// The key in a cursor.
fn key_of_cursor(text: &str) -> Result<Vec<u8>, Problem> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| {
        Problem::field("after", "is no cursor: use `next` of the page before, or leave it out")
    })
}

fn no_table(name: &str) -> Problem {
    let detail = format!("there is no table `{name}`: `GET /tables` lists those that there are");
    Problem::new(404, detail).with("field", "table")
}

/// A table of a running node.
struct Found<'n> {
    table: Table,
    aggregate_type: TypeId,
    type_name: &'n str,
    partitions: u32,
    /// What another version of the handler has made, or one that is gone: it stays as it is.
    left_behind: Option<String>,
}

impl<'n> Found<'n> {
    fn of(
        node: &'n Services,
        tables: &dyn TableReader,
        name: &str,
    ) -> Result<Option<Self>, EngineError> {
        let made = |projection: &str| node.tables.makes(projection);
        let Some(table) = query::find(&query::catalogue(tables)?, name, made) else {
            return Ok(None);
        };
        let Some(aggregate_type) = node.types.named(table.aggregate_type()) else {
            return Ok(None);
        };
        let settings = node.types.settings(aggregate_type);
        let now = node.in_force.now();
        let handler = now.topology.handlers.iter().find(|h| *h.spec.name == *table.projection);
        let left_behind = match handler {
            None => Some(format!("handler `{}` is not configured any more", table.projection)),
            Some(handler) if !alike(&shape_of(handler, &now.topology), &table.generation) => {
                Some(format!(
                    "made with fold number {}, while tables for {} are built",
                    table.generation.fold, handler.spec.manifest.fold
                ))
            }
            Some(_) => None,
        };
        let (type_name, partitions) = (&*settings.name, settings.partitions);
        Ok(Some(Self { table, aggregate_type, type_name, partitions, left_behind }))
    }

    /// How far the rows have come.
    fn position(&self, tables: &dyn TableReader) -> Result<String, EngineError> {
        let next = self.table.positions(tables, self.partitions)?;
        let types = [(self.aggregate_type, self.type_name, self.partitions)];
        let of = |p: PartitionId| next.get(p.number as usize).copied().unwrap_or(0);
        Ok(Position::new(&types, of).to_string())
    }

    /// Whether the row with that key is brought up to date.
    fn stale(&self, node: &Services, key: &str) -> Value {
        let number = self.table.partition(self.partitions, key.as_bytes());
        number.and_then(|number| self.stale_in(node, number)).unwrap_or_default()
    }

    /// The partitions whose rows are not brought up to date; `null` if all are.
    fn all_stale(&self, node: &Services) -> Value {
        let stale: Vec<Value> =
            (0..self.partitions).filter_map(|number| self.stale_in(node, number)).collect();
        if stale.is_empty() { Value::Null } else { stale.into() }
    }

    fn stale_in(&self, node: &Services, number: u32) -> Option<Value> {
        let partition = PartitionId { aggregate_type: self.aggregate_type, number };
        let stale = node.tables.stale(&self.table.projection, true, partition);
        let reason = match (&self.left_behind, stale) {
            (Some(reason), _) => reason.clone(),
            (None, Some(Stale { event, reason })) => format!("stopped at event {event}: {reason}"),
            (None, None) => return None,
        };
        Some(json!({ "type": self.type_name, "partition": number, "reason": reason }))
    }
}

/// Waits until a table has come as far as is demanded.
async fn reach(
    app: &App,
    headers: &HeaderMap,
    name: &str,
    demand: Option<&str>,
) -> Result<(), Problem> {
    let Some(demand) = demand else { return Ok(()) };
    let wait = waiting::wanted(app, headers)?;
    let wait = wait.unwrap_or(std::time::Duration::from_millis(app.settings.wait_ms));
    let until = Instant::now() + wait;
    let Some(projection) = projection_of(app, name).await? else { return Err(no_table(name)) };
    // Heard from before the look, so that nothing is missed between the look and the wait.
    let mut news = app.node.tables.news(&projection);
    loop {
        news.mark_unchanged();
        let (name, demand) = (name.to_owned(), demand.to_owned());
        let missing = read(app, move |node, snapshot| {
            let Some(found) = Found::of(node, snapshot, &name)? else {
                return Ok(Err(no_table(&name)));
            };
            let demanded = match demanded(&demand, found.type_name, found.partitions) {
                Ok(demanded) => demanded,
                Err(problem) => return Ok(Err(Problem::field("min-position", problem))),
            };
            let reached = found.table.positions(snapshot, found.partitions)?;
            let missing = missing(&name, &found, &reached, &demanded);
            if missing.is_some() {
                node.tables.hurry(&found.table.projection);
            }
            Ok(Ok(missing))
        });
        let Some(problem) = missing.await?? else { return Ok(()) };
        match timeout_at(until, news.changed()).await {
            Ok(Ok(())) => {}
            _ => return Err(problem),
        }
    }
}

/// The projection that makes a table.
async fn projection_of(app: &App, name: &str) -> Result<Option<String>, Problem> {
    let name = name.to_owned();
    read(app, move |node, snapshot| {
        let made = |projection: &str| node.tables.makes(projection);
        Ok(query::find(&query::catalogue(snapshot)?, &name, made).map(|table| table.projection))
    })
    .await
}

/// What to say of a table that has not come as far as is demanded.
fn missing(
    name: &str,
    found: &Found<'_>,
    reached: &[EventNumber],
    demanded: &[EventNumber],
) -> Option<Problem> {
    let behind = reached.iter().zip(demanded).position(|(reached, demanded)| reached < demanded)?;
    let (reached, demanded) = (reached[behind], demanded[behind]);
    let detail = format!(
        "table `{name}` has come to event {reached} of {}/{behind}, and `min-position` asks for \
         {demanded}: try again",
        found.type_name
    );
    Some(Problem::busy(detail).with("reached", reached).with("demanded", demanded))
}

impl Sources for Services {
    fn partitions(&self, aggregate_type: &str) -> Option<u32> {
        let id = self.types.named(aggregate_type)?;
        Some(self.types.settings(id).partitions)
    }

    fn end(&self, aggregate_type: &str, number: u32) -> Result<u64, EngineError> {
        let Some(aggregate_type) = self.types.named(aggregate_type) else { return Ok(0) };
        Ok(self.reader.ends(PartitionId { aggregate_type, number })?.events)
    }

    fn makes(&self, projection: &str) -> bool {
        self.tables.makes(projection)
    }

    fn stale(&self, projection: &str, served: bool, place: (&str, u32)) -> Option<Stale> {
        let (name, number) = place;
        let aggregate_type = self.types.named(name)?;
        self.tables.stale(projection, served, PartitionId { aggregate_type, number })
    }
}
