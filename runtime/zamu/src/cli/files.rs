//! The files of a stopped node, read only: no lock is left, no byte is changed.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use zamu::handlers::History;
use zamu::json::Terms;
use zamu::trace::Known;
use zamu_core::aggregate::{Aggregate, decode};
use zamu_core::error::EngineError;
use zamu_core::log::Limit;
use zamu_core::model::{
    DeadLetterNumber, Event, EventNumber, PartitionId, TurnNumber, TypeId, partition_of,
};
use zamu_core::proto::{BatchRecord, DeadLetter, StorePosition};
use zamu_core::store::Store;
use zamu_rocks::{EmbeddedLog, LogReader, LogType, RocksStore, StoreHandle};

/// What is read of a partition at once.
const PAGE: Limit = Limit { records: 1_024, bytes: 4 << 20 };

/// An opened data directory.
pub(crate) struct Files {
    /// The data directory.
    pub(crate) folder: PathBuf,
    /// The log.
    pub(crate) log: LogReader,
    /// Its types, a `TypeId` being an index.
    pub(crate) types: Vec<LogType>,
    /// Names for what records only number.
    pub(crate) terms: Terms,
}

impl Files {
    /// Opens the log of a data directory.
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let log = EmbeddedLog::open_read_only(folder)
            .with_context(|| format!("cannot read the data directory {}", folder.display()))?;
        let types = log.types();
        let names = types.iter().map(|t| t.name.clone()).collect();
        let history = History::read(&log)?;
        let terms = Terms { types: names, history };
        Ok(Self { folder: folder.to_owned(), log, types, terms })
    }

    /// Opens what the log has made of each aggregate.
    pub(crate) fn store(&self) -> Result<RocksStore> {
        let types: Vec<(&str, u32)> = self.types.iter().map(|t| (&*t.name, t.partitions)).collect();
        RocksStore::open_read_only(&self.folder, &types)
            .with_context(|| format!("cannot read the store of {}", self.folder.display()))
    }

    /// The type of that name.
    pub(crate) fn type_named(&self, name: &str) -> Result<TypeId> {
        let index = self.types.iter().position(|t| &*t.name == name).ok_or_else(|| {
            let known: Vec<&str> = self.types.iter().map(|t| &*t.name).collect();
            anyhow!(
                "there is no aggregate type `{name}` in {}; there are {}",
                self.folder.display(),
                known.join(", ")
            )
        })?;
        Ok(TypeId(u16::try_from(index)?))
    }

    /// The partition of that number.
    pub(crate) fn partition(&self, name: &str, number: u32) -> Result<PartitionId> {
        let aggregate_type = self.type_named(name)?;
        let partitions = self.types[usize::from(aggregate_type.0)].partitions;
        if number >= partitions {
            bail!("`{name}` has partitions 0 to {}, not {number}", partitions.saturating_sub(1));
        }
        Ok(PartitionId { aggregate_type, number })
    }

    /// The partition of a key.
    pub(crate) fn partition_of(&self, name: &str, key: &str) -> Result<PartitionId> {
        let aggregate_type = self.type_named(name)?;
        let partitions = self.types[usize::from(aggregate_type.0)].partitions;
        Ok(PartitionId { aggregate_type, number: partition_of(key.as_bytes(), partitions) })
    }

    /// The partitions of these types, or of all, in order.
    pub(crate) fn partitions(&self, types: &[String]) -> Result<Vec<PartitionId>> {
        let wanted: Vec<TypeId> =
            types.iter().map(|name| self.type_named(name)).collect::<Result<_>>()?;
        let all = self.log.partitions().into_iter();
        Ok(all.filter(|p| wanted.is_empty() || wanted.contains(&p.aggregate_type)).collect())
    }

    /// Hands over all events of a partition, in order, until `take` says that it has enough.
    pub(crate) fn events<E: From<anyhow::Error>>(
        &self,
        partition: PartitionId,
        take: impl FnMut(&Event) -> Result<bool, E>,
    ) -> Result<bool, E> {
        self.events_from(partition, 0, take)
    }

    /// The same, from a number on.
    fn events_from<E: From<anyhow::Error>>(
        &self,
        partition: PartitionId,
        from: EventNumber,
        mut take: impl FnMut(&Event) -> Result<bool, E>,
    ) -> Result<bool, E> {
        let mut next = from;
        loop {
            let page = self.log.events(partition, next, PAGE).map_err(anyhow::Error::new)?;
            let Some(last) = page.last() else { return Ok(true) };
            next = last.number + 1;
            for event in &page {
                if !take(event)? {
                    return Ok(false);
                }
            }
        }
    }

    /// What store and log know of an aggregate; `None` if there is no such one. The store may lag
    /// behind the log: what it lacks is read of the partition's newest turns.
    pub(crate) fn known(
        &self,
        store: &mut StoreHandle,
        candidate: usize,
        partition: PartitionId,
        key: &Bytes,
    ) -> Result<Option<Known>> {
        let position = store.position(partition)?.map(|bytes| decode::<StorePosition>(&bytes));
        let position = position.transpose().context("the store's position")?.unwrap_or_default();
        let record = store.get(partition, std::slice::from_ref(key))?.pop().flatten();
        let stored = record.map(|bytes| Aggregate::from_record(&bytes)).transpose()?;
        let mut known = Known::of(candidate, &stored.unwrap_or_default());
        self.events_from(partition, position.events_next, |event| {
            if event.key == *key {
                known.sequence = event.sequence;
                known.last_event = Some(event.number);
            }
            Ok::<_, anyhow::Error>(true)
        })?;
        let mut turn = position.turn + 1;
        loop {
            let page = match self.log.outcomes(partition, turn, PAGE) {
                Ok(page) => page,
                // Older than what the log keeps: only events are left of it.
                Err(EngineError::Trimmed(_)) => break,
                Err(error) => return Err(error.into()),
            };
            let Some((last, _)) = page.last() else { break };
            turn = last + 1;
            for (turn, bytes) in &page {
                let record: BatchRecord =
                    decode(bytes).with_context(|| format!("the record of turn {turn}"))?;
                let of_it = record.external.iter().filter(|entry| entry.key == *key);
                known.requests.extend(of_it.map(|entry| entry.offset));
            }
        }
        Ok((known.sequence > 0 || !known.requests.is_empty()).then_some(known))
    }

    /// The newest batch record of a partition.
    pub(crate) fn last_record(&self, partition: PartitionId) -> Result<Option<BatchRecord>> {
        let newest = self.log.last_outcome(partition)?;
        let read = |(turn, bytes): (TurnNumber, _)| {
            decode(&bytes).with_context(|| format!("the record of turn {turn}"))
        };
        newest.map(read).transpose()
    }

    /// Dead letters of a partition, oldest first: all, or the open ones.
    pub(crate) fn dead_letters(
        &self,
        partition: PartitionId,
        all: bool,
    ) -> Result<Vec<(DeadLetter, bool)>> {
        let open = self.last_record(partition)?.unwrap_or_default().dead_letters_open;
        let mut found = Vec::new();
        let mut next = 1;
        loop {
            let page = self.log.dead_letters(partition, next, PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(found) };
            next = last + 1;
            for (number, bytes) in page {
                let is_open = open.contains(&number);
                if all || is_open {
                    found.push((letter(number, &bytes)?, is_open));
                }
            }
        }
    }

    /// One dead letter, and whether it is open.
    pub(crate) fn dead_letter(
        &self,
        partition: PartitionId,
        number: DeadLetterNumber,
    ) -> Result<Option<(DeadLetter, bool)>> {
        let Some(bytes) = self.log.dead_letter(partition, number)? else { return Ok(None) };
        let open = self.last_record(partition)?.unwrap_or_default().dead_letters_open;
        Ok(Some((letter(number, &bytes)?, open.contains(&number))))
    }
}

fn letter(number: DeadLetterNumber, bytes: &bytes::Bytes) -> Result<DeadLetter> {
    decode(bytes).with_context(|| format!("dead letter {number}"))
}
