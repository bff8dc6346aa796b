//! The report: one object for programs, the same in words for people.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use serde::Serialize;

use crate::environment::Environment;
use crate::ledger::{Findings, Sums};
use crate::outcomes::Outcomes;
use crate::timeline::Timeline;
use crate::verdicts::Verdicts;
use crate::versions::Versions;

/// What `--json` prints, exactly.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    /// Transfers that were fulfilled.
    pub(crate) completed: u64,
    /// Transfers that ended otherwise.
    pub(crate) refused: u64,
    /// Fulfilled transfers a second, from the first one sent to the last one seen, crash included.
    pub(crate) ftps: f64,
    /// From prepare to fulfilled, as the payer sees it.
    pub(crate) latency_ms: LatencyMs,
    /// Of the host alone, for each transfer that ended: where all are happy, for each fulfilled one.
    pub(crate) cpu_us_per_transfer: f64,
    /// From the kill until commands in every partition were waited for and answered; none without a kill.
    pub(crate) kill_to_answer_s: Option<f64>,
    /// Bytes that the host wrote to the disk, for each transfer that ended.
    pub(crate) disk_bytes_per_transfer: f64,
    /// The host's resident memory.
    pub(crate) rss_mib: RssMib,
    /// By currency.
    pub(crate) sums: BTreeMap<String, Sums>,
    /// Taken and never ended.
    pub(crate) lost: u64,
    /// With more than one of what there may be one of.
    pub(crate) doubled: u64,
    /// Of this machine.
    pub(crate) cores: usize,
    /// How many ended in which final state.
    pub(crate) outcomes: BTreeMap<&'static str, u64>,
    /// By kind: how many there were, and how many ended how.
    pub(crate) kinds: BTreeMap<&'static str, KindReport>,
    /// Whether every transfer is in a final state.
    pub(crate) all_final: bool,
    /// How many are not; those of them that the host had taken are lost.
    pub(crate) not_final: u64,
    /// Ended otherwise than their kind allows, or answered otherwise than they must be.
    pub(crate) unexpected: u64,
    /// What came of other versions; none where handlers were left alone.
    pub(crate) versions: Option<VersionsReport>,
}

/// What came of other versions of a handler, and what each decided.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct VersionsReport {
    #[serde(flatten)]
    pub(crate) versions: Versions,
    /// By version.
    pub(crate) decided: Verdicts,
}

/// What became of the transfers of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct KindReport {
    /// How many there were.
    pub(crate) transfers: u64,
    /// By final state and code.
    pub(crate) outcomes: BTreeMap<String, u64>,
}

/// What became of each kind.
pub(crate) fn kinds(outcomes: &Outcomes) -> BTreeMap<&'static str, KindReport> {
    let report = |ends: &BTreeMap<String, u64>| KindReport {
        transfers: ends.values().sum(),
        outcomes: ends.clone(),
    };
    outcomes.by_name().map(|(name, ends)| (name, report(ends))).collect()
}

/// Latency in milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct LatencyMs {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

/// Resident memory in MiB.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct RssMib {
    /// When half of the transfers had ended.
    pub(crate) half: f64,
    /// When all had.
    pub(crate) end: f64,
}

/// What people want to know besides.
#[derive(Clone, Debug)]
pub(crate) struct Particulars {
    /// The pace in words.
    pub(crate) pace: String,
    /// From the first one sent to the last one seen, in seconds.
    pub(crate) seconds: f64,
    /// CPU that starting again took, in seconds.
    pub(crate) restart_cpu_s: Option<f64>,
    /// By how much the data folder grew for each transfer, in bytes.
    pub(crate) folder_bytes_per_transfer: f64,
    /// How transfers ended, by kind.
    pub(crate) outcomes: Outcomes,
    /// Where the CPU time went since the host was last started: what, and microseconds a transfer.
    pub(crate) split: Vec<(String, f64)>,
    /// Events that were read again for the ledger.
    pub(crate) events: u64,
    /// What is wrong.
    pub(crate) findings: Findings,
    /// The machine.
    pub(crate) environment: Environment,
    /// What happened when.
    pub(crate) timeline: Timeline,
    /// Whether all kinds are told one by one.
    pub(crate) with_kinds: bool,
    /// How one transfer went on which a version broke, as `zamu trace` tells it.
    pub(crate) trace: Option<String>,
}

impl Report {
    /// By how many transfers what was used is divided.
    pub(crate) fn divisor(&self) -> u64 {
        self.completed + self.refused
    }

