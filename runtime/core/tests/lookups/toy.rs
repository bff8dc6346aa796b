//! Rates that are set, a table of them, and orders that look rates up.
//!
//! | command | what becomes of it |
//! |---|---|
//! | `Set` x to rate r | event `RateSet` x. The row r is x then; for `gone` there is none |
//! | `Set` 13 | as above, but the projection breaks at the event until it is mended |
//! | `Place` `r s` | the reply, and event `Placed`: what the table says of r and s, `-` for nothing |
//! | `Place` `trap` | breaks |
//!
//! At `Placed` another handler looks up the rate that has the order's key, and notes it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use zamu_core::audit::InForce;
use zamu_core::guest::manifest::{Class, HandlerSpec, Manifest, OwnedType, Table, TypeKinds};
use zamu_core::guest::native::{Answer, Item, Native, RowChange, Rules, Sent};
use zamu_core::guest::{FaultReason, Guest, Lookup};
use zamu_core::log::Limit;
use zamu_core::log::simulated::Faults;
use zamu_core::model::{Context, Kind, KindName, PartitionId, Request, TypeId};
use zamu_core::outcomes::decode_record;
use zamu_core::proto::BatchRecord;
use zamu_core::references::{Content, References, Version};
use zamu_core::settings::Settings;
use zamu_core::simulation::{Process, Program};
use zamu_core::topology::{Topology, TypeSettings, WiringError};

pub(crate) const NOTE: TypeId = TypeId(0);
pub(crate) const ORDER: TypeId = TypeId(1);
pub(crate) const RATE: TypeId = TypeId(2);

const SET: u32 = 0;
const RATE_SET: u32 = 1;
const PLACE: u32 = 2;
const PLACED: u32 = 3;
const WRITE: u32 = 4;
const WRITTEN: u32 = 5;

/// How the toy is laid out and behaves.
#[derive(Clone)]
pub(crate) struct Behaviour {
    pub(crate) partitions: u32,
    pub(crate) shards: usize,
    pub(crate) batch: usize,
    pub(crate) faults: Faults,
    pub(crate) deployment: u64,
    /// Of the projection: rows say which it is, from 2 on.
    pub(crate) fold: u32,
    /// Who sets rates looks them up, too.
    pub(crate) own: bool,
    pub(crate) mended: Arc<AtomicBool>,
    /// Beyond this share of faults a partition pauses.
    pub(crate) fault_share_max: f64,
    /// The table moves whenever a guest looks at it.
    pub(crate) restless: Arc<Mutex<Option<References>>>,
    /// How often a guest was asked to decide or to react.
    pub(crate) asked: Arc<AtomicU32>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            partitions: 1,
            shards: 1,
            batch: 50,
            faults: Faults::none(),
            deployment: 1,
            fold: 1,
            own: false,
            mended: Arc::default(),
            fault_share_max: 2.0,
            restless: Arc::default(),
            asked: Arc::default(),
        }
    }
}

/// One handler.
struct Toy {
    role: Role,
    behaviour: Behaviour,
    lookup: Lookup,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Board,
    Notes,
    Orders,
    Rates,
}

impl Toy {
    fn find(&self, key: &[u8]) -> String {
        let row = self.lookup.row(0, key);
        row.map_or_else(|| "-".to_owned(), |row| String::from_utf8(row.to_vec()).unwrap())
    }
}

impl Rules for Toy {
    fn see(&mut self, lookup: &Lookup) {
        self.lookup = lookup.clone();
        let asked = self.behaviour.asked.fetch_add(1, Ordering::SeqCst);
        if let Some(references) = &*self.behaviour.restless.lock().unwrap() {
            references.publish(moved(&references.newest(), asked));
        }
    }

    fn decide(&mut self, _: &[u8], command: &Item<'_>) -> Result<Answer, FaultReason> {
        let text = std::str::from_utf8(command.body).unwrap();
        let event = match self.role {
            Role::Rates => RATE_SET,
            Role::Notes => WRITTEN,
            Role::Board | Role::Orders => PLACED,
        };
        let body = match self.role {
            Role::Orders if text == "trap" => return Err(FaultReason::Trap),
            Role::Orders => {
                let found: Vec<_> = text.split(' ').map(|key| self.find(key.as_bytes())).collect();
                found.join(" ")
            }
            _ => text.to_owned(),
        };
        let reply = if self.behaviour.own { self.find(command.key) } else { body.clone() };
        Ok(Answer::Accept(vec![(event, body.into_bytes())], reply.into_bytes()))
    }

