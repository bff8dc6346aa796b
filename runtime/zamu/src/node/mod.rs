//! A node: puts log, store, handlers, shards, threads and clock together, and takes them down.
//!
//! ```text
//! entrance ──append──> log ──take──> shards (threads) ──commit──> log
//!     ^                                  │ durable
//!     └── answers <──────────────────────┘
//! ```
//! What talks to clients is left to `http`; it sees only [`Services`].

pub mod answers;
mod aside;
mod crew;
mod deployer;
mod deployment;
mod enact;
mod history;
mod in_force;
mod intake;
mod kinds;
mod outcomes;
mod prepared;
mod shards;
mod tables;
mod viewer;
mod watchman;

use std::fs;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use bytes::Bytes;
use tokio::sync::watch;
use zamu_core::model::{Event, Kind, Time, TypeId};
use zamu_core::outcomes::decode_record;
use zamu_core::partition::Status;
use zamu_core::references::{References, Seen};
use zamu_core::shard::PartitionView;
use zamu_core::topology::{Topology, TypeSettings, Types};
use zamu_rocks::{EmbeddedLog, LogOptions, LogReader, RocksStore, StoreOptions, Subscription};

use crate::config::{Config, ReactsFrom};
use crate::handlers::{History, Workshop};
use crate::json::Terms;
use crate::telemetry::{GuestCounters, Metrics};

use self::crew::Crew;
use self::watchman::Watchman;

pub use answers::{Answer, Answers, Asked, Recent, Wait};
pub use deployer::Deployer;
pub use deployment::{DeployError, Deployed, Order, What};
pub use history::EventsAfter;
pub use in_force::{Handlers, InForce};
pub use intake::{Entrance, Refusal};
pub use kinds::{Kinds, UnknownKind};
pub use outcomes::{Found, find};
pub use shards::{CallError, Shards, deal};
pub use tables::{DropError, Tables};
pub use viewer::Viewer;

/// What a running node offers to whoever talks to clients.
pub struct Services {
    /// The aggregate types.
    pub types: Types,
    /// Names for what records only number.
    pub terms: Terms,
    /// The handlers, and what follows from them.
    pub in_force: InForce,
    /// Shows messages to people.
    pub viewer: Viewer,
    /// Puts others in force.
    pub deployer: Deployer,
    /// The way in.
    pub entrance: Entrance,
    /// Who waits for answers.
    pub answers: Arc<Answers>,
    /// Reads and orders for partitions.
    pub shards: Shards,
    /// What projections make.
    pub tables: Tables,
    /// The log; [`EmbeddedLog::reader`] gives a reader of one's own.
    pub log: EmbeddedLog,
    /// A reader for single looks.
    pub reader: LogReader,
    /// Everything that is counted.
    pub metrics: Arc<Metrics>,
    /// What guests use.
    pub guests: GuestCounters,
    /// Changes when something has become durable.
    pub news: watch::Receiver<()>,
    /// True from the moment the node stops.
    pub stopping: watch::Receiver<bool>,
    _subscription: Subscription,
}

/// A running node. Dropping it without [`Node::stop`] leaves its threads running.
pub struct Node {
    services: Arc<Services>,
    threads: Vec<JoinHandle<()>>,
    stop: watch::Sender<bool>,
    failure: watch::Receiver<Option<String>>,
    started: Instant,
    drain: Duration,
    watchman: Watchman,
}

impl Services {
    /// Events of one type, for people: see [`Viewer`].
    pub fn show_events(&self, of: TypeId, events: &mut [Event]) {
        self.viewer.show_events(&self.in_force, of, events);
    }

    /// A command of this type or an event of it, for people: see [`Viewer`].
    #[must_use]
    pub fn show_body(&self, of: TypeId, kind: &Kind, body: &Bytes) -> Option<Bytes> {
        self.viewer.show_body(&self.in_force, of, kind, body)
    }
}

