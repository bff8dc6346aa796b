//! Event handlers that are behind: those that were added, or that begin to react to a type. Each turn
//! carries a page of what they have missed, reacted to beside what the turn decides, until they have
//! come to the end and react within the turns like all others.
//!
//! Cursor and commands are in one commit, so nothing is skipped or done twice over any crash. The end
//! moves while turns are on their way: what is not durable yet is kept for them beside the turns.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Partition, Stop, Tools};
use crate::failpoints;
use crate::log::Limit;
use crate::model::{Event, EventNumber};
use crate::observer::Alarm;
use crate::outcomes::Standing;
use crate::references::Pinned;
use crate::topology::{HandlerIndex, StartFrom, Topology};
use crate::turn::{CaughtUp, Reacted, Reaction, react};

/// What an event handler that is behind is to react to in a turn.
pub(super) struct Missed {
    handler: HandlerIndex,
    /// The number of the first event of the page.
    from: EventNumber,
    /// The page, without a gap.
    events: Vec<Event>,
}

impl Missed {
    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }
}

/// Where an event handler of a partition stands that has not come to the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behind {
    /// Its name.
    pub handler: Arc<str>,
    /// The number of the next event that it reacts to.
    pub next: EventNumber,
    /// Why it does not go on, if it does not.
    pub held: Option<String>,
}

impl Partition {
    /// The event handlers that are behind, of what is durable.
    pub(crate) fn behind(&self, topology: &Topology) -> Vec<Behind> {
        let behind = behind(&self.durable, self.id.aggregate_type, topology);
        let told = behind.into_iter().map(|(handler, next)| {
            let handler = Arc::clone(&topology.handlers[handler].spec.name);
            Behind { held: self.held.get(&handler).cloned(), handler, next }
        });
        told.collect()
    }

    /// Reads for each event handler that is behind what it is to react to in the next turn. Of those
    /// that cannot go on now there is an empty page.
    pub(super) fn missed(&self, goes_on: bool, tools: &mut Tools<'_>) -> Result<Vec<Missed>, Stop> {
        let standing = self.standing();
        let mut missed = Vec::new();
        for (handler, mut from) in behind(standing, self.id.aggregate_type, tools.topology) {
            let is_held = self.held.contains_key(&tools.topology.handlers[handler].spec.name);
            if from > 0 && failpoints::fires(failpoints::REPEAT_MISSED) {
                from -= 1;
            }
            let events = match goes_on && !is_held {
                true => self.page(from, standing.events_next, tools)?,
                false => Vec::new(),
            };
            missed.push(Missed { handler, from, events });
        }
        Ok(missed)
    }

    /// Events from a number on, without a gap.
    fn page(
        &self,
        from: EventNumber,
        end: EventNumber,
        tools: &mut Tools<'_>,
    ) -> Result<Vec<Event>, Stop> {
        let settings = tools.settings;
        let records = settings.catch_up_events.max(2 * self.last_events).max(1);
        if from >= self.durable.events_next {
            return Ok(self.undurable_events(from).take(records).cloned().collect());
        }
        let left = usize::try_from(end - from).unwrap_or(usize::MAX);
        let limit =
            Limit { records: records.min(left), bytes: 4 * settings.turn.bytes.min(1 << 28) };
        let events = tools.log.read_events(self.id, from, limit)?;
        if events.is_empty() {
            return Err(Stop::Halt(format!("event {from} is missing")));
        }
        Ok(events)
    }

    /// Lets event handlers that are behind react to what they have missed.
    pub(super) fn catch_up(
        &mut self,
        missed: Vec<Missed>,
        pinned: &Pinned,
        tools: &mut Tools<'_>,
    ) -> Result<(CaughtUp, Vec<Held>), Stop> {
        let end = self.standing().events_next;
        let (mut caught_up, mut held) = (CaughtUp::default(), Vec::new());
        let (mut commands, mut parked) = (Vec::new(), Vec::new());
        for Missed { handler, from, events } in missed {
            let reacted = self.react_to(handler, &events, pinned, tools)?;
            let mut next = from + events.len() as u64;
            if let Some(pause) = reacted.pause {
                next = from + pause.after as u64 + 1;
                held.push(Held { handler, reason: pause.reason });
            }
            if failpoints::fires(failpoints::SKIP_MISSED) {
                next = (next + 1).min(end);
            }
            caught_up.events += next - from;
            if next < end {
                caught_up.behind.insert(handler, next);
            }
            let number = |reaction: usize| from + reaction as u64;
            commands.extend(reacted.commands.into_iter().map(|out| (number(out.reaction), out)));
            let with_event = |parked: crate::turn::Parked| {
                (number(parked.reaction), (events[parked.reaction].clone(), parked))
            };
            parked.extend(reacted.parked.into_iter().map(with_event));
        }
        // Each handler's are in order; together they are ordered by event, then handler.
        commands.sort_by_key(|(number, _)| *number);
        parked.sort_by_key(|(number, _)| *number);
        caught_up.commands = commands.into_iter().map(|(_, out)| out).collect();
        caught_up.parked = parked.into_iter().map(|(_, parked)| parked).collect();
        Ok((caught_up, held))
    }

    fn react_to(
        &mut self,
        handler: HandlerIndex,
        events: &[Event],
        pinned: &Pinned,
        tools: &mut Tools<'_>,
    ) -> Result<Reacted, Stop> {
        let name = Arc::clone(&tools.topology.handlers[handler].spec.name);
        let alone = |(item, event)| Reaction { item, event, only: Some(&*name) };
        let reactions: Vec<Reaction<'_>> = events.iter().enumerate().map(alone).collect();
        let (topology, rates) = (tools.topology, &mut self.reaction_rates);
        react::react(&reactions, &BTreeMap::new(), self.id, topology, tools.guests, pinned, rates)
            .map_err(|fault| Stop::Host(format!("event handler `{name}`: {fault}")))
    }

    /// From now on it stays where it is.
    pub(super) fn hold(&mut self, held: Vec<Held>, tools: &mut Tools<'_>) {
        for Held { handler, reason } in held {
            let blamed = tools.topology.blame(handler);
            let name = Arc::clone(&blamed.handler);
            tools.observer.alarm(Alarm::Held { partition: self.id, reason: &reason, blamed });
            self.held.insert(name, reason);
        }
    }
}

/// An event handler that broke too often to go on.
pub(super) struct Held {
    handler: HandlerIndex,
    reason: String,
}

/// The event handlers of a type that have not reacted to all events, and the next event of each: by a
/// declared start, where the next turn is the first for which it holds.
pub(super) fn behind(
    standing: &Standing,
    aggregate_type: crate::model::TypeId,
    topology: &Topology,
) -> BTreeMap<HandlerIndex, EventNumber> {
    let end = standing.events_next;
    let next = |handler: HandlerIndex| {
        let cursor = standing.cursors.get(&topology.handlers[handler].spec.name).copied();
        let begins = |since| cursor.is_none() || standing.deployment < since;
        match topology.start(handler) {
            Some(start) if start.from == StartFrom::Now && begins(start.since) => end,
            _ => cursor.unwrap_or(0),
        }
    };
    let reactors = topology.reactors(aggregate_type).iter();
    reactors.map(|handler| (*handler, next(*handler))).filter(|(_, next)| *next < end).collect()
}
