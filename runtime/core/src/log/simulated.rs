//! An in-process log for tests: it delays, refuses, aborts, doubts, revokes, loses and fences by
//! seed, and loses power and process whenever a test says so.
//!
//! - No thread, no clock, no hash map: one seed and the same calls give the same run. Time passes in
//!   [`Simulated::tick`] alone.
//! - All shards and intakes of a [`Simulated`] belong to one process. [`Simulated::crash`] and
//!   [`Simulated::power_loss`] end it: older handles are dead then (`Fatal`, no progress), and new
//!   ones find what survived.
//! - A shard that breaks the rules of the seam is told so by `Fatal` in `submit`: turns or numbers
//!   with a gap, ids that do not ascend, partitions it knows it does not own, commits before
//!   `resolve`. Releasing what is not durable panics.
//! - Only what the seam allows is done to a shard: with [`Faults::none`] it passes every suite of
//!   [`super::contract`], and with any other plan what it does is in the contract's prose.

mod faults;
mod topics;
mod world;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::error::EngineError;
use crate::log::events::Events;
use crate::log::{
    AppendDone, Commit, InputPositions, Intake, Limit, LowWater, Ownership, Progress, ShardLog,
};
use crate::model::{
    Command, DeadLetterNumber, Event, EventNumber, Offset, PartitionId, Request, Stored, Time,
    TurnNumber,
};

pub use faults::{Counts, Fate, Faults};
use world::World;

/// Number of a shard within its process, from 0, in the order of [`Simulated::shard`].
pub type ShardNumber = usize;

/// The log, seen from outside: what a test drives. Clones are the same log.
#[derive(Clone)]
pub struct Simulated {
    world: Arc<Mutex<World>>,
}

/// All that is durable in a partition, whether or not retention has removed it since.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Of `<type>.requests`.
    pub requests: Vec<Stored<Request>>,
    /// Of `<type>.commands`.
    pub commands: Vec<Stored<Command>>,
    /// Of `<type>.events`.
    pub events: Vec<Event>,
    /// Batch records.
    pub outcomes: Vec<(TurnNumber, Bytes)>,
    /// Dead letters.
    pub dead_letters: Vec<(DeadLetterNumber, Bytes)>,
}

impl Simulated {
    /// An empty log. Its identity, its delays and its faults come from the seed.
    #[must_use]
    pub fn new(seed: u64, faults: Faults) -> Self {
        Self { world: Arc::new(Mutex::new(World::new(seed, faults))) }
    }

    /// A new shard of the process. It is assigned these partitions as soon as all that earlier
    /// owners wrote is durable; a live shard that owns one of them loses it.
    #[must_use]
    pub fn shard(&self, partitions: &[PartitionId]) -> SimulatedShard {
        self.with(|world| SimulatedShard {
            log: self.clone(),
            process: world.process(),
            number: world.add_shard(partitions),
        })
    }

    /// Durable events, for whoever owns no partition of the process.
    #[must_use]
    pub fn events(&self) -> SimulatedEvents {
        SimulatedEvents { log: self.clone(), process: self.with(|w| w.process()) }
    }

    /// A new intake of the process.
    #[must_use]
    pub fn intake(&self) -> Arc<dyn Intake> {
        Arc::new(SimulatedIntake { log: self.clone(), process: self.with(|w| w.process()) })
    }

    /// Time passes: one tick, and the clock goes to `now` (never back). What is due is written and
    /// becomes durable, appends are told, and the faults that come by the tick are drawn.
    pub fn tick(&self, now: Time) {
        self.with(|world| world.tick(now));
    }

    /// Ticks, with the clock standing and no partition moving, until all that was submitted and
    /// appended has come to its end (as far as nothing is held back).
    pub fn settle(&self) {
        // Whoever is told of an append may append again.
        while self.with(|world| world.is_busy()) {
            self.with(World::settle);
        }
    }

    /// The process is killed. Of what was submitted and not yet written, a drawn beginning is found
    /// afterwards; all that was written is.
    pub fn crash(&self) {
        self.with(|world| world.crash());
    }