    /// The report for people.
    pub(crate) fn text(&self, more: &Particulars) -> String {
        let mut text = String::new();
        for line in more.timeline.text().lines() {
            text.push_str(&format!("  {line}\n"));
        }
        for (number, (at, what)) in (1..).zip(&more.timeline.moments) {
            text.push_str(&format!("  {number}  {at:>5.1} s  {what}\n"));
        }
        text.push('\n');
        text.push_str(&self.figures(more));
        if let Some(trace) = &more.trace {
            text.push_str("\nOne that the third version broke on, as `zamu trace` tells it:\n\n");
            text.push_str(trace);
        }
        text
    }

    /// Its figures alone.
    pub(crate) fn figures(&self, more: &Particulars) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.write(&mut text, more);
        text
    }

    fn write(&self, to: &mut String, more: &Particulars) -> fmt::Result {
        let LatencyMs { p50, p99, max } = self.latency_ms;
        let mut line = |name: &str, value: fmt::Arguments<'_>| writeln!(to, "  {name:<22}{value}");
        line(
            "completed",
            format_args!("{} of {}", self.completed, self.completed + self.refused + self.lost),
        )?;
        line("refused", format_args!("{}", self.refused))?;
        line("FTPS", format_args!("{:.0}  ({}, {:.1} s)", self.ftps, more.pace, more.seconds))?;
        line("latency", format_args!("p50 {p50:.1} ms, p99 {p99:.1} ms, max {max:.1} ms"))?;
        let by = if self.kinds.len() > 1 { "for each that ended" } else { "a transfer" };
        line("CPU of the host", format_args!("{:.0} us {by}", self.cpu_us_per_transfer))?;
        if self.kill_to_answer_s.is_some() && !more.split.is_empty() {
            line("", format_args!("since it was started again:"))?;
        }
        for (what, us) in &more.split {
            line("", format_args!("{us:>6.1} us {what}"))?;
        }
        if let (Some(seconds), Some(cpu)) = (self.kill_to_answer_s, more.restart_cpu_s) {
            line(
                "kill -9 to answer",
                format_args!("{seconds:.2} s  ({cpu:.2} s of CPU, counted above)"),
            )?;
        }
        line(
            "written to disk",
            format_args!(
                "{:.0} bytes a transfer  (the data folder grew by {:.0})",
                self.disk_bytes_per_transfer, more.folder_bytes_per_transfer
            ),
        )?;
        let RssMib { half, end } = self.rss_mib;
        line("memory", format_args!("{half:.0} MiB at half, {end:.0} MiB at the end"))?;
        for (currency, Sums { positions, reservations }) in &self.sums {
            line(
                "sums",
                format_args!("{currency}: positions {positions}, reservations {reservations}"),
            )?;
        }
        for (number, (state, count)) in self.outcomes.iter().enumerate() {
            let name = if number == 0 { "ended" } else { "" };
            line(name, format_args!("{count:>8}  {state}"))?;
        }
        if let Some(VersionsReport { versions, decided }) = &self.versions {
            let heading = "versions";
            for (number, (version, of)) in decided.iter().enumerate() {
                let heading = if number == 0 { heading } else { "" };
                line(heading, format_args!("{version}  {of}"))?;
            }
            line("", format_args!("{versions}"))?;
        }
        let all_kinds = more.with_kinds || self.unexpected > 0;
        if !all_kinds {
            line("kinds", format_args!("{}, each ended as it may", self.kinds.len()))?;
        }
        for (number, (name, ends)) in more.outcomes.by_name().enumerate().filter(|_| all_kinds) {
            let ends = ends.iter().map(|(end, count)| format!("{count:>8}  {end}"));
            let ends = ends.collect::<Vec<_>>().join(",");
            let heading = if number == 0 { "by kind" } else { "" };
            line(heading, format_args!("{name:<29}{ends}"))?;
        }
        match self.not_final {
            0 => line("every transfer final", format_args!("yes"))?,
            count => line("every transfer final", format_args!("no: {count} are not"))?,
        }
        line("unexpected", format_args!("{} ends and answers", self.unexpected))?;
        line("lost", format_args!("{}", self.lost))?;
        line("doubled", format_args!("{}  ({} events read again)", self.doubled, more.events))?;
        line("machine", format_args!("{}", more.environment))?;
        for finding in more.findings.lines() {
            line("WRONG", format_args!("{finding}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tokio::time::Instant;

    use super::*;

    fn report() -> Report {
        Report {
            completed: 9,
            refused: 1,
            ftps: 3.0,
            latency_ms: LatencyMs { p50: 1.0, p99: 2.0, max: 3.0 },
            cpu_us_per_transfer: 200.0,
            kill_to_answer_s: Some(0.5),
            disk_bytes_per_transfer: 1_000.0,
            rss_mib: RssMib { half: 50.0, end: 60.0 },
            sums: [("USD".to_owned(), Sums::default())].into(),
            lost: 0,
            doubled: 0,
            cores: 2,
            outcomes: [("COMMITTED", 9), ("INVALID", 1)].into(),
            kinds: kinds(&outcomes()),
            all_final: true,
            not_final: 0,
            unexpected: 0,
            versions: None,
        }
    }

    fn outcomes() -> Outcomes {
        let ends = |end: &str, count| [(end.to_owned(), count)].into();
        let kinds = [(0, ends("COMMITTED", 9)), (5, ends("INVALID 3100", 1))].into();
        let mut outcomes = Outcomes::default();
        outcomes.kinds = kinds;
        outcomes
    }

    #[test]
    fn the_object_has_exactly_the_promised_members() {
        let json = serde_json::to_value(report()).unwrap();
        let names = |value: &serde_json::Value| -> Vec<String> {
            value.as_object().unwrap().keys().cloned().collect()
        };
        let mut expected = [
            "completed",
            "refused",
            "ftps",
            "latency_ms",
            "cpu_us_per_transfer",
            "kill_to_answer_s",
            "disk_bytes_per_transfer",
            "rss_mib",
            "sums",
            "lost",
            "doubled",
            "cores",
            "outcomes",
            "kinds",
            "all_final",
            "not_final",
            "unexpected",
            "versions",
        ];
        expected.sort_unstable();
        let mut found = names(&json);
        found.sort_unstable();
        assert_eq!(found, expected);
        assert_eq!(names(&json["latency_ms"]).len(), 3);
        assert_eq!(names(&json["rss_mib"]).len(), 2);
        assert_eq!(json["sums"]["USD"]["positions"], "0");
        assert_eq!(json["sums"]["USD"]["reservations"], "0");
        assert_eq!(json["outcomes"]["COMMITTED"], 9);
        assert_eq!(json["kinds"]["happy"]["transfers"], 9);
        assert_eq!(json["kinds"]["on-us"]["outcomes"]["INVALID 3100"], 1);
    }

    #[test]
    fn without_a_kill_there_is_no_time_of_one() {
        let json = serde_json::to_value(Report { kill_to_answer_s: None, ..report() }).unwrap();
        assert!(json["kill_to_answer_s"].is_null());
    }

    #[test]
    fn what_is_wrong_stands_in_the_text() {
        let mut findings = Findings::default();
        findings.add("lost", || "T7".to_owned());
        let mut timeline = Timeline::new(Instant::now());
        timeline.steps.push((1.0, 10));
        timeline.note("something happens");
        let more = Particulars {
            pace: "as fast as it goes".to_owned(),
            seconds: 3.0,
            restart_cpu_s: Some(0.25),
            folder_bytes_per_transfer: 900.0,
            outcomes: outcomes(),
            split: vec![("in handlers".to_owned(), 80.0)],
            events: 70,
            findings,
            environment: Environment::default(),
            timeline,
            with_kinds: true,
            trace: Some("T7 went so".to_owned()),
        };
        let text = report().text(&more);
        for part in ["9 of 10", "p99 2.0 ms", "0.50 s", "WRONG", "lost: T7", "in handlers"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        for part in ["up to 10 a second", "something happens", "T7 went so"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        for part in ["9  COMMITTED", "on-us", "1  INVALID 3100", "for each that ended"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let is_final = |text: &str, verdict: &str| {
            text.lines().any(|line| line.contains("final  ") && line.ends_with(verdict))
        };
        assert!(is_final(&text, "yes"), "{text}");
        let brief = Particulars { with_kinds: false, ..more.clone() };
        let text = report().text(&brief);
        assert!(!text.contains("on-us") && text.contains("2, each ended as it may"), "{text}");
        let text = Report { unexpected: 1, ..report() }.text(&brief);
        assert!(text.contains("on-us"), "what is unexpected is told: {text}");
        let text = Report { not_final: 2, all_final: false, ..report() }.text(&more);
        assert!(is_final(&text, "no: 2 are not"), "{text}");
    }
}
