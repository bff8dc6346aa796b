//! The runtime in one thread: shards and tables over a [`Medium`], stepped by hand.
//!
//! It looks like [`zamu_core::simulation::Process`], which the core tests itself with, and does not stand
//! on it: that one has the simulated log and nothing else, its clock runs on with every step, an append
//! that the log refuses is gone, and what it does not expect is a panic. Here the same loop has to drive
//! the embedded log, time stands still until a story lets it pass, clients send again, and what goes
//! wrong is an error that names the line of a scenario.

use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use scenarios::fixture;
use scenarios::switch::{Command, End, Event};
use zamu_core::guest::columns::MessageColumns;
use zamu_core::guest::{Guest, check};
use zamu_core::log::Limit;
use zamu_core::log::simulated::Simulated;
use zamu_core::model::{self, Context, KindName, PartitionId, Request, Time};
use zamu_core::partition::Status;
use zamu_core::projection::set::Standing;
use zamu_core::projection::{self, Generations, Projections};
use zamu_core::references::References;
use zamu_core::shard::{Effect, PartitionView, Parts, Shard, Step};
use zamu_core::topology::{Topology, TypeSettings};
use zamu_wasm::{Handler, Instance};

use crate::alarms::Alarms;
use crate::components;
use crate::layout::Layout;
use crate::mail::Mail;
use crate::medium::embedded::Embedded;
use crate::medium::simulated::SimulatedMedium;
use crate::medium::{Medium, Place};
use crate::relay::Relay;

/// The deployment that is in force at the beginning; nobody writes or reads the control topic here.
pub(crate) const DEPLOYMENT: u64 = 1;
/// Who sends commands.
const SOURCE: &str = "scenario";
/// After so many rounds a switch must have come to rest. One with every fault there is takes some
/// hundreds.
const ROUNDS_MAX: usize = 20_000;
/// How much of a partition's events is projected at once: few enough that tables lag behind turns.
const PAGE: Limit = Limit { records: 8, bytes: 1 << 20 };
/// What reference tables may take in memory.
const REFERENCE_BYTES_MAX: usize = 64 << 20;
/// So many rounds in which nothing happened are rest: what a log refused is offered again in the next,
/// and one that refuses now and then may do so a few times in a row.
const QUIET_ROUNDS: usize = 10;

/// The transfer switch in the real runtime.
pub struct Runtime {
    // Before the medium: they have its log and store open.
    pub(crate) shards: Vec<Shard>,
    pub(crate) tables: Option<Projections>,
    pub(crate) medium: Box<dyn Medium>,
    pub(crate) mail: Mail,
    pub(crate) relay: Relay,
    pub(crate) alarms: Alarms,
    pub(crate) now: Time,
    pub(crate) topology: Arc<Topology>,
    references: References,
    pub(crate) handlers: Vec<Arc<Handler>>,
    /// By the handler: what shows its events to people.
    viewers: Vec<Instance>,
    /// How often they were deployed anew.
    pub(crate) deployments: usize,
    layout: Layout,
}

impl Runtime {
    /// On a new embedded log and store, in a folder that goes with it.
    ///
    /// # Errors
    /// Names what cannot be loaded or opened, and what to do.
    pub fn embedded(layout: Layout) -> anyhow::Result<Self> {
        Self::begin(layout, |topology, now| Ok(Box::new(Embedded::new(topology, now)?)))
    }

    /// On this simulated log and a store in memory. What the store loses in a crash is drawn from the
    /// seed.
    ///
    /// # Errors
    /// As [`Runtime::embedded`].
    pub fn simulated(layout: Layout, log: &Simulated, seed: u64) -> anyhow::Result<Self> {
        Self::begin(layout, |_, now| Ok(Box::new(SimulatedMedium::new(log, seed, now))))
    }

    fn begin(
        layout: Layout,
        medium: impl FnOnce(&Topology, Time) -> anyhow::Result<Box<dyn Medium>>,
    ) -> anyhow::Result<Self> {
        let handlers = components::load(&layout.projections, &layout.configuration)?;
        let types: Vec<TypeSettings> =
            handlers.iter().flat_map(|handler| layout.types(handler)).collect();
        let specs = handlers.iter().map(|handler| Arc::new(handler.spec().clone())).collect();
        let topology = Arc::new(Topology::new(DEPLOYMENT, types, specs)?);
        let now = Time(fixture::START_MS);
        let mut runtime = Self {
            shards: Vec::new(),
            tables: None,
            references: References::new(&topology),
            medium: medium(&topology, now)?,
            mail: Mail::default(),
            relay: Relay::default(),
            alarms: Alarms::default(),
            now,
            topology,
            viewers: handlers.iter().map(Handler::instance).collect(),
            handlers,
            deployments: 0,
            layout,
        };
        runtime.start()?;
        Ok(runtime)
    }

    /// How many records of commands were found, whenever this came to rest, to be duplicates of
    /// another.
    #[must_use]
    pub fn duplicates(&self) -> usize {
        self.mail.duplicates()
    }

