//! The report of one run: one object for programs, the same in words for people.

#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use serde::Serialize;

use crate::audit::Audit;
use crate::environment::Environment;
use crate::load::Plan;
use crate::tally::Tally;

pub use crate::tally::Latency;

/// What `--json` prints.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What was benched.
    pub load: String,
    /// What a unit of work is called.
    pub unit: String,
    /// What was asked for.
    pub asked: Asked,
    /// Units that were measured.
    pub sent: u64,
    /// Units that warmed it up; they are counted in `all` only.
    pub warm_up: u64,
    /// Measured units that completed.
    pub completed: u64,
    /// That were refused.
    pub refused: u64,
    /// That broke a handler.
    pub faulted: u64,
    /// From the first one sent to the last one completed.
    pub seconds: f64,
    /// Completed units a second.
    pub rate_per_s: f64,
    /// Completed in the slowest whole second, in the middle one, in the fastest.
    pub rate_by_second: Option<[u64; 3]>,
    /// Of completed units, in milliseconds.
    pub latency_ms: Latency,
    /// Of the host alone, for each unit that ended.
    pub cpu_us_per_unit: f64,
    /// Of the load's own process.
    pub own_cpu_us_per_unit: f64,
    /// Where the host's CPU time went, in microseconds for each unit that ended.
    pub cpu_split: Vec<Share>,
    /// Bytes that the host wrote to the disk, for each unit that ended.
    pub bytes_written_per_unit: f64,
    /// By how much the data folder grew, for each unit that ended.
    pub folder_bytes_per_unit: f64,
    /// The host's resident memory.
    pub rss_mib: RssMib,
    /// Of all units, those that warmed it up included, as the log has them.
    pub all: All,
    /// By name and group. All must be zero.
    pub sums: BTreeMap<String, BTreeMap<String, String>>,
    /// What is wrong.
    pub findings: Vec<String>,
    /// Whether nothing is.
    pub ok: bool,
    /// The machine.
    pub machine: Machine,
}

/// What was asked for.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Asked {
    /// Units a second; none for as fast as it goes.
    pub rate: Option<u64>,
    /// Units under way at once, where it goes as fast as it goes.
    pub in_flight: Option<u32>,
    /// What a turn takes at most; none for what is configured.
    pub batch: Option<u32>,
    /// Threads that run handlers; none for what is configured.
    pub shards: Option<u32>,
    /// How much of the load takes the hot value, in per cent.
    pub hot_key_percent: Option<f64>,
    /// One unit of so many is poison.
    pub poison: Option<u64>,
    /// Choices by dimension.
    pub variants: BTreeMap<String, String>,
    /// Of the generated values.
    pub seed: u64,
}

/// What the log says of all units.
#[derive(Clone, Debug, Serialize)]
pub struct All {
    /// Sent.
    pub sent: u64,
    /// Completed.
    pub completed: u64,
    /// Refused.
    pub refused: u64,
    /// Faulted.
    pub faulted: u64,
    /// Without an end.
    pub lost: u64,
    /// With more than one of what there may be one of.
    pub doubled: u64,
    /// Events that were read again.
    pub events: u64,
    /// Open dead letters.
    pub dead_letters: u64,
}

/// A part of the host's CPU time.
#[derive(Clone, Debug, Serialize)]
pub struct Share {
    /// What for.
    pub what: String,
    /// Microseconds.
    pub us: f64,
}

/// Resident memory in MiB.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct RssMib {
    /// When half of the measured units had ended.
    pub half: f64,
    /// When all had.
    pub end: f64,
}

/// The machine on which it was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// That may be used.
    pub cores: usize,
    /// Their model.
    pub cpu: String,
    /// Its release.
    pub kernel: String,
    /// That the host wrote to.
    pub file_system: String,
    /// Whether what is written there survives the loss of power.
    pub durable: bool,
}

/// What was spent on the measured units.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spent {
    pub(crate) cpu_s: f64,
    pub(crate) own_cpu_s: f64,
    pub(crate) written: u64,
    pub(crate) folder_bytes: u64,
    pub(crate) rss_mib: RssMib,
    pub(crate) split: Vec<(String, f64)>,
}

