//! Who owns, hears, sends, makes and looks up what: the handlers' manifests, read once.

use std::collections::HashMap;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use zamu_guest::Codec;

/// Index of an aggregate type, the same for all handlers.
pub(super) type TypeId = usize;

/// What all handlers say of themselves.
#[derive(Debug, Default)]
pub(super) struct Directory {
    names: Vec<String>,
    types: Vec<Type>,
    by_name: HashMap<String, TypeId>,
    handlers: Vec<Entries>,
    /// By the name of a reference table: who looks things up in it.
    readers: HashMap<String, Vec<usize>>,
}

/// An aggregate type.
#[derive(Debug)]
struct Type {
    name: String,
    /// Who owns it, and its index there.
    owner: Option<(usize, u32)>,
    /// By the owner's index of an event's kind: who hears it.
    heard: Vec<Vec<Hearer>>,
    /// By the same index: who makes rows of it.
    projected: Vec<Vec<Projector>>,
}

/// A handler that hears a kind of event, and its own indices of both.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hearer {
    pub(super) handler: usize,
    pub(super) aggregate_type: u32,
    pub(super) kind: u32,
}

/// A handler that makes rows of a kind of event, and its own indices of type and kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Projector {
    pub(super) handler: usize,
    pub(super) aggregate_type: u32,
    pub(super) kind: u32,
}

/// A table that a handler makes.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: String,
    /// Its maker's index of the type whose rows it has.
    pub(super) aggregate_type: u32,
    pub(super) keyed: bool,
    reference: bool,
}

/// A kind of messages in one form: its name and the media type of its bodies.
type Kind = (String, String);

/// What a handler's indices mean.
#[derive(Debug, Default)]
struct Entries {
    kinds: Vec<Kind>,
    by_kind: HashMap<Kind, u32>,
    /// By its own indices of type and kind: the type, and its owner's index of the kind.
    sends: HashMap<(u32, u32), (TypeId, u32)>,
    tables: Vec<Table>,
}

impl Directory {
    /// Reads the manifests.
    ///
    /// # Errors
    /// If one cannot be understood, or what is heard, sent or looked up belongs to nobody.
    pub(super) fn of(manifests: &[Value]) -> anyhow::Result<Self> {
        let mut directory = Self::default();
        for manifest in manifests {
            directory.names.push(text(&manifest["name"])?);
            let kinds: Vec<Kind> = list(manifest, "kinds")?
                .iter()
                .map(|kind| Ok((text(&kind["name"])?, text(&kind["content-type"])?)))
                .collect::<anyhow::Result<_>>()?;
            let by_kind = kinds.iter().cloned().zip(0..).collect();
            let tables = tables(manifest)?;
            directory.handlers.push(Entries { kinds, by_kind, sends: HashMap::new(), tables });
        }
        for (handler, manifest) in manifests.iter().enumerate() {
            for owned in list(manifest, "aggregates")? {
                let (index, name) = type_of(manifest, owned)?;
                let id = directory.type_id(name);
                directory.types[id].owner = Some((handler, index));
                let kinds = directory.handlers[handler].kinds.len();
                directory.types[id].heard = vec![Vec::new(); kinds];
                directory.types[id].projected = vec![Vec::new(); kinds];
            }
        }
        for (handler, manifest) in manifests.iter().enumerate() {
            directory.read_subscriptions(handler, manifest)?;
            directory.read_sends(handler, manifest)?;
            directory.read_projections(handler, manifest)?;
            directory.read_references(handler, manifest)?;
        }
        Ok(directory)
    }

    fn read_subscriptions(&mut self, handler: usize, manifest: &Value) -> anyhow::Result<()> {
        for subscription in list(manifest, "subscriptions")? {
            let (aggregate_type, name) = type_of(manifest, subscription)?;
            let id = self.known(name)?;
            for kind in numbers(subscription, "events")? {
                let hearer = Hearer { handler, aggregate_type, kind };
                let kind = self.at_owner(id, &self.handlers[handler].kinds[kind as usize])?;
                self.types[id].heard[kind as usize].push(hearer);
            }
        }
        Ok(())
    }

    fn read_sends(&mut self, handler: usize, manifest: &Value) -> anyhow::Result<()> {
        for sent in list(manifest, "sends")? {
            let (aggregate_type, name) = type_of(manifest, sent)?;
            let id = self.known(name)?;
            for kind in numbers(sent, "commands")? {
                let at_owner = self.at_owner(id, &self.handlers[handler].kinds[kind as usize])?;
                self.handlers[handler].sends.insert((aggregate_type, kind), (id, at_owner));
            }
        }
        Ok(())
    }

    fn read_projections(&mut self, handler: usize, manifest: &Value) -> anyhow::Result<()> {
        for projection in optional(manifest, "projections") {
            let (aggregate_type, name) = type_of(manifest, projection)?;
            let id = self.known(name)?;
            for kind in numbers(projection, "events")? {
                let projector = Projector { handler, aggregate_type, kind };
                let kind = self.at_owner(id, &self.handlers[handler].kinds[kind as usize])?;
                self.types[id].projected[kind as usize].push(projector);
            }
        }
        Ok(())
    }

    fn read_references(&mut self, handler: usize, manifest: &Value) -> anyhow::Result<()> {
        for table in optional(manifest, "references") {
            let name = text(table)?;
            let mut made = self.handlers.iter().flat_map(|entries| &entries.tables);
            ensure!(
                made.any(|table| table.reference && table.name == name),
                "{} looks things up in {name}, a reference table that nobody makes",
                self.names[handler]
            );
            self.readers.entry(name).or_default().push(handler);
        }
        Ok(())
    }

