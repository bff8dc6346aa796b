//! The syncer: one thread that makes durable what is written, and then tells everyone.
//!
//! While one sync runs, the committer goes on writing; the next sync covers all of that. So a slow
//! disk makes larger groups of commits, not a longer queue.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use bytes::Bytes;
use crossbeam_channel::Receiver;
use zamu_core::failpoints::{
    DIE_AFTER_DURABLE, DIE_AFTER_WRITTEN, HOLD_SYNC, NOTE_SYNCED, die_at, fires, hold_at,
};
use zamu_core::log::{Appended, CommitId};
use zamu_core::model::{Offset, TurnNumber};

use crate::log::board::{Side, add};
use crate::log::ends::Ends;
use crate::log::jobs::Promise;
use crate::log::lock::Mark;
use crate::log::power::PowerNote;
use crate::log::shared::Shared;

/// A group that is written, and all who wait for it to be durable.
pub(crate) struct Written {
    /// The newest written group.
    pub(crate) group: u64,
    /// How far the partitions that it touched are written, by index.
    pub(crate) ends: Vec<(usize, Ends)>,
    /// Batch records that it brought, by index, in order.
    pub(crate) last_outcomes: Vec<(usize, TurnNumber, Bytes)>,
    /// How far the control topic is written.
    pub(crate) control: Offset,
    /// The newest commit of each shard that has any in the group.
    pub(crate) commits: Vec<(Arc<Side>, CommitId)>,
    /// Appends.
    pub(crate) appended: Vec<(Appended, Promise<Appended>)>,
    /// Control records.
    pub(crate) controls: Vec<(Offset, Promise<Offset>)>,
    /// Those who wait for all before.
    pub(crate) barriers: Vec<Promise<()>>,
}

/// See the file's head.
pub(crate) struct Syncer {
    shared: Arc<Shared>,
    written: Receiver<Written>,
    mark: Mark,
    /// For tests that cut the power.
    note: Option<PowerNote>,
}

impl Syncer {
    /// A syncer of what the committer sends, for a log in this folder.
    ///
    /// # Errors
    /// When what a test asked for cannot be written there.
    pub(crate) fn new(
        shared: Arc<Shared>,
        written: Receiver<Written>,
        mark: Mark,
        folder: &Path,
    ) -> std::io::Result<Self> {
        let note = fires(NOTE_SYNCED).then(|| PowerNote::begin(folder)).transpose()?;
        Ok(Self { shared, written, mark, note })
    }

    /// Syncs until the committer ends.
    pub(crate) fn run(self) {
        while let Ok(first) = self.written.recv() {
            let groups: Vec<_> = std::iter::once(first).chain(self.written.try_iter()).collect();
            // After a failure groups are dropped, which tells those who wait.
            if self.shared.check().is_ok() {
                match self.sync(&groups) {
                    Ok(()) => self.tell(groups),
                    Err(reason) => self.shared.fail(&reason),
                }
            }
        }
    }

    fn sync(&self, groups: &[Written]) -> Result<(), String> {
        let group = groups.last().map_or(0, |written| written.group);
        if group <= self.shared.durable() {
            return Ok(());
        }
        if groups.iter().any(|written| !written.commits.is_empty()) {
            hold_at(HOLD_SYNC);
        }
        die_at(DIE_AFTER_WRITTEN);
        let written = self.note.as_ref().map(PowerNote::look).transpose();
        let written = written.map_err(|e| e.to_string())?;
        let started = Instant::now();
        self.shared.sync(group, |database| database.sync()).map_err(|e| e.to_string())?;
        self.shared.counters.synced(started.elapsed());
        if let (Some(note), Some(written)) = (&self.note, &written) {
            note.write(written).map_err(|e| e.to_string())?;
        }
        die_at(DIE_AFTER_DURABLE);
        self.mark.write(group)?;
        self.shared.durable.store(group, Ordering::Release);
        Ok(())
    }

    fn tell(&self, groups: Vec<Written>) {
        let mut wake: Vec<Arc<Side>> = Vec::new();
        self.shared.view.board.publish(|board| {
            for group in &groups {
                for (index, ends) in &group.ends {
                    board.partition(*index).durable = *ends;
                }
                for (index, turn, outcome) in &group.last_outcomes {
                    board.partition(*index).last_outcome = Some((*turn, outcome.clone()));
                }
                board.control(group.control);
            }
        });
        for group in groups {
            for (side, id) in group.commits {
                Side::advance(&side.durable, id);
                add(&mut wake, &side);
            }
            for (appended, done) in group.appended {
                done.keep(Ok(appended));
            }
            for (offset, done) in group.controls {
                done.keep(Ok(offset));
            }
            for done in group.barriers {
                done.keep(Ok(()));
            }
        }
        wake.iter().for_each(|side| side.wake());
        self.shared.listeners.tell();
    }
}
