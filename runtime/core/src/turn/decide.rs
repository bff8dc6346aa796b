//! Step 3: the aggregates decide. Dedupe, the guest's call, isolation on a fault, and what the
//! decision makes of the aggregates.
//!
//! Invariant: the result equals deciding the items one by one in their order, whatever the batch.

mod plan;

use std::sync::Arc;

use bytes::Bytes;

use plan::{Facts, Plan};

use super::{Ask, Decided, Failure, Item, Pause, Place, Sender, Task, Verdict, write_command_id};
use crate::aggregate::Aggregate;
use crate::fault_rate::FaultRate;
use crate::guest::columns::{ACCEPTED, CommandColumns, Decision, NEVER, PastColumns, REFUSED};
use crate::guest::isolation::{Next, Part, after_fault};
use crate::guest::{Fault, Guest, Lookup, check};
use crate::model::{
    Cause, DeploymentNumber, Event, EventNumber, HOST_SOURCE, Kind, PartitionId, Time,
};
use crate::topology::{Blamed, BoundHandler, Topology};
use crate::window::Entry;
use crate::working::{Held, Working};

/// The items were not decided: the turn must not be committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undecided {
    /// The returned states are not what `evolve` makes of the events, so the handler breaks a law:
    /// an aggregate that shows it, or why that could not be checked.
    Mismatch(String),
    /// The guest could not be run, through no fault of an item.
    Later(Fault),
}

