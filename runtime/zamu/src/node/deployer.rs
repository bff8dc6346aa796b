//! Puts other versions of handlers in force while the node runs.
//!
//! One deployment at a time: the component is loaded and checked, instances are made for every shard,
//! then the control topic gets the record, and only then shards change over, each between two of its
//! steps. What can fail fails before the record is written; what comes after it goes on whoever has
//! asked.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use zamu_core::guest::Guest;
use zamu_core::guest::manifest::HandlerSpec;
use zamu_core::model::DeploymentNumber;
use zamu_core::proto::{DeployedHandler, Deployment};
use zamu_core::shard::Succession;
use zamu_core::topology::{HandlerIndex, StartFrom, SuccessionError, Topology, Types, WiringError};
use zamu_rocks::EmbeddedLog;
use zamu_wasm::Handler;

use super::{Handlers, Services, clock};
use crate::config;
use crate::handlers::{
    Chosen, DeploymentError, History, Proposal, Workshop, added, previous, specs, starts,
};
use crate::json::Flow;

/// Where other versions are made ready. One deployment at a time.
pub struct Deployer {
    workshop: Workshop,
    bounds: config::Deployments,
    desk: Mutex<()>,
}

/// What is to be put in force.
#[derive(Clone, Debug)]
pub enum What {
    /// A component, and its configuration if it is not to keep the one of the version in force.
    Component {
        /// Its bytes.
        wasm: Bytes,
        /// JSON, or nothing.
        configuration: Option<Bytes>,
        /// From which event on it reacts where it has not reacted to all. One that is not in force yet
        /// is added if this is said.
        from: Option<StartFrom>,
    },
    /// Another configuration of the component that is in force.
    Configuration {
        /// Of which handler.
        handler: String,
        /// JSON, or nothing.
        configuration: Bytes,
    },
    /// What a handler was before.
    RollBack {
        /// Which handler.
        handler: String,
        /// Under this deployment; otherwise before its newest version.
        to: Option<DeploymentNumber>,
    },
}

/// Who asks, and why.
#[derive(Clone, Debug, Default)]
pub struct Order {
    /// Who.
    pub principal: String,
    /// Why, for people.
    pub reason: String,
}

/// A deployment that was made, or could be.
#[derive(Clone, Debug)]
pub struct Deployed {
    /// The version.
    pub spec: Arc<HandlerSpec>,
    /// The version that was in force; none of a handler that is new.
    pub before: Option<DeployedHandler>,
    /// Kinds that nobody else knows any more, or yet: of which type, which, and what is missing.
    pub loose: Vec<(String, String, &'static str)>,
    /// What came of it, unless it was only asked whether it could be made.
    pub swap: Option<Swap>,
}

/// How the shards changed over.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Swap {
    /// The number of the deployment.
    pub deployment: DeploymentNumber,
    /// The longest time for which a shard did nothing else.
    pub stall: Duration,
    /// The longest time from the end of a shard's last step before it to the end of its first step after
    /// it: what a partition may have waited between two turns, the turns themselves included.
    pub gap: Duration,
    /// From the moment the first shard was told until the last one had changed over.
    pub spread: Duration,
}

/// A deployment that was not made. Everything is as it was.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// There is no such handler.
    #[error(
        "there is no handler `{handler}`; there are {known}. One that only reacts to events is added if it is said from which one on: `from` is `beginning` or `now`"
    )]
    New {
        /// Its name.
        handler: String,
        /// Those that there are.
        known: String,
    },
    /// There is no such handler.
    #[error("there is no handler `{handler}`; there are {known}")]
    Unknown {
        /// As it was asked for.
        handler: String,
        /// Those that there are.
        known: String,
    },
    /// It does not load.
    #[error("{0:#}")]
    Load(anyhow::Error),
    /// The handlers would not fit together.
    #[error(transparent)]
    Wiring(#[from] WiringError),
    /// It cannot take over from what is in force.
    #[error(transparent)]
    Succession(#[from] SuccessionError),
    /// It is in force already.
    #[error("this version of `{0}` is in force already, with this configuration")]
    Same(String),
    /// There is no earlier version.
    #[error("`{0}` has no earlier version to go back to: `zamu handlers history` lists all")]
    First(String),
    /// That deployment did not have the handler.
    #[error(
        "deployment {number} is not known, or had no handler `{handler}`: `zamu handlers history` lists all"
    )]
    NoDeployment {
        /// Which.
        number: DeploymentNumber,
        /// Whose version was asked for.
        handler: String,
    },
    /// The log failed, a kept component is gone, or the node is stopping.
    #[error("{0:#}")]
    Failed(anyhow::Error),
}

