//! On an event, then rows: the kit for a projection.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use serde::Serialize;
use serde_json::Value;

use super::diff;
use super::engine::Engine;
use super::lane::Names;
use super::laws::{Law, broken, unfaulted};
use super::scenario::survives;
use crate::codec::Codec;
use crate::columns::{self, Changes, CurrentRows, Fault, Subjects};
use crate::handler::Handler;
use crate::handler::kinds::Kinds;
use crate::messages::Messages;
use crate::projection::{KeyedTable, ListTable, Projection, Row, TableDeclaration};
use crate::time::Time;

/// How many of the latest events are projected again in batches after each step. Older ones have
/// been in batches of that size already.
const WINDOW: usize = 16;

/// A projection, and the rows that it makes of events. Every assertion panics with a readable
/// difference, and so does every law that is broken.
pub struct Projected<P: Projection> {
    engine: Box<dyn Engine>,
    aggregate_type: u32,
    kinds: Kinds,
    /// The form of the events.
    codec: Codec,
    /// The manifest's index of each of [`Projection::TABLES`].
    tables: Vec<(TableDeclaration, u32)>,
    next: Event,
    /// Sequence of the last event of each aggregate.
    sequences: BTreeMap<String, u64>,
    rows: Rows,
    /// The rows before the first of `steps`.
    base: Rows,
    /// The latest events, each with the rows after it.
    steps: Vec<(Event, Rows)>,
    projection: PhantomData<fn() -> P>,
}

/// Ends the key of an aggregate that the kit makes up.
const NEIGHBOUR: &str = "\u{1}neighbour";

#[derive(Clone, Debug)]
struct Event {
    kind: u32,
    key: String,
    sequence: u64,
    time: Time,
    correlation: String,
    body: Vec<u8>,
}

/// All rows, by table and key.
type Rows = BTreeMap<(u32, String), Vec<u8>>;

impl<P: Projection> Default for Projected<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: Projection> std::fmt::Debug for Projected<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Projected").field("rows", &show(&self.tables, &self.rows)).finish()
    }
}

/// The setting: what holds for the events that follow.
impl<P: Projection> Projected<P> {
    /// The projection alone, run natively.
    #[track_caller]
    pub fn new() -> Self {
        Self::on_engine(Handler::new("projected", "0.0.0", 1).projection::<P>())
    }

    /// The projection, run by an engine whose handler has it and gives these kinds to no other
    /// projection.
    ///
    /// # Panics
    /// If the handler does not know the type, a kind or a table of the projection.
    #[track_caller]
    pub fn on_engine(mut engine: impl Engine + 'static) -> Self {
        let names = Names::of(&mut engine);
        let mut tables = Vec::new();
        for table in P::TABLES {
            tables.push((*table, names.table(table)));
        }
        Self {
            aggregate_type: names.aggregate_type(P::TYPE),
            kinds: names.kinds(P::Event::KINDS),
            codec: Codec::Json,
            tables,
            engine: Box::new(engine),
            next: Event {
                kind: 0,
                key: "key".to_owned(),
                sequence: 0,
                time: Time(1_700_000_000_000),
                correlation: "correlation".to_owned(),
                body: Vec::new(),
            },
            sequences: BTreeMap::new(),
            rows: Rows::new(),
            base: Rows::new(),
            steps: Vec::new(),
            projection: PhantomData,
        }
    }

    /// Key of the aggregate whose events follow, and whose rows `then` asks for.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.next.key = key.into();
        self
    }

    /// The form of the events that follow, where their kind has it.
    pub fn in_form(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    /// The time of the events that follow.
    pub fn at(mut self, time: Time) -> Self {
        self.next.time = time;
        self
    }

    /// The correlation of the events that follow.
    pub fn correlation(mut self, correlation: impl Into<String>) -> Self {
        self.next.correlation = correlation.into();
        self
    }
}

/// When.
impl<P: Projection> Projected<P> {
    /// This happened to the aggregate; the kit numbers events.
    ///
    /// # Panics
    /// If the projection faults or a law is broken.
    #[track_caller]
    pub fn on(self, event: impl Into<P::Event>) -> Self {
        let message = event.into();
        let (codec, kind) = self.kinds.written(message.kind(), self.codec);
        let body = survives(&message, codec);
        self.happen(kind, body)
    }

    /// This happened, with a body as it stands in a log: how to guard that old records are still
    /// understood.
    ///
    /// # Panics
    /// If the projection takes no such event, or as [`Projected::on`].
    #[track_caller]
    pub fn on_stored(self, kind: &str, schema: &str, body: impl AsRef<[u8]>) -> Self {
        let message: P::Event = super::stored(kind, schema, body.as_ref());
        let (_, kind) = self.kinds.written(message.kind(), Codec::Json);
        self.happen(kind, body.as_ref().to_vec())
    }

