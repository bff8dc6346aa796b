//! Reading tables: a row, a page of rows, and how far they have come. Works on a snapshot, so that
//! all that one answer says fits together, whatever is written meanwhile.

use bytes::Bytes;

use super::batch::owner_of;
use super::catalogue::decode_catalogue;
use super::projector::position;
use crate::error::EngineError;
use crate::model::{EventNumber, partition_of};
use crate::proto::{TableCatalogue, TableGeneration};
use crate::store::tables::{Place, Scan, TableNumber, TableReader};

/// The table that queries read.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Name of the projection that makes it.
    pub projection: String,
    /// The generation that is served.
    pub generation: TableGeneration,
    /// Its number there.
    pub number: TableNumber,
}

/// Rows in the order of their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Keys and rows.
    pub rows: Vec<(Bytes, Bytes)>,
    /// Whether there are more.
    pub more: bool,
}

/// The catalogue of a snapshot.
///
/// # Errors
/// When it cannot be read, or is damaged.
pub fn catalogue(tables: &dyn TableReader) -> Result<TableCatalogue, EngineError> {
    decode_catalogue(tables.catalogue()?.as_ref())
        .map_err(|error| EngineError::Damaged(format!("the catalogue of tables: {error}")))
}

/// The table of that name. If several projections have one, the one that a handler still makes is it:
/// `made` says so of a projection.
#[must_use]
pub fn find(catalogue: &TableCatalogue, name: &str, made: impl Fn(&str) -> bool) -> Option<Table> {
    let tables = catalogue.projections.iter().filter_map(|projection| {
        let generation = projection.serving.as_ref()?;
        let number = super::catalogue::table_number(generation, name)?;
        let generation = generation.clone();
        Some(Table { projection: projection.name.clone(), generation, number })
    });
    tables.min_by_key(|table| !made(&table.projection))
}

impl Table {
    /// Name of the aggregate type that its rows belong to.
    #[must_use]
    pub fn aggregate_type(&self) -> &str {
        &self.shape().aggregate_type
    }

    /// The row with that key, of a type with so many partitions.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn row(
        &self,
        tables: &dyn TableReader,
        partitions: u32,
        key: &Bytes,
    ) -> Result<Option<Bytes>, EngineError> {
        let Some(partition) = self.partition(partitions, key) else { return Ok(None) };
        let Some(place) = self.place(partition) else { return Ok(None) };
        Ok(tables.rows(place, &[(self.number, key.clone())])?.pop().flatten())
    }

    /// Up to `limit` rows whose keys begin with `prefix`, after a key if one is given.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn page(
        &self,
        tables: &dyn TableReader,
        partitions: u32,
        scan: Scan<'_>,
        limit: usize,
    ) -> Result<Page, EngineError> {
        let mut streams = Vec::new();
        for place in (0..partitions).filter_map(|partition| self.place(partition)) {
            streams.push(Stream::new(place, limit / partitions.max(1) as usize + 8));
        }
        let mut page = Page::default();
        while let Some((key, value)) = self.least(tables, &mut streams, scan)? {
            if page.rows.len() == limit {
                page.more = true;
                break;
            }
            page.rows.push((key, value));
        }
        Ok(page)
    }

    /// The partition of the aggregate that a row belongs to; `None` for a key that no row has.
    #[must_use]
    pub fn partition(&self, partitions: u32, key: &[u8]) -> Option<u32> {
        owner_of(key, self.shape().keyed).map(|owner| partition_of(owner, partitions))
    }

    /// Number of the next event to project, in each partition of the type that its rows belong to.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn positions(
        &self,
        tables: &dyn TableReader,
        partitions: u32,
    ) -> Result<Vec<EventNumber>, EngineError> {
        let places = (0..partitions).filter_map(|partition| self.place(partition));
        places.map(|place| position(tables, place)).collect()
    }

    /// Takes the row with the least key of all partitions.
    fn least(
        &self,
        tables: &dyn TableReader,
        streams: &mut [Stream],
        scan: Scan<'_>,
    ) -> Result<Option<(Bytes, Bytes)>, EngineError> {
        for stream in streams.iter_mut() {
            stream.fill(tables, self.number, scan)?;
        }
        let with_rows = streams.iter_mut().filter(|stream| !stream.rows.is_empty());
        let least = with_rows.min_by(|a, b| a.head().cmp(&b.head()));
        Ok(least.and_then(|stream| stream.rows.pop()))
    }

    fn place(&self, partition: u32) -> Option<Place> {
        let name = self.aggregate_type();
        let source = self.generation.sources.iter().position(|source| source == name)?;
        Some(Place { generation: self.generation.number, source: source as u16, partition })
    }

    fn shape(&self) -> &crate::proto::TableShape {
        &self.generation.tables[usize::from(self.number)]
    }
}

/// Rows of one partition, read in pieces.
struct Stream {
    place: Place,
    piece: usize,
    /// What was read and not yet taken, the next one last.
    rows: Vec<(Bytes, Bytes)>,
    /// The last key that was read.
    after: Option<Bytes>,
    ended: bool,
}

impl Stream {
    fn new(place: Place, piece: usize) -> Self {
        Self { place, piece, rows: Vec::new(), after: None, ended: false }
    }

    fn head(&self) -> Option<&Bytes> {
        self.rows.last().map(|(key, _)| key)
    }

    fn fill(
        &mut self,
        tables: &dyn TableReader,
        table: TableNumber,
        scan: Scan<'_>,
    ) -> Result<(), EngineError> {
        if self.ended || !self.rows.is_empty() {
            return Ok(());
        }
        let after = self.after.as_deref().or(scan.after);
        let mut rows =
            tables.scan(self.place, table, Scan { prefix: scan.prefix, after }, self.piece)?;
        self.ended = rows.len() < self.piece;
        self.after = rows.last().map(|(key, _)| key.clone());
        rows.reverse();
        self.rows = rows;
        Ok(())
    }
}
