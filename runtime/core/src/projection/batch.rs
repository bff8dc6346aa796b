//! A page of events as a guest takes it, and what a guest returns as rows. Pure.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use super::catalogue::table_number;
use crate::guest::check::changes::SUFFIX_SEPARATOR;
use crate::guest::columns::{ChangeColumns, DELETE, ProjectedColumns, RowColumns, Subjects};
use crate::model::{Event, EventNumber, TypeId};
use crate::proto::TableGeneration;
use crate::store::tables::{RowWrite, TableNumber};
use crate::topology::BoundHandler;

/// Events that one call of `project` is about.
#[derive(Debug, Default)]
pub struct Batch {
    /// The aggregates.
    pub subjects: Subjects,
    /// The events.
    pub events: ProjectedColumns,
    /// Number of each event in its partition.
    pub numbers: Vec<EventNumber>,
    /// Rows to hand in, where they exist, with their slot and their table in the manifest.
    wanted: Vec<(TableNumber, Bytes)>,
    places: Vec<(u32, u32)>,
}

impl Batch {
    /// The events of a page that the handler takes.
    #[must_use]
    pub fn of(
        page: &[Event],
        aggregate_type: TypeId,
        handler: &BoundHandler,
        generation: &TableGeneration,
    ) -> Self {
        let mut batch = Self::default();
        let Some(type_index) = handler.type_index(aggregate_type) else { return batch };
        let tables = keyed_tables(type_index, handler, generation);
        let mut slots: HashMap<&Bytes, u32> = HashMap::new();
        for event in page {
            let Some(kind) = handler.projected(aggregate_type, &event.kind) else { continue };
            let slot = *slots.entry(&event.key).or_insert_with(|| {
                let slot = batch.subjects.aggregate_type.len() as u32;
                batch.subjects.aggregate_type.push(type_index);
                batch.subjects.keys.push(&event.key);
                for (index, number) in &tables {
                    batch.places.push((slot, *index));
                    batch.wanted.push((*number, event.key.clone()));
                }
                slot
            });
            let events = &mut batch.events;
            events.slot.push(slot);
            events.sequences.push(event.sequence);
            events.kind.push(kind);
            events.time.push(event.time.0);
            events.correlations.push(&event.context.correlation);
            events.bodies.push(&event.body);
            batch.numbers.push(event.number);
        }
        batch
    }

    /// How many events there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Whether no event is for this handler.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// The rows that the guest is handed, where they exist.
    #[must_use]
    pub fn wanted(&self) -> &[(TableNumber, Bytes)] {
        &self.wanted
    }

    /// Those rows as columns; `values` in the order of [`Batch::wanted`].
    #[must_use]
    pub fn rows(&self, values: &[Option<Bytes>]) -> RowColumns {
        let mut rows = RowColumns::default();
        for ((slot, table), value) in self.places.iter().zip(values) {
            if let Some(value) = value {
                rows.slot.push(*slot);
                rows.table.push(*table);
                rows.values.push(value);
            }
        }
        rows
    }

    /// Checked changes as one write: of a row that was changed twice the last change.
    #[must_use]
    pub fn write(
        &self,
        changes: &ChangeColumns,
        handler: &BoundHandler,
        generation: &TableGeneration,
        position: Bytes,
    ) -> RowWrite {
        let tables = &handler.spec.manifest.tables;
        let mut last: BTreeMap<(TableNumber, Bytes), Option<Bytes>> = BTreeMap::new();
        for (index, table) in changes.table.iter().enumerate() {
            let declared = &tables[*table as usize];
            let Some(number) = table_number(generation, &declared.name) else { continue };
            let owner = self.subjects.keys.get(changes.slot[index] as usize);
            let key = row_key(owner, changes.suffixes.get(index));
            let value = (changes.delete[index] != DELETE)
                .then(|| Bytes::copy_from_slice(changes.values.get(index)));
            last.insert((number, key), value);
        }
        let mut write = RowWrite { position, ..RowWrite::default() };
        for ((table, key), value) in last {
            match value {
                Some(value) => write.puts.push((table, key, value)),
                None => write.deletes.push((table, key)),
            }
        }
        write
    }
}

/// Index in the manifest, and number in the generation, of the keyed tables of a type.
fn keyed_tables(
    type_index: u32,
    handler: &BoundHandler,
    generation: &TableGeneration,
) -> Vec<(u32, TableNumber)> {
    let tables = handler.spec.manifest.tables.iter().enumerate();
    let keyed = tables.filter(|(_, table)| table.keyed && table.aggregate_type == type_index);
    keyed
        .filter_map(|(index, table)| Some((index as u32, table_number(generation, &table.name)?)))
        .collect()
}

/// The key of a row: the aggregate's alone, or with a suffix.
fn row_key(owner: &[u8], suffix: &[u8]) -> Bytes {
    if suffix.is_empty() {
        return Bytes::copy_from_slice(owner);
    }
    [owner, &[SUFFIX_SEPARATOR], suffix].concat().into()
}

/// The aggregate that a row belongs to; `None` for a key that no row of such a table has.
#[must_use]
pub fn owner_of(key: &[u8], keyed: bool) -> Option<&[u8]> {
    if keyed {
        return Some(key);
    }
    key.iter().rposition(|byte| *byte == SUFFIX_SEPARATOR).map(|at| &key[..at])
}
