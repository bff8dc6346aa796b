//! `zamu tables`: what there is to ask, and where it stands; `rebuild` makes tables anew, `resume` has
//! those go on that stopped, `drop` removes those that nobody makes any more.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::Value;
use zamu::json::{self, Sources};
use zamu_core::error::EngineError;
use zamu_core::projection::Stale;
use zamu_core::store::tables::TableStore;
use zamu_rocks::RocksStore;

use crate::cli::failure::Failure;
use crate::cli::files::Files;
use crate::cli::output::{Output, list, text};
use crate::cli::remote::{Remote, segment};
use crate::cli::{FormatArgs, NodeArgs, SourceArgs};

const EXAMPLES: &str = "\
Examples:
  zamu tables
  zamu tables --json --node http://127.0.0.1:7601
  zamu tables --data zamu-data
  zamu tables rebuild counter
  zamu tables resume counter
  zamu tables drop counter

A projection is named as the handler that makes its tables. LAG is how many events its rows are
behind the log. Tables that have stopped go on with `resume`, once what stopped them was mended.
Tables are orphaned when their handler is in the configuration no more: they stay until they are dropped.";

/// Shows the tables that can be queried, who makes them, and how far they have come.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct TablesArgs {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    format: FormatArgs,
}

#[derive(Clone, Debug, Subcommand)]
enum Action {
    /// Make a projection's tables anew from the first event, while the old ones serve
    Rebuild(OrderArgs),
    /// Have a projection that stopped try again
    Resume(OrderArgs),
    /// Remove the tables of a projection that no handler makes any more
    Drop(DropArgs),
}

