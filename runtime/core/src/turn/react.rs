//! Step 4: event handlers react to the events of the turn. Their commands join the same commit.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Failure, Outgoing, Parked, Pause, Reacted, Reaction};
use crate::fault_rate::{FaultRate, Rates};
use crate::guest::columns::{EventColumns, SentColumns};
use crate::guest::isolation::{Next, Part, after_fault};
use crate::guest::{Fault, Guest, Lookup, check};
use crate::model::{Command, EventNumber, EventRef, Kind, PartitionId};
use crate::references::Pinned;
use crate::topology::{BoundHandler, HandlerIndex, Topology};

use bytes::Bytes;

/// Lets every subscribed event handler react; those that are `behind` only to what is for them alone.
/// `guests[h]` is the instance of handler h, and may look things up in `pinned`.
///
/// # Errors
/// When a guest could not be run, through no fault of an event: the turn must not be committed.
pub fn react(
    reactions: &[Reaction<'_>],
    behind: &BTreeMap<HandlerIndex, EventNumber>,
    partition: PartitionId,
    topology: &Topology,
    guests: &mut [Box<dyn Guest>],
    pinned: &Pinned,
    rates: &mut Rates,
) -> Result<Reacted, Fault> {
    let mut reacted = Reacted::default();
    for handler in topology.reactors(partition.aggregate_type) {
        let mut reactor = Reactor {
            partition,
            topology,
            handler: *handler,
            is_behind: behind.contains_key(handler),
            guest: &mut *guests[*handler],
            lookup: pinned.lookup(&topology.handlers[*handler]),
            rate: rates.of(&topology.handlers[*handler].spec.name),
            reacted: &mut reacted,
        };
        reactor.run(reactions)?;
    }
    // Each handler's output is in order; together they are ordered by event, then handler.
    reacted.commands.sort_by_key(|out| out.reaction);
    reacted.parked.sort_by_key(|parked| (parked.reaction, parked.handler));
    Ok(reacted)
}

struct Reactor<'a> {
    partition: PartitionId,
    topology: &'a Topology,
    handler: HandlerIndex,
    is_behind: bool,
    guest: &'a mut dyn Guest,
    lookup: Lookup,
    rate: &'a mut FaultRate,
    reacted: &'a mut Reacted,
}

