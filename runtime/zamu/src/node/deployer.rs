//! Puts other versions of handlers in force while the node runs.
//!
//! One deployment at a time: the component is loaded and checked, instances are made for every shard,
//! then the control topic gets the record, and only then shards change over, each between two of its
//! steps. What can fail fails before the record is written. What has begun is carried through, whoever
//! has asked and however long they listen.
//!
//! Making ready happens beside the shards' work: on one thread, which gives way to theirs.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use tokio::sync::oneshot::error::RecvError;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::task::spawn_blocking;
use zamu_core::model::DeploymentNumber;
use zamu_core::shard::Succession;
use zamu_core::topology::Topology;

use super::Services;
use super::deployment::{DeployError, Deployed, Order, Swap, What};
use super::prepared::Prepared;
use crate::config;
use crate::handlers::Workshop;

/// Why what is written is not carried through.
const STOPPING: &str = "the node is stopping: the next start has it in force";

/// Where other versions are made ready. One deployment at a time.
pub struct Deployer {
    pub(super) workshop: Workshop,
    bounds: config::Deployments,
    /// Whoever deploys, or asks whether it could be done, has it.
    desk: Arc<Mutex<()>>,
    failed: Arc<dyn Fn(String) + Send + Sync>,
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

/// Does what takes time where nobody waits for it.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DeployError> + Send + 'static,
) -> Result<T, DeployError> {
    let done = spawn_blocking(work).await.context("the deployment broke off: see the node's log");
    done.map_err(DeployError::Failed)?
}
