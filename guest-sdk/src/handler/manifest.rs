//! What a handler says of itself: the document of `wit/manifest.wit`, and the indices into it.

use serde::Serialize;

use crate::codec::Codec;
use crate::messages::Kind;
use crate::projection::TableDeclaration;

/// The document. Its lists only grow while a handler is put together, so indices stay true.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Manifest {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) fold: u32,
    pub(crate) types: Vec<&'static str>,
    pub(crate) kinds: Vec<KindEntry>,
    pub(crate) state_schemas: Vec<String>,
    pub(crate) aggregates: Vec<OwnedType>,
    pub(crate) subscriptions: Vec<TypeEvents>,
    pub(crate) sends: Vec<TypeCommands>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tables: Vec<TableEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) projections: Vec<TypeEvents>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) references: Vec<&'static str>,
    pub(crate) items: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct KindEntry {
    pub(crate) name: &'static str,
    pub(crate) schema: &'static str,
    pub(crate) content_type: &'static str,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct OwnedType {
    #[serde(rename = "type")]
    pub(crate) aggregate_type: u32,
    pub(crate) commands: Vec<u32>,
    pub(crate) events: Vec<u32>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct TypeEvents {
    #[serde(rename = "type")]
    pub(crate) aggregate_type: u32,
    pub(crate) events: Vec<u32>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct TypeCommands {
    #[serde(rename = "type")]
    pub(crate) aggregate_type: u32,
    pub(crate) commands: Vec<u32>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct TableEntry {
    pub(crate) name: &'static str,
    #[serde(rename = "type")]
    pub(crate) aggregate_type: u32,
    pub(crate) keyed: bool,
    pub(crate) reference: bool,
}

impl Manifest {
    pub(crate) fn new(name: &str, version: &str, fold: u32) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            fold,
            types: Vec::new(),
            kinds: Vec::new(),
            state_schemas: Vec::new(),
            aggregates: Vec::new(),
            subscriptions: Vec::new(),
            sends: Vec::new(),
            tables: Vec::new(),
            projections: Vec::new(),
            references: Vec::new(),
            items: true,
        }
    }

    pub(crate) fn type_index(&mut self, name: &'static str) -> u32 {
        index_of(&mut self.types, name)
    }

    pub(crate) fn schema_index(&mut self, schema: &str, codec: Codec) -> u32 {
        index_of(&mut self.state_schemas, codec.schema_id(schema))
    }

    pub(crate) fn kind_index(&mut self, kind: Kind, codec: Codec) -> u32 {
        let (name, schema, content_type) = (kind.name, kind.schema, codec.content_type());
        index_of(&mut self.kinds, KindEntry { name, schema, content_type })
    }

    pub(crate) fn reference_index(&mut self, name: &'static str) -> u32 {
        index_of(&mut self.references, name)
    }

    pub(crate) fn subscribe(&mut self, aggregate_type: u32, event: u32) {
        add_event(&mut self.subscriptions, aggregate_type, event);
    }

    pub(crate) fn project(&mut self, aggregate_type: u32, event: u32) {
        add_event(&mut self.projections, aggregate_type, event);
    }

    /// Index of a table, which must be new.
    pub(crate) fn table(&mut self, aggregate_type: u32, table: &TableDeclaration) -> u32 {
        assert!(
            self.tables.iter().all(|known| known.name != table.name),
            "table {} stands twice in handler {}: a table has one projection",
            table.name,
            self.name,
        );
        let TableDeclaration { name, keyed, reference } = *table;
        self.tables.push(TableEntry { name, aggregate_type, keyed, reference });
        (self.tables.len() - 1) as u32
    }

    pub(crate) fn send(&mut self, aggregate_type: u32, command: u32) {
        let at = self.sends.iter().position(|s| s.aggregate_type == aggregate_type);
        let at = at.unwrap_or_else(|| {
            self.sends.push(TypeCommands { aggregate_type, commands: Vec::new() });
            self.sends.len() - 1
        });
        index_of(&mut self.sends[at].commands, command);
    }

    /// The document's text.
    #[expect(clippy::expect_used, reason = "text, numbers and lists of them are always JSON")]
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a manifest is JSON")
    }
}

fn add_event(list: &mut Vec<TypeEvents>, aggregate_type: u32, event: u32) {
    let at = list.iter().position(|s| s.aggregate_type == aggregate_type);
    let at = at.unwrap_or_else(|| {
        list.push(TypeEvents { aggregate_type, events: Vec::new() });
        list.len() - 1
    });
    index_of(&mut list[at].events, event);
}

/// Index of an entry in a list without doubles; appended if it is not there yet.
fn index_of<T: PartialEq>(list: &mut Vec<T>, entry: T) -> u32 {
    let at = list.iter().position(|known| *known == entry).unwrap_or_else(|| {
        list.push(entry);
        list.len() - 1
    });
    at as u32
}
