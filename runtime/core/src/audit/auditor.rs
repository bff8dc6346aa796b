//! The way through one partition: all that was before the first turn is folded, then each turn is
//! decided once more and compared, and what it left is folded in its turn. In steps, so that whoever
//! drives it can tell how far it is.

use std::sync::Arc;

use super::compare::{self, Recorded, Seal};
use super::past::Past;
use super::span::{self, Span};
use super::tables::{NoVersion, Tables};
use super::turn::{self, Again, Lost};
use super::{AuditError, Audited, Deployments, InForce};
use crate::fold::{self, FoldError, Folder};
use crate::log::Limit;
use crate::log::records::Records;
use crate::model::{DeploymentNumber, Event, EventNumber, PartitionId, Time, TurnNumber};
use crate::outcomes::{Standing, decode_record};
use crate::proto::{BatchRecord, Range};
use crate::references::Pinned;
use crate::store::Store;
use crate::store::tables::TableStore;
use crate::topology::Types;
use crate::turn::Taken;
use crate::working::Working;

/// What an audit of a partition needs.
pub struct Parts<'a> {
    /// The log.
    pub log: &'a mut dyn Records,
    /// The aggregate types of the log.
    pub types: Types,
    /// Gives handlers.
    pub deployments: &'a mut dyn Deployments,
    /// For aggregates that do not fit in memory. It has nothing of the partition.
    pub store: &'a mut dyn Store,
    /// For tables that are made once more. What is there is dropped.
    pub tables: &'a dyn TableStore,
    /// What is read of the log at once.
    pub page: Limit,
    /// How many bytes of aggregates may be in memory, roughly.
    pub bytes_max: usize,
}

/// What a step has done.
#[derive(Clone, Debug)]
pub enum Progress {
    /// It has folded what was before the first turn: up to this event, of so many.
    Folded {
        /// Number of the next event.
        next: EventNumber,
        /// Number of the first event that is not folded but decided.
        until: EventNumber,
    },
    /// It has audited a turn.
    Turn(Box<Audited>),
    /// There was nothing left to do.
    Done,
}

/// Where a partition stood before a turn.
pub(super) struct Before {
    /// By the batch record of the turn before.
    pub(super) standing: Standing,
    /// What retention has removed, if it has.
    pub(super) lost: Option<Lost>,
}

/// See the file's head.
pub struct Auditor<'a> {
    partition: PartitionId,
    log: &'a mut dyn Records,
    types: Types,
    deployments: &'a mut dyn Deployments,
    page: Limit,
    past: Past<'a>,
    tables: Tables<'a>,
    in_force: (DeploymentNumber, InForce),
    before: Before,
    /// Events below this number are folded without batch records, first of all.
    alone_to: EventNumber,
    /// Number of the next event to fold.
    events_next: EventNumber,
    /// The next turn whose record is to be folded or audited.
    next: TurnNumber,
    first: TurnNumber,
    last: TurnNumber,
    /// Number of the first event of the first turn that is audited.
    until: EventNumber,
}

impl<'a> Auditor<'a> {
    /// Begins an audit of turns `first` to `last` of a partition.
    ///
    /// # Errors
    /// When they are not all there, or the handlers of the first cannot be had.
    pub fn open(
        partition: PartitionId,
        [first, last]: [TurnNumber; 2],
        parts: Parts<'a>,
    ) -> Result<Self, AuditError> {
        let Parts { log, types, deployments, store, tables, page, bytes_max } = parts;
        let span = Span::of(log, partition)?;
        if first < span.first {
            return Err(AuditError::Gone { asked: first, oldest: span.first });
        }
        let record = span::read(log, partition, first)?;
        let in_force = handlers(record.deployment, deployments)?;
        let mut before = Before { standing: Standing::new(), lost: None };
        let mut alone_to = 0;
        if span.oldest > 1 {
            let oldest = span::read(log, partition, span.oldest)?;
            let lost = Lost {
                requests: range(&oldest, oldest.requests)?.first,
                events: range(&oldest, oldest.events)?.first,
                time: Time(oldest.time),
            };
            (alone_to, before.lost) = (lost.events, Some(lost));
        }
        Ok(Self {
            partition,
            log,
            types,
            deployments,
            page,
            past: Past::new(partition, store, bytes_max),
            tables: Tables::new(tables),
            in_force: (record.deployment, in_force),
            before,
            alone_to,
            events_next: 0,
            next: span.oldest,
            first,
            last: last.min(span.last),
            until: range(&record, record.events)?.first,
        })
    }