impl Report {
    pub(crate) fn new(
        plan: &Plan,
        asked: Asked,
        tally: &Tally,
        warm_up: u64,
        spent: Spent,
        audit: Audit,
        environment: Environment,
    ) -> Self {
        let (counts, seconds) = (tally.counts(), tally.seconds());
        let per = |figure: f64| per(figure, counts.ended());
        let mut by_second = tally.by_second();
        by_second.sort_unstable();
        let share = |(what, us): (String, f64)| Share { what, us };
        Self {
            load: plan.name.clone(),
            unit: plan.unit.clone(),
            asked,
            sent: counts.sent,
            warm_up,
            completed: counts.completed,
            refused: counts.refused,
            faulted: counts.faulted,
            seconds,
            rate_per_s: if seconds > 0.0 { counts.completed as f64 / seconds } else { 0.0 },
            rate_by_second: match &by_second[..] {
                [] => None,
                all => Some([all[0], all[all.len() / 2], all[all.len() - 1]]),
            },
            latency_ms: tally.latency(),
            cpu_us_per_unit: per(spent.cpu_s * 1e6),
            own_cpu_us_per_unit: per(spent.own_cpu_s * 1e6),
            cpu_split: spent.split.into_iter().map(share).collect(),
            bytes_written_per_unit: per(spent.written as f64),
            folder_bytes_per_unit: per(spent.folder_bytes as f64),
            rss_mib: spent.rss_mib,
            all: All {
                sent: tally.units(),
                completed: audit.completed,
                refused: audit.refused,
                faulted: audit.faulted,
                lost: audit.lost,
                doubled: audit.doubled,
                events: audit.events,
                dead_letters: audit.dead_letters,
            },
            sums: audit.sums,
            ok: audit.findings.is_empty(),
            findings: audit.findings.lines().collect(),
            machine: Machine {
                durable: environment.is_durable(),
                cores: environment.cores,
                cpu: environment.cpu,
                kernel: environment.kernel,
                file_system: environment.file_system,
            },
        }
    }

    /// The report for people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, to: &mut String) -> fmt::Result {
        let mut line = |name: &str, value: fmt::Arguments<'_>| writeln!(to, "  {name:<18}{value}");
        let Self { unit, latency_ms: latency, rss_mib, all, machine, .. } = self;
        line("", format_args!("{}", self.asked))?;
        line(
            "completed",
            format_args!(
                "{} of {} ({} more warmed it up)",
                self.completed, self.sent, self.warm_up
            ),
        )?;
        if self.refused + self.faulted > 0 {
            line("", format_args!("{} refused, {} faulted", self.refused, self.faulted))?;
        }
        line("rate", format_args!("{:.0} a second, for {:.1} s", self.rate_per_s, self.seconds))?;
        if let Some([slowest, middle, fastest]) = self.rate_by_second {
            line("", format_args!("slowest second {slowest}, middle {middle}, fastest {fastest}"))?;
        }
        let Latency { p50, p90, p99, p999, max, .. } = latency;
        let from =
            if self.asked.rate.is_some() { "since each was due" } else { "since each was sent" };
        line(
            "latency",
            format_args!(
                "p50 {p50:.1} ms, p90 {p90:.1}, p99 {p99:.1}, p99.9 {p999:.1}, max {max:.1}, {from}"
            ),
        )?;
        line(
            "CPU of the host",
            format_args!(
                "{:.1} us per {unit} (the load itself: {:.1})",
                self.cpu_us_per_unit, self.own_cpu_us_per_unit
            ),
        )?;
        for Share { what, us } in &self.cpu_split {
            line("", format_args!("{us:>6.1} us {what}"))?;
        }
        line(
            "written to disk",
            format_args!(
                "{:.0} bytes per {unit} (the data folder grew by {:.0})",
                self.bytes_written_per_unit, self.folder_bytes_per_unit
            ),
        )?;
        line(
            "memory",
            format_args!("{:.0} MiB at half, {:.0} MiB at the end", rss_mib.half, rss_mib.end),
        )?;
        line(
            "the books",
            format_args!(
                "{} sent = {} completed + {} refused + {} faulted; {} lost, {} doubled ({} events read again)",
                all.sent,
                all.completed,
                all.refused,
                all.faulted,
                all.lost,
                all.doubled,
                all.events
            ),
        )?;
        for (name, groups) in &self.sums {
            for (group, sum) in groups {
                line("sum", format_args!("{name}, {group}: {sum}"))?;
            }
        }
        let Machine { cores, cpu, kernel, file_system, durable } = machine;
        let disk = if *durable { "fsync before every answer, on" } else { "fsync does nothing on" };
        line(
            "machine",
            format_args!("{cores} cores, {cpu}, Linux {kernel}; {disk} {file_system}"),
        )?;
        for finding in &self.findings {
            line("WRONG", format_args!("{finding}"))?;
        }
        Ok(())
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.rate, self.in_flight) {
            (Some(rate), _) => write!(f, "{rate} a second, whatever is answered")?,
            (None, Some(number)) => write!(f, "as fast as it goes with {number} under way")?,
            (None, None) => f.write_str("as fast as it goes")?,
        }
        for (name, choice) in &self.variants {
            write!(f, "; {name} {choice}")?;
        }
        if let Some(batch) = self.batch {
            write!(f, "; batches of {batch}")?;
        }
        if let Some(shards) = self.shards {
            write!(f, "; {shards} shards")?;
        }
        if let Some(percent) = self.hot_key_percent {
            write!(f, "; one key takes {percent} %")?;
        }
        if let Some(every) = self.poison {
            write!(f, "; one of {every} is poison")?;
        }
        Ok(())
    }
}

fn per(figure: f64, units: u64) -> f64 {
    if units == 0 { 0.0 } else { figure / units as f64 }
}
