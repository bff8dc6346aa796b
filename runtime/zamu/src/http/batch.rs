//! `POST /commands`: a list of commands, in CloudEvents' JSON batch format. Checked as a whole before
//! anything is appended.

use std::borrow::Cow;
use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::Instant;
use zamu_core::model::{Offset, PartitionId};

use crate::http::App;
use crate::http::gate::{self, Payload};
use crate::http::problem::Problem;
use crate::http::record::{self, Checked, JSON, Names, Said};
use crate::http::waiting::{self, Place};
use crate::node::{Answer, Refusal};

const NAMES: Names = Names {
    spec_version: "specversion",
    aggregate_type: "aggregatetype",
    key: "subject",
    id: "id",
    source: "source",
    kind: "type",
    schema: "dataschema",
    content_type: "datacontenttype",
    correlation: "correlationid",
    trace_parent: "traceparent",
};

/// The media type of a list.
const BATCH: &str = "application/cloudevents-batch+json";

/// One command of the list. Attributes that are not known are extensions, and not ours.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry<'a> {
    #[serde(borrow)]
    specversion: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    source: Cow<'a, str>,
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    #[serde(borrow)]
    aggregatetype: Cow<'a, str>,
    #[serde(borrow)]
    subject: Cow<'a, str>,
    #[serde(borrow)]
    dataschema: Cow<'a, str>,
    #[serde(borrow)]
    datacontenttype: Cow<'a, str>,
    #[serde(borrow)]
    correlationid: Cow<'a, str>,
    #[serde(borrow)]
    traceparent: Cow<'a, str>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    data_base64: Cow<'a, str>,
}

/// Commands of one partition, in the order of the list.
struct Group<'a> {
    commands: Vec<Checked<'a>>,
    /// Where each stands in the list.
    indices: Vec<usize>,
}

/// Takes a list of commands.
pub(crate) async fn post(
    State(app): State<App>,
    headers: HeaderMap,
    payload: Payload,
) -> Result<Response, Problem> {
    check_media_type(&headers)?;
    let wait = waiting::wanted(&app, &headers)?;
    let until = wait.map(|wait| Instant::now() + wait);
    let entries = entries(&payload.bytes)?;
    let count = entries.len();
    let max = app.settings.commands_max;
    if count > max {
        let detail = format!("the list has {count} commands: at most {max} are taken at once");
        return Err(Problem::new(413, detail).with("field", "body"));
    }
    let groups = groups(&app, entries)?;
    let partitions: Vec<PartitionId> = groups.keys().copied().collect();
    gate::room(&app, &partitions).await?;
    let firsts = append(&app, &groups).await?;
    let places = places(&app, &groups, &firsts, count);
    let Some(until) = until else {
        return Ok(waiting::json_bytes(StatusCode::ACCEPTED, written(&places)?));
    };
    let mut answers: Vec<Option<Answer>> = vec![None; count];
    let waits = groups.iter().zip(&firsts).map(|((partition, group), first)| {
        let offsets = *first..*first + group.commands.len() as u64;
        waiting::answers(&app, *partition, offsets, until)
    });
    for (group, of_group) in groups.values().zip(join_all(waits).await) {
        for (index, answer) in group.indices.iter().zip(of_group?) {
            answers[*index] = answer;
        }
    }
    Ok(waiting::json_bytes(StatusCode::OK, told(&app, &places, &answers)?))
}

fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let said = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let said = said.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if said.eq_ignore_ascii_case(BATCH) || said.eq_ignore_ascii_case(JSON) {
        return Ok(());
    }
    let detail = format!("`content-type` is `{said}`: a list of commands is {BATCH}");
    Err(Problem::new(415, detail).with("field", "content-type"))
}

fn entries(body: &[u8]) -> Result<Vec<Entry<'_>>, Problem> {
    serde_json::from_slice(body).map_err(|error| culprit(body, &error))
}

/// Looks for the entry and the field that could not be read.
fn culprit(body: &[u8], error: &serde_json::Error) -> Problem {
    let Ok(entries) = serde_json::from_slice::<Vec<&RawValue>>(body) else {
        return Problem::field("body", format!("is not a JSON list of commands: {error}"));
    };
    for (index, entry) in entries.iter().enumerate() {
        let mut reader = serde_json::Deserializer::from_str(entry.get());
        if let Err(error) = serde_path_to_error::deserialize::<_, Entry<'_>>(&mut reader) {
            let field = match error.path().to_string() {
                path if path == "." => format!("[{index}]"),
                path => format!("[{index}].{path}"),
            };
            return Problem::field(field, format!("is not as it must be: {}", error.inner()))
                .with("index", index);
        }
    }
    Problem::field("body", format!("is not a JSON list of commands: {error}"))
}

