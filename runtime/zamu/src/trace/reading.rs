//! Records by what caused them.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use zamu_core::error::EngineError;
use zamu_core::log::Limit;
use zamu_core::model::{
    Cause, Command, Event, EventNumber, EventRef, Offset, PartitionId, Request, Stored, Time,
};
use zamu_core::proto::DeadLetter;
use zamu_rocks::{LogReader, Timed};

use crate::trace::turns::{Turn, kept};
use crate::trace::{Located, Source, TraceError};

/// What is read at once.
const PAGE: Limit = Limit { records: 512, bytes: 4 << 20 };
/// How many events of a partition are looked through for one that is known to lie there.
const WINDOW_MAX: u64 = 100_000;
/// How many events of a partition are looked through for what lost commands caused.
pub(crate) const LOST_MAX: u64 = 50_000;

/// Reads of one trace.
#[derive(Clone, Copy)]
pub(crate) struct Reading<'a> {
    pub(crate) source: &'a Source<'a>,
}

/// What events caused by commands that are gone were found, by the event behind the command.
pub(crate) type ByCause = HashMap<EventRef, Vec<Located>>;

/// Commands that an event caused.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// In the order in which they were returned.
    pub(crate) commands: Vec<(PartitionId, Stored<Command>)>,
    /// Partitions from which retention may have removed some, and the first number in the channel
    /// that is left there of what was written at that time.
    pub(crate) lost: Vec<(PartitionId, Option<u64>)>,
}

