//! `zamu audit`: history, decided once more.

mod edge;

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use clap::{ArgGroup, Args};
use zamu::audit::{
    Audit, Channel, Edge, HandlerReport, Now, Oldest, Refused, Report, Shown, Totals, Turns,
};
use zamu::config::{Config, Type};
use zamu_core::model::{PartitionId, Time};
use zamu_core::topology::Types;
use zamu_wasm::Limits;

use crate::cli::FormatArgs;
use crate::cli::failure::Failure;
use crate::cli::files::Files;
use crate::cli::output::{Output, time};

const HELP: &str = "\
Examples:
  zamu audit --config zamu.toml
  zamu audit --data zamu-data --from 2h
  zamu audit --data zamu-data --from 2026-11-23T08:00:00Z --to 2026-11-23T09:00:00Z --json
  zamu audit --config zamu.toml --type order --partition 3 --from 1 --to 500
  zamu audit --data zamu-data --component counter=target/guests/counter.wasm

Every turn in the range is decided once more, by the components and with the configuration that its
batch record names (the data directory keeps them), on the states that the events before it make, and
on reference tables as it saw them. What comes of it is compared byte by byte with what the log has.

What it proves:  events (kind, schema, body, order, sequence, time, cause, context, handler and
  deployment), answers (accepted, refused with code and details, nothing, duplicates), deadlines that
  were answered or dropped, what dead letters hold, cursors, counters of what was taken, hashes.
What it does not: that a handler broke is taken from its dead letter, not tried again; event handlers
  are not run, so the commands that they sent are only known to have come without a gap, in order, and
  not more than were sent; rows of tables are not looked at, but for those of reference tables, through
  what was decided on them.
A difference is marked `altered` where the turn's own hash does not fit either: then the log was changed
after it was written. Otherwise something else decided: another component, configuration or input.

Batch records, requests and commands are kept for as long as `[log] retention-hours` says; older turns
cannot be audited. Events are kept for ever, so states before the range are known exactly; answers that
go back to what retention has removed are taken as they are recorded, and counted.
Without --config, windows of ids and limits of handlers are taken to be the defaults.
It works on the files of a stopped node, or on a copy of them: a running node lets nobody else read its
log, and an audit would take a core from its turns. No file is changed.

POSITION is the number of a turn (with --type and --partition); TIME is 2026-11-23, 2026-11-23T08:00Z or
2026-11-23T08:00:00.000Z, in UTC, or an age: 90s, 30m, 2h, 7d. Both ends are included.

Exit codes: 0 all agrees; 1 something differs; 2 not all of it could be audited";

/// Decides history once more, with what decided it, and compares every byte.
#[derive(Clone, Debug, Args)]
#[command(after_help = HELP, group = ArgGroup::new("where").required(true).multiple(true))]
pub(crate) struct AuditArgs {
    /// The data directory of a stopped node
    #[arg(long, value_name = "DIR", group = "where")]
    data: Option<PathBuf>,
    /// The node's configuration file: its data directory, windows of ids and limits of handlers
    #[arg(long, value_name = "FILE", group = "where")]
    config: Option<PathBuf>,
    /// Only this aggregate type
    #[arg(long = "type", value_name = "TYPE")]
    aggregate_type: Option<String>,
    /// Only this partition of it
    #[arg(long, value_name = "N", requires = "aggregate_type")]
    partition: Option<u32>,
    /// Only turns from here on
    #[arg(long, value_name = "POSITION|TIME", value_parser = edge::parse)]
    from: Option<edge::Said>,
    /// Only turns up to here
    #[arg(long, value_name = "POSITION|TIME", value_parser = edge::parse)]
    to: Option<edge::Said>,
    /// Show so many differences at most; all are counted
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
    /// Let this component decide instead of all versions of that handler
    #[arg(long = "component", value_name = "NAME=FILE", value_parser = component)]
    components: Vec<(String, PathBuf)>,
    #[command(flatten)]
    format: FormatArgs,
}

