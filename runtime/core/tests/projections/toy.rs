//! A log of cells' events, a projection of them, and a plain fold to compare with.
//!
//! | event | what the projection makes of it |
//! |---|---|
//! | `Added` n | adds n to the cell's row in `sums`, and the row `cell/n` in `adds` |
//! | `Added` 13 | breaks until mended, naming the event if it names any |
//! | `Added` 14 | returns contradicting columns until mended |
//! | `Added` 15 | the machine cannot give it what it needs, until mended |
//! | `Cleared` | the cell's row in `sums` goes, and its row `cell/20` in `adds` |
//! | `Noise` | is not taken |

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use zamu_core::error::EngineError;
use zamu_core::guest::columns::ChangeColumns;
use zamu_core::guest::manifest::{Class, HandlerSpec, Manifest, OwnedType, Table, TypeKinds};
use zamu_core::guest::native::{Answer, Item, Native, RowChange, Rules, Sent};
use zamu_core::guest::{FaultReason, Guest};
use zamu_core::log::Limit;
use zamu_core::log::events::Events;
use zamu_core::model::{
    Cause, Event, EventNumber, Kind, KindName, PartitionId, Time, TypeId, partition_of,
};
use zamu_core::prng::Prng;
use zamu_core::projection::set::{Committed, Parts};
use zamu_core::projection::{Generations, Projections, Stale, Watcher, query};
use zamu_core::proto::TableGeneration;
use zamu_core::references::{References, Seen};
use zamu_core::store::tables::memory::MemoryTables;
use zamu_core::store::tables::{Scan, TableReader, TableStore};
use zamu_core::topology::{Topology, TypeSettings};

pub const PARTITIONS: u32 = 3;
pub const PROJECTION: &str = "sums";

const ADDED: u32 = 0;
const CLEARED: u32 = 1;

/// A log that only grows. Clones are the same one.
#[derive(Clone, Default)]
pub struct Log {
    events: Arc<Mutex<Vec<Vec<Event>>>>,
    /// What the next read fails with.
    pub failure: Arc<Mutex<Option<EngineError>>>,
}

pub fn partition(number: u32) -> PartitionId {
    PartitionId { aggregate_type: TypeId(0), number }
}

fn kind(name: &str) -> Kind {
    Arc::new(KindName { name: name.into(), schema: "1".into(), content_type: "text/plain".into() })
}

impl Log {
    pub fn append(&self, key: &str, kind_name: &str, body: &str) -> EventNumber {
        let mut partitions = self.events.lock().unwrap();
        partitions.resize_with(PARTITIONS as usize, Vec::new);
        let events = &mut partitions[partition_of(key.as_bytes(), PARTITIONS) as usize];
        let of_key = |event: &&Event| event.key == key.as_bytes();
        let sequence = events.iter().filter(of_key).count() as u64 + 1;
        let number = events.len() as u64;
        events.push(Event {
            number,
            key: Bytes::copy_from_slice(key.as_bytes()),
            sequence,
            previous: None,
            kind: kind(kind_name),
            time: Time(number),
            cause: Cause::Request { offset: 0, source: Bytes::new(), id: Bytes::new() },
            handler: "cells".into(),
            deployment: 1,
            context: Arc::default(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        });
        number
    }

    /// So many events of some cells, of all kinds.
    pub fn grow(&self, prng: &mut Prng, events: usize) {
        for _ in 0..events {
            let key = ["a", "b", "b/c", "d", "e", "f", "\u{1F600}"][prng.index(7)];
            match prng.index(10) {
                0 => self.append(key, "Cleared", ""),
                1 => self.append(key, "Noise", "x"),
                _ => self.append(key, "Added", &(20 + prng.index(9)).to_string()),
            };
        }
    }

    pub fn end_of(&self, number: u32) -> EventNumber {
        self.events.lock().unwrap().get(number as usize).map_or(0, Vec::len) as u64
    }

    /// What a plain fold makes of the first events of each partition: (table, key) to row.
    pub fn fold(&self, ends: &[EventNumber]) -> BTreeMap<(String, String), String> {
        let mut rows = BTreeMap::new();
        for (events, end) in self.events.lock().unwrap().iter().zip(ends) {
            for event in &events[..*end as usize] {
                let key = String::from_utf8(event.key.to_vec()).unwrap();
                let sums = ("sums".to_owned(), key.clone());
                let body = String::from_utf8(event.body.to_vec()).unwrap();
                match event.kind.name.as_str() {
                    "Added" => {
                        rows.insert(("adds".to_owned(), format!("{key}/{body}")), body.clone());
                        let sum = rows.get(&sums).map_or(0, |sum: &String| sum.parse().unwrap());
                        rows.insert(sums, (sum + body.parse::<u64>().unwrap()).to_string());
                    }
                    "Cleared" => {
                        rows.remove(&sums);
                        rows.remove(&("adds".to_owned(), format!("{key}/20")));
                    }
                    _ => {}
                }
            }
        }
        rows
    }
}

impl Events for Log {
    fn read(
        &mut self,
        partition: PartitionId,
        from: EventNumber,
        limit: Limit,
    ) -> Result<Vec<Event>, EngineError> {
        if let Some(failure) = self.failure.lock().unwrap().take() {
            return Err(failure);
        }
        let partitions = self.events.lock().unwrap();
        let events = partitions.get(partition.number as usize).map_or(&[][..], |events| events);
        Ok(events.iter().skip(from as usize).take(limit.records).cloned().collect())
    }

