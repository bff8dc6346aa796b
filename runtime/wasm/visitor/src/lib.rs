//! A guest that only reacts to events: it visits the zoo, and tells a keeper of its own of every note.
//!
//! Of the events of animal `a` the keeper `visitor-a` is told with a plain note. A note that says
//! `visitor trap` breaks it. Written against the WIT bindings directly. Empty on any target but
//! WebAssembly.
#![cfg(target_arch = "wasm32")]

// Generated code is judged by its generator's tests.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::unwrap_used, clippy::expect_used)]
mod bindings {
    wit_bindgen::generate!({ path: "../../../wit", world: "event-handler-only" });
    export!(Visitor with_types_in self);
    use super::Visitor;
}

use bindings::exports::zamu::handler::event_handler::{Commands, Events};
use bindings::exports::zamu::handler::{event_handler, manifest};
use bindings::zamu::handler::columns::{Blobs, Fault};
use bindings::zamu::handler::meter;

/// The component.
struct Visitor;

/// Index of what it sends: the command, or an event, which nobody takes.
const SENDS: u32 = if cfg!(feature = "stray") { 1 } else { 0 };
/// Index of the type `keeper`.
const KEEPER: u32 = 1;

impl manifest::Guest for Visitor {
    fn describe() -> String {
        format!(
            r#"{{
  "name": "visitor", "version": "0.1.0", "fold": 1,
  "types": ["animal", "keeper"],
  "kinds": [
    {{ "name": "Act", "schema": "zoo/act/1", "content-type": "text/plain" }},
    {{ "name": "Noted", "schema": "zoo/noted/1", "content-type": "text/plain" }}
  ],
  "subscriptions": [{{ "type": 0, "events": [1] }}],
  "sends": [{{ "type": 1, "commands": [{SENDS}] }}],
  "items": true
}}"#
        )
    }
}

impl event_handler::Guest for Visitor {
    fn react(events: Events) -> Result<Commands, Fault> {
        let mut commands = Commands {
            cause: Vec::new(),
            aggregate_type: Vec::new(),
            keys: blobs(),
            kind: Vec::new(),
            bodies: blobs(),
        };
        let notes = strings(&events.keys).zip(strings(&events.bodies));
        for (index, (animal, note)) in notes.enumerate() {
            meter::item(index as u32);
            assert!(note != b"visitor trap", "as it was told");
            commands.cause.push(index as u32);
            commands.aggregate_type.push(KEEPER);
            push(&mut commands.keys, &[b"visitor-", animal].concat());
            commands.kind.push(SENDS);
            push(&mut commands.bodies, b"note");
        }
        meter::item(events.kind.len() as u32);
        Ok(commands)
    }
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
