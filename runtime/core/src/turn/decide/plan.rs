//! What one call to a guest will ask: which items of a part of the batch, on which aggregates, and
//! which need no asking because they are remembered, or repeat an item before them. Pure.

use std::collections::HashMap;

use bytes::Bytes;

use crate::aggregate::Aggregate;
use crate::failpoints;
use crate::guest::columns::Aggregates;
use crate::guest::isolation::Part;
use crate::model::{Event, Offset, PartitionId, Time, Wake};
use crate::proto;
use crate::topology::Topology;
use crate::turn::{Ask, Failure, Item, Sender, Task, Verdict};
use crate::window::{ContentHash, Entry, Window};
use crate::working::{Working, push_aggregate};

/// What one call will ask, and what needs no asking.
pub(super) struct Plan<'a> {
    /// The part of the batch.
    pub(super) part: Part,
    /// The items that the guest is asked, ascending.
    pub(super) asked: Vec<usize>,
    /// What each of them asks.
    pub(super) asks: Vec<&'a Ask>,
    /// The slot of each asked item's aggregate.
    pub(super) slot_of: Vec<u32>,
    /// The key of each slot.
    pub(super) keys: Vec<Bytes>,
    /// The slot of each key.
    pub(super) slots: HashMap<Bytes, u32, foldhash::fast::RandomState>,
    /// The aggregates, one per slot.
    pub(super) aggregates: Aggregates,
    early: HashMap<usize, Early>,
}

/// What planning needs to know.
pub(super) struct Facts<'a> {
    /// Who does what.
    pub(super) topology: &'a Topology,
    /// The partition.
    pub(super) partition: PartitionId,
    /// The aggregates, as the parts before have left them.
    pub(super) working: &'a Working,
}

impl<'a> Plan<'a> {
    /// Plans a part of a batch. It ends before a Wake whose aggregate is asked something before it:
    /// whether the Wake is still wanted depends on the answer. The rest is then given back, to be
    /// planned afterwards.
    pub(super) fn of(items: &'a [Item], part: Part, facts: &Facts<'_>) -> (Self, Option<Part>) {
        let mut plan = Self {
            part,
            asked: Vec::new(),
            asks: Vec::new(),
            slot_of: Vec::new(),
            keys: Vec::new(),
            slots: HashMap::default(),
            aggregates: Aggregates::default(),
            early: HashMap::new(),
        };
        let mut windows = Windows { facts, by_key: HashMap::new() };
        for index in plan.part.items.clone() {
            let Task::Decide(ask) = &items[index].task else { continue };
            let early = match ask.sender {
                Sender::Wake(_) if plan.slots.contains_key(&ask.key) => {
                    let rest = Part { items: index..plan.part.items.end, ..plan.part };
                    plan.part.items.end = index;
                    return (plan, Some(rest));
                }
                Sender::Wake(wake) => {
                    let redriven = items[index].redrives.is_some();
                    let aggregate = &facts.working[&ask.key].aggregate;
                    unwanted(wake, ask.time, redriven, aggregate).map(Early::Unwanted)
                }
                _ => windows.enter(index, &items[index], ask),
            };
            match early {
                Some(early) => {
                    plan.early.insert(index, early);
                }
                None => plan.add(index, ask, facts),
            }
        }
        (plan, None)
    }

    fn add(&mut self, index: usize, ask: &'a Ask, facts: &Facts<'_>) {
        let slot = match self.slots.get(&ask.key) {
            Some(slot) => *slot,
            None => {
                let slot = self.keys.len() as u32;
                self.slots.insert(ask.key.clone(), slot);
                self.keys.push(ask.key.clone());
                let aggregate_type = facts.partition.aggregate_type;
                let owner = &facts.topology.handlers[facts.topology.owner(aggregate_type)];
                let aggregate = &facts.working[&ask.key].aggregate;
                push_aggregate(&mut self.aggregates, owner, aggregate_type, &ask.key, aggregate);
                slot
            }
        };
        self.asked.push(index);
        self.asks.push(ask);
        self.slot_of.push(slot);
    }

