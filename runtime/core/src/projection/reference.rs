//! Keeps reference tables in memory: loads what is served, applies what is written, and shows a table
//! once it has come far enough.
//!
//! - What is shown stands in the store: rows are applied after they were written.
//! - A table is shown once it has come, in every partition, as far as events were durable when it was
//!   opened. Where its projection has stopped before that, it will not come as far, and is shown as it
//!   stands if no earlier turn has seen more of it; otherwise whoever needs it waits.
//! - Another generation takes the place of the one that was served at once, in all partitions.
//! - All tables together stay within a bound. What would go beyond it is not written either.

use std::sync::Arc;

use bytes::Bytes;

use super::catalogue::table_number;
use super::projector::{Stale, position};
use crate::error::EngineError;
use crate::log::events::Events;
use crate::model::{EventNumber, PartitionId, TypeId};
use crate::proto::TableGeneration;
use crate::references::{Content, References, Rows, Seen, Slice, Table, Version};
use crate::store::tables::{Place, RowWrite, Scan, TableNumber, TableReader};
use crate::topology::{HandlerIndex, ReferenceIndex, Topology};

/// What a row costs in memory besides the bytes of its key and of itself, at most: its place in a hash
/// map that has just grown, and what the allocator and two shared buffers need. What a partition costs
/// without rows (some 5 KB) is not counted, nor what versions that a turn still holds do not share.
pub const ROW_BYTES: usize = 256;

/// Rows read from the store at once.
const SCAN_ROWS: usize = 1_000;

/// The rows of all reference tables of a process.
pub struct Keeper {
    shown: References,
    topology: Arc<Topology>,
    tables: Vec<Kept>,
    bytes_max: usize,
}

/// A table.
struct Kept {
    name: Arc<str>,
    projection: Arc<str>,
    aggregate_type: TypeId,
    /// The ends of events in each partition when the tables were opened: so far it has to come before
    /// it is shown.
    due: Vec<EventNumber>,
    /// How far earlier turns had seen it; none if nothing tells.
    seen: Option<Vec<EventNumber>>,
    /// By partition; none while nothing is served.
    parts: Option<Vec<Part>>,
    /// What is served does not fit in memory.
    full: Option<Full>,
    /// Whether it is shown. It stays so.
    ready: bool,
    /// Why it is not.
    pending: String,
}

/// The rows of one partition, and what they cost in memory, in bytes.
#[derive(Clone, Default)]
struct Part {
    slice: Slice,
    bytes: usize,
}

/// Rows of a generation, read from the store.
pub struct Loaded(Vec<(ReferenceIndex, Vec<Part>)>);

/// There is no room in memory.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "its reference tables do not fit in memory: all of them together would take {bytes} bytes and may \
     take {max} (reference-bytes-max in [projections]): raise that and restart, or keep fewer rows"
)]
pub struct Full {
    /// What rows would take at least.
    pub bytes: usize,
    /// What they may.
    pub max: usize,
}

/// Where a projection stands in a partition: the number of the next event, and why it stopped.
pub type Lane<'a> = (PartitionId, EventNumber, Option<&'a Stale>);

/// A table that is shown for the first time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Its name.
    pub table: Arc<str>,
    /// Whether its projection has stopped somewhere before it came as far as it was to come.
    pub stopped: bool,
}

impl Keeper {
    /// Nothing is loaded yet. All reference tables are made by these handlers, or none is. `seen` is
    /// what the turns of earlier processes had seen.
    ///
    /// # Errors
    /// When the ends of events cannot be read.
    pub fn open(
        shown: References,
        topology: &Arc<Topology>,
        makers: &[HandlerIndex],
        events: &mut dyn Events,
        seen: &Seen,
        bytes_max: usize,
    ) -> Result<Self, EngineError> {
        let mut tables = Vec::new();
        let all = topology.reference_tables.iter().enumerate();
        for (index, table) in all.filter(|(_, table)| makers.contains(&table.projection)) {
            let aggregate_type = table.aggregate_type;
            let partitions = 0..topology.settings(aggregate_type).partitions;
            let due = partitions.map(|number| events.end(PartitionId { aggregate_type, number }));
            tables.push(Kept {
                name: Arc::clone(&table.name),
                projection: Arc::clone(&topology.handlers[table.projection].spec.name),
                aggregate_type,
                due: due.collect::<Result<_, _>>()?,
                seen: seen.of(index).map(<[_]>::to_vec),
                parts: None,
                full: None,
                ready: false,
                pending: String::new(),
            });
        }
        Ok(Self { shown, topology: Arc::clone(topology), tables, bytes_max })
    }