fn component(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => {
            Ok((name.to_owned(), PathBuf::from(file)))
        }
        _ => Err("say NAME=FILE: the handler's name and its component".to_owned()),
    }
}

/// Audits.
pub(crate) fn run(args: &AuditArgs, output: &mut Output) -> Result<(), Failure> {
    let report = audit(args).map_err(Failure::NotAudited)?;
    if args.format.json {
        output.json(&report)?;
    } else {
        tell(&report, output)?;
    }
    verdict(&report)
}

/// What the exit code says.
fn verdict(report: &Report) -> Result<(), Failure> {
    let Totals { turns, differences, undecided, .. } = report.totals;
    if differences > 0 {
        return Err(Failure::Differs(format!("{} found", plural(differences, "difference"))));
    }
    if !report.is_whole() {
        let why = match undecided {
            0 => "the audit of a partition could not go on: see above".to_owned(),
            _ => format!("{} could not be decided once more: see above", plural(undecided, "turn")),
        };
        return Err(Failure::NotAudited(anyhow!(why)));
    }
    if turns == 0 {
        return Err(Failure::NotAudited(anyhow!("there is no turn in this range")));
    }
    Ok(())
}

fn audit(args: &AuditArgs) -> Result<Report> {
    let config = args.config.as_deref().map(Config::load).transpose()?;
    let configured = config.as_ref().map(|config| config.data.clone());
    let data = args.data.clone().or(configured).context("name a data directory with --data")?;
    let files = Files::open(&data)?;
    let types = types(&files, config.as_ref());
    let turns = turns(args, &files)?;
    let audit = Audit {
        data,
        log: &files.log,
        history: &files.terms.history,
        types,
        limits: config.map_or_else(Limits::default, |config| config.guest_limits()),
        instead: args.components.iter().cloned().collect::<BTreeMap<_, _>>(),
        shown_max: args.limit,
    };
    let mut meter = Meter::new();
    let report = audit.run(&turns, |report, now| meter.show(report, now));
    meter.clear();
    report
}

/// The types of the log, in its order, with the windows of the configuration.
fn types(files: &Files, config: Option<&Config>) -> Types {
    let settings = files.types.iter().map(|of| {
        let configured = config.and_then(|config| config.types.get(&*of.name));
        let known = configured.cloned().unwrap_or_else(|| Type::of(of.partitions));
        Type { partitions: of.partitions, ..known }.settings(&of.name)
    });
    settings.collect::<Vec<_>>().into()
}

/// The turns that are meant.
fn turns(args: &AuditArgs, files: &Files) -> Result<Vec<Turns>> {
    let [from, to] = [&args.from, &args.to].map(|said| said.map(|said| said.edge(now())));
    let [from, to] = [from.unwrap_or_default(), to.unwrap_or_default()];
    let by_number = [from, to].iter().any(|edge| matches!(edge, Edge::Turn(_)));
    if by_number && args.partition.is_none() {
        bail!(
            "every partition numbers its own turns: say which with --type and --partition, or say a time"
        );
    }
    let partitions = match (&args.aggregate_type, args.partition) {
        (Some(name), Some(number)) => vec![files.partition(name, number)?],
        (name, _) => files.partitions(name.as_slice())?,
    };
    let (mut turns, mut gone) = (Vec::new(), Vec::new());
    for partition in partitions {
        match Turns::between(&files.log, partition, from, to) {
            Ok(of) => turns.push(of),
            Err(Refused::Gone(oldest)) => gone.push(oldest),
            Err(error) => {
                return Err(anyhow!(error).context(place(files, partition)));
            }
        }
    }
    if !gone.is_empty() {
        bail!(refusal(files, &gone));
    }
    Ok(turns)
}

