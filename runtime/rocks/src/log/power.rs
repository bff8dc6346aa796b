//! A note beside the log, for tests that cut the power of a real process: how long each write-ahead
//! log surely is on the disk. Whoever plays the loss of power shortens the files to that, and to
//! nothing those that the note does not name.
//!
//! Written only where the failpoint `note-synced` is armed; a build without failpoints never does.

use std::fmt::Write as _;
use std::fs;
use std::io::{Error, Result};
use std::path::{Path, PathBuf};

/// One line a file: its length in bytes, a space, its name.
const NOTE_FILE: &str = "zamu.synced";

/// See the file's head.
#[derive(Debug)]
pub(crate) struct PowerNote {
    folder: PathBuf,
}

impl PowerNote {
    /// Notes that all there is has been synced, as it is after opening.
    pub(crate) fn begin(folder: &Path) -> Result<Self> {
        let note = Self { folder: folder.to_owned() };
        note.write(&note.look()?)?;
        Ok(note)
    }

    /// How long the files are now: before a sync, what it makes durable at least.
    pub(crate) fn look(&self) -> Result<String> {
        let mut text = String::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| name.ends_with(".log")) else { continue };
            let length = match entry.metadata() {
                Ok(metadata) => metadata.len(),
                // Archived between the two looks.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            writeln!(text, "{length} {name}").map_err(Error::other)?;
        }
        Ok(text)
    }

    /// Notes what a sync has made durable. By rename: whoever reads the file reads all of it.
    pub(crate) fn write(&self, lengths: &str) -> Result<()> {
        let temporary = self.folder.join(format!("{NOTE_FILE}.tmp"));
        fs::write(&temporary, lengths)?;
        fs::rename(&temporary, self.folder.join(NOTE_FILE))
    }
}
