//! A handler put together: its roles, its manifest, and the entry points of `wit/` over columns.
//!
//! The same code serves a component in the sandbox and native tests. What differs between them (the
//! meter, the configuration, rows of reference tables) comes through [`Host`].

mod configuration;
mod decide;
mod evolve;
pub(crate) mod kinds;
pub(crate) mod lookups;
mod manifest;
mod project;
mod react;
pub(crate) mod rows;
mod slot;

use self::configuration::Parse;
use self::kinds::Kinds;
use self::lookups::References;
use self::manifest::{Manifest, OwnedType};
use self::slot::Slot;
use crate::aggregate::Aggregate;
use crate::codec::Codec;
use crate::columns::{
    Aggregates, Blobs, Changes, Commands, CurrentRows, Decision, Fault, Heard, Past, Projected,
    Sent, States, Subjects, WAKE, same_length,
};
use crate::event_handler::EventHandler;
use crate::messages::Addressed;
use crate::projection::Projection;

/// What a handler needs of whoever runs it.
pub trait Host {
    /// Work on item `index` of this call begins now.
    fn item(&mut self, index: u32);

    /// The handler's configuration, as the operator wrote it.
    fn configuration(&mut self) -> Vec<u8>;

    /// The row at this key, if there is one, of the reference table with this index in the manifest.
    ///
    /// In a component the import itself is asked, past this trait, so that one that looks nothing up
    /// does not have that import.
    #[cfg(not(target_arch = "wasm32"))]
    fn reference(&self, table: u32, key: &[u8]) -> Option<Vec<u8>>;
}

/// A handler as a value: what [`handler!`](crate::handler!) exports, and what native tests drive.
#[derive(Debug)]
pub struct Handler {
    manifest: Manifest,
    owned: Vec<Owned>,
    reactions: Vec<react::Reaction>,
    projections: Vec<project::Role>,
}

/// An aggregate type of the handler.
#[derive(Debug)]
struct Owned {
    name: &'static str,
    aggregate_type: u32,
    /// The manifest's state schemas.
    schema_json: u32,
    schema_protobuf: Option<u32>,
    commands: Kinds,
    events: Kinds,
    open: slot::Open,
    show: slot::Show,
    parse: Parse,
    reads_configuration: bool,
    references: References,
}

impl Handler {
    /// A handler without roles. The fold number is raised with any change of an `evolve` or of a
    /// state schema.
    #[must_use]
    pub fn new(name: &str, version: &str, fold: u32) -> Self {
        let manifest = Manifest::new(name, version, fold);
        Self { manifest, owned: Vec::new(), reactions: Vec::new(), projections: Vec::new() }
    }

    /// Adds an aggregate type.
    ///
    /// # Panics
    /// If the type is there already: it can have one owner only.
    #[must_use]
    pub fn aggregate<A: Aggregate>(mut self) -> Self {
        let manifest = &mut self.manifest;
        let aggregate_type = manifest.type_index(A::TYPE);
        assert!(
            manifest.aggregates.iter().all(|owned| owned.aggregate_type != aggregate_type),
            "aggregate type {} stands twice in handler {}",
            A::TYPE,
            manifest.name,
        );
        let commands = Kinds::of::<A::Command>(manifest);
        let events = Kinds::of::<A::Event>(manifest);
        manifest.aggregates.push(OwnedType {
            aggregate_type,
            commands: commands.all().collect(),
            events: events.all().collect(),
        });
        let mut schema = |codec| manifest.schema_index(A::STATE_SCHEMA, codec);
        self.owned.push(Owned {
            name: A::TYPE,
            aggregate_type,
            schema_json: schema(Codec::Json),
            schema_protobuf: A::STATE_PROTOBUF.is_some().then(|| schema(Codec::Protobuf)),
            commands,
            events,
            open: slot::open::<A>,
            show: slot::show::<A>,
            parse: configuration::parse::<A::Configuration>,
            reads_configuration: configuration::reads::<A::Configuration>(),
            references: References::of::<A>(A::REFERENCES, manifest),
        });
        self
    }

    /// Adds an event handler. Several may hear the same event: their commands follow one another in
    /// the order in which the handlers were added.
    #[must_use]
    pub fn event_handler<H: EventHandler>(mut self) -> Self {
        let manifest = &mut self.manifest;
        let heard = Addresses::of::<H::Event>(manifest);
        let sent = Addresses::of::<H::Command>(manifest);
        for (aggregate_type, event) in heard.all() {
            manifest.subscribe(aggregate_type, event);
        }
        for (aggregate_type, command) in sent.all() {
            manifest.send(aggregate_type, command);
        }
        let references = References::of::<H>(H::REFERENCES, manifest);
        self.reactions.push(react::Reaction::of::<H>(heard, sent, references));
        self
    }

