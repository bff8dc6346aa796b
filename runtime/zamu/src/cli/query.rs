//! `zamu query`: rows of the tables that projections make.

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use bytes::Bytes;
use clap::Args;
use serde_json::{Value, json};
use zamu::json::{Loose, Sources, text};
use zamu_core::projection::query;
use zamu_core::store::tables::{Scan, TableStore};

use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::remote::{Remote, segment};
use crate::cli::{FormatArgs, SourceArgs, tables};

const EXAMPLES: &str = "\
Examples:
  zamu query counters visits
  zamu query counts --prefix visits/
  zamu query counts --all --json
  zamu query counters visits --min-position counter.0.0.7.0
  zamu query counters --data zamu-data

--min-position waits until the rows have come as far as the `position` of an earlier answer, so
that they have in them what that answer was about. `zamu tables` lists the tables.";

/// Shows a row of a table, or rows in the order of their keys.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct QueryArgs {
    /// The table
    table: String,
    /// The row's key
    #[arg(conflicts_with_all = ["prefix", "limit", "all"])]
    key: Option<String>,
    /// Only rows whose keys begin with this
    #[arg(long)]
    prefix: Option<String>,
    /// At most so many rows
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
    /// All rows, however many
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Wait until the rows have come as far as this
    #[arg(long, value_name = "POSITION", conflicts_with = "data")]
    min_position: Option<String>,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    format: FormatArgs,
}

/// Rows that are read from files together.
const PAGE: u64 = 1_000;

/// Shows them.
pub(crate) fn run(args: &QueryArgs, output: &mut Output) -> Result<(), Failure> {
    let remote = match &args.source.data {
        Some(folder) => return stored(args, folder, output),
        None => Remote::new(&args.source.node)?,
    };
    let path = format!("/tables/{}/rows", segment(&args.table));
    let demand = args.min_position.as_ref().map(|p| format!("min-position={}", segment(p)));
    if let Some(key) = &args.key {
        let query = demand.map_or_else(String::new, |demand| format!("?{demand}"));
        let told: Value = remote.get(&format!("{path}/{}{query}", segment(key)))?;
        return show_one(args, &told, output);
    }
    let mut left = if args.all { u64::MAX } else { args.limit };
    let mut after: Option<String> = None;
    loop {
        // Pages as large as the node likes: it refuses those that are too large for it.
        let mut query = Vec::new();
        query.extend(args.prefix.as_ref().map(|prefix| format!("prefix={}", segment(prefix))));
        query.extend(after.as_ref().map(|after| format!("after={}", segment(after))));
        query.extend(demand.clone());
        let told: Value = remote.get(&format!("{path}?{}", query.join("&")))?;
        let rows = told["rows"].as_array().map_or(&[][..], |rows| rows);
        let rows = &rows[..rows.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
        show_many(args, rows, &told["stale"], output)?;
        left -= rows.len() as u64;
        after = told["next"].as_str().map(str::to_owned);
        if after.is_none() || left == 0 {
            return Ok(());
        }
    }
}

fn show_one(args: &QueryArgs, told: &Value, output: &mut Output) -> Result<(), Failure> {
    if args.format.json {
        return output.json(told);
    }
    warn_of(&told["stale"]);
    output.line(serde_json::to_string_pretty(&told["value"]).map_err(anyhow::Error::new)?)
}

fn show_many(
    args: &QueryArgs,
    rows: &[Value],
    stale: &Value,
    output: &mut Output,
) -> Result<(), Failure> {
    for row in rows {
        if args.format.json {
            output.json(row)?;
        } else {
            output.line(format_args!(
                "{}  {}",
                row["key"].as_str().unwrap_or("?"),
                row["value"]
            ))?;
        }
    }
    for stale in stale.as_array().map_or(&[][..], |stale| stale) {
        warn_of(stale);
    }
    Ok(())
}

/// Rows that are not brought up to date are shown, and that is said beside them.
fn warn_of(stale: &Value) {
    if let Some(reason) = stale["reason"].as_str() {
        let place = format!("{}/{}", stale["type"].as_str().unwrap_or("?"), stale["partition"]);
        #[expect(clippy::print_stderr, reason = "beside the rows, which may be piped")]
        {
            eprintln!("zamu: the rows of {place} are stale: {reason}");
        }
    }
}

/// Rows in the files of a stopped node.
fn stored(args: &QueryArgs, folder: &Path, output: &mut Output) -> Result<(), Failure> {
    let (files, tables) = tables::open(folder)?;
    let snapshot = tables.snapshot();
    let catalogue = query::catalogue(&*snapshot).map_err(anyhow::Error::new)?;
    let table = query::find(&catalogue, &args.table, |projection| files.makes(projection))
        .ok_or_else(|| anyhow!("there is no table `{}` in {}", args.table, folder.display()))?;
    let partitions =
        Sources::partitions(&files, table.aggregate_type()).context("its type is gone")?;
    if let Some(key) = &args.key {
        let bytes = Bytes::copy_from_slice(key.as_bytes());
        let row = table.row(&*snapshot, partitions, &bytes).map_err(anyhow::Error::new)?;
        let row =
            row.ok_or_else(|| anyhow!("there is no row `{key}` in table `{}`", args.table))?;
        let told = json!({ "table": args.table, "key": key, "value": Loose::of(&row) });
        return show_one(args, &told, output);
    }
    let mut left = if args.all { u64::MAX } else { args.limit };
    let mut after: Option<Bytes> = None;
    while left > 0 {
        let prefix = args.prefix.as_deref().unwrap_or_default().as_bytes();
        let scan = Scan { prefix, after: after.as_deref() };
        let page = table
            .page(&*snapshot, partitions, scan, left.min(PAGE) as usize)
            .map_err(anyhow::Error::new)?;
        let rows = page.rows.iter();
        let rows: Vec<Value> = rows
            .map(|(key, value)| json!({ "key": text(key), "value": Loose::of(value) }))
            .collect();
        show_many(args, &rows, &Value::Null, output)?;
        left -= rows.len() as u64;
        after = page.rows.last().map(|(key, _)| key.clone());
        if !page.more {
            break;
        }
    }
    Ok(())
}
