//! Compiled code on disk, so that a restart does not compile again.
//!
//! - A file is named for the component's digest and for everything that shaped its code
//!   ([`crate::Engine::compile_key`]), and begins with a checksum over both and the code.
//! - It is native code: the directory is private to this user, and what is loaded is what was
//!   checked, byte for byte. A damaged file is compiled again, never trusted.
//! - Files appear whole, by rename. A cache that cannot be written costs time, nothing else.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

const MAGIC: &[u8; 8] = b"zamu-cw\x01";
const HEADER_BYTES: usize = MAGIC.len() + 32;

/// A directory of compiled components.
#[derive(Clone, Debug)]
pub struct Cache {
    directory: PathBuf,
    writes: bool,
}

/// The directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// It could not be made or read.
    #[error("the directory for compiled handlers, {}, cannot be used: {source}", .directory.display())]
    Io {
        /// The directory.
        directory: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others may write to it.
    #[error(
        "the directory for compiled handlers, {}, may be written by other users (mode {mode:03o}, \
         owner {owner}), and its files run as native code: chown it to this user and chmod 700 it",
        .directory.display()
    )]
    NotPrivate {
        /// The directory.
        directory: PathBuf,
        /// Its permissions.
        mode: u32,
        /// Its owner.
        owner: u32,
    },
}

/// Names the code of one component, compiled in one way.
pub(crate) struct Key(String);

impl Key {
    /// `digest` is the component's, `compile_key` the engine's.
    pub(crate) fn new(digest: &str, compile_key: &str) -> Self {
        Self(format!("{digest} {compile_key}"))
    }

    fn file_name(&self) -> String {
        format!("{}.cwasm", hex(&Sha256::digest(&self.0)))
    }

    fn checksum(&self, code: &[u8]) -> [u8; 32] {
        Sha256::new().chain_update(&self.0).chain_update([0]).chain_update(code).finalize().into()
    }
}

impl Cache {
    /// Opens the directory, making it if it is missing.
    ///
    /// # Errors
    /// If it cannot be made, or is not private to this user.
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self, CacheError> {
        let directory = directory.into();
        let metadata = fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&directory)
            .and_then(|()| fs::metadata(&directory))
            .map_err(|source| CacheError::Io { directory: directory.clone(), source })?;
        // SAFETY: the call has no arguments and cannot fail.
        let user = unsafe { libc::geteuid() };
        let (mode, owner) = (metadata.mode() & 0o777, metadata.uid());
        if mode & 0o022 != 0 || owner != user {
            return Err(CacheError::NotPrivate { directory, mode, owner });
        }
        Ok(Self { directory, writes: true })
    }

    /// The same, for reading alone: what is compiled is not kept, and no file is changed. Nothing where
    /// there is no such directory.
    ///
    /// # Errors
    /// If it is not private to this user.
    pub fn open_read_only(directory: impl Into<PathBuf>) -> Result<Option<Self>, CacheError> {
        let directory = directory.into();
        if !directory.is_dir() {
            return Ok(None);
        }
        Ok(Some(Self { writes: false, ..Self::open(directory)? }))
    }

    /// The code, if it is there and whole.
    pub(crate) fn read(&self, key: &Key) -> Option<Vec<u8>> {
        let path = self.path(key);
        let mut file = match fs::read(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => return warn(&path, &error),
        };
        let whole = file.len() > HEADER_BYTES
            && file.starts_with(MAGIC)
            && file[MAGIC.len()..HEADER_BYTES] == key.checksum(&file[HEADER_BYTES..]);
        if !whole {
            return warn(&path, &"damaged");
        }
        Some(file.split_off(HEADER_BYTES))
    }

    /// Keeps the code. A failure is logged: the cache is a convenience.
    pub(crate) fn write(&self, key: &Key, code: &[u8]) {
        if !self.writes {
            return;
        }
        let path = self.path(key);
        let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
        let written = write_new(&temporary, key, code).and_then(|()| fs::rename(&temporary, &path));
        if let Err(error) = written {
            warn::<()>(&path, &error);
            // It may never have been made.
            drop(fs::remove_file(&temporary));
        }
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.directory.join(key.file_name())
    }
}

/// SHA-256 of a component, lower-case hexadecimal: how components are named.
#[must_use]
pub fn digest(component: &[u8]) -> String {
    hex(&Sha256::digest(component))
}

fn write_new(path: &Path, key: &Key, code: &[u8]) -> io::Result<()> {
    use io::Write;
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(MAGIC)?;
    file.write_all(&key.checksum(code))?;
    file.write_all(code)
}

fn warn<T>(path: &Path, problem: &dyn std::fmt::Display) -> Option<T> {
    let path = path.display();
    tracing::warn!(target: "zamu::wasm", "compiled handler {path}: {problem}; compiling again");
    None
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn code_is_found_only_under_the_component_and_the_profile_it_was_kept_for() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path().join("deep/er")).unwrap();
        let key = Key::new("digest", "speed");
        cache.write(&key, b"code");
        assert_eq!(cache.read(&key).unwrap(), b"code");
        assert!(cache.read(&Key::new("digest", "none")).is_none());
        assert!(cache.read(&Key::new("other", "speed")).is_none());
    }

    #[test]
    fn a_cache_that_is_only_read_gives_what_is_there_and_keeps_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cache");
        assert!(Cache::open_read_only(&path).unwrap().is_none());
        assert!(!path.exists());
        let (known, new) = (Key::new("known", ""), Key::new("new", ""));
        Cache::open(&path).unwrap().write(&known, b"code");
        let cache = Cache::open_read_only(&path).unwrap().unwrap();
        cache.write(&new, b"code");
        assert_eq!(cache.read(&known).unwrap(), b"code");
        assert!(cache.read(&new).is_none());
    }

    #[test]
    fn a_file_under_another_name_is_not_believed() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path().join("cache")).unwrap();
        let (mine, other) = (Key::new("mine", ""), Key::new("other", ""));
        cache.write(&other, b"code");
        fs::rename(cache.path(&other), cache.path(&mine)).unwrap();
        assert!(cache.read(&mine).is_none());
    }

    #[test]
    fn a_cache_that_cannot_be_written_is_no_error_and_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path().join("cache")).unwrap();
        let key = Key::new("digest", "");
        fs::create_dir(cache.path(&key)).unwrap();
        cache.write(&key, b"code");
        assert!(cache.read(&key).is_none());
        assert_eq!(fs::read_dir(directory.path().join("cache")).unwrap().count(), 1);
    }

    #[test]
    fn digests_are_lower_case_hexadecimal() {
        assert!(digest(b"").starts_with("e3b0c44298fc1c149afbf4c8996fb924"));
        assert_eq!(digest(b"").len(), 64);
    }
}