    fn end(&mut self, partition: PartitionId) -> Result<EventNumber, EngineError> {
        Ok(self.end_of(partition.number))
    }

    fn log_id(&self) -> Bytes {
        Bytes::from_static(b"the log")
    }
}

/// How the projection behaves.
#[derive(Clone, Default)]
pub struct Behaviour {
    pub mended: Arc<AtomicBool>,
    pub anonymous: bool,
    pub lie: bool,
}

impl Behaviour {
    pub fn mend(&self) {
        self.mended.store(true, Ordering::SeqCst);
    }
}

impl Rules for Behaviour {
    fn decide(&mut self, _: &[u8], _: &Item<'_>) -> Result<Answer, FaultReason> {
        Err(FaultReason::Trap)
    }

    fn evolve(&mut self, _: &mut Vec<u8>, _: &Item<'_>) -> Result<(), FaultReason> {
        Err(FaultReason::Trap)
    }

    fn react(&mut self, _: &Item<'_>) -> Result<Vec<Sent>, FaultReason> {
        Err(FaultReason::Trap)
    }

    fn project(
        &mut self,
        rows: &mut BTreeMap<u32, Vec<u8>>,
        event: &Item<'_>,
    ) -> Result<Vec<RowChange>, FaultReason> {
        let row = |suffix: &str, value| vec![RowChange { table: 1, suffix: suffix.into(), value }];
        if event.kind == CLEARED {
            rows.remove(&0);
            return Ok(row("20", None));
        }
        let text = std::str::from_utf8(event.body).unwrap();
        match text {
            "13" if !self.mended.load(Ordering::SeqCst) => return Err(FaultReason::Trap),
            "15" if !self.mended.load(Ordering::SeqCst) => return Err(FaultReason::Host),
            "14" => self.lie = !self.mended.load(Ordering::SeqCst),
            _ => {}
        }
        let sum = rows.get(&0).map_or(0, |sum| std::str::from_utf8(sum).unwrap().parse().unwrap());
        rows.insert(0, (sum + text.parse::<u64>().unwrap()).to_string().into_bytes());
        Ok(row(text, Some(event.body.to_vec())))
    }