    /// Where every projection stands in every partition.
    #[must_use]
    pub fn standings(&self) -> Vec<Standing> {
        self.tables.as_ref().map(Projections::standings).unwrap_or_default()
    }

    /// Opens the tables, and deals the partitions among new shards.
    fn start(&mut self) -> anyhow::Result<()> {
        self.open_tables()?;
        let all: Vec<PartitionId> = self.topology.partitions().collect();
        for shard in 0..self.layout.shards {
            let mine = all.iter().copied().skip(shard).step_by(self.layout.shards);
            self.add_shard(&mine.collect::<Vec<_>>())?;
        }
        Ok(())
    }

    fn open_tables(&mut self) -> anyhow::Result<()> {
        self.references = References::new(&self.topology);
        let (events, store) = self.medium.tables()?;
        let guest = |index| {
            let handler: &Arc<Handler> = &self.handlers[index];
            (index, Box::new(handler.instance()) as Box<dyn Guest>)
        };
        self.tables = Some(Projections::open(projection::set::Parts {
            topology: Arc::clone(&self.topology),
            makers: self.topology.projections().map(guest).collect(),
            generations: Generations::open(store, &*events)?,
            events,
            watcher: Box::new(self.alarms.clone()),
            page: PAGE,
            references: self.references.clone(),
            seen: zamu_core::references::Seen::default(),
            reference_bytes_max: REFERENCE_BYTES_MAX,
        })?);
        Ok(())
    }

    fn add_shard(&mut self, partitions: &[PartitionId]) -> anyhow::Result<()> {
        let Place { log, store } = self.medium.place(partitions)?;
        let guest = |handler: &Arc<Handler>| Box::new(handler.instance()) as Box<dyn Guest>;
        self.shards.push(Shard::new(Parts {
            log: self.relay.before(log),
            store,
            guests: self.handlers.iter().map(guest).collect(),
            topology: Arc::clone(&self.topology),
            references: self.references.clone(),
            settings: self.layout.settings.clone(),
            observer: Box::new(self.alarms.clone()),
        }));
        Ok(())
    }

    /// How many shards there are.
    pub(crate) fn shards(&self) -> usize {
        self.shards.len()
    }

    /// Where an aggregate lives, and its key.
    pub(crate) fn locate(
        &self,
        aggregate_type: &str,
        key: &str,
    ) -> anyhow::Result<(PartitionId, Bytes)> {
        let id = self.topology.type_named(aggregate_type);
        let id = id.with_context(|| format!("no type {aggregate_type}"))?;
        let key = Bytes::copy_from_slice(key.as_bytes());
        Ok((self.topology.partition(id, &key), key))
    }

    /// Notes a command that is to be sent, under an id of its own; gives its number.
    pub(crate) fn note(&mut self, command: Command) -> anyhow::Result<usize> {
        let (partition, key) = self.locate(&command.aggregate_type, &command.key)?;
        let said = KindName { name: command.kind, ..KindName::default() };
        let kind = self.topology.command_kind(partition.aggregate_type, &said);
        let kind =
            kind.with_context(|| format!("{} takes no {}", command.aggregate_type, said.name))?;
        let id = Bytes::from(format!("c{}", self.mail.len()));
        let context = Context {
            correlation: id.clone(),
            principal: Bytes::from_static(b"anonymous"),
            trace_parent: Bytes::new(),
        };
        let request = Request {
            key,
            kind,
            source: Bytes::from_static(SOURCE.as_bytes()),
            id,
            context: Arc::new(context),
            redrive: None,
            wake: None,
            body: Bytes::from(command.body),
        };
        Ok(self.mail.post(partition, request))
    }

    /// Sends noted commands.
    pub(crate) fn send_noted(&mut self, posts: &[usize]) -> anyhow::Result<()> {
        let unknown = posts.iter().find(|post| **post >= self.mail.len());
        ensure!(unknown.is_none(), "nothing was posted as {unknown:?}");
        self.mail.send(&*self.medium.intake()?, posts);
        Ok(())
    }

    /// Steps one shard. Tells whether there was anything to do.
    pub(crate) fn step_shard(&mut self, number: usize) -> anyhow::Result<bool> {
        let shard = &mut self.shards[number];
        let step = shard.step(self.now);
        for Effect::Durable { partition, record } in shard.take_effects() {
            self.mail.tell(partition, &record)?;
        }
        if step == Step::Fenced {
            self.shards.remove(number);
            let orphans = self.medium.orphans();
            self.add_shard(&orphans)?;
        }
        self.alarms.check()?;
        Ok(!matches!(step, Step::Wait(_)))
    }

    /// Whether any handler makes tables.
    pub(crate) fn makes_tables(&self) -> bool {
        self.topology.projections().next().is_some()
    }

    /// Makes a page of tables. Tells whether there was anything to do.
    pub(crate) fn step_tables(&mut self) -> anyhow::Result<bool> {
        let Some(tables) = &mut self.tables else { return Ok(false) };
        let busy = tables.step()?;
        self.alarms.check()?;
        Ok(busy)
    }

    /// The log gets on.
    pub(crate) fn tick(&mut self) -> anyhow::Result<()> {
        self.medium.get_on(self.now)?;
        self.mail.hear(&*self.medium.intake()?)
    }

