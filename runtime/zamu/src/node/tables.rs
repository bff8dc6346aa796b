//! The tables of a node, and the threads that make them.
//!
//! Reference tables are made on a thread of their own, as urgent as the shards: decisions look things
//! up in them. All others are made on another one, which may be told to stay behind. Queries never ask
//! a thread: they read the store.

mod courtesy;
mod maker;
mod teller;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::{oneshot, watch};
use zamu_core::error::EngineError;
use zamu_core::guest::Guest;
use zamu_core::log::Limit;
use zamu_core::model::PartitionId;
use zamu_core::projection::set::Parts;
use zamu_core::projection::{Generations, OrderError, Projections, Stale};
use zamu_core::proto::TableProjection;
use zamu_core::references::{References, Seen};
use zamu_core::topology::{HandlerIndex, Topology};
use zamu_rocks::LogReader;

use self::maker::{Drive, Maker};
use self::teller::Teller;
use super::shards::{CallError, Doorbell};
use crate::config::{self, Pace};
use crate::telemetry::Metrics;

/// For no longer than this reference tables gather events, whatever others do.
const MOMENT: Duration = Duration::from_millis(10);

/// The tables of a running node.
pub struct Tables {
    /// The rows.
    pub store: zamu_rocks::Tables,
    makers: Vec<Maker>,
    generations: Generations,
    /// For tables that no thread makes: nothing ever becomes of them.
    still: watch::Sender<()>,
    stopping: Arc<AtomicBool>,
    stopped: Stopped,
}

/// Where projections have stopped.
#[derive(Clone, Debug, Default)]
struct Stopped(Arc<Mutex<Stops>>);

/// By projection, whether it is of the tables that are served, and partition.
type Stops = BTreeMap<(Arc<str>, bool, PartitionId), Stale>;

/// Tables that are not removed.
#[derive(Debug, thiserror::Error)]
pub enum DropError {
    /// They have an owner.
    #[error(
        "handler `{0}` makes these tables: take it out of the configuration and restart before you drop \
         them, or `zamu tables rebuild {0}` to have them made anew"
    )]
    Made(String),
    /// There are none.
    #[error("no projection `{0}` has left any tables: `zamu tables` lists those that there are")]
    Unknown(String),
    /// The store failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// What the threads are made of.
pub struct Start<'a> {
    /// Who does what.
    pub topology: &'a Arc<Topology>,
    /// The handlers that make tables, with an instance of each.
    pub makers: Vec<(HandlerIndex, Box<dyn Guest>)>,
    /// A reader for them.
    pub log: LogReader,
    /// The rows.
    pub store: zamu_rocks::Tables,
    /// Everything that is counted.
    pub metrics: &'a Arc<Metrics>,
    /// Where reference tables are shown.
    pub references: &'a References,
    /// How far earlier turns had seen them.
    pub seen: Seen,
    /// Rung when a reference table is ready: partitions may wait for it.
    pub bells: Vec<Doorbell>,
    /// How much they do at once, and how urgently.
    pub settings: &'a config::Projections,
    /// Told that a thread has ended when it should not have.
    pub failed: Arc<dyn Fn(String) + Send + Sync>,
}

impl Tables {
    /// Opens the tables and starts the threads.
    ///
    /// # Errors
    /// When the tables cannot be read or are of another log, or a thread cannot be started.
    pub fn start(mut start: Start<'_>) -> anyhow::Result<(Self, Vec<JoinHandle<()>>)> {
        let generations = Generations::open(Arc::new(start.store.clone()), &start.log)?;
        let mut tables = Self {
            store: start.store.clone(),
            makers: Vec::new(),
            generations: generations.clone(),
            still: watch::Sender::new(()),
            stopping: Arc::default(),
            stopped: Stopped::default(),
        };
        let makers = std::mem::take(&mut start.makers);
        let is_reference = |(handler, _): &(HandlerIndex, _)| {
            start.topology.reference_tables.iter().any(|table| table.projection == *handler)
        };
        let (urgent, others): (Vec<_>, Vec<_>) = makers.into_iter().partition(is_reference);
        let mut threads = Vec::new();
        let gather = Duration::from_millis(start.settings.gather_ms);
        for (thread, makers, pace, gather) in [
            ("zamu-reference", urgent, Pace::Beside, gather.min(MOMENT)),
            ("zamu-tables", others, start.settings.pace, gather),
        ] {
            if makers.is_empty() {
                continue;
            }
            let doorbell = Doorbell::default();
            let ring = doorbell.clone();
            let subscription = start.log.subscribe(Arc::new(move || ring.ring()));
            let drive = tables.drive(&start, makers, &generations, (pace, gather))?;
            let (maker, handle) = Maker::start(thread, drive, doorbell, subscription)
                .with_context(|| format!("cannot start the thread {thread}"))?;
            tables.makers.push(maker);
            threads.push(handle);
        }
        Ok((tables, threads))
    }

