//! How messages flow: which handler owns a type, who sends each command, who hears each event, and
//! who looks things up in whose tables.
//!
//! Made of manifests alone, so that it can be shown of handlers that do not fit together, too. What
//! is emitted and heard by nobody, or awaited and emitted by nobody, is told: most often it is a
//! spelling mistake or a handler that was forgotten.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use zamu_core::guest::manifest::{HandlerSpec, TypeKinds};

/// All types and handlers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Flow {
    /// Aggregate types, by name.
    pub types: Vec<FlowType>,
    /// Handlers, by name.
    pub handlers: Vec<FlowHandler>,
    /// Reference tables, by name.
    #[serde(default)]
    pub tables: Vec<FlowTable>,
}

/// A table that handlers look things up in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowTable {
    /// Its name.
    pub table: String,
    /// The type of the aggregates that its rows belong to; none if nobody makes it.
    pub r#type: Option<String>,
    /// The handler that makes it for that; none if nobody does.
    pub maker: Option<String>,
    /// Handlers that look things up in it.
    pub readers: Vec<String>,
}

/// An aggregate type and its messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FlowType {
    /// Its name.
    pub r#type: String,
    /// Its number of partitions; none if it is not configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partitions: Option<u32>,
    /// Who owns it; none if nobody does.
    pub owner: Option<String>,
    /// Commands that its owner takes or somebody sends.
    pub commands: Vec<FlowCommand>,
    /// Events that its owner decides or somebody awaits.
    pub events: Vec<FlowEvent>,
}

/// A kind of command.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowCommand {
    /// Its name.
    pub kind: String,
    /// Whether the type's owner takes it.
    pub taken: bool,
    /// Event handlers that send it. None: clients only.
    pub senders: Vec<String>,
}

/// A kind of event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowEvent {
    /// Its name.
    pub kind: String,
    /// Whether the type's owner decides it.
    pub decided: bool,
    /// Handlers that hear it.
    pub listeners: Vec<String>,
}

/// A handler.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowHandler {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// A kind that stands alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loose<'a> {
    /// The aggregate type.
    pub aggregate_type: &'a str,
    /// The kind.
    pub kind: &'a str,
    /// What is missing.
    pub what: &'static str,
}

impl Flow {
    /// Puts manifests together. `types` are the configured ones with their partitions.
    #[must_use]
    pub fn of<'a>(
        types: impl IntoIterator<Item = (&'a str, u32)>,
        handlers: &[Arc<HandlerSpec>],
    ) -> Self {
        let mut drafts: BTreeMap<String, Draft> = BTreeMap::new();
        let mut tables: BTreeMap<String, FlowTable> = BTreeMap::new();
        for (name, partitions) in types {
            drafts.entry(name.to_owned()).or_default().partitions = Some(partitions);
        }
        for handler in handlers {
            draft(handler, &mut drafts);
            draft_tables(handler, &mut tables);
        }
        let mut handlers: Vec<_> = handlers
            .iter()
            .map(|spec| FlowHandler {
                name: spec.name.to_string(),
                version: spec.manifest.version.clone(),
            })
            .collect();
        handlers.sort_by(|a, b| a.name.cmp(&b.name));
        let tables = tables.into_values().collect();
        Self {
            types: drafts.into_iter().map(|(name, of)| of.into_type(name)).collect(),
            handlers,
            tables,
        }
    }

    /// Kinds that stand alone, by type.
    pub fn loose(&self) -> impl Iterator<Item = Loose<'_>> {
        self.types.iter().flat_map(|of| {
            let commands = of.commands.iter().map(|c| (&c.kind, c.loose()));
            let events = of.events.iter().map(|e| (&e.kind, e.loose()));
            commands.chain(events).filter_map(|(kind, what)| {
                Some(Loose { aggregate_type: &of.r#type, kind, what: what? })
            })
        })
    }
}

impl FlowCommand {
    /// What is missing, if it stands alone. A command that no handler sends is the clients'.
    #[must_use]
    pub fn loose(&self) -> Option<&'static str> {
        (!self.taken).then_some("sent, but taken by nobody")
    }
}