    /// One step of every shard and of the tables, and the log gets on. Tells whether there was anything to do.
    fn round(&mut self) -> anyhow::Result<bool> {
        let mut busy = false;
        for number in (0..self.shards.len()).rev() {
            self.tell(number);
            busy |= self.step_shard(number)?;
        }
        busy |= self.step_tables()?;
        self.tick()?;
        Ok(busy)
    }

    /// Goes on until nothing is under way, and compares what clients were told with the log.
    pub(crate) fn rest(&mut self) -> anyhow::Result<()> {
        let mut quiet = 0;
        for _ in 0..ROUNDS_MAX {
            let busy = self.round()?;
            quiet = if busy || !self.is_quiet()? { 0 } else { quiet + 1 };
            if quiet == QUIET_ROUNDS {
                return self.compare();
            }
        }
        bail!("no rest after {ROUNDS_MAX} rounds: {}", self.open())
    }

    /// Goes on until the outcomes of these commands are known.
    pub(crate) fn wait(&mut self, posts: &[usize]) -> anyhow::Result<()> {
        for _ in 0..ROUNDS_MAX {
            let mut known = posts.iter().map(|post| self.mail.outcome(*post));
            if known.all(|outcome| !matches!(outcome, Ok(None))) {
                return Ok(());
            }
            if !self.round()? && self.is_quiet()? {
                // Whose commit was in doubt is answered by the log alone.
                return self.rest();
            }
        }
        bail!("no outcomes after {ROUNDS_MAX} rounds: {}", self.open())
    }

    /// Ends this process and begins another on the same log and store. What was answered before must
    /// have survived.
    pub(crate) fn begin_again(&mut self, end: End) -> anyhow::Result<()> {
        self.mail.hear(&*self.medium.intake()?)?;
        self.shards.clear();
        self.tables = None;
        self.medium.restart(end)?;
        self.compare()?;
        self.start()?;
        self.mail.send_again(&*self.medium.intake()?);
        Ok(())
    }

    /// Events of a partition as its handler shows them.
    pub(crate) fn shown(
        &mut self,
        partition: PartitionId,
        events: &[model::Event],
    ) -> anyhow::Result<Vec<Event>> {
        let of = partition.aggregate_type;
        let owner = self.topology.owner(of);
        let bound = &self.topology.handlers[owner];
        let mut messages = MessageColumns::default();
        for event in events {
            let kind = bound.event(of, &event.kind);
            messages.kind.push(kind.with_context(|| format!("no event {}", event.kind))?);
            let of = bound.type_index(of);
            messages.aggregate_type.push(of.context("an owner knows its type")?);
            messages.bodies.push(&event.body);
        }
        let texts = self.viewers[owner].show(&messages)?;
        check::shown(&texts, events.len())?;
        let read = |(event, text): (&model::Event, &[u8])| {
            Ok(Event { kind: event.kind.name.clone(), body: serde_json::from_slice(text)? })
        };
        events.iter().zip(texts.iter()).map(read).collect()
    }

    /// Does something with the shard that owns a partition.
    pub(crate) fn with_owner<T>(
        &mut self,
        partition: PartitionId,
        mut act: impl FnMut(&mut Shard) -> Result<T, zamu_core::shard::ReadError>,
    ) -> anyhow::Result<T> {
        use zamu_core::shard::ReadError;
        for shard in &mut self.shards {
            match act(shard) {
                Err(ReadError::NotHere) => {}
                done => return Ok(done?),
            }
        }
        bail!("nobody owns {partition:?}")
    }

    fn compare(&mut self) -> anyhow::Result<()> {
        let topology = Arc::clone(&self.topology);
        for partition in topology.partitions() {
            let records = self.medium.records(partition, self.mail.seen(partition))?;
            self.mail.compare(partition, records)?;
        }
        Ok(())
    }

    /// Whether every partition has an owner and has taken all its input, durably, but for what is held
    /// back.
    fn is_quiet(&mut self) -> anyhow::Result<bool> {
        let views = self.views();
        for view in &views {
            ensure!(view.dead_letters == 0, "dead letters in {view:?}");
        }
        Ok(self.mail.has_arrived()
            && self.relay.is_empty()
            && self.medium.is_durable()
            && views.len() == self.topology.partitions().count()
            && views.iter().all(|view| self.has_taken_all(view)))
    }

    fn views(&mut self) -> Vec<PartitionView> {
        self.shards.iter_mut().flat_map(Shard::view).collect()
    }

    /// What is still to be done, for an error.
    fn open(&mut self) -> String {
        let arrived = if self.mail.has_arrived() { "arrived" } else { "are under way" };
        let mut views = self.views();
        views.retain(|view| !self.has_taken_all(view));
        format!("commands {arrived}; partitions with work: {views:?}")
    }

    fn has_taken_all(&self, view: &PartitionView) -> bool {
        view.status == Status::Running
            && view.position.requests >= view.ends.requests
            && (view.position.commands >= view.ends.commands
                || self.relay.holds_back(view.partition.aggregate_type))
    }
}
