//! Where the host's CPU time goes, as its own metrics tell: seconds by step.

use std::collections::BTreeMap;

use crate::client::Client;

/// Counters of seconds by what they were spent on.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Split(BTreeMap<String, f64>);

impl Split {
    /// Reads the host's metrics; without them, nothing.
    pub(crate) async fn read(client: &Client) -> Self {
        client.metrics().await.map(|text| Self::parse(&text)).unwrap_or_default()
    }

    /// Sums every counter `*_seconds_total` and every sum `*_seconds_sum` over all labels but `step`.
    fn parse(metrics: &str) -> Self {
        let mut split = BTreeMap::new();
        for line in metrics.lines().filter(|line| !line.starts_with('#')) {
            let Some((series, value)) = line.rsplit_once(' ') else { continue };
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let Some(name) =
                name.strip_suffix("_seconds_total").or_else(|| name.strip_suffix("_seconds_sum"))
            else {
                continue;
            };
            let what = match label(labels, "step") {
                Some(step) => format!("{name} {step}"),
                None => name.to_owned(),
            };
            if let Ok(value) = value.parse::<f64>() {
                *split.entry(what).or_default() += value;
            }
        }
        Self(split)
    }
}

/// What grew between two looks, in microseconds a transfer, the most first.
pub(crate) fn per_transfer(before: &Split, after: &Split, transfers: u64) -> Vec<(String, f64)> {
    if transfers == 0 {
        return Vec::new();
    }
    let grown = after.0.iter().map(|(what, seconds)| {
        let seconds = seconds - before.0.get(what).copied().unwrap_or(0.0);
        (what.clone(), seconds * 1e6 / transfers as f64)
    });
    let mut split: Vec<(String, f64)> = grown.filter(|(_, us)| *us >= 0.05).collect();
    split.sort_by(|a, b| b.1.total_cmp(&a.1));
    split
}

fn label<'a>(labels: &'a str, name: &str) -> Option<&'a str> {
    let start = labels.find(&format!("{name}=\""))? + name.len() + 2;
    labels[start..].split_once('"').map(|(value, _)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const METRICS: &str = "# TYPE zamu_step_seconds counter\n\
        zamu_step_seconds_total{shard=\"0\",step=\"decide\"} 1.5\n\
        zamu_step_seconds_total{shard=\"1\",step=\"decide\"} 0.5\n\
        zamu_step_seconds_total{shard=\"1\",step=\"load\"} 0.25\n\
        zamu_commit_seconds_sum 3\n\
        zamu_commit_seconds_count 9\n\
        zamu_turns_total 7\n";

    #[test]
    fn seconds_are_added_up_by_step() {
        let split = Split::parse(METRICS);
        let expected = [("zamu_step decide", 2.0), ("zamu_step load", 0.25), ("zamu_commit", 3.0)];
        assert_eq!(split, Split(expected.map(|(what, s)| (what.to_owned(), s)).into()));
        assert_eq!(Split::parse("no metrics at all"), Split::default());
    }

    #[test]
    fn only_what_grew_is_told_the_most_first() {
        let before = Split([("a".to_owned(), 1.0), ("b".to_owned(), 1.0)].into());
        let after =
            Split([("a".to_owned(), 1.0), ("b".to_owned(), 1.1), ("c".to_owned(), 0.2)].into());
        let split = per_transfer(&before, &after, 1_000);
        assert_eq!(split.iter().map(|(what, _)| what.as_str()).collect::<Vec<_>>(), ["c", "b"]);
        assert!((split[1].1 - 100.0).abs() < 1e-6);
        assert!(per_transfer(&before, &after, 0).is_empty());
    }
}
