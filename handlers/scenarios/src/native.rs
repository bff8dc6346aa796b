//! A switch without a runtime: the handlers in one process, choreography as one queue.
//!
//! Nothing is stored, numbered, deduplicated or sandboxed here; what the contract demands of
//! handlers (states equal their fold, one answer for each command) is checked on the way.

use std::collections::{BTreeMap, VecDeque};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use zamu_guest::columns::{
    ACCEPTED, Aggregates, Blobs, Commands, Heard, NOTHING, Past, REFUSED, States,
};
use zamu_guest::testing::Engine;

use crate::fixture;
use crate::switch::{Command, Driven, End, Event, Outcome, Switch};

/// The native switch.
pub struct Native {
    handlers: Vec<Member>,
    aggregates: BTreeMap<(String, String), Stored>,
    /// Events that have not been reacted to.
    happened: VecDeque<Happened>,
    /// Commands that have not been decided.
    sent: VecDeque<Asked>,
    batch_max: usize,
    commands: u64,
    now_ms: u64,
    /// The outcome of each posted command.
    posted: Vec<Outcome>,
}

/// A handler, what it says of itself, and how it is configured.
struct Member {
    engine: Box<dyn Engine>,
    manifest: Value,
    configuration: Vec<u8>,
}

#[derive(Clone, Default)]
struct Stored {
    state: Vec<u8>,
    schema: u32,
    events: Vec<(String, Vec<u8>)>,
}

#[derive(Clone)]
struct Happened {
    aggregate_type: String,
    key: String,
    sequence: u64,
    kind: String,
    time_ms: u64,
    body: Vec<u8>,
}

struct Asked {
    aggregate_type: String,
    key: String,
    kind: String,
    time_ms: u64,
    source: &'static str,
    body: Vec<u8>,
}

impl Native {
    /// The handlers of the transfer switch, with these configurations by name, deciding at most so
    /// many commands at once.
    ///
    /// # Errors
    /// If a manifest cannot be read, or a configuration is for no handler.
    pub fn new(configuration: &[(String, String)], batch_max: usize) -> anyhow::Result<Self> {
        let engines: [Box<dyn Engine>; 3] = [
            Box::new(participants::handler()),
            Box::new(accounts::handler()),
            Box::new(transfers::handler()),
        ];
        Self::of(engines, configuration, batch_max)
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
        let mut handlers = Vec::new();
        for mut engine in engines {
            let manifest: Value = serde_json::from_str(&engine.describe())?;
            handlers.push(Member { engine, manifest, configuration: Vec::new() });
        }
        for (name, json) in configuration {
            let member = handlers.iter_mut().find(|member| member.manifest["name"] == **name);
            member.with_context(|| format!("no handler {name}"))?.configuration =
                json.clone().into_bytes();
        }
        Ok(Self {
            handlers,
            aggregates: BTreeMap::new(),
            happened: VecDeque::new(),
            sent: VecDeque::new(),
            batch_max,
            commands: 0,
            now_ms: fixture::START_MS,
            posted: Vec::new(),
        })
    }

    /// How many commands were decided and how many events happened: the cost of what was played.
    #[must_use]
    pub fn counts(&self) -> (u64, usize) {
        (self.commands, self.aggregates.values().map(|stored| stored.events.len()).sum())
    }

