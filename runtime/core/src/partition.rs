//! One partition: where it stands, its aggregates in memory, and its turn.
//!
//! Invariants: turns that are not durable are kept apart, newest last, and can be thrown away; what
//! is told to readers, clients and the store comes from durable turns only.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use crate::aggregate::{Aggregate, decode as decode_message};
use crate::deadlines::{Deadlines, Hint};
use crate::error::EngineError;
use crate::failpoints;
use crate::fault_rate::{FaultRate, Rates};
use crate::flush::Flush;
use crate::guest::Guest;
use crate::log::{CommitId, InputPositions, Limit, ShardLog, TurnWrite};
use crate::memory::Memory;
use crate::model::{DeadLetterNumber, EventNumber, PartitionId, Request, Time, TurnNumber, Wake};
use crate::observer::{Alarm, Observer, TurnReport};
use crate::outcomes::{Standing, decode_record};
use crate::proto::{BatchRecord, DeadLetter, dead_letter::Subject};
use crate::restore::Restore;
use crate::settings::Settings;
use crate::store::Store;
use crate::topology::Topology;
use crate::turn::decide::{Decider, Undecided};
use crate::turn::decode::{Known, OpenLetter};
use crate::turn::{self, Decided, Item, Place, Reacted, Reaction, Sender, Taken, Task, Verdict};
use crate::turn::{collect, decode, load, react};
use crate::working::{Cached, Working, read};

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
///
/// | status | takes turns | is flushed and released | can be read |
/// |---|---|---|---|
/// | restoring | no | flushed at the bound of memory | no |
/// | running | yes | yes | yes |
/// | paused, waiting, leaving | no | yes | yes |
/// | halted | no | yes | yes |
/// | halted, out of service | no | no | no |
///
/// A partition that halts while it is being restored, or whose store fails for good, is *out of
/// service*: memory and store together are not what the log says. It keeps nothing in memory.
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
    /// A guest could not be run, through no fault of what it was asked: to be tried again, but not
    /// for ever.
    Host(String),
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
    pub(crate) deadlines: Deadlines,
    rate: FaultRate,
    reaction_rates: Rates,
    trouble: Option<Trouble>,
    /// Why it is to pause once it is restored: it was paused when it had to start over.
    pub(crate) paused: Option<String>,
    /// The last turn that was told before it had to start over: later ones may be durable.
    owes_after: Option<TurnNumber>,
    pub(crate) restore: Option<Restore>,
    /// Whether memory and store together are what the log says.
    pub(crate) restored: bool,
    pub(crate) flush: Flush,
    /// Append time of the last request that a durable turn of this process took. None that still
    /// comes is older.
    pub(crate) requests_time: Time,
}

/// The item that brought an event, and the only handler that reacts to it, if not all do.
type ReactedTo = (usize, Option<Arc<str>>);

/// Guests could not be run.
#[derive(Debug)]
struct Trouble {
    /// How often in a row.
    tries: u32,
    /// When to try again.
    until: Time,
}

