//! A handler put together: its roles, its manifest, and the entry points of `wit/` over columns.
//!
//! The same code serves a component in the sandbox and native tests. What differs between them (the
//! meter, the configuration, rows of reference tables) comes through [`Host`].

mod configuration;
mod decide;
mod evolve;
pub(crate) mod lookups;
mod manifest;
mod project;
mod react;
pub(crate) mod rows;
mod slot;

use self::configuration::Parse;
use self::lookups::References;
use self::manifest::{Manifest, OwnedType};
use self::slot::Slot;
use crate::aggregate::Aggregate;
use crate::columns::{
    Aggregates, Blobs, Changes, Commands, CurrentRows, Decision, Fault, Heard, Past, Projected,
    Sent, States, Subjects, WAKE,
};
use crate::event_handler::EventHandler;
use crate::messages::{Addressed, Messages};
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
    schema: u32,
    /// The manifest's kinds of commands and events, by the aggregate's own index.
    commands: Vec<u32>,
    events: Vec<u32>,
    open: slot::Open,
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
        let commands = manifest.kind_indices(A::Command::KINDS);
        let events = manifest.kind_indices(A::Event::KINDS);
        manifest.aggregates.push(OwnedType {
            aggregate_type,
            commands: commands.clone(),
            events: events.clone(),
        });
        self.owned.push(Owned {
            name: A::TYPE,
            aggregate_type,
            schema: manifest.schema_index(A::STATE_SCHEMA),
            commands,
            events,
            open: slot::open::<A>,
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
        let (heard, sent) = (addresses::<H::Event>(manifest), addresses::<H::Command>(manifest));
        for (aggregate_type, event) in &heard {
            manifest.subscribe(*aggregate_type, *event);
        }
        for (aggregate_type, command) in &sent {
            manifest.send(*aggregate_type, *command);
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
        let events = manifest.kind_indices(P::Event::KINDS);
        for event in &events {
            manifest.project(aggregate_type, *event);
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
            live.write(&mut texts.data).map_err(|error| owned.fault(aggregates, slot, &error))?;
            texts.end_blob();
        }
        Ok(texts)
    }

    /// Decodes the state of a slot. Gives the role that owns it, too.
    fn open(&self, aggregates: &Aggregates, slot: usize) -> Result<(usize, Box<dyn Slot>), Fault> {
        let role = self.owner(aggregates.aggregate_type[slot])?;
        let owned = &self.owned[role];
        let state = aggregates.states.get(slot);
        if !state.is_empty() && aggregates.schemas[slot] != owned.schema {
            return Err(Fault::UnsupportedSchema(aggregates.schemas[slot]));
        }
        let live = (owned.open)(state).map_err(|error| {
            let schema = self.manifest.state_schemas[owned.schema as usize];
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
    fn fault(&self, aggregates: &Aggregates, slot: usize, text: &str) -> Fault {
        let key = String::from_utf8_lossy(aggregates.keys.get(slot));
        Fault::Internal(format!("{}/{key}: {text}", self.name))
    }
}

/// Aggregate type and kind of each message of a list, as indices.
fn addresses<M: Addressed>(manifest: &mut Manifest) -> Vec<(u32, u32)> {
    let pairs = M::TYPES.iter().zip(M::KINDS);
    pairs.map(|(name, kind)| (manifest.type_index(name), manifest.kind_index(*kind))).collect()
}

/// The aggregate's own index of a manifest's kind.
fn local_kind(kinds: &[u32], kind: u32) -> Result<usize, Fault> {
    kinds.iter().position(|known| *known == kind).ok_or(Fault::UnsupportedKind(kind))
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
    /// Where each slot's state is, and when it wants to be woken.
    slots: Vec<Option<(std::ops::Range<usize>, u64)>>,
}

impl Finished {
    fn new(slots: usize) -> Self {
        Self { data: Vec::new(), slots: vec![None; slots] }
    }

    fn write(&mut self, slot: usize, live: &dyn Slot) -> Result<(), String> {
        let start = self.data.len();
        let wake_at = live.write(&mut self.data)?;
        self.slots[slot] = Some((start..self.data.len(), wake_at));
        Ok(())
    }

    /// In the order of the slots; empty for a slot that was not finished.
    fn into_states(self, handler: &Handler, aggregates: &Aggregates) -> Result<States, Fault> {
        let mut states = States::default();
        states.bytes.data.reserve(self.data.len());
        for (slot, state) in self.slots.into_iter().enumerate() {
            let (range, wake_at) = state.unwrap_or((0..0, crate::columns::NEVER));
            let role = handler.owner(aggregates.aggregate_type[slot])?;
            states.schemas.push(handler.owned[role].schema);
            states.bytes.push(&self.data[range]);
            states.wake_at.push(wake_at);
        }
        Ok(states)
    }
}