/// All that is needed to change over.
struct Prepared {
    handler: Arc<Handler>,
    index: HandlerIndex,
    before: Option<DeployedHandler>,
    deployment: Deployment,
    topology: Arc<Topology>,
    loaded: Vec<Arc<Handler>>,
    /// One for each shard.
    instances: Vec<Box<dyn Guest>>,
    /// For the tables that it makes.
    projecting: Option<Box<dyn Guest>>,
    wasm: Option<Bytes>,
    loose: Vec<(String, String, &'static str)>,
}

impl Deployer {
    pub(super) fn new(workshop: Workshop, bounds: &config::Deployments) -> Self {
        Self { workshop, bounds: bounds.clone(), desk: Mutex::new(()) }
    }

    /// When a version is rolled back by itself.
    #[must_use]
    pub fn bounds(&self) -> &config::Deployments {
        &self.bounds
    }
}

impl Services {
    /// Puts another version in force.
    ///
    /// # Errors
    /// When it may not be; then nothing has changed. After the record is written, only when the node
    /// ends meanwhile: the next start has it in force.
    pub async fn deploy(
        self: &Arc<Self>,
        what: What,
        order: Order,
    ) -> Result<Deployed, DeployError> {
        let _desk = self.deployer.desk.lock().await;
        let node = Arc::clone(self);
        let prepared = blocking(move || node.prepare(&what, order)).await?;
        self.change_over(prepared).await
    }

    /// Whether another version could be put in force.
    ///
    /// # Errors
    /// When it may not be.
    pub async fn would_deploy(self: &Arc<Self>, what: What) -> Result<Deployed, DeployError> {
        let node = Arc::clone(self);
        let prepared = blocking(move || node.prepare(&what, Order::default())).await?;
        Ok(prepared.deployed(None))
    }

