//! The records of `wit/` as wasmtime sees them: borrowed slices on the way in, vectors on the way
//! out, so that each column is copied once. Field names and order are the contract; wasmtime checks
//! them against each component when it is loaded.

use wasmtime::component::{ComponentType, Lift, Lower};
use zamu_core::guest::columns::{
    Aggregates, Blobs, ChangeColumns, CommandColumns, DecidedEvents, Decision, EventColumns,
    MessageColumns, Outcomes, PastColumns, ProjectedColumns, RowColumns, SentColumns, States,
    Subjects,
};

#[derive(Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub(crate) struct BlobsIn<'a> {
    data: &'a [u8],
    ends: &'a [u32],
}

#[derive(Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub(crate) struct AggregatesIn<'a> {
    #[component(name = "aggregate-type")]
    aggregate_type: &'a [u32],
    keys: BlobsIn<'a>,
    sequences: &'a [u64],
    schemas: &'a [u32],
    states: BlobsIn<'a>,
}

#[derive(Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub(crate) struct CommandsIn<'a> {
    slot: &'a [u32],
    kind: &'a [u32],
    time: &'a [u64],
    sources: BlobsIn<'a>,
    ids: BlobsIn<'a>,
    correlations: BlobsIn<'a>,
    principals: BlobsIn<'a>,
    bodies: BlobsIn<'a>,
}

#[derive(Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub(crate) struct PastIn<'a> {
    slot: &'a [u32],
    kind: &'a [u32],
    time: &'a [u64],
    bodies: BlobsIn<'a>,
}

#[derive(Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub(crate) struct EventsIn<'a> {
    #[component(name = "aggregate-type")]
    aggregate_type: &'a [u32],
    keys: BlobsIn<'a>,
    sequences: &'a [u64],
    kind: &'a [u32],
    time: &'a [u64],
    correlations: BlobsIn<'a>,
    principals: BlobsIn<'a>,
    bodies: BlobsIn<'a>,
}

#[derive(Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub(crate) struct SubjectsIn<'a> {
    #[component(name = "aggregate-type")]
    aggregate_type: &'a [u32],
    keys: BlobsIn<'a>,
}

#[derive(Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub(crate) struct MessagesIn<'a> {
    #[component(name = "aggregate-type")]
    aggregate_type: &'a [u32],
    kind: &'a [u32],
    bodies: BlobsIn<'a>,
}

#[derive(Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub(crate) struct RowsIn<'a> {
    slot: &'a [u32],
    table: &'a [u32],
    values: BlobsIn<'a>,
}

#[derive(Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub(crate) struct ProjectedIn<'a> {
    slot: &'a [u32],
    sequences: &'a [u64],
    kind: &'a [u32],
    time: &'a [u64],
    correlations: BlobsIn<'a>,
    bodies: BlobsIn<'a>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct BlobsOut {
    data: Vec<u8>,
    ends: Vec<u32>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct OutcomesOut {
    code: Vec<u8>,
    reasons: BlobsOut,
    details: BlobsOut,
    replies: BlobsOut,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct DecidedEventsOut {
    cause: Vec<u32>,
    kind: Vec<u32>,
    bodies: BlobsOut,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct StatesOut {
    schemas: Vec<u32>,
    bytes: BlobsOut,
    #[component(name = "wake-at")]
    wake_at: Vec<u64>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct DecisionOut {
    outcomes: OutcomesOut,
    events: DecidedEventsOut,
    states: StatesOut,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct SentOut {
    cause: Vec<u32>,
    #[component(name = "aggregate-type")]
    aggregate_type: Vec<u32>,
    keys: BlobsOut,
    kind: Vec<u32>,
    bodies: BlobsOut,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct ChangesOut {
    slot: Vec<u32>,
    table: Vec<u32>,
    suffixes: BlobsOut,
    delete: Vec<u8>,
    values: BlobsOut,
}

#[derive(ComponentType, Lift)]
#[component(variant)]
pub(crate) enum FaultOut {
    #[component(name = "unsupported-schema")]
    UnsupportedSchema(u32),
    #[component(name = "unsupported-kind")]
    UnsupportedKind(u32),
    #[component(name = "internal")]
    Internal(String),
}

impl<'a> From<&'a Blobs> for BlobsIn<'a> {
    fn from(blobs: &'a Blobs) -> Self {
        Self { data: &blobs.data, ends: &blobs.ends }
    }
}

impl<'a> From<&'a Aggregates> for AggregatesIn<'a> {
    fn from(aggregates: &'a Aggregates) -> Self {
        Self {
            aggregate_type: &aggregates.aggregate_type,
            keys: (&aggregates.keys).into(),
            sequences: &aggregates.sequences,
            schemas: &aggregates.schemas,
            states: (&aggregates.states).into(),
        }
    }
}

impl<'a> From<&'a CommandColumns> for CommandsIn<'a> {
    fn from(commands: &'a CommandColumns) -> Self {
        Self {
            slot: &commands.slot,
            kind: &commands.kind,
            time: &commands.time,
            sources: (&commands.sources).into(),
            ids: (&commands.ids).into(),
            correlations: (&commands.correlations).into(),
            principals: (&commands.principals).into(),
            bodies: (&commands.bodies).into(),
        }
    }
}

impl<'a> From<&'a PastColumns> for PastIn<'a> {
    fn from(past: &'a PastColumns) -> Self {
        Self { slot: &past.slot, kind: &past.kind, time: &past.time, bodies: (&past.bodies).into() }
    }
}

impl<'a> From<&'a EventColumns> for EventsIn<'a> {
    fn from(events: &'a EventColumns) -> Self {
        Self {
            aggregate_type: &events.aggregate_type,
            keys: (&events.keys).into(),
            sequences: &events.sequences,
            kind: &events.kind,
            time: &events.time,
            correlations: (&events.correlations).into(),
            principals: (&events.principals).into(),
            bodies: (&events.bodies).into(),
        }
    }
}

