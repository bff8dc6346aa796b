//! The shapes that cross to the host and back, as in `wit/`: item i of a batch is entry i of every
//! column. A vendor never sees them; tests that drive a [`Handler`](crate::Handler) natively do.

use std::fmt;

/// `wake_at` of an aggregate that wants no waking.
pub const NEVER: u64 = u64::MAX;
/// `kind` of a command that is a Wake: the deadline of its aggregate's state has come.
pub const WAKE: u32 = u32::MAX;
/// The source of what the host itself asks for, and the principal of a Wake.
pub const HOST_SOURCE: &str = "zamu";
/// Outcome code: accepted; there may be events.
pub const ACCEPTED: u8 = 0;
/// Outcome code: refused.
pub const REFUSED: u8 = 1;
/// Outcome code: there was nothing to do.
pub const NOTHING: u8 = 2;

/// The id of a Wake, which is its correlation, too: `sequence` is that of the state that wanted it.
#[must_use]
pub fn wake_id(aggregate_type: &str, key: &str, sequence: u64) -> String {
    format!("{aggregate_type}/{key}/{sequence}/wake")
}

/// Byte strings of different lengths, packed: string i is `data[ends[i - 1]..ends[i]]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blobs {
    /// All strings, one after another.
    pub data: Vec<u8>,
    /// Where each ends in `data`.
    pub ends: Vec<u32>,
}

impl Blobs {
    /// Appends a string.
    ///
    /// # Panics
    /// If the column would pass 4 GiB.
    pub fn push(&mut self, blob: &[u8]) {
        self.data.extend_from_slice(blob);
        self.end_blob();
    }

    /// Ends a string whose bytes were written to `data` directly.
    ///
    /// # Panics
    /// As [`Blobs::push`].
    pub fn end_blob(&mut self) {
        assert!(self.data.len() <= u32::MAX as usize, "a column of a batch is below 4 GiB");
        self.ends.push(self.data.len() as u32);
    }

    /// How many strings there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// String `index`.
    ///
    /// # Panics
    /// If there is no such string, or `ends` lies about `data`.
    #[must_use]
    pub fn get(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] as usize };
        &self.data[start..self.ends[index] as usize]
    }

    /// All strings, in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|i| self.get(i))
    }
}

impl<B: AsRef<[u8]>> FromIterator<B> for Blobs {
    fn from_iter<I: IntoIterator<Item = B>>(blobs: I) -> Self {
        let mut all = Self::default();
        for blob in blobs {
            all.push(blob.as_ref());
        }
        all
    }
}

/// The aggregates of a batch, each once; an index here is a *slot*.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aggregates {
    /// Index into the manifest's types.
    pub aggregate_type: Vec<u32>,
    /// Keys.
    pub keys: Blobs,
    /// Sequence of the last event; 0 for an aggregate that does not exist yet.
    pub sequences: Vec<u64>,
    /// Index into the manifest's state schemas; meaningless where the state is empty.
    pub schemas: Vec<u32>,
    /// States; empty at sequence 0.
    pub states: Blobs,
}

/// Commands to decide.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commands {
    /// Which aggregate.
    pub slot: Vec<u32>,
    /// Index into the manifest's kinds, or [`WAKE`], which has no body.
    pub kind: Vec<u32>,
    /// Milliseconds since 1970.
    pub time: Vec<u64>,
    /// Who made the id.
    pub sources: Blobs,
    /// Ids.
    pub ids: Blobs,
    /// Correlations.
    pub correlations: Blobs,
    /// Principals.
    pub principals: Blobs,
    /// Bodies.
    pub bodies: Blobs,
}

/// Outcomes, one per command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// One of [`ACCEPTED`], [`REFUSED`], [`NOTHING`].
    pub code: Vec<u8>,
    /// A refusal's stable code.
    pub reasons: Blobs,
    /// A refusal's explanation.
    pub details: Blobs,
    /// What the caller gets back.
    pub replies: Blobs,
}

/// Decided events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Events {
    /// Index of the causing command, never decreasing.
    pub cause: Vec<u32>,
    /// Index into the manifest's kinds.
    pub kind: Vec<u32>,
    /// Bodies.
    pub bodies: Blobs,
}

/// New states, one per slot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct States {
    /// Index into the manifest's state schemas.
    pub schemas: Vec<u32>,
    /// The states.
    pub bytes: Blobs,
    /// Milliseconds since 1970, or [`NEVER`].
    pub wake_at: Vec<u64>,
}

/// What `decide` returns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// One per command.
    pub outcomes: Outcomes,
    /// In the order of their commands.
    pub events: Events,
    /// One per slot; ignored (and empty) for slots without events.
    pub states: States,
}

/// Past events to fold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// Which aggregate.
    pub slot: Vec<u32>,
    /// Index into the manifest's kinds.
    pub kind: Vec<u32>,
    /// Milliseconds since 1970.
    pub time: Vec<u64>,
    /// Bodies.
    pub bodies: Blobs,
}

/// Events to react to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Index into the manifest's types: the aggregate that decided the event.
    pub aggregate_type: Vec<u32>,
    /// Keys.
    pub keys: Blobs,
    /// Number within the aggregate, from 1.
    pub sequences: Vec<u64>,
    /// Index into the manifest's kinds.
    pub kind: Vec<u32>,
    /// Milliseconds since 1970.
    pub time: Vec<u64>,
    /// Correlations.
    pub correlations: Blobs,
    /// Principals.
    pub principals: Blobs,
    /// Bodies.
    pub bodies: Blobs,
}

