//! A switch without a runtime: the handlers in one process, choreography as one queue.
//!
//! Tables come behind: what is looked up is as it was when the switch last came to rest, or a step let
//! them get on. Nothing is stored, numbered, deduplicated or sandboxed here; what the contract demands of
//! handlers (states equal their fold, one answer for each command, an event for each deadline) is
//! checked on the way.

mod directory;
mod store;
mod switch;
mod tables;

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, OnceLock};

use anyhow::{bail, ensure};
use serde_json::Value;
use zamu_guest::columns::{
    self, ACCEPTED, Aggregates, Blobs, Commands, Heard, NOTHING, Outcomes, Past, REFUSED, States,
    WAKE,
};
use zamu_guest::testing::{Engine, ReferenceRows, Setting};

use self::directory::{Directory, TypeId};
use self::store::{Kept, Store};
use crate::fixture;
use crate::switch::{Command, Outcome};

/// Who sends clients' commands.
const CLIENT: &str = "scenario";

/// The native switch.
pub struct Native {
    handlers: Vec<Member>,
    directory: Arc<Directory>,
    store: Store,
    /// Events that have not been reacted to.
    happened: VecDeque<Happened>,
    /// Events that no rows have been made of.
    unprojected: VecDeque<Happened>,
    /// All rows of all tables, as far as they have come.
    rows: ReferenceRows,
    /// Commands that have not been decided.
    sent: VecDeque<Asked>,
    /// What aggregates were asked by others, and have decided.
    taken: Vec<Asked>,
    /// How many commands aggregates have sent to others.
    numbered: u64,
    /// The types that hear nothing of others at the moment.
    held: BTreeSet<TypeId>,
    batch_max: usize,
    commands: u64,
    now_ms: u64,
    /// The outcome of each posted command.
    posted: Vec<Outcome>,
}

/// A handler, how it is configured, and what it finds in reference tables.
struct Member {
    engine: Box<dyn Engine>,
    setting: Setting,
}

/// An event, by its aggregate and its place there.
struct Happened {
    aggregate: usize,
    at: usize,
}

/// A command, or a Wake.
#[derive(Clone)]
struct Asked {
    aggregate: usize,
    /// The owner's index, or [`WAKE`].
    kind: u32,
    time_ms: u64,
    source: &'static str,
    /// Ascends in what aggregates send to others; nothing on what anyone else sends.
    number: Option<u64>,
    body: Vec<u8>,
}

impl Native {
    /// The handlers of the transfer switch, with these configurations by name, deciding at most so
    /// many commands at once.
    ///
    /// # Errors
    /// If a manifest cannot be read, or a configuration is for no handler.
    pub fn new(configuration: &[(String, String)], batch_max: usize) -> anyhow::Result<Self> {
        // The manifests are the same every time, and reading them costs more than a short story.
        static DIRECTORY: OnceLock<Arc<Directory>> = OnceLock::new();
        let mut engines = handlers();
        let directory = match DIRECTORY.get() {
            Some(directory) => Arc::clone(directory),
            None => {
                let directory = Arc::new(read(&mut engines)?);
                Arc::clone(DIRECTORY.get_or_init(|| directory))
            }
        };
        Self::with(engines, directory, configuration, batch_max)
    }

    /// Any handlers, however they are run.
    ///
    /// # Errors
    /// As [`Native::new`].
    pub fn of(
        engines: impl IntoIterator<Item = Box<dyn Engine>>,
        configuration: &[(String, String)],
        batch_max: usize,
    ) -> anyhow::Result<Self> {
        let mut engines: Vec<_> = engines.into_iter().collect();
        let directory = Arc::new(read(&mut engines)?);
        Self::with(engines, directory, configuration, batch_max)
    }