impl<'a> From<&'a Subjects> for SubjectsIn<'a> {
    fn from(subjects: &'a Subjects) -> Self {
        Self { aggregate_type: &subjects.aggregate_type, keys: (&subjects.keys).into() }
    }
}

impl<'a> From<&'a MessageColumns> for MessagesIn<'a> {
    fn from(messages: &'a MessageColumns) -> Self {
        Self {
            aggregate_type: &messages.aggregate_type,
            kind: &messages.kind,
            bodies: (&messages.bodies).into(),
        }
    }
}

impl<'a> From<&'a RowColumns> for RowsIn<'a> {
    fn from(rows: &'a RowColumns) -> Self {
        Self { slot: &rows.slot, table: &rows.table, values: (&rows.values).into() }
    }
}

impl<'a> From<&'a ProjectedColumns> for ProjectedIn<'a> {
    fn from(events: &'a ProjectedColumns) -> Self {
        Self {
            slot: &events.slot,
            sequences: &events.sequences,
            kind: &events.kind,
            time: &events.time,
            correlations: (&events.correlations).into(),
            bodies: (&events.bodies).into(),
        }
    }
}

impl From<BlobsOut> for Blobs {
    fn from(blobs: BlobsOut) -> Self {
        Self { data: blobs.data, ends: blobs.ends }
    }
}

impl From<StatesOut> for States {
    fn from(states: StatesOut) -> Self {
        Self { schemas: states.schemas, bytes: states.bytes.into(), wake_at: states.wake_at }
    }
}

impl From<DecisionOut> for Decision {
    fn from(decision: DecisionOut) -> Self {
        let (outcomes, events) = (decision.outcomes, decision.events);
        Self {
            outcomes: Outcomes {
                code: outcomes.code,
                reasons: outcomes.reasons.into(),
                details: outcomes.details.into(),
                replies: outcomes.replies.into(),
            },
            events: DecidedEvents {
                cause: events.cause,
                kind: events.kind,
                bodies: events.bodies.into(),
            },
            states: decision.states.into(),
        }
    }
}

impl From<SentOut> for SentColumns {
    fn from(sent: SentOut) -> Self {
        Self {
            cause: sent.cause,
            aggregate_type: sent.aggregate_type,
            keys: sent.keys.into(),
            kind: sent.kind,
            bodies: sent.bodies.into(),
        }
    }
}

impl From<ChangesOut> for ChangeColumns {
    fn from(changes: ChangesOut) -> Self {
        Self {
            slot: changes.slot,
            table: changes.table,
            suffixes: changes.suffixes.into(),
            delete: changes.delete,
            values: changes.values.into(),
        }
    }
}