    fn prepare(&self, what: &What, order: Order) -> Result<Prepared, DeployError> {
        let now = self.in_force.now();
        let history = &self.terms.history;
        let Order { principal, reason } = order;
        let proposal = Proposal { time: clock(), principal, reason };
        let (number, newest) = history.newest().unwrap_or_default();
        let (handler, deployment, wasm) = match what {
            What::Component { wasm, configuration, from } => {
                let handler = self.component(wasm, configuration.as_ref(), *from, &now)?;
                let deployment = proposal.replace(history, handler.spec(), *from);
                (handler, deployment, Some(wasm.clone()))
            }
            What::Configuration { handler, configuration } => {
                let digest = &now.loaded[position(&now, handler)?].spec().digest;
                let kept = self.deployer.workshop.load_kept(digest, configuration.clone());
                let handler = kept.map_err(DeployError::Failed)?;
                let deployment = proposal.replace(history, handler.spec(), None);
                (handler, deployment, None)
            }
            What::RollBack { handler, to } => {
                let from = position(&now, handler)?;
                let to = earlier(history, handler, *to)?;
                let (digest, configuration) = (&to.digest, to.configuration.clone());
                let kept = self.deployer.workshop.load_kept(digest, configuration);
                let handler = kept.map_err(DeployError::Failed)?;
                let from = comes_back_to(handler.spec(), now.loaded[from].spec());
                let deployment = proposal.roll_back(history, &to, from);
                (handler, deployment, None)
            }
        };
        let name = &handler.spec().name;
        let deployment = deployment.ok_or_else(|| DeployError::Same(name.to_string()))?;
        let mut loaded = now.loaded.clone();
        let index = match place(&loaded, name) {
            Ok(index) => {
                loaded[index] = Arc::clone(&handler);
                index
            }
            Err(index) => {
                loaded.insert(index, Arc::clone(&handler));
                index
            }
        };
        let mut starts = starts(&deployment);
        for start in starts.values_mut().filter(|start| start.since == 0) {
            start.since = number + 1;
        }
        let topology = Topology::new(number + 1, self.types.clone(), specs(&loaded))?;
        let topology = topology.starting(starts);
        now.topology.may_be_succeeded_by(&topology)?;
        let stood_alone = loose(&now.topology);
        let mut loose = loose(&topology);
        loose.retain(|kind| !stood_alone.contains(kind));
        let before = newest.handlers.iter().find(|entry| *entry.name == **name).cloned();
        let is_projection = topology.projections().any(|projection| projection == index);
        Ok(Prepared {
            instances: (0..self.shards.count())
                .map(|_| self.instance(&handler))
                .collect::<Result<_, _>>()?,
            projecting: is_projection.then(|| self.instance(&handler)).transpose()?,
            before,
            topology: Arc::new(topology),
            handler,
            index,
            deployment,
            loaded,
            wasm,
            loose,
        })
    }

    /// A component that was sent. It keeps the configuration of the version in force unless it comes
    /// with another.
    fn component(
        &self,
        wasm: &Bytes,
        configuration: Option<&Bytes>,
        from: Option<StartFrom>,
        now: &Handlers,
    ) -> Result<Arc<Handler>, DeployError> {
        let load = |configuration: &Bytes| {
            let loaded = self.deployer.workshop.load(wasm, configuration.clone());
            loaded.map_err(DeployError::Load)
        };
        // Only the component itself says which handler it is.
        let handler = load(configuration.unwrap_or(&Bytes::new()))?;
        let name = &handler.spec().name;
        match (place(&now.loaded, name), from) {
            (Ok(index), _) => {
                let kept = &now.loaded[index].spec().configuration;
                let keeps = configuration.is_none() && !kept.is_empty();
                if keeps { load(kept) } else { Ok(handler) }
            }
            (Err(_), Some(_)) => Ok(handler),
            (Err(_), None) => {
                Err(DeployError::New { handler: name.to_string(), known: known(now) })
            }
        }
    }

    /// An instance whose sandbox is there already, so that no turn waits for it.
    fn instance(&self, handler: &Arc<Handler>) -> Result<Box<dyn Guest>, DeployError> {
        let mut guest = handler.instance();
        guest.warm().map_err(|fault| DeployError::Load(anyhow::Error::new(fault)))?;
        self.guests.add(handler, guest.counters());
        Ok(Box::new(guest))
    }