    /// Decides commands for aggregates of one type, in one call.
    fn decide(&mut self, asked: &[Asked]) -> anyhow::Result<Vec<Outcome>> {
        let Some(first) = asked.first() else { return Ok(Vec::new()) };
        let aggregate_type = first.aggregate_type.clone();
        let owner = self.owner(&aggregate_type)?;
        let mut slots: Vec<String> = Vec::new();
        let mut commands = Commands::default();
        for (index, command) in asked.iter().enumerate() {
            let known = slots.iter().position(|key| *key == command.key);
            let slot = known.unwrap_or_else(|| {
                slots.push(command.key.clone());
                slots.len() - 1
            });
            commands.slot.push(slot as u32);
            commands.kind.push(kind_index(&self.handlers[owner].manifest, &command.kind)?);
            commands.time.push(command.time_ms);
            commands.sources.push(command.source.as_bytes());
            commands.ids.push(format!("{}", self.commands + index as u64).as_bytes());
            commands.correlations.push(b"");
            commands.principals.push(b"anonymous");
            commands.bodies.push(&command.body);
        }
        self.commands += asked.len() as u64;
        let aggregates = self.load(owner, &aggregate_type, &slots)?;
        let member = &mut self.handlers[owner];
        let decision = member.engine.decide(&aggregates, &commands, &member.configuration)?;
        ensure!(decision.outcomes.code.len() == asked.len(), "one outcome for each command");

        let mut past = Past::default();
        for index in 0..decision.events.kind.len() {
            past.slot.push(commands.slot[decision.events.cause[index] as usize]);
            past.kind.push(decision.events.kind[index]);
            past.time.push(commands.time[decision.events.cause[index] as usize]);
            past.bodies.push(decision.events.bodies.get(index));
        }
        let folded = member.engine.evolve(&aggregates, &past)?;
        self.apply(owner, &aggregate_type, &slots, &past, &decision.states, &folded)?;

        let outcomes = &decision.outcomes;
        (0..asked.len())
            .map(|index| {
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
            })
            .collect()
    }

    fn load(
        &self,
        owner: usize,
        aggregate_type: &str,
        keys: &[String],
    ) -> anyhow::Result<Aggregates> {
        let type_index = index(&self.handlers[owner].manifest["types"], aggregate_type)?;
        let mut aggregates = Aggregates::default();
        for key in keys {
            let id = (aggregate_type.to_owned(), key.clone());
            let stored = self.aggregates.get(&id).cloned().unwrap_or_default();
            aggregates.aggregate_type.push(type_index);
            aggregates.keys.push(key.as_bytes());
            aggregates.sequences.push(stored.events.len() as u64);
            aggregates.schemas.push(stored.schema);
            aggregates.states.push(&stored.state);
        }
        Ok(aggregates)
    }

    /// Keeps events and the states that they lead to.
    fn apply(
        &mut self,
        owner: usize,
        aggregate_type: &str,
        keys: &[String],
        past: &Past,
        decided: &States,
        folded: &States,
    ) -> anyhow::Result<()> {
        for index in 0..past.kind.len() {
            let slot = past.slot[index] as usize;
            ensure!(
                decided.bytes.get(slot) == folded.bytes.get(slot),
                "{aggregate_type} {}: decide leaves {}, evolve {}",
                keys[slot],
                String::from_utf8_lossy(decided.bytes.get(slot)),
                String::from_utf8_lossy(folded.bytes.get(slot)),
            );
            let kind = kind_name(&self.handlers[owner].manifest, past.kind[index])?;
            let body = past.bodies.get(index).to_vec();
            let id = (aggregate_type.to_owned(), keys[slot].clone());
            let stored = self.aggregates.entry(id).or_default();
            stored.state = decided.bytes.get(slot).to_vec();
            stored.schema = decided.schemas[slot];
            stored.events.push((kind.clone(), body.clone()));
            self.happened.push_back(Happened {
                aggregate_type: aggregate_type.to_owned(),
                key: keys[slot].clone(),
                sequence: stored.events.len() as u64,
                kind,
                time_ms: past.time[index],
                body,
            });
        }
        Ok(())
    }

