//! Reading a log beside its shards: live streams, answers, tools. Durable records only.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use zamu_core::error::EngineError;
use zamu_core::log::Limit;
use zamu_core::log::events::Events;
use zamu_core::model::{
    Command, DeadLetterNumber, Event, EventNumber, Offset, PartitionId, Request, Stored, Time,
    TurnNumber,
};

use crate::codec::Names;
use crate::keys::Topic;
use crate::log::board::Waker;
use crate::log::ends::Ends;
use crate::log::lock::Lock;
use crate::log::shared::Shared;
use crate::log::view::View;

/// One aggregate type of a log. Its [`zamu_core::model::TypeId`] is its index in
/// [`LogReader::types`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogType {
    /// The type's name.
    pub name: Arc<str>,
    /// Its partition count.
    pub partitions: u32,
}

/// The records of a partition that have a time of their own: when the log took them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Timed {
    /// `<type>.requests`, by offset.
    Requests,
    /// `<type>.commands`, by offset.
    Commands,
    /// `<type>.outcomes`, by turn. What a turn wrote has one time, in all topics.
    Outcomes,
    /// `<type>.events`, by number.
    Events,
}

impl Timed {
    fn topic(self) -> Topic {
        match self {
            Self::Requests => Topic::Requests,
            Self::Commands => Topic::Commands,
            Self::Outcomes => Topic::Outcomes,
            Self::Events => Topic::Events,
        }
    }
}

/// Reads a log from any thread. Cheap to clone; clones do not wait for each other.
pub struct LogReader {
    source: Source,
    names: Mutex<Names>,
}

impl Clone for LogReader {
    fn clone(&self) -> Self {
        Self { source: self.source.clone(), names: Mutex::default() }
    }
}

#[derive(Clone)]
enum Source {
    /// A log that is being written.
    Live(Arc<Shared>),
    /// Files that nobody writes, held by a lock.
    Files(Arc<(View, Lock)>),
}

impl LogReader {
    /// A reader of an open log.
    pub(crate) fn live(shared: Arc<Shared>) -> Self {
        Self { source: Source::Live(shared), names: Mutex::default() }
    }

    /// A reader of files.
    pub(crate) fn files(view: View, lock: Lock) -> Self {
        Self { source: Source::Files(Arc::new((view, lock))), names: Mutex::default() }
    }

    /// The aggregate types, a `TypeId` being an index.
    #[must_use]
    pub fn types(&self) -> Vec<LogType> {
        let entries = self.view().types.entries().iter();
        entries.map(|e| LogType { name: e.name.clone(), partitions: e.partitions }).collect()
    }

    /// All partitions of all types.
    #[must_use]
    pub fn partitions(&self) -> Vec<PartitionId> {
        self.view().types.all().collect()
    }

    /// Identity of the log.
    #[must_use]
    pub fn log_id(&self) -> Bytes {
        self.view().log_id.clone()
    }

    /// How far a partition is durable.
    ///
    /// # Errors
    /// `Fatal` for a partition that does not exist, here and below.
    pub fn ends(&self, partition: PartitionId) -> Result<Ends, EngineError> {
        Ok(self.view().durable(self.view().index(partition)?))
    }

    /// Durable events from a number on. Empty when there are none yet.
    ///
    /// # Errors
    /// `Damaged` when stored bytes are not what they were.
    pub fn events(
        &self,
        partition: PartitionId,
        from: EventNumber,
        limit: Limit,
    ) -> Result<Vec<Event>, EngineError> {
        let index = self.view().index(partition)?;
        self.view().events(index, from, limit, &mut self.names())
    }

    /// One durable event.
    ///
    /// # Errors
    /// As [`LogReader::events`].
    pub fn event(
        &self,
        partition: PartitionId,
        number: EventNumber,
    ) -> Result<Option<Event>, EngineError> {
        Ok(self.events(partition, number, ONE)?.pop())
    }

    /// An aggregate's events, newest first, from its event with the number `last` back: at most
    /// `limit` of them.
    ///
    /// # Errors
    /// `Damaged` when the chain leads to an event of another aggregate, or out of order; otherwise as
    /// [`LogReader::events`].
    pub fn history(
        &self,
        partition: PartitionId,
        last: EventNumber,
        limit: usize,
    ) -> Result<Vec<Event>, EngineError> {
        let mut events: Vec<Event> = Vec::new();
        let mut next = Some(last);
        while let Some(number) = next.filter(|_| events.len() < limit) {
            let Some(event) = self.event(partition, number)? else { break };
            if let Some(later) = events.last()
                && (later.key != event.key || later.sequence != event.sequence + 1)
            {
                return Err(EngineError::Damaged(format!(
                    "event {} of {} names event {number} as its aggregate's previous one, which is not so",
                    later.number,
                    self.view().types.describe(partition)
                )));
            }
            next = event.previous;
            events.push(event);
        }
        Ok(events)
    }

    /// Durable requests from an offset on.
    ///
    /// # Errors
    /// `Trimmed` when retention has removed that offset; `Damaged` as above.
    pub fn requests(
        &self,
        partition: PartitionId,
        from: Offset,
        limit: Limit,
    ) -> Result<Vec<Stored<Request>>, EngineError> {
        let (view, index) = (self.view(), self.view().index(partition)?);
        view.input(index, from, view.durable(index).requests, limit, &mut self.names())
    }

