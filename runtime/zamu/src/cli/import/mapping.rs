//! From a row to commands: a mapping says which commands a row gives, with columns in braces.
//!
//! ```toml
//! [[commands]]
//! type = "account"
//! key = "{owner}/{currency}"
//! kind = "Open"
//! data = { limit = "{limit}", note = "{note?}" }   # without the member if the cell is empty
//! unless-empty = ["limit"]                         # no such command if the cell is empty
//! ```
//! A column alone keeps its cell's JSON type. Cells of CSV are texts: `{days:number}` and
//! `{open?:boolean}` make of them what they say.
//!
//! Without a mapping each line is a command already, in the form of `POST /commands`.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::rows::Row;

/// A command as a row gives it.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    /// The aggregate's type.
    pub(crate) aggregate_type: String,
    /// The aggregate's key.
    pub(crate) key: String,
    /// The command's kind.
    pub(crate) kind: String,
    /// Its schema's id, if the row says so.
    pub(crate) schema: Option<String>,
    /// Its id, if the row says so.
    pub(crate) id: Option<String>,
    /// Its body.
    pub(crate) data: Box<RawValue>,
}

/// How rows become commands.
#[derive(Clone, Debug, Default)]
pub(crate) enum Mapping {
    /// Each row is one.
    #[default]
    None,
    /// Each row gives these.
    Templates(Vec<Template>),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    commands: Vec<Template>,
}

/// A command with columns left open.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Template {
    r#type: String,
    key: String,
    kind: String,
    #[serde(default)]
    schema: Option<String>,
    #[serde(default)]
    data: Map<String, Value>,
    #[serde(default)]
    unless_empty: Vec<String>,
}

impl Mapping {
    /// Reads a mapping's file.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let place = || path.display().to_string();
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the mapping {}", place()))?;
        let File { commands } = toml::from_str(&text).with_context(place)?;
        ensure!(!commands.is_empty(), "{}: no [[commands]]: a row would give nothing", place());
        Ok(Self::Templates(commands))
    }

    /// The commands of a row, or what is wrong with it.
    pub(crate) fn commands(&self, row: &Row) -> Result<Vec<Planned>, String> {
        match self {
            Self::None => Ok(vec![as_it_is(row)?]),
            Self::Templates(templates) => templates
                .iter()
                .filter(|template| !template.is_skipped(row))
                .map(|template| template.fill(row))
                .collect(),
        }
    }
}

/// A row in the form of `POST /commands`.
fn as_it_is(row: &Row) -> Result<Planned, String> {
    #[derive(Deserialize)]
    struct Entry {
        aggregatetype: String,
        subject: String,
        r#type: String,
        id: Option<String>,
        dataschema: Option<String>,
        data: Option<Box<RawValue>>,
    }
    let json =
        row.json.as_deref().ok_or("a row of CSV is no command: say with --map what it gives")?;
    let entry: Entry = serde_json::from_str(json.get())
        .map_err(|error| format!("is no command as `POST /commands` takes it: {error}"))?;
    Ok(Planned {
        aggregate_type: entry.aggregatetype,
        key: entry.subject,
        kind: entry.r#type,
        schema: entry.dataschema,
        id: entry.id,
        data: entry.data.map_or_else(empty_object, Ok)?,
    })
}

fn empty_object() -> Result<Box<RawValue>, String> {
    RawValue::from_string("{}".to_owned()).map_err(|error| error.to_string())
}

impl Template {
    fn is_skipped(&self, row: &Row) -> bool {
        self.unless_empty.iter().any(|column| is_empty(row.cells.get(column)))
    }

    fn fill(&self, row: &Row) -> Result<Planned, String> {
        let mut data = Map::new();
        for (name, value) in &self.data {
            if let Some(value) = fill(value, row)? {
                data.insert(name.clone(), value);
            }
        }
        Ok(Planned {
            aggregate_type: self.r#type.clone(),
            key: text(&self.key, row)?,
            kind: self.kind.clone(),
            schema: self.schema.clone(),
            id: None,
            data: serde_json::value::to_raw_value(&data).map_err(|error| error.to_string())?,
        })
    }
}

