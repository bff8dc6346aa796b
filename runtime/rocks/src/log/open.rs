//! Opening a log: lock, check, cut what is torn, and only then start its threads.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use crossbeam_channel::bounded;
use prost::Message as _;
use zamu_core::error::EngineError;

use crate::codec::proto;
use crate::error::OpenError;
use crate::keys;
use crate::log::EmbeddedLog;
use crate::log::board::Board;
use crate::log::committer::Committer;
use crate::log::database::Database;
use crate::log::jobs;
use crate::log::keeper;
use crate::log::lock::{Lock, Mark};
use crate::log::options::{Clock, LogOptions};
use crate::log::reader::LogReader;
use crate::log::shared::{Opened, Shared};
use crate::log::survey::{self, Survey};
use crate::log::syncer::Syncer;
use crate::log::view::View;
use crate::types::{TypeEntry, TypeTable};

/// Groups that may be written and not yet synced.
const UNSYNCED_GROUPS_MAX: usize = 1_024;

/// Opens for writing.
pub(crate) fn open(
    folder: &Path,
    options: LogOptions,
    types: &[(&str, u32)],
    clock: Clock,
) -> Result<EmbeddedLog, OpenError> {
    std::fs::create_dir_all(folder).map_err(|e| OpenError::io(folder, &e))?;
    let lock = Lock::exclusive(folder)?;
    let database = Database::open(folder, &options)?;
    let log = |e| OpenError::log(folder, e);
    let log_id = match identity(folder, &database)? {
        Some(log_id) => log_id,
        None => create(folder, &database)?,
    };
    let types = register(folder, &database, types)?;
    let survey = survey::survey(&database, &types, Mark::read(folder, &log_id)).map_err(log)?;
    settle(&database, &survey).map_err(log)?;
    let epoch = next_epoch(&database).map_err(log)?;
    lock.sign(epoch)?;
    let mark = Mark::open(folder, &log_id)?;
    let opened = Opened { last_group: survey.last_group, verified: survey.verified, epoch, lock };
    let view = view(database, types, log_id, &survey, options.tail_bytes);
    let (queue, jobs) = jobs::queue(options.queue_jobs, options.queue_bytes);
    let shared = Arc::new(Shared::new(Arc::new(view), options, clock, queue, opened));
    start(folder, shared, jobs, survey, mark)
}

/// Opens for reading.
pub(crate) fn open_read_only(folder: &Path) -> Result<LogReader, OpenError> {
    let lock = Lock::shared(folder)?;
    let options = LogOptions::default();
    let database = Database::open_read_only(folder, &options)?;
    let log = |e| OpenError::log(folder, e);
    let Some(log_id) = identity(folder, &database)? else {
        return Err(OpenError::Absent { path: folder.to_path_buf() });
    };
    let entries = survey::registered_types(&database).map_err(log)?;
    let entry = |(stored, entry): (u16, proto::AggregateType)| TypeEntry {
        name: entry.name.into(),
        partitions: entry.partitions,
        stored,
    };
    let types = TypeTable::new(entries.into_iter().map(entry).collect());
    let survey = survey::survey(&database, &types, Mark::read(folder, &log_id)).map_err(log)?;
    Ok(LogReader::files(view(database, types, log_id, &survey, 0), lock))
}

fn view(
    database: Database,
    types: TypeTable,
    log_id: Bytes,
    survey: &Survey,
    tail_bytes: usize,
) -> View {
    let last_outcomes = survey.last_outcomes.clone();
    let board = Board::new(&survey.ends, last_outcomes, survey.control, tail_bytes);
    View::new(database, types, log_id, board, survey.segments.clone())
}

/// Who the log is; `None` for one that has only just been made.
fn identity(folder: &Path, database: &Database) -> Result<Option<Bytes>, OpenError> {
    let log = |e| OpenError::log(folder, e);
    let Some(note) = database.note(keys::IDENTITY).map_err(log)? else {
        let segments =
            database.families().iter().any(|name| keys::segment_of_family(name).is_some());
        return if segments {
            let what = "the note of its identity is missing".to_string();
            Err(OpenError::LogDamaged { path: folder.to_path_buf(), what })
        } else {
            Ok(None)
        };
    };
    let identity = proto::Identity::decode(note)
        .map_err(|e| log(EngineError::Damaged(format!("the note of its identity: {e}"))))?;
    if identity.layout != keys::LAYOUT {
        let path = folder.to_path_buf();
        return Err(OpenError::Layout { path, found: identity.layout, known: keys::LAYOUT });
    }
    Ok(Some(identity.log_id))
}

fn create(folder: &Path, database: &Database) -> Result<Bytes, OpenError> {
    let log_id = Bytes::from(random_bytes());
    let identity = proto::Identity { log_id: log_id.clone(), layout: keys::LAYOUT };
    let mut batch = database.batch();
    batch
        .put_note(keys::IDENTITY, &identity.encode_to_vec())
        .and_then(|()| batch.write(true))
        .map_err(|e| OpenError::log(folder, e))?;
    Ok(log_id)
}