    async fn change_over(
        self: &Arc<Self>,
        mut prepared: Prepared,
    ) -> Result<Deployed, DeployError> {
        let node = Arc::clone(self);
        let (deployment, wasm) = (prepared.deployment.clone(), prepared.wasm.take());
        let digest = prepared.handler.spec().digest.clone();
        let number = blocking(move || {
            if let Some(wasm) = wasm {
                node.deployer.workshop.keep(&digest, &wasm).map_err(DeployError::Failed)?;
            }
            let written = node.terms.history.write(&node.log, deployment);
            written.map_err(|error| DeployError::Failed(error.into()))
        })
        .await?;
        let mut swap = Swap { deployment: number, ..Swap::default() };
        let begin = Instant::now();
        let successions = std::mem::take(&mut prepared.instances).into_iter().map(|guest| {
            let topology = Arc::clone(&prepared.topology);
            let succession = Succession { topology, guests: vec![(prepared.index, guest)] };
            move |shard: &mut zamu_core::shard::Shard| {
                let begin = Instant::now();
                let replaced = shard.succeed(succession);
                (replaced, begin.elapsed())
            }
        });
        let changed = self.shards.tell_all(successions.collect()).await;
        let changed = changed.context("the node is stopping: the next start has it in force");
        swap.spread = begin.elapsed();
        let mut replaced = Vec::new();
        for (old, stall) in changed.map_err(DeployError::Failed)? {
            swap.stall = swap.stall.max(stall);
            self.metrics.swap_seconds.observe(stall.as_secs_f64());
            replaced.extend(old);
        }
        // A shard that has stopped meanwhile has waited for nothing.
        swap.gap = self.shards.swap_gap().await.unwrap_or_default();
        if let Some(guest) = prepared.projecting.take() {
            let topology = Arc::clone(&prepared.topology);
            let name = prepared.handler.spec().name.to_string();
            let old = self.tables.succeed(name, topology, (prepared.index, guest)).await;
            let old = old.context("the node is stopping: the next start has it in force");
            replaced.extend(old.map_err(DeployError::Failed)?);
        }
        // Taking a sandbox apart takes its time.
        drop(spawn_blocking(move || drop(replaced)));
        let loaded = std::mem::take(&mut prepared.loaded);
        self.in_force.replace(Arc::clone(&prepared.topology), loaded);
        let spec = prepared.handler.spec();
        tracing::info!(
            deployment = number,
            handler = &*spec.name,
            version = spec.manifest.version,
            digest = spec.digest,
            before = prepared.before.as_ref().map(|before| &*before.version),
            stall_us = u64::try_from(swap.stall.as_micros()).unwrap_or(u64::MAX),
            reason = prepared.deployment.reason,
            "another version is in force"
        );
        Ok(prepared.deployed(Some(swap)))
    }
}

impl Prepared {
    fn deployed(self, swap: Option<Swap>) -> Deployed {
        let Self { handler, before, loose, .. } = self;
        Deployed { spec: Arc::new(handler.spec().clone()), before, loose, swap }
    }
}

/// Kinds that stand alone: of which type, which, and what is missing.
fn loose(topology: &Topology) -> Vec<(String, String, &'static str)> {
    let types = topology.types.iter().map(|t| (&*t.name, t.partitions));
    let specs: Vec<_> = topology.handlers.iter().map(|h| Arc::clone(&h.spec)).collect();
    let flow = Flow::of(types, &specs);
    let owned = flow.loose().map(|l| (l.aggregate_type.to_owned(), l.kind.to_owned(), l.what));
    owned.collect()
}

/// What is in force after a start: what the file has, or what was deployed since it last changed.
/// Gives who does what, and the handlers. `configured` is what the file has, and where it says that they
/// start.
///
/// # Errors
/// When a component that was deployed is gone, the fold of one has changed, or the log fails.
pub(super) fn enact(
    log: &EmbeddedLog,
    types: &Types,
    history: &History,
    workshop: &Workshop,
    configured: Vec<(Arc<Handler>, Option<StartFrom>)>,
) -> Result<(Arc<Topology>, Vec<Arc<Handler>>)> {
    let (_, newest) = history.newest().unwrap_or_default();
    let (mut files, mut loaded) = (Vec::new(), Vec::new());
    for (handler, from) in configured {
        let file = Chosen::of(handler.spec(), from);
        let name = Arc::clone(&handler.spec().name);
        let chosen = Chosen::at_start(history, &name, file.clone());
        files.push((name, file.clone()));
        if (&chosen.digest, &chosen.configuration) == (&file.digest, &file.configuration) {
            loaded.push((handler, chosen.from));
            continue;
        }
        let name = &handler.spec().name;
        let kept = workshop.load_kept(&chosen.digest, chosen.configuration).with_context(|| {
            format!("handler `{name}`, of which another version was deployed than the configuration file has")
        })?;
        tracing::info!(
            handler = &**name,
            version = kept.spec().manifest.version,
            file = handler.spec().manifest.version,
            "what was deployed holds until the configuration file changes"
        );
        loaded.push((kept, chosen.from));
    }
    for entry in added(&newest) {
        if files.iter().any(|(name, _)| **name == *entry.name) {
            continue;
        }
        let name = &entry.name;
        let kept = workshop.load_kept(&entry.digest, entry.configuration.clone());
        let kept =
            kept.with_context(|| format!("handler `{name}`, which was added while the node ran"))?;
        tracing::info!(
            handler = name,
            version = entry.version,
            "added, and not in the configuration file"
        );
        files.push((Arc::clone(&kept.spec().name), Chosen::default()));
        loaded.push((kept, StartFrom::named(&entry.from)));
    }
    files.sort_by(|a, b| a.0.cmp(&b.0));
    loaded.sort_by(|(a, _), (b, _)| a.spec().name.cmp(&b.spec().name));
    let files: Vec<Chosen> = files.into_iter().map(|(_, file)| file).collect();
    let chosen: Vec<_> =
        loaded.iter().map(|(handler, from)| (Arc::new(handler.spec().clone()), *from)).collect();
    let proposal = Proposal { time: clock(), ..Proposal::default() };
    if let Some(deployment) = proposal.start(history, &files, &chosen)? {
        let number = history.write(log, deployment)?;
        tracing::info!(number, "new deployment");
    }
    let (number, newest) = history.newest().unwrap_or_default();
    let loaded: Vec<_> = loaded.into_iter().map(|(handler, _)| handler).collect();
    let topology = Topology::new(number, types.clone(), specs(&loaded))?;
    Ok((Arc::new(topology.starting(starts(&newest))), loaded))
}

/// Where a handler is among others, in the order of names, or where it would be.
fn place(loaded: &[Arc<Handler>], name: &str) -> Result<HandlerIndex, HandlerIndex> {
    loaded.binary_search_by(|handler| (*handler.spec().name).cmp(name))
}

fn position(now: &Handlers, name: &str) -> Result<HandlerIndex, DeployError> {
    place(&now.loaded, name)
        .map_err(|_| DeployError::Unknown { handler: name.to_owned(), known: known(now) })
}

fn known(now: &Handlers) -> String {
    let known: Vec<&str> = now.loaded.iter().map(|handler| &*handler.spec().name).collect();
    known.join(", ")
}

/// Where a version starts that is brought back: it makes up for what it has missed, if that one has not
/// reacted to all that it reacts to.
fn comes_back_to(back: &HandlerSpec, now: &HandlerSpec) -> Option<StartFrom> {
    let types = |of: &HandlerSpec| -> BTreeSet<String> {
        let subscribed = of.manifest.subscriptions.iter();
        subscribed.map(|s| of.manifest.types[s.aggregate_type as usize].clone()).collect()
    };
    (!types(back).is_subset(&types(now))).then_some(StartFrom::Beginning)
}

/// What to roll back to.
fn earlier(
    history: &History,
    handler: &str,
    to: Option<DeploymentNumber>,
) -> Result<DeployedHandler, DeployError> {
    match to {
        None => {
            let previous = previous(history, handler).map(|(_, entry)| entry);
            previous.ok_or_else(|| DeployError::First(handler.to_owned()))
        }
        Some(number) => history
            .entry(number, handler)
            .ok_or_else(|| DeployError::NoDeployment { number, handler: handler.to_owned() }),
    }
}

/// Does what takes time where nobody waits for it.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DeployError> + Send + 'static,
) -> Result<T, DeployError> {
    let done = spawn_blocking(work).await.context("the deployment broke off: see the node's log");
    done.map_err(DeployError::Failed)?
}

impl From<DeploymentError> for DeployError {
    fn from(error: DeploymentError) -> Self {
        Self::Failed(error.into())
    }
}
