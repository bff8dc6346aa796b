//! A guest that misbehaves on request, so that the host's reaction to each misbehaviour is tested.
//!
//! The body of a command (of an event, for `react`, `evolve` and `project`) selects the behaviour; `animals`
//! lists them. In `show` it stands behind the word `show`. Anything else is sane: one `Noted` event, and a state that counts them. Of each event
//! of an animal its keeper is told, and nobody of a keeper's. How many notes an animal has made stands in
//! a reference table, which `look` looks up. The configuration says whether the zoo
//! is wild, tame or rabid. Written against the WIT bindings directly, as no vendor would; the guest
//! SDK plays no part here. Built for `wasm32-wasip2` it also uses the standard library (`wasi`).
//! Empty on any target but WebAssembly.
#![cfg(target_arch = "wasm32")]

mod animals;
mod tables;
#[cfg(feature = "std")]
mod wasi;

// Generated code is judged by its generator's tests.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::unwrap_used, clippy::expect_used)]
mod bindings {
    wit_bindgen::generate!({ path: "../../../wit", world: "handler" });
    export!(Zoo with_types_in self);
    use super::Zoo;
}

use bindings::exports::zamu::handler::{command_handler, event_handler, inspect, manifest, show};
use bindings::zamu::handler::columns::{Aggregates, Blobs, Fault, States};
use bindings::zamu::handler::{configuration, log, meter};

/// The component.
struct Zoo;

/// Whether this build calls `meter.item`.
const ITEMS: bool = !cfg!(feature = "plain");

/// Index of the command `Act`.
const ACT: u32 = 0;
/// Index of the event `Noted`.
const NOTED: u32 = 1;
/// Index of the type `animal`.
const ANIMAL: u32 = 0;
/// Index of the reference table `notes`.
const NOTES: u32 = 0;
/// Index of the type `keeper`.
const KEEPER: u32 = 1;

/// What the operator's configuration makes of the zoo, in `decide` and `react`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    /// As the bodies say.
    Wild,
    /// Mended: nothing misbehaves, and what would have is a plain note.
    Tame,
    /// A broken deployment: every item traps.
    Rabid,
}

impl Mood {
    fn configured() -> Self {
        match &*configuration::get() {
            b"tame" => Self::Tame,
            b"rabid" => Self::Rabid,
            _ => Self::Wild,
        }
    }

    /// What is to be done where a body says `what`.
    fn takes(self, what: &[u8]) -> &[u8] {
        match self {
            Self::Wild => what,
            Self::Rabid => b"trap",
            Self::Tame if animals::is_misbehaviour(what) => b"note",
            Self::Tame => what,
        }
    }
}

impl manifest::Guest for Zoo {
    fn describe() -> String {
        format!(
            r#"{{
  "name": "{name}", "version": "0.1.0", "fold": 1,
  "types": ["animal", "keeper"],
  "kinds": [
    {{ "name": "Act", "schema": "zoo/act/1", "content-type": "text/plain" }},
    {{ "name": "Noted", "schema": "zoo/noted/1", "content-type": "text/plain" }}
  ],
  "state-schemas": ["zoo/count/1"],
  "aggregates": [
    {{ "type": 0, "commands": [0], "events": [1] }},
    {{ "type": 1, "commands": [0], "events": [1] }}
  ],
  "subscriptions": [{{ "type": 0, "events": [1] }}],
  "sends": [{{ "type": 1, "commands": [0] }}],
  "tables": [{{ "name": "notes", "type": 0, "keyed": true, "reference": true }}],
  "projections": [{{ "type": 0, "events": [1] }}],
  "references": ["notes"],
  "items": {ITEMS}
}}"#,
            name = env!("CARGO_PKG_NAME"),
        )
    }
}

impl command_handler::Guest for Zoo {
    fn decide(
        aggregates: Aggregates,
        commands: command_handler::Commands,
    ) -> Result<command_handler::Decision, Fault> {
        report_panics();
        animals::count_call();
        let mood = Mood::configured();
        let mut counts: Vec<u64> = strings(&aggregates.states).map(count_of).collect();
        let mut answer = animals::Answer::default();
        for (index, body) in strings(&commands.bodies).enumerate() {
            item(index);
            let count = &mut counts[commands.slot[index] as usize];
            animals::act(mood.takes(body), index as u32, count, &mut answer)?;
        }
        item(commands.slot.len());
        Ok(answer.into_decision(&counts))
    }

    fn evolve(aggregates: Aggregates, events: command_handler::Past) -> Result<States, Fault> {
        report_panics();
        let mut counts: Vec<u64> = strings(&aggregates.states).map(count_of).collect();
        for (index, body) in strings(&events.bodies).enumerate() {
            item(index);
            animals::misbehave(body)?;
            counts[events.slot[index] as usize] += 1;
        }
        item(events.slot.len());
        Ok(states(&counts))
    }
}

impl event_handler::Guest for Zoo {
    fn react(events: event_handler::Events) -> Result<event_handler::Commands, Fault> {
        report_panics();
        let mood = Mood::configured();
        let mut told = animals::Told::default();
        for (index, (key, body)) in strings(&events.keys).zip(strings(&events.bodies)).enumerate() {
            item(index);
            animals::tell(mood, key, body, index as u32, &mut told)?;
        }
        Ok(told.into_commands())
    }
}

impl inspect::Guest for Zoo {
    fn inspect(aggregates: Aggregates) -> Result<Blobs, Fault> {
        report_panics();
        let mut texts = blobs();
        for (index, (key, state)) in
            strings(&aggregates.keys).zip(strings(&aggregates.states)).enumerate()
        {
            item(index);
            animals::misbehave(key)?;
            push(&mut texts, format!(r#"{{"count":{}}}"#, count_of(state)).as_bytes());
        }
        Ok(texts)
    }
}

impl show::Guest for Zoo {
    fn show(messages: show::Messages) -> Result<Blobs, Fault> {
        report_panics();
        let mut texts = blobs();
        for (index, body) in strings(&messages.bodies).enumerate() {
            item(index);
            animals::misbehave(body.strip_prefix(b"show ").unwrap_or_default())?;
            let (of, kind) = (messages.aggregate_type[index], messages.kind[index]);
            let body = String::from_utf8_lossy(body);
            push(&mut texts, format!(r#"{{"of":{of},"kind":{kind},"body":{body:?}}}"#).as_bytes());
        }
        Ok(texts)
    }
}

/// Work on an item begins; one past the last says that all are done.
fn item(index: usize) {
    if ITEMS {
        meter::item(index as u32);
    }
}

/// Sends the text of a panic to the host's log, as the guest SDK does.
fn report_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|panic| log::write(0, &panic.to_string())));
    });
}

fn count_of(state: &[u8]) -> u64 {
    std::str::from_utf8(state).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn states(counts: &[u64]) -> States {
    let mut bytes = blobs();
    for count in counts {
        push(&mut bytes, count.to_string().as_bytes());
    }
    States { schemas: vec![0; counts.len()], bytes, wake_at: vec![u64::MAX; counts.len()] }
}

fn blobs() -> Blobs {
    Blobs { data: Vec::new(), ends: Vec::new() }
}

fn push(blobs: &mut Blobs, bytes: &[u8]) {
    blobs.data.extend_from_slice(bytes);
    blobs.ends.push(blobs.data.len() as u32);
}

fn strings(blobs: &Blobs) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    blobs.ends.iter().map(move |end| {
        let string = &blobs.data[start..*end as usize];
        start = *end as usize;
        string
    })
}
