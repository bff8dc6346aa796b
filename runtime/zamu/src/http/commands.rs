//! `POST /aggregates/{type}/{key}/commands`: one command, in CloudEvents' binary mode.

use std::borrow::Cow;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use tokio::time::Instant;

use crate::http::App;
use crate::http::gate::{self, Payload};
use crate::http::params::Path;
use crate::http::problem::Problem;
use crate::http::record::{self, Names, Said};
use crate::http::waiting::{self, Place};
use crate::node::Refusal;

const NAMES: Names = Names {
    spec_version: "ce-specversion",
    aggregate_type: "type",
    key: "key",
    id: "ce-id",
    source: "ce-source",
    kind: "ce-type",
    schema: "ce-dataschema",
    content_type: "content-type",
    correlation: "ce-correlationid",
    trace_parent: "traceparent",
};

/// Takes one command.
pub(crate) async fn post(
    State(app): State<App>,
    Path((r#type, key)): Path<(String, String)>,
    headers: HeaderMap,
    payload: Payload,
) -> Result<Response, Problem> {
    app.type_named(&r#type)?;
    let wait = waiting::wanted(&app, &headers)?;
    let until = wait.map(|wait| Instant::now() + wait);
    let said = said(&r#type, &key, &headers, &payload.bytes)?;
    let kinds = &app.node.in_force.now().kinds;
    let checked = record::check(said, None, &NAMES, &app.node.types, kinds)?;
    let partition = checked.partition;
    gate::room(&app, &[partition]).await?;
    let requests = record::requests(std::slice::from_ref(&checked));
    let appended = app.node.entrance.append(partition, requests).await;
    let offset = appended.map_err(|_| Refusal::Failed("it has stopped".to_owned()))??.first;
    let place = Place { r#type: &r#type, key: &key, partition: partition.number, offset };
    let Some(until) = until else { return Ok(waiting::pending(&place)) };
    let answers = waiting::answers(&app, partition, offset..offset + 1, until).await?;
    let answer = answers.first().and_then(Option::as_ref);
    Ok(waiting::one(answer, &place, partition, &app))
}

fn said<'a>(
    r#type: &'a str,
    key: &'a str,
    headers: &'a HeaderMap,
    body: &'a [u8],
) -> Result<Said<'a>, Problem> {
    let get = |name: &'static str| attribute(headers, name);
    let content_type = get(NAMES.content_type)?;
    let content_type =
        if content_type.is_empty() { Cow::Borrowed(record::JSON) } else { content_type };
    Ok(Said {
        spec_version: get(NAMES.spec_version)?,
        aggregate_type: Cow::Borrowed(r#type),
        key: Cow::Borrowed(key),
        id: get(NAMES.id)?,
        source: get(NAMES.source)?,
        kind: get(NAMES.kind)?,
        schema: get(NAMES.schema)?,
        content_type,
        correlation: get(NAMES.correlation)?,
        trace_parent: get(NAMES.trace_parent)?,
        body: Cow::Borrowed(body),
    })
}

/// A header, percent-decoded as CloudEvents wants it; empty if it is absent.
fn attribute<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Cow<'a, str>, Problem> {
    let Some(value) = headers.get(name) else { return Ok(Cow::Borrowed("")) };
    let text = std::str::from_utf8(value.as_bytes())
        .map_err(|_| Problem::field(name, "is not UTF-8: percent-encode it"))?;
    if !name.starts_with("ce-") || !text.contains('%') {
        return Ok(Cow::Borrowed(text));
    }
    decode(text).map(Cow::Owned).ok_or_else(|| {
        Problem::field(name, format!("is `{text}`, which is no percent-encoded UTF-8 text"))
    })
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let byte = digit(digits[0])? * 16 + digit(digits[1])?;
        bytes.push(u8::try_from(byte).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn attributes_are_percent_decoded() {
        for (text, decoded) in [
            ("a%20b", Some("a b")),
            ("%C3%bc%25", Some("ü%")),
            ("%", None),
            ("%2", None),
            ("%zz", None),
            ("%ff", None),
        ] {
            assert_eq!(decode(text).as_deref(), decoded, "{text}");
        }
    }
}
