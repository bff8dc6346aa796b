//! The toy application in a simulated process.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

pub mod audit;
pub mod copied;
pub mod model;
pub mod toy;

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use zamu_core::log::Limit;
use zamu_core::log::simulated::Faults;
use zamu_core::model::{Context, PartitionId, Request, Stored, Time, TypeId, Wake, partition_of};
use zamu_core::prng::Prng;
use zamu_core::settings::Settings;
use zamu_core::simulation::{Process, Program, no_tables};
use zamu_core::topology::{Start, StartFrom, Starts};

use toy::Behaviour;

pub const CELL: TypeId = TypeId(0);
pub const MIRROR: TypeId = TypeId(1);

/// How a [`World`] is laid out.
#[derive(Clone)]
pub struct Layout {
    pub seed: u64,
    pub faults: Faults,
    pub settings: Settings,
    pub partitions: u32,
    pub shards: usize,
    pub behaviour: Behaviour,
    /// Where event handlers begin that have not reacted to everything.
    pub starts: Starts,
}

impl Layout {
    /// One shard, one partition per type, nothing goes wrong, turns of so many records.
    pub fn calm(batch: usize) -> Self {
        Self {
            seed: 1,
            faults: Faults::none(),
            settings: Settings { turn: limit(batch), sample_every: 1, ..Settings::default() },
            partitions: 1,
            shards: 1,
            behaviour: Behaviour::default(),
            starts: Starts::new(),
        }
    }
}

pub fn limit(records: usize) -> Limit {
    Limit { records, bytes: usize::MAX }
}

/// The toy in a process.
pub struct World {
    /// What holds from the next start on.
    pub layout: Layout,
    process: Process,
    deployment: u64,
}

impl Deref for World {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for World {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}

impl World {
    pub fn new(layout: Layout) -> Self {
        let process = Process::new(layout.seed, layout.faults.clone(), program(&layout, 0));
        Self { layout, process, deployment: 0 }
    }

    /// The process is killed and started again.
    pub fn crash(&mut self, rng: &mut Prng) {
        self.process.set_program(program(&self.layout, self.deployment));
        self.process.crash(rng);
    }

    /// The machine loses power and is started again.
    pub fn power_loss(&mut self, rng: &mut Prng) {
        self.process.set_program(program(&self.layout, self.deployment));
        self.process.power_loss(rng);
    }

    /// The handlers are mended, and the process started again with them, as a later deployment.
    pub fn mend(&mut self) {
        self.layout.behaviour.mended.store(true, Ordering::SeqCst);
        self.deploy(self.deployment + 1);
    }

    /// The process is killed, and started again as that deployment.
    pub fn deploy(&mut self, deployment: u64) {
        self.deployment = deployment;
        self.process.replace(program(&self.layout, deployment));
    }

    /// That deployment takes over while the process runs, in these shards. In all others it does so
    /// when they are named, or after the next start.
    pub fn swap(&mut self, deployment: u64, shards: impl IntoIterator<Item = usize>) {
        self.deployment = deployment;
        let layout = &self.layout;
        self.process.set_program(program(layout, deployment));
        for shard in shards {
            self.process.succeed_in(shard);
        }
    }

    /// The deployment that runs, or will after the next start.
    pub fn deployment(&self) -> u64 {
        self.deployment
    }

    /// From the next start or swap on there is an audience, which the deployment that is next declares.
    pub fn add_audience(&mut self, from: StartFrom) {
        let since = self.deployment + 1;
        self.layout.behaviour.audience = true;
        self.layout.starts.insert("audience".into(), Start { from, since });
    }

    /// Time passes until then.
    pub fn advance_to(&mut self, time: u64) {
        let ms = time.saturating_sub(self.now);
        self.advance(ms);
    }

    /// A client sends a command to a cell.
    pub fn send(&mut self, key: &str, id: &str, body: &str) {
        self.send_kind(key, id, "Add", body);
    }

    pub fn send_kind(&mut self, key: &str, id: &str, kind: &str, body: &str) {
        self.send_from("client", key, id, kind, body);
    }

    pub fn send_from(&mut self, source: &str, key: &str, id: &str, kind: &str, body: &str) {
        self.send_to(self.cell_partition(key), source, key, id, kind, body);
    }

    /// As a client of the log itself may: to any partition.
    pub fn send_to(
        &mut self,
        partition: PartitionId,
        source: &str,
        key: &str,
        id: &str,
        kind: &str,
        body: &str,
    ) {
        self.append(
            partition,
            Request {
                key: Bytes::copy_from_slice(key.as_bytes()),
                kind: toy::kind(kind),
                source: Bytes::copy_from_slice(source.as_bytes()),
                id: Bytes::copy_from_slice(id.as_bytes()),
                context: Arc::new(Context::default()),
                redrive: None,
                wake: None,
                body: Bytes::copy_from_slice(body.as_bytes()),
            },
        );
    }

    /// The clock is set to so many milliseconds.
    pub fn set_time(&mut self, now: u64) {
        self.process.now = now;
        self.process.log.tick(Time(now));
    }

    /// Somebody appends a Wake for a cell.
    pub fn send_wake(&mut self, key: &str, sequence: u64, deadline: u64) {
        let partition = self.cell_partition(key);
        let key = Bytes::copy_from_slice(key.as_bytes());
        let wake = Wake { sequence, deadline: Time(deadline) };
        self.append(partition, zamu_core::turn::wake_request("cell", key, wake));
    }

    /// The Wakes that stand in the requests of a partition of cells.
    pub fn wakes(&self, number: u32) -> Vec<Stored<Request>> {
        let requests = self.contents(CELL, number).requests;
        requests.into_iter().filter(|stored| stored.record.wake.is_some()).collect()
    }

    pub fn cell_partition(&self, key: &str) -> PartitionId {
        let number = partition_of(key.as_bytes(), self.layout.partitions);
        PartitionId { aggregate_type: CELL, number }
    }

    /// Steps until nothing more happens for a while, flushed or not.
    pub fn settle_steps(&mut self) {
        let mut idle = 0;
        for _ in 0..100_000 {
            idle = if self.step() { 0 } else { idle + 1 };
            if idle > 20 {
                return;
            }
        }
        panic!("the process never comes to rest: {:?}", self.views());
    }

    /// The sum that a cell or a mirror shows.
    pub fn sum(&mut self, aggregate_type: TypeId, key: &str) -> u64 {
        self.read(aggregate_type, key).map_or(0, |a| toy::number(&a.state))
    }
}

fn program(layout: &Layout, deployment: u64) -> Program {
    let behaviour = layout.behaviour.clone();
    Program {
        topology: toy::starting(layout.partitions, deployment, &behaviour, &layout.starts).into(),
        guests: Box::new(move || toy::guests(&behaviour)),
        projecting: Box::new(no_tables),
        settings: layout.settings.clone(),
        shards: layout.shards,
    }
}
