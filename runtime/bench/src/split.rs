//! Where the host's CPU time goes: by thread, as the kernel counts it, and what the shards' threads
//! do, as the host's own metrics tell.

use std::collections::BTreeMap;
use std::fs;

use crate::client::Client;
use crate::node::stat;

/// Seconds by what they were spent on, up to some moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Split {
    threads: BTreeMap<Part, f64>,
    steps: BTreeMap<String, f64>,
}

/// What a thread is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Shards,
    Http,
    Log,
    Background,
    Other,
}

impl Split {
    /// Looks at a process and asks it for its metrics; what cannot be had counts as nothing.
    pub async fn read(pid: u32, client: &Client) -> Self {
        let mut threads = BTreeMap::new();
        for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
            let read = |file: &str| fs::read_to_string(task.path().join(file)).unwrap_or_default();
            let cpu_s = stat(&read("stat")).map_or(0.0, |stat| stat.cpu_s);
            *threads.entry(Part::of(read("comm").trim())).or_default() += cpu_s;
        }
        let steps = client.metrics().await.map(|text| steps(&text)).unwrap_or_default();
        Self { threads, steps }
    }

    /// What was spent since an earlier look, in microseconds for each of so many units of work.
    pub fn since(&self, before: &Self, units: u64) -> Vec<(String, f64)> {
        if units == 0 {
            return Vec::new();
        }
        let us = |seconds: f64| seconds.max(0.0) * 1e6 / units as f64;
        let mut lines = Vec::new();
        for (part, seconds) in &self.threads {
            let seconds = seconds - before.threads.get(part).copied().unwrap_or_default();
            lines.push((part.words().to_owned(), us(seconds)));
            if *part != Part::Shards {
                continue;
            }
            for (step, seconds) in &self.steps {
                let seconds = seconds - before.steps.get(step).copied().unwrap_or_default();
                lines.push((format!("  {}", step_in_words(step)), us(seconds)));
            }
        }
        lines
    }
}

impl Part {
    /// By the name of a thread, as the kernel knows it: cut off after 15 bytes.
    fn of(thread: &str) -> Self {
        const PARTS: [(&str, Part); 4] = [
            ("zamu-shard", Part::Shards),
            ("zamu-http", Part::Http),
            ("zamu-log", Part::Log),
            ("rocksdb", Part::Background),
        ];
        let found = PARTS.iter().find(|(prefix, _)| thread.starts_with(prefix));
        found.map_or(Self::Other, |(_, part)| *part)
    }

    fn words(self) -> &'static str {
        match self {
            Self::Shards => "shards' threads, of which",
            Self::Http => "HTTP: commands, answers and live streams",
            Self::Log => "log: commits and syncs",
            Self::Background => "background work of log and store",
            Self::Other => "everything else",
        }
    }
}

fn step_in_words(step: &str) -> String {
    match step {
        "decide" => "decide: handlers, with what goes in and comes out".to_owned(),
        "react" => "react: event handlers, likewise".to_owned(),
        "load" => "load: states from the store".to_owned(),
        other => other.to_owned(),
    }
}

/// The counters of seconds by step.
fn steps(metrics: &str) -> BTreeMap<String, f64> {
    const PREFIX: &str = "zamu_step_seconds_total{step=\"";
    let series = metrics.lines().filter_map(|line| {
        let (step, value) = line.strip_prefix(PREFIX)?.split_once("\"} ")?;
        Some((step.to_owned(), value.trim().parse().ok()?))
    });
    series.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_read_by_step() {
        let metrics = "# TYPE zamu_step_seconds counter\n\
            zamu_step_seconds_total{step=\"decide\"} 1.5\n\
            zamu_step_seconds_total{step=\"load\"} 0.25\n\
            zamu_turns_total{type=\"t\"} 7\n";
        let expected = [("decide", 1.5), ("load", 0.25)].map(|(step, s)| (step.to_owned(), s));
        assert_eq!(steps(metrics), expected.into());
        assert!(steps("no metrics at all").is_empty());
    }

    #[test]
    fn threads_are_told_apart_by_their_names() {
        for (thread, part) in [
            ("zamu-shard-12", Part::Shards),
            ("zamu-http", Part::Http),
            ("zamu-log-commit", Part::Log),
            ("zamu-log-sync", Part::Log),
            ("rocksdb:low", Part::Background),
            ("zamu", Part::Other),
            ("", Part::Other),
        ] {
            assert_eq!(Part::of(thread), part, "{thread}");
        }
    }

    #[test]
    fn only_what_was_spent_in_between_counts() {
        let look = |shards, http, decide| Split {
            threads: [(Part::Shards, shards), (Part::Http, http)].into(),
            steps: [("decide".to_owned(), decide)].into(),
        };
        let lines = look(3.0, 1.5, 2.0).since(&look(1.0, 1.0, 0.5), 1_000_000);
        let rounded: Vec<(&str, f64)> =
            lines.iter().map(|(what, us)| (what.split(':').next().unwrap_or(""), *us)).collect();
        assert_eq!(rounded, [("shards' threads, of which", 2.0), ("  decide", 1.5), ("HTTP", 0.5)]);
        assert!(look(1.0, 1.0, 1.0).since(&look(0.0, 0.0, 0.0), 0).is_empty());
    }
}