#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  zamu tables drop counter\n  zamu tables drop counter --confirm counter\n\n\
Without --confirm it says what would be removed, and removes nothing."
)]
struct DropArgs {
    #[command(flatten)]
    order: OrderArgs,
    /// The projection's name again: its rows are removed for good
    #[arg(long, value_name = "NAME")]
    confirm: Option<String>,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  zamu tables rebuild counter\n  zamu tables resume counter")]
struct OrderArgs {
    /// The projection: the name of its handler
    name: String,
    #[command(flatten)]
    node: NodeArgs,
    #[command(flatten)]
    format: FormatArgs,
}

/// Shows them, or gives an order.
pub(crate) fn run(args: &TablesArgs, output: &mut Output) -> Result<(), Failure> {
    match &args.action {
        Some(Action::Rebuild(order)) => return rebuild(order, output),
        Some(Action::Resume(order)) => return resume(order, output),
        Some(Action::Drop(order)) => return drop_orphaned(order, output),
        None => {}
    }
    let told = match &args.source.data {
        Some(folder) => stored(folder)?,
        None => Remote::new(&args.source.node)?.get("/tables")?,
    };
    if args.format.json { output.json(&told) } else { tell(&told, output) }
}

fn tell(told: &Value, output: &mut Output) -> Result<(), Failure> {
    let heads = ["TABLE", "PROJECTION", "TYPE", "GENERATION", "LAG", "REBUILD", "STALE"];
    let mut rows = vec![heads.map(str::to_owned)];
    for projection in list(&told["projections"]) {
        for table in list(&projection["tables"]) {
            rows.push([
                text(&table["name"]),
                text(&projection["name"]),
                text(&table["type"]),
                text(&projection["serving"]["generation"]),
                lag(&projection["serving"], &table["type"]).to_string(),
                share(&projection["building"]),
                match projection["orphaned"].as_bool() {
                    Some(true) => ORPHANED.to_owned(),
                    _ => [&projection["serving"], &projection["building"]].map(stale).concat(),
                },
            ]);
        }
    }
    output.table(&rows)
}

/// Said of tables that nobody makes.
const ORPHANED: &str = "orphaned: no handler makes it any more";

/// How many events of a type the rows are behind.
fn lag(generation: &Value, aggregate_type: &Value) -> u64 {
    let parts = list(&generation["partitions"]).iter().filter(|p| p["type"] == *aggregate_type);
    parts.filter_map(|part| part["lag"].as_u64()).sum()
}

/// How much of what is built is there.
fn share(building: &Value) -> String {
    let of = |name| building["events"][name].as_u64();
    match (of("done"), of("total")) {
        (Some(done), Some(total)) => format!("{:.0} %", percent(done, total)),
        _ => "-".to_owned(),
    }
}

fn percent(done: u64, total: u64) -> f64 {
    if total == 0 { 100.0 } else { done as f64 * 100.0 / total as f64 }
}

/// Where and why it stopped: one entry a partition.
fn stale(generation: &Value) -> String {
    let stopped = list(&generation["partitions"]).iter().filter(|p| !p["stale"].is_null());
    let line = |part: &Value| {
        let stale = &part["stale"];
        let place = format!("{}/{}", text(&part["type"]), part["partition"]);
        format!("{place} at event {}: {}; ", stale["event"], text(&stale["reason"]))
    };
    stopped.map(line).collect()
}

fn resume(order: &OrderArgs, output: &mut Output) -> Result<(), Failure> {
    let path = format!("/projections/{}/resume", segment(&order.name));
    let told = Remote::new(&order.node)?.post(&path)?;
    if order.format.json {
        return output.json(&told);
    }
    output.line(match told["resumed"].as_u64() {
        Some(0) => format!("{} had not stopped anywhere", order.name),
        resumed => format!("{} goes on in {} partitions", order.name, resumed.unwrap_or(0)),
    })
}

/// Removes tables, if they are named twice.
fn drop_orphaned(args: &DropArgs, output: &mut Output) -> Result<(), Failure> {
    let DropArgs { order, confirm } = args;
    let (name, remote) = (&order.name, Remote::new(&order.node)?);
    if confirm.as_ref() != Some(name) {
        let told: Value = remote.get("/tables")?;
        return Err(unconfirmed(name, confirm.as_deref(), &told).into());
    }
    let request = remote.request(Method::DELETE, &format!("/projections/{}", segment(name)));
    let told = remote.ask(request)?.expect_success()?;
    if order.format.json {
        return output.json(&told);
    }
    let tables: Vec<String> = list(&told["tables"]).iter().map(text).collect();
    output.line(format_args!("{name} is dropped, with {}", tables.join(", ")))
}

/// What would be dropped, or why it would not be.
fn unconfirmed(name: &str, confirm: Option<&str>, told: &Value) -> anyhow::Error {
    if let Some(confirm) = confirm {
        return anyhow!("`--confirm {confirm}` does not name `{name}`: nothing was removed");
    }
    let projection = list(&told["projections"]).iter().find(|of| of["name"] == *name);
    let Some(projection) = projection else {
        return anyhow!(
            "no projection `{name}` has left any tables: `zamu tables` lists those that there are"
        );
    };
    if projection["orphaned"] != true {
        return anyhow!(
            "handler `{name}` makes these tables: only what nobody makes any more is dropped"
        );
    }
    let tables: Vec<String> =
        list(&projection["tables"]).iter().map(|t| text(&t["name"])).collect();
    anyhow!(
        "this would remove {} with all rows, for good: `zamu tables drop {name} --confirm {name}` does so",
        tables.join(", ")
    )
}

/// How often people are told how far it is.
const TELL_EVERY: Duration = Duration::from_millis(500);

/// Orders it, and shows how far it is until it is served.
fn rebuild(order: &OrderArgs, output: &mut Output) -> Result<(), Failure> {
    let remote = Remote::new(&order.node)?;
    let path = format!("/projections/{}/rebuild", segment(&order.name));
    let ordered = remote.post(&path)?;
    if order.format.json {
        return output.json(&ordered);
    }
    let generation = &ordered["generation"];
    output.line(format_args!("{}: generation {generation} is built", order.name))?;
    let (started, mut before) = (Instant::now(), (Instant::now(), 0));
    loop {
        let told: Value = remote.get("/tables")?;
        let projection = list(&told["projections"]).iter().find(|p| p["name"] == *order.name);
        let projection = projection.ok_or_else(|| anyhow!("{} is gone", order.name))?;
        if projection["serving"]["generation"] == *generation {
            let seconds = started.elapsed().as_secs_f64();
            let events = &projection["serving"]["events"]["done"];
            let line =
                format!("generation {generation} is served: {events} events in {seconds:.1} s");
            return output.line(line);
        }
        let building = &projection["building"];
        if building["generation"] != *generation {
            return Err(anyhow!("generation {generation} was given up for another one").into());
        }
        let stopped = stale(building);
        if !stopped.is_empty() {
            let remedy = "the old tables stay; mend the projection, then rebuild again";
            return Err(anyhow!("it stopped: {stopped}{remedy}").into());
        }
        output.line(progress(building, &mut before))?;
        output.flush()?;
        sleep(TELL_EVERY);
    }
}

fn progress(building: &Value, before: &mut (Instant, u64)) -> String {
    let of = |name| building["events"][name].as_u64().unwrap_or(0);
    let (done, total, now) = (of("done"), of("total"), Instant::now());
    let seconds = now.duration_since(before.0).as_secs_f64();
    let rate = if seconds > 0.0 { done.saturating_sub(before.1) as f64 / seconds } else { 0.0 };
    *before = (now, done);
    format!("{done} of {total} events ({:.1} %), {rate:.0} a second", percent(done, total))
}

/// The tables in the files of a stopped node.
pub(crate) fn open(folder: &Path) -> Result<(Files, zamu_rocks::Tables)> {
    let files = Files::open(folder)?;
    let types: Vec<(&str, u32)> = files.types.iter().map(|t| (&*t.name, t.partitions)).collect();
    let store = RocksStore::open_read_only(folder, &types)
        .with_context(|| format!("cannot read the store of {}", folder.display()))?;
    Ok((files, store.tables()))
}

fn stored(folder: &Path) -> Result<Value> {
    let (files, tables) = open(folder)?;
    Ok(json::tables(&*tables.snapshot(), &files)?)
}

/// Nobody makes tables of the files of a stopped node: nothing is known to have stopped.
impl Sources for Files {
    fn partitions(&self, aggregate_type: &str) -> Option<u32> {
        self.types.iter().find(|t| *t.name == *aggregate_type).map(|t| t.partitions)
    }

