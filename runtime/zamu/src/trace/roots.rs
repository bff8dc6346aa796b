//! From records up to what began it all: a client's request, or an aggregate's deadline.

use std::collections::BTreeMap;

use zamu_core::error::EngineError;
use zamu_core::model::{Cause, EventRef, Offset, PartitionId, Time};
use zamu_core::proto::{DeadLetter, dead_letter::Subject};
use zamu_rocks::Timed;

use crate::node::EventsAfter;
use crate::trace::names::{Candidate, Reading as Named};
use crate::trace::reading::Reading;
use crate::trace::{Known, Located, Source, TraceError};

/// What began a process.
#[derive(Clone, Debug)]
pub(crate) struct Root {
    pub(crate) partition: PartitionId,
    pub(crate) from: Begun,
}

/// What that is.
#[derive(Clone, Debug)]
pub(crate) enum Begun {
    /// The request at an offset, and an event that it is known to have caused.
    Request(Offset, Option<Box<Located>>),
    /// Something that is not found: the oldest event of it that is.
    Event(Box<Located>),
}

/// Which root: one request is one, however many events led to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Which {
    Request(PartitionId, Offset),
    Event(PartitionId, u64),
}

/// An aggregate's events that are followed up at most, newest first.
const EVENTS_MAX: usize = 1_000;
/// Dead letters of a partition that are looked through for an aggregate's, newest first.
const LETTERS_MAX: u64 = 2_000;
/// Hops from an event up to its root.
const HOPS_MAX: usize = 1_000;

/// Roots of what an id names.
pub(crate) struct Roots<'a> {
    reading: Reading<'a>,
    found: BTreeMap<Which, Root>,
    notes: Vec<String>,
    limit: usize,
}

