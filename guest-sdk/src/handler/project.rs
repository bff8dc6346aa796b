//! `project` over columns: each event goes to the projections that take it. Sees no configuration:
//! rows are made of the events.

use std::fmt;

use super::kinds::Kinds;
use super::rows::{Keyed, Rows};
use super::slot::text;
use super::{Handler, Host, uses};
use crate::codec::Codec;
use crate::columns::{Changes, CurrentRows, Fault, Projected, Subjects};
use crate::item;
use crate::messages::Messages;
use crate::projection::{Projection, ProjectionContext, TableDeclaration};
use crate::time::Time;

/// A projection with its type erased.
pub(super) struct Role {
    pub(super) aggregate_type: u32,
    pub(super) events: Kinds,
    /// Its tables, each with its index in the manifest.
    pub(super) tables: Vec<(TableDeclaration, u32)>,
    run: Run,
}

impl fmt::Debug for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Role").field("tables", &self.tables).finish_non_exhaustive()
    }
}

type Run = fn(&EventItem<'_>, &mut Rows<'_>) -> Result<(), String>;

struct EventItem<'a> {
    /// Index into the projection's own list of kinds.
    kind: usize,
    codec: Codec,
    key: &'a str,
    sequence: u64,
    time: u64,
    correlation: &'a [u8],
    body: &'a [u8],
}

impl Role {
    pub(super) fn of<P: Projection>(
        aggregate_type: u32,
        events: Kinds,
        tables: Vec<(TableDeclaration, u32)>,
    ) -> Self {
        Self { aggregate_type, events, tables, run: run::<P> }
    }
}

pub(super) fn project(
    handler: &Handler,
    subjects: &Subjects,
    rows: &CurrentRows,
    events: &Projected,
    host: &mut dyn Host,
) -> Result<Changes, Fault> {
    subjects.check()?;
    rows.check()?;
    events.check()?;
    let mut left = uses(&events.slot, subjects.keys.len())?;
    let mut keyed = handed_in(rows, subjects.keys.len())?;
    let mut changes = Changes::default();
    for (index, slot) in events.slot.iter().enumerate() {
        let slot = *slot as usize;
        let kind = events.kind[index];
        host.item(index as u32);
        let aggregate_type = subjects.aggregate_type[slot];
        let type_name = handler.type_name(aggregate_type);
        let key = subjects.keys.get(slot);
        item::begin(index as u32, handler.kind_name(kind), type_name, key);
        let fault = |error: String| handler.event_fault(index, (type_name, key), kind, &error);
        let key = text("key", key).map_err(fault)?;
        let mut taken = false;
        let of_type = |role: &&Role| role.aggregate_type == aggregate_type;
        for role in handler.projections.iter().filter(of_type) {
            let Some((kind, codec)) = role.events.read(kind) else { continue };
            taken = true;
            let event = EventItem {
                kind,
                codec,
                key,
                sequence: events.sequences[index],
                time: events.time[index],
                correlation: events.correlations.get(index),
                body: events.bodies.get(index),
            };
            let mut rows = Rows {
                slot: slot as u32,
                key,
                tables: &role.tables,
                keyed: &mut keyed[slot],
                changes: &mut changes,
            };
            (role.run)(&event, &mut rows).map_err(fault)?;
        }
        if !taken {
            return Err(Fault::UnsupportedKind(kind));
        }
        left[slot] -= 1;
        if left[slot] == 0 {
            let rows = std::mem::take(&mut keyed[slot]);
            rows.finish(slot as u32, &mut changes).map_err(fault)?;
        }
    }
    item::end();
    Ok(changes)
}

/// The rows that were handed in, by slot.
fn handed_in(rows: &CurrentRows, slots: usize) -> Result<Vec<Keyed>, Fault> {
    let mut keyed: Vec<Keyed> = (0..slots).map(|_| Keyed::default()).collect();
    for (index, slot) in rows.slot.iter().enumerate() {
        let Some(of_slot) = keyed.get_mut(*slot as usize) else {
            return Err(Fault::Internal(format!("row {index} is of slot {slot}, of {slots}")));
        };
        of_slot.give(rows.table[index], rows.values.get(index));
    }
    Ok(keyed)
}

fn run<P: Projection>(event: &EventItem<'_>, rows: &mut Rows<'_>) -> Result<(), String> {
    // A client may have put any bytes there; they must not stop a table.
    let correlation = String::from_utf8_lossy(event.correlation);
    let context = ProjectionContext {
        key: event.key,
        sequence: event.sequence,
        time: Time(event.time),
        correlation: &correlation,
    };
    let message =
        P::Event::decode(event.kind, event.codec, event.body).map_err(|error| error.to_string())?;
    P::project(&message, &context, rows);
    Ok(())
}