    fn drive(
        &self,
        start: &Start<'_>,
        makers: Vec<(HandlerIndex, Box<dyn Guest>)>,
        generations: &Generations,
        (pace, gather): (Pace, Duration),
    ) -> anyhow::Result<Drive> {
        let Start { topology, log, metrics, references, seen, bells, settings, failed, .. } = start;
        // Each thread has news of its own: who waits for its tables need not look when others change.
        let tell = watch::Sender::new(());
        let watcher = Teller {
            tell: tell.clone(),
            metrics: Arc::clone(metrics),
            types: topology.types.iter().map(|t| Arc::clone(&t.name)).collect(),
            bells: bells.clone(),
        };
        let set = Projections::open(Parts {
            topology: Arc::clone(topology),
            makers,
            events: Box::new(log.clone()),
            generations: generations.clone(),
            watcher: Box::new(watcher),
            page: Limit { records: settings.page_events, bytes: settings.page_bytes },
            references: (*references).clone(),
            seen: seen.clone(),
            reference_bytes_max: settings.reference_bytes_max,
        })?;
        Ok(Drive {
            set,
            stopping: Arc::clone(&self.stopping),
            hurried: Arc::default(),
            stopped: self.stopped.clone(),
            tell,
            gather,
            pace,
            failed: Arc::clone(failed),
        })
    }

    /// Begins to build a projection's tables anew. Gives the number of the generation.
    ///
    /// # Errors
    /// When there is no such projection, or its thread cannot be asked.
    pub async fn rebuild(&self, name: String) -> Result<Result<u32, OrderError>, CallError> {
        let Some(maker) = self.maker(&name) else { return Ok(Err(OrderError::Unknown(name))) };
        maker.order(move |set| set.rebuild(&name)).await
    }

    /// Has a projection that stopped try again. Gives in how many partitions it had.
    ///
    /// # Errors
    /// As for [`Tables::rebuild`].
    pub async fn resume(&self, name: String) -> Result<Result<usize, OrderError>, CallError> {
        let Some(maker) = self.maker(&name) else { return Ok(Err(OrderError::Unknown(name))) };
        maker.order(move |set| set.resume(&name)).await
    }

    /// Removes the tables of a projection that no handler makes any more. Blocks while it writes.
    ///
    /// # Errors
    /// When a handler makes them, there are none, or the store fails. Nothing has changed then.
    pub fn drop_orphaned(&self, name: &str) -> Result<TableProjection, DropError> {
        if self.makes(name) {
            return Err(DropError::Made(name.to_owned()));
        }
        let dropped = self.generations.forget(name)?;
        dropped.ok_or_else(|| DropError::Unknown(name.to_owned()))
    }

    /// Whether a handler makes the tables of a projection.
    #[must_use]
    pub fn makes(&self, projection: &str) -> bool {
        self.maker(projection).is_some()
    }

    /// Has another version of a handler make its tables from now on, as soon as the thread comes to it;
    /// those that are asked for one after another come so. What was replaced comes back then, or
    /// nothing if the thread has stopped. `None` where it makes no tables.
    pub async fn succeed(
        &self,
        name: String,
        topology: Arc<Topology>,
        guest: (HandlerIndex, Box<dyn Guest>),
    ) -> Option<oneshot::Receiver<Vec<Box<dyn Guest>>>> {
        let maker = self.maker(&name)?;
        Some(maker.insist(move |set| set.succeed(&topology, vec![guest])).await)
    }

    /// Why a projection has stopped in a partition, if it has: of the tables that are served, or of
    /// those that are built.
    #[must_use]
    pub fn stale(&self, projection: &str, served: bool, partition: PartitionId) -> Option<Stale> {
        self.stopped.lock().get(&(projection.into(), served, partition)).cloned()
    }

    /// Changes when rows have changed that are made on the thread of this projection, or something about
    /// them has.
    #[must_use]
    pub fn news(&self, projection: &str) -> watch::Receiver<()> {
        self.maker(projection).map_or_else(|| self.still.subscribe(), Maker::news)
    }

    /// Somebody waits for the newest rows of a projection.
    pub fn hurry(&self, projection: &str) {
        if let Some(maker) = self.maker(projection) {
            maker.hurry();
        }
    }

    /// Tells the threads to end.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        for maker in &self.makers {
            maker.hurry();
        }
    }

    fn maker(&self, projection: &str) -> Option<&Maker> {
        self.makers.iter().find(|maker| maker.makes(projection))
    }
}

impl Stopped {
    fn lock(&self) -> MutexGuard<'_, Stops> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As this set has it now; what is known of others stays.
    fn set(&self, set: &Projections) {
        let stale = set.standings().into_iter().filter_map(|standing| {
            Some(((standing.projection, standing.served, standing.partition), standing.stale?))
        });
        let stale: Vec<_> = stale.collect();
        let mut stops = self.lock();
        stops.retain(|(projection, ..), _| !set.names().any(|name| name == projection));
        stops.extend(stale);
    }
}
