//! `zamu state`: what an aggregate's events have made of it.

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use bytes::Bytes;
use clap::Args;
use serde_json::{Value, json};
use zamu::json::Loose;
use zamu_core::aggregate::{Aggregate, decode};
use zamu_core::proto::StorePosition;
use zamu_core::store::Store;

use crate::cli::failure::Failure;
use crate::cli::files::Files;
use crate::cli::output::{Output, time};
use crate::cli::remote::{Remote, segment};
use crate::cli::{FormatArgs, SourceArgs};

const EXAMPLES: &str = "\
Examples:
  zamu state counter visits
  zamu state counter visits/2026 --json
  zamu state counter visits --data zamu-data

A running node lets the handler show the state. --data shows it as it is stored, as of the last
flush: the log may already have more, which a node folds in when it starts.";

/// Shows an aggregate's state, with its sequence number and where it stands.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct StateArgs {
    /// The aggregate's type
    r#type: String,
    /// The aggregate's key
    key: String,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    format: FormatArgs,
}

/// Shows it.
pub(crate) fn run(args: &StateArgs, output: &mut Output) -> Result<(), Failure> {
    let found = match &args.source.data {
        Some(folder) => stored(folder, &args.r#type, &args.key)?,
        None => {
            let path = format!("/aggregates/{}/{}", segment(&args.r#type), segment(&args.key));
            Remote::new(&args.source.node)?.get(&path)?
        }
    };
    if args.format.json { output.json(&found) } else { tell(&found, output) }
}

fn tell(found: &Value, output: &mut Output) -> Result<(), Failure> {
    let plain = |name: &str| match &found[name] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let (r#type, key, partition) = (plain("type"), plain("key"), plain("partition"));
    output.line(format_args!(
        "{type}/{key}  in partition {partition}, sequence {}",
        plain("sequence")
    ))?;
    if let Some(wake_at) = found["wakeAt"].as_u64() {
        output.line(format_args!("wants to be woken at {}", time(wake_at)))?;
    }
    if let (Some(store), Some(log)) = (found["storeTurn"].as_u64(), found["logTurn"].as_u64())
        && store < log
    {
        output.line(format_args!("as of turn {store}; the log has {log} turns"))?;
    }
    let state = serde_json::to_string_pretty(&found["state"]).map_err(anyhow::Error::new)?;
    output.line(state)
}

/// The stored record: what a node shows, and how far the store lags behind the log.
fn stored(folder: &Path, r#type: &str, key: &str) -> Result<Value> {
    let files = Files::open(folder)?;
    let partition = files.partition_of(r#type, key)?;
    let store = files.store()?;
    let mut store = store.handle();
    let store_turn = match store.position(partition)? {
        Some(bytes) => decode::<StorePosition>(&bytes).context("the store's position")?.turn,
        None => 0,
    };
    let log_turn = files.last_record(partition)?.map_or(0, |record| record.turn);
    let found = store.get(partition, &[Bytes::copy_from_slice(key.as_bytes())])?.pop().flatten();
    let aggregate = found.map(|bytes| Aggregate::from_record(&bytes)).transpose();
    let aggregate = aggregate.with_context(|| format!("the record of {type}/{key}"))?;
    let Some(aggregate) = aggregate.filter(|aggregate| aggregate.sequence > 0) else {
        return Err(absent(r#type, key, store_turn, log_turn));
    };
    Ok(json!({
        "type": r#type,
        "key": key,
        "partition": partition.number,
        "sequence": aggregate.sequence,
        "schema": &*aggregate.schema,
        "fold": aggregate.fold,
        "wakeAt": aggregate.wake_at.map(|time| time.0),
        "lastEvent": aggregate.last_event,
        "state": Loose::of(&aggregate.state),
        "storeTurn": store_turn,
        "logTurn": log_turn,
    }))
}

fn absent(r#type: &str, key: &str, store_turn: u64, log_turn: u64) -> anyhow::Error {
    if store_turn < log_turn {
        anyhow!(
            "there is no `{type}` with the key `{key}` in the store, which is at turn {store_turn} of \
             {log_turn}: its events may be in the log (`zamu events --data DIR --type {type} --key {key}`)"
        )
    } else {
        anyhow!("there is no `{type}` with the key `{key}`")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn people_are_told_when_the_store_lags_behind_the_log() {
        let told = |more: Value| {
            let mut found = json!({
                "type": "t", "key": "k", "partition": 1, "sequence": 2, "wakeAt": null,
                "state": { "a": 1 },
            });
            found.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let (mut output, kept) = Output::kept();
            tell(&found, &mut output).unwrap();
            kept.text()
        };
        let whole = "t/k  in partition 1, sequence 2\n{\n  \"a\": 1\n}\n";
        assert_eq!(told(json!({})), whole);
        assert_eq!(told(json!({ "storeTurn": 5, "logTurn": 5 })), whole);
        assert!(
            told(json!({ "storeTurn": 3, "logTurn": 5 })).contains("as of turn 3; the log has 5")
        );
        assert!(told(json!({ "wakeAt": 0 })).contains("1970-01-01"));
    }
}
