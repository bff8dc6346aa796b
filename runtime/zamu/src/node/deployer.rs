//! Puts other versions of handlers in force while the node runs.
//!
//! One deployment at a time: the component is loaded and checked, instances are made for every shard,
//! then the control topic gets the record, and only then shards change over, each between two of its
//! steps. What can fail fails before the record is written. What has begun is carried through, whoever
//! has asked and however long they listen.
//!
//! Making ready happens beside the shards' work: on one thread, which gives way to theirs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use bytes::Bytes;
use tokio::sync::oneshot::error::RecvError;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::task::spawn_blocking;
use zamu_core::guest::manifest::{HandlerSpec, Manifest, TypeKinds};
use zamu_core::guest::{Fault, Guest};
use zamu_core::model::{DeploymentNumber, Kind};
use zamu_core::proto::{DeployedHandler, Deployment};
use zamu_core::shard::Succession;
use zamu_core::topology::{HandlerIndex, Start, StartFrom, SuccessionError, Topology, WiringError};
use zamu_wasm::cache::digest;
use zamu_wasm::{Counters, Handler, Instance};

use super::aside::aside;
use super::{Handlers, Services, clock};
use crate::config;
use crate::handlers::{DeploymentError, History, Proposal, Workshop, previous, specs, starts};
use crate::json::Flow;

/// Why what is written is not carried through.
const STOPPING: &str = "the node is stopping: the next start has it in force";
/// Why a handler that is new is not rolled back by itself.
const NEW: &str = "there is no version before it";
/// Why a version that was brought back is not rolled back by itself.
const BROUGHT_BACK: &str = "it was brought back by a rollback";

/// Where other versions are made ready. One deployment at a time.
pub struct Deployer {
    workshop: Workshop,
    bounds: config::Deployments,
    /// Whoever deploys, or asks whether it could be done, has it.
    desk: Arc<Mutex<()>>,
    failed: Arc<dyn Fn(String) + Send + Sync>,
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
        /// Only if what this deployment put in force still is.
        of: Option<DeploymentNumber>,
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
    /// Why it is not rolled back by itself if it breaks; nothing if it is.
    pub stays: Option<String>,
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

/// A deployment that was not made: everything is as it was. Only where the log or the node has failed
/// meanwhile, the record may be written; then the next start has it in force.
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
    /// Another version was put in force than the one that is to be rolled back.
    #[error(
        "deployment {since} has put another version of `{handler}` in force than deployment {of} had: nothing was rolled back"
    )]
    Overtaken {
        /// Whose.
        handler: String,
        /// What was to be rolled back.
        of: DeploymentNumber,
        /// What is in force.
        since: DeploymentNumber,
    },
    /// Somebody else is at it.
    #[error(
        "another deployment, or a dry run of one, is under way: try again when it is done (`zamu handlers history` tells)"
    )]
    Busy,
    /// A kept component is gone, damaged or does not run any more.
    #[error("{0:#}")]
    Kept(anyhow::Error),
    /// A deployment is written that this node has not carried through.
    #[error(
        "deployment {0} is written, and not in force here: restart the node, which then has it in force"
    )]
    Unfinished(DeploymentNumber),
    /// The log failed, or the node is stopping.
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
    /// What they use.
    counters: Vec<Arc<Counters>>,
    /// For the tables that it makes.
    projecting: Option<Box<dyn Guest>>,
    wasm: Option<Bytes>,
    loose: Vec<(String, String, &'static str)>,
    stays: Option<String>,
    /// Whether it makes rows of events that the version in force leaves out.
    projects_more: bool,
}

impl Deployer {
    /// `failed` is told when the node must not go on.
    ///
    /// # Errors
    /// When components cannot be compiled beside other work.
    pub(super) fn new(
        workshop: Workshop,
        bounds: &config::Deployments,
        failed: Arc<dyn Fn(String) + Send + Sync>,
    ) -> Result<Self> {
        let (workshop, desk) = (workshop.aside()?, Arc::default());
        Ok(Self { workshop, bounds: bounds.clone(), desk, failed })
    }

    /// When a version is rolled back by itself.
    #[must_use]
    pub fn bounds(&self) -> &config::Deployments {
        &self.bounds
    }

    /// The largest component that is let in, in bytes.
    #[must_use]
    pub fn component_bytes_max(&self) -> usize {
        self.workshop.component_bytes_max()
    }

    fn desk(&self) -> Result<OwnedMutexGuard<()>, DeployError> {
        Arc::clone(&self.desk).try_lock_owned().map_err(|_| DeployError::Busy)
    }
}