impl FlowTable {
    /// What is missing, if nobody makes it.
    #[must_use]
    pub fn loose(&self) -> Option<&'static str> {
        self.maker.is_none().then_some("looked up, but made by nobody")
    }
}

impl FlowEvent {
    /// What is missing, if it stands alone.
    #[must_use]
    pub fn loose(&self) -> Option<&'static str> {
        match (self.decided, self.listeners.is_empty()) {
            (false, _) => Some("awaited, but decided by nobody"),
            (true, true) => Some("heard by no handler"),
            (true, false) => None,
        }
    }
}

/// A type while manifests are read: kinds by name.
#[derive(Default)]
struct Draft {
    partitions: Option<u32>,
    owner: Option<String>,
    commands: BTreeMap<String, FlowCommand>,
    events: BTreeMap<String, FlowEvent>,
}

impl Draft {
    fn command(&mut self, kind: &str) -> &mut FlowCommand {
        let new = || FlowCommand { kind: kind.to_owned(), ..FlowCommand::default() };
        self.commands.entry(kind.to_owned()).or_insert_with(new)
    }

    fn event(&mut self, kind: &str) -> &mut FlowEvent {
        let new = || FlowEvent { kind: kind.to_owned(), ..FlowEvent::default() };
        self.events.entry(kind.to_owned()).or_insert_with(new)
    }

    fn into_type(self, name: String) -> FlowType {
        FlowType {
            r#type: name,
            partitions: self.partitions,
            owner: self.owner,
            commands: self.commands.into_values().collect(),
            events: self.events.into_values().collect(),
        }
    }
}

fn draft(handler: &HandlerSpec, drafts: &mut BTreeMap<String, Draft>) {
    let manifest = &handler.manifest;
    let type_name = |index: u32| manifest.types.get(index as usize).cloned().unwrap_or_default();
    let kind_name = |index: &u32| manifest.kinds.get(*index as usize).map_or("", |k| &k.name);
    for owned in &manifest.aggregates {
        let of = drafts.entry(type_name(owned.aggregate_type)).or_default();
        of.owner = Some(handler.name.to_string());
        for kind in owned.commands.iter().map(kind_name) {
            of.command(kind).taken = true;
        }
        for kind in owned.events.iter().map(kind_name) {
            of.event(kind).decided = true;
        }
    }
    let pairs = |list: &[TypeKinds]| -> Vec<(String, String)> {
        let kinds = |entry: &TypeKinds| {
            let name = type_name(entry.aggregate_type);
            let kinds = entry.kinds.iter().map(kind_name);
            kinds.map(|kind| (name.clone(), kind.to_owned())).collect::<Vec<_>>()
        };
        list.iter().flat_map(kinds).collect()
    };
    for (of, kind) in pairs(&manifest.sends) {
        note(&mut drafts.entry(of).or_default().command(&kind).senders, &handler.name);
    }
    // A projection hears, too: what it makes of it are tables.
    for (of, kind) in [pairs(&manifest.subscriptions), pairs(&manifest.projections)].concat() {
        note(&mut drafts.entry(of).or_default().event(&kind).listeners, &handler.name);
    }
}

fn draft_tables(handler: &HandlerSpec, tables: &mut BTreeMap<String, FlowTable>) {
    let manifest = &handler.manifest;
    for made in manifest.tables.iter().filter(|table| table.reference) {
        let table = table_named(&made.name, tables);
        table.r#type = manifest.types.get(made.aggregate_type as usize).cloned();
        table.maker = Some(handler.name.to_string());
    }
    for name in &manifest.references {
        note(&mut table_named(name, tables).readers, &handler.name);
    }
}

fn table_named<'t>(name: &str, tables: &'t mut BTreeMap<String, FlowTable>) -> &'t mut FlowTable {
    let new = || FlowTable { table: name.to_owned(), ..FlowTable::default() };
    tables.entry(name.to_owned()).or_insert_with(new)
}

