//! Deciding what is in a log once more, with the handlers that decided it: which turns, with what, and
//! what came of it. How a turn is audited is the core's (`zamu_core::audit`).
//!
//! - `range` says which turns are meant, and refuses what retention has removed.
//! - `recorded` puts the handlers of a deployment together again.
//! - `report` counts, and shows differences.
//!
//! It works on the files of a stopped node: nobody writes a log while it is read from outside, and an
//! audit takes a core for as long as it lasts, which turns would miss. It changes no file: what it
//! needs for itself goes to a folder of its own, which is gone afterwards.

mod range;
mod recorded;
mod report;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result};
use zamu_core::audit::{AuditError, Auditor, Parts, Progress, unsent};
use zamu_core::log::Limit;
use zamu_core::model::{PartitionId, Time, TurnNumber};
use zamu_core::topology::Types;
use zamu_rocks::{LogReader, RocksStore, StoreOptions, Timed};
use zamu_wasm::Limits;

use crate::handlers::History;

pub use range::{Edge, Oldest, Refused, Turns};
pub use recorded::Recorded;
pub use report::{Channel, HandlerReport, PartitionReport, Report, Shown, Totals};

/// What is read of a partition at once.
const PAGE: Limit = Limit { records: 2_000, bytes: 4 << 20 };
/// Aggregates of one partition in memory, in bytes, roughly: more go into a folder of the audit's own.
const MEMORY_BYTES: usize = 256 << 20;

/// What is to be audited, and with what.
pub struct Audit<'a> {
    /// The data directory.
    pub data: PathBuf,
    /// Its log.
    pub log: &'a LogReader,
    /// Its deployments.
    pub history: &'a History,
    /// The aggregate types of the log, with their windows of ids.
    pub types: Types,
    /// The bounds of handlers.
    pub limits: Limits,
    /// Components that are to decide instead of those that did, by the handler's name.
    pub instead: BTreeMap<String, PathBuf>,
    /// So many differences are shown, all are counted.
    pub shown_max: usize,
}

/// How far an audit is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Now {
    /// The partition, by its place among those that are audited.
    pub partition: usize,
    /// Turns that are done.
    pub turns: u64,
    /// Turns in all.
    pub of: u64,
    /// Events that were folded to know what was before the first turn of this partition.
    pub folded: u64,
    /// Of so many.
    pub to_fold: u64,
}

impl Audit<'_> {
    /// Audits these turns, and tells every now and then how far it is. What cannot be audited is told
    /// in the report, and the other partitions are audited all the same.
    ///
    /// # Errors
    /// When nothing can be audited at all.
    pub fn run(&self, turns: &[Turns], mut tell: impl FnMut(&Report, Now)) -> Result<Report> {
        let scratch = tempfile::Builder::new().prefix("zamu-audit-").tempdir();
        let scratch = scratch.context("cannot make a folder for what does not fit in memory")?;
        let names: Vec<(&str, u32)> = self.types.iter().map(|t| (&*t.name, t.partitions)).collect();
        let store = RocksStore::open(scratch.path(), &StoreOptions::default(), &names)
            .context("cannot open a store for what does not fit in memory")?;
        let mut recorded = Recorded::open(
            &self.data,
            self.history,
            self.types.clone(),
            self.limits.clone(),
            &self.instead,
        )?;
        let mut report = Report::new(self.shown_max);
        let of = turns.iter().map(Turns::count).sum();
        report.channels(&unsent(&mut self.log.clone(), &self.types)?, &self.types);
        let mut now = Now { of, ..Now::default() };
        for (index, turns) in turns.iter().enumerate() {
            now = Now { partition: index, folded: 0, to_fold: 0, ..now };
            report.begin(&self.types.settings(turns.partition.aggregate_type).name, turns);
            if turns.count() == 0 {
                continue;
            }
            if let Err(error) =
                self.partition(turns, &mut recorded, &store, &mut report, &mut now, &mut tell)
            {
                report.stopped(&error);
            }
        }
        Ok(report)
    }

    fn partition(
        &self,
        turns: &Turns,
        recorded: &mut Recorded<'_>,
        store: &RocksStore,
        report: &mut Report,
        now: &mut Now,
        tell: &mut impl FnMut(&Report, Now),
    ) -> Result<(), AuditError> {
        let mut log = self.log.clone();
        let mut handle = store.handle();
        let tables = store.tables();
        let parts = Parts {
            log: &mut log,
            types: self.types.clone(),
            deployments: recorded,
            store: &mut handle,
            tables: &tables,
            page: PAGE,
            bytes_max: MEMORY_BYTES,
        };
        let mut auditor = Auditor::open(turns.partition, [turns.first, turns.last], parts)?;
        loop {
            match auditor.step()? {
                Progress::Folded { next, until } => (now.folded, now.to_fold) = (next, until),
                Progress::Turn(turn) => {
                    now.turns += 1;
                    let at = || self.taken_at(turns.partition, turn.turn);
                    report.add(&turn, at, &self.instead);
                }
                Progress::Done => return Ok(()),
            }
            tell(report, *now);
        }
    }

    /// When a turn was committed.
    fn taken_at(&self, partition: PartitionId, turn: TurnNumber) -> Option<Time> {
        self.log.appended(partition, Timed::Outcomes, turn).ok().flatten()
    }
}
