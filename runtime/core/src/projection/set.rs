//! Projections that take turns, and which generation of each is served.
//!
//! A set owns the tables of its projections: nobody else writes them while it lives. It advances by [`Projections::step`],
//! one page of one partition at a time, each in turn, so that no projection and no rebuild keeps
//! the others waiting.

use std::sync::Arc;

use super::catalogue::{self, alike, shape_of};
use super::generations::Generations;
use super::projector::{Projector, Stale, Stepped, Tools};
use super::reference::{Keeper, Lane, Shown};
use crate::error::EngineError;
use crate::guest::Guest;
use crate::log::Limit;
use crate::log::events::Events;
use crate::model::{EventNumber, PartitionId};
use crate::proto::{TableGeneration, TableProjection};
use crate::references::{References, Seen};
use crate::store::tables::{Generation, Place, RowWrite};
use crate::topology::{HandlerIndex, Topology};

/// Told of what has changed, right after it was written. Must be quick. All have an empty default.
pub trait Watcher: Send {
    /// Rows and position of a partition have changed.
    fn changed(&mut self, _committed: &Committed<'_>) {}

    /// A projection stopped in a partition.
    fn stopped(&mut self, _projection: &str, _partition: PartitionId, _stale: &Stale) {}

    /// Another generation of a projection is served from now on.
    fn served(&mut self, _projection: &str, _generation: &TableGeneration) {}

    /// A reference table was opened and is not ready: turns that need it wait.
    fn pending(&mut self, _table: &str, _why: &str) {}

    /// A reference table is ready, or has stopped and is shown as it stands: turns that waited for it
    /// may go on.
    fn ready(&mut self, _shown: &Shown) {}
}

/// A write of rows.
#[derive(Debug)]
pub struct Committed<'a> {
    /// Name of the projection.
    pub projection: &'a str,
    /// The generation; its tables are numbered as in `write`.
    pub generation: &'a TableGeneration,
    /// Whether it is the one that queries read.
    pub served: bool,
    /// The partition.
    pub partition: PartitionId,
    /// Number of the next event: all before it are in the rows.
    pub next: EventNumber,
    /// How many events further that is.
    pub events: u64,
    /// The rows.
    pub write: &'a RowWrite,
}

/// What a set is made of.
pub struct Parts {
    /// Who does what.
    pub topology: Arc<Topology>,
    /// The handlers whose tables it makes, with an instance of each. All that make reference tables
    /// are in one set.
    pub makers: Vec<(HandlerIndex, Box<dyn Guest>)>,
    /// The events.
    pub events: Box<dyn Events>,
    /// The tables, and which there are.
    pub generations: Generations,
    /// Who is told.
    pub watcher: Box<dyn Watcher>,
    /// How much one step may read.
    pub page: Limit,
    /// Where reference tables are shown.
    pub references: References,
    /// How far the turns of earlier processes had seen them.
    pub seen: Seen,
    /// What all reference tables may take in memory, in bytes.
    pub reference_bytes_max: usize,
}

/// See the file's head.
pub struct Projections {
    topology: Arc<Topology>,
    events: Box<dyn Events>,
    generations: Generations,
    watcher: Box<dyn Watcher>,
    page: Limit,
    keeper: Keeper,
    all: Vec<Projection>,
    /// Whose turn it is, counted over all lanes.
    turn: usize,
}

/// The tables of one handler.
struct Projection {
    handler: HandlerIndex,
    name: Arc<str>,
    guest: Box<dyn Guest>,
    /// Empty where another version of the handler had made what is served: it stays as it is.
    served: Vec<Projector>,
    /// Empty while nothing is built.
    building: Vec<Projector>,
}

/// Where a projection stands in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Name of the projection.
    pub projection: Arc<str>,
    /// The generation.
    pub generation: Generation,
    /// Whether it is the one that queries read.
    pub served: bool,
    /// The partition.
    pub partition: PartitionId,
    /// Number of the next event to project.
    pub next: EventNumber,
    /// Why it stopped, if it did.
    pub stale: Option<Stale>,
}

/// How much was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Progress {
    /// There was nothing to do.
    Nothing,
    /// All that was there.
    Some,
    /// What a page takes: there was more.
    Full,
}

