//! The shards of a node before they start, and the instances of handlers that they work with.

use std::sync::Arc;

use anyhow::Result;
use zamu_core::guest::Guest;
use zamu_core::model::PartitionId;
use zamu_core::references::References;
use zamu_core::shard::{Parts, Shard};
use zamu_core::topology::{HandlerIndex, Topology};
use zamu_rocks::{EmbeddedLog, RocksStore, Waker};
use zamu_wasm::Handler;

use super::shards::{self, deal};
use crate::config::Config;
use crate::telemetry::{GuestCounters, Metrics, ShardObserver, Watched};

/// The shards to be started, and who owns what.
pub(super) struct Crew {
    /// By type and partition: which shard.
    pub(super) owners: Vec<Vec<usize>>,
    /// The shards.
    pub(super) starts: Vec<shards::Start>,
}

/// What shards are made of.
pub(super) struct Start<'a> {
    pub(super) config: &'a Config,
    pub(super) topology: &'a Arc<Topology>,
    pub(super) loaded: &'a [Arc<Handler>],
    pub(super) log: &'a EmbeddedLog,
    pub(super) store: &'a RocksStore,
    pub(super) metrics: &'a Arc<Metrics>,
    pub(super) references: &'a References,
    pub(super) guests: &'a GuestCounters,
    pub(super) watched: &'a Watched,
}

impl Crew {
    pub(super) fn new(start: Start<'_>) -> Result<Self> {
        let Start { config, topology, loaded, log, store, metrics, .. } = start;
        let count = config.shard_count();
        let owners = deal(topology.types.iter().map(|t| t.partitions), count);
        let mut starts = Vec::new();
        for number in 0..count {
            let mine: Vec<PartitionId> = topology
                .partitions()
                .filter(|p| owners[usize::from(p.aggregate_type.0)][p.number as usize] == number)
                .collect();
            let doorbell = shards::Doorbell::default();
            let ring = doorbell.clone();
            let waker: Waker = Arc::new(move || ring.ring());
            let parts = Parts {
                log: Box::new(log.shard(&mine, waker)?),
                store: Box::new(store.handle()),
                guests: loaded.iter().map(|handler| instance(handler, start.guests)).collect(),
                topology: Arc::clone(topology),
                references: start.references.clone(),
                settings: config.shard_settings(count),
                observer: Box::new(ShardObserver::new(
                    metrics,
                    &topology.types,
                    start.watched.clone(),
                )),
            };
            let shard = number as u32;
            starts.push(shards::Start {
                shard: Shard::new(parts),
                doorbell,
                busy: metrics.shard_busy(shard),
                waiting: metrics.shard_calls(shard),
                gaps: metrics.step_gap_seconds.clone(),
                swap_gaps: metrics.swap_gap_seconds.clone(),
            });
        }
        Ok(Self { owners, starts })
    }
}

/// An instance of each handler that makes tables, by name.
pub(super) fn projecting(
    topology: &Topology,
    loaded: &[Arc<Handler>],
    guests: &GuestCounters,
) -> Vec<(HandlerIndex, Box<dyn Guest>)> {
    topology.projections().map(|handler| (handler, instance(&loaded[handler], guests))).collect()
}

fn instance(handler: &Arc<Handler>, guests: &GuestCounters) -> Box<dyn Guest> {
    let guest = handler.instance();
    guests.add(handler, guest.counters());
    Box::new(guest)
}
