//! Writing changed aggregates to the store, seldom and in chunks: an aggregate that changes four
//! times within a second is written once.
//!
//! A flush freezes what has changed up to the last durable turn, writes it in chunks between turns,
//! and the position in the last chunk: a low-water mark. Every now and then the log is told of it,
//! whether or not anything has happened since. A restore that comes to the bound of memory is flushed
//! on its way, up to where it is.
//!
//! A slow sweep removes records that only remember refusals of the past.

use bytes::Bytes;

use crate::aggregate::encode;
use crate::deadlines;
use crate::error::EngineError;
use crate::failpoints;
use crate::log::LowWater;
use crate::model::{PartitionId, Time};
use crate::partition::{Partition, Tools};
use crate::proto::StorePosition;
use crate::settings::Settings;
use crate::store::Write;
use crate::working;

/// A partition's flushes.
#[derive(Debug, Default)]
pub struct Flush {
    running: Option<Running>,
    /// Since when what changes waits: the last flush's end, or when it would have been due.
    last: Time,
    /// The last position written.
    position: Option<StorePosition>,
    /// What the log is not yet told that it may forget.
    unreleased: Option<LowWater>,
    /// When the log was last told.
    released: Time,
    sweep: Sweep,
}

#[derive(Debug)]
struct Running {
    keys: std::vec::IntoIter<Bytes>,
    position: StorePosition,
    /// None in a restore.
    low_water: Option<LowWater>,
    written: usize,
}

/// How far the sweep is.
#[derive(Debug, Default)]
struct Sweep {
    /// When it last looked.
    last: Time,
    /// The last key that it looked at in a pass under way.
    after: Option<Bytes>,
    /// The time of requests when the last pass began.
    begun: Time,
}

