//! Reference tables in memory: small tables that projections make of events, for other handlers to
//! look things up in.
//!
//! - A [`Version`] never changes. A turn pins one, and all that it asks of guests sees that one.
//! - A later version has come at least as far in every partition, over restarts, too: a table is not
//!   shown before it has come as far as events were durable when the process began, or, where it has
//!   stopped before that, at least as far as earlier turns have [`Seen`] it.
//! - What is not shown yet is not empty: who needs it takes no turn ([`References::pin`]).
//!
//! Who fills them is the set of projections (`projection::reference`); nothing here reads a log or a
//! store.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::guest::lookup::{Lookup, ReferenceRows};
use crate::model::{EventNumber, PartitionId, partition_of};
use crate::proto::{self, BatchRecord};
use crate::topology::{BoundHandler, ReferenceIndex, ReferenceTable, Topology};

/// The newest version of all reference tables of a process. Clones are the same one.
#[derive(Clone, Debug)]
pub struct References(Arc<Mutex<Arc<Version>>>);

/// All reference tables, as they were at one time.
#[derive(Clone, Debug, Default)]
pub struct Version {
    /// In the order of [`Topology::reference_tables`].
    pub tables: Vec<Table>,
}

/// A reference table, as it was at one time.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its name.
    pub name: Arc<str>,
    /// What there is of it.
    pub content: Content,
}

/// What there is of a table.
#[derive(Clone, Debug)]
pub enum Content {
    /// Not to be looked at yet: why not, for people.
    Pending(String),
    /// Its rows, by partition of its aggregate type.
    Ready(Vec<Slice>),
}

/// The rows of one partition.
#[derive(Clone, Debug, Default)]
pub struct Slice {
    /// Number of the next event: all before it are in the rows.
    pub next: EventNumber,
    /// The rows. Shared with older and newer versions until one of them changes.
    pub rows: Arc<Rows>,
}

/// The rows that one partition of a table's aggregate type has, by key.
///
/// They are in buckets that versions share, so that to change a row is to copy one bucket: neither who
/// writes nor the turn that lets go of an old version last has a whole partition to copy or to free.
#[derive(Clone, Debug)]
pub struct Rows {
    buckets: Vec<Arc<HashMap<Bytes, Bytes>>>,
}

/// A prime, so that keys of one partition, which have something in common, are spread over all.
const BUCKETS: u32 = 61;

/// How far earlier turns had seen reference tables, whichever partition took them: what the newest
/// batch record of every partition says. Versions never go back, so it stands for all before it.
///
/// The default knows nothing of any table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen(Vec<Option<Vec<EventNumber>>>);

/// A table that somebody needs cannot be looked at yet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("reference table `{table}` {why}")]
pub struct NotReady {
    /// The table.
    pub table: Arc<str>,
    /// Why not.
    pub why: String,
}

impl References {
    /// The reference tables of a deployment, before anybody has opened them.
    #[must_use]
    pub fn new(topology: &Topology) -> Self {
        let unopened = |name: &Arc<str>| Table {
            name: Arc::clone(name),
            content: Content::Pending("has not been opened".to_owned()),
        };
        let tables = topology.reference_tables.iter().map(|table| unopened(&table.name)).collect();
        Self(Arc::new(Mutex::new(Arc::new(Version { tables }))))
    }

    /// The newest version.
    #[must_use]
    pub fn newest(&self) -> Arc<Version> {
        Arc::clone(&self.lock())
    }

    /// From now on this is the newest version.
    pub fn publish(&self, version: Version) {
        // What nobody holds any more is taken apart after the lock is released.
        let version = std::mem::replace(&mut *self.lock(), Arc::new(version));
        drop(version);
    }

