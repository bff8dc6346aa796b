//! One turn, decided once more: the same steps as the turn itself, but that verdicts of faults are
//! read, that nobody reacts, and that what retention has removed is taken as it is recorded.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::AuditError;
use super::auditor::Before;
use crate::aggregate::decode as decode_stored;
use crate::channels::Arrival;
use crate::fault_rate::FaultRate;
use crate::guest::Guest;
use crate::log::Limit;
use crate::log::records::Records;
use crate::model::{DeadLetterNumber, Event, EventNumber, PartitionId, Time};
use crate::proto::command_outcome::Why;
use crate::proto::dead_letter::Subject as DeadSubject;
use crate::proto::outcome::What;
use crate::proto::{BatchRecord, DeadLetter, RequestOutcome};
use crate::references::Pinned;
use crate::settings::Settings;
use crate::topology::{HandlerIndex, Topology};
use crate::turn::collect::{self, Collected, ID_REUSED};
use crate::turn::decide::{Decider, Undecided};
use crate::turn::decode::{Known, OpenLetter};
use crate::turn::{
    Ask, CaughtUp, Decided, Failure, Item, Parked, Place, Reacted, Reaction, Sender, Taken, Task,
    Verdict, decode,
};
use crate::working::Working;

/// One record.
const ONE: Limit = Limit { records: 1, bytes: usize::MAX };

/// What a turn was made of.
pub(super) struct Again<'a> {
    /// The partition.
    pub(super) partition: PartitionId,
    /// Who did what.
    pub(super) topology: &'a Topology,
    /// The owner's instance.
    pub(super) guest: &'a mut dyn Guest,
    /// What it could look up.
    pub(super) pinned: &'a Pinned,
    /// Where the partition stood before.
    pub(super) before: &'a Before,
    /// The turn, as it is recorded.
    pub(super) record: &'a BatchRecord,
    /// Where event handlers stood after it: those that were behind stay there.
    pub(super) cursors: &'a BTreeMap<Arc<str>, EventNumber>,
    /// What it took.
    pub(super) taken: &'a Taken,
    /// What it took, decoded.
    pub(super) items: &'a [Item],
    /// Its dead letters that the log has, and those that its faults name.
    pub(super) letters: &'a BTreeMap<DeadLetterNumber, DeadLetter>,
    /// The older events that these dead letters are about.
    pub(super) missed: &'a BTreeMap<EventNumber, Event>,
    /// The aggregates.
    pub(super) working: &'a mut Working,
}

/// What came of it.
pub(super) struct Outcome {
    /// The turn as it would have been committed, but for the commands of event handlers.
    pub(super) collected: Collected,
    /// Verdicts of faults that were read.
    pub(super) faults: u64,
    /// Answers that were taken as they are recorded.
    pub(super) as_recorded: u64,
}

/// What of an item is not decided once more.
enum Read {
    /// A fault.
    Fault(Verdict),
    /// What only removed records could tell.
    AsRecorded(Verdict),
}

