//! One aggregate as an engine sees it: plain rows in, columns across, plain rows out.

use serde_json::Value;

use super::engine::Engine;
use super::setting::Setting;
use crate::codec::Codec;
use crate::columns::{self, Aggregates, Blobs, Commands, Decision, Fault, Past, States};
use crate::handler::kinds::Kinds;
use crate::messages::Kind;
use crate::projection::TableDeclaration;

/// An aggregate at rest, as the host keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) sequence: u64,
    pub(crate) schema: u32,
    pub(crate) bytes: Vec<u8>,
    pub(crate) wake_at: u64,
}

impl Stored {
    pub(crate) fn absent() -> Self {
        Self { sequence: 0, schema: 0, bytes: Vec::new(), wake_at: columns::NEVER }
    }
}

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) kind: u32,
    pub(crate) time: u64,
    pub(crate) source: String,
    pub(crate) id: String,
    pub(crate) correlation: String,
    pub(crate) principal: String,
    pub(crate) body: Vec<u8>,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Happened {
    pub(crate) kind: u32,
    pub(crate) time: u64,
    pub(crate) body: Vec<u8>,
}

/// What became of one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) code: u8,
    pub(crate) reason: String,
    pub(crate) details: String,
    pub(crate) reply: Vec<u8>,
    pub(crate) events: Vec<Happened>,
}

/// Where an aggregate is, and what its messages are called in the manifest.
#[derive(Clone, Debug)]
pub(crate) struct Lane {
    pub(crate) aggregate_type: u32,
    pub(crate) key: String,
    pub(crate) setting: Setting,
}

impl Lane {
    /// Decides commands in one call. With `beside`, another aggregate of that key with the same
    /// past is in the batch and gets every command too, before this one does.
    pub(crate) fn decide(
        &self,
        engine: &mut dyn Engine,
        from: &Stored,
        asked: &[Asked],
        beside: Option<&str>,
    ) -> Result<(Vec<Answer>, Stored), Fault> {
        let keys: Vec<&str> = beside.into_iter().chain([self.key.as_str()]).collect();
        let slot = keys.len() - 1;
        let aggregates = self.aggregates(from, &keys);
        let mut commands = Commands::default();
        for command in asked {
            for slot in 0..keys.len() {
                commands.push(slot as u32, command);
            }
        }
        let decision = engine.decide(&aggregates, &commands, &self.setting)?;
        check(&decision, commands.kind.len(), keys.len())?;
        let mine = (slot..commands.kind.len()).step_by(keys.len());
        let answers: Vec<_> = mine.map(|i| answer(&decision, i, commands.time[i])).collect();
        let events: usize = answers.iter().map(|answer| answer.events.len()).sum();
        let after = if events == 0 {
            from.clone()
        } else {
            stored(&decision.states, slot, from.sequence + events as u64)
        };
        Ok((answers, after))
    }

    /// Folds events in one call.
    pub(crate) fn evolve(
        &self,
        engine: &mut dyn Engine,
        from: &Stored,
        events: &[Happened],
    ) -> Result<Stored, Fault> {
        let past = Past {
            slot: vec![0; events.len()],
            kind: events.iter().map(|event| event.kind).collect(),
            time: events.iter().map(|event| event.time).collect(),
            bodies: events.iter().map(|event| &event.body).collect(),
        };
        let states = engine.evolve(&self.aggregates(from, &[&self.key]), &past)?;
        if states.schemas.len() != 1 || states.bytes.len() != 1 || states.wake_at.len() != 1 {
            return Err(Fault::Internal("evolve returned other than one state".to_owned()));
        }
        Ok(stored(&states, 0, from.sequence + events.len() as u64))
    }

    fn aggregates(&self, from: &Stored, keys: &[&str]) -> Aggregates {
        Aggregates {
            aggregate_type: vec![self.aggregate_type; keys.len()],
            keys: keys.iter().collect::<Blobs>(),
            sequences: vec![from.sequence; keys.len()],
            schemas: vec![from.schema; keys.len()],
            states: keys.iter().map(|_| &from.bytes).collect(),
        }
    }
}