/// What retention has left of each partition.
fn refusal(files: &Files, gone: &[Oldest]) -> String {
    let mut text =
        "this range is older than what retention has left ([log] retention-hours): batch \
                    records and inputs of its first turns are gone. What can be audited begins with"
            .to_owned();
    for oldest in gone {
        let place = place(files, oldest.partition);
        let at = oldest.time.map_or_else(|| "none is left".to_owned(), |at| time(at.0));
        text.push_str(&format!("\n  {place}: turn {} ({at})", oldest.turn));
    }
    if let Some(latest) = gone.iter().filter_map(|oldest| oldest.time).max() {
        text.push_str(&format!("\n--from {} would do, or no --from at all", time(latest.0)));
    }
    text
}

fn place(files: &Files, partition: PartitionId) -> String {
    let name = &files.types[usize::from(partition.aggregate_type.0)].name;
    format!("{name}/{}", partition.number)
}

fn now() -> Time {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    Time(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn tell(report: &Report, output: &mut Output) -> Result<(), Failure> {
    let heading = ["PARTITION", "TURNS", "REQUESTS", "COMMANDS", "EVENTS", "DIFFERENCES"];
    let mut rows = vec![heading.map(str::to_owned)];
    for of in report.partitions.iter().filter(|of| of.totals.turns > 0 || of.stopped.is_some()) {
        let first = format!("{}/{}", of.aggregate_type, of.partition);
        rows.push(row(first, &of.totals));
    }
    rows.push(row("all".to_owned(), &report.totals));
    output.table(&rows)?;
    if !report.handlers.is_empty() {
        output.line("")?;
        let heading =
            ["HANDLER", "VERSION", "DIGEST", "DEPLOYMENTS", "TURNS", "EVENTS", "DIFFERENCES"];
        let mut rows = vec![heading.map(str::to_owned)];
        rows.extend(report.handlers.iter().map(handler_row));
        output.table(&rows)?;
    }
    for of in report.handlers.iter().filter(|of| of.instead.is_some()) {
        let file = of.instead.as_deref().map(|file| file.display().to_string());
        let (name, version) = (&of.name, &of.version);
        output.line(format_args!("{name} {version}: decided by {}", file.unwrap_or_default()))?;
    }
    notes(report, output)?;
    for difference in &report.differences {
        output.line("")?;
        for line in lines(difference) {
            output.line(line)?;
        }
    }
    for channel in &report.channels {
        let Channel { from, to, sent, taken } = channel;
        output.line(format_args!(
            "\nchannel from {from} to {to}: {taken} commands were taken and {sent} were sent"
        ))?;
    }
    let told = report.differences.len() + report.channels.len();
    let more = report.totals.differences.saturating_sub(told as u64);
    if more > 0 {
        output.line(format_args!("\nand {more} more: --limit shows them"))?;
    }
    if report.agrees && report.totals.turns > 0 {
        output.line("\nall agrees")?;
    }
    Ok(())
}

fn row(first: String, totals: &Totals) -> [String; 6] {
    let Totals { turns, requests, commands, events, differences, .. } = totals;
    let [a, b, c, d, e] = [turns, requests, commands, events, differences].map(u64::to_string);
    [first, a, b, c, d, e]
}

fn handler_row(of: &HandlerReport) -> [String; 7] {
    let deployments: Vec<String> = of.deployments.iter().map(u64::to_string).collect();
    let counts = [of.totals.turns, of.totals.events, of.totals.differences];
    let [turns, events, differences] = counts.map(|count| count.to_string());
    let digest = of.digest[..of.digest.len().min(8)].to_owned();
    let (name, version) = (of.name.to_string(), of.version.clone());
    [name, version, digest, deployments.join(" "), turns, events, differences]
}

fn notes(report: &Report, output: &mut Output) -> Result<(), Failure> {
    let Totals { faults, as_recorded, .. } = report.totals;
    if faults > 0 {
        output.line(format_args!("\n{}: taken from dead letters", plural(faults, "fault")))?;
    }
    if as_recorded > 0 {
        let answers = plural(as_recorded, "answer");
        output.line(format_args!(
            "\n{answers}: taken as recorded, for what they go back to is gone (retention)"
        ))?;
    }
    for of in &report.partitions {
        let place = format!("{}/{}", of.aggregate_type, of.partition);
        if of.trimmed {
            let first = of.first;
            output.line(format_args!("\n{place}: turns before {first} are gone (retention)"))?;
        }
        if let Some(why) = &of.undecided_because {
            let turns = plural(of.totals.undecided, "turn");
            output.line(format_args!("\n{place}: {turns} not decided once more: {why}"))?;
        }
        if let Some(why) = &of.stopped {
            output.line(format_args!("\n{place}: the audit ends here: {why}"))?;
        }
    }
    Ok(())
}

/// A difference for people.
fn lines(of: &Shown) -> Vec<String> {
    let place = format!("{}/{}", of.aggregate_type, of.partition);
    let at = of.at.map_or_else(String::new, |at| format!(", {}", time(at)));
    let key = of.key.as_deref().unwrap_or_default();
    let number = |word| of.number.map_or_else(String::new, |number| format!("{word} {number}"));
    let what = match (of.subject, of.sequence) {
        ("event", Some(sequence)) => {
            let id = format!("{}/{key}/{sequence}", of.aggregate_type);
            match of.number {
                Some(number) => format!("event {id} (number {number})"),
                None => format!("event {id}"),
            }
        }
        ("request", _) if !key.is_empty() => format!("{} for {key}", number("request")),
        ("deadLetter", _) => number("dead letter"),
        ("turn", _) => "batch record".to_owned(),
        (subject, _) => number(subject),
    };
    let digest = &of.digest[..of.digest.len().min(8)];
    let altered = if of.altered { "  altered" } else { "" };
    let (handler, version) = (&of.handler, &of.version);
    vec![
        format!("{place} turn {}{at}: {what}: {}{altered}", of.turn, of.field),
        format!("  recorded  {}", of.recorded.as_deref().unwrap_or("(is not there)")),
        format!("  decided   {}", of.decided.as_deref().unwrap_or("(is not decided)")),
        format!("  by {handler} {version} #{digest}, deployment {}", of.deployment),
    ]
}

fn plural(count: u64, word: &str) -> String {
    if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
}

/// How far it is, on a terminal.
struct Meter {
    is_shown: bool,
    started: Instant,
    last: Instant,
}

impl Meter {
    const EVERY: Duration = Duration::from_millis(250);

    fn new() -> Self {
        let now = Instant::now();
        Self { is_shown: std::io::stderr().is_terminal(), started: now, last: now }
    }

    fn show(&mut self, report: &Report, now: Now) {
        if !self.is_shown || self.last.elapsed() < Self::EVERY {
            return;
        }
        self.last = Instant::now();
        let Some(partition) = report.partitions.last() else { return };
        let place = format!("{}/{}", partition.aggregate_type, partition.partition);
        let text = match now.folded < now.to_fold && partition.totals.turns == 0 {
            true => format!("{place}: event {} of {} that were before", now.folded, now.to_fold),
            false => {
                let Totals { events, differences, .. } = report.totals;
                let rate = events as f64 / self.started.elapsed().as_secs_f64();
                let (turns, of) = (now.turns, now.of);
                let differences = plural(differences, "difference");
                format!("{place}: turn {turns} of {of}, {rate:.0} events a second, {differences}")
            }
        };
        Self::write(&format!("\r\x1b[K{text}"));
    }

    fn clear(&self) {
        if self.is_shown {
            Self::write("\r\x1b[K");
        }
    }

    fn write(text: &str) {
        let mut stderr = std::io::stderr().lock();
        // Nobody may be there any more to see it.
        drop(stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush()));
    }
}