/// Adds a handler, once: several of its kinds may share a name.
fn note(names: &mut Vec<String>, handler: &str) {
    if names.last().is_none_or(|last| last != handler) {
        names.push(handler.to_owned());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use zamu_core::guest::manifest::{Class, Manifest, OwnedType, Table};
    use zamu_core::model::KindName;

    use super::*;

    fn spec(name: &str, manifest: Manifest) -> Arc<HandlerSpec> {
        Arc::new(HandlerSpec {
            name: name.into(),
            digest: String::new(),
            class: Class::Pure,
            manifest,
            configuration: bytes::Bytes::new(),
        })
    }

    fn kinds(names: &[&str]) -> Vec<Arc<KindName>> {
        let kind = |name: &&str| KindName { name: (*name).to_owned(), ..KindName::default() };
        names.iter().map(|name| Arc::new(kind(name))).collect()
    }

    fn shop() -> Flow {
        let orders = Manifest {
            version: "1.2.3".into(),
            types: vec!["order".into()],
            kinds: kinds(&["Place", "Ship", "Placed", "Shipped"]),
            aggregates: vec![OwnedType {
                aggregate_type: 0,
                commands: vec![0, 1],
                events: vec![2, 3],
            }],
            references: vec!["stock".into(), "stok".into()],
            ..Manifest::default()
        };
        let desk = Manifest {
            types: vec!["order".into(), "stock".into()],
            kinds: kinds(&["Placed", "Plced", "Ship", "Take"]),
            subscriptions: vec![TypeKinds { aggregate_type: 0, kinds: vec![0, 1] }],
            projections: vec![TypeKinds { aggregate_type: 0, kinds: vec![0] }],
            tables: vec![
                Table { name: "stock".into(), keyed: true, reference: true, ..Table::default() },
                Table { name: "queue".into(), keyed: true, ..Table::default() },
            ],
            sends: vec![
                TypeKinds { aggregate_type: 0, kinds: vec![2] },
                TypeKinds { aggregate_type: 1, kinds: vec![3] },
            ],
            ..Manifest::default()
        };
        Flow::of([("order", 4)], &[spec("orders", orders), spec("desk", desk)])
    }

    #[test]
    fn every_kind_knows_who_sends_and_who_hears_it() {
        let flow = shop();
        let order = &flow.types[0];
        assert_eq!((order.owner.as_deref(), order.partitions), (Some("orders"), Some(4)));
        let senders = |kind: &str| {
            &order.commands.iter().find(|command| command.kind == kind).unwrap().senders
        };
        assert!(senders("Place").is_empty());
        assert_eq!(senders("Ship"), &["desk"]);
        let placed = order.events.iter().find(|event| event.kind == "Placed").unwrap();
        assert_eq!(placed.listeners, ["desk"]);
        assert_eq!(flow.handlers[1].version, "1.2.3");
    }

    #[test]
    fn a_reference_table_knows_who_makes_it_and_who_looks_things_up() {
        let flow = shop();
        let [stock, stok] = &flow.tables[..] else { panic!("{:?}", flow.tables) };
        assert_eq!((stock.table.as_str(), stock.r#type.as_deref()), ("stock", Some("order")));
        assert_eq!(
            (stock.maker.as_deref(), &stock.readers[..]),
            (Some("desk"), &["orders".to_owned()][..])
        );
        assert_eq!((stock.loose(), stok.loose()), (None, Some("looked up, but made by nobody")));
    }

    #[test]
    fn what_stands_alone_stands_out() {
        let flow = shop();
        let loose: Vec<_> = flow.loose().map(|l| (l.aggregate_type, l.kind, l.what)).collect();
        assert_eq!(
            loose,
            [
                ("order", "Plced", "awaited, but decided by nobody"),
                ("order", "Shipped", "heard by no handler"),
                ("stock", "Take", "sent, but taken by nobody"),
            ]
        );
    }
}