impl Node {
    /// Opens everything and starts the shards. Partitions restore themselves afterwards: see
    /// [`Node::ready`].
    ///
    /// # Errors
    /// Names what cannot be opened or does not fit, and the remedy. Nothing runs then.
    pub fn start(config: &Config) -> Result<Self> {
        let started = Instant::now();
        let data = &config.data;
        fs::create_dir_all(data)
            .with_context(|| format!("cannot make the data directory {}", data.display()))?;
        let workshop = Workshop::open(config.guest_limits(), data)?;
        let configured = workshop.load_configured(&config.handlers)?;
        let types = Types::from(config.type_settings());
        let configured: Vec<_> = configured
            .into_iter()
            .map(|handler| {
                let from = config.handlers.get(&*handler.spec().name).and_then(|of| of.from);
                (handler, from.map(ReactsFrom::start))
            })
            .collect();
        let choose = |history: &History| {
            let from_file = config.handlers_from_file;
            enact::choose(&types, history, &workshop, &configured, from_file)
        };
        // Before anything is opened or written: do the handlers fit together? Those of the file need not
        // where others were deployed.
        let of_file: Vec<_> =
            configured.iter().map(|(handler, _)| Arc::new(handler.spec().clone())).collect();
        if let Err(misfit) = Topology::new(0, types.clone(), of_file) {
            let Ok(log) = EmbeddedLog::open_read_only(data) else { return Err(misfit.into()) };
            choose(&History::read(&log)?)?;
        }
        let log = open_log(config, &types)?;
        // Only now nobody else has the folder.
        workshop.tidy();
        let reader = log.reader();
        let history = History::read(&reader)?;
        let mut start = choose(&history)?;
        enact::enact(&log, &history, &mut start)?;
        let enact::Start { topology, loaded, .. } = start;
        let deployment = topology.deployment;
        let store = open_store(config, &types)?;
        tracing::info!(deployment, epoch = log.epoch(), data = %data.display(), "log and store are open");

        let metrics = Arc::new(Metrics::new());
        let answers = Arc::new(Answers::new(&topology));
        let entrance = Entrance::new(
            log.intake(),
            Arc::clone(&answers),
            &topology,
            config.http.lag_max,
            metrics.append_seconds.clone(),
        );
        let seen = catch_up(&topology, &reader, &answers, &entrance)?;
        let (failed, failure) = watch::channel(None);
        let failed = move |reason: String| {
            tracing::error!(reason, "the node cannot go on");
            failed.send_replace(Some(reason));
        };
        let failed: Arc<dyn Fn(String) + Send + Sync> = Arc::new(failed);
        let deployer = Deployer::new(workshop, &config.deployments, Arc::clone(&failed))?;
        let outside = shards::Outside {
            answers: Arc::clone(&answers),
            clock: Arc::new(clock),
            failed: Arc::clone(&failed),
        };
        let references = References::new(&topology);
        let guests = GuestCounters::default();
        let (watched, watchman) = watchman::watch();
        let crew = Crew::new(crew::Start {
            config,
            topology: &topology,
            loaded: &loaded,
            log: &log,
            store: &store,
            metrics: &metrics,
            references: &references,
            guests: &guests,
            watched: &watched,
        })?;
        let (tables, table_threads) = Tables::start(tables::Start {
            topology: &topology,
            makers: crew::projecting(&topology, &loaded, &guests),
            log: log.reader(),
            store: store.tables(),
            metrics: &metrics,
            references: &references,
            seen,
            bells: crew.starts.iter().map(|start| start.doorbell.clone()).collect(),
            settings: &config.projections,
            failed,
        })
        .context("cannot open the tables")?;
        let (shards, mut threads) = Shards::start(crew.owners, crew.starts, &outside)
            .context("cannot start the shards' threads")?;
        threads.extend(table_threads);
        let (tell, news) = watch::channel(());
        let subscription = reader.subscribe(Arc::new(move || {
            tell.send_replace(());
        }));
        let (stop, stopping) = watch::channel(false);
        let services = Services {
            terms: Terms { types: types.iter().map(|t| Arc::clone(&t.name)).collect(), history },
            types,
            in_force: InForce::new(topology, loaded),
            viewer: Viewer::default(),
            deployer,
            entrance,
            answers,
            shards,
            tables,
            log,
            reader,
            metrics,
            guests,
            news,
            stopping,
            _subscription: subscription,
        };
        let drain = Duration::from_millis(config.shards.drain_ms);
        let services = Arc::new(services);
        Ok(Self { services, threads, stop, failure, started, drain, watchman })
    }

    /// What the node offers.
    #[must_use]
    pub fn services(&self) -> Arc<Services> {
        Arc::clone(&self.services)
    }

    /// Waits until no partition is being restored, and logs how long that took.
    ///
    /// # Errors
    /// When the node fails meanwhile.
    pub async fn ready(&self) -> Result<()> {
        let mut failure = self.failure.clone();
        loop {
            let views = self.services.shards.views().await?;
            let restoring = views.iter().any(|view| view.status == Status::Restoring);
            if !restoring && views.len() == self.services.types.partitions().count() {
                let running = views.iter().filter(|v| v.status == Status::Running).count();
                let seconds = self.started.elapsed().as_secs_f64();
                let types = self.services.terms.types.iter().map(|name| &**name);
                let (turns, events) = self.services.metrics.restored(types);
                let partitions = views.len();
                tracing::info!(partitions, running, turns, events, seconds, "ready");
                return Ok(());
            }
            // Restoring makes its own progress; this only looks at it.
            if tokio::time::timeout(LOOK, failure.changed()).await.is_ok() {
                self.check()?;
            }
        }
    }

