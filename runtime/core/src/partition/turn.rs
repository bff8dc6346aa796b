//! One turn, written as the words of the flow: take, decode, load, decide, react, collect. What the
//! steps do is theirs; what becomes of the turn is the log's.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::catching_up::Missed;
use super::redrives::{open_letters, until_second_redrive};
use super::report::{StepClock, faults, report};
use super::{Partition, Stop, Tools};
use crate::channels::{Arrival, Channels};
use crate::failpoints;
use crate::log::{CommitId, InputPositions, Limit, TurnWrite};
use crate::model::{EventNumber, PartitionId, Request, Time};
use crate::outcomes::Standing;
use crate::references::Pinned;
use crate::topology::{HandlerIndex, Topology};
use crate::turn::decide::{Decider, Undecided};
use crate::turn::decode::Known;
use crate::turn::{CaughtUp, Decided, Item, Pause, Place, Reacted, Reaction, Taken};
use crate::turn::{collect, decode, load, react};
use crate::working::Working;

/// The item that brought an event, and the only handler that reacts to it, if not all do.
type ReactedTo = (usize, Option<Arc<str>>);

impl Partition {
    /// Takes one turn for a commit, if there is input, a deadline has come, or an event handler is
    /// behind: computes it on top of all earlier ones. Deadlines are looked at up to `until`; without it
    /// nobody is woken and nobody catches up.
    ///
    /// # Errors
    /// When no turn can be taken; the partition is as before.
    pub fn turn(
        &mut self,
        commit: CommitId,
        until: Option<Time>,
        tools: &mut Tools<'_>,
    ) -> Result<Option<TurnWrite>, Stop> {
        let taken = self.take(tools)?;
        let missed = self.missed(until.is_some(), tools)?;
        let wakes = match until {
            Some(now) => self.wake(commit, now, tools)?,
            None => Vec::new(),
        };
        let takes_nothing = taken.commands.is_empty() && taken.requests.is_empty();
        if takes_nothing && wakes.is_empty() && missed.iter().all(Missed::is_empty) {
            return Ok(None);
        }
        let turn = self.compute(commit, taken, (wakes, missed), tools);
        if turn.is_err() {
            self.deadlines.discard_from(commit);
        }
        turn.map(Some)
    }

    fn compute(
        &mut self,
        commit: CommitId,
        taken: Taken,
        (wakes, missed): (Vec<Request>, Vec<Missed>),
        tools: &mut Tools<'_>,
    ) -> Result<TurnWrite, Stop> {
        let mut clock = StepClock::start(tools.observer);
        let before = self.standing().clone();
        let letters = open_letters(self.id, &taken, &before, tools)?;
        let known = Known { partition: self.id, topology: tools.topology, letters: &letters };
        let mut seen = before.seen.clone();
        let mut items =
            decode::decode(&taken, &mut seen, &known).map_err(|gap| self.gap(&gap, tools))?;
        clock.lap(0, tools.observer);
        // All that this turn asks of guests sees this version.
        let pinned = tools.references.pin(tools.topology.looked_up(self.id.aggregate_type));
        let pinned = pinned.map_err(|why| Stop::Unready(why.to_string()))?;
        let (caught_up, held) = self.catch_up(missed, &pinned, tools)?;
        clock.lap(3, tools.observer);
        let mut pause: Option<Pause> = None;
        let (working, decided, reactions, reacted) = loop {
            let answered = self.answer(&items, &before, (&pinned, &caught_up), &mut clock, tools);
            // It pauses in any case, and takes the turn later if that could not be decided again.
            let answered = answered.map_err(|stop| match &pause {
                None => stop,
                Some(Pause { reason, blamed, .. }) => Stop::pause(reason.clone(), blamed.clone()),
            })?;
            let (_, decided, _, reacted) = &answered;
            let pauses = [&decided.pause, &reacted.pause].into_iter().flatten();
            let Some(first) = pauses.min_by_key(|pause| pause.after) else { break answered };
            pause = Some(first.clone());
            let end = first.after + 1;
            if end == items.len() {
                break answered;
            }
            // What came after was decided as if the partition went on: once more without it.
            items.truncate(end);
            seen = seen_until(&items, &taken, &before);
            self.rate.rest();
            self.reaction_rates.rest();
        };
        self.trouble = None;
        let mut report = report(self.id, &items, &decided, &reacted, &caught_up);
        report.wakes_sent = wakes.len() as u64;
        let owner = tools.topology.owner(self.id.aggregate_type);
        let faults = faults(owner, &items, &decided, &reacted, &caught_up);
        let keeps_events = !caught_up.behind.is_empty();
        let turn = collect::Turn {
            partition: self.id,
            topology: tools.topology,
            before: &before,
            taken: &taken,
            items: &items,
            seen,
            decided,
            reactions: &reactions,
            reacted,
            caught_up,
            wakes,
            references: pinned.record(),
        };
        let collected = collect::collect(turn);
        clock.lap(4, tools.observer);
        report.step_ns = clock.step_ns;
        report.turn = collected.standing.turn;
        self.tell(&report, &faults, &collected, tools);
        if let Some(Pause { reason, blamed, .. }) = pause {
            self.pause(reason, blamed, tools.observer);
        }
        self.hold(held, tools);
        let requests_time = last_request(&taken, collected.standing.input);
        Ok(self.stack(commit, collected, working, requests_time, keeps_events))
    }