/// What deciding needs besides the items.
pub struct Decider<'a> {
    /// Who does what.
    pub topology: &'a Topology,
    /// The partition.
    pub partition: PartitionId,
    /// The owner's instance.
    pub guest: &'a mut dyn Guest,
    /// What it may look up.
    pub lookup: Lookup,
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
    /// A mismatch found by the sample, or a guest that could not be run.
    pub fn run(mut self, items: &[Item]) -> Result<Decided, Undecided> {
        let mut decided = Decided::default();
        let mut work = vec![Part { items: 0..items.len(), fresh: false }];
        while let Some(part) = work.pop() {
            let facts =
                Facts { topology: self.topology, partition: self.partition, working: self.working };
            let (plan, rest) = Plan::of(items, part, &facts);
            work.extend(rest);
            match self.ask(&plan) {
                Ok(decision) => self.settle(&plan, &decision, items, &mut decided)?,
                Err(fault) => match after_fault(&plan.part, &plan.asked, &fault) {
                    Next::Run(parts) => work.extend(parts.into_iter().rev()),
                    Next::Later => return Err(Undecided::Later(fault)),
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

    fn ask(&mut self, plan: &Plan<'_>) -> Result<Decision, Fault> {
        if plan.asked.is_empty() {
            return Ok(Decision::default());
        }
        if plan.part.fresh {
            self.guest.renew();
        }
        let commands = self.commands(plan);
        let decision = self.guest.decide(&plan.aggregates, &commands, &self.lookup)?;
        let manifest = &self.owner().spec.manifest;
        let types = &plan.aggregates.aggregate_type;
        let checked = check::decision(&decision, &commands.slot, types, manifest)
            .and_then(|()| check::wakes(&decision, &commands.kind));
        if checked.is_err() {
            // The call itself succeeded: the guest does not know that it lied.
            self.guest.renew();
        }
        checked.map(|()| decision)
    }

    fn commands(&self, plan: &Plan<'_>) -> CommandColumns {
        let mut columns = CommandColumns { slot: plan.slot_of.clone(), ..Default::default() };
        for ask in &plan.asks {
            columns.kind.push(ask.kind);
            columns.time.push(ask.time.0);
            match &ask.sender {
                Sender::External { source, id, .. } => {
                    columns.sources.push(source);
                    columns.ids.push(id);
                }
                Sender::Wake(_) => {
                    columns.sources.push(HOST_SOURCE.as_bytes());
                    // It is its own correlation.
                    columns.ids.push(&ask.context.correlation);
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
        plan: &Plan<'_>,
        decision: &Decision,
        items: &[Item],
        decided: &mut Decided,
    ) -> Result<(), Undecided> {
        let first_event = decided.events.len();
        let mut asked = 0;
        let mut next = 0;
        for index in plan.part.items.clone() {
            let verdict = match plan.unasked(index, items, &decided.verdicts) {
                Some(verdict) => {
                    self.count_untaken(index, &items[index], decided);
                    verdict
                }
                None => {
                    let from = next;
                    while decision.events.cause.get(next) == Some(&(asked as u32)) {
                        next += 1;
                    }
                    let ask = plan.asks[asked];
                    let Item { place, time, .. } = items[index];
                    let item = Settling { index, place, time, ask, asked };
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
        aggregate.wake_given_up = None;
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
        let Some(answer) = verdict.outcome() else { return };
        let offset = item.place.offset();
        let topology = self.topology;
        let settings = topology.settings(self.partition.aggregate_type);
        let aggregate = self.change(&item.ask.key);
        aggregate.requests_folded = offset + 1;
        aggregate.window.insert(
            Entry {
                source: source.clone(),
                id: id.clone(),
                content: *content,
                time: item.time,
                offset,
                answer,
            },
            settings,
        );
    }

    /// Takes the returned states of slots that had events; the others' are ignored.
    fn take_states(&mut self, plan: &Plan<'_>, decision: &Decision, events: &[(usize, Event)]) {
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
        plan: &Plan<'_>,
        decision: &Decision,
        events: &[(usize, Event)],
    ) -> Result<(), Undecided> {
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
        let wrong = |what: String| Err(Undecided::Mismatch(what));
        let states = match self.guest.evolve(&plan.aggregates, &past) {
            Ok(states) => states,
            Err(fault) if fault.reason.blames_no_item() => return Err(Undecided::Later(fault)),
            Err(fault) => return wrong(format!("`evolve` failed on decided events: {fault}")),
        };
        if let Err(fault) = check::states(&states, plan.keys.len(), &self.owner().spec.manifest) {
            self.guest.renew();
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
        plan: &Plan<'_>,
        faulty: usize,
        fault: &Fault,
        items: &[Item],
        decided: &mut Decided,
    ) {
        for index in plan.part.items.start..faulty {
            self.count_untaken(index, &items[index], decided);
            decided.verdicts.extend(plan.unasked(index, items, &decided.verdicts));
        }
        let failure = Failure::of(fault);
        decided.verdicts.push(Verdict::Fault(failure.clone()));
        if let Sender::Wake(wake) = plan.asks[0].sender {
            self.change(&plan.asks[0].key).wake_given_up = Some(wake.sequence);
        }
        let owner = self.topology.owner(self.partition.aggregate_type);
        let blamed = Some(self.topology.blame(owner));
        self.count_fault(faulty, &plan.asks[0].key, &failure, blamed, decided);
    }

    /// A command whose kind no handler takes counts as a fault of its aggregate.
    fn count_untaken(&mut self, index: usize, item: &Item, decided: &mut Decided) {
        if let Task::Untaken { key, kind } = &item.task {
            self.count_fault(index, key, &Failure::untaken(kind), None, decided);
        }
    }

    /// Counts a fault. The first that makes too many of them ends the turn.
    fn count_fault(
        &mut self,
        index: usize,
        key: &Bytes,
        failure: &Failure,
        blamed: Option<Blamed>,
        decided: &mut Decided,
    ) {
        self.rate.note(key, true);
        if let (None, Some(rate)) = (&decided.pause, self.rate.exceeded()) {
            decided.pause = Some(Pause::of(index, &rate, failure, blamed));
        }
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

    fn deployment(&self) -> DeploymentNumber {
        self.topology.deployment
    }
}

/// An item that the guest was asked, being settled.
struct Settling<'a> {
    index: usize,
    place: Place,
    time: Time,
    ask: &'a Ask,
    asked: usize,
}

impl Failure {
    /// The failure that a guest's fault is.
    #[must_use]
    pub fn of(fault: &Fault) -> Self {
        Self { reason: fault.reason.as_str().into(), message: fault.message.clone() }
    }
}

fn cause(place: Place, sender: &Sender) -> Cause {
    match sender {
        Sender::External { source, id, .. } => {
            Cause::Request { offset: place.offset(), source: source.clone(), id: id.clone() }
        }
        Sender::Wake(wake) => Cause::Wake { offset: place.offset(), deadline: wake.deadline },
        Sender::Choreographed { offset, event, handler, index } => Cause::Command {
            offset: *offset,
            event: event.clone(),
            handler: Arc::clone(handler),
            index: *index,
        },
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