impl Again<'_> {
    /// Decides it.
    ///
    /// # Errors
    /// A guest that could not be run.
    pub(super) fn decide(mut self) -> Result<Outcome, AuditError> {
        let (mut faults, mut as_recorded) = (0, 0);
        let mut decided = Decided::default();
        for index in 0..self.items.len() {
            let Some(read) = self.read(&self.items[index]) else { continue };
            self.ask(index, &mut decided)?;
            let verdict = match read {
                Read::Fault(verdict) => {
                    faults += 1;
                    self.give_up(index);
                    verdict
                }
                Read::AsRecorded(verdict) => {
                    as_recorded += 1;
                    verdict
                }
            };
            decided.verdicts.push(verdict);
        }
        self.ask(self.items.len(), &mut decided)?;
        let collected = self.collect(decided);
        Ok(Outcome { collected, faults, as_recorded })
    }

    /// Decides what has no verdict yet, up to an item. Batch size never changes a result.
    fn ask(&mut self, until: usize, decided: &mut Decided) -> Result<(), AuditError> {
        let from = decided.verdicts.len();
        if from == until {
            return Ok(());
        }
        // Where the log has the end of a turn, its faults never cut it shorter.
        let never = Settings { fault_share_max: f64::INFINITY, ..Settings::default() };
        let owner = self.topology.owner(self.partition.aggregate_type);
        let decider = Decider {
            topology: self.topology,
            partition: self.partition,
            lookup: self.pinned.lookup(&self.topology.handlers[owner]),
            guest: &mut *self.guest,
            working: &mut *self.working,
            rate: &mut FaultRate::new(&never),
            events_next: self.before.standing.events_next + decided.events.len() as u64,
            sample: false,
        };
        let part = decider.run(&self.items[from..until]).map_err(|undecided| match undecided {
            Undecided::Later(fault) => AuditError::Host(fault.to_string()),
            Undecided::Mismatch(what) => AuditError::Host(what),
        })?;
        decided.verdicts.extend(part.verdicts);
        decided.events.extend(part.events.into_iter().map(|(index, event)| (from + index, event)));
        Ok(())
    }

    /// The verdict of an item that is not decided.
    fn read(&self, item: &Item) -> Option<Read> {
        match item.place {
            Place::Requests(offset) => {
                let found =
                    self.record.external.binary_search_by_key(&offset, |o| o.offset).ok()?;
                let recorded = &self.record.external[found];
                match recorded.outcome.as_ref()?.what.as_ref()? {
                    What::Fault(fault) => self.fault(item, fault.dead_letter),
                    what => self.forgotten(item, recorded, what).map(Read::AsRecorded),
                }
            }
            Place::Commands(offset) => {
                let list = &self.record.commandless;
                let found = list.binary_search_by_key(&offset, |o| o.offset).ok()?;
                match list[found].why.as_ref()? {
                    Why::Fault(fault) => self.fault(item, fault.dead_letter),
                    _ => None,
                }
            }
        }
    }

    /// A fault as its dead letter has it. What became of a parked event is told by the reaction.
    fn fault(&self, item: &Item, letter: DeadLetterNumber) -> Option<Read> {
        if matches!(item.task, Task::React { .. }) {
            return None;
        }
        let failure = self.letters.get(&letter).map(failure_of);
        let none = || Failure { reason: "".into(), message: String::new() };
        Some(Read::Fault(Verdict::Fault(failure.unwrap_or_else(none))))
    }

    /// The verdict of an item that goes back to what retention has removed: the first of two commands
    /// with one id, or the Wake that was not answered.
    fn forgotten(&self, item: &Item, recorded: &RequestOutcome, what: &What) -> Option<Verdict> {
        let Task::Decide(Ask { key, sender, .. }) = &item.task else { return None };
        let window = &self.topology.settings(self.partition.aggregate_type).window_ms;
        let lost = self.before.lost.as_ref()?;
        match (sender, what) {
            (Sender::External { .. }, What::Duplicate(duplicate))
                if duplicate.first < lost.requests =>
            {
                let outcome = duplicate.outcome.clone().unwrap_or_default();
                Some(Verdict::Duplicate { first: duplicate.first, outcome })
            }
            (Sender::External { source, id, .. }, What::Refused(refused))
                if refused.code == ID_REUSED && recorded.unwindowed =>
            {
                let aggregate = &self.working.get(key)?.aggregate;
                let known =
                    aggregate.window.entries().iter().any(|e| e.id == *id && e.source == *source);
                let may_be_older = item.time <= lost.time.plus_ms(*window);
                (may_be_older && !known).then_some(Verdict::Reused)
            }
            (Sender::Wake(wake), What::Dropped(dropped)) => {
                let aggregate = &self.working.get(key)?.aggregate;
                let is_wanted = aggregate.sequence == wake.sequence
                    && aggregate.deadline() == Some(wake.deadline)
                    && item.time >= wake.deadline;
                let is_old = aggregate.last_event.is_some_and(|event| event < lost.events);
                (is_wanted && is_old).then(|| Verdict::Dropped(dropped.reason.clone()))
            }
            _ => None,
        }
    }

    /// A deadline that was not answered is given up.
    fn give_up(&mut self, index: usize) {
        let Task::Decide(Ask { key, sender: Sender::Wake(wake), .. }) = &self.items[index].task
        else {
            return;
        };
        if let Some(held) = self.working.get_mut(key) {
            held.changed = true;
            Arc::make_mut(&mut held.aggregate).wake_given_up = Some(wake.sequence);
        }
    }

    /// Puts the turn together, with the events that event handlers had broken on as they are recorded.
    fn collect(&self, decided: Decided) -> Collected {
        let mut seen = self.before.standing.seen.clone();
        for stored in &self.taken.commands {
            if let Some(stamp) = stored.record.channel
                && seen.arrival(stamp) == Arrival::New
            {
                seen.advance(stamp.from, stamp.number);
            }
        }
        let reactions = collect::reactions(self.items, &decided);
        let parked = self.parked(&reactions);
        let reactions: Vec<_> = reactions.iter().map(|r| (r.item, r.only.map(Arc::from))).collect();
        let caught_up = self.caught_up(decided.events.len() as u64);
        collect::collect(collect::Turn {
            partition: self.partition,
            topology: self.topology,
            before: &self.before.standing,
            taken: self.taken,
            items: self.items,
            seen,
            decided,
            reactions: &reactions,
            reacted: Reacted { parked, ..Reacted::default() },
            caught_up,
            wakes: Vec::new(),
            references: self.pinned.record(),
        })
    }

    /// How far event handlers had come that were behind, and what they had broken on, as it is recorded.
    fn caught_up(&self, decided: u64) -> CaughtUp {
        let end = self.before.standing.events_next + decided;
        let handlers = &self.topology.handlers;
        let reactors = self.topology.reactors(self.partition.aggregate_type).iter().copied();
        let next = |handler: HandlerIndex| self.cursors.get(&handlers[handler].spec.name).copied();
        let behind = reactors.filter_map(|handler| Some((handler, next(handler)?)));
        let opened = self.record.dead_letters_opened.iter();
        let parked = opened.filter_map(|number| {
            let letter = self.letters.get(number)?;
            let Some(DeadSubject::Event(event)) = letter.subject else { return None };
            let event = self.missed.get(&event)?;
            Some((event.clone(), self.park(0, event, letter)?))
        });
        CaughtUp {
            behind: behind.filter(|(_, next)| *next < end).collect(),
            parked: parked.collect(),
            ..CaughtUp::default()
        }
    }

    fn parked(&self, reactions: &[Reaction<'_>]) -> Vec<Parked> {
        let mut parked = Vec::new();
        for number in &self.record.dead_letters_opened {
            let Some(letter) = self.letters.get(number) else { continue };
            let Some(DeadSubject::Event(event)) = letter.subject else { continue };
            let reaction =
                reactions.iter().position(|r| r.only.is_none() && r.event.number == event);
            parked.extend(reaction.and_then(|at| self.park(at, reactions[at].event, letter)));
        }
        // A redriven event that broke its handler again leaves its letter open.
        let faulted = |item: &Item| {
            let Place::Requests(offset) = item.place else { return None };
            let found = self.record.external.binary_search_by_key(&offset, |o| o.offset).ok()?;
            match self.record.external[found].outcome.as_ref()?.what.as_ref()? {
                What::Fault(fault) => self.letters.get(&fault.dead_letter),
                _ => None,
            }
        };
        for (at, reaction) in reactions.iter().enumerate().filter(|(_, r)| r.only.is_some()) {
            let letter = faulted(&self.items[reaction.item]);
            parked.extend(letter.and_then(|letter| self.park(at, reaction.event, letter)));
        }
        parked.sort_by_key(|parked| parked.reaction);
        parked
    }

    fn park(&self, reaction: usize, event: &Event, letter: &DeadLetter) -> Option<Parked> {
        let handlers = &self.topology.handlers;
        let handler = handlers.iter().position(|h| *h.spec.name == *letter.handler)?;
        Some(Parked { reaction, key: event.key.clone(), handler, failure: failure_of(letter) })
    }
}

