//! `evolve` over columns. Sees no configuration and no context: state is a function of the events.

use super::slot::Slot;
use super::{Finished, Handler, Host, uses};
use crate::columns::{Aggregates, Fault, Past, States};
use crate::item;

pub(super) fn evolve(
    handler: &Handler,
    aggregates: &Aggregates,
    events: &Past,
    host: &mut dyn Host,
) -> Result<States, Fault> {
    aggregates.check()?;
    events.check()?;
    let mut left = uses(&events.slot, aggregates.keys.len())?;
    let mut open: Vec<Option<Box<dyn Slot>>> = left.iter().map(|_| None).collect();
    let mut finished = Finished::new(left.len());

    for (index, slot) in events.slot.iter().enumerate() {
        let slot = *slot as usize;
        let kind = events.kind[index];
        host.item(index as u32);
        let owned = &handler.owned[handler.owner(aggregates.aggregate_type[slot])?];
        let key = aggregates.keys.get(slot);
        item::begin(index as u32, handler.kind_name(kind), owned.name, key);
        if open[slot].is_none() {
            open[slot] = Some(handler.open(aggregates, slot)?.1);
        }
        let Some(live) = &mut open[slot] else { continue };
        let fault = |error: String| handler.event_fault(index, (owned.name, key), kind, &error);
        let (own, codec) = owned.events.taken(kind)?;
        live.evolve(own, codec, events.bodies.get(index)).map_err(fault)?;
        left[slot] -= 1;
        if left[slot] == 0 {
            finished.write(slot, &**live).map_err(fault)?;
            open[slot] = None;
        }
    }
    item::end();
    keep_untouched(handler, aggregates, &mut finished)?;
    finished.into_states(handler, aggregates)
}

/// A slot without events has the state it had.
fn keep_untouched(
    handler: &Handler,
    aggregates: &Aggregates,
    finished: &mut Finished,
) -> Result<(), Fault> {
    for slot in 0..aggregates.keys.len() {
        if finished.slots[slot].is_none() && !aggregates.states.get(slot).is_empty() {
            let (role, live) = handler.open(aggregates, slot)?;
            let owned = &handler.owned[role];
            finished.write(slot, &*live).map_err(|error| owned.fault(aggregates, slot, &error))?;
        }
    }
    Ok(())
}
