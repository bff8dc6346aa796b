//! Dead letters: what could not be processed, listed, shown, and processed again.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use tokio::task::spawn_blocking;
use zamu_core::aggregate::decode;
use zamu_core::log::Limit;
use zamu_core::model::{Context, DeadLetterNumber, KindName, PartitionId, Request};
use zamu_core::proto::{self, DeadLetter, dead_letter::Subject};

use crate::http::App;
use crate::http::params::{Path, Query, number_of};
use crate::http::problem::Problem;
use crate::http::waiting::Place;
use crate::json;
use crate::node::Refusal;

/// What a client may ask of the list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    r#type: Option<String>,
    partition: Option<String>,
    all: Option<bool>,
    after: Option<String>,
    limit: Option<String>,
}

/// Open dead letters, or all, of all partitions or some, oldest first; after the one that `after`
/// names, if the page before ended there. An empty page is the end.
pub(crate) async fn list(
    State(app): State<App>,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let limit = app.page(asked.limit.as_deref())?;
    let after = asked.after.as_deref().map(|id| named(&app, id)).transpose()?;
    let mut found: Vec<Value> = Vec::new();
    for partition in partitions(&app, &asked)? {
        let first = match after {
            Some((last, _)) if partition < last => continue,
            Some((last, number)) if partition == last => number.saturating_add(1),
            _ => 1,
        };
        let open = open(&app, partition).await?;
        let room = limit - found.len();
        let letters = if asked.all == Some(true) {
            let page = Limit { records: room, bytes: usize::MAX };
            app.node.reader.dead_letters(partition, first, page)?
        } else {
            let numbers = open.range(first..).take(room);
            let read = numbers
                .map(|number| Ok((*number, app.node.reader.dead_letter(partition, *number)?)));
            let read: Vec<_> = read.collect::<Result<_, Problem>>()?;
            read.into_iter().filter_map(|(number, bytes)| Some((number, bytes?))).collect()
        };
        for (number, bytes) in letters {
            let letter = letter(number, &bytes)?;
            found.push(shown(&app, partition, letter, open.contains(&number)).await?);
        }
        if found.len() >= limit {
            break;
        }
    }
    Ok(Json(found).into_response())
}

