//! `zamu bench`: drives a node of its own with the load of a file, and measures.
//!
//! Arguments, the checks that take a configuration, and output; the bench itself is `zamu-bench`. The
//! host is another process of this program, so that its cost can be told from that of its load.

mod amounts;
mod check;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use zamu_bench::load::{Load, Options, Plan};
use zamu_bench::overlay::{self, Host};
use zamu_bench::report::{Asked, Report};
use zamu_bench::run::{self, Amount, Settings};
use zamu_bench::sweep::{self, Sweep};

use crate::cli::FormatArgs;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use amounts::{duration, one_in, percent, variant};

const EXAMPLES: &str = "\
Examples:
  zamu bench examples/counter/load.toml --duration 10s
  zamu bench examples/switch/load.toml --rate 1000 --duration 60s
  zamu bench examples/switch/load.toml --codec protobuf --projections behind --json
  zamu bench examples/switch/load.toml --hot-key
  zamu bench examples/switch/load.toml --poison 1/1000
  zamu bench examples/counter/load.toml --sweep counter.svg
  zamu bench examples/counter/load.toml --dry-run

Exits with 1 if anything was lost, doubled or does not sum to what it must. How a load file is written
stands in examples/counter/load.toml.";

/// Drives a node of its own with a load: what is sent, what is answered to which event, what counts as
/// complete and what must sum to nothing stand in a file. The node is started on a fresh folder, warmed
/// up, measured, drained, counted from its log, and stopped.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct BenchArgs {
    /// The load file
    #[arg(value_name = "LOAD")]
    load: PathBuf,
    /// Units of work a second, whatever the node answers: latency then counts from when each was
    /// due. Without it, as fast as it goes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    rate: Option<u64>,
    /// Without --rate: units under way at once
    #[arg(long, value_name = "N", default_value_t = 1_024, conflicts_with = "rate", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    in_flight: u32,
    /// For how long is measured: 60s, 500ms, 2m
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    duration: Duration,
    /// How many units are measured, instead of a time
    #[arg(long, value_name = "N", conflicts_with = "duration", value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    count: Option<u64>,
    /// For how long the same load goes before it without being measured; 0s for none
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration)]
    warm_up: Duration,
    /// Which codec: the load's [variants.codec]
    #[arg(long, value_name = "NAME")]
    codec: Option<String>,
    /// How tables are made, such as on, off or behind: the load's [variants.projections]
    #[arg(long, value_name = "NAME")]
    projections: Option<String>,
    /// Any other variant of the load
    #[arg(long, value_name = "NAME=CHOICE", value_parser = variant)]
    variant: Vec<(String, String)>,
    /// What one turn takes at most, instead of what is configured
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    batch: Option<u32>,
    /// One run with turns of 1, one of 50 and one of 500, compared, and drawn into this file
    #[arg(long, value_name = "SVG", num_args = 0..=1, default_missing_value = "bench-sweep.svg", conflicts_with = "batch")]
    sweep: Option<PathBuf>,
    /// Threads that run handlers, instead of what is configured
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    shards: Option<u32>,
    /// One choice of the value that the load calls hot takes so much of all
    #[arg(long, value_name = "PERCENT", num_args = 0..=1, default_missing_value = "70%", value_parser = percent)]
    hot_key: Option<f64>,
    /// One unit of N is what the load calls poison
    #[arg(long, value_name = "1/N", value_parser = one_in)]
    poison: Option<u64>,
    /// Commands in one request, at most
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    per_request: u32,
    /// When no unit has ended for so long, those that are open count as lost
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    patience: Duration,
    /// Another number makes other values
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Work in this new folder and leave it there. Without it, one beside the configured data folder,
    /// removed when all went well
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Check the load, its configuration and its kinds, show what would be sent, and start nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    format: FormatArgs,
}

/// Benches, or checks.
pub(crate) fn run(args: &BenchArgs, output: &mut Output) -> Result<(), Failure> {
    let load = Load::read(&args.load).map_err(anyhow::Error::new)?;
    let plan = load.plan(&args.options()).map_err(anyhow::Error::new)?;
    let config = check::configured(&plan, &args.host(args.batch))?;
    if args.dry_run {
        check::kinds(&plan, &config)?;
        return show(&plan, args, output);
    }
    let folder = Folder::new(args.data.as_deref(), &plan)?;
    let reports = match args.sweep {
        Some(_) => swept(args, &plan, &folder),
        None => one(args, &plan, args.batch, &folder.path).map(|report| vec![(0, report)]),
    };
    let reports = reports.map_err(|error| folder.left(error))?;
    let verdict = reports.iter().try_for_each(|(_, report)| verdict(report));
    tell(reports, args, output)?;
    output.flush()?;
    verdict.map_err(|error| folder.left(error))?;
    Ok(folder.done()?)
}

/// One run with turns of this size.
fn one(args: &BenchArgs, plan: &Plan, batch: Option<u32>, folder: &Path) -> Result<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    // One thread: the cores are the host's, as far as possible.
    let runtime = runtime.context("cannot start a thread for the load")?;
    let settings = args.settings(plan, batch)?;
    runtime.block_on(until_told(run::run(plan, &settings, folder)))
}

