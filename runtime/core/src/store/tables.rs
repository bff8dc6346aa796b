//! The seam to tables: rows that projections have made of events, and how far they have come.
//!
//! A *generation* is what one version of a projection has made of the log, so that a new one can be
//! built beside the one that queries read. What generations there are stands in the *catalogue*,
//! whose meaning is the core's (`projection`). `memory` is for tests; `zamu-rocks` has the real
//! one. Both pass `contract`.

#[cfg(any(test, feature = "testing"))]
pub mod contract;
#[cfg(any(test, feature = "testing"))]
pub mod memory;

use bytes::Bytes;

use crate::error::EngineError;

/// Number of a generation, unique in a store for ever.
pub type Generation = u32;
/// Number of a table within its generation.
pub type TableNumber = u16;

/// The rows that a generation has made of one partition's events. They have one writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The generation.
    pub generation: Generation,
    /// Number of the aggregate type within the generation.
    pub source: u16,
    /// The partition.
    pub partition: u32,
}

/// Reads tables.
pub trait TableReader {
    /// The catalogue that was written last.
    ///
    /// # Errors
    /// As the engine has them, here and below.
    fn catalogue(&self) -> Result<Option<Bytes>, EngineError>;

    /// The position that was written last.
    ///
    /// # Errors
    /// As the engine has them.
    fn position(&self, place: Place) -> Result<Option<Bytes>, EngineError>;

    /// Rows by table and key, in the order of `rows`.
    ///
    /// # Errors
    /// As the engine has them.
    fn rows(
        &self,
        place: Place,
        rows: &[(TableNumber, Bytes)],
    ) -> Result<Vec<Option<Bytes>>, EngineError>;

    /// Up to `limit` rows of a table in the order of keys.
    ///
    /// # Errors
    /// As the engine has them.
    fn scan(
        &self,
        place: Place,
        table: TableNumber,
        scan: Scan<'_>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, EngineError>;
}

/// Which rows to scan.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scan<'a> {
    /// Only keys that begin with this.
    pub prefix: &'a [u8],
    /// Only keys after this one, if it is given.
    pub after: Option<&'a [u8]>,
}

impl<'a> Scan<'a> {
    /// The key after which it begins, if that is not already where its prefix does.
    #[must_use]
    pub fn begins_after(&self) -> Option<&'a [u8]> {
        self.after.filter(|after| *after >= self.prefix)
    }
}

/// Reads and writes tables.
///
/// # Contract
/// - A write happens as a whole or not at all, over every crash.
/// - A crash may lose the newest writes, but never one before another that survived: what is found
///   afterwards is a prefix of all writes, those of the catalogue included.
/// - Reads see all earlier writes of this process; a snapshot sees none that came after it.
/// - Generations and places are independent of each other.
pub trait TableStore: TableReader + Send + Sync {
    /// Puts and deletes rows, and moves the position, all at once.
    ///
    /// # Errors
    /// As the engine has them.
    fn write(&self, place: Place, write: &RowWrite) -> Result<(), EngineError>;

    /// Writes the catalogue, and removes all of the generations that are dropped with it, at once.
    ///
    /// # Errors
    /// As the engine has them.
    fn write_catalogue(&self, catalogue: &Bytes, dropped: &[Generation])
    -> Result<(), EngineError>;

    /// All tables as they are now, whatever is written later.
    fn snapshot(&self) -> Box<dyn TableReader + '_>;
}

/// One atomic change of a place. A row stands in it once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowWrite {
    /// Rows with their new values.
    pub puts: Vec<(TableNumber, Bytes, Bytes)>,
    /// Rows to remove.
    pub deletes: Vec<(TableNumber, Bytes)>,
    /// The new position.
    pub position: Bytes,
}
