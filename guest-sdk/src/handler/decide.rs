//! `decide` over columns. Each state is decoded at its first command, and encoded after its last,
//! so that an item in a batch costs no more than it costs alone.

use super::configuration::Configurations;
use super::slot::{CommandItem, Slot, Written};
use super::{Finished, Handler, Host, uses};
use crate::columns::{Aggregates, Commands, Decision, Fault, WAKE};
use crate::item;

/// A slot in use.
struct Open<'h> {
    owned: &'h super::Owned,
    role: usize,
    live: Box<dyn Slot>,
    events: u32,
}

pub(super) fn decide(
    handler: &Handler,
    aggregates: &Aggregates,
    commands: &Commands,
    host: &mut dyn Host,
) -> Result<Decision, Fault> {
    aggregates.check()?;
    commands.check()?;
    let mut left = uses(&commands.slot, aggregates.keys.len())?;
    let mut open: Vec<Option<Open<'_>>> = left.iter().map(|_| None).collect();
    let mut finished = Finished::new(left.len());
    let mut configurations = Configurations::new(handler.owned.len());
    let mut written = Written::default();

    for (index, slot) in commands.slot.iter().enumerate() {
        let slot = *slot as usize;
        let kind = commands.kind[index];
        host.item(index as u32);
        if open[slot].is_none() {
            open[slot] = Some(first_use(handler, aggregates, slot)?);
        }
        let Some(entry) = &mut open[slot] else { continue };
        let key = aggregates.keys.get(slot);
        item::begin(index as u32, handler.kind_name(kind), entry.owned.name, key);
        let command = CommandItem {
            index: index as u32,
            kind: match kind {
                WAKE => None,
                kind => Some(entry.owned.commands.taken(kind)?),
            },
            key,
            time: commands.time[index],
            source: commands.sources.get(index),
            id: commands.ids.get(index),
            correlation: commands.correlations.get(index),
            principal: commands.principals.get(index),
            body: commands.bodies.get(index),
        };
        let (parse, reads) = (entry.owned.parse, entry.owned.reads_configuration);
        let configuration = configurations.of(entry.role, parse, reads, host)?;
        let lookups = entry.owned.references.lookups(host);
        let fault = |error: String| {
            let text = format!("item {index}, {}: {error}", handler.kind_name(kind));
            entry.owned.fault(aggregates, slot, &text)
        };
        entry.events += entry
            .live
            .decide(&command, configuration, lookups, &entry.owned.events, &mut written)
            .map_err(fault)?;
        left[slot] -= 1;
        if left[slot] == 0 {
            if entry.events > 0 {
                finished.write(slot, &*entry.live).map_err(fault)?;
            }
            open[slot] = None;
        }
    }
    item::end();
    let states = finished.into_states(handler, aggregates)?;
    Ok(Decision { outcomes: written.outcomes, events: written.events, states })
}

fn first_use<'h>(
    handler: &'h Handler,
    aggregates: &Aggregates,
    slot: usize,
) -> Result<Open<'h>, Fault> {
    let (role, live) = handler.open(aggregates, slot)?;
    Ok(Open { owned: &handler.owned[role], role, live, events: 0 })
}
