//! A load that can be run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::load::{Command, KindOf};
use crate::template::{JsonTemplate, Template};
use crate::value::Values;

/// What of a load is wanted this time.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Another seed makes other values.
    pub seed: u64,
    /// How much of all takes the first choice of the hot value.
    pub hot: Option<f64>,
    /// One unit of so many is to break a handler.
    pub poison: Option<u64>,
    /// Choices by dimension.
    pub variants: BTreeMap<String, String>,
}

/// A load that can be run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What is benched.
    pub name: String,
    /// What a unit of work is called.
    pub unit: String,
    /// The configuration that is run.
    pub config: PathBuf,
    /// Values by unit.
    pub values: Values,
    /// When units have ended.
    pub ending: Ending,
    /// What must sum to nothing.
    pub sums: Vec<Sum>,
    /// Choices by dimension, those by default included.
    pub variants: BTreeMap<String, String>,
    /// What is laid over the configuration, in order; paths are relative to `folder`.
    pub(crate) overlays: Vec<toml::Table>,
    /// The load file's.
    pub(crate) folder: PathBuf,
    pub(crate) setup: Vec<Step>,
    pub(crate) send: JsonTemplate,
    pub(crate) answers: Vec<Answering>,
    /// Kinds of commands that are sent, for whoever knows which there are.
    pub sent: BTreeSet<Kind>,
}

/// A kind of command or event of a type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    /// The aggregate type.
    pub aggregate_type: String,
    /// The kind.
    pub kind: String,
}

/// Events of a kind, perhaps only those of one aggregate.
#[derive(Clone, Debug)]
pub struct Match {
    /// The kind.
    pub kind: Kind,
    /// Only where the aggregate's key is this, of the event's unit.
    pub(crate) key: Option<Template>,
}

/// Something that is made ready.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) kind: Kind,
    /// Once for every choice of this value.
    pub(crate) each: Option<usize>,
    pub(crate) command: JsonTemplate,
}

/// What is answered to an event.
#[derive(Clone, Debug)]
pub struct Answering {
    /// To which.
    pub to: Match,
    pub(crate) command: JsonTemplate,
}

/// When a unit of work has ended, and how.
#[derive(Clone, Debug)]
pub struct Ending {
    /// Whether the answer to what is sent tells; otherwise the events do.
    pub by_answer: bool,
    /// Where an event names its unit.
    pub unit: UnitOf,
    /// Events of which a completed unit has one.
    pub completed: Vec<Match>,
    /// Events that end units otherwise.
    pub refused: Vec<Match>,
    /// Other events that a unit has one of at most.
    pub once: Vec<Match>,
}

/// Where an event names its unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnitOf {
    /// The name is what its process is called.
    Correlation,
    /// The name is the aggregate's key.
    Key,
    /// The name stands there.
    Pointer(String),
}

/// Terms that come to nothing together.
#[derive(Clone, Debug)]
pub struct Sum {
    /// Its name.
    pub name: String,
    /// What is added.
    pub terms: Vec<Term>,
}

/// What is added.
#[derive(Clone, Debug)]
pub struct Term {
    /// Where the figures are.
    pub of: Where,
    /// JSON pointer to the figure.
    pub value: String,
    /// JSON pointer to the name of the group, or the name.
    pub group: Option<String>,
    /// How often it is added.
    pub times: i64,
}

/// Where figures are.
#[derive(Clone, Debug)]
pub enum Where {
    /// In states of a type, one for every choice of a value, or one.
    States {
        /// The type.
        aggregate_type: String,
        /// The value; none for one state only.
        each: Option<usize>,
        /// How a choice becomes a key.
        #[doc(hidden)]
        key: KeyTemplate,
    },
    /// In all events of a kind.
    Events(Kind),
    /// In all rows of a table.
    Rows(String),
}

/// How a choice becomes a key.
#[derive(Clone, Debug)]
pub struct KeyTemplate(pub(crate) Template);

impl Plan {
    /// Types whose events are read again at the end.
    pub fn types(&self) -> BTreeSet<&str> {
        let terms = self.sums.iter().flat_map(|sum| &sum.terms);
        let summed = terms.filter_map(|term| match &term.of {
            Where::Events(kind) => Some(kind),
            _ => None,
        });
        let counted = self.ending.kinds().map(|of| &of.kind);
        counted.chain(summed).map(|kind| kind.aggregate_type.as_str()).collect()
    }

    /// Kinds of events that are waited for while it runs.
    pub fn heard(&self) -> BTreeSet<&Kind> {
        let ends = self.ending.completed.iter().chain(&self.ending.refused);
        let ends = ends.filter(|_| !self.ending.by_answer);
        ends.chain(self.answers.iter().map(|answer| &answer.to)).map(|of| &of.kind).collect()
    }

    /// Whether rows of tables are added up.
    pub(crate) fn reads_rows(&self) -> bool {
        let mut terms = self.sums.iter().flat_map(|sum| &sum.terms);
        terms.any(|term| matches!(term.of, Where::Rows(_)))
    }

    /// The folder of the configuration.
    pub(crate) fn config_folder(&self) -> &Path {
        self.config.parent().unwrap_or(Path::new(""))
    }
}

impl Ending {
    /// All kinds that are counted.
    pub fn kinds(&self) -> impl Iterator<Item = &Match> {
        self.completed.iter().chain(&self.refused).chain(&self.once)
    }
}

impl Kind {
    pub(super) fn of(command: &Command) -> Self {
        Self { aggregate_type: command.r#type.clone(), kind: command.kind.clone() }
    }

    pub(super) fn to(kind: &KindOf) -> Self {
        Self { aggregate_type: kind.r#type.clone(), kind: kind.kind.clone() }
    }
}
