//! Messages as they stand in a log, which keeps them for ever.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::diff;
use super::scenario::survives;
use crate::json;
use crate::messages::{Kind, Messages};

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
    match M::decode(index, body.as_ref()) {
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
    for (message, kind, body) in bodies {
        let found = label(M::KINDS[message.kind()]);
        if found != *kind {
            panic!("this is {found}, not {kind}: {message:?}");
        }
        let written = survives(message);
        if written != body.as_bytes() {
            let written = String::from_utf8_lossy(&written);
            panic!("{kind} has another body than once (-):\n{}", diff::lines(body, &written));
        }
    }
    for (index, kind) in M::KINDS.iter().enumerate() {
        if !bodies.iter().any(|(message, ..)| message.kind() == index) {
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

fn label(kind: Kind) -> String {
    match kind.schema {
        "1" => kind.name.to_owned(),
        schema => format!("{} {schema}", kind.name),
    }
}
