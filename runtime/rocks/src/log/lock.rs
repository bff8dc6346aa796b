//! The lock file: one process writes a log. And the mark: how far it had been synced.
//!
//! The operating system lets go of the lock when its process ends, however it ends. The file names
//! the process and the log's epoch, for people and for [`Lock::is_ours`].

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::checksum::crc32c;
use crate::error::OpenError;

const LOCK_FILE: &str = "zamu.lock";
const MARK_FILE: &str = "zamu.durable";

/// Held as long as the log is open.
#[derive(Debug)]
pub(crate) struct Lock {
    path: PathBuf,
    file: File,
}

impl Lock {
    /// Takes the lock of the log in `folder` for a writer, who is alone.
    pub(crate) fn exclusive(folder: &Path) -> Result<Self, OpenError> {
        let path = folder.join(LOCK_FILE);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|e| OpenError::io(&path, &e))?;
        let locked = file.try_lock();
        Self::new(folder, path, file, locked)
    }

    /// Takes it for a reader: there may be many of them, but no writer.
    pub(crate) fn shared(folder: &Path) -> Result<Self, OpenError> {
        let path = folder.join(LOCK_FILE);
        let file = File::open(&path).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => OpenError::Absent { path: folder.to_path_buf() },
            _ => OpenError::io(&path, &e),
        })?;
        let locked = file.try_lock_shared();
        Self::new(folder, path, file, locked)
    }

    fn new(
        folder: &Path,
        path: PathBuf,
        mut file: File,
        locked: Result<(), TryLockError>,
    ) -> Result<Self, OpenError> {
        match locked {
            Ok(()) => Ok(Self { path, file }),
            Err(TryLockError::Error(e)) => Err(OpenError::io(&path, &e)),
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // The text only helps people: without it the refusal stands all the same.
                let _ = file.read_to_string(&mut holder);
                let holder = match holder.trim() {
                    "" => "another process (a reader, or one that is just starting)".to_string(),
                    known => known.to_string(),
                };
                Err(OpenError::InUse { path: folder.to_path_buf(), holder })
            }
        }
    }

    /// Notes who holds the lock.
    pub(crate) fn sign(&self, epoch: u64) -> Result<(), OpenError> {
        let text = signature(epoch);
        let written = self
            .file
            .set_len(0)
            .and_then(|()| self.file.write_all_at(text.as_bytes(), 0))
            .and_then(|()| self.file.sync_all());
        written.map_err(|e| OpenError::io(&self.path, &e))
    }

    /// Whether the file at the lock's path still is the one this process signed. If not, somebody
    /// has removed it, and another process may believe that it is the only writer.
    pub(crate) fn is_ours(&self, epoch: u64) -> bool {
        std::fs::read_to_string(&self.path).is_ok_and(|text| text == signature(epoch))
    }
}

fn signature(epoch: u64) -> String {
    format!("process {} (epoch {epoch})\n", std::process::id())
}

/// A small file beside the log that says which group is durable. It is written after each sync and
/// never synced itself, so it may lag behind, but what it says is always true: a log that ends below
/// it has lost what was promised.
#[derive(Debug)]
pub(crate) struct Mark {
    path: PathBuf,
    file: File,
    log_id: Vec<u8>,
}

impl Mark {
    /// Opens the mark of the log in `folder`.
    pub(crate) fn open(folder: &Path, log_id: &[u8]) -> Result<Self, OpenError> {
        let path = folder.join(MARK_FILE);
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|e| OpenError::io(&path, &e))?;
        Ok(Self { path, file, log_id: log_id.to_vec() })
    }

    /// What the mark in `folder` says; 0 if there is none, or none of this log, or only half of one.
    pub(crate) fn read(folder: &Path, log_id: &[u8]) -> u64 {
        let Ok(bytes) = std::fs::read(folder.join(MARK_FILE)) else { return 0 };
        let Some((group, crc)) = bytes.split_first_chunk::<8>() else { return 0 };
        if crc32c(&[log_id, group]).to_be_bytes() == crc { u64::from_be_bytes(*group) } else { 0 }
    }

    /// Says that this group is durable.
    pub(crate) fn write(&self, group: u64) -> Result<(), String> {
        let group = group.to_be_bytes();
        let crc = crc32c(&[&self.log_id, &group]).to_be_bytes();
        let mut bytes = [0; 12];
        bytes[..8].copy_from_slice(&group);
        bytes[8..].copy_from_slice(&crc);
        self.file
            .write_all_at(&bytes, 0)
            .map_err(|e| format!("cannot write {}: {e}", self.path.display()))
    }
}
