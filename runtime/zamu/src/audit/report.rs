//! What an audit has found: counts by partition and by version of a handler, and the first differences
//! in words.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bytes::Bytes;
use serde::Serialize;
use zamu_core::audit::{AuditError, Audited, Difference, Subject, Unsent};
use zamu_core::guest::manifest::HandlerSpec;
use zamu_core::model::{PartitionId, Time};
use zamu_core::topology::Types;

use super::Turns;

/// How much of a value is shown, in characters, and how much of that stands before what differs.
const VALUE_CHARS: usize = 120;
const BEFORE_CHARS: usize = 30;

/// See the file's head.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Whether all that was to be audited was, and nothing differs.
    pub agrees: bool,
    /// In all.
    #[serde(flatten)]
    pub totals: Totals,
    /// By partition.
    pub partitions: Vec<PartitionReport>,
    /// By version of a handler.
    pub handlers: Vec<HandlerReport>,
    /// The first differences.
    pub differences: Vec<Shown>,
    /// Channels of which more was taken than was sent, whichever turns were audited.
    pub channels: Vec<Channel>,
    #[serde(skip)]
    shown_max: usize,
}

/// Counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Turns that were audited.
    pub turns: u64,
    /// Their requests.
    pub requests: u64,
    /// Their commands.
    pub commands: u64,
    /// Their events.
    pub events: u64,
    /// Faults that were taken as they are recorded.
    pub faults: u64,
    /// Duplicates of what retention has removed, likewise.
    pub as_recorded: u64,
    /// Turns that could not be decided once more.
    pub undecided: u64,
    /// Differences.
    #[serde(rename = "differenceCount")]
    pub differences: u64,
    /// Of these, how many are of turns that were changed after they were committed.
    pub altered: u64,
}

/// Of a partition.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PartitionReport {
    /// Its type.
    #[serde(rename = "type")]
    pub aggregate_type: String,
    /// Its number.
    pub partition: u32,
    /// The first turn that was to be audited.
    pub first: u64,
    /// The last.
    pub last: u64,
    /// Whether retention has removed turns before these.
    pub trimmed: bool,
    /// Counts.
    #[serde(flatten)]
    pub totals: Totals,
    /// Why its audit ended before the last turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    /// Why turns could not be decided, of the first that could not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undecided_because: Option<String>,
}

/// Of a version of a handler.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HandlerReport {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of its component.
    pub digest: String,
    /// The deployments under which it decided.
    pub deployments: Vec<u64>,
    /// The file that decided instead of it, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instead: Option<PathBuf>,
    /// Counts of what it decided.
    #[serde(flatten)]
    pub totals: Totals,
}

/// A channel of which more was taken than was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Channel {
    /// Type and partition of the sender.
    pub from: String,
    /// Type and partition of who took.
    pub to: String,
    /// The last number that was sent.
    pub sent: u64,
    /// The last number that was taken.
    pub taken: u64,
}

/// A difference, in words.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    /// Where it is: the type.
    #[serde(rename = "type")]
    pub aggregate_type: String,
    /// The partition.
    pub partition: u32,
    /// The turn.
    pub turn: u64,
    /// When it was committed, milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<u64>,
    /// What it is about: `event`, `request`, `command`, `deadLetter` or `turn`.
    pub subject: &'static str,
    /// Its number, or offset, in the partition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// Key of the aggregate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Number of an event within the aggregate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// What differs.
    pub field: &'static str,
    /// As the log has it.
    pub recorded: Option<String>,
    /// As it was decided once more.
    pub decided: Option<String>,
    /// Whether the turn was changed after it was committed.
    pub altered: bool,
    /// The handler that had decided.
    pub handler: String,
    /// Its version.
    pub version: String,
    /// Its digest.
    pub digest: String,
    /// The deployment.
    pub deployment: u64,
}

impl Report {
    pub(super) fn new(shown_max: usize) -> Self {
        Self {
            agrees: true,
            totals: Totals::default(),
            partitions: Vec::new(),
            handlers: Vec::new(),
            differences: Vec::new(),
            channels: Vec::new(),
            shown_max,
        }
    }

    /// Of these channels more was taken than was sent.
    pub(super) fn channels(&mut self, unsent: &[Unsent], types: &Types) {
        let place =
            |of: PartitionId| format!("{}/{}", types.settings(of.aggregate_type).name, of.number);
        let channel = |of: &Unsent| {
            let Unsent { sent, taken, .. } = *of;
            Channel { from: place(of.from), to: place(of.to), sent, taken }
        };
        self.channels = unsent.iter().map(channel).collect();
        self.totals.differences += unsent.len() as u64;
        self.agrees &= unsent.is_empty();
    }

    /// A partition comes next.
    pub(super) fn begin(&mut self, aggregate_type: &str, turns: &Turns) {
        self.partitions.push(PartitionReport {
            aggregate_type: aggregate_type.to_owned(),
            partition: turns.partition.number,
            first: turns.first,
            last: turns.last,
            trimmed: turns.span.first > 1,
            totals: Totals::default(),
            stopped: None,
            undecided_because: None,
        });
    }

    /// Its audit could not go on.
    pub(super) fn stopped(&mut self, why: &AuditError) {
        self.agrees = false;
        if let Some(partition) = self.partitions.last_mut() {
            partition.stopped = Some(why.to_string());
        }
    }