    fn take(&self, tools: &mut Tools<'_>) -> Result<Taken, Stop> {
        let input = self.standing().input;
        let limit = tools.settings.turn;
        let mut commands = tools.log.take_commands(self.id, input.commands, limit)?;
        let later = commands.iter().position(|c| c.record.deployment > tools.topology.deployment);
        let later = later.filter(|_| !failpoints::fires(failpoints::IGNORE_DEPLOYMENT));
        if let Some(later) = later {
            commands.truncate(later);
        }
        let records = limit.records.saturating_sub(commands.len());
        let requests = if records == 0 || later.is_some() {
            Vec::new()
        } else {
            let limit = Limit { records, ..limit };
            tools.log.take_requests(self.id, input.requests, limit)?
        };
        Ok(Taken { commands, requests: until_second_redrive(requests) })
    }

    /// Loads, decides and reacts. The result is worth a turn if nothing of it says to pause before
    /// the last item.
    fn answer(
        &mut self,
        items: &[Item],
        before: &Standing,
        (pinned, caught_up): (&Pinned, &CaughtUp),
        clock: &mut StepClock,
        tools: &mut Tools<'_>,
    ) -> Result<(Working, Decided, Vec<ReactedTo>, Reacted), Stop> {
        let topology = tools.topology;
        let owner = &topology.handlers[topology.owner(self.id.aggregate_type)];
        let mut working = load::load(items, self.id, owner, &mut self.memory, tools.store)?;
        clock.lap(1, tools.observer);
        let decided = self.decide(items, &mut working, before, pinned, tools)?;
        clock.lap(2, tools.observer);
        let reactions = collect::reactions(items, &decided);
        let reacted = self.react(&reactions, &caught_up.behind, pinned, tools)?;
        let reactions = reactions.iter().map(|r| (r.item, r.only.map(Arc::from))).collect();
        clock.lap(3, tools.observer);
        Ok((working, decided, reactions, reacted))
    }

    fn decide(
        &mut self,
        items: &[Item],
        working: &mut Working,
        before: &Standing,
        pinned: &Pinned,
        tools: &mut Tools<'_>,
    ) -> Result<Decided, Stop> {
        let owner = tools.topology.owner(self.id.aggregate_type);
        let every = tools.settings.sample_every;
        let decider = Decider {
            topology: tools.topology,
            partition: self.id,
            guest: &mut *tools.guests[owner],
            lookup: pinned.lookup(&tools.topology.handlers[owner]),
            working,
            rate: &mut self.rate,
            events_next: before.events_next,
            sample: every > 0 && before.turn.is_multiple_of(every),
        };
        decider.run(items).map_err(|undecided| match undecided {
            Undecided::Mismatch(what) => Stop::pause(what, Some(tools.topology.blame(owner))),
            Undecided::Later(fault) => {
                Stop::Host(format!("handler `{}`: {fault}", self.owner(tools.topology)))
            }
        })
    }

    fn react(
        &mut self,
        reactions: &[Reaction<'_>],
        behind: &BTreeMap<HandlerIndex, EventNumber>,
        pinned: &Pinned,
        tools: &mut Tools<'_>,
    ) -> Result<Reacted, Stop> {
        let (topology, rates) = (tools.topology, &mut self.reaction_rates);
        react::react(reactions, behind, self.id, topology, tools.guests, pinned, rates)
            .map_err(|fault| Stop::Host(format!("an event handler: {fault}")))
    }

    fn owner<'a>(&self, topology: &'a Topology) -> &'a str {
        &topology.handlers[topology.owner(self.id.aggregate_type)].spec.name
    }

    fn gap(&self, gap: &decode::Gap, tools: &Tools<'_>) -> Stop {
        let name = |p: PartitionId| {
            format!("{}/{}", tools.topology.settings(p.aggregate_type).name, p.number)
        };
        Stop::Halt(format!(
            "channel from {} to {}: number {} came where {} was due: records of `commands` are missing",
            name(gap.from),
            name(self.id),
            gap.came,
            gap.due
        ))
    }
}

/// Append time of the last taken request below a position.
fn last_request(taken: &Taken, input: InputPositions) -> Option<Time> {
    let last = taken.requests.iter().rfind(|r| r.offset < input.requests);
    last.map(|request| request.appended)
}

/// The numbers seen after these items, when later ones were not decided.
fn seen_until(items: &[Item], taken: &Taken, before: &Standing) -> Channels {
    let mut seen = before.seen.clone();
    let commands = items.iter().filter(|i| matches!(i.place, Place::Commands(_))).count();
    for stored in &taken.commands[..commands] {
        if let Some(stamp) = stored.record.channel
            && seen.arrival(stamp) == Arrival::New
        {
            seen.advance(stamp.from, stamp.number);
        }
    }
    seen
}