    /// Whether a projection makes any.
    #[must_use]
    pub fn keeps(&self, projection: &str) -> bool {
        self.tables.iter().any(|table| *table.projection == *projection)
    }

    /// Reads a generation's rows.
    ///
    /// # Errors
    /// When the store cannot be read. [`Full`] when it would not fit in the place of what that
    /// projection's tables take now.
    pub fn load(
        &self,
        projection: &str,
        generation: &TableGeneration,
        store: &(impl TableReader + ?Sized),
    ) -> Result<Result<Loaded, Full>, EngineError> {
        let others = self.tables.iter().filter(|table| *table.projection != *projection);
        let mut bytes = others.map(Kept::bytes).sum();
        let mut loaded = Vec::new();
        for (index, table) in self.of(projection) {
            let Some((number, source)) = self.find(table, generation) else { continue };
            let mut parts = Vec::new();
            for partition in 0..table.due.len() as u32 {
                let place = Place { generation: generation.number, source, partition };
                let room = self.bytes_max.saturating_sub(bytes);
                match load_part(place, number, room, store)? {
                    Ok(part) => {
                        bytes += part.bytes;
                        parts.push(part);
                    }
                    Err(more) => {
                        return Ok(Err(Full { bytes: bytes + more, max: self.bytes_max }));
                    }
                }
            }
            loaded.push((index, parts));
        }
        Ok(Ok(Loaded(loaded)))
    }

    /// A projection's tables are what was loaded from now on. Shown by [`Keeper::tell`].
    pub fn serve(&mut self, loaded: Loaded) {
        for (index, parts) in loaded.0 {
            self.tables[index].parts = Some(parts);
            self.tables[index].full = None;
        }
    }

    /// What is served of a projection was not loaded, since it does not fit.
    pub fn refuse(&mut self, projection: &str, full: &Full) {
        for table in self.tables.iter_mut().filter(|table| *table.projection == *projection) {
            table.full = Some(full.clone());
        }
    }

    /// Whether another generation, with this as its next event in that partition, has come as far as
    /// what is shown.
    #[must_use]
    pub fn reaches(&self, projection: &str, partition: PartitionId, next: EventNumber) -> bool {
        self.of(projection)
            .filter(|(_, table)| table.aggregate_type == partition.aggregate_type)
            .filter_map(|(_, table)| table.parts.as_ref()?.get(partition.number as usize))
            .all(|part| part.slice.next <= next)
    }

    /// Whether there is room for a write of what is served.
    ///
    /// # Errors
    /// When there is not.
    pub fn room(
        &self,
        projection: &str,
        generation: &TableGeneration,
        partition: PartitionId,
        write: &RowWrite,
    ) -> Result<(), Full> {
        let taken: usize = self.tables.iter().map(Kept::bytes).sum();
        let (mut more, mut less) = (0, 0);
        for (_, table) in self.of(projection) {
            let Some((number, _)) = self.find(table, generation) else { continue };
            if let Some(full) = &table.full {
                return Err(full.clone());
            }
            let parts =
                table.parts.as_ref().filter(|_| table.aggregate_type == partition.aggregate_type);
            let Some(part) = parts.and_then(|p| p.get(partition.number as usize)) else { continue };
            let rows = &part.slice.rows;
            more += puts_of(write, number).map(|(key, row)| cost(key, row)).sum::<usize>();
            less += changed_of(write, number).map(|key| cost_of_row(rows, key)).sum::<usize>();
        }
        let bytes = (taken + more).saturating_sub(less);
        if more > less && bytes > self.bytes_max {
            return Err(Full { bytes, max: self.bytes_max });
        }
        Ok(())
    }

