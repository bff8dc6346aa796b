//! How far an import is, in a file beside the imported one, so that a broken-off import goes on
//! where it was. Every command has the same id whenever it is sent, so the journal only saves time.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::tally::Tally;

/// How far an import is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// What is imported, into which node: another import does not go on here.
    pub(crate) import: String,
    /// Commands that were answered.
    pub(crate) answered: u64,
    /// Of these, before the last batch. It is sent again first: a node that does not know it is not
    /// the one that was imported into.
    pub(crate) known: u64,
    /// What became of them.
    pub(crate) tally: Tally,
}

/// The file.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
}

impl Journal {
    /// The journal of a file.
    pub(crate) fn beside(file: &Path) -> Self {
        let mut name = file.file_name().unwrap_or_default().to_owned();
        name.push(".import");
        Self { path: file.with_file_name(name) }
    }

    /// Where this import was broken off, if it was.
    pub(crate) fn read(&self, import: &str) -> Result<Option<Progress>> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| self.place()),
        };
        let progress: Progress = serde_json::from_str(&text).with_context(|| {
            format!("{}: this is no journal of an import: remove it to begin again", self.place())
        })?;
        Ok((progress.import == import).then_some(progress))
    }

    /// Keeps how far it is: whole or not at all.
    pub(crate) fn write(&self, progress: &Progress) -> Result<()> {
        let temporary = self.path.with_extension("import.tmp");
        fs::write(&temporary, serde_json::to_vec(progress)?)
            .and_then(|()| fs::rename(&temporary, &self.path))
            .with_context(|| self.place())
    }

    /// It is done.
    pub(crate) fn remove(&self) -> Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| self.place())
            }
            _ => Ok(()),
        }
    }

    fn place(&self) -> String {
        format!("journal {}", self.path.display())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_import_goes_on_where_it_was_and_another_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::beside(&folder.path().join("a.csv"));
        assert_eq!(journal.read("x").unwrap(), None);
        let progress =
            Progress { import: "x".into(), answered: 9, known: 4, ..Progress::default() };
        journal.write(&progress).unwrap();
        assert_eq!(journal.read("x").unwrap(), Some(progress));
        assert_eq!(journal.read("y").unwrap(), None);
        assert!(folder.path().join("a.csv.import").exists());
        journal.remove().unwrap();
        journal.remove().unwrap();
        assert_eq!(journal.read("x").unwrap(), None);
    }

    #[test]
    fn a_file_that_is_no_journal_is_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.csv.import"), "my notes").unwrap();
        let error = Journal::beside(&folder.path().join("a.csv")).read("x").unwrap_err();
        assert!(format!("{error:#}").contains("remove it to begin again"), "{error:#}");
    }
}
