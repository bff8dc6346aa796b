//! Audits of a simulated log: a copy of it that a test may change.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::collections::BTreeMap;

use bytes::Bytes;
use zamu_core::audit::{
    AuditError, Audited, Auditor, Deployments, Difference, Parts, Progress, Span,
};
use zamu_core::error::EngineError;
use zamu_core::log::events::Events;
use zamu_core::log::records::{Kept, Records};
use zamu_core::log::simulated::{Contents, Simulated};
use zamu_core::log::{InputPositions, Limit};
use zamu_core::model::{Command, Event, PartitionId, Request, Stored, TurnNumber};
use zamu_core::outcomes::{decode_record, encode_record};
use zamu_core::proto::BatchRecord;
use zamu_core::store::memory::MemoryStore;
use zamu_core::store::tables::memory::MemoryTables;
use zamu_core::topology::Types;

/// A copy of a log. What is changed here was changed after it was committed.
#[derive(Clone)]
pub struct Copied {
    pub contents: BTreeMap<PartitionId, Contents>,
    pub input: InputPositions,
    pub oldest: TurnNumber,
    pub page: usize,
}

impl Copied {
    pub fn of(log: &Simulated, types: &Types) -> Self {
        let contents = types.partitions().map(|p| (p, log.contents(p))).collect();
        Self { contents, input: InputPositions::default(), oldest: 1, page: 7 }
    }

    pub fn at(&mut self, partition: PartitionId) -> &mut Contents {
        self.contents.get_mut(&partition).unwrap()
    }

    pub fn record(&self, partition: PartitionId, turn: TurnNumber) -> BatchRecord {
        let outcomes = &self.contents[&partition].outcomes;
        decode_record(&outcomes[turn as usize - 1].1).unwrap()
    }

    /// Writes a batch record anew, with a sound encoding.
    pub fn rewrite(
        &mut self,
        partition: PartitionId,
        turn: TurnNumber,
        change: impl FnOnce(&mut BatchRecord),
    ) {
        let mut record = self.record(partition, turn);
        change(&mut record);
        self.at(partition).outcomes[turn as usize - 1].1 = encode_record(&record);
    }
}

fn page<T: Clone>(list: &[T], from: u64, of: impl Fn(&T) -> u64, max: usize) -> Vec<T> {
    list.iter().filter(|one| of(one) >= from).take(max).cloned().collect()
}

impl Events for Copied {
    fn read(&mut self, p: PartitionId, from: u64, limit: Limit) -> Result<Vec<Event>, EngineError> {
        Ok(page(&self.contents[&p].events, from, |e| e.number, limit.records.min(self.page)))
    }

    fn end(&mut self, p: PartitionId) -> Result<u64, EngineError> {
        Ok(self.contents[&p].events.len() as u64)
    }

    fn log_id(&self) -> Bytes {
        Bytes::from_static(b"copy")
    }
}

impl Records for Copied {
    fn requests(
        &mut self,
        p: PartitionId,
        from: u64,
        limit: Limit,
    ) -> Result<Vec<Stored<Request>>, EngineError> {
        assert!(from >= self.input.requests, "request {from} is gone");
        Ok(page(&self.contents[&p].requests, from, |r| r.offset, limit.records.min(self.page)))
    }

    fn commands(
        &mut self,
        p: PartitionId,
        from: u64,
        limit: Limit,
    ) -> Result<Vec<Stored<Command>>, EngineError> {
        assert!(from >= self.input.commands, "command {from} is gone");
        Ok(page(&self.contents[&p].commands, from, |r| r.offset, limit.records.min(self.page)))
    }

    fn outcomes(
        &mut self,
        p: PartitionId,
        from: u64,
        limit: Limit,
    ) -> Result<Vec<(u64, Bytes)>, EngineError> {
        assert!(from >= self.oldest, "turn {from} is gone");
        Ok(page(&self.contents[&p].outcomes, from, |o| o.0, limit.records.min(self.page)))
    }

    fn dead_letter(&mut self, p: PartitionId, number: u64) -> Result<Option<Bytes>, EngineError> {
        let mut letters = self.contents[&p].dead_letters.iter();
        Ok(letters.find(|letter| letter.0 == number).map(|letter| letter.1.clone()))
    }

    fn kept(&mut self, p: PartitionId) -> Result<Kept, EngineError> {
        let newest = self.contents[&p].outcomes.last().map_or(0, |o| o.0);
        Ok(Kept { oldest: self.oldest.min(newest.max(1)), newest, input: self.input })
    }
}

/// Audits these turns of a partition, or all that can be.
pub fn audit(
    log: &mut Copied,
    types: &Types,
    deployments: &mut dyn Deployments,
    partition: PartitionId,
    turns: Option<[TurnNumber; 2]>,
) -> Result<Vec<Audited>, AuditError> {
    let span = Span::of(log, partition)?;
    let turns = turns.unwrap_or([span.first, span.last]);
    if span.is_empty() {
        return Ok(Vec::new());
    }
    let (mut store, tables) = (MemoryStore::new(), MemoryTables::new());
    let mut auditor = Auditor::open(
        partition,
        turns,
        Parts {
            log,
            types: types.clone(),
            deployments,
            store: &mut store,
            tables: &tables,
            page: Limit { records: 5, bytes: usize::MAX },
            bytes_max: 2_000,
        },
    )?;
    let mut audited = Vec::new();
    loop {
        match auditor.step()? {
            Progress::Folded { .. } => {}
            Progress::Turn(turn) => audited.push(*turn),
            Progress::Done => return Ok(audited),
        }
    }
}

/// What differs, with the turn.
pub fn differences(audited: &[Audited]) -> Vec<(TurnNumber, Difference)> {
    let of = |a: &Audited| a.differences.iter().map(|d| (a.turn, d.clone())).collect::<Vec<_>>();
    audited.iter().flat_map(of).collect()
}