    /// Adds a projection. Several may take the same event, each for tables of its own.
    ///
    /// # Panics
    /// If a table is there already: it has one projection only.
    #[must_use]
    pub fn projection<P: Projection>(mut self) -> Self {
        let manifest = &mut self.manifest;
        let aggregate_type = manifest.type_index(P::TYPE);
        let events = Kinds::of::<P::Event>(manifest);
        for event in events.all() {
            manifest.project(aggregate_type, event);
        }
        let tables = P::TABLES.iter().map(|table| (*table, manifest.table(aggregate_type, table)));
        let tables = tables.collect();
        self.projections.push(project::Role::of::<P>(aggregate_type, events, tables));
        self
    }

    /// The manifest, a JSON object.
    #[must_use]
    pub fn describe(&self) -> String {
        self.manifest.to_json()
    }

    /// The names of the reference tables that it looks things up in, by their index.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn references(&self) -> &[&'static str] {
        &self.manifest.references
    }

    /// Decides commands, in order.
    ///
    /// # Errors
    /// A fault, if the batch cannot be worked on.
    ///
    /// # Panics
    /// If the vendor's code does, or if the columns contradict each other.
    pub fn decide(
        &self,
        aggregates: &Aggregates,
        commands: &Commands,
        host: &mut dyn Host,
    ) -> Result<Decision, Fault> {
        decide::decide(self, aggregates, commands, host)
    }

    /// Folds events into states.
    ///
    /// # Errors
    /// As [`Handler::decide`].
    ///
    /// # Panics
    /// As [`Handler::decide`].
    pub fn evolve(
        &self,
        aggregates: &Aggregates,
        events: &Past,
        host: &mut dyn Host,
    ) -> Result<States, Fault> {
        evolve::evolve(self, aggregates, events, host)
    }

    /// Turns events into commands for other aggregates.
    ///
    /// # Errors
    /// As [`Handler::decide`].
    ///
    /// # Panics
    /// As [`Handler::decide`].
    pub fn react(&self, events: &Heard, host: &mut dyn Host) -> Result<Sent, Fault> {
        react::react(self, events, host)
    }

    /// Turns events into changes of rows.
    ///
    /// # Errors
    /// As [`Handler::decide`].
    ///
    /// # Panics
    /// As [`Handler::decide`].
    pub fn project(
        &self,
        subjects: &Subjects,
        rows: &CurrentRows,
        events: &Projected,
        host: &mut dyn Host,
    ) -> Result<Changes, Fault> {
        project::project(self, subjects, rows, events, host)
    }

    /// Renders states as JSON; `null` for an aggregate without a past.
    ///
    /// # Errors
    /// As [`Handler::decide`].
    pub fn inspect(&self, aggregates: &Aggregates) -> Result<Blobs, Fault> {
        aggregates.check()?;
        let mut texts = Blobs::default();
        for slot in 0..aggregates.keys.len() {
            if aggregates.states.get(slot).is_empty() {
                texts.push(b"null");
                continue;
            }
            let (role, live) = self.open(aggregates, slot)?;
            let owned = &self.owned[role];
            live.show(&mut texts.data).map_err(|error| owned.fault(aggregates, slot, &error))?;
            texts.end_blob();
        }
        Ok(texts)
    }

    /// Renders messages of its own aggregates as JSON: `types` and `kinds` are indices into the
    /// manifest, of the aggregates that the messages are for or of, and of the messages.
    ///
    /// # Errors
    /// As [`Handler::decide`]; also if a body does not decode.
    pub fn show(&self, types: &[u32], kinds: &[u32], bodies: &Blobs) -> Result<Blobs, Fault> {
        same_length("messages", &[types.len(), kinds.len(), bodies.len()])?;
        let mut texts = Blobs::default();
        for (index, (aggregate_type, kind)) in types.iter().zip(kinds).enumerate() {
            let owned = &self.owned[self.owner(*aggregate_type)?];
            let fault = |error: String| {
                let name = self.kind_name(*kind);
                Fault::Internal(format!("{}: message {index}, {name}: {error}", owned.name))
            };
            (owned.show)(owned, *kind, bodies.get(index), &mut texts.data).map_err(fault)?;
            texts.end_blob();
        }
        Ok(texts)
    }

    /// Decodes the state of a slot. Gives the role that owns it, too.
    fn open(&self, aggregates: &Aggregates, slot: usize) -> Result<(usize, Box<dyn Slot>), Fault> {
        let role = self.owner(aggregates.aggregate_type[slot])?;
        let owned = &self.owned[role];
        let state = aggregates.states.get(slot);
        let schema = aggregates.schemas[slot];
        let codec = match state {
            b"" => Codec::Json,
            _ => owned.codec_of(schema).ok_or(Fault::UnsupportedSchema(schema))?,
        };
        let live = (owned.open)(state, codec).map_err(|error| {
            let schema = &self.manifest.state_schemas[schema as usize];
            let text = format!("the state (schema {schema}) does not decode: {error}");
            owned.fault(aggregates, slot, &text)
        })?;
        Ok((role, live))
    }

    /// Index of the role that owns a type.
    fn owner(&self, aggregate_type: u32) -> Result<usize, Fault> {
        let owner = self.owned.iter().position(|owned| owned.aggregate_type == aggregate_type);
        owner.ok_or_else(|| {
            let name = self.manifest.types.get(aggregate_type as usize);
            let name = name.copied().unwrap_or("one that the manifest does not have");
            Fault::Internal(format!(
                "handler {} does not own aggregate type {aggregate_type} ({name})",
                self.manifest.name
            ))
        })
    }

    /// A type's name, for people.
    fn type_name(&self, aggregate_type: u32) -> &'static str {
        let name = self.manifest.types.get(aggregate_type as usize);
        name.copied().unwrap_or("an unknown type")
    }

    /// A kind's name, for people.
    fn kind_name(&self, kind: u32) -> &'static str {
        if kind == WAKE {
            return "the Wake";
        }
        self.manifest.kinds.get(kind as usize).map_or("an unknown kind", |entry| entry.name)
    }

    /// What is wrong, and with which event.
    fn event_fault(
        &self,
        index: usize,
        (type_name, key): (&str, &[u8]),
        kind: u32,
        error: &str,
    ) -> Fault {
        let key = String::from_utf8_lossy(key);
        let schema = self.manifest.kinds.get(kind as usize).map_or("unknown", |entry| entry.schema);
        let name = self.kind_name(kind);
        Fault::Internal(format!(
            "{type_name}/{key}: item {index}, event {name} (schema {schema}): {error}"
        ))
    }
}

