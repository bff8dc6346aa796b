//! One partition: where it stands, its aggregates in memory, and its turn.
//!
//! Invariants: turns that are not durable are kept apart, newest last, and can be thrown away; what
//! is told to readers, clients and the store comes from durable turns only.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use crate::aggregate::{Aggregate, decode as decode_message};
use crate::error::EngineError;
use crate::failpoints;
use crate::fault_rate::FaultRate;
use crate::flush::Flush;
use crate::guest::Guest;
use crate::log::{CommitId, Limit, ShardLog, TurnWrite};
use crate::memory::Memory;
use crate::model::{DeadLetterNumber, PartitionId};
use crate::observer::{Alarm, Observer, TurnReport};
use crate::outcomes::Standing;
use crate::proto::{BatchRecord, DeadLetter, dead_letter::Subject};
use crate::restore::Restore;
use crate::settings::Settings;
use crate::store::Store;
use crate::topology::Topology;
use crate::turn::decide::Decider;
use crate::turn::decode::{Known, OpenLetter};
use crate::turn::{Decided, Item, Place, Taken, Verdict, collect, decode, load, react};
use crate::working::Working;

/// What a partition needs of its shard to do anything.
pub struct Tools<'a> {
    /// The log.
    pub log: &'a mut dyn ShardLog,
    /// The store.
    pub store: &'a mut dyn Store,
    /// One instance per handler of the topology.
    pub guests: &'a mut [Box<dyn Guest>],
    /// Who does what.
    pub topology: &'a Topology,
    /// The bounds.
    pub settings: &'a Settings,
    /// Who listens.
    pub observer: &'a mut dyn Observer,
}

/// Whether a partition takes turns, and if not, why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Catching up with the log.
    Restoring,
    /// Taking turns.
    Running,
    /// Waits for an operator.
    Paused(String),
    /// A promise cannot be kept: it takes no more turns in this process.
    Halted(String),
    /// Waits for a deployment that its log has seen and this process has not.
    Waiting(u64),
    /// Takes no more turns because another owner will.
    Leaving,
}

/// Why a turn was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// For an operator to look at; nothing of the turn is committed.
    Pause(String),
    /// For good.
    Halt(String),
    /// An engine asks to try again.
    Later,
}

impl From<EngineError> for Stop {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Retry(_) => Self::Later,
            other => Self::Halt(other.to_string()),
        }
    }
}

/// One partition of a shard.
#[derive(Debug)]
pub struct Partition {
    pub(crate) id: PartitionId,
    pub(crate) status: Status,
    /// After the last durable turn.
    pub(crate) durable: Standing,
    /// Turns that are not durable yet.
    layers: VecDeque<Layer>,
    pub(crate) memory: Memory,
    rate: FaultRate,
    pub(crate) restore: Option<Restore>,
    /// Whether memory and store together are what the log says. Not so in a partition that halted
    /// on its way there.
    pub(crate) restored: bool,
    pub(crate) flush: Flush,
}

/// A turn that is not durable yet.
#[derive(Debug)]
struct Layer {
    commit: CommitId,
    standing: Standing,
    changed: Vec<(Bytes, Arc<Aggregate>)>,
    record: Arc<BatchRecord>,
}

impl Partition {
    /// A partition that this shard has just been given: it has to be restored first.
    #[must_use]
    pub fn new(id: PartitionId, settings: &Settings) -> Self {
        Self {
            id,
            status: Status::Restoring,
            durable: Standing::new(),
            layers: VecDeque::new(),
            memory: Memory::new(settings.cache_bytes),
            rate: FaultRate::new(settings),
            restore: None,
            restored: false,
            flush: Flush::default(),
        }
    }