/// One dead letter.
pub(crate) async fn show(
    State(app): State<App>,
    Path((r#type, partition, number)): Path<(String, String, String)>,
) -> Result<Response, Problem> {
    let partition = app.partition(&r#type, &partition)?;
    let number = number_of("number", &number)?;
    let letter = read(&app, partition, number)?;
    let open = open(&app, partition).await?.contains(&number);
    Ok(Json(shown(&app, partition, letter, open).await?).into_response())
}

/// Has one open dead letter processed again.
pub(crate) async fn redrive(
    State(app): State<App>,
    Path((r#type, partition, number)): Path<(String, String, String)>,
) -> Result<Response, Problem> {
    let partition = app.partition(&r#type, &partition)?;
    let number = number_of("number", &number)?;
    let letter = read(&app, partition, number)?;
    if !open(&app, partition).await?.contains(&number) {
        let detail = format!("dead letter {number} is closed: a redrive has processed it");
        return Err(Problem::new(409, detail).with("field", "number"));
    }
    let places = append(&app, partition, &[letter]).await?;
    let place = &places[0];
    let location = place["location"].as_str().unwrap_or_default().to_owned();
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(place)).into_response())
}

/// Has all open dead letters of a partition processed again, in their old order.
pub(crate) async fn redrive_all(
    State(app): State<App>,
    Path((r#type, partition)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let partition = app.partition(&r#type, &partition)?;
    let numbers = open(&app, partition).await?;
    let letters: Vec<DeadLetter> =
        numbers.iter().map(|number| read(&app, partition, *number)).collect::<Result<_, _>>()?;
    let places =
        if letters.is_empty() { Vec::new() } else { append(&app, partition, &letters).await? };
    Ok((StatusCode::ACCEPTED, Json(places)).into_response())
}

fn partitions(app: &App, asked: &Asked) -> Result<Vec<PartitionId>, Problem> {
    let all = app.node.types.partitions();
    match (&asked.r#type, &asked.partition) {
        (Some(name), Some(number)) => Ok(vec![app.partition(name, number)?]),
        (Some(name), None) => {
            let id = app.type_named(name)?;
            Ok(all.filter(|partition| partition.aggregate_type == id).collect())
        }
        (None, None) => Ok(all.collect()),
        (None, Some(_)) => Err(Problem::field("partition", "is given without `type`: give both")),
    }
}

/// The dead letter with an id as the list shows it; there need not be one.
fn named(app: &App, id: &str) -> Result<(PartitionId, DeadLetterNumber), Problem> {
    let read = || {
        let (place, number) = id.rsplit_once('/')?;
        let (name, partition) = place.rsplit_once('/')?;
        Some((app.partition(name, partition).ok()?, number.parse().ok()?))
    };
    read().ok_or_else(|| {
        Problem::field(
            "after",
            format!("is `{id}`: use the `id` of the last one of the page before"),
        )
    })
}

async fn open(app: &App, partition: PartitionId) -> Result<BTreeSet<DeadLetterNumber>, Problem> {
    let ask = move |shard: &mut zamu_core::shard::Shard| shard.open_dead_letters(partition);
    Ok(app.node.shards.ask(partition, ask).await?.unwrap_or_default().into_iter().collect())
}

fn read(
    app: &App,
    partition: PartitionId,
    number: DeadLetterNumber,
) -> Result<DeadLetter, Problem> {
    let bytes = app.node.reader.dead_letter(partition, number)?.ok_or_else(|| {
        let name = app.node.terms.type_name(partition.aggregate_type);
        let detail = format!("partition {name}/{} has no dead letter {number}", partition.number);
        Problem::new(404, detail).with("field", "number")
    })?;
    letter(number, &bytes)
}

fn letter(number: DeadLetterNumber, bytes: &Bytes) -> Result<DeadLetter, Problem> {
    decode(bytes).map_err(|error| Problem::new(500, format!("dead letter {number}: {error}")))
}

/// A handler may be asked for it, and take its time.
async fn shown(
    app: &App,
    partition: PartitionId,
    letter: DeadLetter,
    open: bool,
) -> Result<Value, Problem> {
    let asking = app.clone();
    let letter = spawn_blocking(move || for_people(&asking, partition, letter)).await;
    let letter = letter.map_err(|_| Problem::new(500, "showing the dead letter failed"))?;
    let told = json::dead_letter(&letter, open, partition, &app.node.terms);
    serde_json::to_value(told).map_err(|error| Problem::new(500, error.to_string()))
}

/// With the body as its handler shows it.
fn for_people(app: &App, partition: PartitionId, mut letter: DeadLetter) -> DeadLetter {
    let (kind, body) = match &mut letter.subject {
        Some(Subject::Request(dead)) => (&dead.kind, &mut dead.body),
        Some(Subject::Command(dead)) => (&dead.kind, &mut dead.body),
        Some(Subject::Event(_)) | None => return letter,
    };
    let kind = Arc::new(kind.clone().map(named_kind).unwrap_or_default());
    if let Some(shown) = app.node.show_body(partition.aggregate_type, &kind, body) {
        *body = shown;
    }
    letter
}

fn named_kind(proto::Kind { name, schema, content_type }: proto::Kind) -> KindName {
    KindName { name, schema, content_type }
}

async fn append(
    app: &App,
    partition: PartitionId,
    letters: &[DeadLetter],
) -> Result<Vec<Value>, Problem> {
    app.node.entrance.check(partition)?;
    let requests: Vec<Request> = letters.iter().map(request).collect();
    let keys: Vec<Bytes> = requests.iter().map(|request| request.key.clone()).collect();
    let appended = app.node.entrance.append(partition, requests).await;
    let first = appended.map_err(|_| Refusal::Failed("it has stopped".to_owned()))??.first;
    let r#type = app.node.terms.type_name(partition.aggregate_type);
    let place = |(key, offset): (&Bytes, u64)| {
        let key = json::text(key);
        let place = Place { r#type, key: &key, partition: partition.number, offset };
        serde_json::json!({
            "type": place.r#type,
            "key": place.key,
            "partition": place.partition,
            "offset": place.offset,
            "location": place.location(),
        })
    };
    Ok(keys.iter().zip(first..).map(place).collect())
}

/// The record that names a dead letter. Everything else in it is for people.
fn request(letter: &DeadLetter) -> Request {
    let mut request = Request {
        key: Bytes::new(),
        kind: Arc::new(KindName::default()),
        source: Bytes::from_static(b"redrive"),
        id: letter.number.to_string().into(),
        context: Arc::new(Context::default()),
        redrive: Some(letter.number),
        wake: None,
        body: Bytes::new(),
    };
    let (key, kind, context) = match &letter.subject {
        Some(Subject::Request(dead)) => {
            request.source = dead.source.clone();
            request.id = dead.id.clone();
            (&dead.key, &dead.kind, [&dead.correlation, &dead.principal, &dead.trace_parent])
        }
        Some(Subject::Command(dead)) => {
            (&dead.key, &dead.kind, [&dead.correlation, &dead.principal, &dead.trace_parent])
        }
        Some(Subject::Event(_)) | None => return request,
    };
    request.key = key.clone();
    if let Some(kind) = kind {
        request.kind = Arc::new(named_kind(kind.clone()));
    }
    let [correlation, principal, trace_parent] = context.map(Bytes::clone);
    request.context = Arc::new(Context { correlation, principal, trace_parent });
    request
}
