//! Step 3: the aggregates decide. Dedupe, the guest's call, isolation on a fault, and what the
//! decision makes of the aggregates.
//!
//! Invariant: the result equals deciding the items one by one in their order, whatever the batch.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use super::{Ask, Decided, Failure, Item, Sender, Task, Verdict, write_command_id};
use crate::aggregate::Aggregate;
use crate::failpoints;
use crate::fault_rate::FaultRate;
use crate::guest::columns::{
    ACCEPTED, Aggregates, CommandColumns, Decision, NEVER, PastColumns, REFUSED,
};
use crate::guest::isolation::{Next, Part, after_fault};
use crate::guest::{Fault, Guest, check};
use crate::model::{
    Cause, DeploymentNumber, Event, EventNumber, HOST_SOURCE, Kind, Offset, PartitionId, Time,
};
use crate::proto;
use crate::topology::{BoundHandler, Topology, TypeSettings};
use crate::turn::Place;
use crate::window::{Entry, Window};

/// The aggregates that a turn works on, by key; all that its items name are there.
pub type Working = HashMap<Bytes, Held, foldhash::fast::RandomState>;

/// An aggregate in a turn.
#[derive(Clone, Debug)]
pub struct Held {
    /// As the items so far have left it.
    pub aggregate: Arc<Aggregate>,
    /// Whether this turn changed it.
    pub changed: bool,
}

/// The returned states are not what `evolve` makes of the events: the handler breaks a law, and the
/// turn must not be committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Key of an aggregate that shows it, or why it could not be checked.
    pub what: String,
}

/// What deciding needs besides the items.
pub struct Decider<'a> {
    /// Who does what.
    pub topology: &'a Topology,
    /// The partition.
    pub partition: PartitionId,
    /// The owner's instance.
    pub guest: &'a mut dyn Guest,
    /// The aggregates.
    pub working: &'a mut Working,
    /// How many of the recent ones faulted.
    pub rate: &'a mut FaultRate,
    /// Number of the next event.
    pub events_next: EventNumber,
    /// Whether to compare the returned states with `evolve`.
    pub sample: bool,
}

