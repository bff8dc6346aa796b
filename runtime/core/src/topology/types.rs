//! The aggregate types of a process and their partitions. They are the same under all deployments.

use std::ops::Deref;
use std::sync::Arc;

use crate::model::{PartitionId, TypeId, partition_of};

/// What the operator says of an aggregate type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeSettings {
    /// The type's name; part of its topics' names.
    pub name: Arc<str>,
    /// Number of partitions of all its topics. Never changes once there are records.
    pub partitions: u32,
    /// How many ids of external commands an aggregate remembers.
    pub window_ids: usize,
    /// For how long it remembers them, in milliseconds of record time.
    pub window_ms: u64,
}

/// All aggregate types of a process; a [`TypeId`] is an index. Clones share them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Types(Arc<[TypeSettings]>);

impl Deref for Types {
    type Target = [TypeSettings];

    fn deref(&self) -> &[TypeSettings] {
        &self.0
    }
}

impl From<Vec<TypeSettings>> for Types {
    fn from(types: Vec<TypeSettings>) -> Self {
        Self(types.into())
    }
}

impl Types {
    /// Settings of a type.
    #[must_use]
    pub fn settings(&self, id: TypeId) -> &TypeSettings {
        &self.0[id.0 as usize]
    }

    /// The type of that name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<TypeId> {
        self.iter().position(|t| &*t.name == name).map(|i| TypeId(i as u16))
    }

    /// The partition of a key.
    #[must_use]
    pub fn partition(&self, aggregate_type: TypeId, key: &[u8]) -> PartitionId {
        let number = partition_of(key, self.settings(aggregate_type).partitions);
        PartitionId { aggregate_type, number }
    }

    /// All partitions of all types, in order.
    pub fn partitions(&self) -> impl Iterator<Item = PartitionId> {
        self.iter().enumerate().flat_map(|(i, t)| {
            (0..t.partitions)
                .map(move |number| PartitionId { aggregate_type: TypeId(i as u16), number })
        })
    }
}