    fn type_id(&mut self, name: &str) -> TypeId {
        if let Some(id) = self.by_name.get(name) {
            return *id;
        }
        let id = self.types.len();
        self.types.push(Type {
            name: name.to_owned(),
            owner: None,
            heard: Vec::new(),
            projected: Vec::new(),
        });
        self.by_name.insert(name.to_owned(), id);
        id
    }

    /// Index of the handler of this name.
    ///
    /// # Errors
    /// If there is none.
    pub(super) fn handler(&self, name: &str) -> anyhow::Result<usize> {
        let at = self.names.iter().position(|known| known == name);
        at.with_context(|| format!("no handler {name}"))
    }

    /// The type of this name.
    ///
    /// # Errors
    /// If nobody owns it.
    pub(super) fn known(&self, name: &str) -> anyhow::Result<TypeId> {
        let id = self.by_name.get(name).copied();
        id.with_context(|| format!("no handler owns the type {name}"))
    }

    /// The type's name.
    pub(super) fn name(&self, id: TypeId) -> &str {
        &self.types[id].name
    }

    /// Who owns the type, and its index there.
    ///
    /// # Errors
    /// If nobody does.
    pub(super) fn owner(&self, id: TypeId) -> anyhow::Result<(usize, u32)> {
        self.types[id].owner.with_context(|| format!("nobody owns {}", self.name(id)))
    }

    /// The index that the owner of a type has of this kind in JSON, as clients send it.
    ///
    /// # Errors
    /// If it has no such kind.
    pub(super) fn command(&self, id: TypeId, kind: &str) -> anyhow::Result<u32> {
        self.at_owner(id, &(kind.to_owned(), Codec::Json.content_type().to_owned()))
    }

    fn at_owner(&self, id: TypeId, kind: &Kind) -> anyhow::Result<u32> {
        let (owner, _) = self.owner(id)?;
        let index = self.handlers[owner].by_kind.get(kind).copied();
        index.with_context(|| format!("{} knows no {} as {}", self.name(id), kind.0, kind.1))
    }

    /// The name of a kind at the type's owner.
    pub(super) fn kind_name(&self, id: TypeId, kind: u32) -> &str {
        let kinds = self.types[id].owner.map(|(owner, _)| &self.handlers[owner].kinds);
        kinds.and_then(|kinds| kinds.get(kind as usize)).map_or("an unknown kind", |(name, _)| name)
    }

    /// Who hears this kind of event, by its owner's index.
    pub(super) fn hearers(&self, id: TypeId, kind: u32) -> &[Hearer] {
        self.types[id].heard.get(kind as usize).map_or(&[], |hearers| hearers)
    }

    /// Who makes rows of this kind of event, by its owner's index.
    pub(super) fn projectors(&self, id: TypeId, kind: u32) -> &[Projector] {
        self.types[id].projected.get(kind as usize).map_or(&[], |projectors| projectors)
    }

    /// The tables that a handler makes, by its own index.
    pub(super) fn tables(&self, handler: usize) -> &[Table] {
        &self.handlers[handler].tables
    }

    /// Who looks things up in the table of this name.
    pub(super) fn readers(&self, table: &str) -> &[usize] {
        self.readers.get(table).map_or(&[], |readers| readers)
    }

    /// Whom a handler sends to, by its own indices of type and kind.
    ///
    /// # Errors
    /// If it has not declared that.
    pub(super) fn sent(
        &self,
        handler: usize,
        aggregate_type: u32,
        kind: u32,
    ) -> anyhow::Result<(TypeId, u32)> {
        let sent = self.handlers[handler].sends.get(&(aggregate_type, kind)).copied();
        sent.with_context(|| format!("handler {handler} sends what it does not declare"))
    }
}

/// The type of an entry: the manifest's index, and the name.
fn type_of<'m>(manifest: &'m Value, entry: &Value) -> anyhow::Result<(u32, &'m str)> {
    let index = entry["type"].as_u64().context("an entry without a type")?;
    let name = manifest["types"][index as usize].as_str().context("a type without a name")?;
    Ok((index as u32, name))
}

fn tables(manifest: &Value) -> anyhow::Result<Vec<Table>> {
    let table = |entry| {
        let (aggregate_type, _) = type_of(manifest, entry)?;
        let is = |what: &str| entry[what] == true;
        let name = text(&entry["name"])?;
        Ok(Table { name, aggregate_type, keyed: is("keyed"), reference: is("reference") })
    };
    optional(manifest, "tables").iter().map(table).collect()
}

/// A list that a manifest may leave out.
fn optional<'m>(manifest: &'m Value, name: &str) -> &'m [Value] {
    manifest[name].as_array().map_or(&[], |list| list)
}

fn list<'m>(manifest: &'m Value, name: &str) -> anyhow::Result<&'m Vec<Value>> {
    manifest[name].as_array().with_context(|| format!("a manifest has {name}"))
}

fn numbers(entry: &Value, name: &str) -> anyhow::Result<Vec<u32>> {
    let numbers: Vec<u32> =
        list(entry, name)?.iter().filter_map(Value::as_u64).map(|n| n as u32).collect();
    ensure!(numbers.len() == list(entry, name)?.len(), "{name} are indices");
    Ok(numbers)
}

fn text(value: &Value) -> anyhow::Result<String> {
    Ok(value.as_str().context("something without a name")?.to_owned())
}
