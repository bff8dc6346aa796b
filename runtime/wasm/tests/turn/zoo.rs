//! The zoo as a program: one handler that owns animals and keepers, one partition of each. Its
//! configuration is its mood: wild, tame (mended) or rabid (a broken deployment).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use zamu_core::guest::Guest;
use zamu_core::guest::manifest::HandlerSpec;
use zamu_core::log::Limit;
use zamu_core::log::simulated::{Contents, Faults};
use zamu_core::model::{
    Command, Context, DeadLetterNumber, Event, KindName, Offset, PartitionId, Request, TypeId,
};
use zamu_core::proto::{DeadLetter, Outcome};
use zamu_core::settings::Settings;
use zamu_core::simulation::{Process, Program, describe};
use zamu_core::store::Store;
use zamu_core::topology::{Topology, TypeSettings};
use zamu_wasm::{Handler, Limits};

use crate::support::load_configured;

pub(crate) const ANIMALS: PartitionId = PartitionId { aggregate_type: TypeId(0), number: 0 };
pub(crate) const KEEPERS: PartitionId = PartitionId { aggregate_type: TypeId(1), number: 0 };

/// Guests with and without `meter.item`.
pub(crate) const GUESTS: [&str; 2] = ["zoo", "zoo-plain"];

/// The sizes of batches that must not matter.
pub(crate) const SIZES: [usize; 4] = [1, 2, 50, 500];

pub(crate) const WILD: &str = "wild";
pub(crate) const TAME: &str = "tame";
pub(crate) const RABID: &str = "rabid";

/// Small enough that the worst animal takes milliseconds even in a batch that shares its budget. No
/// clock decides anything: the net of CPU time hangs an hour below.
pub(crate) fn limits() -> Limits {
    Limits {
        fuel_per_item: 1_000_000,
        fuel_per_byte: 100,
        fuel_overhead_per_item: 20_000,
        memory_bytes: 8 << 20,
        output_bytes: 128 << 10,
        cpu_time_per_item: Duration::from_secs(3_600),
        ..Limits::default()
    }
}

/// Turns of so many records, every one of them sampled, and no fault rate.
pub(crate) fn settings(batch: usize) -> Settings {
    Settings {
        turn: Limit { records: batch, bytes: usize::MAX },
        sample_every: 1,
        fault_share_max: 2.0,
        ..Settings::default()
    }
}

/// A process that runs the zoo.
pub(crate) struct World {
    pub(crate) process: Process,
    guest: &'static str,
    limits: Limits,
    settings: Settings,
    deployment: u64,
}

/// All that must not depend on the size of batches.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Trace {
    pub(crate) events: Vec<Event>,
    /// What the keepers are told.
    pub(crate) commands: Vec<Command>,
    pub(crate) answers: BTreeMap<Offset, Outcome>,
    pub(crate) letters: Vec<(DeadLetterNumber, Bytes)>,
    /// The stored aggregates.
    pub(crate) records: Vec<(Bytes, Bytes)>,
    pub(crate) keepers_events: Vec<Event>,
    pub(crate) keepers_letters: Vec<(DeadLetterNumber, Bytes)>,
    pub(crate) keepers_records: Vec<(Bytes, Bytes)>,
}

impl World {
    pub(crate) fn new(guest: &'static str, mood: &str, settings: Settings) -> Self {
        Self::limited(guest, mood, settings, limits())
    }

    pub(crate) fn limited(
        guest: &'static str,
        mood: &str,
        settings: Settings,
        limits: Limits,
    ) -> Self {
        let handler = load_configured(guest, limits.clone(), mood.as_bytes());
        let process = Process::new(1, Faults::none(), program(&handler, &settings, 0));
        Self { process, guest, limits, settings, deployment: 0 }
    }

    /// The process is killed, and started again with the zoo in another mood: a later deployment.
    pub(crate) fn restart(&mut self, mood: &str) {
        self.deployment += 1;
        let handler = load_configured(self.guest, self.limits.clone(), mood.as_bytes());
        self.process.replace(program(&handler, &self.settings, self.deployment));
    }

    /// A client asks something of an animal.
    pub(crate) fn send(&self, key: &str, id: &str, body: &str) {
        self.process.append(ANIMALS, request(key, id, body));
    }

    pub(crate) fn animals(&self) -> Contents {
        self.process.log.contents(ANIMALS)
    }

    /// The answer to the request at this offset.
    pub(crate) fn answer(&self, offset: usize) -> String {
        self.process.answers.get(&(ANIMALS, offset as u64)).map_or_else(|| "none".into(), describe)
    }

    /// How many events of animals (0) or keepers (1) an aggregate counts.
    pub(crate) fn count(&mut self, of: PartitionId, key: &str) -> u64 {
        let aggregate = self.process.read(of.aggregate_type, key);
        aggregate.map_or(0, |a| String::from_utf8_lossy(&a.state).parse().unwrap())
    }

    pub(crate) fn trace(&self) -> Trace {
        let (animals, keepers) = (self.animals(), self.process.log.contents(KEEPERS));
        let records = |of| self.process.store.clone().scan(of, None, usize::MAX).unwrap();
        let answers = self.process.answers.iter();
        Trace {
            events: animals.events,
            commands: keepers.commands.into_iter().map(|stored| stored.record).collect(),
            answers: answers
                .filter(|((of, _), _)| *of == ANIMALS)
                .map(|((_, offset), outcome)| (*offset, outcome.clone()))
                .collect(),
            letters: animals.dead_letters,
            records: records(ANIMALS),
            keepers_events: keepers.events,
            keepers_letters: keepers.dead_letters,
            keepers_records: records(KEEPERS),
        }
    }
}

/// What a client sends, with every field that a dead letter must keep.
pub(crate) fn request(key: &str, id: &str, body: &str) -> Request {
    let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    Request {
        key: bytes(key),
        kind: Arc::new(KindName {
            name: "Act".into(),
            schema: "zoo/act/1".into(),
            content_type: "text/plain".into(),
        }),
        source: bytes("visitor"),
        id: bytes(id),
        context: Arc::new(Context {
            correlation: bytes(&format!("visit-{id}")),
            principal: bytes("somebody"),
            trace_parent: bytes("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        }),
        redrive: None,
        wake: None,
        body: bytes(body),
    }
}

/// What the handler of that name is.
pub(crate) fn spec(guest: &str) -> HandlerSpec {
    load_configured(guest, limits(), WILD.as_bytes()).spec().clone()
}

pub(crate) fn letter(bytes: &Bytes) -> DeadLetter {
    zamu_core::aggregate::decode(bytes).unwrap()
}

fn program(handler: &Arc<Handler>, settings: &Settings, deployment: u64) -> Program {
    let types = ["animal", "keeper"].map(|name| TypeSettings {
        name: name.into(),
        partitions: 1,
        window_ids: 64,
        window_ms: 86_400_000,
    });
    let topology =
        Topology::new(deployment, types.to_vec(), vec![Arc::new(handler.spec().clone())]);
    let (handler, projection) = (Arc::clone(handler), Arc::clone(handler));
    Program {
        topology: Arc::new(topology.unwrap()),
        guests: Box::new(move || vec![Box::new(handler.instance()) as Box<dyn Guest>]),
        projecting: Box::new(move || vec![Box::new(projection.instance()) as Box<dyn Guest>]),
        settings: settings.clone(),
        shards: 1,
    }
}