impl Decider<'_> {
    /// Decides the items in their order.
    ///
    /// # Errors
    /// A mismatch found by the sample.
    pub fn run(mut self, items: &[Item]) -> Result<Decided, Mismatch> {
        let mut decided = Decided::default();
        let mut work = vec![Part { items: 0..items.len(), fresh: false }];
        while let Some(part) = work.pop() {
            let plan = self.plan(items, part);
            match self.ask(&plan, items) {
                Ok(decision) => self.settle(&plan, &decision, items, &mut decided)?,
                Err(fault) => match after_fault(&plan.part, &plan.asked, &fault) {
                    Next::Run(parts) => work.extend(parts.into_iter().rev()),
                    Next::Final { item, rest } => {
                        self.settle_fault(&plan, item, &fault, items, &mut decided);
                        work.push(rest);
                    }
                },
            }
            if decided.pause.is_some() {
                break;
            }
        }
        Ok(decided)
    }

    /// Finds which items of a part the guest must be asked, given what is remembered, and which are
    /// duplicates of remembered ones or of each other.
    fn plan(&self, items: &[Item], part: Part) -> Plan {
        let mut plan = Plan { part, ..Plan::default() };
        let mut windows: HashMap<&Bytes, Window<Answer>> = HashMap::new();
        for index in plan.part.items.clone() {
            let Task::Decide(ask) = &items[index].task else { continue };
            if let Sender::External { source, id, content } = &ask.sender {
                let settings = self.settings();
                let window = windows
                    .entry(&ask.key)
                    .or_insert_with(|| self.working[&ask.key].aggregate.window.map(given));
                let known = window.find(source, id, ask.time, settings);
                if let Some(entry) = known.filter(|_| !failpoints::fires(failpoints::SKIP_DEDUPE)) {
                    let early = Early::of(entry, content);
                    plan.early.insert(index, early);
                    continue;
                }
                window.insert(
                    Entry {
                        source: source.clone(),
                        id: id.clone(),
                        content: *content,
                        time: ask.time,
                        offset: offset(items[index].place),
                        answer: Answer::Pending(index),
                    },
                    settings,
                );
            }
            plan.add(index, ask, self);
        }
        plan
    }

    fn ask(&mut self, plan: &Plan, items: &[Item]) -> Result<Decision, Fault> {
        if plan.asked.is_empty() {
            return Ok(Decision::default());
        }
        if plan.part.fresh {
            self.guest.renew();
        }
        let commands = self.commands(plan, items);
        let decision = self.guest.decide(&plan.aggregates, &commands)?;
        let manifest = &self.owner().spec.manifest;
        check::decision(&decision, &commands.slot, &plan.aggregates.aggregate_type, manifest)?;
        Ok(decision)
    }

    fn commands(&self, plan: &Plan, items: &[Item]) -> CommandColumns {
        let mut columns = CommandColumns { slot: plan.slot_of.clone(), ..Default::default() };
        for index in &plan.asked {
            let Task::Decide(ask) = &items[*index].task else { continue };
            columns.kind.push(ask.kind);
            columns.time.push(ask.time.0);
            match &ask.sender {
                Sender::External { source, id, .. } => {
                    columns.sources.push(source);
                    columns.ids.push(id);
                }
                Sender::Choreographed { event, handler, index, .. } => {
                    columns.sources.push(HOST_SOURCE.as_bytes());
                    let name = &self.topology.settings(event.aggregate_type).name;
                    write_command_id(&mut columns.ids.data, name, event, handler, *index);
                    columns.ids.end_blob();
                }
            }
            columns.correlations.push(&ask.context.correlation);
            columns.principals.push(&ask.context.principal);
            columns.bodies.push(&ask.body);
        }
        columns
    }

    /// Applies a decision, item by item in order.
    fn settle(
        &mut self,
        plan: &Plan,
        decision: &Decision,
        items: &[Item],
        decided: &mut Decided,
    ) -> Result<(), Mismatch> {
        let first_event = decided.events.len();
        let mut asked = 0;
        let mut next = 0;
        for index in plan.part.items.clone() {
            let verdict = match &items[index].task {
                Task::Settled(verdict) => verdict.clone(),
                Task::React { .. } => Verdict::Reacted,
                Task::Decide(_) if plan.early.contains_key(&index) => {
                    plan.early_verdict(index, items, &decided.verdicts)
                }
                Task::Decide(ask) => {
                    let from = next;
                    while decision.events.cause.get(next) == Some(&(asked as u32)) {
                        next += 1;
                    }
                    let item = Settling { index, place: items[index].place, ask, asked };
                    asked += 1;
                    self.rate.note(&ask.key, false);
                    self.settle_one(&item, decision, from..next, decided)
                }
            };
            decided.verdicts.push(verdict);
        }
        self.take_states(plan, decision, &decided.events[first_event..]);
        if self.sample {
            self.compare(plan, decision, &decided.events[first_event..])?;
        }
        Ok(())
    }

    fn settle_one(
        &mut self,
        item: &Settling<'_>,
        decision: &Decision,
        events: std::ops::Range<usize>,
        decided: &mut Decided,
    ) -> Verdict {
        let outcomes = &decision.outcomes;
        let reply = Bytes::copy_from_slice(outcomes.replies.get(item.asked));
        let count = events.len() as u64;
        let first = self.aggregate(&item.ask.key).sequence + 1;
        for event in events {
            let kind = decision.events.kind[event];
            let body = Bytes::copy_from_slice(decision.events.bodies.get(event));
            let event = self.event(item, kind, body);
            decided.events.push((item.index, event));
        }
        let verdict = match outcomes.code[item.asked] {
            REFUSED => Verdict::Refused {
                code: text(outcomes.reasons.get(item.asked)),
                details: text(outcomes.details.get(item.asked)),
            },
            ACCEPTED => Verdict::Accepted { first, events: count, reply },
            _ => Verdict::Nothing { reply },
        };
        self.remember(item, &verdict);
        verdict
    }

    fn event(&mut self, item: &Settling<'_>, kind: u32, body: Bytes) -> Event {
        let number = self.events_next;
        self.events_next += 1;
        let ask = item.ask;
        let owner = self.owner();
        let (kind, handler) =
            (Kind::clone(&owner.spec.manifest.kinds[kind as usize]), Arc::clone(&owner.spec.name));
        let aggregate = self.change(&ask.key);
        aggregate.sequence += 1;
        let previous = aggregate.last_event.replace(number);
        Event {
            number,
            key: ask.key.clone(),
            sequence: aggregate.sequence,
            previous,
            kind,
            time: ask.time,
            cause: cause(item.place, &ask.sender),
            handler,
            deployment: self.deployment(),
            context: Arc::clone(&ask.context),
            body,
        }
    }

    /// Enters an external command's final outcome into its aggregate's window.
    fn remember(&mut self, item: &Settling<'_>, verdict: &Verdict) {
        let Sender::External { source, id, content } = &item.ask.sender else { return };
        let Some(answer) = outcome(verdict) else { return };
        let offset = offset(item.place);
        let topology = self.topology;
        let settings = topology.settings(self.partition.aggregate_type);
        let aggregate = self.change(&item.ask.key);
        aggregate.requests_folded = offset + 1;
        aggregate.window.insert(
            Entry {
                source: source.clone(),
                id: id.clone(),
                content: *content,
                time: item.ask.time,
                offset,
                answer,
            },
            settings,
        );
    }

    /// Takes the returned states of slots that had events; the others' are ignored.
    fn take_states(&mut self, plan: &Plan, decision: &Decision, events: &[(usize, Event)]) {
        let manifest = &self.topology.handlers[self.topology.owner(self.partition.aggregate_type)]
            .spec
            .manifest;
        for slot in plan.changed_slots(events) {
            let aggregate = self.change(&plan.keys[slot]);
            aggregate.state = Bytes::copy_from_slice(decision.states.bytes.get(slot));
            let schema = &manifest.state_schemas[decision.states.schemas[slot] as usize];
            if *aggregate.schema != **schema {
                aggregate.schema = Arc::from(&**schema);
            }
            aggregate.fold = manifest.fold;
            let wake_at = decision.states.wake_at[slot];
            aggregate.wake_at = (wake_at != NEVER).then_some(Time(wake_at));
        }
    }

    /// The live sample of a law: `evolve` makes the same states of the old ones and the events.
    fn compare(
        &mut self,
        plan: &Plan,
        decision: &Decision,
        events: &[(usize, Event)],
    ) -> Result<(), Mismatch> {
        let changed = plan.changed_slots(events);
        if changed.is_empty() {
            return Ok(());
        }
        let mut past = PastColumns::default();
        for (_, event) in events {
            let kind = self.owner().event(self.partition.aggregate_type, &event.kind);
            let Some(kind) = kind else { continue };
            past.slot.push(plan.slots[&event.key]);
            past.kind.push(kind);
            past.time.push(event.time.0);
            past.bodies.push(&event.body);
        }
        let wrong = |what: String| Err(Mismatch { what });
        let states = match self.guest.evolve(&plan.aggregates, &past) {
            Ok(states) => states,
            Err(fault) => return wrong(format!("`evolve` failed on decided events: {fault}")),
        };
        if let Err(fault) = check::states(&states, plan.keys.len(), &self.owner().spec.manifest) {
            return wrong(fault.to_string());
        }
        let same = |slot: usize| {
            states.bytes.get(slot) == decision.states.bytes.get(slot)
                && states.schemas[slot] == decision.states.schemas[slot]
                && states.wake_at[slot] == decision.states.wake_at[slot]
        };
        match changed.into_iter().find(|slot| !same(*slot)) {
            Some(slot) => wrong(format!(
                "`decide` and `evolve` of handler `{}` disagree on the state of `{}`",
                self.owner().spec.name,
                String::from_utf8_lossy(&plan.keys[slot])
            )),
            None => Ok(()),
        }
    }

    /// The item failed alone: its verdict is a fault, and those before it in the part stand as they
    /// were planned.
    fn settle_fault(
        &mut self,
        plan: &Plan,
        faulty: usize,
        fault: &Fault,
        items: &[Item],
        decided: &mut Decided,
    ) {
        for index in plan.part.items.start..faulty {
            let verdict = match &items[index].task {
                Task::Settled(verdict) => verdict.clone(),
                Task::React { .. } => Verdict::Reacted,
                Task::Decide(_) => plan.early_verdict(index, items, &decided.verdicts),
            };
            decided.verdicts.push(verdict);
        }
        decided.verdicts.push(Verdict::Fault(Failure::of(fault)));
        let Task::Decide(ask) = &items[faulty].task else { return };
        self.rate.note(&ask.key, true);
        decided.pause = self.rate.exceeded().map(|rate| {
            format!(
                "{rate}; last: {fault}. Restart with a mended handler, or resume to go on as it is"
            )
        });
    }

    fn aggregate(&self, key: &Bytes) -> &Aggregate {
        &self.working[key].aggregate
    }

    fn change(&mut self, key: &Bytes) -> &mut Aggregate {
        let held = self
            .working
            .entry(key.clone())
            .or_insert_with(|| Held { aggregate: Arc::default(), changed: false });
        held.changed = true;
        Arc::make_mut(&mut held.aggregate)
    }

    fn owner(&self) -> &BoundHandler {
        &self.topology.handlers[self.topology.owner(self.partition.aggregate_type)]
    }

    fn settings(&self) -> &TypeSettings {
        self.topology.settings(self.partition.aggregate_type)
    }

    fn deployment(&self) -> DeploymentNumber {
        self.topology.deployment
    }
}

