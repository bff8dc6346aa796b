//! The demo from beginning to end: start, provision, drive, kill, start again, count, report.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::{Instant, sleep};

use crate::args::Args;
use crate::audit::{Audit, audit};
use crate::clerk::{self, Clerk};
use crate::client::Client;
use crate::course::{Seen, drained, drive};
use crate::environment::Environment;
use crate::kinds::Plan;
use crate::ledger::Findings;
use crate::load::{self, Load};
use crate::node::{self, Node, Usage, folder_bytes};
use crate::operator::Operator;
use crate::outcomes;
use crate::pace::Pace;
use crate::picture;
use crate::provision::provision;
use crate::report::{LatencyMs, Particulars, Report, RssMib, VersionsReport, kinds};
use crate::show;
use crate::split::Split;
use crate::tally::Tally;
use crate::transfer::CURRENCY;
use crate::versions;

/// What was used when.
#[derive(Clone, Copy, Debug)]
struct Meter {
    usage: Usage,
    folder_bytes: u64,
}

/// Runs it all; whether everything is as it should be.
///
/// # Errors
/// When it cannot be run to its end.
pub async fn run(args: &Args) -> Result<bool> {
    let folder = fresh_folder(args)?;
    let environment = Environment::look(&folder);
    show::note(&environment);
    show::note(format_args!("working in {}", folder.display()));

    let mut node = node::start(&args.zamu, &args.guests, &folder, Vec::new())?;
    let client = Client::new(node.address)?;
    node.ready(&client).await?;
    show::note(format_args!("the host runs as process {} at {}", node.pid(), client.url()));
    provision(&client).await?;

    let plan = plan(args);
    let before = Meter::read(&node, &folder);
    let load = Arc::new(Load {
        client: client.clone(),
        plan,
        clerk: Arc::new(Clerk::new(client.clone(), load::expiration()?)),
        pace: Pace::new(args.transfers, args.batch, args.rate, args.in_flight),
        tally: Tally::new(args.transfers, Instant::now())?,
    });
    let seen = drive(args, &load, &mut node).await?;
    drained(&client, &mut node).await?;
    let rss_end_mib = node.rss_mib();
    let after = Meter::read(&node, &folder);
    let (first_look, ended_before) = &seen.first_look;
    let split = Split::read(node.pid(), &client).await;
    let split = split.since(first_look, load.tally.counts().ended - ended_before);

    show::note("all channels are drained; reading all events again");
    let mut audit = audit(&client, &load.tally, &load.plan, &load.clerk).await?;
    if let Some(versions) = &seen.versions {
        versions.check(&audit.verdicts, &mut audit.balance.findings);
    }
    let trace = trace(args, &client, &seen).await?;
    node.check()?;

    let rss = RssMib { half: seen.rss_half_mib.unwrap_or(rss_end_mib), end: rss_end_mib };
    let seconds = (load.tally.last_fulfilled() - load.pace.start()).as_secs_f64();
    let report = report(&load, &audit, seconds, (before, after), rss, &seen, &environment);
    let ok = audit.balance.findings.is_empty() && report.all_final;
    let more = Particulars {
        pace: pace_in_words(args),
        seconds,
        restart_cpu_s: seen.crash.map(|crash| crash.restart_cpu_s),
        folder_bytes_per_transfer: per(
            after.folder_bytes.saturating_sub(before.folder_bytes) as f64,
            report.divisor(),
        ),
        outcomes: audit.outcomes,
        split,
        events: audit.events,
        findings: audit.balance.findings,
        environment,
        timeline: seen.timeline,
        with_kinds: args.kinds,
        trace,
    };
    if let Some(file) = &args.picture {
        let picture = picture::draw(&more.timeline, &report.figures(&more));
        std::fs::write(file, picture)
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    if args.json {
        show::result(serde_json::to_string(&report)?);
        more.findings.lines().for_each(|finding| show::note(format_args!("WRONG: {finding}")));
    } else {
        show::result(format_args!("\nThe transfer switch\n\n{}", report.text(&more)));
    }
    if args.serve {
        serve(&client, &load.plan, &folder, &mut node).await?;
    }
    drop(node);
    if ok && args.data.is_none() {
        std::fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot remove {}", folder.display()))?;
    } else {
        show::note(format_args!("all files are left in {}", folder.display()));
    }
    Ok(ok)
}

/// What is driven. Versions need transfers to decide.
fn plan(args: &Args) -> Plan {
    let Args { transfers, unhappy: unhappy_percent, .. } = *args;
    let for_versions = !args.no_swap && transfers >= versions::TRANSFERS_MIN;
    if !args.no_swap && !for_versions {
        show::note(format_args!(
            "no other version is deployed: that takes {} transfers or more",
            versions::TRANSFERS_MIN
        ));
    }
    Plan { transfers, unhappy_percent, for_versions }
}

/// How one of those went that a version broke on.
async fn trace(args: &Args, client: &Client, seen: &Seen) -> Result<Option<String>> {
    let example = seen.versions.as_ref().and_then(|versions| versions.example.as_deref());
    match example {
        Some(id) => Operator::new(&args.zamu, client).trace(id).await.map(Some),
        None => Ok(None),
    }
}

fn report(
    load: &Load,
    audit: &Audit,
    seconds: f64,
    (before, after): (Meter, Meter),
    rss_mib: RssMib,
    seen: &Seen,
    environment: &Environment,
) -> Report {
    let balance = &audit.balance;
    let completed = balance.completed;
    let ended = completed + balance.refused;
    let latency = load.tally.latency();
    let written = after.usage.written.saturating_sub(before.usage.written) as f64;
    Report {
        completed,
        refused: balance.refused,
        ftps: if seconds > 0.0 { completed as f64 / seconds } else { 0.0 },
        latency_ms: LatencyMs { p50: latency.p50, p99: latency.p99, max: latency.max },
        cpu_us_per_transfer: per((after.usage.cpu_s - before.usage.cpu_s) * 1e6, ended),
        kill_to_answer_s: seen.crash.map(|crash| crash.seconds_to_answer),
        disk_bytes_per_transfer: per(written, ended),
        rss_mib,
        sums: balance.sums.clone(),
        lost: balance.lost,
        doubled: balance.doubled,
        cores: environment.cores,
        outcomes: balance.outcomes.clone(),
        kinds: kinds(&audit.outcomes),
        not_final: audit.outcomes.not_final,
        all_final: audit.outcomes.not_final == 0,
        unexpected: unexpected(&balance.findings),
        versions: seen
            .versions
            .clone()
            .map(|versions| VersionsReport { versions, decided: audit.verdicts.clone() }),
    }
}

/// Transfers that ended otherwise than their kind allows, and answers that must not be.
fn unexpected(findings: &Findings) -> u64 {
    findings.count(outcomes::UNEXPECTED) + findings.count(clerk::WRONG_ANSWER)
}

/// Says what to try until Ctrl-C.
async fn serve(client: &Client, plan: &Plan, folder: &Path, node: &mut Node) -> Result<()> {
    let url = client.url();
    let mut transfers = (0..plan.transfers).map(|index| plan.transfer(index));
    // Where all are happy, any will do.
    let unhappy = transfers.find(|transfer| !transfer.is_happy());
    let unhappy = unhappy.unwrap_or_else(|| plan.transfer(0)).id();
    let account = format!("{url}/aggregates/account/simfsp01%2F{CURRENCY}");
    let transfer = plan.transfer(0).id();
    show::result(format_args!(
        "\nThe host keeps running (process {}, files in {}). Ctrl-C ends it. To try:\n\
        \n  curl {account}\
        \n  curl '{account}/events?limit=3'\
        \n  curl {url}/aggregates/transfer/{transfer}/events\
        \n  curl {url}/aggregates/transfer/{unhappy}/events\
        \n  curl -N '{url}/events?types=transfer&kinds=TransferFulfilled'\
        \n  curl {url}/topics\
        \n  curl {url}/dead-letters\
        \n  curl {url}/handlers\
        \n  curl {url}/metrics\n",
        node.pid(),
        folder.display(),
    ));
    loop {
        tokio::select! {
            ended = tokio::signal::ctrl_c() => return ended.context("cannot wait for Ctrl-C"),
            () = sleep(Duration::from_secs(1)) => node.check()?,
        }
    }
}

fn fresh_folder(args: &Args) -> Result<PathBuf> {
    let folder = args.data.clone().unwrap_or_else(|| {
        let beside = args.guests.parent().unwrap_or(&args.guests);
        beside.join(format!("switch-demo-{}", std::process::id()))
    });
    std::fs::create_dir(&folder).with_context(|| {
        format!("cannot create {}: name a folder that does not exist yet", folder.display())
    })?;
    folder.canonicalize().with_context(|| format!("cannot find {}", folder.display()))
}

fn pace_in_words(args: &Args) -> String {
    match args.rate {
        Some(rate) => format!("{rate} a second asked for; latency from when each was due"),
        None => format!("as fast as it goes with {} under way", args.in_flight),
    }
}

fn per(amount: f64, transfers: u64) -> f64 {
    if transfers == 0 { 0.0 } else { amount / transfers as f64 }
}

impl Meter {
    fn read(node: &Node, folder: &Path) -> Self {
        Self { usage: node.usage(), folder_bytes: folder_bytes(&folder.join("data")) }
    }
}
