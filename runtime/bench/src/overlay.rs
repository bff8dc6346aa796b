//! The configuration that is run: the named file, what the load and the options lay over it, a folder
//! and an address of our own.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result, bail};
use toml::{Table, Value};

use crate::load::Plan;

/// Settings of the host that are benched by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// What a turn takes at most.
    pub turn_records: Option<u32>,
    /// Threads that run handlers.
    pub shards: Option<u32>,
}

/// The configuration's text, for a host that keeps its data in this folder and listens there.
///
/// # Errors
/// When the file cannot be read, or is no configuration.
pub fn configuration(plan: &Plan, host: &Host, data: &Path, listen: SocketAddr) -> Result<String> {
    let file = &plan.config;
    let text = fs::read_to_string(file).with_context(|| {
        format!("cannot read the configuration {} that the load names", file.display())
    })?;
    let mut table: Table =
        text.parse().with_context(|| format!("{} is no TOML", file.display()))?;
    root(&mut table, plan.config_folder())?;
    for overlay in &plan.overlays {
        let mut overlay = overlay.clone();
        root(&mut overlay, &plan.folder)?;
        lay(&mut table, overlay);
    }
    let mut own = Table::new();
    own.insert("data".into(), text_of(data)?);
    own.insert("http".into(), section("listen", listen.to_string()).into());
    for (key, value) in [("turn-records", host.turn_records), ("count", host.shards)] {
        if let Some(value) = value {
            lay(&mut own, section("shards", section(key, i64::from(value))));
        }
    }
    lay(&mut table, own);
    toml::to_string(&table).context("cannot write the configuration")
}

/// Where the configured data folder would be: its disk is what is benched.
///
/// # Errors
/// As [`configuration`].
pub fn data_folder(plan: &Plan) -> Result<std::path::PathBuf> {
    let text = fs::read_to_string(&plan.config).with_context(|| {
        format!("cannot read the configuration {} that the load names", plan.config.display())
    })?;
    let table: Table =
        text.parse().with_context(|| format!("{} is no TOML", plan.config.display()))?;
    let data = table.get("data").and_then(Value::as_str).unwrap_or("zamu-data");
    Ok(plan.config_folder().join(data))
}

/// Components are found from wherever the text will lie.
fn root(table: &mut Table, folder: &Path) -> Result<()> {
    let handlers = table.get_mut("handlers").and_then(Value::as_table_mut);
    for (name, handler) in handlers.into_iter().flatten() {
        let Some(component) = handler.get_mut("component") else { continue };
        let Some(path) = component.as_str() else {
            bail!("the component of handler `{name}` is no text");
        };
        let path = folder.join(path);
        *component = text_of(&std::path::absolute(&path).unwrap_or(path))?;
    }
    Ok(())
}

/// Keys of `upper` win; tables are laid over tables, however deep.
fn lay(lower: &mut Table, upper: Table) {
    for (key, value) in upper {
        match (lower.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => lay(below, above),
            (_, value) => {
                lower.insert(key, value);
            }
        }
    }
}

fn section(key: &str, value: impl Into<Value>) -> Table {
    Table::from_iter([(key.to_owned(), value.into())])
}

fn text_of(path: &Path) -> Result<Value> {
    let text = path.to_str().with_context(|| format!("not UTF-8: {}", path.display()))?;
    Ok(text.into())
}
