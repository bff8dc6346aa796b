//! A turn as the log has it beside the same turn decided once more. Pure.
//!
//! Events are paired by aggregate and sequence, so that one that is missing, or stands elsewhere, is
//! told as that. What follows from a difference is not told once more: counters and the hash only
//! where all else agrees.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use super::difference::{Difference, Subject, cause, command, event, kind, name, outcome, said};
use crate::aggregate::decode;
use crate::channels::Channels;
use crate::log::TurnWrite;
use crate::model::{DeadLetterNumber, Event};
use crate::outcomes::{Standing, roll};
use crate::proto::{BatchRecord, CommandOutcome, DeadLetter, RequestOutcome};
use crate::turn::collect::Collected;

/// A turn as the log has it.
pub(super) struct Recorded<'a> {
    /// The batch record.
    pub(super) record: &'a BatchRecord,
    /// Where the partition stood after it, by that record.
    pub(super) standing: &'a Standing,
    /// Its events.
    pub(super) events: &'a [Event],
    /// Its dead letters.
    pub(super) letters: &'a BTreeMap<DeadLetterNumber, DeadLetter>,
}

/// What the hash of a turn says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seal {
    /// The log has what was committed.
    Whole,
    /// The log was changed, and what was decided once more is what was committed.
    Broken,
    /// The log was changed; what was committed nothing tells.
    Unknown,
}

/// All that differs.
pub(super) fn compare(recorded: &Recorded<'_>, decided: &Collected) -> Vec<Difference> {
    let mut found = Vec::new();
    events(recorded.events, &decided.write.events, &mut found);
    external(&recorded.record.external, &decided.record.external, &mut found);
    commandless(&recorded.record.commandless, &decided.record.commandless, &mut found);
    letters(recorded, decided, &mut found);
    if found.is_empty() {
        standing(recorded, decided, &mut found);
    }
    found
}

/// What the turn's hash says, given the one before it.
pub(super) fn seal(before: &[u8; 16], recorded: &Recorded<'_>, decided: &Collected) -> Seal {
    let hash = &recorded.record.hash;
    let write = TurnWrite { events: recorded.events.to_vec(), ..decided.write.clone() };
    if roll(before, &write, recorded.record) == hash[..] {
        return Seal::Whole;
    }
    if decided.standing.hash == hash[..] { Seal::Broken } else { Seal::Unknown }
}

fn events(recorded: &[Event], decided: &[Event], found: &mut Vec<Difference>) {
    let mut places: HashMap<(&Bytes, u64), usize> =
        decided.iter().enumerate().map(|(at, e)| ((&e.key, e.sequence), at)).collect();
    let aligned = recorded.len() == decided.len();
    let mut furthest = None;
    for of in recorded {
        let Some(at) = places.remove(&(&of.key, of.sequence)) else {
            found.push(Difference::new(Subject::recorded(of), "event", Some(event(of)), None));
            continue;
        };
        let again = &decided[at];
        same_event(of, again, aligned, found);
        if furthest > Some(at) {
            let numbers = [of.number, again.number].map(|n| Some(Bytes::from(n.to_string())));
            let [before, after] = numbers;
            found.push(Difference::new(Subject::recorded(of), "order", before, after));
        }
        furthest = furthest.max(Some(at));
    }
    let mut missing: Vec<usize> = places.into_values().collect();
    missing.sort_unstable();
    for again in missing.into_iter().map(|at| &decided[at]) {
        found.push(Difference::new(Subject::decided(again), "event", None, Some(event(again))));
    }
}

fn same_event(recorded: &Event, decided: &Event, aligned: bool, found: &mut Vec<Difference>) {
    let mut differs = |field, recorded_bytes, decided_bytes| {
        let subject = Subject::recorded(recorded);
        found.push(Difference::new(subject, field, Some(recorded_bytes), Some(decided_bytes)));
    };
    let (a, b) = (recorded, decided);
    if a.kind != b.kind {
        differs("kind", kind(&a.kind), kind(&b.kind));
    }
    if a.body != b.body {
        differs("body", a.body.clone(), b.body.clone());
    }
    if a.time != b.time {
        differs("time", said(&a.time.0), said(&b.time.0));
    }
    if a.cause != b.cause {
        differs("cause", cause(&a.cause), cause(&b.cause));
    }
    if a.handler != b.handler {
        differs("handler", name(&a.handler), name(&b.handler));
    }
    if a.deployment != b.deployment {
        differs("deployment", said(&a.deployment), said(&b.deployment));
    }
    if a.context != b.context {
        differs("context", said(&a.context), said(&b.context));
    }
    // Where one is missing, the numbers of all after it are others.
    if aligned && a.previous != b.previous {
        differs("previous event", said(&a.previous), said(&b.previous));
    }
}