impl Services {
    /// Puts another version in force. It is carried through even where nobody waits for it any more.
    ///
    /// # Errors
    /// When it may not be; then nothing has changed. After the record is written, only when the node
    /// ends meanwhile: the next start has it in force.
    pub async fn deploy(
        self: &Arc<Self>,
        what: What,
        order: Order,
    ) -> Result<Deployed, DeployError> {
        let desk = self.deployer.desk()?;
        self.carry_through(desk, what, order).await
    }

    /// As [`Services::deploy`], after whatever is under way.
    pub(super) async fn deploy_in_turn(
        self: &Arc<Self>,
        what: What,
        order: Order,
    ) -> Result<Deployed, DeployError> {
        let desk = Arc::clone(&self.deployer.desk).lock_owned().await;
        self.carry_through(desk, what, order).await
    }

    /// Whether another version could be put in force.
    ///
    /// # Errors
    /// When it may not be.
    pub async fn would_deploy(self: &Arc<Self>, what: What) -> Result<Deployed, DeployError> {
        let (node, desk) = (Arc::clone(self), self.deployer.desk()?);
        let prepared = blocking(move || {
            let _desk = desk;
            node.prepare_aside(&what, Order::default())
        });
        Ok(prepared.await?.deployed(None))
    }

    async fn carry_through(
        self: &Arc<Self>,
        desk: OwnedMutexGuard<()>,
        what: What,
        order: Order,
    ) -> Result<Deployed, DeployError> {
        let node = Arc::clone(self);
        let done = tokio::spawn(async move {
            let _desk = desk;
            let maker = Arc::clone(&node);
            let prepared = blocking(move || maker.make_ready(&what, order)).await?;
            node.change_over(prepared).await
        });
        let done = done.await.context("the deployment broke off: see the node's log");
        done.map_err(DeployError::Failed)?
    }

    fn make_ready(&self, what: &What, order: Order) -> Result<Prepared, DeployError> {
        let prepared = self.prepare_aside(what, order);
        if let (Err(DeployError::Same(_)), What::Component { wasm, .. }) = (&prepared, what) {
            // What is kept of it may be damaged.
            let kept = self.deployer.workshop.keep(&digest(wasm), wasm);
            kept.map_err(DeployError::Failed)?;
        }
        prepared
    }

    /// Makes ready on a thread of its own, which gives way to the shards'.
    fn prepare_aside(&self, what: &What, order: Order) -> Result<Prepared, DeployError> {
        let prepared = aside("zamu-deploy", || self.prepare(what, order));
        let prepared = prepared.context("the system has no thread for a deployment");
        let broken = |_| Err(DeployError::Failed(anyhow!("it broke off: see the node's log")));
        prepared.map_err(DeployError::Failed)?.unwrap_or_else(broken)
    }