impl<'a> Roots<'a> {
    /// None yet. Of more than `limit`, the newest ones are kept.
    pub(crate) fn new(source: &'a Source<'a>, limit: usize) -> Self {
        Self { reading: Reading { source }, found: BTreeMap::new(), notes: Vec::new(), limit }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Says what may be missing.
    pub(crate) fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// Roots of an aggregate, or of the one event that the id names.
    pub(crate) fn of_candidate(
        &mut self,
        candidate: &Candidate,
        known: &Known,
    ) -> Result<(), TraceError> {
        match candidate.reading {
            Named::Aggregate | Named::Key => self.of_aggregate(candidate, known),
            Named::Event(sequence) | Named::Command(sequence) => {
                let Some(last) = known.last_event else { return Ok(()) };
                let wanted = EventsAfter {
                    partition: candidate.partition,
                    key: candidate.key.clone(),
                    newest: known.sequence,
                    last,
                    after: sequence.saturating_sub(1),
                    limit: 1,
                };
                for event in wanted.read(self.reading.source.log)? {
                    self.of_event(Located { partition: candidate.partition, event })?;
                }
                Ok(())
            }
        }
    }

    fn of_aggregate(&mut self, candidate: &Candidate, known: &Known) -> Result<(), TraceError> {
        let partition = candidate.partition;
        if let Some(last) = known.last_event {
            let events = self.reading.newest_events(partition, last, EVENTS_MAX)?;
            let all_events = events.len() as u64 == known.sequence;
            let mut events = events.into_iter();
            // One more is enough to know that there are more.
            while self.found.len() <= self.limit
                && let Some(event) = events.next()
            {
                self.of_event(event)?;
            }
            if self.found.len() <= self.limit && !all_events {
                let all = known.sequence;
                self.note(format!("only the newest {EVENTS_MAX} of {all} events were looked at"));
            }
        }
        for offset in &known.requests {
            self.of_request(partition, *offset)?;
        }
        self.of_dead(candidate)
    }

    /// Roots of an aggregate's dead letters.
    pub(crate) fn of_dead(&mut self, candidate: &Candidate) -> Result<(), TraceError> {
        let partition = candidate.partition;
        let letters = self.reading.newest_letters(partition, LETTERS_MAX)?;
        for letter in letters {
            match &letter.subject {
                Some(Subject::Request(dead)) if dead.key == candidate.key => {
                    self.of_request(partition, dead.offset)?;
                }
                Some(Subject::Command(dead)) if dead.key == candidate.key => {
                    self.of_letter(partition, &letter)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The root behind a request: itself, or what it has processed again.
    pub(crate) fn of_request(
        &mut self,
        partition: PartitionId,
        offset: Offset,
    ) -> Result<(), TraceError> {
        let stored = self.reading.request(partition, offset)?;
        if let Some(number) = stored.and_then(|stored| stored.record.redrive)
            && let Some(letter) = self.reading.letter(partition, number)?
        {
            return self.of_letter(partition, &letter);
        }
        self.add(Root { partition, from: Begun::Request(offset, None) });
        Ok(())
    }

    fn of_letter(&mut self, partition: PartitionId, letter: &DeadLetter) -> Result<(), TraceError> {
        match &letter.subject {
            Some(Subject::Request(dead)) => {
                self.add(Root { partition, from: Begun::Request(dead.offset, None) });
            }
            Some(Subject::Command(dead)) => {
                let types = &self.reading.source.terms.types;
                let Some(index) = types.iter().position(|name| **name == *dead.cause_type) else {
                    return Ok(());
                };
                let cause = EventRef {
                    aggregate_type: zamu_core::model::TypeId(index as u16),
                    key: dead.cause_key.clone(),
                    sequence: dead.cause_sequence,
                };
                // It had been sent before it could break anything.
                let between = Time(letter.time)..=Time(u64::MAX - 1);
                let place = (partition, dead.offset);
                if let Some(event) = self.reading.sender(&cause, place, between)? {
                    self.of_event(event)?;
                }
            }
            Some(Subject::Event(number)) => {
                if let Some(event) = self.reading.event(partition, *number)? {
                    self.of_event(event)?;
                }
            }
            None => {}
        }
        Ok(())
    }

    /// The root of an event.
    pub(crate) fn of_event(&mut self, event: Located) -> Result<(), TraceError> {
        let mut event = event;
        for _ in 0..HOPS_MAX {
            let partition = event.partition;
            match event.event.cause.clone() {
                Cause::Request { offset, .. } | Cause::Wake { offset, .. } => {
                    let offset = self.redriven(partition, offset)?;
                    let from = Begun::Request(offset, Some(Box::new(event)));
                    self.add(Root { partition, from });
                    return Ok(());
                }
                Cause::Command { event: cause, offset, .. } => {
                    match self.reading.cause_of(&event, &cause, offset)? {
                        Some(found) => event = found,
                        None => break,
                    }
                }
            }
        }
        self.note("an event's cause was not found: its tree begins with the event".to_owned());
        self.add(Root { partition: event.partition, from: Begun::Event(Box::new(event)) });
        Ok(())
    }

    /// Where the request stands that a redrive had processed again; its own place for any other.
    fn redriven(&self, partition: PartitionId, offset: Offset) -> Result<Offset, TraceError> {
        let stored = self.reading.request(partition, offset)?;
        let Some(number) = stored.and_then(|stored| stored.record.redrive) else {
            return Ok(offset);
        };
        let letter = self.reading.letter(partition, number)?;
        match letter.and_then(|letter| letter.subject) {
            Some(Subject::Request(dead)) => Ok(dead.offset),
            _ => Ok(offset),
        }
    }

    fn add(&mut self, root: Root) {
        let which = match &root.from {
            Begun::Request(offset, _) => Which::Request(root.partition, *offset),
            Begun::Event(event) => Which::Event(root.partition, event.event.number),
        };
        let known = self.found.entry(which).or_insert_with(|| root.clone());
        // An event of it may tell what retention has removed.
        if matches!(known.from, Begun::Request(_, None)) {
            *known = root;
        }
    }

    /// The newest roots, oldest first, and what is to be said of those that are left out.
    pub(crate) fn newest(self) -> Result<(Vec<Root>, Vec<String>), EngineError> {
        let mut timed = Vec::with_capacity(self.found.len());
        for root in self.found.into_values() {
            timed.push((self.reading.began(&root)?, root));
        }
        timed.sort_by_key(|(time, _)| *time);
        let mut notes = self.notes;
        let limit = self.limit;
        if timed.len() > limit {
            timed.drain(..timed.len() - limit);
            notes.push(format!(
                "only the newest {limit} processes are shown: ask with a higher limit"
            ));
        }
        Ok((timed.into_iter().map(|(_, root)| root).collect(), notes))
    }
}

impl Reading<'_> {
    /// When it began, as far as that is known.
    fn began(&self, root: &Root) -> Result<Time, EngineError> {
        match &root.from {
            Begun::Request(offset, hint) => {
                let log = self.source.log;
                let taken = log.appended(root.partition, Timed::Requests, *offset)?;
                // The time of an event is that of what began its process.
                Ok(taken.or(hint.as_ref().map(|event| event.event.time)).unwrap_or_default())
            }
            Begun::Event(event) => Ok(event.event.time),
        }
    }
}
