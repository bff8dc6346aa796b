//! Reference tables as a turn saw them: made once more of the events of their source, up to the numbers
//! that its batch record names. Versions ascend from turn to turn, so that going on is enough; for one
//! that is older all begins anew, in a generation of its own.

use std::sync::Arc;

use super::InForce;
use crate::error::EngineError;
use crate::guest::Guest;
use crate::log::Limit;
use crate::log::records::Records;
use crate::model::{EventNumber, PartitionId};
use crate::projection::catalogue::{alike, encode_catalogue, shape_of, table_number};
use crate::projection::projector::{Projector, Stepped, Tools};
use crate::proto::{BatchRecord, ReferenceVersion, TableCatalogue, TableGeneration};
use crate::references::{Content, Pinned, References, Rows, Slice, Table, Version};
use crate::store::tables::{Generation, Place, RowWrite, TableNumber, TableStore};
use crate::topology::{BoundHandler, HandlerIndex, ReferenceIndex, Topology};

/// Events that are projected at once.
const PAGE: Limit = Limit { records: 2_000, bytes: 4 << 20 };

/// A version that cannot be had: why not, for people; or an engine that failed.
pub(super) enum NoVersion {
    /// The turn cannot be decided.
    Unknown(String),
    /// Nothing can be read.
    Engine(EngineError),
}

impl From<EngineError> for NoVersion {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

/// See the file's head.
pub(super) struct Tables<'a> {
    store: &'a dyn TableStore,
    last_generation: Generation,
    made: Vec<Made>,
}

/// What a projection has made so far.
struct Made {
    projection: Arc<str>,
    generation: Arc<TableGeneration>,
    /// By source and partition.
    parts: Vec<Part>,
}

struct Part {
    projector: Projector,
    /// Rows of the reference tables, by their number in the generation.
    rows: Vec<Arc<Rows>>,
}

impl<'a> Tables<'a> {
    /// Nothing is made yet. What is made goes into this store, which is the audit's own.
    pub(super) fn new(store: &'a dyn TableStore) -> Self {
        Self { store, last_generation: 0, made: Vec::new() }
    }

    /// The version that a turn of this partition saw.
    pub(super) fn at(
        &mut self,
        record: &BatchRecord,
        partition: PartitionId,
        in_force: &mut InForce,
        log: &mut dyn Records,
    ) -> Result<Pinned, NoVersion> {
        let topology = Arc::clone(&in_force.topology);
        let looked_up = topology.looked_up(partition.aggregate_type);
        if looked_up.is_empty() {
            return Ok(Pinned::default());
        }
        let mut tables = Vec::new();
        for (index, table) in topology.reference_tables.iter().enumerate() {
            let content = match looked_up.contains(&index) {
                true => {
                    let guest = &mut *in_force.guests[table.projection];
                    Content::Ready(self.slices(record, index, &topology, guest, log)?)
                }
                false => Content::Pending("is not looked at".to_owned()),
            };
            tables.push(Table { name: Arc::clone(&table.name), content });
        }
        let references = References::new(&topology);
        references.publish(Version { tables });
        references.pin(looked_up).map_err(|why| NoVersion::Unknown(why.to_string()))
    }

    fn slices(
        &mut self,
        record: &BatchRecord,
        index: ReferenceIndex,
        topology: &Topology,
        guest: &mut dyn Guest,
        log: &mut dyn Records,
    ) -> Result<Vec<Slice>, NoVersion> {
        let table = &topology.reference_tables[index];
        let unknown = |why: &str| {
            NoVersion::Unknown(format!(
                "reference table `{}` cannot be made again: {why}",
                table.name
            ))
        };
        let seen = record.references.iter().find(|version| *version.table == *table.name);
        let partitions = topology.settings(table.aggregate_type).partitions as usize;
        let seen: &ReferenceVersion = seen
            .filter(|version| version.next.len() == partitions)
            .ok_or_else(|| unknown("the batch record does not say how far it had come"))?;
        let handler = &topology.handlers[table.projection];
        let at = self.made_by(table.projection, topology, &seen.next, index)?;
        let made = &mut self.made[at];
        let Some(number) = table_number(&made.generation, &table.name) else {
            return Err(unknown("its projection does not make it"));
        };
        let mut slices = Vec::with_capacity(partitions);
        let of_source =
            |part: &&mut Part| part.projector.partition.aggregate_type == table.aggregate_type;
        for (part, next) in made.parts.iter_mut().filter(of_source).zip(&seen.next) {
            let tools =
                Tools { handler, guest: &mut *guest, events: log, store: self.store, keeper: None };
            if let Err(why) = part.go_on(*next, tools)? {
                return Err(unknown(&why));
            }
            slices.push(Slice { next: *next, rows: Arc::clone(&part.rows[usize::from(number)]) });
        }
        Ok(slices)
    }