/// An item that the guest was asked, being settled.
struct Settling<'a> {
    index: usize,
    place: Place,
    ask: &'a Ask,
    asked: usize,
}

/// What one call will ask, and what needs no asking.
#[derive(Default)]
struct Plan {
    part: Part,
    asked: Vec<usize>,
    slot_of: Vec<u32>,
    keys: Vec<Bytes>,
    slots: HashMap<Bytes, u32, foldhash::fast::RandomState>,
    aggregates: Aggregates,
    early: HashMap<usize, Early>,
}

impl Plan {
    fn add(&mut self, index: usize, ask: &Ask, decider: &Decider<'_>) {
        let slot = match self.slots.get(&ask.key) {
            Some(slot) => *slot,
            None => {
                let slot = self.keys.len() as u32;
                self.slots.insert(ask.key.clone(), slot);
                self.keys.push(ask.key.clone());
                let (owner, aggregate_type) = (decider.owner(), decider.partition.aggregate_type);
                let aggregate = decider.aggregate(&ask.key);
                push_aggregate(&mut self.aggregates, owner, aggregate_type, &ask.key, aggregate);
                slot
            }
        };
        self.asked.push(index);
        self.slot_of.push(slot);
    }

    /// The verdict of a duplicate; the item it repeats has been settled by now.
    fn early_verdict(&self, index: usize, items: &[Item], verdicts: &[Verdict]) -> Verdict {
        match &self.early[&index] {
            Early::Known { first, outcome } => {
                Verdict::Duplicate { first: *first, outcome: Box::new(outcome.clone()) }
            }
            Early::Reused => Verdict::Reused,
            Early::SameAs(first) => Verdict::Duplicate {
                first: offset(items[*first].place),
                outcome: Box::new(outcome(&verdicts[*first]).unwrap_or_default()),
            },
        }
    }