    fn evolve(&mut self, state: &mut Vec<u8>, event: &Item<'_>) -> Result<(), FaultReason> {
        *state = event.body.to_vec();
        Ok(())
    }

    fn react(&mut self, event: &Item<'_>) -> Result<Vec<Sent>, FaultReason> {
        let body = self.find(event.key).into_bytes();
        Ok(vec![Sent { aggregate_type: 0, key: event.key.to_vec(), kind: WRITE, body }])
    }

    fn project(
        &mut self,
        rows: &mut BTreeMap<u32, Vec<u8>>,
        event: &Item<'_>,
    ) -> Result<Vec<RowChange>, FaultReason> {
        match std::str::from_utf8(event.body).unwrap() {
            "13" if !self.behaviour.mended.load(Ordering::SeqCst) => return Err(FaultReason::Trap),
            "gone" => rows.remove(&0),
            text => rows.insert(0, row_of(self.behaviour.fold, text).into_bytes()),
        };
        Ok(Vec::new())
    }
}

/// The row that a projection of that fold makes of a rate.
pub(crate) fn row_of(fold: u32, rate: &str) -> String {
    if fold == 1 { rate.to_owned() } else { format!("{rate}/{fold}") }
}

/// A version in which every row has another value.
fn moved(version: &Version, number: u32) -> Version {
    let mut moved = version.clone();
    for table in &mut moved.tables {
        let Content::Ready(slices) = &mut table.content else { continue };
        for slice in slices {
            slice.next += 1;
            let rows = Arc::make_mut(&mut slice.rows);
            for key in ["a", "b"] {
                rows.insert(key.into(), Bytes::from(format!("moved {number}")));
            }
        }
    }
    moved
}

fn kinds() -> Vec<Kind> {
    let kind = |name: &str| KindName {
        name: name.into(),
        schema: "1".into(),
        content_type: "text/plain".into(),
    };
    let names = ["Set", "RateSet", "Place", "Placed", "Write", "Written"];
    names.iter().map(|name| Arc::new(kind(name))).collect()
}

/// The handlers' manifests, by name: the projection, notes, orders and rates.
pub(crate) fn manifests(behaviour: &Behaviour) -> [Manifest; 4] {
    let manifest = |name: &str, types: &[&str]| Manifest {
        name: name.into(),
        version: "0.1.0".into(),
        fold: 1,
        types: types.iter().map(|name| (*name).to_owned()).collect(),
        kinds: kinds(),
        state_schemas: vec!["1".into()],
        ..Manifest::default()
    };
    let owns = |command, event| {
        vec![OwnedType { aggregate_type: 0, commands: vec![command], events: vec![event] }]
    };
    let rates = || vec!["rates".to_owned()];
    let table = Table { name: "rates".into(), aggregate_type: 0, keyed: true, reference: true };
    [
        Manifest {
            fold: behaviour.fold,
            tables: vec![table],
            projections: vec![TypeKinds { aggregate_type: 0, kinds: vec![RATE_SET] }],
            ..manifest("board", &["rate"])
        },
        Manifest {
            aggregates: owns(WRITE, WRITTEN),
            subscriptions: vec![TypeKinds { aggregate_type: 1, kinds: vec![PLACED] }],
            sends: vec![TypeKinds { aggregate_type: 0, kinds: vec![WRITE] }],
            references: rates(),
            ..manifest("notes", &["note", "order"])
        },
        Manifest {
            aggregates: owns(PLACE, PLACED),
            references: rates(),
            ..manifest("orders", &["order"])
        },
        Manifest {
            aggregates: owns(SET, RATE_SET),
            references: if behaviour.own { rates() } else { Vec::new() },
            ..manifest("rates", &["rate"])
        },
    ]
}

pub(crate) fn bind(
    manifests: [Manifest; 4],
    behaviour: &Behaviour,
) -> Result<Topology, WiringError> {
    let spec = |manifest: Manifest| {
        Arc::new(HandlerSpec {
            name: manifest.name.as_str().into(),
            digest: "d".into(),
            class: Class::Pure,
            manifest,
            configuration: Bytes::new(),
        })
    };
    let types = ["note", "order", "rate"].map(|name| TypeSettings {
        name: name.into(),
        partitions: behaviour.partitions,
        window_ids: 64,
        window_ms: 1_000_000,
    });
    Topology::new(behaviour.deployment, types.to_vec(), manifests.map(spec).to_vec())
}

/// The projection's guest alone.
pub(crate) fn board(behaviour: &Behaviour) -> Box<dyn Guest> {
    guest(Role::Board, behaviour)
}