impl Owned {
    /// The form of states of this schema.
    fn codec_of(&self, schema: u32) -> Option<Codec> {
        if schema == self.schema_json {
            return Some(Codec::Json);
        }
        (Some(schema) == self.schema_protobuf).then_some(Codec::Protobuf)
    }

    /// The schema of states in this form.
    fn schema_of(&self, codec: Codec) -> u32 {
        match codec {
            Codec::Json => self.schema_json,
            Codec::Protobuf => self.schema_protobuf.unwrap_or(self.schema_json),
        }
    }

    fn fault(&self, aggregates: &Aggregates, slot: usize, text: &str) -> Fault {
        let key = String::from_utf8_lossy(aggregates.keys.get(slot));
        Fault::Internal(format!("{}/{key}: {text}", self.name))
    }
}

/// Aggregate type and kind of each message of a role's list, as the manifest's indices.
#[derive(Debug)]
struct Addresses {
    types: Vec<u32>,
    kinds: Kinds,
}

impl Addresses {
    fn of<M: Addressed>(manifest: &mut Manifest) -> Self {
        let types = M::TYPES.iter().map(|name| manifest.type_index(name)).collect();
        Self { types, kinds: Kinds::of::<M>(manifest) }
    }

    fn all(&self) -> impl Iterator<Item = (u32, u32)> {
        let of_one = |(own, aggregate_type): (usize, &u32)| {
            let aggregate_type = *aggregate_type;
            self.kinds.forms(own).map(move |kind| (aggregate_type, kind))
        };
        self.types.iter().enumerate().flat_map(of_one)
    }

    /// The role's own index of a kind, and the form of its bodies, if it is there.
    fn read(&self, (aggregate_type, kind): (u32, u32)) -> Option<(usize, Codec)> {
        self.kinds.read_where(kind, |own| self.types[own] == aggregate_type)
    }
}

/// How often each slot is used.
fn uses(slots: &[u32], aggregates: usize) -> Result<Vec<u32>, Fault> {
    let mut uses = vec![0_u32; aggregates];
    for slot in slots {
        let count = uses.get_mut(*slot as usize).ok_or_else(|| {
            Fault::Internal(format!("slot {slot} is not among the aggregates of the batch"))
        })?;
        *count += 1;
    }
    Ok(uses)
}

/// States as they are finished, in whatever order, until they are put in the order of the slots.
struct Finished {
    data: Vec<u8>,
    slots: Vec<Option<FinishedState>>,
}

#[derive(Clone)]
struct FinishedState {
    /// Where it is in `data`.
    range: std::ops::Range<usize>,
    codec: Codec,
    wake_at: u64,
}

impl Finished {
    fn new(slots: usize) -> Self {
        Self { data: Vec::new(), slots: vec![None; slots] }
    }

    fn write(&mut self, slot: usize, live: &dyn Slot) -> Result<(), String> {
        let start = self.data.len();
        let wake_at = live.write(&mut self.data)?;
        let (range, codec) = (start..self.data.len(), live.codec());
        self.slots[slot] = Some(FinishedState { range, codec, wake_at });
        Ok(())
    }

    /// In the order of the slots; empty for a slot that was not finished.
    fn into_states(self, handler: &Handler, aggregates: &Aggregates) -> Result<States, Fault> {
        let mut states = States::default();
        states.bytes.data.reserve(self.data.len());
        for (slot, state) in self.slots.into_iter().enumerate() {
            let nothing =
                FinishedState { range: 0..0, codec: Codec::Json, wake_at: crate::columns::NEVER };
            let FinishedState { range, codec, wake_at } = state.unwrap_or(nothing);
            let role = handler.owner(aggregates.aggregate_type[slot])?;
            states.schemas.push(handler.owned[role].schema_of(codec));
            states.bytes.push(&self.data[range]);
            states.wake_at.push(wake_at);
        }
        Ok(states)
    }
}
