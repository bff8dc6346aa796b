//! The load file: which configuration is run, what is made ready, what is sent, what is answered to
//! which event, when a unit of work has ended, and what must sum to what at the end.
//!
//! This file is the format, as it is written; `reading` checks it as a whole and makes of it what can be
//! run, a `plan`. Nothing is opened beside the file itself. `examples/counter/load.toml` explains every key.

mod making;
mod names;
mod plan;
mod reading;
mod summing;
#[cfg(test)]
mod tests;
mod topology;
mod varying;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use plan::{
    Answering, Ending, KeyTemplate, Kind, Match, Options, Plan, Sum, Term, UnitOf, Where,
};
pub use topology::Topology;

/// A load, as its file has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Load {
    /// What is benched.
    pub name: String,
    /// What a unit of work is called.
    pub unit: String,
    /// The configuration that is run, relative to this file.
    pub config: PathBuf,
    #[serde(default)]
    values: BTreeMap<String, Value>,
    #[serde(default)]
    setup: Vec<Setup>,
    send: Command,
    #[serde(default)]
    answer: Vec<Answer>,
    ends: Ends,
    #[serde(default)]
    sums: Vec<SumOf>,
    #[serde(default)]
    variants: BTreeMap<String, Variant>,
    poison: Option<PoisonOf>,
    #[serde(skip)]
    path: PathBuf,
}

/// A generated value: one of the kinds, and what goes with it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Value {
    choose: Option<u64>,
    number: Option<[u64; 2]>,
    bytes: Option<usize>,
    sha256_of: Option<String>,
    time_in_s: Option<u64>,
    text: Option<String>,
    first: Option<u64>,
    width: Option<usize>,
    zipf: Option<f64>,
    hot: Option<bool>,
    unlike: Option<String>,
    decimals: Option<usize>,
}

#[derive(Clone, Debug, Deserialize)]
struct Setup {
    each: Option<String>,
    #[serde(flatten)]
    command: Command,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Command {
    r#type: String,
    kind: String,
    key: String,
    id: Option<String>,
    source: Option<String>,
    schema: Option<String>,
    content_type: Option<String>,
    data: Option<toml::Value>,
    text: Option<String>,
    /// What no command has; see `plan`.
    #[serde(flatten)]
    unknown: BTreeMap<String, toml::Value>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    to: KindOf,
    send: Command,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct KindOf {
    r#type: String,
    kind: String,
    key: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Ends {
    by: EndsBy,
    unit: Option<String>,
    completed: Vec<KindOf>,
    #[serde(default)]
    refused: Vec<KindOf>,
    #[serde(default)]
    once: Vec<KindOf>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum EndsBy {
    Answer,
    Events,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct SumOf {
    name: String,
    terms: Vec<TermOf>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct TermOf {
    states: Option<String>,
    each: Option<String>,
    key: Option<String>,
    events: Option<String>,
    kind: Option<String>,
    rows: Option<String>,
    value: Option<String>,
    group: Option<String>,
    times: Option<i64>,
}

#[derive(Clone, Debug, Deserialize)]
struct Variant {
    default: String,
    #[serde(flatten)]
    choices: BTreeMap<String, toml::Table>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PoisonOf {
    values: BTreeMap<String, String>,
    config: toml::Table,
}

/// A load that nothing may be driven with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read the load {}: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not TOML, a key that there is not, a value of another type.
    #[error("{}: {problem}", .path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the line.
        problem: String,
    },
    /// Something that makes no sense, or does not fit the rest.
    #[error("{}: `{place}` {problem}", .path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// Path of the key.
        place: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// An option that this load has nothing for.
    #[error("{}: {problem}", .path.display())]
    Option {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        problem: String,
    },
}

impl Load {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or is not as a load is written: with the place and what may stand there.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| Error::Unreadable { path: path.to_owned(), source })?;
        Self::parse(&text, path)
    }

    /// Reads the text of a file that is called so.
    ///
    /// # Errors
    /// As [`Load::read`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, Error> {
        let load: Result<Self, _> = toml::from_str(text);
        let load = load.map_err(|error| Error::Syntax {
            path: path.to_owned(),
            problem: error.to_string().trim_end().to_owned(),
        })?;
        Ok(Self { path: path.to_owned(), ..load })
    }

    /// The folder that paths in it are relative to.
    pub(crate) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// The dimensions in which the configuration varies, with their choices.
    pub fn variants(&self) -> impl Iterator<Item = (&str, Vec<&str>)> {
        self.variants.iter().map(|(name, variant)| {
            (name.as_str(), variant.choices.keys().map(String::as_str).collect())
        })
    }
}