    /// Folds a page of what was before, or audits a turn.
    ///
    /// # Errors
    /// When the audit cannot go on.
    pub fn step(&mut self) -> Result<Progress, AuditError> {
        if self.events_next < self.alone_to {
            let events = self.events(self.events_next, self.alone_to, self.page)?;
            self.events_next += events.len() as u64;
            self.fold(&[], &events)?;
            return Ok(Progress::Folded { next: self.events_next, until: self.until });
        }
        if self.next < self.first {
            self.fold_records()?;
            return Ok(Progress::Folded { next: self.events_next, until: self.until });
        }
        if self.next > self.last {
            return Ok(Progress::Done);
        }
        let audited = self.audit()?;
        self.next += 1;
        Ok(Progress::Turn(Box::new(audited)))
    }

    /// Folds turns before the first that is audited.
    fn fold_records(&mut self) -> Result<(), AuditError> {
        let left = (self.first - self.next) as usize;
        let limit = Limit { records: self.page.records.min(left), ..self.page };
        let mut records: Vec<BatchRecord> = Vec::new();
        let mut events_to = self.events_next;
        for (turn, bytes) in self.log.outcomes(self.partition, self.next, limit)? {
            let record = decode_record(&bytes).map_err(|error| AuditError::Record {
                turn,
                problem: format!("cannot be read: {error}"),
            })?;
            events_to = range(&record, record.events)?.next;
            records.push(record);
            if events_to - self.events_next >= self.page.records as u64 {
                break;
            }
        }
        let Some(newest) = records.last() else {
            let (turn, problem) = (self.next, "is missing".to_owned());
            return Err(AuditError::Record { turn, problem });
        };
        let standing = self.standing_after(newest)?;
        let events = self.all_events(self.events_next, events_to)?;
        self.fold(&records, &events)?;
        self.next += records.len() as u64;
        self.events_next = events_to;
        self.before.standing = standing;
        Ok(())
    }

    fn audit(&mut self) -> Result<Audited, AuditError> {
        let record = span::read(self.log, self.partition, self.next)?;
        let standing = self.standing_after(&record)?;
        if record.deployment != self.in_force.0 {
            self.in_force = (record.deployment, handlers(record.deployment, self.deployments)?);
        }
        let topology = Arc::clone(&self.in_force.1.topology);
        let owner = topology.owner(self.partition.aggregate_type);
        let of_events = range(&record, record.events)?;
        let events = self.all_events(of_events.first, of_events.next)?;
        let taken = self.taken(&record)?;
        let mut audited = Audited {
            turn: record.turn,
            deployment: record.deployment,
            handler: Arc::clone(&topology.handlers[owner].spec),
            requests: taken.requests.len() as u64,
            commands: taken.commands.len() as u64,
            events: events.len() as u64,
            faults: 0,
            as_recorded: 0,
            differences: Vec::new(),
            undecided: None,
        };
        let pinned = self.tables.at(&record, self.partition, &mut self.in_force.1, self.log);
        let as_it_was = match pinned {
            Ok(pinned) => self.again(&record, &standing, &events, &taken, &pinned, &mut audited)?,
            Err(NoVersion::Unknown(why)) => {
                audited.undecided = Some(why);
                None
            }
            Err(NoVersion::Engine(error)) => return Err(error.into()),
        };
        match as_it_was {
            // What was committed is known from what was decided alone.
            Some((working, Seal::Broken)) => self.past.change(working)?,
            Some((working, _)) => match self.fold(std::slice::from_ref(&record), &events) {
                // That is told already, and what follows can still be decided.
                Err(AuditError::Fold { .. }) => self.past.change(working)?,
                folded => folded?,
            },
            None => self.fold(std::slice::from_ref(&record), &events)?,
        }
        self.events_next = of_events.next;
        self.before.standing = standing;
        Ok(audited)
    }

