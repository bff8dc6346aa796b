//! The kinds of commands that each type takes, found without making strings.

use std::collections::BTreeMap;
use std::sync::Arc;

use zamu_core::model::{Kind, TypeId};
use zamu_core::topology::Topology;

/// By type, by name.
#[derive(Debug)]
pub struct Kinds(Vec<BTreeMap<String, Vec<Kind>>>);

/// No handler takes such a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnknownKind {
    /// Not by this name; these there are.
    Name(Vec<String>),
    /// Not with this schema; these there are.
    Schema(Vec<String>),
    /// Not with this content type; these there are.
    ContentType(Vec<String>),
}

impl Kinds {
    /// All kinds of all types.
    #[must_use]
    pub fn new(topology: &Topology) -> Self {
        let of_type = |index: usize| {
            let id = TypeId(index as u16);
            let owner = &topology.handlers[topology.owner(id)];
            let manifest = &owner.spec.manifest;
            let mut kinds: BTreeMap<String, Vec<Kind>> = BTreeMap::new();
            for owned in &manifest.aggregates {
                if owner.types[owned.aggregate_type as usize] == id {
                    for index in &owned.commands {
                        let kind = &manifest.kinds[*index as usize];
                        kinds.entry(kind.name.clone()).or_default().push(Arc::clone(kind));
                    }
                }
            }
            kinds
        };
        Self((0..topology.types.len()).map(of_type).collect())
    }

    /// The kind of a command, by what a client said of it: an empty schema or content type stands
    /// for the first one of that name.
    ///
    /// # Errors
    /// When there is none.
    pub fn find(
        &self,
        aggregate_type: TypeId,
        name: &str,
        schema: &str,
        content_type: &str,
    ) -> Result<&Kind, UnknownKind> {
        let kinds = &self.0[usize::from(aggregate_type.0)];
        let Some(named) = kinds.get(name) else {
            return Err(UnknownKind::Name(kinds.keys().cloned().collect()));
        };
        let fits = |kind: &&Kind| schema.is_empty() || kind.schema == schema;
        if !named.iter().any(|kind| fits(&kind)) {
            return Err(UnknownKind::Schema(named.iter().map(|k| k.schema.clone()).collect()));
        }
        named
            .iter()
            .filter(fits)
            .find(|kind| {
                content_type.is_empty() || kind.content_type.eq_ignore_ascii_case(content_type)
            })
            .ok_or_else(|| {
                UnknownKind::ContentType(named.iter().map(|k| k.content_type.clone()).collect())
            })
    }
}