/// A run for each size of turns, in folders of their own.
fn swept(args: &BenchArgs, plan: &Plan, folder: &Folder) -> Result<Vec<(u32, Report)>> {
    let run = |batch: u32| {
        let below = folder.path.join(format!("batch-{batch}"));
        fs::create_dir(&below).with_context(|| format!("cannot make {}", below.display()))?;
        Ok((batch, one(args, plan, Some(batch), &below)?))
    };
    sweep::BATCHES.into_iter().map(run).collect()
}

fn tell(
    mut reports: Vec<(u32, Report)>,
    args: &BenchArgs,
    output: &mut Output,
) -> Result<(), Failure> {
    let Some(file) = &args.sweep else {
        let Some((_, report)) = reports.pop() else { return Ok(()) };
        if args.format.json {
            return output.json(&report);
        }
        return output.line(format_args!("\n{}\n\n{}", report.load, report.text().trim_end()));
    };
    let sweep = Sweep::new(reports);
    let written = fs::write(file, sweep::draw(&sweep));
    written.with_context(|| format!("cannot write {}", file.display()))?;
    if args.format.json {
        return output.json(&json!({ "sweep": sweep.runs, "picture": file }));
    }
    for run in &sweep.runs {
        let Report { load, .. } = &run.report;
        output.line(format_args!("\n{load}\n\n{}", run.report.text().trim_end()))?;
    }
    output.line("")?;
    output.table(&sweep.table())?;
    output.line(format_args!("\ndrawn into {}", file.display()))
}

/// Runs until it has ended, or somebody ends us: the host then goes with us.
async fn until_told<T>(bench: impl Future<Output = Result<T>>) -> Result<T> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        ended = bench => ended,
        _ = tokio::signal::ctrl_c() => Err(anyhow!("interrupted")),
        _ = terminate.recv() => Err(anyhow!("terminated")),
    }
}

fn verdict(report: &Report) -> Result<()> {
    if report.ok {
        return Ok(());
    }
    bail!("the books are not in order: {}", report.findings.join(", "))
}

/// What is checked and shown without starting anything.
fn show(plan: &Plan, args: &BenchArgs, output: &mut Output) -> Result<(), Failure> {
    let commands = run::sample(plan, 3)?;
    if args.format.json {
        return output
            .json(&json!({ "load": plan.name, "variants": plan.variants, "commands": commands }));
    }
    output.line(format_args!("{} can be benched; what would be sent:", plan.name))?;
    commands.iter().try_for_each(|command| output.json(command))
}

impl BenchArgs {
    fn options(&self) -> Options {
        let named = [("codec", &self.codec), ("projections", &self.projections)];
        let named = named.into_iter().filter_map(|(name, choice)| {
            choice.as_ref().map(|choice| (name.to_owned(), choice.clone()))
        });
        let variants: BTreeMap<String, String> =
            named.chain(self.variant.iter().cloned()).collect();
        let hot = self.hot_key.map(|percent| percent / 100.0);
        Options { seed: self.seed, hot, poison: self.poison, variants }
    }

    fn host(&self, batch: Option<u32>) -> Host {
        Host { turn_records: batch, shards: self.shards }
    }

    fn settings(&self, plan: &Plan, batch: Option<u32>) -> Result<Settings> {
        let zamu = std::env::current_exe().context("cannot find this program to start the host")?;
        let amount = self.count.map_or(Amount::Time(self.duration), Amount::Units);
        let warm_up = Some(Amount::Time(self.warm_up)).filter(|_| !self.warm_up.is_zero());
        Ok(Settings {
            zamu,
            rate: self.rate,
            in_flight: self.in_flight,
            per_request: self.per_request,
            amount,
            warm_up,
            patience: self.patience,
            host: self.host(batch),
            asked: Asked {
                rate: self.rate,
                in_flight: self.rate.is_none().then_some(self.in_flight),
                batch,
                shards: self.shards,
                hot_key_percent: self.hot_key,
                poison: self.poison,
                variants: plan.variants.clone(),
                seed: self.seed,
            },
        })
    }
}

/// Where a bench works.
struct Folder {
    path: PathBuf,
    /// Whether it is removed at the end.
    is_ours: bool,
}

impl Folder {
    fn new(named: Option<&Path>, plan: &Plan) -> Result<Self> {
        let path = match named {
            Some(path) => path.to_owned(),
            None => beside(&overlay::data_folder(plan)?)?,
        };
        let made = match path.parent() {
            Some(parent) if named.is_none() => fs::create_dir_all(parent),
            _ => Ok(()),
        };
        made.and_then(|()| fs::create_dir(&path)).with_context(|| {
            format!("cannot make {}: name another, new folder with --data", path.display())
        })?;
        Ok(Self { path, is_ours: named.is_none() })
    }

    /// An error, and where the files are that may explain it.
    fn left(&self, error: anyhow::Error) -> anyhow::Error {
        error.context(format!("the files are left in {}", self.path.display()))
    }

    fn done(&self) -> Result<()> {
        if !self.is_ours {
            return Ok(());
        }
        let removed = fs::remove_dir_all(&self.path);
        removed.with_context(|| format!("cannot remove {}", self.path.display()))
    }
}

/// A folder that nobody else has, on the same disk.
fn beside(data: &Path) -> Result<PathBuf> {
    let parent = data.parent().unwrap_or(Path::new("."));
    let parent = std::path::absolute(parent).context("the data folder")?;
    let pid = std::process::id();
    let free = (0..1_000).map(|number| parent.join(format!("bench-{pid}-{number}")));
    free.into_iter()
        .find(|path| !path.exists())
        .context("a thousand benches have left their folders")
}