    /// The machine loses power. Of what was written and not yet durable, a drawn beginning is found
    /// afterwards.
    pub fn power_loss(&self) {
        self.with(|world| world.power_loss(None));
    }

    /// As [`Simulated::power_loss`], and so many of the writes that were not durable survive, oldest
    /// first. Gives back how many there were.
    pub fn power_loss_keeping(&self, writes: usize) -> usize {
        self.with(|world| world.power_loss(Some(writes)))
    }

    /// How many commits and appends are written and not durable.
    #[must_use]
    pub fn undurable(&self) -> usize {
        self.with(|world| world.undurable())
    }

    /// While held, nothing becomes durable.
    pub fn hold_durable(&self, held: bool) {
        self.with(|world| world.hold_durable(held));
    }

    /// While held, nothing is written.
    pub fn hold_written(&self, held: bool) {
        self.with(|world| world.hold_written(held));
    }

    /// Another plan from now on. [`Faults::none`] heals the log.
    pub fn set_faults(&self, faults: Faults) {
        self.with(|world| world.set_faults(faults));
    }

    /// Queues what shall become of the next commits, one fate each, whosever they are.
    pub fn next(&self, fate: Fate) {
        self.with(|world| world.next(fate));
    }

    /// Asks the partition's owner to give it up, to go to shard `to` afterwards. False if nobody
    /// owns it just now.
    pub fn revoke(&self, partition: PartitionId, to: ShardNumber) -> bool {
        self.with(|world| world.revoke(partition, to))
    }

    /// Takes the partition from its owner, to go to shard `to`. False if nobody owns it just now.
    pub fn lose(&self, partition: PartitionId, to: ShardNumber) -> bool {
        self.with(|world| world.lose(partition, to))
    }

    /// Fences a shard; nobody owns its partitions then, until [`Simulated::shard`] names them.
    pub fn fence(&self, shard: ShardNumber) {
        self.with(|world| world.fence(shard));
    }

    /// The partitions that had an owner once and have none now.
    #[must_use]
    pub fn orphans(&self) -> Vec<PartitionId> {
        self.with(|world| world.orphans())
    }

    /// Runs retention now.
    pub fn trim(&self) {
        self.with(|world| world.trim());
    }

    /// All that is durable in a partition, also what has been trimmed.
    #[must_use]
    pub fn contents(&self, partition: PartitionId) -> Contents {
        self.with(|world| world.contents(partition))
    }

    /// Number of the newest durable turn of a partition; 0 before the first.
    #[must_use]
    pub fn durable_turn(&self, partition: PartitionId) -> TurnNumber {
        self.with(|world| world.durable_turn(partition))
    }

    /// What has been done so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.with(|world| world.counts())
    }

    /// Does something to the world, then tells whoever waits for an append, with the lock released:
    /// they may call back.
    fn with<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        let (result, news) = {
            let mut world = self.lock();
            let result = act(&mut world);
            (result, world.take_news())
        };
        for (done, appended) in news.told {
            done(appended);
        }
        drop(news.never_told);
        result
    }

    /// A test that panicked elsewhere leaves a world that is still whole: every change of it is made
    /// in one piece.
    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A shard's hold on a [`Simulated`] log.
pub struct SimulatedShard {
    log: Simulated,
    process: u64,
    number: ShardNumber,
}

impl SimulatedShard {
    /// Its number in the process, for [`Simulated::revoke`] and its siblings.
    #[must_use]
    pub fn number(&self) -> ShardNumber {
        self.number
    }

    fn live<T>(
        &self,
        act: impl FnOnce(&mut World) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        self.log.with(|world| {
            world.check_alive(self.process)?;
            act(world)
        })
    }
}

impl ShardLog for SimulatedShard {
    fn ownership(&mut self) -> Option<Ownership> {
        self.live(|world| Ok(world.next_move(self.number))).ok().flatten()
    }

    fn give_up(&mut self, partition: PartitionId) {
        // A dead process has nothing left to give up.
        let _dead = self.live(|world| {
            world.give_up(self.number, partition);
            Ok(())
        });
    }

