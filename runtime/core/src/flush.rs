//! Writing changed aggregates to the store, seldom and in chunks: an aggregate that changes four
//! times within a second is written once.
//!
//! A flush freezes what has changed up to the last durable turn, writes it in chunks between turns,
//! and the position in the last chunk: a low-water mark. Afterwards a slow sweep removes records
//! that only remember refusals of the past.

use bytes::Bytes;

use crate::aggregate::encode;
use crate::deadlines;
use crate::error::EngineError;
use crate::failpoints;
use crate::log::LowWater;
use crate::model::Time;
use crate::partition::{Partition, Tools};
use crate::proto::StorePosition;
use crate::store::Write;
use crate::working;

/// A partition's flushes.
#[derive(Debug, Default)]
pub struct Flush {
    running: Option<Running>,
    /// When the last flush ended.
    last: Time,
    /// The last position written.
    position: Option<StorePosition>,
    /// When the log was last told what it may forget.
    released: Time,
    /// Where the sweep stands.
    sweep: Option<Bytes>,
}

#[derive(Debug)]
struct Running {
    keys: std::vec::IntoIter<Bytes>,
    position: StorePosition,
    low_water: LowWater,
    written: usize,
}

impl Partition {
    /// Does one chunk of flushing if there is something to do: a flush under way goes on, a new one
    /// begins when it is due or when memory is `full`. Returns whether it did anything.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn flush_chunk(
        &mut self,
        now: Time,
        full: bool,
        tools: &mut Tools<'_>,
    ) -> Result<bool, EngineError> {
        if self.flush.running.is_none() {
            let due = now >= self.flush.last.plus_ms(tools.settings.flush_every_ms);
            let behind = self.flush.position.as_ref().is_none_or(|p| p.turn < self.durable.turn);
            if !((due || full) && behind && self.durable.turn > 0) {
                return self.tidy_deadlines(tools);
            }
            self.begin_flush(tools);
        }
        self.write_chunk(now, tools)?;
        Ok(true)
    }

    /// When the next flush is due, if there is anything to flush.
    #[must_use]
    pub fn flush_due(&self, every_ms: u64) -> Option<Time> {
        let behind = self.flush.position.as_ref().is_none_or(|p| p.turn < self.durable.turn);
        (behind && self.durable.turn > 0).then(|| self.flush.last.plus_ms(every_ms))
    }

    fn begin_flush(&mut self, tools: &Tools<'_>) {
        self.flush.running = Some(Running {
            keys: self.memory.freeze().into_iter(),
            position: StorePosition {
                turn: self.durable.turn,
                events_next: self.durable.events_next,
                log_id: tools.log.log_id(),
            },
            low_water: LowWater { turn: self.durable.turn, input: self.durable.input },
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
        self.flush.last = now;
        self.release(now, running.low_water, tools)?;
        self.sweep(tools)
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
    fn release(
        &mut self,
        now: Time,
        low_water: LowWater,
        tools: &mut Tools<'_>,
    ) -> Result<(), EngineError> {
        if now < self.flush.released.plus_ms(tools.settings.release_every_ms) {
            return Ok(());
        }
        tools.store.sync(self.id)?;
        tools.log.release(self.id, low_water);
        self.flush.released = now;
        Ok(())
    }

    /// Removes records of aggregates that never had an event and whose windows are spent, a few at a
    /// time.
    fn sweep(&mut self, tools: &mut Tools<'_>) -> Result<(), EngineError> {
        let after = self.flush.sweep.take();
        let limit = tools.settings.flush_chunk;
        let page = tools.store.scan(self.id, after.as_deref(), limit)?;
        let settings = tools.topology.settings(self.id.aggregate_type);
        let mut write = Write::default();
        for (key, record) in &page {
            let aggregate = working::read(key, record)?;
            let spent =
                aggregate.sequence == 0 && aggregate.window.is_spent(self.durable.time, settings);
            if spent && !self.memory.holds(key) {
                self.memory.forget(key);
                write.deletes.push(key.clone());
            }
        }
        if page.len() == limit {
            self.flush.sweep = page.last().map(|(key, _)| key.clone());
        }
        if write.deletes.is_empty() { Ok(()) } else { tools.store.write(self.id, &write) }
    }
}