    /// Comes back when the node cannot go on, with the reason.
    pub async fn failed(&self) -> String {
        let mut failure = self.failure.clone();
        let seen = failure.wait_for(Option::is_some).await;
        seen.ok().and_then(|reason| reason.clone()).unwrap_or_else(|| "all shards ended".to_owned())
    }

    /// Rolls back versions of handlers that break, for as long as it is polled.
    pub async fn keep_watch(&self) {
        self.watchman.keep(&self.services).await;
    }

    /// Takes no more commands and finishes what was taken, for as long as is configured.
    pub async fn drain(&self) {
        self.services.entrance.close();
        let end = Instant::now() + self.drain;
        let mut news = self.services.news.clone();
        while Instant::now() < end {
            match self.services.shards.views().await {
                Ok(views) if views.iter().all(is_drained) => break,
                Ok(_) => {}
                Err(_) => break,
            }
            // Whether something became durable or not: look again.
            drop(tokio::time::timeout(LOOK, news.changed()).await);
        }
        self.stop.send_replace(true);
        self.services.answers.give_up();
    }

    /// Ends the threads of shards and of tables: what is in flight is finished and changed states are written. The
    /// log is closed when the last user of [`Services`] is gone.
    ///
    /// # Errors
    /// When a thread had panicked.
    pub fn stop(self) -> Result<()> {
        self.stop.send_replace(true);
        self.services.entrance.close();
        self.services.answers.give_up();
        self.services.shards.stop();
        self.services.tables.stop();
        for thread in self.threads {
            let name = thread.thread().name().unwrap_or("shard").to_owned();
            thread.join().map_err(|_| anyhow::anyhow!("thread {name} had panicked"))?;
        }
        tracing::info!("all shards have stopped");
        Ok(())
    }

    fn check(&self) -> Result<()> {
        match &*self.failure.borrow() {
            Some(reason) => Err(anyhow::anyhow!(reason.clone())),
            None => Ok(()),
        }
    }
}

/// How long between two looks at something that tells nobody when it changes.
const LOOK: Duration = Duration::from_millis(20);

/// Milliseconds since 1970. Append times are kept from going back by the log.
fn clock() -> Time {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Time(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Nothing waits, or nothing will be taken anyway.
fn is_drained(view: &PartitionView) -> bool {
    !matches!(view.status, Status::Running | Status::Restoring)
        || (view.position == view.ends && view.status == Status::Running)
}

fn open_log(config: &Config, types: &[TypeSettings]) -> Result<EmbeddedLog> {
    let log = &config.log;
    let options = LogOptions {
        retention: Duration::from_secs(log.retention_hours * 3_600),
        segment_bytes: log.segment_bytes,
        segment_age: Duration::from_secs(log.segment_minutes * 60),
        queue_jobs: log.queue_jobs,
        queue_bytes: log.queue_bytes,
        group_bytes: log.group_bytes,
        tail_bytes: log.tail_bytes,
        write_buffer_bytes: log.write_buffer_bytes,
        block_cache_bytes: log.block_cache_bytes,
        ..LogOptions::default()
    };
    Ok(EmbeddedLog::open(&config.data, options, &names(types), Arc::new(clock))?)
}

fn open_store(config: &Config, types: &[TypeSettings]) -> Result<RocksStore> {
    let options = StoreOptions {
        block_cache_bytes: config.store.block_cache_bytes,
        write_buffer_bytes: config.store.write_buffer_bytes,
        ..StoreOptions::default()
    };
    Ok(RocksStore::open(&config.data, &options, &names(types))?)
}

fn names(types: &[TypeSettings]) -> Vec<(&str, u32)> {
    types.iter().map(|t| (&*t.name, t.partitions)).collect()
}

/// Tells who waits and who lets in where each partition stood when it was opened. Gives how far turns
/// had seen reference tables by then.
fn catch_up(
    topology: &Topology,
    reader: &LogReader,
    answers: &Answers,
    entrance: &Entrance,
) -> Result<Seen> {
    let mut seen = Seen::nothing(topology);
    for partition in topology.partitions() {
        entrance.opened(partition, reader.ends(partition)?.requests);
        if let Some((turn, bytes)) = reader.last_outcome(partition)? {
            let record = decode_record(&bytes).with_context(|| {
                let name = &topology.settings(partition.aggregate_type).name;
                format!("batch record of turn {turn} of {name}/{}", partition.number)
            })?;
            answers.restored(partition, record.requests.map_or(0, |range| range.next));
            seen.add(topology, partition, &record);
        }
    }
    Ok(seen)
}
