//! The aggregate types of a log: its own numbers for them, and ours.
//!
//! A [`TypeId`] belongs to one process's configuration and is never stored. The log gives each name
//! a number of its own when it first sees it, and keeps it for ever.

use std::sync::Arc;

use zamu_core::model::{PartitionId, TypeId};

/// One aggregate type, in the order of the process's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TypeEntry {
    /// Its name.
    pub(crate) name: Arc<str>,
    /// Its partition count, the same for ever.
    pub(crate) partitions: u32,
    /// The log's number for it.
    pub(crate) stored: u16,
}

/// Both ways between [`TypeId`]s and the log's own numbers, and a flat index of all partitions.
#[derive(Clone, Debug)]
pub(crate) struct TypeTable {
    entries: Vec<TypeEntry>,
    first: Vec<usize>,
    by_stored: Vec<Option<TypeId>>,
    partitions: usize,
}

impl TypeTable {
    /// A table of these types.
    pub(crate) fn new(entries: Vec<TypeEntry>) -> Self {
        let mut first = Vec::with_capacity(entries.len());
        let mut partitions = 0;
        let mut by_stored = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            first.push(partitions);
            partitions += entry.partitions as usize;
            let stored = usize::from(entry.stored);
            by_stored.resize(by_stored.len().max(stored + 1), None);
            by_stored[stored] = Some(TypeId(index as u16));
        }
        Self { entries, first, by_stored, partitions }
    }

    /// The types, a [`TypeId`] being an index.
    pub(crate) fn entries(&self) -> &[TypeEntry] {
        &self.entries
    }

    /// Number of partitions of all types.
    pub(crate) fn partitions(&self) -> usize {
        self.partitions
    }

    /// The log's number of a type; `None` for one that is not of this table.
    pub(crate) fn stored(&self, id: TypeId) -> Option<u16> {
        Some(self.entries.get(usize::from(id.0))?.stored)
    }

    /// The type with the log's number `stored`.
    pub(crate) fn id(&self, stored: u32) -> Option<TypeId> {
        self.by_stored.get(stored as usize).copied().flatten()
    }

    /// Index of a partition among all; `None` for one that does not exist.
    pub(crate) fn index(&self, partition: PartitionId) -> Option<usize> {
        let aggregate_type = usize::from(partition.aggregate_type.0);
        let entry = self.entries.get(aggregate_type)?;
        (partition.number < entry.partitions)
            .then(|| self.first[aggregate_type] + partition.number as usize)
    }

    /// All partitions, in the order of their index.
    pub(crate) fn all(&self) -> impl Iterator<Item = PartitionId> + '_ {
        self.entries.iter().enumerate().flat_map(|(index, entry)| {
            (0..entry.partitions)
                .map(move |number| PartitionId { aggregate_type: TypeId(index as u16), number })
        })
    }

    /// The log's own number of the type, and the partition's number, of the partition at an index.
    pub(crate) fn place(&self, index: usize) -> (u16, u32) {
        let aggregate_type = self.first.partition_point(|first| *first <= index) - 1;
        (self.entries[aggregate_type].stored, (index - self.first[aggregate_type]) as u32)
    }

    /// A partition as people call it.
    pub(crate) fn describe(&self, partition: PartitionId) -> String {
        match self.entries.get(usize::from(partition.aggregate_type.0)) {
            Some(entry) => format!("{}/{}", entry.name, partition.number),
            None => format!("type {}/{}", partition.aggregate_type.0, partition.number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_have_one_index_each_and_types_go_both_ways() {
        let entry =
            |name: &str, partitions, stored| TypeEntry { name: name.into(), partitions, stored };
        let table = TypeTable::new(vec![entry("b", 2, 7), entry("a", 3, 0)]);
        let indices: Vec<_> = table.all().map(|partition| table.index(partition)).collect();
        assert_eq!(indices, [Some(0), Some(1), Some(2), Some(3), Some(4)]);
        assert_eq!(table.partitions(), 5);
        assert_eq!((table.place(1), table.place(2), table.place(4)), ((7, 1), (0, 0), (0, 2)));
        assert_eq!(table.stored(TypeId(0)), Some(7));
        assert_eq!((table.id(7), table.id(0)), (Some(TypeId(0)), Some(TypeId(1))));
        assert_eq!((table.id(1), table.id(8), table.stored(TypeId(2))), (None, None, None));
        let beyond = PartitionId { aggregate_type: TypeId(0), number: 2 };
        assert_eq!(table.index(beyond), None);
        assert_eq!(table.describe(beyond), "b/2");
    }
}