/// An order that cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// There is no such projection.
    #[error("no handler `{0}` makes tables: `zamu tables` lists those that do")]
    Unknown(String),
    /// The store failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl Projections {
    /// Goes on where the tables say; a handler that makes them in another way than what is served
    /// begins to build them anew.
    ///
    /// # Errors
    /// When the tables cannot be read, or belong to another log.
    pub fn open(parts: Parts) -> Result<Self, EngineError> {
        let Parts { topology, makers, mut events, generations, watcher, page, .. } = parts;
        let handlers: Vec<HandlerIndex> = makers.iter().map(|(handler, _)| *handler).collect();
        let bytes_max = parts.reference_bytes_max;
        let (references, seen) = (parts.references, parts.seen);
        let keeper =
            Keeper::open(references, &topology, &handlers, &mut *events, &seen, bytes_max)?;
        let all = Vec::new();
        let mut set = Self { topology, events, generations, watcher, page, keeper, all, turn: 0 };
        for (handler, guest) in makers {
            let bound = &set.topology.handlers[handler];
            let name = Arc::clone(&bound.spec.name);
            let shape = shape_of(bound, &set.topology);
            set.generations.change(|catalogue| catalogue::resume(catalogue, &name, &shape))?;
            set.all.push(Projection {
                handler,
                name,
                guest,
                served: Vec::new(),
                building: Vec::new(),
            });
            set.open_lanes(set.all.len() - 1)?;
            set.load_served(set.all.len() - 1)?;
            set.show(set.all.len() - 1);
        }
        for (table, why) in set.keeper.pending() {
            set.watcher.pending(table, why);
        }
        Ok(set)
    }

    /// Does a page of work. Gives whether there was any.
    ///
    /// # Errors
    /// When an engine wants to be asked again later.
    pub fn step(&mut self) -> Result<bool, EngineError> {
        for _ in 0..self.lanes_open() {
            if self.next_lane()? != Progress::Nothing {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Does up to a page of work in every partition, unless it is told between two of them not to go
    /// on. Gives the most that was done in any.
    ///
    /// # Errors
    /// When an engine wants to be asked again later.
    pub fn round(&mut self, goes_on: impl Fn() -> bool) -> Result<Progress, EngineError> {
        let mut most = Progress::Nothing;
        for _ in 0..self.lanes_open() {
            if !goes_on() {
                return Ok(Progress::Full);
            }
            most = most.max(self.next_lane()?);
        }
        Ok(most)
    }

    /// Begins to build a projection's tables anew, from the first event. While that goes on already
    /// it simply goes on, unless it has stopped: then it begins again.
    ///
    /// # Errors
    /// When there is no such projection, or the store fails.
    pub fn rebuild(&mut self, name: &str) -> Result<Generation, OrderError> {
        let at = self.find(name)?;
        let projection = &self.all[at];
        let going_on = !projection.building.is_empty()
            && projection.building.iter().all(|lane| lane.stale().is_none());
        if let (true, Some(lane)) = (going_on, projection.building.first()) {
            return Ok(lane.place.generation);
        }
        let shape = shape_of(&self.topology.handlers[projection.handler], &self.topology);
        let build = self.generations.change(|old| Some(catalogue::build(old, name, &shape)))?;
        self.open_lanes(at)?;
        self.show(at);
        Ok(build)
    }

    /// Has a projection that stopped try again. Gives in how many partitions it had.
    ///
    /// # Errors
    /// When there is no such projection.
    pub fn resume(&mut self, name: &str) -> Result<usize, OrderError> {
        let at = self.find(name)?;
        Ok(self.try_again(at))
    }

    /// Has other versions of its handlers make the tables from now on: the same tables, of the same
    /// events. A projection that had stopped tries again. Gives back what was replaced.
    pub fn succeed(
        &mut self,
        topology: &Arc<Topology>,
        guests: Vec<(HandlerIndex, Box<dyn Guest>)>,
    ) -> Vec<Box<dyn Guest>> {
        self.topology = Arc::clone(topology);
        for projection in &mut self.all {
            // Handlers that were added may have moved it.
            let moved = topology.handler_named(&projection.name);
            projection.handler = moved.unwrap_or(projection.handler);
        }
        let mut replaced = Vec::new();
        for (handler, guest) in guests {
            let name = &topology.handlers[handler].spec.name;
            let Ok(at) = self.find(name) else { continue };
            replaced.push(std::mem::replace(&mut self.all[at].guest, guest));
            self.try_again(at);
        }
        replaced
    }

    /// Names of the projections.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.all.iter().map(|projection| &projection.name)
    }

    /// Where every projection stands in every partition.
    #[must_use]
    pub fn standings(&self) -> Vec<Standing> {
        let mut standings = Vec::new();
        for projection in &self.all {
            let lanes = projection.served.iter().map(|lane| (true, lane));
            for (served, lane) in lanes.chain(projection.building.iter().map(|lane| (false, lane)))
            {
                standings.push(Standing {
                    projection: Arc::clone(&projection.name),
                    generation: lane.place.generation,
                    served,
                    partition: lane.partition,
                    next: lane.next(),
                    stale: lane.stale().cloned(),
                });
            }
        }
        standings
    }

    /// Gives in how many partitions it had stopped.
    fn try_again(&mut self, at: usize) -> usize {
        let projection = &mut self.all[at];
        let lanes = projection.served.iter_mut().chain(&mut projection.building);
        let mut resumed = 0;
        for lane in lanes.filter(|lane| lane.stale().is_some()) {
            lane.resume();
            resumed += 1;
        }
        self.show(at);
        resumed
    }

    fn find(&self, name: &str) -> Result<usize, OrderError> {
        let at = self.all.iter().position(|projection| &*projection.name == name);
        at.ok_or_else(|| OrderError::Unknown(name.to_owned()))
    }

    /// The projection, whether it is of the served generation, and the index there.
    fn lane(&self, mut number: usize) -> (usize, bool, usize) {
        for (index, projection) in self.all.iter().enumerate() {
            if number < projection.served.len() {
                return (index, true, number);
            }
            number -= projection.served.len();
            if number < projection.building.len() {
                return (index, false, number);
            }
            number -= projection.building.len();
        }
        (0, true, 0)
    }

    fn lanes_open(&self) -> usize {
        self.all.iter().map(|p| p.served.len() + p.building.len()).sum()
    }

    /// Does up to a page of work where it is the turn.
    fn next_lane(&mut self) -> Result<Progress, EngineError> {
        let lanes = self.lanes_open();
        if lanes == 0 {
            return Ok(Progress::Nothing);
        }
        self.turn = (self.turn + 1) % lanes;
        let (projection, served, lane) = self.lane(self.turn);
        let progress = self.step_lane(projection, served, lane)?;
        if progress != Progress::Nothing {
            self.show(projection);
        }
        let round_ended = !served && lane + 1 == self.all[projection].building.len();
        if round_ended && self.is_complete(projection) {
            self.serve_building(projection)?;
            return Ok(Progress::Some.max(progress));
        }
        Ok(progress)
    }

    fn step_lane(
        &mut self,
        projection: usize,
        served: bool,
        lane: usize,
    ) -> Result<Progress, EngineError> {
        let projection = &mut self.all[projection];
        let keeps = served && self.keeper.keeps(&projection.name);
        let mut tools = Tools {
            handler: &self.topology.handlers[projection.handler],
            guest: &mut *projection.guest,
            events: &mut *self.events,
            store: self.generations.store(),
            keeper: keeps.then_some(&self.keeper),
        };
        let lanes = if served { &mut projection.served } else { &mut projection.building };
        let lane = &mut lanes[lane];
        let end = tools.events.end(lane.partition).unwrap_or(0);
        let stepped = match lane.step(&mut tools, self.page) {
            Err(EngineError::Retry(why)) => return Err(EngineError::Retry(why)),
            // Nothing that another try would mend: said where the rows are asked for.
            Err(error) => {
                lane.stop(error.to_string());
                Stepped::Stopped
            }
            Ok(stepped) => stepped,
        };
        match stepped {
            Stepped::Nothing => Ok(Progress::Nothing),
            Stepped::Written { events, write } => {
                if keeps {
                    let (generation, next) = (&lane.generation, lane.next());
                    self.keeper.apply(&projection.name, generation, lane.partition, next, &write);
                }
                self.watcher.changed(&Committed {
                    projection: &projection.name,
                    generation: &lane.generation,
                    served,
                    partition: lane.partition,
                    next: lane.next(),
                    events,
                    write: &write,
                });
                Ok(if lane.next() < end { Progress::Full } else { Progress::Some })
            }
            Stepped::Stopped => {
                if keeps {
                    // It may have passed events that the handler does not take.
                    let (generation, nothing) = (&lane.generation, RowWrite::default());
                    let (partition, next) = (lane.partition, lane.next());
                    self.keeper.apply(&projection.name, generation, partition, next, &nothing);
                }
                if let Some(stale) = lane.stale() {
                    self.watcher.stopped(&projection.name, lane.partition, stale);
                }
                Ok(Progress::Some)
            }
        }
    }

    /// Whether what is being built has come as far as what is served, and within a page of the log's
    /// end, in every partition. Asked right after its last partition's turn, which comes after those
    /// of what is served: so it comes true under load, too.
    fn is_complete(&mut self, projection: usize) -> bool {
        let projection = &self.all[projection];
        let (events, page) = (&mut self.events, self.page.records as u64);
        projection.building.iter().all(|lane| {
            let served = projection.served.iter().find(|s| s.partition == lane.partition);
            lane.stale().is_none()
                && served.is_none_or(|served| lane.next() >= served.next())
                && self.keeper.reaches(&projection.name, lane.partition, lane.next())
                && events.end(lane.partition).is_ok_and(|end| lane.next() + page >= end)
        })
    }

    fn serve_building(&mut self, at: usize) -> Result<(), EngineError> {
        let name = Arc::clone(&self.all[at].name);
        let Some(lane) = self.all[at].building.first() else { return Ok(()) };
        let loaded = match self.keeper.load(&name, &lane.generation, self.generations.store())? {
            Ok(loaded) => loaded,
            Err(full) => {
                self.stop(at, false, &full.to_string());
                return Ok(());
            }
        };
        self.generations.change(|old| Some(catalogue::cut_over(old, &name)))?;
        self.keeper.serve(loaded);
        let projection = &mut self.all[at];
        projection.served = std::mem::take(&mut projection.building);
        self.show(at);
        if let Some(served) = self.generations.served(&name) {
            self.watcher.served(&name, &served);
        }
        Ok(())
    }

    /// Takes the rows of served reference tables into memory. Those that were made in another way are
    /// not for the handlers of this deployment to look up: their rows may mean something else, and
    /// nobody brings them up to date.
    fn load_served(&mut self, at: usize) -> Result<(), EngineError> {
        let name = Arc::clone(&self.all[at].name);
        let shape = shape_of(&self.topology.handlers[self.all[at].handler], &self.topology);
        let served = self.generations.served(&name).filter(|served| alike(served, &shape));
        let Some(served) = served else { return Ok(()) };
        match self.keeper.load(&name, &served, self.generations.store())? {
            Ok(loaded) => self.keeper.serve(loaded),
            Err(full) => {
                self.keeper.refuse(&name, &full);
                self.stop(at, true, &full.to_string());
            }
        }
        Ok(())
    }

    /// Stops a projection in all partitions.
    fn stop(&mut self, at: usize, served: bool, reason: &str) {
        let projection = &mut self.all[at];
        let lanes = if served { &mut projection.served } else { &mut projection.building };
        for lane in lanes {
            lane.stop(reason.to_owned());
            if let Some(stale) = lane.stale() {
                self.watcher.stopped(&projection.name, lane.partition, stale);
            }
        }
        self.show(at);
    }

    /// Shows a projection's reference tables as they are now.
    fn show(&mut self, at: usize) {
        let projection = &self.all[at];
        if !self.keeper.keeps(&projection.name) {
            return;
        }
        let Projection { served, building, .. } = projection;
        let lanes = if served.is_empty() { building } else { served };
        let lanes: Vec<Lane<'_>> =
            lanes.iter().map(|lane| (lane.partition, lane.next(), lane.stale())).collect();
        for shown in self.keeper.tell(&projection.name, &lanes) {
            self.watcher.ready(&shown);
        }
    }

    /// Opens a projection's lanes as the catalogue has them; those that fit stay as they are.
    fn open_lanes(&mut self, at: usize) -> Result<(), EngineError> {
        let shape = shape_of(&self.topology.handlers[self.all[at].handler], &self.topology);
        let Some(entry) = self.generations.of(&self.all[at].name) else { return Ok(()) };
        let TableProjection { serving, building, .. } = entry;
        let served = serving.filter(|serving| alike(serving, &shape));
        if self.all[at].served.is_empty() {
            self.all[at].served = self.lanes(served)?;
        }
        self.all[at].building = self.lanes(building)?;
        Ok(())
    }

    fn lanes(&self, generation: Option<TableGeneration>) -> Result<Vec<Projector>, EngineError> {
        let Some(generation) = generation.map(Arc::new) else { return Ok(Vec::new()) };
        let mut lanes = Vec::new();
        for (source, name) in generation.sources.iter().enumerate() {
            let Some(aggregate_type) = self.topology.type_named(name) else { continue };
            for partition in 0..self.topology.settings(aggregate_type).partitions {
                let place =
                    Place { generation: generation.number, source: source as u16, partition };
                let partition = PartitionId { aggregate_type, number: partition };
                let generation = Arc::clone(&generation);
                lanes.push(Projector::open(
                    partition,
                    place,
                    generation,
                    self.generations.store(),
                )?);
            }
        }
        Ok(lanes)
    }
}