/// A turn that is not durable yet.
#[derive(Debug)]
struct Layer {
    commit: CommitId,
    standing: Standing,
    changed: Vec<(Bytes, Arc<Aggregate>)>,
    record: Arc<BatchRecord>,
    /// Append time of the last request that it took.
    requests_time: Option<Time>,
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
            deadlines: Deadlines::default(),
            rate: FaultRate::new(settings),
            reaction_rates: Rates::new(settings),
            trouble: None,
            paused: None,
            owes_after: None,
            restore: None,
            restored: false,
            flush: Flush::default(),
            requests_time: Time::default(),
        }
    }

    /// Takes one turn for a commit, if there is input or a deadline has come (by `wake_until`, if
    /// anybody is to be woken): computes it on top of all earlier ones.
    ///
    /// # Errors
    /// When no turn can be taken; the partition is as before.
    pub fn turn(
        &mut self,
        commit: CommitId,
        wake_until: Option<Time>,
        tools: &mut Tools<'_>,
    ) -> Result<Option<TurnWrite>, Stop> {
        let taken = self.take(tools)?;
        let wakes = match wake_until {
            Some(now) => self.wake(commit, now, tools)?,
            None => Vec::new(),
        };
        if taken.commands.is_empty() && taken.requests.is_empty() && wakes.is_empty() {
            return Ok(None);
        }
        let turn = self.compute(commit, taken, wakes, tools);
        if turn.is_err() {
            self.deadlines.discard_from(commit);
        }
        turn.map(Some)
    }

    fn compute(
        &mut self,
        commit: CommitId,
        taken: Taken,
        wakes: Vec<Request>,
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
        let mut pause: Option<String> = None;
        let (working, decided, reactions, reacted) = loop {
            let answered = self.answer(&items, &before, &mut clock, tools);
            // It pauses in any case, and takes the turn later if that could not be decided again.
            let answered = answered.map_err(|stop| pause.clone().map_or(stop, Stop::Pause))?;
            let (_, decided, _, reacted) = &answered;
            let pauses = [&decided.pause, &reacted.pause].into_iter().flatten();
            let Some(first) = pauses.min_by_key(|pause| pause.after) else { break answered };
            pause = Some(first.reason.clone());
            if first.after + 1 == items.len() {
                break answered;
            }
            // What came after was decided as if the partition went on: once more without it.
            items.truncate(first.after + 1);
            seen = seen_until(&items, &taken, &before);
            self.rate.rest();
            self.reaction_rates.rest();
        };
        self.trouble = None;
        let mut report = report(self.id, &items, &decided, &reacted);
        report.wakes_sent = wakes.len() as u64;
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
            wakes,
        };
        let collected = collect::collect(turn);
        clock.lap(4, tools.observer);
        report.step_ns = clock.step_ns;
        report.turn = collected.standing.turn;
        self.tell(&report, &collected, tools);
        if let Some(reason) = pause {
            self.pause(reason, tools.observer);
        }
        let requests_time = last_request(&taken, collected.standing.input);
        Ok(self.stack(commit, collected, working, requests_time))
    }

    /// Wakes for the aggregates whose deadlines have come, to be appended by this commit.
    fn wake(
        &mut self,
        commit: CommitId,
        now: Time,
        tools: &mut Tools<'_>,
    ) -> Result<Vec<Request>, Stop> {
        if self.deadlines.earliest().is_none_or(|earliest| earliest > now) {
            return Ok(Vec::new());
        }
        let due = self.deadlines.due(now, self.id, tools.store)?;
        let wanting = self.look_up(&due.hints, tools)?;
        self.deadlines.looked_at(&due);
        let mut wakes = self.deadlines.take_again(now);
        for (hint, aggregate) in due.hints.into_iter().zip(wanting) {
            let wanted = aggregate.as_ref().is_some_and(|a| a.deadline() == Some(hint.0));
            match aggregate {
                _ if self.deadlines.is_asked(&hint) => {}
                Some(aggregate) if wanted => {
                    let wake = Wake { sequence: aggregate.sequence, deadline: hint.0 };
                    wakes.push((hint.1, wake));
                }
                _ => self.deadlines.drop_stale(hint),
            }
        }
        let again = now.plus_ms(tools.settings.wake_retry_ms);
        let name = &tools.topology.settings(self.id.aggregate_type).name;
        let request = |(key, wake): (Bytes, Wake)| {
            self.deadlines.ask(&key, wake, commit, again);
            turn::wake_request(name, key, wake)
        };
        Ok(wakes.into_iter().map(request).collect())
    }

    /// The durable aggregates of hints, in their order.
    fn look_up(
        &mut self,
        hints: &[Hint],
        tools: &mut Tools<'_>,
    ) -> Result<Vec<Option<Arc<Aggregate>>>, Stop> {
        let mut found: Vec<_> = hints.iter().map(|(_, key)| self.memory.durable(key)).collect();
        let missing: Vec<usize> = (0..found.len()).filter(|i| found[*i].is_none()).collect();
        let keys: Vec<Bytes> = missing.iter().map(|i| hints[*i].1.clone()).collect();
        if keys.is_empty() {
            return Ok(found);
        }
        for (i, record) in missing.into_iter().zip(tools.store.get(self.id, &keys)?) {
            let Some(record) = record else { continue };
            let key = &hints[i].1;
            let aggregate = Arc::new(read(key, &record)?);
            // The turn that takes its Wake finds it here.
            self.memory.keep(key, &aggregate);
            found[i] = Some(aggregate);
        }
        Ok(found)
    }

    /// Puts in a durable aggregate that is not in the store yet.
    pub(crate) fn change(&mut self, key: Bytes, aggregate: Arc<Aggregate>) {
        let before = self.memory.change(key.clone(), Arc::clone(&aggregate));
        self.deadlines.changed(&key, before.and_then(|before| before.deadline()), &aggregate);
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

    /// Loads, decides and reacts. The result is worth a turn if nothing of it says to pause before
    /// the last item.
    fn answer(
        &mut self,
        items: &[Item],
        before: &Standing,
        clock: &mut StepClock,
        tools: &mut Tools<'_>,
    ) -> Result<(Working, Decided, Vec<ReactedTo>, Reacted), Stop> {
        let topology = tools.topology;
        let owner = &topology.handlers[topology.owner(self.id.aggregate_type)];
        let mut working = load::load(items, self.id, owner, &mut self.memory, tools.store)?;
        clock.lap(1, tools.observer);
        let decided = self.decide(items, &mut working, before, tools)?;
        clock.lap(2, tools.observer);
        let reactions = collect::reactions(items, &decided);
        let reacted = self.react(&reactions, tools)?;
        let reactions = reactions.iter().map(|r| (r.item, r.only.map(Arc::from))).collect();
        clock.lap(3, tools.observer);
        Ok((working, decided, reactions, reacted))
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
        decider.run(items).map_err(|undecided| match undecided {
            Undecided::Mismatch(what) => Stop::Pause(what),
            Undecided::Later(fault) => {
                Stop::Host(format!("handler `{}`: {fault}", self.owner(tools.topology)))
            }
        })
    }

    fn react(
        &mut self,
        reactions: &[Reaction<'_>],
        tools: &mut Tools<'_>,
    ) -> Result<Reacted, Stop> {
        let rates = &mut self.reaction_rates;
        react::react(reactions, self.id, tools.topology, tools.guests, rates)
            .map_err(|fault| Stop::Host(format!("an event handler: {fault}")))
    }

    fn owner<'a>(&self, topology: &'a Topology) -> &'a str {
        &topology.handlers[topology.owner(self.id.aggregate_type)].spec.name
    }

    /// Puts a computed turn on top of the others.
    fn stack(
        &mut self,
        commit: CommitId,
        collected: collect::Collected,
        working: Working,
        requests_time: Option<Time>,
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
        self.layers.push_back(Layer { commit, standing, changed, record, requests_time });
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
            for (key, aggregate) in layer.changed {
                self.memory.make_durable(layer.commit, &key);
                self.change(key, aggregate);
            }
            self.durable = layer.standing;
            self.requests_time = layer.requests_time.unwrap_or(self.requests_time);
            records.push(layer.record);
        }
        records
    }

    /// The commits from this one on did not happen: what was computed for them is thrown away.
    pub fn discard_from(&mut self, commit: CommitId) {
        self.layers.retain(|layer| layer.commit < commit);
        self.deadlines.discard_from(commit);
        self.memory.discard(self.layers.iter().map(|layer| (layer.commit, &layer.changed[..])));
    }

    /// Forgets what the log knows better, to be restored from it. What only this process knows is
    /// kept: a pause, how many faulted, and which turns have been told.
    pub fn start_over(&mut self, settings: &Settings) {
        let before = std::mem::replace(self, Self::new(self.id, settings));
        self.owes_after = before.owes_after;
        if before.restored {
            self.owes_after = self.owes_after.or(Some(before.durable.turn));
        }
        (self.rate, self.reaction_rates) = (before.rate, before.reaction_rates);
        self.paused = before.paused;
        match before.status {
            Status::Halted(_) | Status::Leaving => self.status = before.status,
            Status::Paused(reason) => self.paused = Some(reason),
            Status::Restoring | Status::Running | Status::Waiting(_) => {}
        }
    }

    /// The batch records of turns that turned out to be durable when it had to start over, oldest
    /// first: nobody has been told of them.
    ///
    /// # Errors
    /// When they cannot be read: `Retry` to ask again later.
    pub fn take_owed(
        &mut self,
        log: &mut dyn ShardLog,
    ) -> Result<Vec<Arc<BatchRecord>>, EngineError> {
        let Some(told) = self.owes_after else { return Ok(Vec::new()) };
        let last = log.last_outcome(self.id)?.map_or(0, |(turn, _)| turn);
        let mut records: Vec<Arc<BatchRecord>> = Vec::new();
        while told + (records.len() as u64) < last {
            let next = told + records.len() as u64 + 1;
            let limit = Limit { records: (last + 1 - next) as usize, bytes: usize::MAX };
            let page = log.read_outcomes(self.id, next, limit)?;
            if page.is_empty() {
                return Err(EngineError::Damaged(format!(
                    "batch record of turn {next} is missing"
                )));
            }
            for (turn, bytes) in page {
                let record = decode_record(&bytes).map_err(|e| {
                    EngineError::Damaged(format!("batch record of turn {turn}: {e}"))
                })?;
                records.push(Arc::new(record));
            }
        }
        self.owes_after = None;
        Ok(records)
    }

    /// Nobody will be told any more.
    pub fn drop_owed(&mut self) {
        self.owes_after = None;
    }

    /// Whether turns may have to be told that turned out to be durable.
    #[must_use]
    pub fn owes(&self) -> bool {
        self.owes_after.is_some()
    }

    /// A guest could not be run: tries again later, and gives up after too many times.
    pub fn trouble(
        &mut self,
        reason: &str,
        now: Time,
        settings: &Settings,
        observer: &mut dyn Observer,
    ) {
        let tries = self.trouble.take().map_or(0, |trouble| trouble.tries) + 1;
        if tries < settings.host_tries {
            let wait = (1 << (tries - 1).min(10)).min(1_000);
            self.trouble = Some(Trouble { tries, until: now.plus_ms(wait) });
            return;
        }
        let reason = format!("could not be run {tries} times in a row: {reason}");
        if self.status == Status::Restoring {
            self.halt(format!("{reason}. Restart when the machine can run it"), observer);
        } else {
            self.pause(format!("{reason}. Resume when the machine can run it"), observer);
        }
    }

    /// When it will try again to run a guest that could not be run.
    #[must_use]
    pub fn tries_again(&self) -> Option<Time> {
        self.trouble.as_ref().map(|trouble| trouble.until)
    }

    /// Stops taking turns until an operator resumes it.
    pub fn pause(&mut self, reason: String, observer: &mut dyn Observer) {
        observer.alarm(Alarm::Paused { partition: self.id, reason: &reason });
        self.status = Status::Paused(reason);
    }

    /// Stops for good. What is not restored by then never will be, and is dropped.
    pub fn halt(&mut self, reason: String, observer: &mut dyn Observer) {
        if !self.restored {
            self.memory = Memory::default();
            self.flush = Flush::default();
            self.deadlines = Deadlines::default();
            self.restore = None;
        }
        observer.alarm(Alarm::Halted { partition: self.id, reason: &reason });
        self.status = Status::Halted(reason);
    }

    /// Stops for good because the store failed: nothing more is written to it.
    pub fn halt_without_store(&mut self, error: &EngineError, observer: &mut dyn Observer) {
        self.restored = false;
        self.halt(format!("store: {error}"), observer);
    }

    /// Whether it halted with memory and store not being what the log says.
    #[must_use]
    pub fn is_out_of_service(&self) -> bool {
        matches!(self.status, Status::Halted(_)) && !self.restored
    }

    /// Turn and next event of all that is durable and folded here.
    pub(crate) fn folded_to(&self) -> (TurnNumber, EventNumber) {
        let durable = (self.durable.turn, self.durable.events_next);
        self.restore.as_ref().map_or(durable, Restore::folded_to)
    }

    /// Bytes that wait for a flush.
    #[must_use]
    pub fn unflushed_bytes(&self) -> usize {
        if self.is_out_of_service() { 0 } else { self.memory.unflushed_bytes() }
    }

    /// Whether nothing is left to be done for what is durable.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.is_out_of_service()
            || (self.status != Status::Restoring && !self.is_behind() && !self.memory.has_changed())
    }

    /// Goes on after a pause. Does nothing otherwise.
    pub fn resume(&mut self) -> bool {
        let paused = matches!(self.status, Status::Paused(_));
        if paused {
            self.status = Status::Running;
        }
        let paused = paused | self.paused.take().is_some();
        if paused {
            self.rate.reset();
            self.reaction_rates.reset();
            self.trouble = None;
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
        if report.given_up > 0 {
            tools.observer.alarm(Alarm::DeadlinesGivenUp { partition, count: report.given_up });
        }
        let count = collected.write.dead_letters.len() as u64;
        if count > 0 {
            tools.observer.alarm(Alarm::DeadLetters { partition, count });
        }
    }
}

/// Append time of the last taken request below a position.
fn last_request(taken: &Taken, input: InputPositions) -> Option<Time> {
    let last = taken.requests.iter().rfind(|r| r.offset < input.requests);
    last.map(|request| request.appended)
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
    reacted: &Reacted,
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
            Verdict::Unwanted(_) => report.wakes_unwanted += 1,
            _ => {}
        }
        if let (Task::Decide(ask), Verdict::Fault(_)) = (&item.task, verdict)
            && matches!(ask.sender, Sender::Wake(_))
        {
            report.given_up += 1;
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
        self.step_ns[step] += now.saturating_sub(self.last);
        self.last = now;
    }
}