fn failure_of(letter: &DeadLetter) -> Failure {
    Failure { reason: letter.reason.clone().into(), message: letter.message.clone() }
}

/// What a turn took, as items; and the dead letters that it names.
pub(super) fn items(
    partition: PartitionId,
    topology: &Topology,
    before: &Before,
    record: &BatchRecord,
    taken: &Taken,
    log: &mut dyn Records,
) -> Result<Vec<Item>, AuditError> {
    let mut named = BTreeMap::new();
    for number in taken.requests.iter().filter_map(|request| request.record.redrive) {
        if !before.standing.dead_letters_open.contains(&number) {
            continue;
        }
        let Some(letter) = letter(partition, number, log)? else { continue };
        let event = match letter.subject {
            Some(DeadSubject::Event(event)) => event_at(partition, event, log)?,
            _ => None,
        };
        named.insert(number, OpenLetter { letter, event });
    }
    let known = Known { partition, topology, letters: &named };
    let mut seen = before.standing.seen.clone();
    decode::decode(taken, &mut seen, &known).map_err(|gap| AuditError::Gap {
        turn: record.turn,
        due: gap.due,
        came: gap.came,
    })
}

/// The dead letters that a turn opened, and those that its faults name.
pub(super) fn letters(
    partition: PartitionId,
    record: &BatchRecord,
    log: &mut dyn Records,
) -> Result<BTreeMap<DeadLetterNumber, DeadLetter>, AuditError> {
    let external =
        record.external.iter().filter_map(|o| match o.outcome.as_ref()?.what.as_ref()? {
            What::Fault(fault) => Some(fault.dead_letter),
            _ => None,
        });
    let commandless = record.commandless.iter().filter_map(|o| match o.why.as_ref()? {
        Why::Fault(fault) => Some(fault.dead_letter),
        _ => None,
    });
    let opened = record.dead_letters_opened.iter().copied();
    let mut letters = BTreeMap::new();
    for number in opened.chain(external).chain(commandless) {
        if let Some(letter) = letter(partition, number, log)? {
            letters.insert(number, letter);
        }
    }
    Ok(letters)
}

