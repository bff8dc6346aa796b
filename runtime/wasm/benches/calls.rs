//! How long calls, fresh instances and loads take. Prints medians; asserts nothing.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use zamu_core::guest::columns::{Aggregates, Blobs, CommandColumns};
use zamu_core::guest::{Guest, Lookup};
use zamu_wasm::cache::Cache;
use zamu_wasm::{Engine, Handler, Instance, Limits};

fn main() {
    let engine = Engine::new().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::open(directory.path().join("compiled")).unwrap();
    let by = r#"{"by":1}"#;
    for (name, body) in [("zoo", "note"), ("zoo-std", "note"), ("counter", by), ("counter-std", by)]
    {
        let wasm = guest(name);
        println!("{name} ({} KiB)", wasm.len() >> 10);
        let load =
            |cache| Handler::load(&engine, &wasm, cache, Limits::default(), Bytes::new()).unwrap();
        show("load, compiling", median(|| drop(load(None))));
        load(Some(&cache));
        show("load, from the cache", median(|| drop(load(Some(&cache)))));
        calls(&load(Some(&cache)), body);
    }
}

fn calls(handler: &Arc<Handler>, body: &str) {
    let mut guest = handler.instance();
    show("fresh instance", median(|| start(&mut guest)));
    for size in [1, 64, 256] {
        let (aggregates, commands) = batch(size, body);
        let took =
            median(|| drop(guest.decide(&aggregates, &commands, &Lookup::default()).unwrap()));
        show(&format!("decide, {size:>3} commands"), took);
        println!("{:>30}: {:>9.0} ns", "each", took.as_nanos() as f64 / size as f64);
        let counters = guest.counters();
        println!("{:>30}: {:>9}", "fuel of the largest item", counters.item_fuel_max());
    }
    let (aggregates, commands) = batch(1, body);
    let fresh = median(|| {
        guest.renew();
        drop(guest.decide(&aggregates, &commands, &Lookup::default()).unwrap());
    });
    show("decide,   1 command, fresh", fresh);
}

fn start(guest: &mut Instance) {
    guest.renew();
    guest.warm().unwrap();
}

/// Commands spread over as many aggregates, each with a small body.
fn batch(size: usize, body: &str) -> (Aggregates, CommandColumns) {
    let keys: Vec<String> = (0..size).map(|i| format!("aggregate-{i:06}")).collect();
    let same = |text: &'static str| blobs(std::iter::repeat_n(text, size));
    let aggregates = Aggregates {
        aggregate_type: vec![0; size],
        keys: blobs(keys.iter().map(String::as_str)),
        sequences: vec![0; size],
        schemas: vec![0; size],
        states: same(""),
    };
    let commands = CommandColumns {
        slot: (0..size as u32).collect(),
        kind: vec![0; size],
        time: vec![1_700_000_000_000; size],
        sources: same("bench"),
        ids: blobs(keys.iter().map(String::as_str)),
        correlations: same("0123456789abcdef"),
        principals: same("anonymous"),
        bodies: blobs(std::iter::repeat_n(body, size)),
    };
    (aggregates, commands)
}

fn blobs<'a>(texts: impl IntoIterator<Item = &'a str>) -> Blobs {
    texts.into_iter().map(str::as_bytes).collect()
}

/// The median time, over at most 2,000 runs or a second.
fn median(mut run: impl FnMut()) -> Duration {
    let begin = Instant::now();
    let mut times = Vec::new();
    while times.len() < 2_000 && begin.elapsed() < Duration::from_secs(1) {
        let start = Instant::now();
        run();
        times.push(start.elapsed());
    }
    times.sort_unstable();
    times[times.len() / 2]
}

fn show(what: &str, took: Duration) {
    println!("{what:>30}: {:>9.1} µs", took.as_nanos() as f64 / 1_000.0);
}

fn guest(name: &str) -> Vec<u8> {
    let guests = std::env::var("ZAMU_GUESTS_DIR")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/guests").to_owned());
    std::fs::read(format!("{guests}/{name}.wasm")).expect("run `cargo xtask guests` first")
}
