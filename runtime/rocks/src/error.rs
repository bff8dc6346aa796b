//! Why files cannot be opened: each with the place, what was found, and what an operator can do.

use std::path::{Path, PathBuf};

use zamu_core::error::EngineError;

/// A log or a store could not be opened. No record was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another part of this one, has it open.
    #[error("{} is in use by {holder}: stop that process, or use another data directory", .path.display())]
    InUse {
        /// Which folder.
        path: PathBuf,
        /// Who holds it, as far as its lock file tells.
        holder: String,
    },
    /// There is nothing to read.
    #[error("{} holds no data: check the path, or start a node there first", .path.display())]
    Absent {
        /// Which folder.
        path: PathBuf,
    },
    /// A type's partition count may never change: the partition of a key depends on it.
    #[error(
        "aggregate type `{name}` has {recorded} partitions in {}, but {asked} are configured: set it back to {recorded}, or move to a new data directory",
        .path.display()
    )]
    Partitions {
        /// Which folder.
        path: PathBuf,
        /// Which type.
        name: String,
        /// As the log has it.
        recorded: u32,
        /// As configured.
        asked: u32,
    },
    /// The log has records of a type that is not configured.
    #[error(
        "{} has records of aggregate type `{name}`, which is not configured: add it to the configuration again, with {recorded} partitions",
        .path.display()
    )]
    TypeMissing {
        /// Which folder.
        path: PathBuf,
        /// Which type.
        name: String,
        /// As the log has it.
        recorded: u32,
    },
    /// The configuration makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// Bytes that had been stored safely are missing or are not what they were.
    #[error(
        "{} is damaged: {what}. Do not delete anything: keep a copy of the folder, and restore it from a backup",
        .path.display()
    )]
    LogDamaged {
        /// Which folder.
        path: PathBuf,
        /// What was found, and where.
        what: String,
    },
    /// The store can always be made again.
    #[error(
        "{} is damaged: {what}. Move the folder away; the store is rebuilt from the log at the next start",
        .path.display()
    )]
    StoreDamaged {
        /// Which folder.
        path: PathBuf,
        /// What was found, and where.
        what: String,
    },
    /// Written by another version of this program.
    #[error("{} has layout {found}, this program knows {known}: use the program that wrote it", .path.display())]
    Layout {
        /// Which folder.
        path: PathBuf,
        /// As stored.
        found: u32,
        /// As compiled in.
        known: u32,
    },
    /// The operating system or RocksDB refused.
    #[error("cannot open {}: {what}", .path.display())]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// What it said.
        what: String,
    },
}

impl OpenError {
    /// An error of the operating system at a path.
    pub(crate) fn io(path: &Path, error: &dyn std::fmt::Display) -> Self {
        Self::Io { path: path.to_path_buf(), what: error.to_string() }
    }

    /// What a log's reading code found, at a path.
    pub(crate) fn log(path: &Path, error: EngineError) -> Self {
        match error {
            EngineError::Damaged(what) => Self::LogDamaged { path: path.to_path_buf(), what },
            other => Self::Io { path: path.to_path_buf(), what: other.to_string() },
        }
    }
}

/// What RocksDB reports while reading or writing.
pub(crate) fn engine_error(doing: &str, error: &rocksdb::Error) -> EngineError {
    let text = format!("{doing}: {error}");
    match error.kind() {
        rocksdb::ErrorKind::Corruption => EngineError::Damaged(text),
        _ => EngineError::Fatal(text),
    }
}
