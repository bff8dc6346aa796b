//! What `decide` and `react` may look up: rows of reference tables, of one version for a whole turn.
//! Where rows come from and which version it is are left to whoever takes the turn.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

/// Rows of the tables that a handler's manifest names as its references.
pub trait ReferenceRows: Send + Sync {
    /// The row at a key; none where there is no row, and for a table that the manifest has not.
    /// `table` is an index into [`Manifest::references`](super::manifest::Manifest::references).
    ///
    /// Always the same for the same arguments.
    fn row(&self, table: u32, key: &[u8]) -> Option<Bytes>;
}

/// What one call may look up. Cheap to clone; the default has no tables.
#[derive(Clone, Default)]
pub struct Lookup(Option<Arc<dyn ReferenceRows>>);

impl Lookup {
    /// In these rows.
    #[must_use]
    pub fn new(rows: Arc<dyn ReferenceRows>) -> Self {
        Self(Some(rows))
    }

    /// As [`ReferenceRows::row`].
    #[must_use]
    pub fn row(&self, table: u32, key: &[u8]) -> Option<Bytes> {
        self.0.as_ref()?.row(table, key)
    }
}

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Lookup(..)" } else { "Lookup(nothing)" })
    }
}
