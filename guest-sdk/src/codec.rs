//! The forms in which a body or a state can be written: JSON always, Protobuf where its type has it.
//!
//! What comes in is read in the form it says it has; in which form something goes out is chosen by
//! [`Aggregate::codec`](crate::Aggregate::codec) and [`EventHandler::codec`](crate::EventHandler::codec).
//! The forms themselves are in [`crate::json`] and [`mod@crate::protobuf`].

use std::fmt;
use std::marker::PhantomData;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::json::{self, Malformed};
use crate::protobuf::Protobuf;

/// A form of bodies and states. In a configuration it is `"json"` or `"protobuf"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// For people and for the edge.
    #[default]
    Json,
    /// Shorter and quicker, for what handlers tell each other. Where a type has no such form it is
    /// written as JSON all the same.
    Protobuf,
}

impl Codec {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Json, Self::Protobuf];

    /// The media type of a body in this form.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Protobuf => "application/protobuf",
        }
    }

    /// The id of a state's schema in this form, where it is `schema` as JSON.
    #[must_use]
    pub fn schema_id(self, schema: &str) -> String {
        match self {
            Self::Json => schema.to_owned(),
            Self::Protobuf => format!("{schema}+protobuf"),
        }
    }
}

/// How values of a type become Protobuf, and are made of it: for
/// [`Aggregate::STATE_PROTOBUF`](crate::Aggregate::STATE_PROTOBUF).
pub struct ProtobufForm<T> {
    pub(crate) decode: fn(&[u8]) -> Result<T, Malformed>,
    pub(crate) encode: fn(&T, &mut Vec<u8>),
}

impl<T: Protobuf> ProtobufForm<T> {
    /// The form that the type has.
    #[must_use]
    pub const fn new() -> Self {
        Self { decode: T::from_protobuf, encode: T::to_protobuf }
    }
}

impl<T: Protobuf> Default for ProtobufForm<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for ProtobufForm<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for ProtobufForm<T> {}

impl<T> fmt::Debug for ProtobufForm<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProtobufForm")
    }
}

/// Asks of a type that is known by name whether it has a Protobuf form: `Forms::<T>::PROTOBUF`, with
/// [`JsonOnly`] in scope, is its own constant where it has one, and that trait's where not.
#[doc(hidden)]
pub struct Forms<T>(PhantomData<T>);

impl<T: Protobuf> Forms<T> {
    /// It has one.
    pub const PROTOBUF: Option<ProtobufForm<T>> = Some(ProtobufForm::new());
}

/// What is so of all other types.
#[doc(hidden)]
pub trait JsonOnly<T> {
    /// It has none.
    const PROTOBUF: Option<ProtobufForm<T>> = None;
}

impl<T> JsonOnly<T> for Forms<T> {}

/// Reads a value in this form.
///
/// # Errors
/// Names the field that was not understood; or the type has no such form.
pub fn decode<T: DeserializeOwned>(
    codec: Codec,
    bytes: &[u8],
    protobuf: Option<ProtobufForm<T>>,
) -> Result<T, Malformed> {
    match (codec, protobuf) {
        (Codec::Json, _) => json::decode(bytes),
        (Codec::Protobuf, Some(form)) => (form.decode)(bytes),
        (Codec::Protobuf, None) => Err(Malformed::new("it has no Protobuf form")),
    }
}

/// Appends a value in this form.
///
/// # Errors
/// If it cannot be JSON, or has no Protobuf form.
pub fn encode<T: Serialize>(
    value: &T,
    codec: Codec,
    protobuf: Option<ProtobufForm<T>>,
    into: &mut Vec<u8>,
) -> Result<(), Malformed> {
    match (codec, protobuf) {
        (Codec::Json, _) => json::encode(value, into),
        (Codec::Protobuf, Some(form)) => {
            (form.encode)(value, into);
            Ok(())
        }
        (Codec::Protobuf, None) => Err(Malformed::new("it has no Protobuf form")),
    }
}
