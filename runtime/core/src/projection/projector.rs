//! One generation of one partition: a page of events at a time.

use std::sync::Arc;

use super::batch::Batch;
use super::reference::{Full, Keeper};
use crate::aggregate::{decode, encode};
use crate::error::EngineError;
use crate::guest::check::changes::changes;
use crate::guest::{Fault, FaultReason, Guest};
use crate::log::Limit;
use crate::log::events::Events;
use crate::model::{Event, EventNumber, PartitionId};
use crate::proto::{TableGeneration, TablePosition};
use crate::store::tables::{Place, RowWrite, TableReader, TableStore};
use crate::topology::BoundHandler;

/// Where a generation stands in one partition.
#[derive(Clone, Debug)]
pub struct Projector {
    /// The partition whose events it reads.
    pub partition: PartitionId,
    /// Where its rows are.
    pub place: Place,
    /// The generation.
    pub generation: Arc<TableGeneration>,
    next: EventNumber,
    stale: Option<Stale>,
}

/// Why rows are no longer brought up to date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stale {
    /// The event at which it stopped. All before it are in the rows.
    pub event: EventNumber,
    /// What happened, for people.
    pub reason: String,
}

/// What a step needs besides.
pub struct Tools<'a> {
    /// The handler.
    pub handler: &'a BoundHandler,
    /// Its instance.
    pub guest: &'a mut dyn Guest,
    /// The events.
    pub events: &'a mut dyn Events,
    /// The tables.
    pub store: &'a dyn TableStore,
    /// Reference tables in memory, of whose room what is written takes some; none for what is not
    /// served.
    pub keeper: Option<&'a Keeper>,
}

/// What a step did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stepped {
    /// There was nothing to do: all durable events are in the rows, or it is stale.
    Nothing,
    /// It went on.
    Written {
        /// How many events it passed, those included that the handler does not take.
        events: u64,
        /// What was written.
        write: RowWrite,
    },
    /// It stopped, for [`Projector::stale`] says why.
    Stopped,
}

impl Projector {
    /// Goes on where the store says.
    ///
    /// # Errors
    /// When the position cannot be read.
    pub fn open(
        partition: PartitionId,
        place: Place,
        generation: Arc<TableGeneration>,
        store: &(impl TableReader + ?Sized),
    ) -> Result<Self, EngineError> {
        let next = position(store, place)?;
        Ok(Self { partition, place, generation, next, stale: None })
    }

    /// Number of the next event to project.
    #[must_use]
    pub fn next(&self) -> EventNumber {
        self.next
    }

    /// Why it stopped, if it did.
    #[must_use]
    pub fn stale(&self) -> Option<&Stale> {
        self.stale.as_ref()
    }

    /// Tries again at the next step.
    pub fn resume(&mut self) {
        self.stale = None;
    }

    /// Stops, until it is resumed.
    pub fn stop(&mut self, reason: String) {
        self.stale = Some(Stale { event: self.next, reason });
    }

    /// Projects up to a page of events.
    ///
    /// # Errors
    /// As the engines have them; nothing was changed then.
    pub fn step(&mut self, tools: &mut Tools<'_>, limit: Limit) -> Result<Stepped, EngineError> {
        if self.stale.is_some() {
            return Ok(Stepped::Nothing);
        }
        let page = tools.events.read(self.partition, self.next, limit)?;
        let Some(last) = page.last() else { return Ok(Stepped::Nothing) };
        let mut part = &page[..];
        let mut next = last.number + 1;
        loop {
            match self.project(part, next, tools)? {
                Ok(write) => {
                    if let Err(full) = self.room(&write, tools) {
                        self.stop(full.to_string());
                        return Ok(Stepped::Stopped);
                    }
                    tools.store.write(self.place, &write)?;
                    let events = next - self.next;
                    self.next = next;
                    return Ok(Stepped::Written { events, write });
                }
                Err(Broke { at: 0, alone: true, fault }) => {
                    if let Some(write) = self.pass_untaken(part, tools) {
                        tools.store.write(self.place, &write)?;
                    }
                    self.stop(format!("{fault}"));
                    return Ok(Stepped::Stopped);
                }
                // What stands before the culprit goes first; a culprit that comes first, alone.
                Err(Broke { at, .. }) => {
                    let taken = at.max(1);
                    (part, next) = self.before(part, taken, tools.handler);
                }
            }
        }
    }