    /// Where in `made` that projection is, which has come no further than this.
    fn made_by(
        &mut self,
        projection: HandlerIndex,
        topology: &Topology,
        next: &[EventNumber],
        index: ReferenceIndex,
    ) -> Result<usize, EngineError> {
        let handler = &topology.handlers[projection];
        let shape = shape_of(handler, topology);
        let aggregate_type = topology.reference_tables[index].aggregate_type;
        let found = self.made.iter().position(|made| made.projection == handler.spec.name);
        if let Some(at) = found {
            let made = &self.made[at];
            let is_behind = |part: &Part| {
                let PartitionId { aggregate_type: of, number } = part.projector.partition;
                let reached = next.get(number as usize).copied().unwrap_or(0);
                of != aggregate_type || part.projector.next() <= reached
            };
            if alike(&made.generation, &shape) && made.parts.iter().all(is_behind) {
                return Ok(at);
            }
            self.drop_generation(self.made[at].generation.number)?;
            self.made.swap_remove(at);
        }
        self.last_generation += 1;
        // An audit of another partition may have left one of this number.
        self.drop_generation(self.last_generation)?;
        let generation = TableGeneration { number: self.last_generation, ..shape };
        let made = Made::new(handler, Arc::new(generation), topology, self.store)?;
        self.made.push(made);
        Ok(self.made.len() - 1)
    }

    fn drop_generation(&self, number: Generation) -> Result<(), EngineError> {
        let catalogue = encode_catalogue(&TableCatalogue::default());
        self.store.write_catalogue(&catalogue, &[number])
    }
}

impl Made {
    fn new(
        handler: &BoundHandler,
        generation: Arc<TableGeneration>,
        topology: &Topology,
        store: &dyn TableStore,
    ) -> Result<Self, EngineError> {
        let mut parts = Vec::new();
        for (source, name) in generation.sources.iter().enumerate() {
            let Some(aggregate_type) = topology.type_named(name) else { continue };
            for number in 0..topology.settings(aggregate_type).partitions {
                let place = Place {
                    generation: generation.number,
                    source: source as u16,
                    partition: number,
                };
                let partition = PartitionId { aggregate_type, number };
                let generation = Arc::clone(&generation);
                let rows = generation.tables.iter().map(|_| Arc::default()).collect();
                let projector = Projector::open(partition, place, generation, store)?;
                parts.push(Part { projector, rows });
            }
        }
        Ok(Self { projection: Arc::clone(&handler.spec.name), generation, parts })
    }
}

impl Part {
    /// Projects up to this event, and not beyond. The inner error says why that cannot be.
    fn go_on(
        &mut self,
        until: EventNumber,
        mut tools: Tools<'_>,
    ) -> Result<Result<(), String>, EngineError> {
        while self.projector.next() < until {
            let left = (until - self.projector.next()) as usize;
            let limit = Limit { records: PAGE.records.min(left), ..PAGE };
            match self.projector.step(&mut tools, limit)? {
                Stepped::Written { write, .. } => self.apply(&write),
                Stepped::Nothing if self.projector.stale().is_none() => {
                    return Ok(Err(format!("event {} is missing", self.projector.next())));
                }
                Stepped::Nothing | Stepped::Stopped => {
                    let stale = self.projector.stale();
                    return Ok(Err(stale.map_or_else(String::new, |stale| {
                        format!("its projection breaks at event {}: {}", stale.event, stale.reason)
                    })));
                }
            }
        }
        Ok(Ok(()))
    }

    fn apply(&mut self, write: &RowWrite) {
        for (number, key, row) in &write.puts {
            if let Some(rows) = self.rows_of(*number) {
                rows.insert(key.clone(), row.clone());
            }
        }
        for (number, key) in &write.deletes {
            if let Some(rows) = self.rows_of(*number) {
                rows.remove(key);
            }
        }
    }

    /// The rows of a table, if it is looked up.
    fn rows_of(&mut self, table: TableNumber) -> Option<&mut Rows> {
        let number = usize::from(table);
        let is_reference = self.projector.generation.tables[number].reference;
        is_reference.then(|| Arc::make_mut(&mut self.rows[number]))
    }
}