    /// The verdict of an item that the guest is not asked, given those of all items before it; `None`
    /// for one that it is asked.
    pub(super) fn unasked(
        &self,
        index: usize,
        items: &[Item],
        verdicts: &[Verdict],
    ) -> Option<Verdict> {
        match &items[index].task {
            Task::Settled(verdict) => Some(verdict.clone()),
            Task::Untaken { kind, .. } => Some(Verdict::Fault(Failure::untaken(kind))),
            Task::React { .. } => Some(Verdict::Reacted),
            Task::Decide(_) => self.early.get(&index).map(|early| early.verdict(items, verdicts)),
        }
    }

    /// The slots that events changed, ascending.
    pub(super) fn changed_slots(&self, events: &[(usize, Event)]) -> Vec<usize> {
        let mut slots: Vec<usize> =
            events.iter().map(|(_, e)| self.slots[&e.key] as usize).collect();
        slots.sort_unstable();
        slots.dedup();
        slots
    }
}

/// Why an aggregate does not want a Wake that came at this time, if so. One that it has given up
/// comes again by a redrive only.
fn unwanted(wake: Wake, time: Time, redriven: bool, aggregate: &Aggregate) -> Option<&'static str> {
    if aggregate.sequence != wake.sequence || aggregate.wake_at != Some(wake.deadline) {
        return Some("the aggregate does not wait for this deadline");
    }
    if time < wake.deadline {
        return Some("the Wake came before its deadline");
    }
    let given_up = aggregate.deadline().is_none() && !redriven;
    given_up.then_some("the aggregate's handler failed to answer this deadline before")
}

/// The windows of ids as they will be when the items so far have been answered.
struct Windows<'a> {
    facts: &'a Facts<'a>,
    by_key: HashMap<&'a Bytes, Window<Answer>>,
}

impl<'a> Windows<'a> {
    /// Enters an item, unless it repeats what is in its aggregate's window.
    fn enter(&mut self, index: usize, item: &Item, ask: &'a Ask) -> Option<Early> {
        let Sender::External { source, id, content } = &ask.sender else { return None };
        let Facts { topology, partition, working } = self.facts;
        let settings = topology.settings(partition.aggregate_type);
        let window = self
            .by_key
            .entry(&ask.key)
            .or_insert_with(|| working[&ask.key].aggregate.window.map(given));
        let known = window.find(source, id, item.time, settings);
        if let Some(entry) = known.filter(|_| !failpoints::fires(failpoints::SKIP_DEDUPE)) {
            return Some(Early::of(entry, content));
        }
        let entry = Entry {
            source: source.clone(),
            id: id.clone(),
            content: *content,
            time: item.time,
            offset: item.place.offset(),
            answer: Answer::Pending(index),
        };
        window.insert(entry, settings);
        None
    }
}

/// A verdict that needs no asking.
enum Early {
    /// Remembered, with its answer.
    Known { first: Offset, outcome: proto::Outcome },
    /// The same command earlier in this batch.
    SameAs(usize),
    /// The id was used for something else.
    Reused,
    /// A Wake, and why its aggregate does not want it.
    Unwanted(&'static str),
}

impl Early {
    fn of(entry: &Entry<Answer>, content: &ContentHash) -> Self {
        match &entry.answer {
            _ if entry.content != *content => Self::Reused,
            Answer::Given(outcome) => Self::Known { first: entry.offset, outcome: outcome.clone() },
            Answer::Pending(index) => Self::SameAs(*index),
        }
    }

    /// The verdict; the item that is repeated has been settled by now.
    fn verdict(&self, items: &[Item], verdicts: &[Verdict]) -> Verdict {
        let (first, outcome) = match self {
            Self::Reused => return Verdict::Reused,
            Self::Unwanted(why) => return Verdict::Unwanted(why),
            Self::Known { first, outcome } => (*first, outcome.clone()),
            Self::SameAs(index) => {
                (items[*index].place.offset(), verdicts[*index].outcome().unwrap_or_default())
            }
        };
        Verdict::Duplicate { first, outcome: Box::new(outcome) }
    }
}

/// An answer in a window while its batch is being decided.
enum Answer {
    Given(proto::Outcome),
    Pending(usize),
}

fn given(outcome: &proto::Outcome) -> Answer {
    Answer::Given(outcome.clone())
}