/// The events below this number that these dead letters are about.
pub(super) fn missed(
    partition: PartitionId,
    letters: &BTreeMap<DeadLetterNumber, DeadLetter>,
    before: EventNumber,
    log: &mut dyn Records,
) -> Result<BTreeMap<EventNumber, Event>, AuditError> {
    let mut missed = BTreeMap::new();
    for letter in letters.values() {
        let Some(DeadSubject::Event(number)) = letter.subject else { continue };
        if number < before
            && let Some(event) = event_at(partition, number, log)?
        {
            missed.insert(number, event);
        }
    }
    Ok(missed)
}

fn letter(
    partition: PartitionId,
    number: DeadLetterNumber,
    log: &mut dyn Records,
) -> Result<Option<DeadLetter>, AuditError> {
    let Some(bytes) = log.dead_letter(partition, number)? else { return Ok(None) };
    // One that cannot be read is as good as none: it is told by what it is missed for.
    Ok(decode_stored(&bytes).ok())
}

fn event_at(
    partition: PartitionId,
    number: EventNumber,
    log: &mut dyn Records,
) -> Result<Option<Event>, AuditError> {
    let events = log.read(partition, number, ONE)?;
    Ok(events.into_iter().next().filter(|event| event.number == number))
}

/// When what retention has removed ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lost {
    /// Requests below this offset.
    pub(super) requests: u64,
    /// Events below this number have no batch record.
    pub(super) events: EventNumber,
    /// No record that is gone was taken later.
    pub(super) time: Time,
}

/// The key of the aggregate that an item asks.
pub(super) fn key_of(item: &Item) -> Option<&Bytes> {
    match &item.task {
        Task::Decide(ask) => Some(&ask.key),
        _ => None,
    }
}
