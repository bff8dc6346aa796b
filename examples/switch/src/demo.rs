//! The demo from beginning to end: start, provision, drive, kill, start again, count, report.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::args::Args;
use crate::audit::{Audit, audit};
use crate::clerk::{self, Clerk};
use crate::client::Client;
use crate::environment::Environment;
use crate::kinds::Plan;
use crate::ledger::Findings;
use crate::load::{self, Load};
use crate::node::{Node, Usage, folder_bytes};
use crate::outcomes;
use crate::pace::Pace;
use crate::payee;
use crate::provision::{answers, provision};
use crate::report::{LatencyMs, Particulars, Report, RssMib, kinds};
use crate::show::{self, Show};
use crate::split::Split;
use crate::tally::{Counts, Tally};
use crate::transfer::CURRENCY;

/// Between two looks at how far everything is.
const LOOK: Duration = Duration::from_millis(20);
/// When no transfer ends for so long, none will any more: what is missing is lost.
const STALL: Duration = Duration::from_secs(30);
/// From the kill to an answer, at most.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// What was seen of the host while transfers ran.
#[derive(Debug)]
struct Seen {
    rss_half_mib: Option<f64>,
    crash: Option<Crash>,
    /// The first look at this incarnation: what had been spent, and how many transfers had ended.
    first_look: (Split, u64),
}

/// A kill and what followed.
#[derive(Clone, Copy, Debug)]
struct Crash {
    seconds_to_answer: f64,
    restart_cpu_s: f64,
}

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

    let mut node = Node::start(&args.zamu, &args.guests, &folder, Vec::new())?;
    let client = Client::new(node.address)?;
    node.ready(&client).await?;
    show::note(format_args!("the host runs as process {} at {}", node.pid(), client.url()));
    provision(&client).await?;

    let before = Meter::read(&node, &folder);
    let load = Arc::new(Load {
        client: client.clone(),
        plan: Plan { transfers: args.transfers, unhappy_percent: args.unhappy },
        clerk: Arc::new(Clerk::new(client.clone(), load::expiration()?)),
        pace: Pace::new(args.transfers, args.batch, args.rate, args.in_flight),
        tally: Tally::new(args.transfers, Instant::now())?,
    });
    let seen = drive(args, &load, &mut node).await?;
    let rss_end_mib = node.rss_mib();
    let after = Meter::read(&node, &folder);
    let (first_look, ended_before) = &seen.first_look;
    let split = Split::read(node.pid(), &client).await;
    let split = split.since(first_look, load.tally.counts().ended - ended_before);

    show::note("all channels are drained; reading all events again");
    let audit = audit(&client, &load.tally, &load.plan, &load.clerk).await?;
    node.check()?;

    let rss = RssMib { half: seen.rss_half_mib.unwrap_or(rss_end_mib), end: rss_end_mib };
    let seconds = (load.tally.last_fulfilled() - load.pace.start()).as_secs_f64();
    let report = report(&load, &audit, seconds, (before, after), rss, seen.crash, &environment);
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
    };
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

/// Sends, fulfils and watches until all transfers have ended, or nothing moves any more.
async fn drive(args: &Args, load: &Arc<Load>, node: &mut Node) -> Result<Seen> {
    let mut forever = JoinSet::new();
    let clerk = Arc::clone(&load.clerk);
    forever.spawn(payee::play(load.client.clone(), clerk, args.batch as usize));
    forever.spawn(clerk::work(Arc::clone(&load.clerk)));
    forever.spawn(load::watch(Arc::clone(load)));
    let mut sending = JoinSet::new();
    sending.spawn(load::send(Arc::clone(load)));

    let first_look = (Split::read(node.pid(), &load.client).await, 0);
    let mut seen = Seen { rss_half_mib: None, crash: None, first_look };
    let mut show = Show::new(args.transfers);
    let mut moved = (Instant::now(), (Counts::default(), 0));
    loop {
        tokio::select! {
            Some(ended) = forever.join_next() => ended.context("a client broke")??,
            Some(ended) = sending.join_next() => ended.context("a sender broke")??,
            () = sleep(LOOK) => {}
        }
        let (counts, open) = (load.tally.counts(), load.clerk.open());
        show.update(counts, node.rss_mib());
        if counts.ended * 2 >= args.transfers && seen.rss_half_mib.is_none() {
            seen.rss_half_mib = Some(node.rss_mib());
            if !args.no_kill {
                seen.crash = Some(crash(node, &load.client, &show).await?);
                // Threads and counters began anew with the host.
                let split = Split::read(node.pid(), &load.client).await;
                seen.first_look = (split, load.tally.counts().ended);
                moved.0 = Instant::now();
            }
        }
        if counts.ended == args.transfers && sending.is_empty() && open == 0 {
            break;
        }
        node.check()?;
        if (counts, open) != moved.1 {
            moved = (Instant::now(), (counts, open));
        } else if moved.0.elapsed() > STALL {
            show.event(format_args!(
                "nothing has moved for {STALL:?}: giving up on {} transfers without an end and \
                 {open} without an answer",
                args.transfers - counts.ended
            ));
            break;
        }
    }
    show.finish();
    drained(&load.client, node).await?;
    Ok(seen)
}

async fn crash(node: &mut Node, client: &Client, show: &Show) -> Result<Crash> {
    show.event(format_args!("kill -9 {}", node.pid()));
    let killed = Instant::now();
    node.kill()?;
    let cpu_before = node.usage().cpu_s;
    node.restart()?;
    while !answers(client).await? {
        node.check()?;
        ensure!(killed.elapsed() < ANSWER_MAX, "no answer for {ANSWER_MAX:?} after the kill");
        sleep(Duration::from_millis(2)).await;
    }
    let crash = Crash {
        seconds_to_answer: killed.elapsed().as_secs_f64(),
        restart_cpu_s: node.usage().cpu_s - cpu_before,
    };
    let Crash { seconds_to_answer, .. } = crash;
    show.event(format_args!("process {} answered after {seconds_to_answer:.2} s", node.pid()));
    Ok(crash)
}

/// Waits until no command waits anywhere: what an account still owes a transfer is then done.
async fn drained(client: &Client, node: &mut Node) -> Result<()> {
    let until = Instant::now() + STALL;
    loop {
        let topics = client.topics().await?;
        let lag: u64 = topics.iter().map(|topic| topic.requests.lag + topic.commands.lag).sum();
        if lag == 0 {
            return Ok(());
        }
        node.check()?;
        if Instant::now() > until {
            show::note(format_args!("{lag} commands are still waiting after {STALL:?}"));
            return Ok(());
        }
        sleep(LOOK).await;
    }
}

fn report(
    load: &Load,
    audit: &Audit,
    seconds: f64,
    (before, after): (Meter, Meter),
    rss_mib: RssMib,
    crash: Option<Crash>,
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
        kill_to_answer_s: crash.map(|crash| crash.seconds_to_answer),
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