    /// Hands an event to every handler that hears it, and queues what they ask for.
    fn react(&mut self, event: &Happened) -> anyhow::Result<()> {
        for member in &mut self.handlers {
            let manifest = &member.manifest;
            let Ok(type_index) = index(&manifest["types"], &event.aggregate_type) else { continue };
            let Ok(kind) = kind_index(manifest, &event.kind) else { continue };
            if !listed(&manifest["subscriptions"], type_index, "events", kind) {
                continue;
            }
            let heard = Heard {
                aggregate_type: vec![type_index],
                keys: [&event.key].into_iter().collect(),
                sequences: vec![event.sequence],
                kind: vec![kind],
                time: vec![event.time_ms],
                correlations: [""].into_iter().collect(),
                principals: ["anonymous"].into_iter().collect(),
                bodies: [&event.body].into_iter().collect(),
            };
            let sent = member.engine.react(&heard, &member.configuration)?;
            for index in 0..sent.kind.len() {
                let (type_index, kind) = (sent.aggregate_type[index], sent.kind[index]);
                ensure!(
                    listed(&manifest["sends"], type_index, "commands", kind),
                    "{} sends what it does not declare",
                    manifest["name"]
                );
                self.sent.push_back(Asked {
                    aggregate_type: name(&manifest["types"], type_index)?,
                    key: String::from_utf8(sent.keys.get(index).to_vec())?,
                    kind: kind_name(manifest, kind)?,
                    time_ms: event.time_ms,
                    source: scheme::SWITCH_SOURCE,
                    body: sent.bodies.get(index).to_vec(),
                });
            }
        }
        Ok(())
    }

    fn react_to_all(&mut self) -> anyhow::Result<()> {
        while let Some(event) = self.happened.pop_front() {
            self.react(&event)?;
        }
        Ok(())
    }

    /// Decides what event handlers asked for: anything but acceptance is a defect.
    fn decide_sent(&mut self, batch: &[Asked]) -> anyhow::Result<()> {
        for (command, outcome) in batch.iter().zip(self.decide(batch)?) {
            ensure!(
                matches!(outcome, Outcome::Accepted { .. }),
                "{} for {} {} was to be accepted: {outcome:?}",
                command.kind,
                command.aggregate_type,
                command.key
            );
        }
        Ok(())
    }

    /// The next commands that can be decided in one call: the first and those behind it for the same
    /// type.
    fn next_batch(&mut self) -> Vec<Asked> {
        let mut batch: Vec<Asked> = Vec::new();
        while batch.len() < self.batch_max {
            match (self.sent.pop_front(), batch.first()) {
                (Some(next), Some(first)) if next.aggregate_type != first.aggregate_type => {
                    self.sent.push_front(next);
                    break;
                }
                (Some(next), _) => batch.push(next),
                (None, _) => break,
            }
        }
        batch
    }

    fn owner(&self, aggregate_type: &str) -> anyhow::Result<usize> {
        let owns = |member: &Member| {
            let owned = member.manifest["aggregates"].as_array();
            let names = owned.into_iter().flatten().filter_map(|owned| owned["type"].as_u64());
            names
                .into_iter()
                .any(|index| member.manifest["types"][index as usize] == aggregate_type)
        };
        self.handlers
            .iter()
            .position(owns)
            .with_context(|| format!("no handler owns the type {aggregate_type}"))
    }
}

impl Switch for Native {
    fn now_ms(&mut self) -> anyhow::Result<u64> {
        Ok(self.now_ms)
    }

    fn send(&mut self, commands: Vec<Command>) -> anyhow::Result<Vec<Outcome>> {
        let mut outcomes = Vec::new();
        let now_ms = self.now_ms;
        let asked: Vec<Asked> =
            commands.into_iter().map(|command| Asked::by_client(command, now_ms)).collect();
        for batch in asked.chunk_by(|a, b| a.aggregate_type == b.aggregate_type) {
            for batch in batch.chunks(self.batch_max) {
                outcomes.extend(self.decide(batch)?);
            }
        }
        Ok(outcomes)
    }

    fn settle(&mut self) -> anyhow::Result<()> {
        loop {
            self.react_to_all()?;
            let batch = self.next_batch();
            if batch.is_empty() {
                return Ok(());
            }
            self.decide_sent(&batch)?;
        }
    }

    fn state(&mut self, aggregate_type: &str, key: &str) -> anyhow::Result<Option<Value>> {
        match self.aggregates.get(&(aggregate_type.to_owned(), key.to_owned())) {
            None => Ok(None),
            Some(stored) => Ok(Some(serde_json::from_slice(&stored.state)?)),
        }
    }