/// A value with its columns filled in; nothing for an optional one without a cell.
fn fill(template: &Value, row: &Row) -> Result<Option<Value>, String> {
    Ok(Some(match template {
        Value::String(template) => match Lone::of(template) {
            Some(lone) if lone.optional && is_empty(row.cells.get(lone.column)) => return Ok(None),
            Some(lone) => lone.value(row)?,
            None => Value::String(text(template, row)?),
        },
        Value::Object(members) => {
            let mut filled = Map::new();
            for (name, value) in members {
                if let Some(value) = fill(value, row)? {
                    filled.insert(name.clone(), value);
                }
            }
            Value::Object(filled)
        }
        Value::Array(entries) => {
            let filled = entries.iter().map(|value| fill(value, row));
            Value::Array(filled.filter_map(Result::transpose).collect::<Result<_, _>>()?)
        }
        constant => constant.clone(),
    }))
}

/// The column of a template that is nothing else.
struct Lone<'a> {
    column: &'a str,
    /// Its value is left out where the cell is empty.
    optional: bool,
    /// What a text in the cell is read as, if not as a text.
    kind: Option<&'a str>,
}

impl<'a> Lone<'a> {
    fn of(template: &'a str) -> Option<Self> {
        let inside = template.strip_prefix('{')?.strip_suffix('}')?;
        if inside.contains(['{', '}']) {
            return None;
        }
        // A column may have a colon in its name: only these two words are no part of it.
        let typed = inside.rsplit_once(':').filter(|(_, kind)| KINDS.contains(kind));
        let (column, kind) = typed.map_or((inside, None), |(column, kind)| (column, Some(kind)));
        let bare = column.strip_suffix('?');
        Some(Self { column: bare.unwrap_or(column), optional: bare.is_some(), kind })
    }

    fn value(&self, row: &Row) -> Result<Value, String> {
        let cell = cell(self.column, row)?;
        let (Some(kind), Value::String(text)) = (self.kind, cell) else { return Ok(cell.clone()) };
        let read = match kind {
            NUMBER => exact_number(text),
            _ => text.parse().ok().map(Value::Bool),
        };
        read.ok_or_else(|| format!("column `{}` is no {kind}: `{text}`", self.column))
    }
}

const NUMBER: &str = "number";
const KINDS: [&str; 2] = [NUMBER, "boolean"];

/// Digits of a fraction that a double keeps, all in all.
const EXACT_DIGITS: usize = 15;

/// A JSON number that is exactly what the text says.
fn exact_number(text: &str) -> Option<Value> {
    let number: serde_json::Number = serde_json::from_str(text).ok()?;
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    (!number.is_f64() || digits <= EXACT_DIGITS).then_some(Value::Number(number))
}

/// A text with its columns filled in. `{{` and `}}` are braces.
fn text(template: &str, row: &Row) -> Result<String, String> {
    let mut text = String::new();
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("{{").or_else(|| rest.strip_prefix("}}")) {
            text.push_str(&rest[..1]);
            rest = after;
            continue;
        }
        let (column, after) =
            rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).ok_or_else(|| {
                format!("mapping: a brace of `{template}` stands alone: write it twice")
            })?;
        match cell(column, row)? {
            Value::String(cell) => text.push_str(cell),
            cell @ (Value::Number(_) | Value::Bool(_)) => text.push_str(&cell.to_string()),
            _ => return Err(format!("column `{column}` is neither a text nor a number")),
        }
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}

fn cell<'r>(column: &str, row: &'r Row) -> Result<&'r Value, String> {
    match row.cells.get(column) {
        None => Err(format!("has no column `{column}`")),
        value if is_empty(value) => {
            Err(format!("column `{column}` is empty (write `{{{column}?}}` if it may be)"))
        }
        Some(value) => Ok(value),
    }
}

