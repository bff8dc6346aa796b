//! Settings from the environment: `ZAMU_<SECTION>_<KEY>`, hyphens as underscores.
//!
//! Variables that begin like a section and name no key of it are refused; others are not ours.

use toml::{Table, Value};

use crate::config::Error;

/// A setting that a variable makes.
#[derive(Debug)]
pub(crate) struct Setting {
    /// The variable's name.
    pub(crate) name: String,
    /// Sections and key.
    pub(crate) path: Vec<String>,
    /// Its value.
    pub(crate) value: Value,
}

/// Keys of the entries of `types` and `handlers`, whose defaults are not in the table.
const TYPE_KEYS: [&str; 3] = ["partitions", "window-ids", "window-hours"];
const HANDLER_KEYS: [&str; 2] = ["component", "configuration"];

/// The settings among these variables, given what is set so far.
pub(crate) fn settings(
    variables: impl IntoIterator<Item = (String, String)>,
    table: &Table,
) -> Result<Vec<Setting>, Error> {
    let known = paths(table);
    let mut found = Vec::new();
    for (name, text) in variables {
        match known.iter().find(|path| variable(path) == name) {
            Some(path) => {
                let value = value(&text, get(table, path), &name, path)?;
                found.push(Setting { name, path: path.clone(), value });
            }
            None if begins_like_a_section(&name, table) => {
                return Err(Error::Value {
                    key: name.clone(),
                    origin: "environment".to_owned(),
                    problem: "names no setting: default.toml lists them, as ZAMU_<SECTION>_<KEY>"
                        .to_owned(),
                });
            }
            None => {}
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

fn paths(table: &Table) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    for (section, value) in table {
        let Value::Table(keys) = value else {
            paths.push(vec![section.clone()]);
            continue;
        };
        let entry_keys: &[&str] = match section.as_str() {
            "types" => &TYPE_KEYS,
            "handlers" => &HANDLER_KEYS,
            _ => {
                paths.extend(keys.keys().map(|key| vec![section.clone(), key.clone()]));
                continue;
            }
        };
        for entry in keys.keys() {
            let path = |key: &&str| vec![section.clone(), entry.clone(), (*key).to_owned()];
            paths.extend(entry_keys.iter().map(path));
        }
    }
    paths
}

fn variable(path: &[String]) -> String {
    let words: Vec<_> = path.iter().map(|word| word.to_uppercase().replace('-', "_")).collect();
    format!("ZAMU_{}", words.join("_"))
}

fn begins_like_a_section(name: &str, table: &Table) -> bool {
    table.iter().filter(|(_, value)| value.is_table()).any(|(section, _)| {
        name.starts_with(&format!("{}_", variable(std::slice::from_ref(section))))
    })
}

fn get<'a>(table: &'a Table, path: &[String]) -> Option<&'a Value> {
    let (last, sections) = path.split_last()?;
    let mut at = table;
    for section in sections {
        at = at.get(section)?.as_table()?;
    }
    at.get(last)
}

/// Text stays text where text is expected; anything else is read as TOML.
fn value(text: &str, before: Option<&Value>, name: &str, path: &[String]) -> Result<Value, Error> {
    let is_text = path.last().is_some_and(|key| key == "component")
        || before.is_some_and(|value| value.is_str());
    if is_text {
        return Ok(Value::String(text.to_owned()));
    }
    let parsed = format!("value = {text}").parse::<Table>().ok();
    parsed.and_then(|mut table| table.remove("value")).ok_or_else(|| Error::Value {
        origin: name.to_owned(),
        key: path.join("."),
        problem: format!("`{text}` is no number, truth value, list or table as TOML writes them"),
    })
}