    fn end(&self, aggregate_type: &str, partition: u32) -> Result<u64, EngineError> {
        match self.partition(aggregate_type, partition) {
            Ok(partition) => Ok(self.log.ends(partition)?.events),
            Err(error) => Err(EngineError::Fatal(error.to_string())),
        }
    }

    /// Handlers of the newest deployment may make tables; others do not.
    fn makes(&self, projection: &str) -> bool {
        let newest = self.terms.history.newest();
        newest.is_some_and(|(_, deployment)| {
            deployment.handlers.iter().any(|handler| handler.name == projection)
        })
    }

    fn stale(&self, _: &str, _: bool, _: (&str, u32)) -> Option<Stale> {
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn part(number: u32, lag: u64, stale: &Value) -> Value {
        json!({ "type": "t", "partition": number, "lag": lag, "stale": stale })
    }

    #[test]
    fn a_table_shows_who_makes_it_how_far_it_is_and_where_it_stopped() {
        let stale = json!({ "event": 7, "reason": "trap: oops" });
        let told = json!({ "projections": [{
            "name": "views",
            "tables": [{ "name": "now", "type": "t" }],
            "serving": {
                "generation": 3,
                "partitions": [part(0, 5, &Value::Null), part(1, 2, &stale)],
            },
            "building": { "generation": 4, "events": { "done": 1, "total": 4 }, "partitions": [] },
        }]});
        let (mut output, kept) = Output::kept();
        tell(&told, &mut output).unwrap();
        let line = kept.text().lines().nth(1).unwrap().to_owned();
        let cells: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(cells[..7], ["now", "views", "t", "3", "7", "25", "%"]);
        assert!(line.contains("t/1 at event 7: trap: oops"), "{line}");
    }

    #[test]
    fn progress_says_how_much_of_how_much_and_how_fast() {
        let building = json!({ "events": { "done": 1_500, "total": 3_000 } });
        let mut before = (Instant::now() - Duration::from_secs(2), 500);
        let line = progress(&building, &mut before);
        assert!(line.starts_with("1500 of 3000 events (50.0 %), "), "{line}");
        let rate: f64 = line.split(' ').rev().nth(2).unwrap().parse().unwrap();
        assert!((400.0..=500.0).contains(&rate), "{line}");
        assert!(progress(&json!({}), &mut before).contains("0 of 0 events (100.0 %)"));
    }
}
