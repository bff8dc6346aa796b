//! What a handler says of itself. Parsing the JSON is left to whoever loads components.

use std::sync::Arc;

use bytes::Bytes;

use crate::model::Kind;

/// A handler's manifest: lists of names, and roles as indices into them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// The handler's name.
    pub name: String,
    /// Semantic version.
    pub version: String,
    /// Raised with any change of `evolve` or of a state schema.
    pub fold: u32,
    /// Names of all aggregate types that are mentioned.
    pub types: Vec<String>,
    /// All message kinds that are mentioned.
    pub kinds: Vec<Kind>,
    /// Ids of the state schemas that are read or written, those of all aggregate types together.
    pub state_schemas: Vec<String>,
    /// The aggregate types that the handler owns.
    pub aggregates: Vec<OwnedType>,
    /// The events that `react` takes.
    pub subscriptions: Vec<TypeKinds>,
    /// The commands that `react` may return.
    pub sends: Vec<TypeKinds>,
    /// The tables that `project` writes.
    pub tables: Vec<Table>,
    /// The events that `project` takes.
    pub projections: Vec<TypeKinds>,
    /// Names of the reference tables that `decide` and `react` look things up in.
    pub references: Vec<String>,
    /// Whether the guest calls `meter.item` before each item.
    pub items: bool,
}

/// An aggregate type and its messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnedType {
    /// Index into [`Manifest::types`].
    pub aggregate_type: u32,
    /// Commands that `decide` takes: indices into [`Manifest::kinds`].
    pub commands: Vec<u32>,
    /// Events that `decide` may return and `evolve` takes: indices into [`Manifest::kinds`].
    pub events: Vec<u32>,
}

/// An aggregate type and some of its messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TypeKinds {
    /// Index into [`Manifest::types`].
    pub aggregate_type: u32,
    /// Indices into [`Manifest::kinds`].
    pub kinds: Vec<u32>,
}

/// A table of rows that are made of events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The name by which queries ask for it.
    pub name: String,
    /// Index into [`Manifest::types`]: the aggregates that its rows belong to.
    pub aggregate_type: u32,
    /// Whether an aggregate has exactly one row, with the aggregate's key.
    pub keyed: bool,
    /// Whether it is small, and of use to other handlers.
    pub reference: bool,
}

/// One handler of a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandlerSpec {
    /// The handler's name, shared by the records that it decides.
    pub name: Arc<str>,
    /// SHA-256 of the component, lower-case hexadecimal.
    pub digest: String,
    /// What it imports.
    pub class: Class,
    /// What it says of itself.
    pub manifest: Manifest,
    /// The operator's configuration of it.
    pub configuration: Bytes,
}

/// What a component imports, which decides what the host serves it. Either way the same input gives
/// the same output on every machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Our own interfaces, or none.
    #[default]
    Pure,
    /// Besides, what the standard library of its language drags in: standard streams, environment,
    /// exit.
    Std,
}

impl Class {
    /// Both, the narrower one first.
    pub const ALL: [Self; 2] = [Self::Pure, Self::Std];

    /// Its name in configurations and lists.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pure => "pure",
            Self::Std => "std",
        }
    }
}

impl std::fmt::Display for Class {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
