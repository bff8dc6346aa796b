//! Components, batches, and one engine for all tests.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use zamu_core::guest::columns::{
    Aggregates, Blobs, CommandColumns, Decision, EventColumns, PastColumns,
};
use zamu_core::guest::{Guest, Lookup};
use zamu_wasm::cache::Cache;
use zamu_wasm::{Engine, Handler, Instance, Limits};

pub(crate) static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new().unwrap());

/// A component that `cargo xtask guests` built.
pub(crate) fn guest(name: &str) -> Vec<u8> {
    let path = guests().join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| {
        panic!(
            "{}: {error}; run `cargo xtask guests` first (or set ZAMU_GUESTS_DIR)",
            path.display()
        )
    })
}

fn guests() -> PathBuf {
    let target = || match std::env::var_os("CARGO_TARGET_DIR") {
        Some(target) => PathBuf::from(target),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target"),
    };
    std::env::var_os("ZAMU_GUESTS_DIR").map_or_else(|| target().join("guests"), PathBuf::from)
}

/// Compiled code is shared by all tests and by later runs.
pub(crate) fn cache() -> Cache {
    Cache::open(concat!(env!("CARGO_TARGET_TMPDIR"), "/compiled")).unwrap()
}

pub(crate) fn load(name: &str, limits: Limits) -> Arc<Handler> {
    load_configured(name, limits, b"")
}

pub(crate) fn load_configured(name: &str, limits: Limits, configuration: &[u8]) -> Arc<Handler> {
    let configuration = Bytes::copy_from_slice(configuration);
    Handler::load(&ENGINE, &guest(name), Some(&cache()), limits, configuration).unwrap()
}

pub(crate) fn zoo() -> Instance {
    load("zoo", Limits::default()).instance()
}

/// Decides commands with these bodies, all for one aggregate that does not exist yet.
pub(crate) fn decide(
    guest: &mut impl Guest,
    bodies: &[&str],
) -> Result<Decision, zamu_core::guest::Fault> {
    guest.decide(&one_aggregate(), &commands(bodies), &Lookup::default())
}

/// The zoo counts in its replies.
pub(crate) fn replies(decision: &Decision) -> Vec<String> {
    texts(&decision.outcomes.replies)
}

pub(crate) fn texts(blobs: &Blobs) -> Vec<String> {
    blobs.iter().map(|text| String::from_utf8(text.to_vec()).unwrap()).collect()
}

/// A batch that every zoo animal's neighbours survive.
pub(crate) fn assert_healthy(guest: &mut impl Guest) {
    let decision = decide(guest, &["note", "note", "note"]).unwrap();
    assert_eq!(replies(&decision), ["1", "2", "3"]);
    assert_eq!(texts(&decision.states.bytes), ["3"]);
    assert_eq!(decision.events.cause, [0, 1, 2]);
}

pub(crate) fn one_aggregate() -> Aggregates {
    aggregates(&[("a", "")])
}

/// Aggregates by key and state.
pub(crate) fn aggregates(all: &[(&str, &str)]) -> Aggregates {
    Aggregates {
        aggregate_type: vec![0; all.len()],
        keys: blobs(all.iter().map(|(key, _)| *key)),
        sequences: all.iter().map(|(_, state)| state.parse().unwrap_or(0)).collect(),
        schemas: vec![0; all.len()],
        states: blobs(all.iter().map(|(_, state)| *state)),
    }
}

pub(crate) fn commands(bodies: &[&str]) -> CommandColumns {
    let n = bodies.len();
    let same = |text: &'static str| blobs(std::iter::repeat_n(text, n));
    CommandColumns {
        slot: vec![0; n],
        kind: vec![0; n],
        time: vec![1_700_000_000_000; n],
        sources: same("test"),
        ids: same("id"),
        correlations: same("correlation"),
        principals: same("anonymous"),
        bodies: blobs(bodies.iter().copied()),
    }
}

pub(crate) fn past(bodies: &[&str]) -> PastColumns {
    let n = bodies.len();
    PastColumns {
        slot: vec![0; n],
        kind: vec![1; n],
        time: vec![1_700_000_000_000; n],
        bodies: blobs(bodies.iter().copied()),
    }
}

pub(crate) fn events(bodies: &[&str]) -> EventColumns {
    let n = bodies.len();
    let same = |text: &'static str| blobs(std::iter::repeat_n(text, n));
    EventColumns {
        aggregate_type: vec![0; n],
        keys: same("a"),
        sequences: (1..=n as u64).collect(),
        kind: vec![1; n],
        time: vec![1_700_000_000_000; n],
        correlations: same("correlation"),
        principals: same("anonymous"),
        bodies: blobs(bodies.iter().copied()),
    }
}

pub(crate) fn blobs<'a>(texts: impl IntoIterator<Item = &'a str>) -> Blobs {
    texts.into_iter().map(str::as_bytes).collect()
}