    fn with(
        engines: Vec<Box<dyn Engine>>,
        directory: Arc<Directory>,
        configuration: &[(String, String)],
        batch_max: usize,
    ) -> anyhow::Result<Self> {
        let member = |engine| Member { engine, setting: Setting::new() };
        let mut handlers: Vec<Member> = engines.into_iter().map(member).collect();
        for (name, json) in configuration {
            handlers[directory.handler(name)?].setting.configuration = json.clone().into_bytes();
        }
        Ok(Self {
            handlers,
            directory,
            store: Store::default(),
            happened: VecDeque::new(),
            unprojected: VecDeque::new(),
            rows: ReferenceRows::default(),
            sent: VecDeque::new(),
            taken: Vec::new(),
            numbered: 0,
            held: BTreeSet::new(),
            batch_max,
            commands: 0,
            now_ms: fixture::START_MS,
            posted: Vec::new(),
        })
    }

    /// How many commands were decided and how many events happened: the cost of what was played.
    #[must_use]
    pub fn counts(&self) -> (u64, usize) {
        (self.commands, self.store.aggregates.iter().map(|stored| stored.events.len()).sum())
    }

    fn find_named(&self, aggregate_type: &str, key: &str) -> anyhow::Result<Option<usize>> {
        let found = self.store.find(self.directory.known(aggregate_type)?, key);
        Ok(found.filter(|index| !self.store.aggregates[*index].events.is_empty()))
    }

    /// Who owns an aggregate, and the index of its type there.
    fn owner_of(&self, aggregate: usize) -> anyhow::Result<(usize, u32)> {
        self.directory.owner(self.store.aggregates[aggregate].aggregate_type)
    }

    fn asked(&mut self, command: Command) -> anyhow::Result<Asked> {
        let aggregate_type = self.directory.known(&command.aggregate_type)?;
        let kind = self.directory.command(aggregate_type, &command.kind)?;
        Ok(Asked {
            aggregate: self.store.find_or_add(aggregate_type, &command.key),
            kind,
            time_ms: self.now_ms,
            source: CLIENT,
            number: None,
            body: command.body.into_bytes(),
        })
    }

    /// The Wake that this aggregate wants.
    fn wake(&self, aggregate: usize) -> Asked {
        Asked {
            aggregate,
            kind: WAKE,
            time_ms: self.now_ms,
            source: columns::HOST_SOURCE,
            number: None,
            body: Vec::new(),
        }
    }

    fn type_of(&self, asked: &Asked) -> TypeId {
        self.store.aggregates[asked.aggregate].aggregate_type
    }

    /// Decides commands for aggregates of one type, in one call.
    fn decide(&mut self, asked: &[Asked]) -> anyhow::Result<Vec<Outcome>> {
        let Some(first) = asked.first() else { return Ok(Vec::new()) };
        let (owner, type_index) = self.directory.owner(self.type_of(first))?;
        let mut slots: Vec<usize> = Vec::new();
        let mut commands = Commands::default();
        for (index, command) in asked.iter().enumerate() {
            let known = slots.iter().position(|aggregate| *aggregate == command.aggregate);
            let slot = known.unwrap_or_else(|| {
                slots.push(command.aggregate);
                slots.len() - 1
            });
            commands.slot.push(slot as u32);
            commands.kind.push(command.kind);
            commands.time.push(command.time_ms);
            commands.sources.push(command.source.as_bytes());
            commands.ids.push(format!("{}", self.commands + index as u64).as_bytes());
            commands.correlations.push(b"");
            commands.principals.push(b"anonymous");
            commands.bodies.push(&command.body);
        }
        self.commands += asked.len() as u64;
        let aggregates = self.store.columns(type_index, &slots);
        let member = &mut self.handlers[owner];
        let decision = member.engine.decide(&aggregates, &commands, &member.setting)?;
        ensure!(decision.outcomes.code.len() == asked.len(), "one outcome for each command");

        let mut past = Past::default();
        for index in 0..decision.events.kind.len() {
            past.slot.push(commands.slot[decision.events.cause[index] as usize]);
            past.kind.push(decision.events.kind[index]);
            past.time.push(commands.time[decision.events.cause[index] as usize]);
            past.bodies.push(decision.events.bodies.get(index));
        }
        let folded = member.engine.evolve(&aggregates, &past)?;
        self.apply(&slots, &past, &decision.states, &folded)?;
        for (index, command) in asked.iter().enumerate() {
            let answered = decision.outcomes.code[index] == ACCEPTED
                && decision.events.cause.contains(&(index as u32));
            ensure!(command.kind != WAKE || answered, "a deadline is answered with an event");
        }
        (0..asked.len()).map(|index| outcome(&decision.outcomes, index)).collect()
    }