    #[track_caller]
    fn happen(mut self, kind: u32, body: Vec<u8>) -> Self {
        let sequence = self.sequences.entry(self.next.key.clone()).or_default();
        *sequence += 1;
        let event = Event { kind, sequence: *sequence, body, ..self.next.clone() };
        let after = self.project(&self.rows.clone(), std::slice::from_ref(&event));
        self.rows.clone_from(&after);
        self.steps.push((event, after));
        if self.steps.len() > WINDOW {
            self.base = self.steps.remove(0).1;
        }
        self.check_laws();
        self
    }

    /// The last event again, then all runs of events that end with it, each in one batch, alone and
    /// beside another aggregate.
    #[track_caller]
    fn check_laws(&mut self) {
        let last = self.steps.len() - 1;
        let after = self.rows.clone();
        for first in (0..=last).rev().chain([last, last]) {
            let before =
                first.checked_sub(1).map_or(&self.base, |step| &self.steps[step].1).clone();
            let events: Vec<Event> =
                self.steps[first..].iter().map(|step| step.0.clone()).collect();
            let found = self.project(&before, &events);
            if found != after {
                let (law, how) = if first == last {
                    (Law::Repeatable, "the same event, projected twice, left different rows")
                } else {
                    (Law::Splittable, "events one by one (-) and in one batch (+)")
                };
                self.differ(law, how, &after, &found);
            }
            self.check_apart(&before, &events, &after);
        }
    }

    /// Every aggregate gets a neighbour with the same rows and the same events.
    #[track_caller]
    fn check_apart(&mut self, before: &Rows, events: &[Event], after: &Rows) {
        let mut beside = before.clone();
        for ((table, key), row) in before {
            let owner = self.owner(*table, key);
            let theirs = format!("{owner}{NEIGHBOUR}{}", &key[owner.len()..]);
            beside.insert((*table, theirs), row.clone());
        }
        let neighbour =
            |event: &Event| Event { key: format!("{}{NEIGHBOUR}", event.key), ..event.clone() };
        let both: Vec<Event> =
            events.iter().flat_map(|event| [neighbour(event), event.clone()]).collect();
        let mut found = self.project(&beside, &both);
        found.retain(|(table, key), _| !self.owner(*table, key).ends_with(NEIGHBOUR));
        if found != *after {
            let how = "the aggregate alone in its batch (-) and beside another one (+)";
            self.differ(Law::Separate, how, after, &found);
        }
    }

    /// Key of the aggregate that a row belongs to. Suffixes have no `/` in them.
    fn owner<'k>(&self, table: u32, key: &'k str) -> &'k str {
        let keyed = self.tables.iter().any(|(declared, known)| *known == table && declared.keyed);
        if keyed { key } else { key.rsplit_once('/').map_or("", |(owner, _)| owner) }
    }

    #[track_caller]
    fn differ(&self, law: Law, how: &str, expected: &Rows, found: &Rows) -> ! {
        let (expected, found) = (show(&self.tables, expected), show(&self.tables, found));
        broken(law, how, &diff::lines(&expected, &found))
    }

    /// The rows after these events, projected in one call.
    #[track_caller]
    fn project(&mut self, before: &Rows, events: &[Event]) -> Rows {
        let mut keys: Vec<&str> = Vec::new();
        let mut projected = columns::Projected::default();
        for event in events {
            let slot = keys.iter().position(|key| *key == event.key).unwrap_or_else(|| {
                keys.push(&event.key);
                keys.len() - 1
            });
            projected.slot.push(slot as u32);
            projected.sequences.push(event.sequence);
            projected.kind.push(event.kind);
            projected.time.push(event.time.0);
            projected.correlations.push(event.correlation.as_bytes());
            projected.bodies.push(&event.body);
        }
        let current = self.current(before, &keys);
        let subjects = Subjects {
            aggregate_type: vec![self.aggregate_type; keys.len()],
            keys: keys.iter().collect(),
        };
        let changes = self.engine.project(&subjects, &current, &projected);
        let applied = changes.and_then(|changes| self.apply(before, &keys, &changes));
        unfaulted("project", applied)
    }

    fn current(&self, rows: &Rows, keys: &[&str]) -> CurrentRows {
        let mut current = CurrentRows::default();
        for (slot, key) in keys.iter().enumerate() {
            for (_, table) in self.tables.iter().filter(|(table, _)| table.keyed) {
                if let Some(value) = rows.get(&(*table, (*key).to_owned())) {
                    current.slot.push(slot as u32);
                    current.table.push(*table);
                    current.values.push(value);
                }
            }
        }
        current
    }

    fn apply(&self, before: &Rows, keys: &[&str], changes: &Changes) -> Result<Rows, Fault> {
        changes.check()?;
        let mut rows = before.clone();
        for (index, table) in changes.table.iter().enumerate() {
            let key = keys.get(changes.slot[index] as usize).copied();
            let declared = self.tables.iter().find(|(_, known)| known == table);
            let (Some(key), Some((declared, _))) = (key, declared) else {
                return Err(Fault::Internal(format!("change {index} is of no row of the batch")));
            };
            let suffix = String::from_utf8_lossy(changes.suffixes.get(index));
            let key = if declared.keyed { key.to_owned() } else { format!("{key}/{suffix}") };
            match changes.delete[index] {
                0 => rows.insert((*table, key), changes.values.get(index).to_vec()),
                _ => rows.remove(&(*table, key)),
            };
        }
        Ok(rows)
    }
}