    /// Pins the newest version for a turn that looks things up in these tables, and nowhere else.
    ///
    /// # Errors
    /// When one of them cannot be looked at yet.
    pub fn pin(&self, tables: &[ReferenceIndex]) -> Result<Pinned, NotReady> {
        if tables.is_empty() {
            return Ok(Pinned::default());
        }
        let version = self.newest();
        for table in tables.iter().map(|index| &version.tables[*index]) {
            if let Content::Pending(why) = &table.content {
                return Err(NotReady { table: Arc::clone(&table.name), why: why.clone() });
            }
        }
        Ok(Pinned { version, tables: tables.to_vec() })
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Version>> {
        // What it guards is replaced as a whole: it is never half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    /// Before any turn: nobody has seen anything.
    #[must_use]
    pub fn nothing(topology: &Topology) -> Self {
        let table = |table: &ReferenceTable| {
            Some(vec![0; topology.settings(table.aggregate_type).partitions as usize])
        };
        Self(topology.reference_tables.iter().map(table).collect())
    }

    /// The newest turn of a partition left this.
    ///
    /// A table that its next turn will look things up in, and that it does not name, is unknown from
    /// then on: whether turns before it had seen that table nothing tells.
    pub fn add(&mut self, topology: &Topology, partition: PartitionId, newest: &BatchRecord) {
        let needed = topology.looked_up(partition.aggregate_type);
        for (index, table) in topology.reference_tables.iter().enumerate() {
            let pinned = newest.references.iter().find(|of| *of.table == *table.name);
            let Some(seen) = self.0.get_mut(index) else { continue };
            match (&mut *seen, pinned) {
                (Some(seen), Some(pinned)) if seen.len() == pinned.next.len() => {
                    seen.iter_mut().zip(&pinned.next).for_each(|(seen, p)| *seen = (*p).max(*seen));
                }
                (_, Some(_)) => *seen = None,
                (_, None) if needed.contains(&index) => *seen = None,
                (_, None) => {}
            }
        }
    }

    /// The number of the next event, in each partition of a table's aggregate type, that some turn saw;
    /// none if nothing tells.
    #[must_use]
    pub fn of(&self, table: ReferenceIndex) -> Option<&[EventNumber]> {
        self.0.get(table)?.as_deref()
    }
}

impl Default for Rows {
    fn default() -> Self {
        Self { buckets: (0..BUCKETS).map(|_| Arc::default()).collect() }
    }
}

impl Rows {
    /// The row at a key.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<&Bytes> {
        self.buckets[bucket_of(key)].get(key)
    }

    /// Puts a row in its place.
    pub fn insert(&mut self, key: Bytes, row: Bytes) {
        Arc::make_mut(&mut self.buckets[bucket_of(&key)]).insert(key, row);
    }

    /// Removes a row, if there is one.
    pub fn remove(&mut self, key: &[u8]) {
        let bucket = &mut self.buckets[bucket_of(key)];
        if bucket.contains_key(key) {
            Arc::make_mut(bucket).remove(key);
        }
    }
}

fn bucket_of(key: &[u8]) -> usize {
    partition_of(key, BUCKETS) as usize
}

impl Table {
    /// The row at a key. None for a table that is not ready.
    #[must_use]
    pub fn row(&self, key: &[u8]) -> Option<&Bytes> {
        let Content::Ready(slices) = &self.content else { return None };
        slices[partition_of(key, slices.len() as u32) as usize].rows.get(key)
    }
}

/// The version that a turn sees. The default is that of a turn that looks nothing up.
#[derive(Clone, Debug, Default)]
pub struct Pinned {
    version: Arc<Version>,
    tables: Vec<ReferenceIndex>,
}

impl Pinned {
    /// What a handler may look up in it.
    #[must_use]
    pub fn lookup(&self, handler: &BoundHandler) -> Lookup {
        if handler.references.is_empty() {
            return Lookup::default();
        }
        let version = Arc::clone(&self.version);
        Lookup::new(Arc::new(View { version, tables: Arc::clone(&handler.references) }))
    }

    /// What the batch record says of it.
    #[must_use]
    pub fn record(&self) -> Vec<proto::ReferenceVersion> {
        let record = |index: &ReferenceIndex| {
            let table = &self.version.tables[*index];
            let slices = match &table.content {
                Content::Ready(slices) => &slices[..],
                Content::Pending(_) => &[],
            };
            let next = slices.iter().map(|slice| slice.next).collect();
            proto::ReferenceVersion { table: table.name.to_string(), next }
        };
        self.tables.iter().map(record).collect()
    }
}

/// A version as one handler's manifest numbers it.
struct View {
    version: Arc<Version>,
    /// The tables of [`Version::tables`], by their index in the manifest.
    tables: Arc<[ReferenceIndex]>,
}

impl ReferenceRows for View {
    fn row(&self, table: u32, key: &[u8]) -> Option<Bytes> {
        let index = *self.tables.get(table as usize)?;
        self.version.tables.get(index)?.row(key).cloned()
    }
}