    /// Decides a turn once more. Where it differs, gives what was made of the aggregates, and what the
    /// turn's hash says of the log.
    fn again(
        &mut self,
        record: &BatchRecord,
        standing: &Standing,
        events: &[Event],
        taken: &Taken,
        pinned: &Pinned,
        audited: &mut Audited,
    ) -> Result<Option<(Working, Seal)>, AuditError> {
        let InForce { topology, guests } = &mut self.in_force.1;
        let owner = topology.owner(self.partition.aggregate_type);
        let items = turn::items(self.partition, topology, &self.before, record, taken, self.log)?;
        let letters = turn::letters(self.partition, record, self.log)?;
        let before = self.before.standing.events_next;
        let missed = turn::missed(self.partition, &letters, before, self.log)?;
        let keys = items.iter().filter_map(turn::key_of);
        let mut working = self.past.load(keys, &topology.handlers[owner])?;
        let again = Again {
            partition: self.partition,
            topology,
            guest: &mut *guests[owner],
            pinned,
            before: &self.before,
            record,
            cursors: &standing.cursors,
            taken,
            items: &items,
            letters: &letters,
            missed: &missed,
            working: &mut working,
        };
        let turn::Outcome { collected, faults, as_recorded } = again.decide()?;
        (audited.faults, audited.as_recorded) = (faults, as_recorded);
        let recorded = Recorded { record, standing, events, letters: &letters };
        let mut found = compare::compare(&recorded, &collected);
        if found.is_empty() {
            return Ok(None);
        }
        let seal = compare::seal(&self.before.standing.hash, &recorded, &collected);
        found.iter_mut().for_each(|difference| difference.altered = seal != Seal::Whole);
        audited.differences = found;
        Ok(Some((working, seal)))
    }

    fn fold(&mut self, records: &[BatchRecord], events: &[Event]) -> Result<(), AuditError> {
        let InForce { topology, guests } = &mut self.in_force.1;
        let owner = topology.owner(self.partition.aggregate_type);
        let mut working = self.past.load(fold::keys(records, events), &topology.handlers[owner])?;
        let guest = &mut *guests[owner];
        let mut folder = Folder { topology, partition: self.partition, guest };
        let folded = folder
            .events(events, &mut working)
            .and_then(|()| folder.outcomes(records, &mut working));
        folded.map_err(|error| match error {
            FoldError::Unfit(problem) | FoldError::Broken(problem) => {
                AuditError::Fold { turn: self.next, problem }
            }
            FoldError::Host(problem) => AuditError::Host(problem),
        })?;
        Ok(self.past.change(working)?)
    }

    /// What a turn took.
    fn taken(&mut self, record: &BatchRecord) -> Result<Taken, AuditError> {
        let mut taken = Taken::default();
        let Range { mut first, next } = range(record, record.commands)?;
        while first < next {
            let page = self.log.commands(self.partition, first, limit(first, next, self.page))?;
            let Some(newest) = page.last() else { break };
            first = newest.offset + 1;
            taken.commands.extend(page.into_iter().filter(|stored| stored.offset < next));
        }
        let Range { mut first, next } = range(record, record.requests)?;
        while first < next {
            let page = self.log.requests(self.partition, first, limit(first, next, self.page))?;
            let Some(newest) = page.last() else { break };
            first = newest.offset + 1;
            taken.requests.extend(page.into_iter().filter(|stored| stored.offset < next));
        }
        Ok(taken)
    }

    fn all_events(
        &mut self,
        mut from: EventNumber,
        until: EventNumber,
    ) -> Result<Vec<Event>, AuditError> {
        let mut events = Vec::new();
        while from < until {
            let page = self.events(from, until, self.page)?;
            from += page.len() as u64;
            events.extend(page);
        }
        Ok(events)
    }

    /// A page of events: at least one.
    fn events(
        &mut self,
        from: EventNumber,
        until: EventNumber,
        page: Limit,
    ) -> Result<Vec<Event>, AuditError> {
        let events = self.log.read(self.partition, from, limit(from, until, page))?;
        if events.first().is_none_or(|event| event.number != from) {
            let problem = format!("event {from} is missing");
            return Err(AuditError::Fold { turn: self.next, problem });
        }
        Ok(events)
    }

    fn standing_after(&self, record: &BatchRecord) -> Result<Standing, AuditError> {
        Standing::after(record, &self.types)
            .map_err(|error| AuditError::Record { turn: record.turn, problem: error.to_string() })
    }
}

fn handlers(
    number: DeploymentNumber,
    deployments: &mut dyn Deployments,
) -> Result<InForce, AuditError> {
    deployments.handlers(number).map_err(|problem| AuditError::Deployment { number, problem })
}

/// Not more than is left.
fn limit(from: u64, until: u64, page: Limit) -> Limit {
    Limit { records: page.records.min((until - from) as usize), ..page }
}

fn range(record: &BatchRecord, range: Option<Range>) -> Result<Range, AuditError> {
    let problem = || "lacks a range".to_owned();
    range.ok_or_else(|| AuditError::Record { turn: record.turn, problem: problem() })
}