fn external(recorded: &[RequestOutcome], decided: &[RequestOutcome], found: &mut Vec<Difference>) {
    let mut again: BTreeMap<u64, &RequestOutcome> =
        decided.iter().map(|of| (of.offset, of)).collect();
    let words = |of: &RequestOutcome| Some(outcome(of.outcome.as_ref()));
    let subject = |of: &RequestOutcome| Subject::Request { offset: of.offset, key: of.key.clone() };
    for of in recorded {
        match again.remove(&of.offset) {
            None => found.push(Difference::new(subject(of), "outcome", words(of), None)),
            Some(other) if other.outcome != of.outcome => {
                found.push(Difference::new(subject(other), "outcome", words(of), words(other)));
            }
            Some(other) if other != of => {
                let (a, b) = (Some(said(of)), Some(said(other)));
                found.push(Difference::new(subject(other), "identity", a, b));
            }
            Some(_) => {}
        }
    }
    for of in again.into_values() {
        found.push(Difference::new(subject(of), "outcome", None, words(of)));
    }
}

fn commandless(
    recorded: &[CommandOutcome],
    decided: &[CommandOutcome],
    found: &mut Vec<Difference>,
) {
    let mut again: BTreeMap<u64, &CommandOutcome> =
        decided.iter().map(|of| (of.offset, of)).collect();
    let subject = |of: &CommandOutcome| Subject::Command { offset: of.offset };
    for of in recorded {
        let other = again.remove(&of.offset);
        if other != Some(of) {
            let (a, b) = (Some(command(of)), other.map(command));
            found.push(Difference::new(subject(of), "outcome", a, b));
        }
    }
    for of in again.into_values() {
        found.push(Difference::new(subject(of), "outcome", None, Some(command(of))));
    }
}

fn letters(recorded: &Recorded<'_>, decided: &Collected, found: &mut Vec<Difference>) {
    let Recorded { record, letters, .. } = recorded;
    let lists = |of: &BatchRecord| {
        said(&(&of.dead_letters_opened, &of.dead_letters_closed, &of.dead_letters_open))
    };
    let (a, b) = (lists(record), lists(&decided.record));
    if a != b {
        found.push(Difference::new(Subject::Turn, "dead letters", Some(a), Some(b)));
    }
    for (number, bytes) in &decided.write.dead_letters {
        let again: Option<DeadLetter> = decode(bytes).ok();
        let of = letters.get(number);
        if of != again.as_ref() {
            let (a, b) = (of.map(said), again.map(|of| said(&of)));
            found.push(Difference::new(Subject::DeadLetter(*number), "letter", a, b));
        }
    }
}

/// Counters, cursors and the hash.
fn standing(recorded: &Recorded<'_>, decided: &Collected, found: &mut Vec<Difference>) {
    let mut differs = |field, a: Bytes, b: Bytes| {
        if a != b {
            found.push(Difference::new(Subject::Turn, field, Some(a), Some(b)));
        }
    };
    let (record, again) = (recorded.record, &*decided.record);
    let (a, b) = (recorded.standing, &decided.standing);
    differs("turn", said(&a.turn), said(&b.turn));
    differs("deployment", said(&a.deployment), said(&b.deployment));
    differs("range of requests", said(&record.requests), said(&again.requests));
    differs("range of commands", said(&record.commands), said(&again.commands));
    differs("range of events", said(&record.events), said(&again.events));
    differs("commands seen", said(&numbers(&a.seen)), said(&numbers(&b.seen)));
    differs("cursors", said(&a.cursors), said(&b.cursors));
    differs("next dead letter", said(&a.dead_letters_next), said(&b.dead_letters_next));
    differs("time", said(&a.time.0), said(&b.time.0));
    differs("reference tables", said(&record.references), said(&again.references));
    differs("hash", said(&a.hash), said(&b.hash));
}

/// The numbers of channels, whatever the order of types.
fn numbers(channels: &Channels) -> Vec<String> {
    let taken = channels.iter().filter(|(_, number)| *number > 0);
    taken.map(|(from, number)| format!("{from:?}: {number}")).collect()
}