impl Reactor<'_> {
    fn run(&mut self, reactions: &[Reaction<'_>]) -> Result<(), Fault> {
        let mine: Vec<(usize, u32)> = reactions
            .iter()
            .enumerate()
            .filter(|(_, r)| match r.only {
                None => !self.is_behind,
                Some(only) => *only == *self.bound().spec.name,
            })
            .filter_map(|(i, r)| {
                let kind = self.bound().subscribed(self.partition.aggregate_type, &r.event.kind)?;
                Some((i, kind))
            })
            .collect();
        let mut work = vec![Part { items: 0..mine.len(), fresh: false }];
        while let Some(mut part) = work.pop() {
            part.items.end = part.items.end.min(self.end(&mine, reactions));
            if part.items.is_empty() {
                continue;
            }
            let asked: Vec<usize> = part.items.clone().collect();
            match self.ask(&part, &mine, reactions) {
                Ok(sent) => {
                    let mine = &mine[part.items];
                    mine.iter().for_each(|(i, _)| self.rate.note(&reactions[*i].event.key, false));
                    self.send(&sent, mine, reactions);
                }
                Err(fault) => match after_fault(&part, &asked, &fault) {
                    Next::Run(parts) => work.extend(parts.into_iter().rev()),
                    Next::Later => return Err(fault),
                    Next::Final { item, rest } => {
                        self.park(mine[item].0, reactions, &fault);
                        work.push(rest);
                    }
                },
            }
        }
        Ok(())
    }

    /// Where the events end that are worth reacting to: none is after the turn's end.
    fn end(&self, mine: &[(usize, u32)], reactions: &[Reaction<'_>]) -> usize {
        match &self.reacted.pause {
            None => mine.len(),
            Some(pause) => mine.partition_point(|(i, _)| reactions[*i].item <= pause.after),
        }
    }

    fn park(&mut self, reaction: usize, reactions: &[Reaction<'_>], fault: &Fault) {
        let failure = Failure::of(fault);
        let Reaction { item, event, .. } = &reactions[reaction];
        self.rate.note(&event.key, true);
        let before = self.reacted.pause.as_ref().is_none_or(|pause| *item < pause.after);
        if let Some(rate) = self.rate.exceeded().filter(|_| before) {
            let mut pause =
                Pause::of(*item, &rate, &failure, Some(self.topology.blame(self.handler)));
            pause.reason = format!("event handler `{}`: {}", self.bound().spec.name, pause.reason);
            self.reacted.pause = Some(pause);
        }
        let (key, handler) = (event.key.clone(), self.handler);
        self.reacted.parked.push(Parked { reaction, key, handler, failure });
    }

    fn ask(
        &mut self,
        part: &Part,
        mine: &[(usize, u32)],
        reactions: &[Reaction<'_>],
    ) -> Result<SentColumns, Fault> {
        if part.fresh {
            self.guest.renew();
        }
        let events = self.columns(&mine[part.items.clone()], reactions);
        let sent = self.guest.react(&events, &self.lookup)?;
        let checked = check::sent(&sent, part.items.len(), &self.bound().spec.manifest);
        if checked.is_err() {
            // The call itself succeeded: the guest does not know that it lied.
            self.guest.renew();
        }
        checked.map(|()| sent)
    }

    fn columns(&self, mine: &[(usize, u32)], reactions: &[Reaction<'_>]) -> EventColumns {
        let own_type = self.bound().type_index(self.partition.aggregate_type).unwrap_or(u32::MAX);
        let mut columns = EventColumns::default();
        for (index, kind) in mine {
            let event = reactions[*index].event;
            columns.aggregate_type.push(own_type);
            columns.keys.push(&event.key);
            columns.sequences.push(event.sequence);
            columns.kind.push(*kind);
            columns.time.push(event.time.0);
            columns.correlations.push(&event.context.correlation);
            columns.principals.push(&event.context.principal);
            columns.bodies.push(&event.body);
        }
        columns
    }

    fn send(&mut self, sent: &SentColumns, mine: &[(usize, u32)], reactions: &[Reaction<'_>]) {
        let mut index = 0;
        for i in 0..sent.cause.len() {
            let same_event = i > 0 && sent.cause[i] == sent.cause[i - 1];
            index = if same_event { index + 1 } else { 0 };
            let reaction = mine[sent.cause[i] as usize].0;
            let outgoing = self.outgoing(sent, i, reaction, reactions[reaction].event, index);
            self.reacted.commands.push(outgoing);
        }
    }

    fn outgoing(
        &self,
        sent: &SentColumns,
        i: usize,
        reaction: usize,
        event: &crate::model::Event,
        index: u32,
    ) -> Outgoing {
        let bound = self.bound();
        let target_type = bound.types[sent.aggregate_type[i] as usize];
        let key = Bytes::copy_from_slice(sent.keys.get(i));
        Outgoing {
            reaction,
            target: self.topology.partition(target_type, &key),
            command: Command {
                key,
                kind: Kind::clone(&bound.spec.manifest.kinds[sent.kind[i] as usize]),
                time: event.time,
                channel: None,
                cause: EventRef {
                    aggregate_type: self.partition.aggregate_type,
                    key: event.key.clone(),
                    sequence: event.sequence,
                },
                handler: Arc::clone(&bound.spec.name),
                index,
                deployment: self.topology.deployment,
                context: Arc::clone(&event.context),
                body: Bytes::copy_from_slice(sent.bodies.get(i)),
            },
        }
    }

    fn bound(&self) -> &BoundHandler {
        &self.topology.handlers[self.handler]
    }
}