    fn room(&self, write: &RowWrite, tools: &Tools<'_>) -> Result<(), Full> {
        let Some(keeper) = tools.keeper else { return Ok(()) };
        keeper.room(&tools.handler.spec.name, &self.generation, self.partition, write)
    }

    /// The first `taken` events of a page that the handler takes, and the number of the event after
    /// them that it takes.
    fn before<'p>(
        &self,
        page: &'p [Event],
        taken: usize,
        handler: &BoundHandler,
    ) -> (&'p [Event], EventNumber) {
        let aggregate_type = self.partition.aggregate_type;
        let mut of_handler = page
            .iter()
            .enumerate()
            .filter(|(_, event)| handler.projected(aggregate_type, &event.kind).is_some());
        match of_handler.nth(taken) {
            Some((at, event)) => (&page[..at], event.number),
            None => (page, page.last().map_or(self.next, |last| last.number + 1)),
        }
    }

    /// The position moves up to the event that broke, past those that the handler does not take.
    fn pass_untaken(&mut self, page: &[Event], tools: &Tools<'_>) -> Option<RowWrite> {
        let broken =
            Batch::of(page, self.partition.aggregate_type, tools.handler, &self.generation)
                .numbers
                .first()
                .copied()?;
        if broken == self.next {
            return None;
        }
        self.next = broken;
        let position = encode(&TablePosition { next: broken });
        Some(RowWrite { position, ..RowWrite::default() })
    }

    fn project(
        &self,
        page: &[Event],
        next: EventNumber,
        tools: &mut Tools<'_>,
    ) -> Result<Result<RowWrite, Broke>, EngineError> {
        let position = encode(&TablePosition { next });
        let aggregate_type = self.partition.aggregate_type;
        let batch = Batch::of(page, aggregate_type, tools.handler, &self.generation);
        if batch.is_empty() {
            return Ok(Ok(RowWrite { position, ..RowWrite::default() }));
        }
        let values = tools.store.rows(self.place, batch.wanted())?;
        let rows = batch.rows(&values);
        let manifest = &tools.handler.spec.manifest;
        let made = tools.guest.project(&batch.subjects, &rows, &batch.events).and_then(|made| {
            changes(&made, &batch.subjects, batch.len(), manifest)?;
            Ok(made)
        });
        Ok(match made {
            Ok(made) => Ok(batch.write(&made, tools.handler, &self.generation, position)),
            // The machine's trouble and no event's: it passes.
            Err(fault) if fault.reason == FaultReason::Host => {
                return Err(EngineError::Retry(fault.to_string()));
            }
            Err(fault) => {
                tools.guest.renew();
                Err(Broke::of(fault, batch.len()))
            }
        })
    }
}

/// A fault of a part of a page.
struct Broke {
    /// How many of the events that the handler takes may go before it.
    at: usize,
    /// The event was alone.
    alone: bool,
    fault: Fault,
}

impl Broke {
    fn of(fault: Fault, events: usize) -> Self {
        let culprit = fault.culprit.map(|index| index as usize).filter(|index| *index < events);
        let at = match culprit {
            _ if events == 1 => 0,
            Some(index) => index,
            None => events / 2,
        };
        Self { at, alone: events == 1, fault }
    }
}

/// The number of the next event to project at a place: 0 for one that has no position.
///
/// # Errors
/// When it cannot be read, or is damaged.
pub fn position(
    store: &(impl TableReader + ?Sized),
    place: Place,
) -> Result<EventNumber, EngineError> {
    let Some(bytes) = store.position(place)? else { return Ok(0) };
    let position: TablePosition = decode(&bytes).map_err(|error| {
        EngineError::Damaged(format!("the position of tables at {place:?}: {error}"))
    })?;
    Ok(position.next)
}
