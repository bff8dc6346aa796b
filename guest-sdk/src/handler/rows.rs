//! The rows that a projection works on: those of one aggregate, decoded at their first use and
//! encoded after the aggregate's last event in the batch.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;

use crate::bounds::{BODY_BYTES_MAX, SUFFIX_BYTES_MAX, within};
use crate::columns::Changes;
use crate::json;
use crate::projection::{KeyedTable, ListTable, Row, TableDeclaration};

/// The rows of the aggregate that an event is about.
pub struct Rows<'a> {
    pub(super) slot: u32,
    pub(super) key: &'a str,
    /// The projection's tables, each with its index in the manifest.
    pub(super) tables: &'a [(TableDeclaration, u32)],
    pub(super) keyed: &'a mut Keyed,
    pub(super) changes: &'a mut Changes,
}

impl fmt::Debug for Rows<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").field("key", &self.key).field("tables", &self.tables).finish()
    }
}

impl Rows<'_> {
    /// The aggregate's row in a keyed table, or `None` while it has none. What stands here after
    /// its last event is the row: put `Some` row there, change it, or take it away.
    ///
    /// # Panics
    /// If the projection does not declare the table, or the stored row does not decode (a row of
    /// another shape needs another fold number, so that the tables are built anew).
    #[track_caller]
    pub fn current<R: Row>(&mut self, table: &KeyedTable<R>) -> &mut Option<R> {
        let index = self.index(&table.declared());
        let row = self.keyed.open::<R>(index).unwrap_or_else(|error| {
            panic!("row {} of table {}: {error}", self.key, table.declared().name)
        });
        let Some(row) = row.downcast_mut() else {
            panic!("table {} has rows of two types", table.declared().name)
        };
        row
    }

    /// Writes the row with this suffix, whether there is one or not.
    ///
    /// # Panics
    /// If the projection does not declare the table; if the suffix is empty, has a `/` in it or is
    /// longer than 255 bytes; if the row is over its bound or cannot be JSON.
    #[track_caller]
    pub fn put<R: Row>(&mut self, table: &ListTable<R>, suffix: impl AsRef<str>, row: &R) {
        let table = table.declared();
        let suffix = self.checked(&table, suffix.as_ref());
        let start = self.changes.values.data.len();
        let encoded = json::encode(row, &mut self.changes.values.data);
        let written = self.changes.values.data.len() - start;
        if let Err(error) = encoded {
            panic!("row {}/{suffix} of table {} cannot be JSON: {error}", self.key, table.name);
        }
        if let Err(error) = within("the row", "bytes", written, BODY_BYTES_MAX) {
            panic!("row {}/{suffix} of table {}: {error}", self.key, table.name);
        }
        self.changes.values.end_blob();
        self.change(&table, suffix, 0);
    }

    /// Removes the row with this suffix, if there is one.
    ///
    /// # Panics
    /// As [`Rows::put`].
    #[track_caller]
    pub fn delete<R: Row>(&mut self, table: &ListTable<R>, suffix: impl AsRef<str>) {
        let table = table.declared();
        let suffix = self.checked(&table, suffix.as_ref());
        self.changes.values.push(b"");
        self.change(&table, suffix, 1);
    }

    fn change(&mut self, table: &TableDeclaration, suffix: &str, delete: u8) {
        self.changes.slot.push(self.slot);
        self.changes.table.push(self.index(table));
        self.changes.suffixes.push(suffix.as_bytes());
        self.changes.delete.push(delete);
    }

    #[track_caller]
    fn checked<'s>(&self, table: &TableDeclaration, suffix: &'s str) -> &'s str {
        if suffix.is_empty() || suffix.contains('/') {
            panic!(
                "a suffix in table {} is never empty and has no `/` in it, unlike `{suffix}`",
                table.name
            );
        }
        if let Err(error) = within("a suffix", "bytes", suffix.len(), SUFFIX_BYTES_MAX) {
            panic!("table {}: {error}", table.name);
        }
        suffix
    }

    #[track_caller]
    fn index(&self, table: &TableDeclaration) -> u32 {
        let known = self.tables.iter().find(|(declared, _)| declared == table);
        let Some((_, index)) = known else {
            panic!(
                "table {} is not among the projection's TABLES as it is used here: {:?}",
                table.name, self.tables
            )
        };
        *index
    }
}

/// The rows of one aggregate in keyed tables, by the table's index in the manifest.
#[derive(Default)]
pub(super) struct Keyed(BTreeMap<u32, KeyedRow>);

#[derive(Default)]
struct KeyedRow {
    /// As it was handed in.
    given: Option<Vec<u8>>,
    live: Option<Live>,
}

/// A decoded row: an `Option<R>`, and how to encode one.
struct Live {
    row: Box<dyn Any>,
    encode: Encode,
}

/// Appends the row, if there is one, and says whether there is.
type Encode = fn(&dyn Any, &mut Vec<u8>) -> Result<bool, String>;

impl Keyed {
    /// A row was handed in.
    pub(super) fn give(&mut self, table: u32, value: &[u8]) {
        self.0.entry(table).or_default().given = Some(value.to_vec());
    }

    fn open<R: Row>(&mut self, table: u32) -> Result<&mut Box<dyn Any>, String> {
        let row = self.0.entry(table).or_default();
        if row.live.is_none() {
            let decode = |bytes: &Vec<u8>| {
                json::decode::<R>(bytes).map_err(|error| format!("it does not decode: {error}"))
            };
            let decoded = row.given.as_ref().map(decode).transpose()?;
            row.live = Some(Live { row: Box::new(decoded), encode: encode::<R> });
        }
        row.live.as_mut().map(|live| &mut live.row).ok_or_else(|| "it was not opened".to_owned())
    }

    /// Adds the rows that are not what was handed in.
    pub(super) fn finish(self, slot: u32, changes: &mut Changes) -> Result<(), String> {
        for (table, row) in self.0 {
            let Some(live) = row.live else { continue };
            let start = changes.values.data.len();
            let exists = (live.encode)(&*live.row, &mut changes.values.data)?;
            let written = &changes.values.data[start..];
            let same = match &row.given {
                Some(given) => exists && written == given,
                None => !exists,
            };
            if same {
                changes.values.data.truncate(start);
                continue;
            }
            within("the row", "bytes", written.len(), BODY_BYTES_MAX)?;
            changes.values.end_blob();
            changes.slot.push(slot);
            changes.table.push(table);
            changes.suffixes.push(b"");
            changes.delete.push(u8::from(!exists));
        }
        Ok(())
    }
}

fn encode<R: Row>(row: &dyn Any, into: &mut Vec<u8>) -> Result<bool, String> {
    match row.downcast_ref::<Option<R>>() {
        Some(Some(row)) => {
            json::encode(row, into).map_err(|error| format!("a row cannot be JSON: {error}"))?;
            Ok(true)
        }
        Some(None) => Ok(false),
        None => Err("a row has two types".to_owned()),
    }
}