impl Partition {
    /// Does one chunk of work on the store if there is any: a flush under way goes on, a new one
    /// begins when it is due or when memory is `full`. Returns whether it did anything.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn flush_chunk(
        &mut self,
        now: Time,
        full: bool,
        tools: &mut Tools<'_>,
    ) -> Result<bool, EngineError> {
        if self.release_due(tools.settings).is_some_and(|due| due <= now) {
            self.release(now, tools)?;
            return Ok(true);
        }
        if !full && self.sweep_due(tools.settings).is_some_and(|due| due <= now) {
            self.sweep(now, tools)?;
            return Ok(true);
        }
        let due = self.flush_due(tools.settings).is_some_and(|due| due <= now);
        if self.flush.running.is_none() && (due || (full && self.is_behind())) {
            self.begin_flush(tools);
        }
        if self.flush.running.is_none() {
            return self.tidy_deadlines(tools);
        }
        self.write_chunk(now, tools)?;
        Ok(true)
    }

    /// When there is next something to do for the store, if nothing else happens.
    #[must_use]
    pub fn store_due(&self, settings: &Settings) -> Option<Time> {
        let due = [self.flush_due(settings), self.release_due(settings), self.sweep_due(settings)];
        due.into_iter().flatten().min()
    }

    /// Whether the store lacks something that is durable.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        let (turn, events_next) = self.folded_to();
        let before = (0, 0);
        let stored = self.flush.position.as_ref().map_or(before, |p| (p.turn, p.events_next));
        !self.is_out_of_service() && stored < (turn, events_next)
    }

    fn flush_due(&self, settings: &Settings) -> Option<Time> {
        let wanted = self.restored && self.is_behind();
        wanted.then(|| self.flush.last.plus_ms(settings.flush_every_ms))
    }

    fn release_due(&self, settings: &Settings) -> Option<Time> {
        let wanted = self.restored && self.flush.unreleased.is_some();
        wanted.then(|| self.flush.released.plus_ms(settings.release_every_ms))
    }

    /// A pass begins when requests have come since the last one did.
    fn sweep_due(&self, settings: &Settings) -> Option<Time> {
        let sweep = &self.flush.sweep;
        let wanted = sweep.after.is_some() || sweep.begun < self.requests_time;
        (self.restored && wanted).then(|| sweep.last.plus_ms(settings.sweep_every_ms))
    }

    fn begin_flush(&mut self, tools: &Tools<'_>) {
        let (turn, events_next) = self.folded_to();
        let input = self.durable.input;
        self.flush.running = Some(Running {
            keys: self.memory.freeze().into_iter(),
            position: StorePosition { turn, events_next, log_id: tools.log.log_id() },
            low_water: self.restored.then_some(LowWater { turn, input }),
            written: 0,
        });
    }

    fn write_chunk(&mut self, now: Time, tools: &mut Tools<'_>) -> Result<(), EngineError> {
        let Some(mut running) = self.flush.running.take() else { return Ok(()) };
        let mut write = Write::default();
        let chunk: Vec<Bytes> = running.keys.by_ref().take(tools.settings.flush_chunk).collect();
        write.deadlines_done = self.deadlines.take_done();
        let done = write.deadlines_done.len();
        for key in &chunk {
            if let Some(flushed) = self.memory.frozen(key) {
                write.puts.push((key.clone(), flushed.aggregate.to_record()));
                let wanted = flushed.aggregate.deadline();
                let passed = flushed.indexed.filter(|indexed| wanted != Some(*indexed));
                write.deadlines_done.extend(passed.map(|deadline| (deadline, key.clone())));
                write.deadlines.extend(wanted.map(|deadline| (deadline, key.clone())));
            }
        }
        let last = running.keys.len() == 0;
        if last {
            write.position = Some(encode(&running.position));
        }
        if failpoints::fires(failpoints::FORGET_DEADLINES) {
            write.deadlines.clear();
        }
        failpoints::die_at(failpoints::DIE_IN_FLUSH);
        if let Err(error) = tools.store.write(self.id, &write) {
            let rest: Vec<Bytes> = chunk.into_iter().chain(running.keys).collect();
            running.keys = rest.into_iter();
            self.flush.running = Some(running);
            write.deadlines_done.truncate(done);
            self.deadlines.not_done(write.deadlines_done);
            return Err(error);
        }
        self.deadlines.stored(&write.deadlines);
        running.written += write.puts.len();
        if !last {
            self.flush.running = Some(running);
            return Ok(());
        }
        self.memory.thaw();
        tools.observer.flushed(self.id, running.written);
        self.flush.position = Some(running.position);
        self.flush.unreleased = running.low_water.or(self.flush.unreleased);
        self.flush.last = last_due(self.id, now, tools.settings.flush_every_ms);
        Ok(())
    }

    /// Removes what the index of deadlines no longer needs, if that is much, without waiting for the
    /// next flush: there may be none. Returns whether it did anything.
    fn tidy_deadlines(&mut self, tools: &mut Tools<'_>) -> Result<bool, EngineError> {
        if self.deadlines.done() < deadlines::PAGE {
            return Ok(false);
        }
        let write = Write { deadlines_done: self.deadlines.take_done(), ..Write::default() };
        let written = tools.store.write(self.id, &write);
        if written.is_err() {
            self.deadlines.not_done(write.deadlines_done);
        }
        written.map(|()| true)
    }

    /// Tells the log what recovery no longer needs. The store, which is not synced otherwise, must
    /// first hold what would be forgotten.
    fn release(&mut self, now: Time, tools: &mut Tools<'_>) -> Result<(), EngineError> {
        tools.store.sync(self.id)?;
        if let Some(low_water) = self.flush.unreleased.take() {
            tools.log.release(self.id, low_water);
        }
        self.flush.released = now;
        Ok(())
    }

    /// Removes records of aggregates that never had an event and whose windows are spent, a few at a
    /// time. Spent means by the time of requests: what else a turn takes may be younger than a
    /// request that still waits.
    fn sweep(&mut self, now: Time, tools: &mut Tools<'_>) -> Result<(), EngineError> {
        let after = self.flush.sweep.after.clone();
        let limit = tools.settings.flush_chunk;
        let page = tools.store.scan(self.id, after.as_deref(), limit)?;
        let settings = tools.topology.settings(self.id.aggregate_type);
        let mut write = Write::default();
        for (key, record) in &page {
            let aggregate = working::read(key, record)?;
            let spent =
                aggregate.sequence == 0 && aggregate.window.is_spent(self.requests_time, settings);
            if spent && !self.memory.holds(key) {
                self.memory.forget(key);
                write.deletes.push(key.clone());
            }
        }
        if !write.deletes.is_empty() {
            tools.store.write(self.id, &write)?;
        }
        let sweep = &mut self.flush.sweep;
        if after.is_none() {
            sweep.begun = self.requests_time;
        }
        sweep.after = page.last().filter(|_| page.len() == limit).map(|(key, _)| key.clone());
        sweep.last = now;
        Ok(())
    }
}

/// The last time, not after `now`, when this partition's flush is due: partitions have their own,
/// spread over the period, so that they do not all flush at once.
fn last_due(id: PartitionId, now: Time, every_ms: u64) -> Time {
    let every = every_ms.max(1);
    let number = u64::from(id.aggregate_type.0) << 32 | u64::from(id.number);
    let phase = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % every;
    Time(now.0 - now.0.saturating_sub(phase) % every)
}