    /// What is served was written, up to this event. Shown by [`Keeper::tell`].
    pub fn apply(
        &mut self,
        projection: &str,
        generation: &TableGeneration,
        partition: PartitionId,
        next: EventNumber,
        write: &RowWrite,
    ) {
        let topology = Arc::clone(&self.topology);
        for table in self.tables.iter_mut().filter(|table| *table.projection == *projection) {
            if table.aggregate_type != partition.aggregate_type {
                continue;
            }
            let Some((number, _)) = place_of(table, generation, &topology) else { continue };
            let parts = table.parts.as_mut();
            if let Some(part) = parts.and_then(|p| p.get_mut(partition.number as usize)) {
                part.apply(number, next, write);
            }
        }
    }

    /// Shows what has changed. `lanes` are those of the projection that are, or will be, served. Gives
    /// the tables that are shown for the first time.
    pub fn tell(&mut self, projection: &str, lanes: &[Lane<'_>]) -> Vec<Shown> {
        let mut first = Vec::new();
        for table in self.tables.iter_mut().filter(|table| *table.projection == *projection) {
            if !table.ready && table.has_come_far_enough(lanes) {
                table.ready = true;
                let stopped = !table.has_come_as_far_as_is_due();
                first.push(Shown { table: Arc::clone(&table.name), stopped });
            }
            if !table.ready {
                table.pending = table.why_pending(lanes, &self.topology);
            }
        }
        self.shown.publish(Version { tables: self.tables.iter().map(Kept::show).collect() });
        first
    }

    /// The tables that are not shown, and why not.
    pub fn pending(&self) -> impl Iterator<Item = (&str, &str)> {
        let pending = self.tables.iter().filter(|table| !table.ready);
        pending.map(|table| (&*table.name, &*table.pending))
    }

    fn of(&self, projection: &str) -> impl Iterator<Item = (ReferenceIndex, &Kept)> {
        self.tables.iter().enumerate().filter(move |(_, t)| *t.projection == *projection)
    }

    fn find(&self, table: &Kept, generation: &TableGeneration) -> Option<(TableNumber, u16)> {
        place_of(table, generation, &self.topology)
    }
}

impl Kept {
    fn bytes(&self) -> usize {
        self.parts.iter().flatten().map(|part| part.bytes).sum()
    }

    /// Every partition has come as far as is due, or has stopped with all that any turn has seen.
    fn has_come_far_enough(&self, lanes: &[Lane<'_>]) -> bool {
        let stopped = |number: usize| {
            let of = |(partition, ..): &&Lane<'_>| {
                partition.aggregate_type == self.aggregate_type
                    && partition.number as usize == number
            };
            lanes.iter().find(of).is_some_and(|(.., stale)| stale.is_some())
        };
        self.parts.as_ref().is_some_and(|parts| {
            (0..parts.len()).all(|number| {
                self.is_due(parts, number) || (stopped(number) && self.was_seen_within(number))
            })
        })
    }

    fn has_come_as_far_as_is_due(&self) -> bool {
        let parts = self.parts.as_ref();
        parts.is_some_and(|parts| (0..parts.len()).all(|number| self.is_due(parts, number)))
    }

    fn is_due(&self, parts: &[Part], number: usize) -> bool {
        parts[number].slice.next >= self.due[number]
    }

    /// Whether no turn has seen more of a partition than there is.
    fn was_seen_within(&self, number: usize) -> bool {
        match (&self.parts, &self.seen) {
            (Some(parts), Some(seen)) => parts[number].slice.next >= seen[number],
            _ => false,
        }
    }