fn guest(role: Role, behaviour: &Behaviour) -> Box<dyn Guest> {
    let (behaviour, lookup) = (behaviour.clone(), Lookup::default());
    Box::new(Native::new(Toy { role, behaviour, lookup }, true))
}

/// All handlers, with an instance of each.
pub(crate) fn in_force(behaviour: &Behaviour) -> InForce {
    let Program { topology, guests, .. } = program(behaviour);
    InForce { topology, guests: guests() }
}

fn program(behaviour: &Behaviour) -> Program {
    let (shards, tables) = (behaviour.clone(), behaviour.clone());
    let roles = [Role::Board, Role::Notes, Role::Orders, Role::Rates];
    Program {
        topology: Arc::new(bind(manifests(behaviour), behaviour).unwrap()),
        guests: Box::new(move || roles.map(|role| guest(role, &shards)).into()),
        projecting: Box::new(move || vec![board(&tables)]),
        settings: Settings {
            turn: Limit { records: behaviour.batch, bytes: usize::MAX },
            sample_every: 1,
            fault_share_max: behaviour.fault_share_max,
            ..Settings::default()
        },
        shards: behaviour.shards,
    }
}

/// The toy in a process.
pub(crate) struct World {
    pub(crate) process: Process,
    pub(crate) behaviour: Behaviour,
    sent: u64,
}

impl World {
    pub(crate) fn new(seed: u64, behaviour: Behaviour) -> Self {
        let process = Process::new(seed, behaviour.faults.clone(), program(&behaviour));
        Self { process, behaviour, sent: 0 }
    }

    /// The process is killed, and started again as the behaviour now says.
    pub(crate) fn restart(&mut self) {
        self.behaviour.deployment += 1;
        self.process.replace(program(&self.behaviour));
    }

    pub(crate) fn set(&mut self, rate: &str, to: &str) {
        self.send(RATE, rate, "Set", to);
    }

    pub(crate) fn place(&mut self, order: &str, rates: &str) {
        self.send(ORDER, order, "Place", rates);
    }

    fn send(&mut self, aggregate_type: TypeId, key: &str, kind: &str, body: &str) {
        let kinds = kinds();
        self.sent += 1;
        let request = Request {
            key: Bytes::copy_from_slice(key.as_bytes()),
            kind: kinds.into_iter().find(|known| known.name == kind).unwrap(),
            source: Bytes::from_static(b"client"),
            id: Bytes::from(self.sent.to_string()),
            context: Arc::new(Context::default()),
            redrive: None,
            wake: None,
            body: Bytes::copy_from_slice(body.as_bytes()),
        };
        let number = zamu_core::model::partition_of(key.as_bytes(), self.behaviour.partitions);
        self.process.append(PartitionId { aggregate_type, number }, request);
    }

    /// The replies to requests of a type, in the order of partitions and requests.
    pub(crate) fn replies(&self, aggregate_type: TypeId) -> Vec<String> {
        let of_type =
            |(place, _): &(&(PartitionId, u64), _)| place.0.aggregate_type == aggregate_type;
        let answers = self.process.answers.iter().filter(of_type);
        answers.map(|(_, outcome)| zamu_core::simulation::describe(outcome)).collect()
    }

    /// The batch records of a partition.
    pub(crate) fn records(&self, aggregate_type: TypeId, number: u32) -> Vec<BatchRecord> {
        let outcomes = self.process.contents(aggregate_type, number).outcomes;
        outcomes.iter().map(|(_, bytes)| decode_record(bytes).unwrap()).collect()
    }

    /// The versions that the turns of partition 0 saw: number of the next event.
    pub(crate) fn versions(&self, aggregate_type: TypeId) -> Vec<u64> {
        let records = self.records(aggregate_type, 0);
        records.iter().map(|record| record.references[0].next[0]).collect()
    }

    /// What has been noted, in order.
    pub(crate) fn notes(&self) -> Vec<String> {
        let events = (0..self.behaviour.partitions)
            .flat_map(|number| self.process.contents(NOTE, number).events);
        events.map(|event| String::from_utf8(event.body.to_vec()).unwrap()).collect()
    }

    pub(crate) fn status(&mut self, aggregate_type: TypeId) -> zamu_core::partition::Status {
        self.process.status(PartitionId { aggregate_type, number: 0 }).unwrap()
    }

    /// Steps for a while, with the tables or not.
    pub(crate) fn run(&mut self) {
        for _ in 0..200 {
            self.process.step();
        }
    }
}