    /// Takes one turn for a commit, if there is input: computes it on top of all earlier ones.
    ///
    /// # Errors
    /// When no turn can be taken; the partition is as before.
    pub fn turn(
        &mut self,
        commit: CommitId,
        tools: &mut Tools<'_>,
    ) -> Result<Option<TurnWrite>, Stop> {
        let taken = self.take(tools)?;
        if taken.commands.is_empty() && taken.requests.is_empty() {
            return Ok(None);
        }
        let mut clock = StepClock::start(tools.observer);
        let before = self.standing().clone();
        let letters = open_letters(self.id, &taken, &before, tools)?;
        let known = Known { partition: self.id, topology: tools.topology, letters: &letters };
        let mut seen = before.seen.clone();
        let mut items =
            decode::decode(&taken, &mut seen, &known).map_err(|gap| self.gap(&gap, tools))?;
        clock.lap(0, tools.observer);
        let mut working = load::load(&items, self.id, &mut self.memory, tools.store)?;
        clock.lap(1, tools.observer);
        let decided = self.decide(&items, &mut working, &before, tools)?;
        if decided.verdicts.len() < items.len() {
            items.truncate(decided.verdicts.len());
            seen = seen_until(&items, &taken, &before);
        }
        clock.lap(2, tools.observer);
        let reactions = collect::reactions(&items, &decided);
        let reacted = react::react(&reactions, self.id, tools.topology, tools.guests);
        let reactions: Vec<_> = reactions.iter().map(|r| (r.item, r.only.map(Arc::from))).collect();
        clock.lap(3, tools.observer);
        let pause = decided.pause.clone();
        let mut report = report(self.id, &items, &decided, &reacted);
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
        };
        let collected = collect::collect(turn);
        clock.lap(4, tools.observer);
        report.step_ns = clock.step_ns;
        report.turn = collected.standing.turn;
        self.tell(&report, &collected, tools);
        if let Some(reason) = pause {
            self.pause(reason, tools.observer);
        }
        Ok(Some(self.stack(commit, collected, working)))
    }

    fn take(&self, tools: &mut Tools<'_>) -> Result<Taken, Stop> {
        let input = self.standing().input;
        let limit = tools.settings.turn;
        let mut commands = tools.log.take_commands(self.id, input.commands, limit)?;
        let later = commands.iter().position(|c| c.record.deployment > tools.topology.deployment);
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

    fn decide(
        &mut self,
        items: &[Item],
        working: &mut Working,
        before: &Standing,
        tools: &mut Tools<'_>,
    ) -> Result<Decided, Stop> {
        let every = tools.settings.sample_every;
        let decider = Decider {
            topology: tools.topology,
            partition: self.id,
            guest: &mut *tools.guests[tools.topology.owner(self.id.aggregate_type)],
            working,
            rate: &mut self.rate,
            events_next: before.events_next,
            sample: every > 0 && before.turn.is_multiple_of(every),
        };
        decider.run(items).map_err(|mismatch| Stop::Pause(mismatch.what))
    }

    /// Puts a computed turn on top of the others.
    fn stack(
        &mut self,
        commit: CommitId,
        collected: collect::Collected,
        working: Working,
    ) -> TurnWrite {
        let changed: Vec<_> = working
            .into_iter()
            .filter(|(_, held)| held.changed)
            .map(|(key, held)| (key, held.aggregate))
            .collect();
        for (key, aggregate) in &changed {
            self.memory.compute(commit, key.clone(), Arc::clone(aggregate));
            if failpoints::fires(failpoints::PUBLISH_BEFORE_COMMIT) {
                self.memory.change(key.clone(), Arc::clone(aggregate));
            }
        }
        let collect::Collected { write, record, standing, .. } = collected;
        self.layers.push_back(Layer { commit, standing, changed, record });
        write
    }

    /// Where the partition stands after its newest turn, durable or not.
    #[must_use]
    pub fn standing(&self) -> &Standing {
        self.layers.back().map_or(&self.durable, |layer| &layer.standing)
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> PartitionId {
        self.id
    }

    /// Whether it takes turns.
    #[must_use]
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// Where it stands after its last durable turn.
    #[must_use]
    pub fn durable(&self) -> &Standing {
        &self.durable
    }

    /// Whether turns of it are in flight.
    #[must_use]
    pub fn in_flight(&self) -> bool {
        !self.layers.is_empty()
    }

    /// All commits up to this one are durable. Returns the batch records of its turns, oldest first.
    pub fn make_durable(&mut self, commit: CommitId) -> Vec<Arc<BatchRecord>> {
        let mut records = Vec::new();
        while let Some(layer) = self.layers.pop_front_if(|layer| layer.commit <= commit) {
            self.memory.make_durable(layer.commit, layer.changed);
            self.durable = layer.standing;
            records.push(layer.record);
        }
        records
    }

    /// The commits from this one on did not happen: what was computed for them is thrown away.
    pub fn discard_from(&mut self, commit: CommitId) {
        self.layers.retain(|layer| layer.commit < commit);
        self.memory.discard(self.layers.iter().map(|layer| (layer.commit, &layer.changed[..])));
    }

    /// Forgets everything in memory, to be restored from the log again.
    pub fn start_over(&mut self, settings: &Settings) {
        let before = std::mem::replace(self, Self::new(self.id, settings));
        if matches!(before.status, Status::Halted(_) | Status::Leaving) {
            self.status = before.status;
        }
    }

    /// Stops taking turns until an operator resumes it.
    pub fn pause(&mut self, reason: String, observer: &mut dyn Observer) {
        observer.alarm(Alarm::Paused { partition: self.id, reason: &reason });
        self.status = Status::Paused(reason);
    }

    /// Stops for good.
    pub fn halt(&mut self, reason: String, observer: &mut dyn Observer) {
        observer.alarm(Alarm::Halted { partition: self.id, reason: &reason });
        self.status = Status::Halted(reason);
    }

    /// Goes on after a pause. Does nothing otherwise.
    pub fn resume(&mut self) -> bool {
        let paused = matches!(self.status, Status::Paused(_));
        if paused {
            self.rate.reset();
            self.status = Status::Running;
        }
        paused
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

    fn tell(&self, report: &TurnReport, collected: &collect::Collected, tools: &mut Tools<'_>) {
        tools.observer.turn(report);
        let partition = self.id;
        if collected.refused_commands > 0 {
            let count = collected.refused_commands;
            tools.observer.alarm(Alarm::CommandsRefused { partition, count });
        }
        let count = collected.write.dead_letters.len() as u64;
        if count > 0 {
            tools.observer.alarm(Alarm::DeadLetters { partition, count });
        }
    }
}

/// A turn ends before a second redrive of one dead letter: whether it is still open then depends on
/// the first.
fn until_second_redrive(
    mut requests: Vec<crate::model::Stored<crate::model::Request>>,
) -> Vec<crate::model::Stored<crate::model::Request>> {
    let mut named = std::collections::BTreeSet::new();
    let second = requests.iter().position(|r| r.record.redrive.is_some_and(|n| !named.insert(n)));
    if let Some(second) = second {
        requests.truncate(second);
    }
    requests
}

/// Reads the open dead letters that requests name, before anything is decided.
fn open_letters(
    partition: PartitionId,
    taken: &Taken,
    standing: &Standing,
    tools: &mut Tools<'_>,
) -> Result<BTreeMap<DeadLetterNumber, OpenLetter>, Stop> {
    let mut letters = BTreeMap::new();
    for number in taken.requests.iter().filter_map(|r| r.record.redrive) {
        if !standing.dead_letters_open.contains(&number) {
            continue;
        }
        let Some(bytes) = tools.log.read_dead_letter(partition, number)? else { continue };
        let letter: DeadLetter =
            decode_message(&bytes).map_err(|e| Stop::Halt(format!("dead letter {number}: {e}")))?;
        let event = match letter.subject {
            Some(Subject::Event(event)) => {
                let one = Limit { records: 1, bytes: usize::MAX };
                tools.log.read_events(partition, event, one)?.into_iter().next()
            }
            _ => None,
        };
        letters.insert(number, OpenLetter { letter, event });
    }
    Ok(letters)
}

/// The numbers seen after these items, when later ones were not decided.
fn seen_until(items: &[Item], taken: &Taken, before: &Standing) -> crate::channels::Channels {
    let mut seen = before.seen.clone();
    let commands = items.iter().filter(|i| matches!(i.place, Place::Commands(_))).count();
    for stored in &taken.commands[..commands] {
        if let Some(stamp) = stored.record.channel
            && seen.arrival(stamp) == crate::channels::Arrival::New
        {
            seen.advance(stamp.from, stamp.number);
        }
    }
    seen
}

fn report(
    partition: PartitionId,
    items: &[Item],
    decided: &Decided,
    reacted: &crate::turn::Reacted,
) -> TurnReport {
    let mut report = TurnReport {
        partition: Some(partition),
        events: decided.events.len() as u64,
        sent: reacted.commands.len() as u64,
        faults: reacted.parked.len() as u64,
        ..TurnReport::default()
    };
    for (item, verdict) in items.iter().zip(&decided.verdicts) {
        match item.place {
            Place::Commands(_) => report.commands += 1,
            Place::Requests(_) => report.requests += 1,
        }
        match verdict {
            Verdict::Refused { .. } | Verdict::Reused => report.refused += 1,
            Verdict::Duplicate { .. } => report.duplicates += 1,
            Verdict::Fault(_) => report.faults += 1,
            _ => {}
        }
    }
    report
}

/// The time of each step by the observer's clock.
struct StepClock {
    last: u64,
    step_ns: [u64; 5],
}

impl StepClock {
    fn start(observer: &mut dyn Observer) -> Self {
        Self { last: observer.clock_ns(), step_ns: [0; 5] }
    }

    fn lap(&mut self, step: usize, observer: &mut dyn Observer) {
        let now = observer.clock_ns();
        self.step_ns[step] = now.saturating_sub(self.last);
        self.last = now;
    }
}
