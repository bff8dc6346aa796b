//! Lookups in reference tables while one item is worked on: from a table's name to the host and back.

use std::fmt;

use serde::de::DeserializeOwned;

use super::Host;
use super::manifest::Manifest;
use crate::bounds::KEY_BYTES_MAX;
use crate::json;
use crate::reference::{Reference, ReferenceDeclaration};

/// The reference tables that a role declares, each with its index in the manifest.
#[derive(Debug)]
pub(crate) struct References {
    /// Whose they are, for people.
    role: &'static str,
    tables: Vec<(ReferenceDeclaration, u32)>,
}

impl References {
    /// Those of the role `T`.
    pub(super) fn of<T: 'static>(
        declared: &'static [ReferenceDeclaration],
        manifest: &mut Manifest,
    ) -> Self {
        let index = |table: &ReferenceDeclaration| (*table, manifest.reference_index(table.name));
        Self { role: std::any::type_name::<T>(), tables: declared.iter().map(index).collect() }
    }

    /// What the role can do with them in a call of this host.
    pub(super) fn lookups<'a>(&'a self, host: &'a dyn Host) -> Lookups<'a> {
        Lookups { references: self, host }
    }
}

/// What can be looked up while an item is worked on.
#[derive(Clone, Copy)]
pub(crate) struct Lookups<'a> {
    references: &'a References,
    #[cfg_attr(target_arch = "wasm32", expect(dead_code, reason = "the import is asked itself"))]
    host: &'a dyn Host,
}

impl fmt::Debug for Lookups<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.references.tables.fmt(f)
    }
}

impl Lookups<'_> {
    /// The row at this key.
    ///
    /// # Panics
    /// If the role does not declare the table, or the row is not what the table is read as.
    #[track_caller]
    pub(crate) fn row<R: DeserializeOwned>(self, table: &Reference<R>, key: &str) -> Option<R> {
        let table = table.declared();
        let index = self.index(&table);
        // The host takes no longer key, and no aggregate has one.
        if key.len() > KEY_BYTES_MAX {
            return None;
        }
        let row = self.fetch(index, key.as_bytes())?;
        match json::decode(&row) {
            Ok(row) => Some(row),
            Err(error) => {
                panic!("row {key} of reference table {} does not decode: {error}", table.name)
            }
        }
    }

    #[track_caller]
    fn index(self, table: &ReferenceDeclaration) -> u32 {
        let References { role, tables } = self.references;
        let Some((_, index)) = tables.iter().find(|(declared, _)| declared == table) else {
            panic!(
                "{role} does not declare the reference table {}: add it to its REFERENCES",
                table.name
            )
        };
        *index
    }

    #[cfg(not(target_arch = "wasm32"))]
    fn fetch(self, table: u32, key: &[u8]) -> Option<Vec<u8>> {
        self.host.reference(table, key)
    }

    #[cfg(target_arch = "wasm32")]
    fn fetch(self, table: u32, key: &[u8]) -> Option<Vec<u8>> {
        crate::wasm::reference(table, key)
    }
}
