//! What queries can ask about counters: where each stands, and what it has counted.

use serde::{Deserialize, Serialize};
use zamu_guest::projection::TableDeclaration;
use zamu_guest::{KeyedTable, ListTable, Projection, ProjectionContext, Rows, Time};

use crate::messages::{CounterEvent, Incremented, WasReset};

/// Where each counter stands, by its key.
pub const COUNTERS: KeyedTable<Standing> = KeyedTable::new("counters");
/// What each counter has counted, by its key and the event's number.
pub const COUNTS: ListTable<Count> = ListTable::new("counts");

/// Where a counter stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// What it has counted to since the last reset.
    pub value: u64,
    /// The highest that it has counted to.
    pub highest: u64,
    /// When it last changed.
    pub changed: Time,
}

/// One count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Count {
    /// By how much.
    pub by: u64,
    /// When.
    pub at: Time,
}

/// Makes both tables.
#[derive(Debug)]
pub struct Tables;

impl Projection for Tables {
    const TYPE: &'static str = "counter";
    const TABLES: &'static [TableDeclaration] = &[COUNTERS.declared(), COUNTS.declared()];
    type Event = CounterEvent;

    fn project(event: &CounterEvent, context: &ProjectionContext<'_>, rows: &mut Rows<'_>) {
        let standing = rows.current(&COUNTERS);
        let highest = standing.as_ref().map_or(0, |standing| standing.highest);
        let changed = context.time;
        match event {
            CounterEvent::Incremented(Incremented { by, value, .. }) => {
                *standing = Some(Standing { value: *value, highest: highest.max(*value), changed });
                rows.put(&COUNTS, context.sequence_suffix(), &Count { by: *by, at: changed });
            }
            CounterEvent::WasReset(WasReset { .. }) => {
                *standing = Some(Standing { value: 0, highest, changed });
            }
        }
    }
}