    /// Keeps events and the states that they lead to.
    fn apply(
        &mut self,
        slots: &[usize],
        past: &Past,
        decided: &States,
        folded: &States,
    ) -> anyhow::Result<()> {
        for index in 0..past.kind.len() {
            let slot = past.slot[index] as usize;
            let aggregate = slots[slot];
            let stored = &self.store.aggregates[aggregate];
            let is_shown =
                !self.directory.projectors(stored.aggregate_type, past.kind[index]).is_empty();
            ensure!(
                decided.bytes.get(slot) == folded.bytes.get(slot)
                    && decided.schemas[slot] == folded.schemas[slot]
                    && decided.wake_at[slot] == folded.wake_at[slot],
                "{} {}: decide leaves {} until {}, evolve {} until {}",
                self.directory.name(stored.aggregate_type),
                stored.key,
                String::from_utf8_lossy(decided.bytes.get(slot)),
                decided.wake_at[slot],
                String::from_utf8_lossy(folded.bytes.get(slot)),
                folded.wake_at[slot],
            );
            self.store.put(aggregate, decided, slot);
            let (kind, time_ms) = (past.kind[index], past.time[index]);
            let at = self.store.add_event(aggregate, kind, time_ms, past.bodies.get(index));
            self.happened.push_back(Happened { aggregate, at });
            if is_shown {
                self.unprojected.push_back(Happened { aggregate, at });
            }
        }
        Ok(())
    }

    /// Hands an event to every handler that hears it, and queues what they ask for.
    fn react(&mut self, event: &Happened) -> anyhow::Result<()> {
        let stored = &self.store.aggregates[event.aggregate];
        let Kept { kind, time_ms, body } = &stored.events[event.at];
        let mut asked: Vec<(TypeId, String, u32, Vec<u8>)> = Vec::new();
        for hearer in self.directory.hearers(stored.aggregate_type, *kind) {
            let heard = Heard {
                aggregate_type: vec![hearer.aggregate_type],
                keys: [&stored.key].into_iter().collect(),
                sequences: vec![event.at as u64 + 1],
                kind: vec![hearer.kind],
                time: vec![*time_ms],
                correlations: [""].into_iter().collect(),
                principals: ["anonymous"].into_iter().collect(),
                bodies: [body].into_iter().collect(),
            };
            let member = &mut self.handlers[hearer.handler];
            let sent = member.engine.react(&heard, &member.setting)?;
            for index in 0..sent.kind.len() {
                let (to, kind) = (sent.aggregate_type[index], sent.kind[index]);
                let (aggregate_type, kind) = self.directory.sent(hearer.handler, to, kind)?;
                let key = String::from_utf8(sent.keys.get(index).to_vec())?;
                asked.push((aggregate_type, key, kind, sent.bodies.get(index).to_vec()));
            }
        }
        let time_ms = *time_ms;
        for (aggregate_type, key, kind, body) in asked {
            let aggregate = self.store.find_or_add(aggregate_type, &key);
            self.numbered += 1;
            let (source, number) = (scheme::SWITCH_SOURCE, Some(self.numbered));
            self.sent.push_back(Asked { aggregate, kind, time_ms, source, number, body });
        }
        Ok(())
    }

    fn react_to_all(&mut self) -> anyhow::Result<()> {
        while let Some(event) = self.happened.pop_front() {
            self.react(&event)?;
        }
        Ok(())
    }

