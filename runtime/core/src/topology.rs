//! Who does what: the aggregate types with their partitions, and the handlers of one deployment with
//! their manifests bound to those types. Built once per deployment, then only read.

#[cfg(any(test, feature = "testing"))]
pub mod fixture;
mod starts;
mod succession;
mod types;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::guest::manifest::{HandlerSpec, Manifest};
use crate::model::{DeploymentNumber, Kind, KindName, PartitionId, TypeId};

pub use starts::{Start, StartFrom, Starts};
pub use succession::SuccessionError;
pub use types::{TypeSettings, Types};

/// Index of a handler in [`Topology::handlers`].
pub type HandlerIndex = usize;
/// Index of a table in [`Topology::reference_tables`].
pub type ReferenceIndex = usize;

/// A handler, as it is under a deployment: what broke can be mended by another version of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blamed {
    /// Its name.
    pub handler: Arc<str>,
    /// The deployment.
    pub deployment: DeploymentNumber,
}

/// The handlers in force and how their messages travel.
#[derive(Debug)]
pub struct Topology {
    /// The deployment that this is.
    pub deployment: DeploymentNumber,
    /// Aggregate types.
    pub types: Types,
    /// Handlers, sorted by name, so that their commands have one order.
    pub handlers: Vec<BoundHandler>,
    /// Tables that handlers may look things up in, by name.
    pub reference_tables: Vec<ReferenceTable>,
    starts: Starts,
    owners: Vec<HandlerIndex>,
    reactors: Vec<Vec<HandlerIndex>>,
    looked_up: Vec<Vec<ReferenceIndex>>,
}

/// A table that its projection declares `reference`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferenceTable {
    /// Its name.
    pub name: Arc<str>,
    /// The type of the aggregates that its rows belong to.
    pub aggregate_type: TypeId,
    /// The handler that makes it.
    pub projection: HandlerIndex,
}

/// A handler with its manifest's indices resolved both ways.
#[derive(Debug)]
pub struct BoundHandler {
    /// The handler.
    pub spec: Arc<HandlerSpec>,
    /// [`TypeId`] of each entry of the manifest's types.
    pub types: Vec<TypeId>,
    /// The tables that `decide` and `react` look things up in, as its manifest lists them.
    pub references: Arc<[ReferenceIndex]>,
    type_index: HashMap<TypeId, u32>,
    commands: KindIndex,
    events: KindIndex,
    subscribed: KindIndex,
    projected: KindIndex,
}

/// Kinds of a type to their index in a manifest.
type KindIndex = HashMap<TypeId, HashMap<Kind, u32>>;

/// The handlers do not fit together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WiringError {
    /// A manifest names a type that the configuration does not have.
    #[error(
        "handler `{handler}` mentions aggregate type `{aggregate_type}`, which is not configured: add it under [types]"
    )]
    UnknownType {
        /// Which handler.
        handler: String,
        /// Which type.
        aggregate_type: String,
    },
    /// Two handlers own one type.
    #[error(
        "aggregate type `{aggregate_type}` is owned by both `{first}` and `{second}`: a type has one owner, so remove one of them"
    )]
    TwoOwners {
        /// Which type.
        aggregate_type: String,
        /// One owner.
        first: String,
        /// The other.
        second: String,
    },
    /// Nobody owns a type.
    #[error(
        "aggregate type `{0}` is configured but no handler owns it: add its handler or remove it from [types]"
    )]
    NoOwner(String),
    /// Two handlers have one name.
    #[error("two handlers are named `{0}`")]
    TwoHandlers(String),
    /// A manifest's index points nowhere.
    #[error("manifest of handler `{handler}`: {what} {index} is out of range")]
    BadIndex {
        /// Which handler.
        handler: String,
        /// What kind of index.
        what: &'static str,
        /// Its value.
        index: u32,
    },
    /// Two handlers write one table.
    #[error(
        "table `{table}` is written by both `{first}` and `{second}`: rename it in one of them, or remove one of them"
    )]
    TwoTables {
        /// Which table.
        table: String,
        /// One handler.
        first: String,
        /// The other.
        second: String,
    },
    /// A handler looks things up in a table that nobody makes for that.
    #[error("handler `{handler}` looks things up in table `{table}`, {problem}")]
    NoReference {
        /// Who looks things up.
        handler: String,
        /// In which table.
        table: String,
        /// What is missing, what there is instead, and what to do.
        problem: String,
    },
    /// A command is sent that its target's owner does not take.
    #[error(
        "handler `{handler}` sends `{kind}` to `{aggregate_type}`, whose handler does not take it"
    )]
    NobodyTakes {
        /// The sender.
        handler: String,
        /// What is sent.
        kind: String,
        /// To which type.
        aggregate_type: String,
    },
}

