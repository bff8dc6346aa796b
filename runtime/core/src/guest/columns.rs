//! The shapes that cross to guests and back, as in `wit/`: item i of a batch is entry i of every
//! column. Indices of types, kinds and state schemas are into the guest's manifest.

/// `wake-at` of an aggregate that wants no Wake.
pub const NEVER: u64 = u64::MAX;
/// `kind` of a command that is a Wake: the deadline of its aggregate's state has come.
pub const WAKE: u32 = u32::MAX;

/// Byte strings of different lengths, packed.
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
    /// If the column would pass 4 GiB, which the bounds of a batch exclude.
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

    /// String `index` of checked columns.
    ///
    /// # Panics
    /// If there is no such string, or the columns were never checked and lie.
    #[must_use]
    pub fn get(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] as usize };
        &self.data[start..self.ends[index] as usize]
    }

    /// All strings of checked columns, in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|i| self.get(i))
    }
}

impl<'a> FromIterator<&'a [u8]> for Blobs {
    fn from_iter<I: IntoIterator<Item = &'a [u8]>>(blobs: I) -> Self {
        let mut all = Self::default();
        for blob in blobs {
            all.push(blob);
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
    /// Sequence of the last event; 0 for an absent aggregate.
    pub sequences: Vec<u64>,
    /// Index into the manifest's state schemas.
    pub schemas: Vec<u32>,
    /// States; empty at sequence 0.
    pub states: Blobs,
}

/// Commands to decide.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandColumns {
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

/// Outcome code: the command was accepted; it may have events.
pub const ACCEPTED: u8 = 0;
/// Outcome code: the command was refused.
pub const REFUSED: u8 = 1;
/// Outcome code: there was nothing to do.
pub const NOTHING: u8 = 2;

/// Decided events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DecidedEvents {
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
    pub events: DecidedEvents,
    /// One per slot; ignored for slots without events.
    pub states: States,
}

/// Past events to fold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PastColumns {
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
pub struct EventColumns {
    /// Index into the manifest's types.
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
pub struct SentColumns {
    /// Index of the causing event, never decreasing.
    pub cause: Vec<u32>,
    /// Index into the manifest's types.
    pub aggregate_type: Vec<u32>,
    /// Keys, never empty.
    pub keys: Blobs,
    /// Index into the manifest's kinds.
    pub kind: Vec<u32>,
    /// Bodies.
    pub bodies: Blobs,
}

/// Messages to show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageColumns {
    /// Index into the manifest's types: the aggregate that the message is for or of.
    pub aggregate_type: Vec<u32>,
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
pub struct RowColumns {
    /// Whose row it is.
    pub slot: Vec<u32>,
    /// Index into the manifest's tables.
    pub table: Vec<u32>,
    /// The rows.
    pub values: Blobs,
}

/// Events to project.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProjectedColumns {
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
pub struct ChangeColumns {
    /// Whose row it is.
    pub slot: Vec<u32>,
    /// Index into the manifest's tables.
    pub table: Vec<u32>,
    /// Empty in a keyed table, never in another.
    pub suffixes: Blobs,
    /// One of [`PUT`], [`DELETE`].
    pub delete: Vec<u8>,
    /// The rows; empty where one is removed.
    pub values: Blobs,
}

/// A row is written.
pub const PUT: u8 = 0;
/// A row is removed.
pub const DELETE: u8 = 1;