    fn events(&mut self, aggregate_type: &str, key: &str) -> anyhow::Result<Vec<Event>> {
        let stored = self.aggregates.get(&(aggregate_type.to_owned(), key.to_owned()));
        stored
            .into_iter()
            .flat_map(|stored| &stored.events)
            .map(|(kind, body)| {
                Ok(Event { kind: kind.clone(), body: serde_json::from_slice(body)? })
            })
            .collect()
    }
}

/// Nothing is kept here that a restart could lose, so it changes nothing; nor is a command looked at
/// twice, so a repeated one is not sent at all.
impl Driven for Native {
    fn post(&mut self, command: Command) -> anyhow::Result<usize> {
        let outcomes = self.send(vec![command])?;
        self.posted.extend(outcomes);
        Ok(self.posted.len() - 1)
    }

    fn repeat(&mut self, posted: usize) -> anyhow::Result<()> {
        ensure!(posted < self.posted.len(), "nothing was posted as {posted}");
        Ok(())
    }

    fn outcome(&mut self, posted: usize) -> anyhow::Result<Option<Outcome>> {
        Ok(self.posted.get(posted).cloned())
    }

    /// The oldest command of some aggregate is decided, so that aggregates overtake each other as they
    /// do where each has its own place to run, and the commands of one stay in their order.
    fn step(&mut self, choice: usize) -> anyhow::Result<()> {
        self.react_to_all()?;
        let mut first_of_each: Vec<usize> = Vec::new();
        for (at, command) in self.sent.iter().enumerate() {
            if !first_of_each.iter().any(|first| self.sent[*first].is_for_same(command)) {
                first_of_each.push(at);
            }
        }
        if first_of_each.is_empty() {
            return Ok(());
        }
        let chosen = self.sent.remove(first_of_each[choice % first_of_each.len()]);
        self.decide_sent(chosen.as_slice())
    }

    fn advance(&mut self, ms: u64) -> anyhow::Result<()> {
        self.now_ms += ms;
        Ok(())
    }

    fn restart(&mut self, _end: End) -> anyhow::Result<()> {
        Ok(())
    }
}

impl Asked {
    fn by_client(command: Command, time_ms: u64) -> Self {
        Self {
            aggregate_type: command.aggregate_type,
            key: command.key,
            kind: command.kind,
            time_ms,
            source: "scenario",
            body: command.body.into_bytes(),
        }
    }

    fn is_for_same(&self, other: &Self) -> bool {
        self.aggregate_type == other.aggregate_type && self.key == other.key
    }
}

fn kind_index(manifest: &Value, name: &str) -> anyhow::Result<u32> {
    let kinds = manifest["kinds"].as_array().context("a manifest has kinds")?;
    let at = kinds.iter().position(|kind| kind["name"] == name);
    Ok(at.with_context(|| format!("no kind {name}"))? as u32)
}

fn kind_name(manifest: &Value, index: u32) -> anyhow::Result<String> {
    let name = manifest["kinds"][index as usize]["name"].as_str();
    Ok(name.with_context(|| format!("no kind {index}"))?.to_owned())
}

fn index(names: &Value, name: &str) -> anyhow::Result<u32> {
    let names = names.as_array().context("a manifest has lists")?;
    let at = names.iter().position(|known| known == name);
    Ok(at.with_context(|| format!("no {name}"))? as u32)
}

fn name(names: &Value, index: u32) -> anyhow::Result<String> {
    Ok(names[index as usize].as_str().with_context(|| format!("no entry {index}"))?.to_owned())
}

/// Whether a list of types and kinds has this one.
fn listed(list: &Value, type_index: u32, kinds: &str, kind: u32) -> bool {
    list.as_array().into_iter().flatten().any(|entry| {
        entry["type"] == type_index
            && entry[kinds].as_array().into_iter().flatten().any(|known| *known == kind)
    })
}
