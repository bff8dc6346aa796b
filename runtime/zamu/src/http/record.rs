//! From what a client sent of a command to a request for the log. Pure: nothing is read or written.
//!
//! Attributes are those of CloudEvents 1.0 plus `correlationid`; the body is passed on byte for byte.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use zamu_core::model::{Context, HOST_SOURCE, Kind, PartitionId, Request, TypeId};
use zamu_core::topology::Types;

use crate::http::problem::Problem;
use crate::node::{Kinds, UnknownKind};

/// Bytes of a key, id, source or correlation at most. They stand in every record of a process.
pub(crate) const TEXT_BYTES_MAX: usize = 1_024;
/// Who asks, as long as nobody is authenticated.
pub(crate) const PRINCIPAL: &[u8] = b"anonymous";
/// The content type of a body that does not say.
pub(crate) const JSON: &str = "application/json";

/// What a client said of a command. Absent attributes are empty.
#[derive(Debug, Default)]
pub(crate) struct Said<'a> {
    pub(crate) spec_version: Cow<'a, str>,
    pub(crate) aggregate_type: Cow<'a, str>,
    pub(crate) key: Cow<'a, str>,
    pub(crate) id: Cow<'a, str>,
    pub(crate) source: Cow<'a, str>,
    pub(crate) kind: Cow<'a, str>,
    pub(crate) schema: Cow<'a, str>,
    pub(crate) content_type: Cow<'a, str>,
    pub(crate) correlation: Cow<'a, str>,
    pub(crate) trace_parent: Cow<'a, str>,
    pub(crate) body: Cow<'a, [u8]>,
}

/// What each attribute is called by the client, for errors.
pub(crate) struct Names {
    pub(crate) spec_version: &'static str,
    pub(crate) aggregate_type: &'static str,
    pub(crate) key: &'static str,
    pub(crate) id: &'static str,
    pub(crate) source: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) schema: &'static str,
    pub(crate) content_type: &'static str,
    pub(crate) correlation: &'static str,
    pub(crate) trace_parent: &'static str,
}

/// A command that may be appended.
#[derive(Debug)]
pub(crate) struct Checked<'a> {
    pub(crate) partition: PartitionId,
    pub(crate) said: Said<'a>,
    kind: Kind,
}

/// Which command of a list, for errors.
pub(crate) type Index = Option<usize>;

/// Checks everything that can be known without the aggregate.
pub(crate) fn check<'a>(
    said: Said<'a>,
    index: Index,
    names: &Names,
    types: &Types,
    kinds: &Kinds,
) -> Result<Checked<'a>, Problem> {
    let bad = |field: &'static str, problem: String| Err(at(index, field, &problem));
    if !said.spec_version.is_empty() && said.spec_version != "1.0" {
        return bad(names.spec_version, format!("is `{}`: only 1.0 is known", said.spec_version));
    }
    for (field, text) in [
        (names.aggregate_type, &said.aggregate_type),
        (names.key, &said.key),
        (names.id, &said.id),
        (names.source, &said.source),
        (names.kind, &said.kind),
    ] {
        if text.is_empty() {
            return bad(field, "is missing or empty: every command needs one".to_owned());
        }
    }
    if said.source == HOST_SOURCE {
        let problem =
            format!("is `{HOST_SOURCE}`, which marks the host's own commands: take another");
        return bad(names.source, problem);
    }
    for (field, text) in [
        (names.key, &said.key),
        (names.id, &said.id),
        (names.source, &said.source),
        (names.correlation, &said.correlation),
        (names.trace_parent, &said.trace_parent),
    ] {
        if text.len() > TEXT_BYTES_MAX {
            let length = text.len();
            return bad(field, format!("has {length} bytes: at most {TEXT_BYTES_MAX} are allowed"));
        }
    }
    let Some(aggregate_type) = types.named(&said.aggregate_type) else {
        let known: Vec<&str> = types.iter().map(|t| &*t.name).collect();
        let problem = format!("is `{}`; there are {}", said.aggregate_type, known.join(", "));
        return bad(names.aggregate_type, problem);
    };
    let kind = kind(&said, aggregate_type, index, names, kinds)?;
    let partition = types.partition(aggregate_type, said.key.as_bytes());
    Ok(Checked { partition, said, kind })
}

fn kind(
    said: &Said<'_>,
    aggregate_type: TypeId,
    index: Index,
    names: &Names,
    kinds: &Kinds,
) -> Result<Kind, Problem> {
    let media_type = said.content_type.split(';').next().unwrap_or_default().trim();
    let found = kinds.find(aggregate_type, &said.kind, &said.schema, media_type);
    let (field, value, what, known) = match found {
        Ok(kind) => return Ok(Arc::clone(kind)),
        Err(UnknownKind::Name(known)) => (names.kind, &*said.kind, "a command", known),
        Err(UnknownKind::Schema(known)) => (names.schema, &*said.schema, "a schema", known),
        Err(UnknownKind::ContentType(known)) => (names.content_type, media_type, "a form", known),
    };
    let handler_takes = known.join(", ");
    let problem = format!("is `{value}`, {what} that no handler takes; taken: {handler_takes}");
    Err(at(index, field, &problem))
}

fn at(index: Index, field: &str, problem: &str) -> Problem {
    match index {
        None => Problem::field(field, problem),
        Some(index) => Problem::field(format!("[{index}].{field}"), problem).with("index", index),
    }
}

/// Requests for one partition, in order. Their texts and bodies share one allocation, so that
/// keeping one of them never keeps the whole body of a call.
pub(crate) fn requests(commands: &[Checked<'_>]) -> Vec<Request> {
    let bytes: usize = commands.iter().map(|command| room(&command.said)).sum();
    let mut arena = BytesMut::with_capacity(bytes);
    for Checked { said, .. } in commands {
        arena.extend_from_slice(said.key.as_bytes());
        arena.extend_from_slice(said.source.as_bytes());
        arena.extend_from_slice(said.id.as_bytes());
        if said.correlation.is_empty() {
            arena.extend_from_slice(said.source.as_bytes());
            arena.extend_from_slice(b"/");
            arena.extend_from_slice(said.id.as_bytes());
        } else {
            arena.extend_from_slice(said.correlation.as_bytes());
        }
        arena.extend_from_slice(said.trace_parent.as_bytes());
        arena.extend_from_slice(&said.body);
    }
    let mut arena = arena.freeze();
    commands.iter().map(|command| request(command, &mut arena)).collect()
}

/// Takes a command's parts off the front of what [`requests`] wrote.
fn request(command: &Checked<'_>, arena: &mut Bytes) -> Request {
    let said = &command.said;
    let mut take = |length: usize| arena.split_to(length);
    Request {
        key: take(said.key.len()),
        kind: Arc::clone(&command.kind),
        source: take(said.source.len()),
        id: take(said.id.len()),
        context: Arc::new(Context {
            correlation: take(correlation_bytes(said)),
            principal: Bytes::from_static(PRINCIPAL),
            trace_parent: take(said.trace_parent.len()),
        }),
        redrive: None,
        wake: None,
        body: take(said.body.len()),
    }
}

fn room(said: &Said<'_>) -> usize {
    said.key.len()
        + said.source.len()
        + said.id.len()
        + correlation_bytes(said)
        + said.trace_parent.len()
        + said.body.len()
}

fn correlation_bytes(said: &Said<'_>) -> usize {
    match said.correlation.len() {
        0 => said.source.len() + 1 + said.id.len(),
        length => length,
    }
}