    fn distort_changes(&mut self, changes: &mut ChangeColumns) {
        if std::mem::take(&mut self.lie) {
            changes.delete.pop();
        }
    }
}

/// A handler that owns cells, and one that makes tables of their events.
pub fn topology(fold: u32) -> Arc<Topology> {
    let kinds = ["Added", "Cleared", "Noise"].map(kind).to_vec();
    let manifest = |name: &str| Manifest {
        name: name.into(),
        version: "0.1.0".into(),
        fold,
        types: vec!["cell".into()],
        kinds: kinds.clone(),
        state_schemas: vec!["1".into()],
        ..Manifest::default()
    };
    let owned = OwnedType { aggregate_type: 0, commands: vec![], events: vec![0, 1, 2] };
    let cells = Manifest { aggregates: vec![owned], ..manifest("cells") };
    let table =
        |name: &str, keyed| Table { name: name.into(), aggregate_type: 0, keyed, reference: false };
    let sums = Manifest {
        tables: vec![table("sums", true), table("adds", false)],
        projections: vec![TypeKinds { aggregate_type: 0, kinds: vec![ADDED, CLEARED] }],
        ..manifest(PROJECTION)
    };
    let spec = |manifest: Manifest| {
        Arc::new(HandlerSpec {
            name: manifest.name.as_str().into(),
            digest: "d".into(),
            class: Class::Pure,
            manifest,
            configuration: Bytes::new(),
        })
    };
    let cell = TypeSettings {
        name: "cell".into(),
        partitions: PARTITIONS,
        window_ids: 8,
        window_ms: 1_000,
    };
    Arc::new(Topology::new(1, vec![cell], vec![spec(cells), spec(sums)]).expect("it fits"))
}

/// What a watcher was told, as lines.
#[derive(Clone, Default)]
pub struct Told(pub Arc<Mutex<Vec<String>>>);

impl Watcher for Told {
    fn changed(&mut self, committed: &Committed<'_>) {
        let Committed { projection, generation, served, partition, next, .. } = committed;
        self.0.lock().unwrap().push(format!(
            "{projection} {} {} {}: {next}, {} rows",
            generation.number,
            if *served { "served" } else { "building" },
            partition.number,
            committed.write.puts.len() + committed.write.deletes.len(),
        ));
    }

    fn stopped(&mut self, projection: &str, partition: PartitionId, stale: &Stale) {
        let line = format!("{projection} stopped in {} at {}", partition.number, stale.event);
        self.0.lock().unwrap().push(line);
    }

    fn served(&mut self, projection: &str, generation: &TableGeneration) {
        self.0.lock().unwrap().push(format!("{projection} {} is served", generation.number));
    }
}

/// A process that makes tables of a log.
pub struct Maker {
    pub set: Projections,
    pub told: Told,
}

pub fn try_start(
    log: &Log,
    tables: &MemoryTables,
    behaviour: &Behaviour,
    fold: u32,
    page: usize,
) -> Result<Maker, EngineError> {
    let told = Told::default();
    let guest: Box<dyn Guest> = Box::new(Native::new(behaviour.clone(), !behaviour.anonymous));
    let topology = topology(fold);
    let set = Projections::open(Parts {
        topology: Arc::clone(&topology),
        makers: topology.projections().zip([guest]).collect(),
        events: Box::new(log.clone()),
        generations: Generations::open(Arc::new(tables.clone()), log)?,
        watcher: Box::new(told.clone()),
        page: Limit { records: page, bytes: usize::MAX },
        references: References::new(&topology),
        seen: Seen::default(),
        reference_bytes_max: usize::MAX,
    })?;
    Ok(Maker { set, told })
}

pub fn start(log: &Log, tables: &MemoryTables, behaviour: &Behaviour, page: usize) -> Maker {
    try_start(log, tables, behaviour, 1, page).unwrap()
}

impl Maker {
    /// Until there is nothing left to do.
    pub fn settle(&mut self) {
        while self.set.step().unwrap() {}
    }
}

/// The rows that queries read, in the order of keys: (table, key) to row.
pub fn served(tables: &MemoryTables) -> BTreeMap<(String, String), String> {
    let snapshot = tables.snapshot();
    let catalogue = query::catalogue(&*snapshot).unwrap();
    let mut rows = BTreeMap::new();
    for name in ["sums", "adds"] {
        let Some(table) = query::find(&catalogue, name, |_| true) else { continue };
        let page = table.page(&*snapshot, PARTITIONS, Scan::default(), usize::MAX).unwrap();
        for (key, value) in page.rows {
            let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
            rows.insert((name.to_owned(), text(&key)), text(&value));
        }
    }
    rows
}

/// How far the rows that queries read have come.
pub fn positions(tables: &dyn TableReader) -> Vec<EventNumber> {
    let catalogue = query::catalogue(tables).unwrap();
    match query::find(&catalogue, "sums", |_| true) {
        Some(table) => table.positions(tables, PARTITIONS).unwrap(),
        None => vec![0; PARTITIONS as usize],
    }
}

pub fn ends(log: &Log) -> Vec<EventNumber> {
    (0..PARTITIONS).map(|number| log.end_of(number)).collect()
}
