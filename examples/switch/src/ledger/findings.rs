//! What is wrong, by name, with a few examples of each.

use std::collections::BTreeMap;

/// How many examples of each kind of finding are kept.
const EXAMPLES: u64 = 5;

/// A number of a partition's events is missing or comes twice.
pub const GAP: &str = "gap";
/// An event does not name the one before it, or names itself wrongly.
pub const BROKEN_CHAIN: &str = "broken chain";
/// A command between aggregates had no effect, or more than one, or overtook another.
pub const BROKEN_CHANNEL: &str = "broken channel";
/// A transfer that was taken has not ended.
pub const LOST: &str = "lost";
/// More than one of what there may be one of.
pub const DOUBLED: &str = "doubled";
/// Money was moved that no transfer asked for, or not all that was.
pub const CONTRADICTORY: &str = "contradictory";
/// A transfer did what its state does not allow; nothing follows a final state.
pub const OUT_OF_ORDER: &str = "out of order";
/// An event of a kind that the ledger does not know: nobody can say what it means for the money.
pub const UNKNOWN: &str = "unknown event";
/// A deadline was acted on before it had come, or one that is not the transfer's.
pub const EARLY: &str = "before its deadline";
/// A transfer was taken or fulfilled after its deadline.
pub const LATE: &str = "after its deadline";
/// An account reserved beyond its cap or its cover, or while it was closed, or rejected what it need
/// not; or gave up cover that it needed, or held what it did not need.
pub const CAP: &str = "cap not kept";
/// What is owed passed the threshold without an alarm, or there was one without that.
pub const ALARM: &str = "alarm not as the threshold says";
/// The figures that an event carries are not the sum of the events.
pub const FIGURES: &str = "figures are not the sum of the events";
/// The state that the host shows is not the sum of the events.
pub const STATE: &str = "state is not the sum of its events";
/// Positions or reservations do not add up to what is under way.
pub const UNBALANCED: &str = "unbalanced";

/// What is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    counts: BTreeMap<&'static str, u64>,
    examples: Vec<String>,
}

impl Findings {
    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// How often this was found.
    #[must_use]
    pub fn count(&self, what: &str) -> u64 {
        self.counts.get(what).copied().unwrap_or(0)
    }

    /// Notes one.
    pub fn add(&mut self, what: &'static str, example: impl FnOnce() -> String) {
        let count = self.counts.entry(what).or_default();
        *count += 1;
        if *count <= EXAMPLES {
            self.examples.push(format!("{what}: {}", example()));
        }
    }

    /// Adds all that another list has.
    pub fn extend(&mut self, other: Self) {
        for (what, count) in other.counts {
            *self.counts.entry(what).or_default() += count;
        }
        self.examples.extend(other.examples);
    }

    /// How many of each, then the examples.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        let counts = self.counts.iter().map(|(what, count)| format!("{what}: {count}"));
        counts.chain(self.examples.iter().cloned())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_examples_are_few_however_many_there_are() {
        let mut findings = Findings::default();
        for number in 0..1_000 {
            findings.add(LOST, || format!("T{number}"));
        }
        assert_eq!(findings.lines().count() as u64, 1 + EXAMPLES);
        assert_eq!(findings.lines().next().unwrap(), "lost: 1000");
        assert_eq!((findings.count(LOST), findings.count(GAP)), (1_000, 0));
    }

    #[test]
    fn lists_are_added_up() {
        let mut findings = Findings::default();
        findings.add(LOST, || "T1".to_owned());
        let mut more = findings.clone();
        more.add(GAP, || "T2".to_owned());
        findings.extend(more);
        assert_eq!((findings.count(LOST), findings.count(GAP)), (2, 1));
        assert_eq!(findings.lines().count(), 5);
    }
}
