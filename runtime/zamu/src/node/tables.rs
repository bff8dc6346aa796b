//! The thread that makes tables: behind the log, and less urgent than the shards.
//!
//! It steps the core's [`Projections`] until there is nothing left to do, then parks until something
//! has become durable. Orders run between two steps. Queries never ask it: they read the store.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use tokio::sync::{oneshot, watch};
use zamu_core::error::EngineError;
use zamu_core::guest::Guest;
use zamu_core::log::Limit;
use zamu_core::model::PartitionId;
use zamu_core::projection::set::{Committed, Parts};
use zamu_core::projection::{Projections, Stale, Watcher};
use zamu_core::proto::TableGeneration;
use zamu_core::references::References;
use zamu_core::topology::Topology;
use zamu_rocks::{LogReader, Subscription};

use super::shards::{CallError, Doorbell, STACK_BYTES};
use crate::config;
use crate::telemetry::{Metrics, ProjectionLabels};

/// Orders that may wait.
const ORDERS_MAX: usize = 64;
/// The longest time without a look around, in case a wake-up was missed.
const LOOK_AROUND: Duration = Duration::from_secs(1);

/// Carried out between two steps. What it leaves tells the one who ordered, once all others can see
/// what it did.
type Order = Box<dyn FnOnce(&mut Projections) -> Tell + Send>;
type Tell = Box<dyn FnOnce() + Send>;

/// The tables of a running node.
pub struct Tables {
    /// The rows.
    pub store: zamu_rocks::Tables,
    /// Changes when rows have changed, or something about them has.
    pub news: watch::Receiver<()>,
    orders: Sender<Order>,
    doorbell: Doorbell,
    stopping: Arc<AtomicBool>,
    stopped: Stopped,
    _subscription: Subscription,
}

/// Where projections have stopped.
#[derive(Clone, Debug, Default)]
struct Stopped(Arc<Mutex<Stops>>);

/// By projection, whether it is of the tables that are served, and partition.
type Stops = BTreeMap<(Arc<str>, bool, PartitionId), Stale>;

/// What the thread is made of.
pub struct Start<'a> {
    /// Who does what.
    pub topology: &'a Arc<Topology>,
    /// An instance of each handler that makes tables, by name.
    pub guests: Vec<Box<dyn Guest>>,
    /// A reader of its own.
    pub log: LogReader,
    /// The rows.
    pub store: zamu_rocks::Tables,
    /// Everything that is counted.
    pub metrics: &'a Arc<Metrics>,
    /// Where reference tables are shown.
    pub references: &'a References,
    /// Rung when a reference table is ready: partitions may wait for it.
    pub bells: Vec<Doorbell>,
    /// How much it does at once, and how urgently.
    pub settings: &'a config::Projections,
    /// Told that the thread has ended when it should not have.
    pub failed: Arc<dyn Fn(String) + Send + Sync>,
}

impl Tables {
    /// Opens the tables and starts the thread.
    ///
    /// # Errors
    /// When the tables cannot be read or are of another log, or the thread cannot be started.
    pub fn start(start: Start<'_>) -> anyhow::Result<(Self, JoinHandle<()>)> {
        let Start { topology, guests, log, store, metrics, references, bells, settings, failed } =
            start;
        let (tell, news) = watch::channel(());
        let stopped = Stopped::default();
        let watcher = Teller {
            tell: tell.clone(),
            metrics: Arc::clone(metrics),
            types: topology.types.iter().map(|t| Arc::clone(&t.name)).collect(),
            bells,
        };
        let doorbell = Doorbell::default();
        let ring = doorbell.clone();
        let subscription = log.subscribe(Arc::new(move || ring.ring()));
        let set = Projections::open(Parts {
            topology: Arc::clone(topology),
            guests,
            events: Box::new(log),
            store: Arc::new(store.clone()),
            watcher: Box::new(watcher),
            page: Limit { records: settings.page_events, bytes: settings.page_bytes },
            references: references.clone(),
            reference_bytes_max: settings.reference_bytes_max,
        })?;
        let (orders, inbox) = bounded(ORDERS_MAX);
        let stopping = Arc::new(AtomicBool::new(false));
        let drive = Drive {
            set,
            inbox,
            stopping: Arc::clone(&stopping),
            stopped: stopped.clone(),
            tell,
            gather: Duration::from_millis(settings.gather_ms),
            nice: i32::from(settings.nice),
            failed,
        };
        let bell = doorbell.clone();
        let thread = thread::Builder::new()
            .name("zamu-tables".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || {
                bell.belongs_here();
                drive.run();
            })?;
        let tables =
            Self { store, news, orders, doorbell, stopping, stopped, _subscription: subscription };
        Ok((tables, thread))
    }