    /// The request at an offset, if it is durable.
    ///
    /// # Errors
    /// As [`LogReader::requests`].
    pub fn request(
        &self,
        partition: PartitionId,
        offset: Offset,
    ) -> Result<Option<Stored<Request>>, EngineError> {
        Ok(self.requests(partition, offset, ONE)?.pop())
    }

    /// Durable commands from an offset on.
    ///
    /// # Errors
    /// As [`LogReader::requests`].
    pub fn commands(
        &self,
        partition: PartitionId,
        from: Offset,
        limit: Limit,
    ) -> Result<Vec<Stored<Command>>, EngineError> {
        let (view, index) = (self.view(), self.view().index(partition)?);
        view.input(index, from, view.durable(index).commands, limit, &mut self.names())
    }

    /// Durable batch records from a turn on.
    ///
    /// # Errors
    /// As [`LogReader::requests`].
    pub fn outcomes(
        &self,
        partition: PartitionId,
        from: TurnNumber,
        limit: Limit,
    ) -> Result<Vec<(TurnNumber, Bytes)>, EngineError> {
        self.view().outcomes(self.view().index(partition)?, from, limit)
    }

    /// The newest durable batch record.
    ///
    /// # Errors
    /// `Fatal` for a partition that does not exist.
    pub fn last_outcome(
        &self,
        partition: PartitionId,
    ) -> Result<Option<(TurnNumber, Bytes)>, EngineError> {
        Ok(self.view().last_outcome(self.view().index(partition)?))
    }

    /// Durable dead letters from a number on.
    ///
    /// # Errors
    /// `Damaged` as above.
    pub fn dead_letters(
        &self,
        partition: PartitionId,
        from: DeadLetterNumber,
        limit: Limit,
    ) -> Result<Vec<(DeadLetterNumber, Bytes)>, EngineError> {
        self.view().dead_letters(self.view().index(partition)?, from, limit)
    }

    /// One durable dead letter.
    ///
    /// # Errors
    /// `Damaged` as above.
    pub fn dead_letter(
        &self,
        partition: PartitionId,
        number: DeadLetterNumber,
    ) -> Result<Option<Bytes>, EngineError> {
        self.view().dead_letter(self.view().index(partition)?, number)
    }

    /// When the log took a durable record; `None` if there is none, or it was removed by retention.
    ///
    /// # Errors
    /// `Damaged` as above; `Trimmed` when it is being removed.
    pub fn appended(
        &self,
        partition: PartitionId,
        records: Timed,
        number: u64,
    ) -> Result<Option<Time>, EngineError> {
        self.view().appended(self.view().index(partition)?, records.topic(), number)
    }

    /// The number of the first durable record that is still there and that the log took at this time
    /// or later; the number after the last one, if there is none. A few reads, however long the log.
    ///
    /// # Errors
    /// `Damaged` as above.
    pub fn since(
        &self,
        partition: PartitionId,
        records: Timed,
        time: Time,
    ) -> Result<u64, EngineError> {
        self.view().since(self.view().index(partition)?, records.topic(), time)
    }

    /// The number of the oldest record that retention has left; of events the first there ever was.
    ///
    /// # Errors
    /// `Fatal` for a partition that does not exist.
    pub fn oldest(&self, partition: PartitionId, records: Timed) -> Result<u64, EngineError> {
        Ok(self.view().oldest(self.view().index(partition)?, records.topic()))
    }

    /// The oldest turn whose batch record is there, and with it those of all later turns; 1 while
    /// retention has removed none.
    ///
    /// # Errors
    /// `Fatal` for a partition that does not exist.
    pub fn oldest_turn(&self, partition: PartitionId) -> Result<TurnNumber, EngineError> {
        Ok(self.view().oldest_turn(self.view().index(partition)?))
    }

    /// Durable control records from an offset on; the first has offset 1.
    ///
    /// # Errors
    /// `Damaged` as above.
    pub fn control(&self, from: Offset, limit: Limit) -> Result<Vec<(Offset, Bytes)>, EngineError> {
        self.view().control(from, limit)
    }

    /// Calls `listener`, on the thread that syncs, each time something has become durable, until the
    /// subscription is dropped. It must be quick. A reader of files never calls.
    #[must_use]
    pub fn subscribe(&self, listener: Waker) -> Subscription {
        Subscription(match &self.source {
            Source::Live(shared) => Some((shared.clone(), shared.listeners.add(listener))),
            Source::Files(_) => None,
        })
    }

    fn view(&self) -> &View {
        match &self.source {
            Source::Live(shared) => &shared.view,
            Source::Files(files) => &files.0,
        }
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Events for LogReader {
    fn read(
        &mut self,
        partition: PartitionId,
        from: EventNumber,
        limit: Limit,
    ) -> Result<Vec<Event>, EngineError> {
        self.events(partition, from, limit)
    }

    fn end(&mut self, partition: PartitionId) -> Result<EventNumber, EngineError> {
        Ok(self.ends(partition)?.events)
    }

    fn log_id(&self) -> Bytes {
        Self::log_id(self)
    }
}

const ONE: Limit = Limit { records: 1, bytes: usize::MAX };

/// Ends a listener's calls when it is dropped.
pub struct Subscription(Option<(Arc<Shared>, u64)>);

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some((shared, number)) = &self.0 {
            shared.listeners.remove(*number);
        }
    }
}
