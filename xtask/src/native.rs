//! The one long step: RocksDB's C++ (and wasmtime), compiled once for all commands.
//!
//! All commands share one build profile and one choice of features, so that cargo finds what an
//! earlier command has built. This file says when the long step lies ahead, shows how far it is,
//! and counts: more than one compilation of RocksDB in one target folder is a defect of ours.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime};

use crate::say;
use crate::workspace::Workspace;

/// Measured on a cold folder: processor minutes for RocksDB and everything else together.
const BUILD_CPU_MINUTES: u64 = 22;
/// C++ files of RocksDB 11.8, for the progress line.
const SOURCES: usize = 343;
/// Between two progress lines.
const PROGRESS_EVERY: Duration = Duration::from_secs(30);

/// Says so if the long step lies ahead.
pub(crate) fn announce(workspace: &Workspace) {
    if !archives(&workspace.target).is_empty() {
        return;
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let minutes = expected_minutes(cores);
    say::note(format_args!(
        "The first build compiles RocksDB (C++) and wasmtime: about {minutes} minutes on this \
         machine ({cores} cores)."
    ));
    say::note("It happens once; later builds take seconds.");
}

/// Runs a step; while RocksDB is being compiled, a line now and then says how far it is.
pub(crate) fn with_progress<T>(workspace: &Workspace, step: impl FnOnce() -> T) -> T {
    if !archives(&workspace.target).is_empty() {
        return step();
    }
    let (done, ended) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let start = Instant::now();
            while ended.recv_timeout(PROGRESS_EVERY) == Err(mpsc::RecvTimeoutError::Timeout) {
                if let Some(objects) = objects_in_progress(&workspace.target) {
                    let time = say::time(start.elapsed());
                    say::note(format_args!("RocksDB: {objects} of {SOURCES} files, {time}"));
                }
            }
        });
        let result = step();
        drop(done);
        result
    })
}

/// RocksDB archives in the target folder that are newer than `since`.
pub(crate) fn compiled_since(workspace: &Workspace, since: SystemTime) -> usize {
    let modified = |path: &PathBuf| fs::metadata(path).and_then(|data| data.modified()).ok();
    archives(&workspace.target)
        .iter()
        .filter(|path| modified(path).is_some_and(|time| time >= since))
        .count()
}

fn expected_minutes(cores: usize) -> u64 {
    // Linking and a few large crates do not share out well: never promise less than three.
    BUILD_CPU_MINUTES.div_ceil(u64::try_from(cores).unwrap_or(1).max(1)).max(3)
}

fn archives(target: &Path) -> Vec<PathBuf> {
    let out = build_folders(target).into_iter().map(|folder| folder.join("out/librocksdb.a"));
    out.filter(|path| path.is_file()).collect()
}

/// Object files of a build of RocksDB that has no archive yet.
fn objects_in_progress(target: &Path) -> Option<usize> {
    let unfinished = build_folders(target)
        .into_iter()
        .map(|folder| folder.join("out"))
        .find(|out| out.is_dir() && !out.join("librocksdb.a").exists())?;
    let entries = fs::read_dir(unfinished).ok()?;
    Some(entries.flatten().filter(|e| e.path().extension().is_some_and(|e| e == "o")).count())
}

fn build_folders(target: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(target.join("debug/build")) else { return Vec::new() };
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("librocksdb-sys-"))
        .map(|entry| entry.path())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_cores_promise_less_time_but_never_none() {
        assert_eq!(expected_minutes(1), 22);
        assert_eq!(expected_minutes(2), 11);
        assert_eq!(expected_minutes(0), 22);
        assert_eq!(expected_minutes(64), 3);
    }
}