impl<'a> Reading<'a> {
    fn log(&self) -> &'a LogReader {
        self.source.log
    }

    /// A request, unless it is gone.
    pub(crate) fn request(
        &self,
        partition: PartitionId,
        offset: Offset,
    ) -> Result<Option<Stored<Request>>, EngineError> {
        Ok(kept(self.log().request(partition, offset))?.flatten())
    }

    /// Requests in a range of offsets, those that are gone left out.
    pub(crate) fn requests(
        &self,
        partition: PartitionId,
        first: Offset,
        next: Offset,
    ) -> Result<Vec<Stored<Request>>, EngineError> {
        let limit = Limit { records: (next - first) as usize, bytes: usize::MAX };
        if first >= next {
            return Ok(Vec::new());
        }
        Ok(kept(self.log().requests(partition, first, limit))?.unwrap_or_default())
    }

    /// A dead letter.
    pub(crate) fn letter(
        &self,
        partition: PartitionId,
        number: u64,
    ) -> Result<Option<DeadLetter>, TraceError> {
        let bytes = self.log().dead_letter(partition, number)?;
        Ok(bytes.map(|bytes| zamu_core::aggregate::decode(&bytes)).transpose()?)
    }

    /// When the log took an event.
    pub(crate) fn time_of(&self, event: &Located) -> Result<Option<Time>, EngineError> {
        self.log().appended(event.partition, Timed::Events, event.event.number)
    }

    /// The event of a number.
    pub(crate) fn event(
        &self,
        partition: PartitionId,
        number: EventNumber,
    ) -> Result<Option<Located>, EngineError> {
        let event = self.log().event(partition, number)?;
        Ok(event.map(|event| Located { partition, event }))
    }

    /// The events of a turn that have a cause.
    pub(crate) fn events_of(
        &self,
        partition: PartitionId,
        turn: &Turn,
        is_cause: impl Fn(&Cause) -> bool,
    ) -> Result<Vec<Located>, EngineError> {
        let Some(range) = turn.record.events.as_ref() else { return Ok(Vec::new()) };
        self.events(partition, range.first, range.next, |event| is_cause(&event.cause))
    }

    /// The events around a known one that have the same cause: a command's events stand together.
    pub(crate) fn siblings(&self, event: &Located) -> Result<Vec<Located>, EngineError> {
        let (partition, known) = (event.partition, &event.event);
        let mut found = vec![event.clone()];
        let is_one = |e: &Event| e.cause == known.cause && e.key == known.key;
        let mut first = known.number;
        while let Some(before) = first.checked_sub(1)
            && let Some(other) = self.event(partition, before)?.filter(|e| is_one(&e.event))
        {
            found.insert(0, other);
            first = before;
        }
        let mut next = known.number + 1;
        while let Some(other) = self.event(partition, next)?.filter(|e| is_one(&e.event)) {
            found.push(other);
            next += 1;
        }
        Ok(found)
    }

    /// Events of a range that are wanted.
    fn events(
        &self,
        partition: PartitionId,
        first: EventNumber,
        next: EventNumber,
        mut is_wanted: impl FnMut(&Event) -> bool,
    ) -> Result<Vec<Located>, EngineError> {
        let (mut at, mut found) = (first, Vec::new());
        while at < next {
            let page = self.log().events(partition, at, PAGE)?;
            let Some(last) = page.last() else { break };
            at = last.number + 1;
            let wanted = page.into_iter().filter(|event| event.number < next && is_wanted(event));
            found.extend(wanted.map(|event| Located { partition, event }));
        }
        Ok(found)
    }

    /// Where the events of an aggregate are.
    pub(crate) fn partition_of(&self, event: &EventRef) -> PartitionId {
        let log_type = usize::from(event.aggregate_type.0);
        let partitions = self.log().types().get(log_type).map_or(1, |t| t.partitions);
        let number = zamu_core::model::partition_of(&event.key, partitions);
        PartitionId { aggregate_type: event.aggregate_type, number }
    }

    /// The event that made a handler send the command that caused `effect`.
    pub(crate) fn cause_of(
        &self,
        effect: &Located,
        cause: &EventRef,
        offset: Offset,
    ) -> Result<Option<Located>, EngineError> {
        let until = self.time_of(effect)?.unwrap_or_default();
        self.sender(cause, (effect.partition, offset), effect.event.time..=until)
    }

    /// The event that made a handler send the command at a place. `between` are the time at which
    /// its process began, and one at which it had been sent.
    pub(crate) fn sender(
        &self,
        cause: &EventRef,
        (target, offset): (PartitionId, Offset),
        between: RangeInclusive<Time>,
    ) -> Result<Option<Located>, EngineError> {
        let partition = self.partition_of(cause);
        let is_cause = |e: &Event| e.key == cause.key && e.sequence == cause.sequence;
        let log = self.log();
        // Nearly always one commit wrote both the event and the command.
        let sent = kept(log.appended(target, Timed::Commands, offset))?.flatten();
        if let Some(sent) = sent {
            let first = log.since(partition, Timed::Events, sent)?;
            let next = log.since(partition, Timed::Events, sent.plus_ms(1))?;
            if let Some(found) = self.events(partition, first, next, is_cause)?.pop() {
                return Ok(Some(found));
            }
        }
        let until = sent.unwrap_or(*between.end());
        let first = log.since(partition, Timed::Events, *between.start())?;
        let next = log.since(partition, Timed::Events, until.plus_ms(1))?;
        let first = first.max(next.saturating_sub(WINDOW_MAX));
        Ok(self.events(partition, first, next, is_cause)?.pop())
    }

    /// Commands that an event caused and that the log took at one of these times.
    pub(crate) fn sent(
        &self,
        cause: &EventRef,
        handler: Option<&str>,
        times: &[Time],
    ) -> Result<Sent, EngineError> {
        let mut sent = Sent::default();
        for partition in self.log().partitions() {
            for time in times {
                self.sent_to(partition, cause, *time, &mut sent)?;
            }
        }
        let wanted = |command: &Command| handler.is_none_or(|name| name == &*command.handler);
        sent.commands.retain(|(_, stored)| wanted(&stored.record));
        sent.commands.sort_by(|(_, a), (_, b)| {
            (&a.record.handler, a.record.index).cmp(&(&b.record.handler, b.record.index))
        });
        Ok(sent)
    }

    fn sent_to(
        &self,
        partition: PartitionId,
        cause: &EventRef,
        time: Time,
        sent: &mut Sent,
    ) -> Result<(), EngineError> {
        let log = self.log();
        let oldest = log.oldest(partition, Timed::Commands)?;
        let first = log.since(partition, Timed::Commands, time)?;
        let (mut next, mut number) = (first, None::<u64>);
        let from = self.partition_of(cause);
        while log.appended(partition, Timed::Commands, next)? == Some(time) {
            let Some(page) = kept(log.commands(partition, next, PAGE))? else { break };
            let Some(last) = page.last() else { break };
            next = last.offset + 1;
            for stored in page.into_iter().filter(|stored| stored.appended == time) {
                let stamp = stored.record.channel.filter(|stamp| stamp.from == from);
                number = number.or(stamp.map(|stamp| stamp.number));
                if stored.record.cause == *cause {
                    sent.commands.push((partition, stored));
                }
            }
        }
        // Those before the first are gone, and may have been of this time.
        if first <= oldest && oldest > 0 {
            sent.lost.push((partition, number));
        }
        Ok(())
    }

    /// Events of a process that commands caused, from a time on: how it went on where commands are
    /// gone. Whether all there are were looked through is told as well.
    pub(crate) fn of_process(
        &self,
        correlation: &[u8],
        from: Time,
    ) -> Result<(ByCause, bool), EngineError> {
        let (mut by_cause, mut complete) = (ByCause::new(), true);
        for partition in self.log().partitions() {
            let first = self.log().since(partition, Timed::Events, from)?;
            let end = self.log().ends(partition)?.events;
            let next = end.min(first.saturating_add(LOST_MAX));
            complete &= next == end;
            let is_wanted = |event: &Event| {
                event.context.correlation == correlation
                    && matches!(event.cause, Cause::Command { .. })
            };
            for found in self.events(partition, first, next, is_wanted)? {
                if let Cause::Command { event, .. } = &found.event.cause {
                    by_cause.entry(event.clone()).or_default().push(found);
                }
            }
        }
        Ok((by_cause, complete))
    }

    /// The name of the handler that owned a type in a turn: the configuration tells, or who decided
    /// the events around.
    pub(crate) fn owner(
        &self,
        partition: PartitionId,
        turn: &Turn,
    ) -> Result<Option<Arc<str>>, EngineError> {
        let known = self.source.owners.get(usize::from(partition.aggregate_type.0));
        if let Some(Some(owner)) = known {
            return Ok(Some(Arc::clone(owner)));
        }
        let Some(range) = turn.record.events.as_ref() else { return Ok(None) };
        for number in [Some(range.first), range.first.checked_sub(1)].into_iter().flatten() {
            if let Some(event) = self.log().event(partition, number)? {
                return Ok(Some(event.handler));
            }
        }
        Ok(None)
    }

    /// Newest dead letters of a partition, as many as that.
    pub(crate) fn newest_letters(
        &self,
        partition: PartitionId,
        many: u64,
    ) -> Result<Vec<DeadLetter>, TraceError> {
        let end = self.log().ends(partition)?.dead_letters;
        let limit = Limit { records: many as usize, bytes: usize::MAX };
        let from = end.saturating_sub(many).max(1);
        let found = self.log().dead_letters(partition, from, limit)?;
        let read = |(_, bytes)| Ok(zamu_core::aggregate::decode(&bytes)?);
        found.into_iter().map(read).collect()
    }

    /// An aggregate's newest events, newest first.
    pub(crate) fn newest_events(
        &self,
        partition: PartitionId,
        last: EventNumber,
        many: usize,
    ) -> Result<Vec<Located>, EngineError> {
        let events = self.log().history(partition, last, many)?;
        Ok(events.into_iter().map(|event| Located { partition, event }).collect())
    }
}