    fn take_requests(
        &mut self,
        partition: PartitionId,
        from: Offset,
        limit: Limit,
    ) -> Result<Vec<Stored<Request>>, EngineError> {
        self.live(|world| world.take_requests(self.number, partition, from, limit))
    }

    fn take_commands(
        &mut self,
        partition: PartitionId,
        from: Offset,
        limit: Limit,
    ) -> Result<Vec<Stored<Command>>, EngineError> {
        self.live(|world| world.take_commands(self.number, partition, from, limit))
    }

    fn submit(&mut self, commit: Commit) -> Result<(), (Commit, EngineError)> {
        self.log.with(|world| match world.check_alive(self.process) {
            Ok(()) => world.submit(self.number, commit),
            Err(error) => Err((commit, error)),
        })
    }

    fn poll(&mut self) -> Option<Progress> {
        self.live(|world| Ok(world.next_progress(self.number))).ok().flatten()
    }

    fn resolve(&mut self) -> Result<(), EngineError> {
        self.live(|world| world.resolve(self.number))
    }

    fn read_events(
        &mut self,
        partition: PartitionId,
        from: EventNumber,
        limit: Limit,
    ) -> Result<Vec<Event>, EngineError> {
        self.live(|world| Ok(world.read_events(partition, from, limit)))
    }

    fn read_outcomes(
        &mut self,
        partition: PartitionId,
        from: TurnNumber,
        limit: Limit,
    ) -> Result<Vec<(TurnNumber, Bytes)>, EngineError> {
        self.live(|world| world.read_outcomes(partition, from, limit))
    }

    fn oldest_turn(&mut self, partition: PartitionId) -> Result<TurnNumber, EngineError> {
        self.live(|world| Ok(world.oldest_turn(partition)))
    }

    fn last_outcome(
        &mut self,
        partition: PartitionId,
    ) -> Result<Option<(TurnNumber, Bytes)>, EngineError> {
        self.live(|world| Ok(world.last_outcome(partition)))
    }

    fn read_dead_letter(
        &mut self,
        partition: PartitionId,
        number: DeadLetterNumber,
    ) -> Result<Option<Bytes>, EngineError> {
        self.live(|world| Ok(world.dead_letter(partition, number)))
    }

    fn input_ends(&mut self, partition: PartitionId) -> InputPositions {
        self.live(|world| Ok(world.input_ends(partition))).unwrap_or_default()
    }

    fn release(&mut self, partition: PartitionId, low_water: LowWater) {
        let released = self.live(|world| Ok(world.release(partition, low_water)));
        // Checked out here, so that the panic does not poison the log for others.
        assert!(
            released.unwrap_or(true),
            "shard {} released {low_water:?} of {partition:?}, which is not durable yet",
            self.number
        );
    }

    fn log_id(&self) -> Bytes {
        self.log.with(|world| world.id())
    }
}

/// What projections read of a [`Simulated`] log.
pub struct SimulatedEvents {
    log: Simulated,
    process: u64,
}

impl SimulatedEvents {
    fn live<T>(&self, act: impl FnOnce(&mut World) -> T) -> Result<T, EngineError> {
        self.log.with(|world| {
            world.check_alive(self.process)?;
            Ok(act(world))
        })
    }
}

impl Events for SimulatedEvents {
    fn read(
        &mut self,
        partition: PartitionId,
        from: EventNumber,
        limit: Limit,
    ) -> Result<Vec<Event>, EngineError> {
        self.live(|world| world.read_events(partition, from, limit))
    }

    fn end(&mut self, partition: PartitionId) -> Result<EventNumber, EngineError> {
        self.live(|world| world.events_end(partition))
    }

    fn log_id(&self) -> Bytes {
        self.log.with(|world| world.id())
    }
}

struct SimulatedIntake {
    log: Simulated,
    process: u64,
}

impl Intake for SimulatedIntake {
    fn append(&self, partition: PartitionId, requests: Vec<Request>, done: AppendDone) {
        self.log.with(|world| world.append(self.process, partition, requests, done));
    }
}

#[cfg(test)]
mod tests;