fn is_empty(cell: Option<&Value>) -> bool {
    match cell {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn row(cells: &Value) -> Row {
        let json = RawValue::from_string(cells.to_string()).unwrap();
        Row { line: 7, cells: cells.as_object().unwrap().clone(), json: Some(json) }
    }

    fn mapping(text: &str) -> Mapping {
        let File { commands } = toml::from_str(text).unwrap();
        Mapping::Templates(commands)
    }

    const ACCOUNTS: &str = r#"
        [[commands]]
        type = "owner"
        key = "{owner}"
        kind = "Create"
        [[commands]]
        type = "account"
        key = "{owner}/{currency}"
        kind = "Open"
        data = { limit = "{limit}", note = "{note?}", text = "a{{{owner}}}", fixed = 1 }
        unless-empty = ["currency"]
    "#;

    #[test]
    fn a_row_gives_the_commands_of_the_mapping_in_order() {
        let row = row(&json!({ "owner": "x", "currency": "USD", "limit": "1.50", "note": "" }));
        let planned = mapping(ACCOUNTS).commands(&row).unwrap();
        let told: Vec<_> = planned
            .iter()
            .map(|p| (p.aggregate_type.as_str(), p.key.as_str(), p.kind.as_str(), p.data.get()))
            .collect();
        assert_eq!(
            told,
            [
                ("owner", "x", "Create", "{}"),
                ("account", "x/USD", "Open", r#"{"fixed":1,"limit":"1.50","text":"a{x}"}"#),
            ]
        );
    }

    #[test]
    fn a_cell_alone_keeps_its_json_type_and_an_empty_one_leaves_out_its_command() {
        let of = |cells: &Value| mapping(ACCOUNTS).commands(&row(cells)).unwrap();
        let planned = of(&json!({ "owner": 7, "currency": "USD", "limit": 2.5, "note": [1] }));
        assert_eq!(planned[1].key, "7/USD");
        assert!(planned[1].data.get().contains(r#""limit":2.5,"note":[1]"#), "{planned:?}");
        assert_eq!(of(&json!({ "owner": "x", "currency": "" })).len(), 1);
    }

    #[test]
    fn a_text_is_read_as_what_the_mapping_says_exactly_or_not_at_all() {
        let typed = mapping(
            "[[commands]]\ntype='t'\nkind='k'\nkey='k'\n\
             data={n='{n:number}', b='{b?:boolean}', a='{x:y}'}",
        );
        let of = |n: &str, b: &str| typed.commands(&row(&json!({ "n": n, "b": b, "x:y": "z" })));
        let data = |n, b| of(n, b).unwrap()[0].data.get().to_owned();
        assert_eq!(data("7", "true"), r#"{"a":"z","b":true,"n":7}"#);
        assert_eq!(data("-0.5", ""), r#"{"a":"z","n":-0.5}"#);
        assert_eq!(data("18446744073709551615", ""), r#"{"a":"z","n":18446744073709551615}"#);
        for no_number in ["seven", "1,5", "18446744073709551616", "0.1234567890123456", "1e999"] {
            let why = of(no_number, "").unwrap_err();
            assert!(why.contains("`n` is no number") && why.contains(no_number), "{why}");
        }
        assert!(of("1", "yes").unwrap_err().contains("`b` is no boolean: `yes`"));
        assert!(of("", "").unwrap_err().contains("`n` is empty"));
    }

    #[test]
    fn what_is_missing_is_named() {
        let of = |cells: &Value| mapping(ACCOUNTS).commands(&row(cells)).unwrap_err();
        assert!(of(&json!({ "currency": "USD" })).contains("no column `owner`"));
        assert!(of(&json!({ "owner": "", "currency": "USD" })).contains("`owner` is empty"));
        let nested = json!({ "owner": [1], "currency": "USD", "limit": 1 });
        assert!(of(&nested).contains("`owner` is neither a text nor a number"));
        let odd = mapping("[[commands]]\ntype='t'\nkind='k'\nkey='{a'");
        assert!(odd.commands(&row(&json!({ "a": "x" }))).unwrap_err().contains("stands alone"));
    }

    #[test]
    fn without_a_mapping_a_line_is_a_command_and_its_body_is_kept_byte_for_byte() {
        let text = r#"{"aggregatetype":"t","subject":"k","type":"Do","data":{"n": 1.10 }}"#;
        let json = RawValue::from_string(text.to_owned()).unwrap();
        let row = Row { line: 1, cells: serde_json::from_str(text).unwrap(), json: Some(json) };
        let planned = Mapping::None.commands(&row).unwrap();
        assert_eq!(planned[0].data.get(), r#"{"n": 1.10 }"#);
        let row = Row { line: 1, cells: Map::new(), json: None };
        assert!(Mapping::None.commands(&row).unwrap_err().contains("--map"));
        let row = super::tests::row(&json!({ "subject": "k" }));
        assert!(Mapping::None.commands(&row).unwrap_err().contains("aggregatetype"));
    }
}
