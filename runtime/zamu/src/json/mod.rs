//! What people and clients see of records: one shape for HTTP, streams and tools on files.
//!
//! Bodies that are JSON are passed on byte for byte; others as base64, under `dataBase64`.

mod answer;
mod dead_letter;
mod deployment;
mod event;
mod flow;
mod tables;

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use zamu_core::model::TypeId;

use crate::handlers::History;

pub use answer::{Outcome, answer, status};
pub use dead_letter::{DeadLetter, dead_letter};
pub use deployment::{behind, in_force, past, version};
pub use event::{Event, event};
pub use flow::{
    Flow, FlowCommand, FlowEvent, FlowHandler, FlowTable, FlowType, Loose as LooseKind,
};
pub use tables::{Sources, tables};

/// Names for what records only number.
#[derive(Debug, Default)]
pub struct Terms {
    /// Names of the aggregate types, a [`TypeId`] being an index.
    pub types: Vec<Arc<str>>,
    /// Which versions were in force.
    pub history: History,
}

impl Terms {
    /// The name of a type.
    #[must_use]
    pub fn type_name(&self, id: TypeId) -> &str {
        self.types.get(usize::from(id.0)).map_or("?", |name| name)
    }
}

/// A body: as it is if it is JSON, otherwise as base64.
#[derive(Debug, Serialize)]
pub enum Data<'a> {
    /// JSON, byte for byte.
    #[serde(rename = "data")]
    Json(&'a RawValue),
    /// Anything else.
    #[serde(rename = "dataBase64", serialize_with = "base64")]
    Bytes(&'a [u8]),
}

impl<'a> Data<'a> {
    /// Looks whether the bytes are one JSON value.
    #[must_use]
    pub fn of(bytes: &'a [u8]) -> Self {
        serde_json::from_slice(bytes).map_or(Self::Bytes(bytes), Self::Json)
    }
}

/// JSON as it is, other text as a string, other bytes as base64; nothing is `null`.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Loose<'a> {
    /// Nothing.
    Nothing,
    /// JSON, byte for byte.
    Json(&'a RawValue),
    /// Text that is not JSON.
    Text(&'a str),
    /// Anything else.
    Bytes(#[serde(serialize_with = "base64")] &'a [u8]),
}

impl<'a> Loose<'a> {
    /// Looks what the bytes are.
    #[must_use]
    pub fn of(bytes: &'a [u8]) -> Self {
        if bytes.is_empty() {
            return Self::Nothing;
        }
        if let Ok(json) = serde_json::from_slice(bytes) {
            return Self::Json(json);
        }
        std::str::from_utf8(bytes).map_or(Self::Bytes(bytes), Self::Text)
    }
}

/// Text that should be UTF-8 and is shown all the same if it is not.
#[must_use]
pub fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

fn base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[derive(Serialize)]
    struct Body<'a> {
        #[serde(flatten)]
        data: Data<'a>,
    }

    #[test]
    fn json_is_passed_on_byte_for_byte_and_other_bytes_as_base64() {
        for (bytes, shown) in [
            (&b"{\"a\": 1.10, \"b\":[ ]}"[..], r#"{"data":{"a": 1.10, "b":[ ]}}"#),
            (b"{", r#"{"dataBase64":"ew=="}"#),
            (b"", r#"{"dataBase64":""}"#),
            (b"\xff", r#"{"dataBase64":"/w=="}"#),
        ] {
            assert_eq!(serde_json::to_string(&Body { data: Data::of(bytes) }).unwrap(), shown);
        }
    }

    #[test]
    fn replies_are_shown_as_what_they_are() {
        for (bytes, shown) in [
            (&b""[..], "null"),
            (b"7", "7"),
            (b"hi \"you\"", r#""hi \"you\"""#),
            (b"\xff", r#""/w==""#),
        ] {
            assert_eq!(serde_json::to_string(&Loose::of(bytes)).unwrap(), shown);
        }
    }
}