    fn prepare(&self, what: &What, order: Order) -> Result<Prepared, DeployError> {
        let now = self.in_force.now();
        let history = &self.terms.history;
        let Order { principal, reason } = order;
        let proposal = Proposal { time: clock(), principal, reason };
        let (number, newest) = history.newest().unwrap_or_default();
        if now.topology.deployment != number {
            return Err(DeployError::Unfinished(number));
        }
        let (handler, deployment, wasm) = match what {
            What::Component { wasm, configuration, from } => {
                let handler = self.component(wasm, configuration.as_ref(), *from, &now)?;
                let deployment = proposal.replace(history, handler.spec(), *from);
                (handler, deployment, Some(wasm.clone()))
            }
            What::Configuration { handler, configuration } => {
                let digest = &now.loaded[position(&now, handler)?].spec().digest;
                let kept = self.deployer.workshop.load_kept(digest, configuration.clone());
                let handler = kept.map_err(DeployError::Kept)?;
                let deployment = proposal.replace(history, handler.spec(), None);
                (handler, deployment, None)
            }
            What::RollBack { handler, to, of } => {
                let index = position(&now, handler)?;
                still_in_force(&newest, handler, *of)?;
                let to = earlier(history, handler, *to)?;
                let (digest, configuration) = (&to.digest, to.configuration.clone());
                let kept = self.deployer.workshop.load_kept(digest, configuration);
                let handler = kept.map_err(DeployError::Kept)?;
                let from = comes_back_to(handler.spec(), now.loaded[index].spec());
                let deployment = proposal.roll_back(history, &to, from);
                (handler, deployment, None)
            }
        };
        let name = &handler.spec().name;
        let deployment = deployment.ok_or_else(|| DeployError::Same(name.to_string()))?;
        let mut loaded = now.loaded.clone();
        let (index, replaced) = match place(&loaded, name) {
            Ok(index) => (index, Some(std::mem::replace(&mut loaded[index], Arc::clone(&handler)))),
            Err(index) => {
                loaded.insert(index, Arc::clone(&handler));
                (index, None)
            }
        };
        let replaced = replaced.as_ref().map(|replaced| replaced.spec());
        let mut starts = starts(&deployment);
        for start in starts.values_mut().filter(|start| start.since == 0) {
            start.since = number + 1;
        }
        let topology = Topology::new(number + 1, self.types.clone(), specs(&loaded))?;
        let topology = topology.starting(starts);
        now.topology.may_be_succeeded_by(&topology)?;
        let stays = match (what, replaced) {
            (_, None) => Some(NEW.to_owned()),
            (What::RollBack { .. }, _) => Some(BROUGHT_BACK.to_owned()),
            (_, Some(replaced)) => {
                let from = comes_back_to(replaced, handler.spec());
                no_way_back(&topology, &now.loaded, (name, from))
            }
        };
        let stood_alone = loose(&now.topology);
        let mut loose = loose(&topology);
        loose.retain(|kind| !stood_alone.contains(kind));
        let before = newest.handlers.iter().find(|entry| *entry.name == **name).cloned();
        let is_projection = topology.projections().any(|projection| projection == index);
        let mut counters = Vec::new();
        // What was sent does not start, or what was kept.
        let broken = if wasm.is_some() { DeployError::Load } else { DeployError::Kept };
        let mut instance = || -> Result<Box<dyn Guest>, DeployError> {
            let guest = warm(&handler).map_err(|fault| broken(fault.into()))?;
            counters.push(guest.counters());
            Ok(Box::new(guest))
        };
        Ok(Prepared {
            instances: (0..self.shards.count()).map(|_| instance()).collect::<Result<_, _>>()?,
            projecting: is_projection.then(instance).transpose()?,
            counters,
            stays,
            projects_more: replaced.is_some_and(|replaced| projects_more(replaced, handler.spec())),
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
        self.check_number(number, &prepared.topology)?;
        for counters in prepared.counters.drain(..) {
            self.guests.add(&prepared.handler, counters);
        }
        self.change_tables(&mut prepared).await?;
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
        let changed = changed.context(STOPPING);
        swap.spread = begin.elapsed();
        let mut replaced = Vec::new();
        for (old, stall) in changed.map_err(DeployError::Failed)? {
            swap.stall = swap.stall.max(stall);
            self.metrics.swap_seconds.observe(stall.as_secs_f64());
            replaced.extend(old);
        }
        // A shard that has stopped meanwhile has waited for nothing.
        swap.gap = self.shards.swap_gap().await.unwrap_or_default();
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

    /// The number was guessed, and shards will write it into their records.
    fn check_number(
        &self,
        given: DeploymentNumber,
        topology: &Topology,
    ) -> Result<(), DeployError> {
        let guessed = topology.deployment;
        if given == guessed {
            return Ok(());
        }
        let reason = format!(
            "a deployment was written as number {given}, where {guessed} was to be the next: the log \
             holds deployments of which this node does not know; restart it, and it reads them"
        );
        (self.deployer.failed)(reason.clone());
        Err(DeployError::Failed(anyhow!(reason)))
    }

    /// Has its tables made by the version from now on. Their thread may have much to do, and which of
    /// two versions with one fold makes a row is all the same, so nobody waits for it; unless there are
    /// events that the version in force would leave out: they come only when the shards have changed
    /// over.
    async fn change_tables(&self, prepared: &mut Prepared) -> Result<(), DeployError> {
        let Some(guest) = prepared.projecting.take() else { return Ok(()) };
        let (name, topology) =
            (prepared.handler.spec().name.to_string(), Arc::clone(&prepared.topology));
        let told = self.tables.succeed(name, topology, (prepared.index, guest)).await;
        let Some(told) = told else { return Ok(()) };
        let changed = tokio::spawn(async move {
            let replaced = told.await?;
            drop(spawn_blocking(move || drop(replaced)));
            Ok::<_, RecvError>(())
        });
        if !prepared.projects_more {
            return Ok(());
        }
        let changed = changed.await.context("the thread of tables broke off");
        let changed = changed.and_then(|changed| changed.context(STOPPING));
        changed.map_err(DeployError::Failed)
    }
}

impl Prepared {
    fn deployed(self, swap: Option<Swap>) -> Deployed {
        let Self { handler, before, loose, stays, .. } = self;
        Deployed { spec: Arc::new(handler.spec().clone()), before, loose, stays, swap }
    }
}

/// An instance whose sandbox is there already, so that no turn waits for it.
fn warm(handler: &Arc<Handler>) -> Result<Instance, Fault> {
    let mut guest = handler.instance();
    guest.warm()?;
    Ok(guest)
}

/// Whether the next version makes rows of events that the one before leaves out.
fn projects_more(before: &HandlerSpec, next: &HandlerSpec) -> bool {
    !projected(next).is_subset(&projected(before))
}

/// The events of which a handler makes rows: type, and kind.
fn projected(spec: &HandlerSpec) -> BTreeSet<(&str, &Kind)> {
    let Manifest { types, kinds, projections, .. } = &spec.manifest;
    let of = |all: &'_ TypeKinds| {
        let r#type = &*types[all.aggregate_type as usize];
        let kinds = all.kinds.iter().map(|kind| (r#type, &kinds[*kind as usize]));
        kinds.collect::<Vec<_>>()
    };
    projections.iter().flat_map(of).collect()
}

/// Kinds that stand alone: of which type, which, and what is missing.
fn loose(topology: &Topology) -> Vec<(String, String, &'static str)> {
    let types = topology.types.iter().map(|t| (&*t.name, t.partitions));
    let specs: Vec<_> = topology.handlers.iter().map(|h| Arc::clone(&h.spec)).collect();
    let flow = Flow::of(types, &specs);
    let owned = flow.loose().map(|l| (l.aggregate_type.to_owned(), l.kind.to_owned(), l.what));
    owned.collect()
}

/// Why those before cannot take over again from the next ones, if that is so. `from` is where a rollback
/// would have the handler start.
fn no_way_back(
    next: &Topology,
    before: &[Arc<Handler>],
    (name, from): (&Arc<str>, Option<StartFrom>),
) -> Option<String> {
    let deployment = next.deployment + 1;
    let mut starts = next.starts().clone();
    starts.extend(from.map(|from| (Arc::clone(name), Start { from, since: deployment })));
    let misfit = match Topology::new(deployment, next.types.clone(), specs(before)) {
        Ok(back) => next.may_be_succeeded_by(&back.starting(starts)).err()?.to_string(),
        Err(misfit) => misfit.to_string(),
    };
    Some(format!("the version before cannot take over from it again: {misfit}"))
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

/// Whether the version that is to be rolled back still is the one in force.
fn still_in_force(
    newest: &Deployment,
    handler: &str,
    of: Option<DeploymentNumber>,
) -> Result<(), DeployError> {
    let Some(of) = of else { return Ok(()) };
    let entry = newest.handlers.iter().find(|entry| entry.name == handler);
    match entry.map_or(0, |entry| entry.since) {
        since if since == of => Ok(()),
        since => Err(DeployError::Overtaken { handler: handler.to_owned(), of, since }),
    }
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

#[cfg(test)]
mod tests {
    use zamu_core::guest::manifest::Class;
    use zamu_core::model::KindName;

    use super::*;

    fn spec(kinds: &[(&str, &str)]) -> HandlerSpec {
        let kind = |(name, schema): &(&str, &str)| -> Kind {
            let (name, schema) = ((*name).into(), (*schema).into());
            Arc::new(KindName { name, schema, ..KindName::default() })
        };
        let all = (0..kinds.len() as u32).collect();
        let manifest = Manifest {
            types: vec!["a".to_owned()],
            kinds: kinds.iter().map(kind).collect(),
            projections: vec![TypeKinds { aggregate_type: 0, kinds: all }],
            ..Manifest::default()
        };
        let (name, digest, configuration) = ("h".into(), String::new(), Bytes::new());
        HandlerSpec { name, digest, class: Class::Pure, manifest, configuration }
    }

    #[test]
    fn rows_of_another_kind_and_of_another_form_of_one_are_more_and_another_order_is_not() {
        let before = spec(&[("x", "1"), ("y", "1")]);
        assert!(!projects_more(&before, &spec(&[("y", "1"), ("x", "1")])));
        assert!(!projects_more(&before, &spec(&[("y", "1")])));
        assert!(projects_more(&before, &spec(&[("x", "1"), ("y", "1"), ("z", "1")])));
        assert!(projects_more(&before, &spec(&[("x", "2"), ("y", "1")])));
    }
}