    /// Has the thread do something; the result comes when it has.
    ///
    /// # Errors
    /// When too many orders wait, or the thread has stopped.
    pub async fn order<T: Send + 'static>(
        &self,
        what: impl FnOnce(&mut Projections) -> T + Send + 'static,
    ) -> Result<T, CallError> {
        let (tell, told) = oneshot::channel();
        let order: Order = Box::new(move |set| {
            let done = what(set);
            // Nobody may be there any more to hear it.
            Box::new(move || drop(tell.send(done)))
        });
        self.orders.try_send(order).map_err(|error| match error {
            crossbeam_channel::TrySendError::Full(_) => CallError::Busy,
            crossbeam_channel::TrySendError::Disconnected(_) => CallError::Gone,
        })?;
        self.doorbell.ring();
        told.await.map_err(|_| CallError::Gone)
    }

    /// Why a projection has stopped in a partition, if it has: of the tables that are served, or of
    /// those that are built.
    #[must_use]
    pub fn stale(&self, projection: &str, served: bool, partition: PartitionId) -> Option<Stale> {
        self.stopped.lock().get(&(projection.into(), served, partition)).cloned()
    }

    /// Tells the thread to end.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.doorbell.ring();
    }
}

impl Stopped {
    fn lock(&self) -> MutexGuard<'_, Stops> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, set: &Projections) {
        let stale = set.standings().into_iter().filter_map(|standing| {
            Some(((standing.projection, standing.served, standing.partition), standing.stale?))
        });
        *self.lock() = stale.collect();
    }
}

/// Counts, logs, and tells who waits for rows or for a table.
struct Teller {
    tell: watch::Sender<()>,
    metrics: Arc<Metrics>,
    types: Vec<Arc<str>>,
    bells: Vec<Doorbell>,
}

impl Watcher for Teller {
    fn changed(&mut self, committed: &Committed<'_>) {
        let labels = ProjectionLabels { projection: committed.projection.to_owned() };
        let rows = committed.write.puts.len() + committed.write.deletes.len();
        self.metrics.table_events.get_or_create(&labels).inc_by(committed.events);
        self.metrics.table_rows.get_or_create(&labels).inc_by(rows as u64);
        self.tell.send_replace(());
    }

    fn stopped(&mut self, projection: &str, partition: PartitionId, stale: &Stale) {
        let labels = ProjectionLabels { projection: projection.to_owned() };
        self.metrics.table_stops.get_or_create(&labels).inc();
        let r#type = self.types.get(usize::from(partition.aggregate_type.0));
        tracing::warn!(
            projection,
            r#type = r#type.map(|name| &**name),
            partition = partition.number,
            event = stale.event,
            reason = stale.reason,
            "tables are stale: mend the projection and restart, or `zamu tables resume`"
        );
    }

    fn served(&mut self, projection: &str, generation: &TableGeneration) {
        tracing::info!(projection, generation = generation.number, "newly built tables are served");
        self.tell.send_replace(());
    }

    fn pending(&mut self, table: &str, why: &str) {
        tracing::warn!(table, why, "partitions that look things up in this table wait for it");
    }

    fn ready(&mut self, table: &str) {
        tracing::info!(table, "reference table is ready");
        for bell in &self.bells {
            bell.ring();
        }
    }
}

struct Drive {
    set: Projections,
    inbox: Receiver<Order>,
    stopping: Arc<AtomicBool>,
    stopped: Stopped,
    tell: watch::Sender<()>,
    gather: Duration,
    nice: i32,
    failed: Arc<dyn Fn(String) + Send + Sync>,
}

impl Drive {
    fn run(mut self) {
        be_nice(self.nice);
        while !self.stopping.load(Ordering::Acquire) {
            for order in self.inbox.try_iter().take(ORDERS_MAX) {
                let tell = order(&mut self.set);
                self.stopped.set(&self.set);
                self.tell.send_replace(());
                tell();
            }
            match self.set.step() {
                Ok(true) => self.stopped.set(&self.set),
                Ok(false) => {
                    thread::park_timeout(LOOK_AROUND);
                    // What comes next to each other costs less together.
                    thread::sleep(self.gather);
                }
                Err(error @ EngineError::Retry(_)) => {
                    tracing::warn!(%error, "making tables goes on later");
                    thread::park_timeout(LOOK_AROUND);
                }
                Err(error) => {
                    (self.failed)(format!("no more tables can be made: {error}"));
                    return;
                }
            }
        }
    }
}

impl Drop for Drive {
    fn drop(&mut self) {
        if thread::panicking() {
            (self.failed)("the thread of tables panicked: see above".to_owned());
        }
    }
}

/// The shards' threads come first where there are not enough cores for all.
fn be_nice(nice: i32) {
    // SAFETY: takes and gives numbers only; 0 is the calling thread. Where the system does not allow
    // it, nothing changes.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) };
}