fn groups<'a>(
    app: &App,
    entries: Vec<Entry<'a>>,
) -> Result<BTreeMap<PartitionId, Group<'a>>, Problem> {
    let mut groups: BTreeMap<PartitionId, Group<'_>> = BTreeMap::new();
    let now = app.node.in_force.now();
    for (index, entry) in entries.into_iter().enumerate() {
        let said = said(entry, index)?;
        let checked = record::check(said, Some(index), &NAMES, &app.node.types, &now.kinds)?;
        let group = groups
            .entry(checked.partition)
            .or_insert_with(|| Group { commands: Vec::new(), indices: Vec::new() });
        group.indices.push(index);
        group.commands.push(checked);
    }
    Ok(groups)
}

fn said(entry: Entry<'_>, index: usize) -> Result<Said<'_>, Problem> {
    let body = match entry.data {
        Some(data) if entry.data_base64.is_empty() => Cow::Borrowed(data.get().as_bytes()),
        None if entry.data_base64.is_empty() => Cow::Borrowed(&b""[..]),
        None => Cow::Owned(STANDARD.decode(&*entry.data_base64).map_err(|error| {
            Problem::field(format!("[{index}].data_base64"), format!("is no base64: {error}"))
                .with("index", index)
        })?),
        Some(_) => {
            let problem = "stands beside `data`: send one of them";
            let field = format!("[{index}].data_base64");
            return Err(Problem::field(field, problem).with("index", index));
        }
    };
    // JSON data is JSON, whatever else is not said.
    let is_json = entry.datacontenttype.is_empty() && entry.data.is_some();
    let content_type = if is_json { Cow::Borrowed(JSON) } else { entry.datacontenttype };
    Ok(Said {
        spec_version: entry.specversion,
        aggregate_type: entry.aggregatetype,
        key: entry.subject,
        id: entry.id,
        source: entry.source,
        kind: entry.r#type,
        schema: entry.dataschema,
        content_type,
        correlation: entry.correlationid,
        trace_parent: entry.traceparent,
        body,
    })
}

/// Appends all groups at once and waits until the last is durable: first offsets, in their order.
async fn append(
    app: &App,
    groups: &BTreeMap<PartitionId, Group<'_>>,
) -> Result<Vec<Offset>, Problem> {
    let appends: Vec<_> = groups
        .iter()
        .map(|(partition, group)| {
            app.node.entrance.append(*partition, record::requests(&group.commands))
        })
        .collect();
    let mut firsts = Vec::with_capacity(appends.len());
    let mut refused = None;
    for append in appends {
        match append.await.unwrap_or_else(|_| Err(Refusal::Failed("it has stopped".to_owned()))) {
            Ok(appended) => firsts.push(appended.first),
            Err(refusal) => refused = Some(refusal),
        }
    }
    match refused {
        None => Ok(firsts),
        // What was appended is found again by its ids.
        Some(refusal) if firsts.is_empty() => Err(refusal.into()),
        Some(refusal) => Err(Problem::busy(format!(
            "{refusal}; some of the list was taken: send all of it again with the same ids"
        ))),
    }
}

/// Where each command of the list stands.
fn places<'a>(
    app: &'a App,
    groups: &'a BTreeMap<PartitionId, Group<'_>>,
    firsts: &[Offset],
    count: usize,
) -> Vec<(PartitionId, Place<'a>)> {
    let mut places: Vec<Option<(PartitionId, Place<'a>)>> = vec![None; count];
    for ((partition, group), first) in groups.iter().zip(firsts) {
        let r#type = app.node.terms.type_name(partition.aggregate_type);
        for ((index, command), offset) in group.indices.iter().zip(&group.commands).zip(*first..) {
            let key = &command.said.key;
            let place = Place { r#type, key, partition: partition.number, offset };
            places[*index] = Some((*partition, place));
        }
    }
    // Every command is in exactly one group.
    places.into_iter().flatten().collect()
}

fn written(places: &[(PartitionId, Place<'_>)]) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::with_capacity(80 * places.len() + 2);
    list(&mut bytes, places, |bytes, (_, place)| serde_json::to_writer(bytes, place))?;
    Ok(bytes)
}

fn told(
    app: &App,
    places: &[(PartitionId, Place<'_>)],
    answers: &[Option<Answer>],
) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::with_capacity(200 * places.len() + 2);
    let pairs: Vec<_> = places.iter().zip(answers).collect();
    list(&mut bytes, &pairs, |bytes, ((partition, place), answer)| match answer {
        Some(answer) => {
            let told = waiting::told(app, answer, *partition);
            serde_json::to_writer(bytes, &told)
        }
        None => serde_json::to_writer(bytes, &waiting::pending_entry(place)),
    })?;
    Ok(bytes)
}

fn list<T>(
    bytes: &mut Vec<u8>,
    entries: &[T],
    mut write: impl FnMut(&mut Vec<u8>, &T) -> serde_json::Result<()>,
) -> Result<(), Problem> {
    bytes.push(b'[');
    for (index, entry) in entries.iter().enumerate() {
        if index > 0 {
            bytes.push(b',');
        }
        write(bytes, entry).map_err(|error| Problem::new(500, error.to_string()))?;
    }
    bytes.push(b']');
    Ok(())
}