impl Topology {
    /// Binds the handlers of a deployment to the configured types.
    ///
    /// # Errors
    /// When they do not fit together; nothing may run then.
    pub fn new(
        deployment: DeploymentNumber,
        types: impl Into<Types>,
        mut specs: Vec<Arc<HandlerSpec>>,
    ) -> Result<Self, WiringError> {
        let types = types.into();
        specs.sort_by(|a, b| a.name.cmp(&b.name));
        if let Some(pair) = specs.windows(2).find(|pair| pair[0].name == pair[1].name) {
            return Err(WiringError::TwoHandlers(pair[0].name.to_string()));
        }
        let ids: HashMap<&str, TypeId> =
            types.iter().enumerate().map(|(i, t)| (&*t.name, TypeId(i as u16))).collect();
        let mut handlers = specs
            .iter()
            .map(|spec| BoundHandler::new(spec, &ids))
            .collect::<Result<Vec<_>, _>>()?;
        let owners = owners(&types, &handlers)?;
        let reactors: Vec<Vec<HandlerIndex>> =
            (0..types.len()).map(|t| reactors(TypeId(t as u16), &handlers)).collect();
        check_tables(&handlers)?;
        let reference_tables = reference_tables(&handlers);
        for index in 0..handlers.len() {
            handlers[index].references =
                references(&handlers[index], &handlers, &reference_tables)?;
        }
        let looked_up = looked_up(&handlers, &owners, &reactors);
        let topology = Self {
            deployment,
            types,
            handlers,
            reference_tables,
            starts: Starts::new(),
            owners,
            reactors,
            looked_up,
        };
        topology.check_sends()?;
        Ok(topology)
    }

    /// Settings of a type.
    #[must_use]
    pub fn settings(&self, id: TypeId) -> &TypeSettings {
        self.types.settings(id)
    }

    /// The type of that name.
    #[must_use]
    pub fn type_named(&self, name: &str) -> Option<TypeId> {
        self.types.named(name)
    }

    /// The handler that owns a type.
    #[must_use]
    pub fn owner(&self, id: TypeId) -> HandlerIndex {
        self.owners[id.0 as usize]
    }

    /// A handler, as it is under this deployment.
    #[must_use]
    pub fn blame(&self, handler: HandlerIndex) -> Blamed {
        let handler = Arc::clone(&self.handlers[handler].spec.name);
        Blamed { handler, deployment: self.deployment }
    }

    /// The handlers that react to some event of a type, by name.
    #[must_use]
    pub fn reactors(&self, id: TypeId) -> &[HandlerIndex] {
        &self.reactors[id.0 as usize]
    }

    /// The partition of a key.
    #[must_use]
    pub fn partition(&self, aggregate_type: TypeId, key: &[u8]) -> PartitionId {
        self.types.partition(aggregate_type, key)
    }

    /// All partitions of all types, in order.
    pub fn partitions(&self) -> impl Iterator<Item = PartitionId> {
        self.types.partitions()
    }

    /// The kind of a command for a type, by what a client said of it: an absent schema or content
    /// type stands for the only (or first) one of that name.
    #[must_use]
    pub fn command_kind(&self, aggregate_type: TypeId, said: &KindName) -> Option<Kind> {
        let owner = &self.handlers[self.owner(aggregate_type)];
        let manifest = &owner.spec.manifest;
        let owned = manifest
            .aggregates
            .iter()
            .find(|o| owner.types[o.aggregate_type as usize] == aggregate_type)?;
        owned
            .commands
            .iter()
            .map(|k| &manifest.kinds[*k as usize])
            .find(|k| matches(k, said))
            .cloned()
    }

    /// Names of the events that a type's owner knows.
    pub fn event_names(&self, aggregate_type: TypeId) -> impl Iterator<Item = &str> {
        let owner = &self.handlers[self.owner(aggregate_type)];
        let of_type = owner.events.get(&aggregate_type);
        of_type.into_iter().flat_map(|kinds| kinds.keys().map(|kind| kind.name.as_str()))
    }

    /// The handlers that make tables, by name.
    pub fn projections(&self) -> impl Iterator<Item = HandlerIndex> {
        (0..self.handlers.len()).filter(|h| !self.handlers[*h].spec.manifest.tables.is_empty())
    }

    /// The reference tables that the turns of a type need: what its owner and the handlers that
    /// react to its events look things up in.
    #[must_use]
    pub fn looked_up(&self, id: TypeId) -> &[ReferenceIndex] {
        &self.looked_up[id.0 as usize]
    }