    fn why_pending(&self, lanes: &[Lane<'_>], topology: &Topology) -> String {
        let mut behind = 0;
        for (partition, next, stale) in lanes {
            if partition.aggregate_type != self.aggregate_type {
                continue;
            }
            let number = partition.number as usize;
            match stale {
                Some(_) if self.was_seen_within(number) => {}
                Some(Stale { event, reason }) => {
                    let type_name = &topology.settings(partition.aggregate_type).name;
                    return format!(
                        "has stopped in {type_name}/{number} at event {event}: {reason}. {} Mend it and \
                         restart, or `zamu tables resume {}`",
                        self.why_not_as_it_stands(number),
                        self.projection
                    );
                }
                None => behind += self.due[number].saturating_sub(*next),
            }
        }
        format!("is being built, {behind} events behind")
    }

    fn why_not_as_it_stands(&self, number: usize) -> String {
        match &self.seen {
            _ if self.parts.is_none() => "Nothing of it can be shown.".to_owned(),
            Some(seen) => format!("Earlier turns saw it at event {}.", seen[number]),
            None => "Nothing tells how much of it earlier turns saw.".to_owned(),
        }
    }

    /// Its rows are shared as soon as they are shown, so that it costs a copy to change them; what is
    /// not shown is changed in place.
    fn show(&self) -> Table {
        let content = match (&self.parts, self.ready) {
            (Some(parts), true) => {
                Content::Ready(parts.iter().map(|part| part.slice.clone()).collect())
            }
            _ => Content::Pending(self.pending.clone()),
        };
        Table { name: Arc::clone(&self.name), content }
    }
}

impl Part {
    fn apply(&mut self, table: TableNumber, next: EventNumber, write: &RowWrite) {
        self.slice.next = next;
        if changed_of(write, table).next().is_none() {
            return;
        }
        let rows = Arc::make_mut(&mut self.slice.rows);
        for key in changed_of(write, table) {
            self.bytes -= cost_of_row(rows, key);
        }
        for (_, key) in write.deletes.iter().filter(|(of, _)| *of == table) {
            rows.remove(key);
        }
        for (key, row) in puts_of(write, table) {
            self.bytes += cost(key, row);
            rows.insert(key.clone(), row.clone());
        }
    }
}

/// The rows of one place, or by how many bytes more than `room` they are, as far as they were read.
fn load_part(
    place: Place,
    table: TableNumber,
    room: usize,
    store: &(impl TableReader + ?Sized),
) -> Result<Result<Part, usize>, EngineError> {
    let (mut rows, mut bytes) = (Rows::default(), 0);
    let mut after: Option<Bytes> = None;
    loop {
        let scan = Scan { prefix: b"", after: after.as_deref() };
        let piece = store.scan(place, table, scan, SCAN_ROWS)?;
        let ended = piece.len() < SCAN_ROWS;
        after = piece.last().map(|(key, _)| key.clone());
        for (key, row) in piece {
            bytes += cost(&key, &row);
            rows.insert(key, row);
        }
        if bytes > room {
            return Ok(Err(bytes));
        }
        if ended {
            let slice = Slice { next: position(store, place)?, rows: Arc::new(rows) };
            return Ok(Ok(Part { slice, bytes }));
        }
    }
}

/// Number of a table in a generation, and of the type that its rows belong to; none if the
/// generation has it not, or otherwise.
fn place_of(
    table: &Kept,
    generation: &TableGeneration,
    topology: &Topology,
) -> Option<(TableNumber, u16)> {
    let number = table_number(generation, &table.name)?;
    let shape = &generation.tables[usize::from(number)];
    let type_name = &*topology.settings(table.aggregate_type).name;
    let source = generation.sources.iter().position(|source| source == type_name)?;
    (shape.reference && shape.aggregate_type == type_name).then_some((number, source as u16))
}

fn puts_of(write: &RowWrite, table: TableNumber) -> impl Iterator<Item = (&Bytes, &Bytes)> {
    write.puts.iter().filter(move |(of, ..)| *of == table).map(|(_, key, row)| (key, row))
}

/// The keys of all rows of a table that a write puts or deletes.
fn changed_of(write: &RowWrite, table: TableNumber) -> impl Iterator<Item = &Bytes> {
    let puts = write.puts.iter().map(|(of, key, _)| (of, key));
    let deletes = write.deletes.iter().map(|(of, key)| (of, key));
    puts.chain(deletes).filter(move |(of, _)| **of == table).map(|(_, key)| key)
}

/// What the row that is there costs.
fn cost_of_row(rows: &Rows, key: &Bytes) -> usize {
    rows.get(key).map_or(0, |row| cost(key, row))
}

fn cost(key: &Bytes, row: &Bytes) -> usize {
    key.len() + row.len() + ROW_BYTES
}
