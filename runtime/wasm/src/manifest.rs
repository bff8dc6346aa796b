//! Reads what a handler says of itself (`wit/manifest.wit`) and checks that it is consistent: with
//! itself, and with what the component exports. Whether its names fit the rest of a deployment is
//! left to the topology.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Deserialize;
use zamu_core::guest::manifest::{Manifest, OwnedType, Table, TypeKinds};
use zamu_core::model::KindName;

use crate::admission::Roles;

/// Why a manifest is not accepted.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ManifestError {
    /// Not the JSON that is asked for.
    #[error("the manifest is not as wit/manifest.wit describes it: {0}")]
    Json(String),
    /// An index that points nowhere.
    #[error(
        "the manifest's {place} is {index}, and {list} has {length} entries: correct the index"
    )]
    Index {
        /// The member, for example `aggregates[0].commands[1]`.
        place: String,
        /// What it says.
        index: u32,
        /// The list that it points into.
        list: &'static str,
        /// How long that is.
        length: usize,
    },
    /// A member that says too little, or says something twice.
    #[error("the manifest's {place} {problem}")]
    Member {
        /// The member.
        place: String,
        /// What is wrong, and what to do.
        problem: String,
    },
}

/// Parses and checks a manifest.
///
/// # Errors
/// The first contradiction, with its place.
pub fn parse(text: &str, roles: Roles) -> Result<Manifest, ManifestError> {
    let json: Json =
        serde_json::from_str(text).map_err(|error| ManifestError::Json(error.to_string()))?;
    json.check(roles)?;
    Ok(json.into_manifest())
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Json {
    name: String,
    version: String,
    fold: u32,
    types: Vec<String>,
    kinds: Vec<JsonKind>,
    #[serde(default)]
    state_schemas: Vec<String>,
    #[serde(default)]
    aggregates: Vec<JsonOwned>,
    #[serde(default)]
    subscriptions: Vec<JsonSubscription>,
    #[serde(default)]
    sends: Vec<JsonSends>,
    #[serde(default)]
    tables: Vec<JsonTable>,
    #[serde(default)]
    projections: Vec<JsonSubscription>,
    #[serde(default)]
    references: Vec<String>,
    #[serde(default)]
    items: bool,
}

#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "kebab-case")]
struct JsonKind {
    name: String,
    schema: String,
    content_type: String,
}

#[derive(Deserialize)]
struct JsonOwned {
    r#type: u32,
    commands: Vec<u32>,
    events: Vec<u32>,
}

#[derive(Deserialize)]
struct JsonSubscription {
    r#type: u32,
    events: Vec<u32>,
}

#[derive(Deserialize)]
struct JsonSends {
    r#type: u32,
    commands: Vec<u32>,
}

#[derive(Deserialize)]
struct JsonTable {
    name: String,
    r#type: u32,
    #[serde(default)]
    keyed: bool,
    #[serde(default)]
    reference: bool,
}

type Checked = Result<(), ManifestError>;

impl Json {
    fn check(&self, roles: Roles) -> Checked {
        present("name", &self.name)?;
        if semver::Version::parse(&self.version).is_err() {
            return member("version", format!("is `{}`: write a semantic version", self.version));
        }
        for (i, name) in self.types.iter().enumerate() {
            present(&format!("types[{i}]"), name)?;
        }
        for (i, kind) in self.kinds.iter().enumerate() {
            present(&format!("kinds[{i}].name"), &kind.name)?;
        }
        for (i, schema) in self.state_schemas.iter().enumerate() {
            present(&format!("state-schemas[{i}]"), schema)?;
        }
        distinct("types", &self.types)?;
        distinct("kinds", &self.kinds)?;
        distinct("state-schemas", &self.state_schemas)?;
        self.check_aggregates(roles)?;
        self.check_subscriptions(roles)?;
        self.check_tables(roles)?;
        self.check_references(roles)
    }

    fn check_aggregates(&self, roles: Roles) -> Checked {
        for (i, owned) in self.aggregates.iter().enumerate() {
            let place = format!("aggregates[{i}]");
            self.check_type(&place, owned.r#type)?;
            self.check_kinds(&format!("{place}.commands"), &owned.commands)?;
            self.check_kinds(&format!("{place}.events"), &owned.events)?;
        }
        let owned: Vec<u32> = self.aggregates.iter().map(|owned| owned.r#type).collect();
        distinct("aggregates", &owned)?;
        if self.aggregates.is_empty() == roles.command_handler {
            return member("aggregates", agree(roles.command_handler, "command-handler"));
        }
        if !self.aggregates.is_empty() && self.state_schemas.is_empty() {
            return member("state-schemas", "is empty: name the schemas that are read and written");
        }
        Ok(())
    }

    fn check_subscriptions(&self, roles: Roles) -> Checked {
        for (i, subscription) in self.subscriptions.iter().enumerate() {
            let place = format!("subscriptions[{i}]");
            self.check_type(&place, subscription.r#type)?;
            self.check_kinds(&format!("{place}.events"), &subscription.events)?;
        }
        for (i, sends) in self.sends.iter().enumerate() {
            let place = format!("sends[{i}]");
            self.check_type(&place, sends.r#type)?;
            self.check_kinds(&format!("{place}.commands"), &sends.commands)?;
        }
        let types: Vec<u32> = self.subscriptions.iter().map(|s| s.r#type).collect();
        distinct("subscriptions", &types)?;
        let types: Vec<u32> = self.sends.iter().map(|s| s.r#type).collect();
        distinct("sends", &types)?;
        if self.subscriptions.is_empty() == roles.event_handler {
            return member("subscriptions", agree(roles.event_handler, "event-handler"));
        }
        if self.subscriptions.is_empty() && !self.sends.is_empty() {
            return member("sends", "has entries, but nothing is subscribed to: remove them");
        }
        Ok(())
    }

    fn check_tables(&self, roles: Roles) -> Checked {
        for (i, taken) in self.projections.iter().enumerate() {
            let place = format!("projections[{i}]");
            self.check_type(&place, taken.r#type)?;
            self.check_kinds(&format!("{place}.events"), &taken.events)?;
        }
        let types: Vec<u32> = self.projections.iter().map(|p| p.r#type).collect();
        distinct("projections", &types)?;
        for (i, table) in self.tables.iter().enumerate() {
            let place = format!("tables[{i}]");
            self.check_type(&place, table.r#type)?;
            if !is_table_name(&table.name) {
                return member(format!("{place}.name"), NO_TABLE_NAME);
            }
            if !types.contains(&table.r#type) {
                let problem = "names a type of which no event is projected: correct one of them";
                return member(format!("{place}.type"), problem);
            }
            if table.reference && !table.keyed {
                let problem = "is true for a table that is not keyed: a reference table is keyed";
                return member(format!("{place}.reference"), problem);
            }
        }
        let names: Vec<&str> = self.tables.iter().map(|table| table.name.as_str()).collect();
        distinct("tables", &names)?;
        if self.tables.is_empty() == roles.projection {
            return member("tables", agree(roles.projection, "projection"));
        }
        if self.projections.is_empty() == roles.projection {
            return member("projections", agree(roles.projection, "projection"));
        }
        Ok(())
    }

    fn check_references(&self, roles: Roles) -> Checked {
        for (i, name) in self.references.iter().enumerate() {
            if !is_table_name(name) {
                return member(format!("references[{i}]"), NO_TABLE_NAME);
            }
        }
        distinct("references", &self.references)?;
        if !self.references.is_empty() && !roles.command_handler && !roles.event_handler {
            let problem = "has entries, but the component exports neither command-handler nor \
                           event-handler, which alone may look things up: remove them";
            return member("references", problem);
        }
        Ok(())
    }

    fn check_type(&self, place: &str, index: u32) -> Checked {
        in_range(format!("{place}.type"), index, "types", self.types.len())
    }

    fn check_kinds(&self, place: &str, indices: &[u32]) -> Checked {
        for (i, index) in indices.iter().enumerate() {
            in_range(format!("{place}[{i}]"), *index, "kinds", self.kinds.len())?;
        }
        distinct(place, indices)
    }

    fn into_manifest(self) -> Manifest {
        Manifest {
            name: self.name,
            version: self.version,
            fold: self.fold,
            types: self.types,
            kinds: self.kinds.into_iter().map(|kind| Arc::new(kind.into())).collect(),
            state_schemas: self.state_schemas,
            aggregates: self.aggregates.into_iter().map(OwnedType::from).collect(),
            subscriptions: self.subscriptions.into_iter().map(TypeKinds::from).collect(),
            sends: self.sends.into_iter().map(TypeKinds::from).collect(),
            tables: self.tables.into_iter().map(Table::from).collect(),
            projections: self.projections.into_iter().map(TypeKinds::from).collect(),
            references: self.references,
            items: self.items,
        }
    }
}

impl From<JsonKind> for KindName {
    fn from(kind: JsonKind) -> Self {
        Self { name: kind.name, schema: kind.schema, content_type: kind.content_type }
    }
}

impl From<JsonOwned> for OwnedType {
    fn from(owned: JsonOwned) -> Self {
        Self { aggregate_type: owned.r#type, commands: owned.commands, events: owned.events }
    }
}

impl From<JsonSubscription> for TypeKinds {
    fn from(subscription: JsonSubscription) -> Self {
        Self { aggregate_type: subscription.r#type, kinds: subscription.events }
    }
}

impl From<JsonSends> for TypeKinds {
    fn from(sends: JsonSends) -> Self {
        Self { aggregate_type: sends.r#type, kinds: sends.commands }
    }
}

impl From<JsonTable> for Table {
    fn from(table: JsonTable) -> Self {
        let JsonTable { name, r#type, keyed, reference } = table;
        Self { name, aggregate_type: r#type, keyed, reference }
    }
}

const NO_TABLE_NAME: &str = "is no name of a table: use lower-case letters, digits and hyphens";

/// It stands in addresses.
fn is_table_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !name.is_empty() && name.len() <= 64 && name.bytes().all(plain)
}

fn member(place: impl Into<String>, problem: impl Into<String>) -> Checked {
    Err(ManifestError::Member { place: place.into(), problem: problem.into() })
}

fn present(place: &str, text: &str) -> Checked {
    if text.is_empty() {
        return member(place, "is empty: give it a name");
    }
    Ok(())
}

fn in_range(place: String, index: u32, list: &'static str, length: usize) -> Checked {
    if index as usize >= length {
        return Err(ManifestError::Index { place, index, list, length });
    }
    Ok(())
}

fn distinct<T: Ord>(place: &str, entries: &[T]) -> Checked {
    let mut seen = BTreeSet::new();
    match entries.iter().position(|entry| !seen.insert(entry)) {
        Some(again) => member(format!("{place}[{again}]"), "repeats an earlier entry: remove it"),
        None => Ok(()),
    }
}

fn agree(exported: bool, role: &str) -> String {
    if exported {
        format!("is empty, but the component exports {role}: name what it is for")
    } else {
        format!("has entries, but the component does not export {role}: export it, or remove them")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A handler that makes two tables, with one piece of its manifest replaced.
    fn with(from: &str, to: &str) -> Result<Manifest, ManifestError> {
        let text = r#"{
            "name": "views", "version": "1.0.0", "fold": 2, "types": ["a", "b"],
            "kinds": [{ "name": "K", "schema": "1", "content-type": "text/plain" }],
            "projections": [{ "type": 0, "events": [0] }],
            "tables": [
                { "name": "now", "type": 0, "keyed": true, "reference": true },
                { "name": "past", "type": 0 }
            ]
        }"#;
        assert!(text.contains(from), "{from}");
        let roles = Roles { manifest: true, projection: true, ..Roles::default() };
        parse(&text.replacen(from, to, 1), roles)
    }

    #[test]
    fn tables_are_read_in_full() {
        let manifest = with("", "").unwrap();
        let table = |name: &str, keyed, reference| Table {
            name: name.into(),
            aggregate_type: 0,
            keyed,
            reference,
        };
        assert_eq!(manifest.tables, [table("now", true, true), table("past", false, false)]);
        assert_eq!(manifest.projections, [TypeKinds { aggregate_type: 0, kinds: vec![0] }]);
    }

    #[test]
    fn tables_that_contradict_the_rest_are_refused_with_the_place() {
        for (from, to, says) in [
            ("\"past\", \"type\": 0", "\"past\", \"type\": 2", "tables[1].type is 2"),
            ("\"past\", \"type\": 0", "\"past\", \"type\": 1", "no event is projected"),
            ("\"past\"", "\"Past\"", "tables[1].name is no name of a table"),
            ("\"past\"", "\"\"", "tables[1].name is no name of a table"),
            ("\"past\"", "\"now\"", "tables[1] repeats an earlier entry"),
            ("\"keyed\": true", "\"keyed\": false", "a reference table is keyed"),
            ("\"events\": [0]", "\"events\": [1]", "projections[0].events[0] is 1"),
            ("\"projections\": [{ \"type\": 0, \"events\": [0] }],", "", "tables[0].type names"),
        ] {
            let error = with(from, to).unwrap_err().to_string();
            assert!(error.contains(says), "{from}: {error}");
        }
    }

    #[test]
    fn references_are_names_of_tables_and_for_who_decides_or_reacts() {
        let read = |references: &str, event_handler| {
            let text = format!(
                r#"{{ "name": "v", "version": "1.0.0", "fold": 1, "types": ["a"], "kinds": [],
                "subscriptions": [{subscription}], "references": {references} }}"#,
                subscription = if event_handler { r#"{ "type": 0, "events": [] }"# } else { "" },
            );
            parse(&text, Roles { manifest: true, event_handler, ..Roles::default() })
        };
        assert_eq!(read(r#"["x", "y-2"]"#, true).unwrap().references, ["x", "y-2"]);
        for (references, says) in [
            (r#"["x", "X"]"#, "references[1] is no name of a table"),
            (r#"["x", "x"]"#, "references[1] repeats an earlier entry"),
        ] {
            let error = read(references, true).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        let error = read(r#"["x"]"#, false).unwrap_err().to_string();
        assert!(error.contains("references has entries, but"), "{error}");
    }

    #[test]
    fn tables_and_the_export_of_their_role_go_together() {
        let tables = r#"{ "name": "v", "version": "1.0.0", "fold": 1, "types": ["a"], "kinds": [],
            "projections": [{ "type": 0, "events": [] }], "tables": [{ "name": "t", "type": 0 }] }"#;
        let none = r#"{ "name": "v", "version": "1.0.0", "fold": 1, "types": [], "kinds": [] }"#;
        let roles = |projection| Roles { manifest: true, projection, ..Roles::default() };
        let error = |text, projection| parse(text, roles(projection)).unwrap_err().to_string();
        assert!(error(tables, false).contains("does not export projection"));
        assert!(
            error(none, true).contains("tables is empty, but the component exports projection")
        );
        assert!(parse(tables, roles(true)).is_ok() && parse(none, roles(false)).is_ok());
    }
}