    fn changed_slots(&self, events: &[(usize, Event)]) -> Vec<usize> {
        let mut slots: Vec<usize> =
            events.iter().map(|(_, e)| self.slots[&e.key] as usize).collect();
        slots.sort_unstable();
        slots.dedup();
        slots
    }
}

impl Default for Part {
    fn default() -> Self {
        Self { items: 0..0, fresh: false }
    }
}

/// Appends an aggregate to the columns of a handler's call.
pub fn push_aggregate(
    columns: &mut Aggregates,
    owner: &BoundHandler,
    aggregate_type: crate::model::TypeId,
    key: &[u8],
    aggregate: &Aggregate,
) {
    let schemas = &owner.spec.manifest.state_schemas;
    let schema = schemas.iter().position(|s| **s == *aggregate.schema);
    columns.aggregate_type.push(owner.type_index(aggregate_type).unwrap_or(u32::MAX));
    columns.keys.push(key);
    columns.sequences.push(aggregate.sequence);
    // An empty state has no schema; one that the handler does not read is the guest's to refuse.
    let none = if aggregate.sequence == 0 { 0 } else { u32::MAX };
    columns.schemas.push(schema.map_or(none, |s| s as u32));
    columns.states.push(&aggregate.state);
}

/// A verdict that needs no asking.
enum Early {
    /// Remembered, with its answer.
    Known { first: Offset, outcome: proto::Outcome },
    /// The same command earlier in this batch.
    SameAs(usize),
    /// The id was used for something else.
    Reused,
}

impl Early {
    fn of(entry: &Entry<Answer>, content: &[u8; 16]) -> Self {
        match &entry.answer {
            _ if entry.content != *content => Self::Reused,
            Answer::Given(outcome) => Self::Known { first: entry.offset, outcome: outcome.clone() },
            Answer::Pending(index) => Self::SameAs(*index),
        }
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

impl Failure {
    /// The failure that a guest's fault is.
    #[must_use]
    pub fn of(fault: &Fault) -> Self {
        Self { reason: fault.reason.as_str(), message: fault.message.clone(), record: None }
    }
}

fn cause(place: Place, sender: &Sender) -> Cause {
    match sender {
        Sender::External { source, id, .. } => {
            Cause::Request { offset: offset(place), source: source.clone(), id: id.clone() }
        }
        Sender::Choreographed { offset, event, handler, index } => Cause::Command {
            offset: *offset,
            event: event.clone(),
            handler: Arc::clone(handler),
            index: *index,
        },
    }
}

/// The outcome that a verdict leaves in the window and in the batch record; none for one that is
/// not an aggregate's own and final answer.
#[must_use]
pub fn outcome(verdict: &Verdict) -> Option<proto::Outcome> {
    use proto::outcome::What;
    let what = match verdict {
        Verdict::Accepted { first, events, reply } => What::Accepted(proto::Accepted {
            sequences: Some(proto::Range { first: *first, next: first + events }),
            reply: reply.clone(),
        }),
        Verdict::Refused { code, details } => {
            What::Refused(proto::Refused { code: code.clone(), details: details.clone() })
        }
        Verdict::Nothing { reply } => What::Nothing(proto::Nothing { reply: reply.clone() }),
        _ => return None,
    };
    Some(proto::Outcome { what: Some(what) })
}

fn offset(place: Place) -> Offset {
    match place {
        Place::Commands(offset) | Place::Requests(offset) => offset,
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