/// 16 bytes that no other log has: the keys that the standard library draws from the operating
/// system for its hash maps.
fn random_bytes() -> Vec<u8> {
    let half = || RandomState::new().build_hasher().finish().to_be_bytes();
    [half(), half()].concat()
}

/// Checks the configured types against the log's registry, and adds new ones to it.
fn register(
    folder: &Path,
    database: &Database,
    types: &[(&str, u32)],
) -> Result<TypeTable, OpenError> {
    let log = |e| OpenError::log(folder, e);
    let path = || folder.to_path_buf();
    let known = survey::registered_types(database).map_err(log)?;
    for (_, entry) in &known {
        let Some((name, asked)) = types.iter().find(|(name, _)| *name == entry.name) else {
            let (name, recorded) = (entry.name.clone(), entry.partitions);
            return Err(OpenError::TypeMissing { path: path(), name, recorded });
        };
        if *asked != entry.partitions {
            let (name, recorded, asked) = (name.to_string(), entry.partitions, *asked);
            return Err(OpenError::Partitions { path: path(), name, recorded, asked });
        }
    }
    let mut next = known.last().map_or(0, |(id, _)| u32::from(*id) + 1);
    let mut entries: Vec<TypeEntry> = Vec::new();
    let mut batch = database.batch();
    for &(name, partitions) in types {
        if name.is_empty() || partitions == 0 || entries.iter().any(|e| &*e.name == name) {
            return Err(OpenError::Invalid(format!(
                "aggregate type `{name}` with {partitions} partitions: names must be unique and not empty, and there must be at least 1 partition"
            )));
        }
        let stored = match known.iter().find(|(_, entry)| entry.name == name) {
            Some((id, _)) => *id,
            None => {
                let id = u16::try_from(next)
                    .map_err(|_| OpenError::Invalid("more than 65,536 aggregate types".into()))?;
                next += 1;
                let entry = proto::AggregateType { name: name.to_string(), partitions };
                batch.put_note(&keys::type_key(id), &entry.encode_to_vec()).map_err(log)?;
                id
            }
        };
        entries.push(TypeEntry { name: name.into(), partitions, stored });
    }
    batch.write(true).map_err(log)?;
    Ok(TypeTable::new(entries))
}

/// Removes a torn tail, and makes durable all that stays.
fn settle(database: &Database, survey: &Survey) -> Result<(), EngineError> {
    if !survey.torn.is_empty() {
        tracing::warn!(
            frames = survey.torn.len(),
            last_group = survey.last_group,
            "the log ended in a torn tail, none of which had been reported as durable: cut"
        );
        survey::cut(database, &survey.torn)?;
    }
    database.flush()?;
    database.sync()
}

fn next_epoch(database: &Database) -> Result<u64, EngineError> {
    let epoch = survey::number_note(database, keys::EPOCH)?.unwrap_or(0) + 1;
    let mut batch = database.batch();
    batch.put_note(keys::EPOCH, &epoch.to_be_bytes())?;
    batch.write(true)?;
    Ok(epoch)
}

fn start(
    folder: &Path,
    shared: Arc<Shared>,
    jobs: jobs::Jobs,
    survey: Survey,
    mark: Mark,
) -> Result<EmbeddedLog, OpenError> {
    let (to_syncer, written) = bounded(UNSYNCED_GROUPS_MAX);
    let (stop_keeper, stop) = bounded(1);
    let committer = Committer::new(shared.clone(), jobs, to_syncer, survey);
    let syncer = Syncer::new(shared.clone(), written, mark, folder);
    let syncer = syncer.map_err(|e| OpenError::io(folder, &e))?;
    let kept = shared.clone();
    let threads: Result<Vec<_>, _> = [
        spawn("zamu-log-commit", &shared, move || committer.run()),
        spawn("zamu-log-sync", &shared, move || syncer.run()),
        spawn("zamu-log-keep", &shared, move || keeper::run(&kept, &stop)),
    ]
    .into_iter()
    .collect();
    let threads = threads.map_err(|e: std::io::Error| OpenError::io(folder, &e))?;
    Ok(EmbeddedLog { shared, threads, stop_keeper })
}

fn spawn(
    name: &'static str,
    shared: &Arc<Shared>,
    run: impl FnOnce() + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    let watched = Watched { name, shared: Arc::clone(shared) };
    let run = move || {
        let _watched = watched;
        run();
    };
    thread::Builder::new().name(name.to_string()).spawn(run)
}

/// Without one of its threads a log would stand still without a word.
struct Watched {
    name: &'static str,
    shared: Arc<Shared>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        if thread::panicking() {
            self.shared.fail(&format!("its thread {} has panicked", self.name));
        }
    }
}