/// Then.
impl<P: Projection> Projected<P> {
    /// The aggregate's row is this, as JSON.
    ///
    /// # Panics
    /// If it has none, or another.
    #[track_caller]
    pub fn then_row<R: Row>(self, table: &KeyedTable<R>, row: &(impl Serialize + ?Sized)) -> Self {
        let key = self.next.key.clone();
        self.expect(&table.declared(), &key, row)
    }

    /// The aggregate has no row.
    ///
    /// # Panics
    /// If it has one.
    #[track_caller]
    pub fn then_no_row<R: Row>(self, table: &KeyedTable<R>) -> Self {
        let key = self.next.key.clone();
        self.expect_none(&table.declared(), &key)
    }

    /// The aggregate's row with that suffix is this, as JSON.
    ///
    /// # Panics
    /// If there is none, or another.
    #[track_caller]
    pub fn then_row_at<R: Row>(
        self,
        table: &ListTable<R>,
        suffix: &str,
        row: &(impl Serialize + ?Sized),
    ) -> Self {
        let key = format!("{}/{suffix}", self.next.key);
        self.expect(&table.declared(), &key, row)
    }

    /// The aggregate has no row with that suffix.
    ///
    /// # Panics
    /// If it has one.
    #[track_caller]
    pub fn then_no_row_at<R: Row>(self, table: &ListTable<R>, suffix: &str) -> Self {
        let key = format!("{}/{suffix}", self.next.key);
        self.expect_none(&table.declared(), &key)
    }

    /// The aggregate has exactly these suffixes in the table, in the order of keys.
    ///
    /// # Panics
    /// If it has others.
    #[track_caller]
    pub fn then_suffixes<R: Row>(self, table: &ListTable<R>, suffixes: &[&str]) -> Self {
        let index = self.table(&table.declared());
        let mine = |of: u32, key| of == index && self.owner(of, key) == self.next.key;
        let mine = self.rows.keys().filter(|(of, key)| mine(*of, key));
        let found: Vec<&str> = mine.filter_map(|(_, key)| key.rsplit('/').next()).collect();
        if found != suffixes {
            panic!("other suffixes than expected (-):\n{}", diff::values(&suffixes, &found));
        }
        self
    }

    #[track_caller]
    fn expect(self, table: &TableDeclaration, key: &str, row: &(impl Serialize + ?Sized)) -> Self {
        let expected = match serde_json::to_value(row) {
            Ok(expected) => expected,
            Err(error) => panic!("the expected row cannot be JSON: {error}"),
        };
        let Some(bytes) = self.rows.get(&(self.table(table), key.to_owned())) else {
            let rows = show(&self.tables, &self.rows);
            panic!("there is no row {key} in table {}:\n{rows}", table.name)
        };
        match serde_json::from_slice::<Value>(bytes) {
            Ok(found) if found == expected => self,
            Ok(found) => panic!(
                "row {key} of table {} is another than expected (-):\n{}",
                table.name,
                diff::lines(&format!("{expected:#}"), &format!("{found:#}"))
            ),
            Err(error) => panic!(
                "row {key} of table {} is not JSON: {error}\n{}",
                table.name,
                diff::pretty(bytes)
            ),
        }
    }

    #[track_caller]
    fn expect_none(self, table: &TableDeclaration, key: &str) -> Self {
        if let Some(row) = self.rows.get(&(self.table(table), key.to_owned())) {
            panic!("there is a row {key} in table {}:\n{}", table.name, diff::pretty(row));
        }
        self
    }

    #[track_caller]
    fn table(&self, table: &TableDeclaration) -> u32 {
        match self.tables.iter().find(|(declared, _)| declared == table) {
            Some((_, index)) => *index,
            None => panic!("table {} is not among the projection's TABLES", table.name),
        }
    }
}

fn show(tables: &[(TableDeclaration, u32)], rows: &Rows) -> String {
    let name = |index: u32| {
        let table = tables.iter().find(|(_, known)| *known == index);
        table.map_or("?", |(declared, _)| declared.name)
    };
    let line = |((table, key), row): (&(u32, String), &Vec<u8>)| {
        format!("{} {key}: {}\n", name(*table), diff::pretty(row))
    };
    rows.iter().map(line).collect()
}