    /// A turn of it was audited.
    pub(super) fn add(
        &mut self,
        turn: &Audited,
        at: impl Fn() -> Option<Time>,
        instead: &BTreeMap<String, PathBuf>,
    ) {
        let totals = Totals::of(turn);
        self.agrees &= totals.differences == 0 && totals.undecided == 0;
        self.totals.add(&totals);
        self.by_handler(&turn.handler, turn.deployment, instead).add(&totals);
        let Some(partition) = self.partitions.last_mut() else { return };
        partition.totals.add(&totals);
        if partition.undecided_because.is_none() {
            partition.undecided_because.clone_from(&turn.undecided);
        }
        for difference in &turn.differences {
            if self.differences.len() >= self.shown_max {
                break;
            }
            self.differences.push(Shown::of(difference, turn, partition, at()));
        }
    }

    fn by_handler(
        &mut self,
        spec: &HandlerSpec,
        deployment: u64,
        instead: &BTreeMap<String, PathBuf>,
    ) -> &mut Totals {
        let is_same = |of: &HandlerReport| *of.name == *spec.name && of.digest == spec.digest;
        let at = match self.handlers.iter().position(is_same) {
            Some(at) => at,
            None => {
                self.handlers.push(HandlerReport {
                    name: spec.name.to_string(),
                    version: spec.manifest.version.clone(),
                    digest: spec.digest.clone(),
                    deployments: Vec::new(),
                    instead: instead.get(&*spec.name).cloned(),
                    totals: Totals::default(),
                });
                self.handlers.len() - 1
            }
        };
        let handler = &mut self.handlers[at];
        if let Err(place) = handler.deployments.binary_search(&deployment) {
            handler.deployments.insert(place, deployment);
        }
        &mut handler.totals
    }

    /// Whether all that was to be audited was: no partition's audit stopped, and every turn could be
    /// decided.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.totals.undecided == 0 && self.partitions.iter().all(|p| p.stopped.is_none())
    }
}

impl Totals {
    fn of(turn: &Audited) -> Self {
        let altered = turn.differences.iter().filter(|difference| difference.altered).count();
        Self {
            turns: 1,
            requests: turn.requests,
            commands: turn.commands,
            events: turn.events,
            faults: turn.faults,
            as_recorded: turn.as_recorded,
            undecided: u64::from(turn.undecided.is_some()),
            differences: turn.differences.len() as u64,
            altered: altered as u64,
        }
    }

    fn add(&mut self, more: &Self) {
        self.turns += more.turns;
        self.requests += more.requests;
        self.commands += more.commands;
        self.events += more.events;
        self.faults += more.faults;
        self.as_recorded += more.as_recorded;
        self.undecided += more.undecided;
        self.differences += more.differences;
        self.altered += more.altered;
    }
}

impl Shown {
    fn of(
        difference: &Difference,
        turn: &Audited,
        partition: &PartitionReport,
        at: Option<Time>,
    ) -> Self {
        let key = |key: &Bytes| (!key.is_empty()).then(|| text(key));
        let (subject, number, key, sequence) = match &difference.subject {
            Subject::Event { number, key: of, sequence } => {
                ("event", *number, key(of), Some(*sequence))
            }
            Subject::Request { offset, key: of } => ("request", Some(*offset), key(of), None),
            Subject::Command { offset } => ("command", Some(*offset), None, None),
            Subject::DeadLetter(number) => ("deadLetter", Some(*number), None, None),
            Subject::Turn => ("turn", None, None, None),
        };
        let [recorded, decided] = shorten(&difference.recorded, &difference.decided);
        Self {
            aggregate_type: partition.aggregate_type.clone(),
            partition: partition.partition,
            turn: turn.turn,
            at: at.map(|time| time.0),
            subject,
            number,
            key,
            sequence,
            field: difference.field,
            recorded,
            decided,
            altered: difference.altered,
            handler: turn.handler.name.to_string(),
            version: turn.handler.manifest.version.clone(),
            digest: turn.handler.digest.clone(),
            deployment: turn.deployment,
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Two values, cut to what differs and a little around it.
fn shorten(recorded: &Option<Bytes>, decided: &Option<Bytes>) -> [Option<String>; 2] {
    let texts = [recorded, decided].map(|value| value.as_deref().map(text));
    let from = match &texts {
        [Some(a), Some(b)] => {
            let same = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
            let is_long = a.chars().count().max(b.chars().count()) > VALUE_CHARS;
            if is_long { same.saturating_sub(BEFORE_CHARS) } else { 0 }
        }
        _ => 0,
    };
    texts.map(|text| text.map(|text| cut(&text, from)))
}

fn cut(text: &str, from: usize) -> String {
    let mut rest = text.chars().skip(from);
    let mut cut: String = if from > 0 { "…".into() } else { String::new() };
    cut.extend(rest.by_ref().take(VALUE_CHARS));
    if rest.next().is_some() {
        cut.push('…');
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_are_cut_to_what_differs() {
        let value =
            |mark: &str| Some(Bytes::from(format!("{}{mark}{}", "a".repeat(500), "b".repeat(500))));
        let [recorded, decided] = shorten(&value("1"), &value("2")).map(Option::unwrap_or_default);
        let expected = |mark: &str| format!("…{}{mark}{}…", "a".repeat(30), "b".repeat(89));
        assert_eq!((recorded, decided), (expected("1"), expected("2")));
        let short = |text: &'static str| Some(Bytes::from_static(text.as_bytes()));
        assert_eq!(shorten(&short("abc"), &short("abd")), [Some("abc".into()), Some("abd".into())]);
        assert_eq!(shorten(&None, &short("é")), [None, Some("é".into())]);
    }
}