    /// Decides what event handlers asked for, or Wakes: anything but acceptance is a defect. What has
    /// arrived before is dropped.
    fn decide_sent(&mut self, mut batch: Vec<Asked>) -> anyhow::Result<()> {
        batch.retain(|command| self.store.arrives(command.aggregate, command.number));
        for (command, outcome) in batch.iter().zip(self.decide(&batch)?) {
            ensure!(
                matches!(outcome, Outcome::Accepted { .. }),
                "{} for {} {} was to be accepted: {outcome:?}",
                self.directory.kind_name(self.type_of(command), command.kind),
                self.directory.name(self.type_of(command)),
                self.store.aggregates[command.aggregate].key
            );
        }
        self.taken.extend(batch);
        Ok(())
    }

    fn is_held(&self, command: &Asked) -> bool {
        self.held.contains(&self.type_of(command))
    }

    /// The next commands that can be decided in one call: the first that is not held back, and those
    /// behind it for the same type.
    fn next_batch(&mut self) -> Vec<Asked> {
        let mut batch: Vec<Asked> = Vec::new();
        let Some(at) = self.sent.iter().position(|command| !self.is_held(command)) else {
            return batch;
        };
        let of_type = self.type_of(&self.sent[at]);
        let is_alike =
            |next: &Asked| self.store.aggregates[next.aggregate].aggregate_type == of_type;
        while batch.len() < self.batch_max && self.sent.get(at).is_some_and(is_alike) {
            batch.extend(self.sent.remove(at));
        }
        batch
    }

    /// Folds an aggregate's events again from the first one.
    fn refold(&mut self, index: usize) -> anyhow::Result<()> {
        let stored = &self.store.aggregates[index];
        let (owner, type_index) = self.directory.owner(stored.aggregate_type)?;
        let (mut aggregates, mut past) = (Aggregates::default(), Past::default());
        aggregates.aggregate_type.push(type_index);
        aggregates.keys.push(stored.key.as_bytes());
        aggregates.sequences.push(0);
        aggregates.schemas.push(0);
        aggregates.states.push(b"");
        for event in &stored.events {
            past.slot.push(0);
            past.kind.push(event.kind);
            past.time.push(event.time_ms);
            past.bodies.push(&event.body);
        }
        let folded = self.handlers[owner].engine.evolve(&aggregates, &past)?;
        ensure!(
            folded.bytes.get(0) == stored.state
                && folded.schemas[0] == stored.schema
                && folded.wake_at[0] == stored.wake_at,
            "I7: {}: all events lead to {}, the state is {}",
            stored.key,
            String::from_utf8_lossy(folded.bytes.get(0)),
            String::from_utf8_lossy(&stored.state),
        );
        Ok(())
    }
}

/// The handlers of the transfer switch.
fn handlers() -> Vec<Box<dyn Engine>> {
    vec![
        Box::new(participants::handler()),
        Box::new(accounts::handler()),
        Box::new(transfers::handler()),
        Box::new(::directory::handler()),
    ]
}

fn read(engines: &mut [Box<dyn Engine>]) -> anyhow::Result<Directory> {
    let manifests: Result<Vec<Value>, _> =
        engines.iter_mut().map(|engine| serde_json::from_str(&engine.describe())).collect();
    Directory::of(&manifests?)
}

fn outcome(outcomes: &Outcomes, index: usize) -> anyhow::Result<Outcome> {
    let text = |blobs: &Blobs| String::from_utf8_lossy(blobs.get(index)).into_owned();
    let reply = match outcomes.replies.get(index) {
        b"" => None,
        reply => Some(serde_json::from_slice(reply)?),
    };
    Ok(match outcomes.code[index] {
        ACCEPTED => Outcome::Accepted { reply },
        NOTHING => Outcome::Nothing { reply },
        REFUSED => {
            let (code, details) = (text(&outcomes.reasons), text(&outcomes.details));
            Outcome::Refused { code, details }
        }
        other => bail!("no such outcome: {other}"),
    })
}
