//! What holds while a handler is called: what its operator configured, and what stands in reference
//! tables.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::bounds::KEY_BYTES_MAX;
use crate::json;
use crate::reference::ReferenceDeclaration;

/// What `decide` and `react` see beside what they are called with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Setting {
    /// The configuration, as the operator would write it; empty for none.
    pub configuration: Vec<u8>,
    /// The rows of reference tables.
    pub references: ReferenceRows,
}

/// Rows of reference tables, by the table's name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReferenceRows {
    tables: BTreeMap<String, BTreeMap<Vec<u8>, Vec<u8>>>,
}

impl Setting {
    /// No configuration and no rows.
    #[must_use]
    pub const fn new() -> Self {
        Self { configuration: Vec::new(), references: ReferenceRows { tables: BTreeMap::new() } }
    }

    /// The operator's document, of any form that serialises to it.
    ///
    /// # Panics
    /// If it cannot be JSON.
    #[track_caller]
    pub(crate) fn configure(&mut self, configuration: &impl Serialize) {
        self.configuration.clear();
        if let Err(error) = json::encode(configuration, &mut self.configuration) {
            panic!("the configuration cannot be JSON: {error}");
        }
    }

    /// A row of a table that the role `T` declares.
    ///
    /// # Panics
    /// If it does not, no row can have that key, or the row cannot be JSON.
    #[track_caller]
    pub(crate) fn refer<T: 'static>(
        &mut self,
        declared: &[ReferenceDeclaration],
        table: ReferenceDeclaration,
        key: &str,
        row: &(impl Serialize + ?Sized),
    ) {
        declares::<T>(declared, table);
        if key.is_empty() || key.len() > KEY_BYTES_MAX {
            panic!("a key has 1 to {KEY_BYTES_MAX} bytes, unlike {key:?}");
        }
        let mut bytes = Vec::new();
        if let Err(error) = json::encode(row, &mut bytes) {
            panic!("row {key} of reference table {} cannot be JSON: {error}", table.name);
        }
        self.references.put(table.name, key.as_bytes(), &bytes);
    }

    /// No row at this key.
    ///
    /// # Panics
    /// If the role `T` does not declare the table.
    #[track_caller]
    pub(crate) fn forget<T: 'static>(
        &mut self,
        declared: &[ReferenceDeclaration],
        table: ReferenceDeclaration,
        key: &str,
    ) {
        declares::<T>(declared, table);
        self.references.remove(table.name, key.as_bytes());
    }
}

#[track_caller]
fn declares<T: 'static>(declared: &[ReferenceDeclaration], table: ReferenceDeclaration) {
    if !declared.contains(&table) {
        let role = std::any::type_name::<T>();
        panic!("{role} looks nothing up in {}: it is not among its REFERENCES", table.name);
    }
}

impl ReferenceRows {
    /// The row at this key, if there is one.
    #[must_use]
    pub fn row(&self, table: &str, key: &[u8]) -> Option<&[u8]> {
        self.tables.get(table)?.get(key).map(Vec::as_slice)
    }

    /// Writes a row, whether there is one or not.
    pub fn put(&mut self, table: &str, key: &[u8], row: &[u8]) {
        let rows = match self.tables.get_mut(table) {
            Some(rows) => rows,
            None => self.tables.entry(table.to_owned()).or_default(),
        };
        rows.insert(key.to_vec(), row.to_vec());
    }

    /// Removes a row, if there is one.
    pub fn remove(&mut self, table: &str, key: &[u8]) {
        if let Some(rows) = self.tables.get_mut(table) {
            rows.remove(key);
        }
    }
}