    fn check_sends(&self) -> Result<(), WiringError> {
        for handler in &self.handlers {
            let manifest = &handler.spec.manifest;
            for sends in &manifest.sends {
                let target = handler.types[sends.aggregate_type as usize];
                let owner = &self.handlers[self.owner(target)];
                for kind in &sends.kinds {
                    let kind = &manifest.kinds[*kind as usize];
                    if !owner.takes_in_some_form(target, kind) {
                        return Err(WiringError::NobodyTakes {
                            handler: handler.spec.name.to_string(),
                            kind: kind.to_string(),
                            aggregate_type: self.settings(target).name.to_string(),
                        });
                    }
                }
            }
        }
        Ok(())
    }
}

fn matches(kind: &KindName, said: &KindName) -> bool {
    kind.name == said.name
        && (said.schema.is_empty() || kind.schema == said.schema)
        && (said.content_type.is_empty() || kind.content_type == said.content_type)
}

impl BoundHandler {
    fn new(spec: &Arc<HandlerSpec>, ids: &HashMap<&str, TypeId>) -> Result<Self, WiringError> {
        let manifest = &spec.manifest;
        check_indices(&spec.name, manifest)?;
        let types = manifest
            .types
            .iter()
            .map(|name| {
                ids.get(name.as_str()).copied().ok_or_else(|| WiringError::UnknownType {
                    handler: spec.name.to_string(),
                    aggregate_type: name.clone(),
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let by_kind = |pairs: Vec<(u32, &Vec<u32>)>| {
            let mut index = KindIndex::new();
            for (aggregate_type, kinds) in pairs {
                let of_type = index.entry(types[aggregate_type as usize]).or_default();
                of_type
                    .extend(kinds.iter().map(|k| (Kind::clone(&manifest.kinds[*k as usize]), *k)));
            }
            index
        };
        Ok(Self {
            type_index: types.iter().enumerate().map(|(i, t)| (*t, i as u32)).collect(),
            commands: by_kind(
                manifest.aggregates.iter().map(|o| (o.aggregate_type, &o.commands)).collect(),
            ),
            events: by_kind(
                manifest.aggregates.iter().map(|o| (o.aggregate_type, &o.events)).collect(),
            ),
            subscribed: by_kind(
                manifest.subscriptions.iter().map(|s| (s.aggregate_type, &s.kinds)).collect(),
            ),
            projected: by_kind(
                manifest.projections.iter().map(|p| (p.aggregate_type, &p.kinds)).collect(),
            ),
            spec: Arc::clone(spec),
            types,
            references: Arc::default(),
        })
    }

    /// Index of a type in the manifest.
    #[must_use]
    pub fn type_index(&self, id: TypeId) -> Option<u32> {
        self.type_index.get(&id).copied()
    }

    /// Index in the manifest of a command that `decide` takes for a type.
    #[must_use]
    pub fn command(&self, id: TypeId, kind: &Kind) -> Option<u32> {
        self.commands.get(&id)?.get(&**kind).copied()
    }

    /// Whether it takes this command, whatever the content type. A version that may send another form than
    /// it does now can come before one that takes it: which form is sent is a matter of configuration. One
    /// that is sent to who does not take it becomes a dead letter.
    fn takes_in_some_form(&self, id: TypeId, kind: &KindName) -> bool {
        let is_it = |taken: &KindName| taken.name == kind.name && taken.schema == kind.schema;
        self.commands.get(&id).is_some_and(|taken| taken.keys().any(|taken| is_it(taken)))
    }

    /// Index in the manifest of an event of a type that the handler owns.
    #[must_use]
    pub fn event(&self, id: TypeId, kind: &Kind) -> Option<u32> {
        self.events.get(&id)?.get(&**kind).copied()
    }

    /// Index in the manifest of an event that `react` takes.
    #[must_use]
    pub fn subscribed(&self, id: TypeId, kind: &Kind) -> Option<u32> {
        self.subscribed.get(&id)?.get(&**kind).copied()
    }

    /// Index in the manifest of an event that `project` takes.
    #[must_use]
    pub fn projected(&self, id: TypeId, kind: &Kind) -> Option<u32> {
        self.projected.get(&id)?.get(&**kind).copied()
    }
}

fn check_indices(handler: &str, manifest: &Manifest) -> Result<(), WiringError> {
    let bad =
        |what, index| Err(WiringError::BadIndex { handler: handler.to_string(), what, index });
    let owned =
        manifest.aggregates.iter().map(|o| (o.aggregate_type, [&o.commands[..], &o.events[..]]));
    let others = manifest
        .subscriptions
        .iter()
        .chain(&manifest.sends)
        .chain(&manifest.projections)
        .map(|s| (s.aggregate_type, [&s.kinds[..], &[][..]]));
    let tables = manifest.tables.iter().map(|t| (t.aggregate_type, [&[][..], &[][..]]));
    for (aggregate_type, kinds) in owned.chain(others).chain(tables) {
        if aggregate_type as usize >= manifest.types.len() {
            return bad("type", aggregate_type);
        }
        if let Some(kind) = kinds.concat().into_iter().find(|k| *k as usize >= manifest.kinds.len())
        {
            return bad("kind", kind);
        }
    }
    Ok(())
}

fn owners(
    types: &[TypeSettings],
    handlers: &[BoundHandler],
) -> Result<Vec<HandlerIndex>, WiringError> {
    let mut owners: Vec<Option<HandlerIndex>> = vec![None; types.len()];
    for (index, handler) in handlers.iter().enumerate() {
        for owned in &handler.spec.manifest.aggregates {
            let id = handler.types[owned.aggregate_type as usize];
            if let Some(first) = owners[id.0 as usize].replace(index) {
                return Err(WiringError::TwoOwners {
                    aggregate_type: types[id.0 as usize].name.to_string(),
                    first: handlers[first].spec.name.to_string(),
                    second: handler.spec.name.to_string(),
                });
            }
        }
    }
    owners
        .into_iter()
        .zip(types)
        .map(|(owner, t)| owner.ok_or_else(|| WiringError::NoOwner(t.name.to_string())))
        .collect()
}

fn check_tables(handlers: &[BoundHandler]) -> Result<(), WiringError> {
    let mut writers: HashMap<&str, &str> = HashMap::new();
    for handler in handlers {
        for table in &handler.spec.manifest.tables {
            if let Some(first) = writers.insert(&table.name, &handler.spec.name) {
                return Err(WiringError::TwoTables {
                    table: table.name.clone(),
                    first: first.to_owned(),
                    second: handler.spec.name.to_string(),
                });
            }
        }
    }
    Ok(())
}

/// The tables that are declared `reference`, by name.
fn reference_tables(handlers: &[BoundHandler]) -> Vec<ReferenceTable> {
    let mut found = Vec::new();
    for (projection, handler) in handlers.iter().enumerate() {
        for table in handler.spec.manifest.tables.iter().filter(|table| table.reference) {
            let aggregate_type = handler.types[table.aggregate_type as usize];
            found.push(ReferenceTable {
                name: table.name.as_str().into(),
                aggregate_type,
                projection,
            });
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// The tables that a handler looks things up in.
fn references(
    handler: &BoundHandler,
    handlers: &[BoundHandler],
    tables: &[ReferenceTable],
) -> Result<Arc<[ReferenceIndex]>, WiringError> {
    let find = |name: &String| {
        let found = tables.binary_search_by(|table| (*table.name).cmp(name));
        found.map_err(|_| WiringError::NoReference {
            handler: handler.spec.name.to_string(),
            table: name.clone(),
            problem: missing(name, handlers, tables),
        })
    };
    handler.spec.manifest.references.iter().map(find).collect()
}

/// Why there is no reference table of that name, and what to do.
fn missing(name: &str, handlers: &[BoundHandler], tables: &[ReferenceTable]) -> String {
    let makes = |handler: &&BoundHandler| {
        handler.spec.manifest.tables.iter().any(|table| table.name == name)
    };
    if let Some(maker) = handlers.iter().find(makes) {
        return format!(
            "which handler `{}` makes without declaring it `reference`: declare it so there",
            maker.spec.name
        );
    }
    let names: Vec<String> = tables.iter().map(|table| format!("`{}`", table.name)).collect();
    let there_are = match &names[..] {
        [] => "there is no reference table".to_owned(),
        names => format!("there are {}", names.join(", ")),
    };
    format!("which no configured handler makes ({there_are}): configure the handler that does")
}

/// By type: the tables that its owner and its event handlers look things up in.
fn looked_up(
    handlers: &[BoundHandler],
    owners: &[HandlerIndex],
    reactors: &[Vec<HandlerIndex>],
) -> Vec<Vec<ReferenceIndex>> {
    let of_type = |(owner, reactors): (&HandlerIndex, &Vec<HandlerIndex>)| {
        let handlers = reactors.iter().chain([owner]).map(|handler| &handlers[*handler]);
        let tables: BTreeSet<ReferenceIndex> =
            handlers.flat_map(|handler| handler.references.iter().copied()).collect();
        tables.into_iter().collect()
    };
    owners.iter().zip(reactors).map(of_type).collect()
}

fn reactors(id: TypeId, handlers: &[BoundHandler]) -> Vec<HandlerIndex> {
    (0..handlers.len()).filter(|h| handlers[*h].subscribed.contains_key(&id)).collect()
}
