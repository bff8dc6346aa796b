//! Messages as they stand in a log, which keeps them for ever.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::diff;
use super::scenario::survives;
use crate::codec::Codec;
use crate::json;
use crate::messages::{Kind, Messages};
use crate::protobuf::Protobuf;

/// A message with a body as it stands in a log. Old bodies, kept in tests for good, guard that a new
/// version still understands them.
///
/// # Panics
/// If there is no such kind, or the body does not decode.
#[track_caller]
#[must_use]
pub fn stored<M: Messages>(kind: &str, schema: &str, body: impl AsRef<[u8]>) -> M {
    let known = M::KINDS.iter().position(|known| known.name == kind && known.schema == schema);
    let Some(index) = known else {
        panic!("there is no kind {kind} of schema {schema} in {:?}", M::KINDS)
    };
    match M::decode(index, Codec::Json, body.as_ref()) {
        Ok(message) => message,
        Err(error) => panic!(
            "a stored {kind} (schema {schema}) does not decode: {error}\n{}",
            diff::pretty(body.as_ref())
        ),
    }
}

/// These messages have these bodies, byte for byte, written and read; and there is at least one for
/// each kind, so that a new kind has its bytes from its first day. A kind is given by its name, and
/// its schema after a blank where that is not `1`: `Sealed 2`.
///
/// The lines of such a test are only added to. One that fails says that what a log holds would be
/// read no more, or that others would meet what they cannot read. A body that is not written any more
/// stays in the test by [`stored`].
///
/// # Panics
/// If a message is of another kind or has another body, or a kind has none.
#[track_caller]
pub fn frozen<M: Messages>(bodies: &[(M, &str, &str)]) {
    frozen_as(bodies, Codec::Json, |written| String::from_utf8_lossy(written).into_owned());
}

/// As [`frozen`], of the bodies in Protobuf, in hexadecimal digits: at least one for each kind that has
/// this form.
///
/// # Panics
/// As [`frozen`]; and if a kind has no such form.
#[track_caller]
pub fn frozen_protobuf<M: Messages>(bodies: &[(M, &str, &str)]) {
    frozen_as(bodies, Codec::Protobuf, hex);
}

#[track_caller]
fn frozen_as<M: Messages>(
    bodies: &[(M, &str, &str)],
    codec: Codec,
    show: impl Fn(&[u8]) -> String,
) {
    for (message, kind, body) in bodies {
        let found = label(M::KINDS[message.kind()]);
        if found != *kind {
            panic!("this is {found}, not {kind}: {message:?}");
        }
        let written = show(&survives(message, codec));
        if written != *body {
            panic!("{kind} has another body than once (-):\n{}", diff::lines(body, &written));
        }
    }
    for (index, kind) in M::KINDS.iter().enumerate() {
        let is_written = codec == Codec::Json || kind.has_protobuf;
        if is_written && !bodies.iter().any(|(message, ..)| message.kind() == index) {
            panic!("no body of {} is frozen", label(*kind));
        }
    }
}

/// These states have these bytes, byte for byte, written and read: the host keeps them, until the id of
/// their schema ([`Aggregate::STATE_SCHEMA`](crate::Aggregate::STATE_SCHEMA)) and the handler's fold number
/// change.
///
/// # Panics
/// If a state has other bytes, or another state is read of them.
#[track_caller]
pub fn frozen_states<S>(states: &[(S, &str)])
where
    S: Serialize + DeserializeOwned + PartialEq + Debug,
{
    for (state, body) in states {
        let mut written = Vec::new();
        if let Err(error) = json::encode(state, &mut written) {
            panic!("a state cannot be JSON: {error}");
        }
        if written != body.as_bytes() {
            let written = String::from_utf8_lossy(&written);
            panic!("the state has other bytes than once (-):\n{}", diff::lines(body, &written));
        }
        match json::decode::<S>(body.as_bytes()) {
            Ok(read) if read == *state => {}
            Ok(read) => {
                let difference = diff::values(state, &read);
                panic!("another state (+) than was written (-) is read back:\n{difference}");
            }
            Err(error) => panic!("a stored state does not decode: {error}\n{body}"),
        }
    }
}

/// As [`frozen_states`], of states in Protobuf, in hexadecimal digits.
///
/// # Panics
/// As [`frozen_states`].
#[track_caller]
pub fn frozen_protobuf_states<S: Protobuf + PartialEq + Debug>(states: &[(S, &str)]) {
    for (state, body) in states {
        let mut bytes = Vec::new();
        state.to_protobuf(&mut bytes);
        let written = hex(&bytes);
        if written != *body {
            panic!("the state has other bytes than once (-):\n{}", diff::lines(body, &written));
        }
        match S::from_protobuf(&bytes) {
            Ok(read) if read == *state => {}
            Ok(read) => {
                let difference = diff::values(state, &read);
                panic!("another state (+) than was written (-) is read back:\n{difference}");
            }
            Err(error) => panic!("a stored state does not decode: {error}\n{body}"),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn label(kind: Kind) -> String {
    match kind.schema {
        "1" => kind.name.to_owned(),
        schema => format!("{} {schema}", kind.name),
    }
}