/// What `react` returns: commands for other aggregates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Index of the causing event, never decreasing.
    pub cause: Vec<u32>,
    /// Index into the manifest's types: the aggregate that the command is for.
    pub aggregate_type: Vec<u32>,
    /// Keys, never empty.
    pub keys: Blobs,
    /// Index into the manifest's kinds.
    pub kind: Vec<u32>,
    /// Bodies.
    pub bodies: Blobs,
}

/// The aggregates that projected events are about, each once; an index here is a *slot*.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subjects {
    /// Index into the manifest's types.
    pub aggregate_type: Vec<u32>,
    /// Keys.
    pub keys: Blobs,
}

/// The current rows of the subjects in keyed tables; what does not exist is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CurrentRows {
    /// Whose row it is.
    pub slot: Vec<u32>,
    /// Index into the manifest's tables.
    pub table: Vec<u32>,
    /// The rows.
    pub values: Blobs,
}

/// Events to project.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Projected {
    /// Which aggregate decided the event.
    pub slot: Vec<u32>,
    /// Number within the aggregate, from 1.
    pub sequences: Vec<u64>,
    /// Index into the manifest's kinds.
    pub kind: Vec<u32>,
    /// Milliseconds since 1970.
    pub time: Vec<u64>,
    /// Correlations.
    pub correlations: Blobs,
    /// Bodies.
    pub bodies: Blobs,
}

/// What `project` returns: what becomes of rows, in order; the last change of a row counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Whose row it is.
    pub slot: Vec<u32>,
    /// Index into the manifest's tables.
    pub table: Vec<u32>,
    /// Empty in a keyed table, never in another.
    pub suffixes: Blobs,
    /// 0 for a row that is written, 1 for one that is removed.
    pub delete: Vec<u8>,
    /// The rows; empty where one is removed.
    pub values: Blobs,
}

/// The handler cannot work on a batch as a whole. Never a business answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A state has a schema that the handler does not read: the index that was given.
    UnsupportedSchema(u32),
    /// A message has a kind that the handler does not take there: the index that was given.
    UnsupportedKind(u32),
    /// Anything else, for the operator to read.
    Internal(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnsupportedSchema(index) => write!(f, "state schema {index} is not read here"),
            Self::UnsupportedKind(index) => write!(f, "message kind {index} is not taken here"),
            Self::Internal(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Fault {}

/// The lengths of columns that must be equal.
pub(crate) fn same_length(what: &str, lengths: &[usize]) -> Result<(), Fault> {
    if lengths.windows(2).all(|pair| pair[0] == pair[1]) {
        return Ok(());
    }
    Err(Fault::Internal(format!("the columns of the {what} have different lengths: {lengths:?}")))
}

impl Aggregates {
    pub(crate) fn check(&self) -> Result<(), Fault> {
        same_length(
            "aggregates",
            &[
                self.aggregate_type.len(),
                self.keys.len(),
                self.sequences.len(),
                self.schemas.len(),
                self.states.len(),
            ],
        )
    }
}

impl Commands {
    pub(crate) fn check(&self) -> Result<(), Fault> {
        same_length(
            "commands",
            &[
                self.slot.len(),
                self.kind.len(),
                self.time.len(),
                self.sources.len(),
                self.ids.len(),
                self.correlations.len(),
                self.principals.len(),
                self.bodies.len(),
            ],
        )
    }
}

impl Past {
    pub(crate) fn check(&self) -> Result<(), Fault> {
        same_length(
            "past events",
            &[self.slot.len(), self.kind.len(), self.time.len(), self.bodies.len()],
        )
    }
}

impl Heard {
    pub(crate) fn check(&self) -> Result<(), Fault> {
        same_length(
            "events",
            &[
                self.aggregate_type.len(),
                self.keys.len(),
                self.sequences.len(),
                self.kind.len(),
                self.time.len(),
                self.correlations.len(),
                self.principals.len(),
                self.bodies.len(),
            ],
        )
    }
}

impl Subjects {
    pub(crate) fn check(&self) -> Result<(), Fault> {
        same_length("subjects", &[self.aggregate_type.len(), self.keys.len()])
    }
}

impl CurrentRows {
    pub(crate) fn check(&self) -> Result<(), Fault> {
        same_length("rows", &[self.slot.len(), self.table.len(), self.values.len()])
    }
}

impl Projected {
    pub(crate) fn check(&self) -> Result<(), Fault> {
        same_length(
            "events",
            &[
                self.slot.len(),
                self.sequences.len(),
                self.kind.len(),
                self.time.len(),
                self.correlations.len(),
                self.bodies.len(),
            ],
        )
    }
}

impl Changes {
    #[cfg_attr(target_arch = "wasm32", allow(dead_code))]
    pub(crate) fn check(&self) -> Result<(), Fault> {
        same_length(
            "changes",
            &[
                self.slot.len(),
                self.table.len(),
                self.suffixes.len(),
                self.delete.len(),
                self.values.len(),
            ],
        )
    }
}