impl Commands {
    fn push(&mut self, slot: u32, command: &Asked) {
        self.slot.push(slot);
        self.kind.push(command.kind);
        self.time.push(command.time);
        self.sources.push(command.source.as_bytes());
        self.ids.push(command.id.as_bytes());
        self.correlations.push(command.correlation.as_bytes());
        self.principals.push(command.principal.as_bytes());
        self.bodies.push(&command.body);
    }
}

fn check(decision: &Decision, commands: usize, slots: usize) -> Result<(), Fault> {
    let outcomes = &decision.outcomes;
    columns::same_length(
        "outcomes",
        &[
            commands,
            outcomes.code.len(),
            outcomes.reasons.len(),
            outcomes.details.len(),
            outcomes.replies.len(),
        ],
    )?;
    let events = &decision.events;
    columns::same_length("events", &[events.cause.len(), events.kind.len(), events.bodies.len()])?;
    let states = &decision.states;
    columns::same_length(
        "states",
        &[slots, states.schemas.len(), states.bytes.len(), states.wake_at.len()],
    )
}

fn answer(decision: &Decision, index: usize, time: u64) -> Answer {
    let text = |blobs: &Blobs| String::from_utf8_lossy(blobs.get(index)).into_owned();
    let events = &decision.events;
    let mine = (0..events.cause.len()).filter(|event| events.cause[*event] as usize == index);
    Answer {
        code: decision.outcomes.code[index],
        reason: text(&decision.outcomes.reasons),
        details: text(&decision.outcomes.details),
        reply: decision.outcomes.replies.get(index).to_vec(),
        events: mine
            .map(|event| Happened {
                kind: events.kind[event],
                time,
                body: events.bodies.get(event).to_vec(),
            })
            .collect(),
    }
}

fn stored(states: &States, slot: usize, sequence: u64) -> Stored {
    Stored {
        sequence,
        schema: states.schemas[slot],
        bytes: states.bytes.get(slot).to_vec(),
        wake_at: states.wake_at[slot],
    }
}

/// A manifest as the kit reads it: names to indices.
pub(crate) struct Names {
    manifest: Value,
}

impl Names {
    /// # Panics
    /// If the engine's manifest is not JSON.
    #[track_caller]
    pub(crate) fn of(engine: &mut dyn Engine) -> Self {
        let text = engine.describe();
        match serde_json::from_str(&text) {
            Ok(manifest) => Self { manifest },
            Err(error) => panic!("the manifest is not JSON: {error}\n{text}"),
        }
    }

    /// # Panics
    /// If the manifest does not have that type.
    #[track_caller]
    pub(crate) fn aggregate_type(&self, name: &str) -> u32 {
        match self.find("types", |entry| entry == name) {
            Some(index) => index,
            None => panic!("the handler knows no aggregate type {name}: {}", self.manifest),
        }
    }

    /// # Panics
    /// If the manifest does not have one of these kinds in one of its forms.
    #[track_caller]
    pub(crate) fn kinds(&self, kinds: &[Kind]) -> Kinds {
        Kinds::find(kinds, |kind, codec| {
            let found = self.find("kinds", |entry| {
                entry["name"] == kind.name
                    && entry["schema"] == kind.schema
                    && entry["content-type"] == codec.content_type()
            });
            match found {
                Some(index) => index,
                None => panic!("the handler knows no {kind:?} as {codec:?}: {}", self.manifest),
            }
        })
    }

    /// The schema of states in this form, if there are any.
    pub(crate) fn state_schema(&self, schema: &str, codec: Codec) -> Option<u32> {
        self.find("state-schemas", |entry| *entry == codec.schema_id(schema))
    }

    /// # Panics
    /// If the manifest does not have a table as it is declared.
    #[track_caller]
    pub(crate) fn table(&self, table: &TableDeclaration) -> u32 {
        let found = self.find("tables", |entry| {
            entry["name"] == table.name
                && entry["keyed"] == table.keyed
                && entry["reference"] == table.reference
        });
        match found {
            Some(index) => index,
            None => panic!("the handler knows no {table:?}: {}", self.manifest),
        }
    }

    fn find(&self, list: &str, is_it: impl Fn(&Value) -> bool) -> Option<u32> {
        let entries = self.manifest[list].as_array()?;
        entries.iter().position(is_it).map(|index| index as u32)
    }
}
