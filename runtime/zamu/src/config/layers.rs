//! Lays the file and the environment over the compiled-in defaults.
//!
//! Each layer is checked by itself when it is laid, so that an error names the layer at fault.

use toml::{Table, Value};

use crate::config::{Config, DEFAULTS, Error, environment};

/// The configuration that the three layers make.
pub(crate) fn lay(
    text: &str,
    origin: &str,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Config, Error> {
    let mut table = parse(DEFAULTS, "default.toml")?;
    merge(&mut table, parse(text, origin)?, 0);
    let mut config = read(&table, origin)?;
    for variable in environment::settings(variables, &table)? {
        set(&mut table, &variable.path, variable.value);
        config = read(&table, &variable.name)?;
    }
    Ok(config)
}

fn parse(text: &str, origin: &str) -> Result<Table, Error> {
    text.parse().map_err(|error: toml::de::Error| Error::Syntax {
        origin: origin.to_owned(),
        problem: error.to_string(),
    })
}

/// Keys of `upper` win. Only sections, and the entries of `types` and `handlers`, are merged; a
/// handler's configuration is one value.
fn merge(lower: &mut Table, upper: Table, depth: usize) {
    for (key, value) in upper {
        match (lower.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) if depth < 2 => {
                merge(below, above, depth + 1);
            }
            (_, value) => {
                lower.insert(key, value);
            }
        }
    }
}

fn set(table: &mut Table, path: &[String], value: Value) {
    let Some((last, sections)) = path.split_last() else { return };
    let mut at = table;
    for section in sections {
        let entry = at.entry(section.clone()).or_insert_with(|| Value::Table(Table::new()));
        let Value::Table(below) = entry else { return };
        at = below;
    }
    at.insert(last.clone(), value);
}

fn read(table: &Table, origin: &str) -> Result<Config, Error> {
    serde_path_to_error::deserialize(table.clone()).map_err(|error| Error::Value {
        origin: origin.to_owned(),
        key: error.path().to_string(),
        problem: error.into_inner().message().to_owned(),
    })
}
