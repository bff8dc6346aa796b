//! Messages for people: bodies that are not JSON, shown as JSON by the handlers that own them.
//!
//! On demand, and beside the shards: guests of its own, one for each handler that has such messages. A
//! body that no handler in force can show stays what it is. States are shown by their shards.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use zamu_core::guest::columns::{Blobs, MessageColumns};
use zamu_core::guest::{Fault, Guest as _, check};
use zamu_core::model::{Event, Kind, TypeId};
use zamu_wasm::{Handler, Instance};

use super::{Handlers, InForce};

/// Shows messages. Its guests are made at the first use, and again after a fault.
#[derive(Default)]
pub struct Viewer(Mutex<Vec<Instance>>);

/// A body, by what it is of.
struct Message<'a> {
    /// The manifest's index.
    kind: u32,
    body: &'a Bytes,
}

impl Viewer {
    /// Replaces the bodies of these events of one type, where they are not JSON, by what their handler
    /// shows of them.
    pub fn show_events(&self, in_force: &InForce, of: TypeId, events: &mut [Event]) {
        if events.iter().all(|event| is_json(&event.kind)) {
            return;
        }
        let now = in_force.now();
        let owner = &now.topology.handlers[now.topology.owner(of)];
        let (mut places, mut messages) = (Vec::new(), Vec::new());
        for (place, event) in events.iter().enumerate().filter(|(_, event)| !is_json(&event.kind)) {
            if let Some(kind) = owner.event(of, &event.kind) {
                places.push(place);
                messages.push(Message { kind, body: &event.body });
            }
        }
        let shown = self.show(&now, of, &messages);
        for (place, body) in places.into_iter().zip(shown) {
            if let Some(body) = body {
                events[place].body = body;
            }
        }
    }

    /// What the handler shows of a command of this type or of an event, if it is not JSON and the handler
    /// can.
    #[must_use]
    pub fn show_body(
        &self,
        in_force: &InForce,
        of: TypeId,
        kind: &Kind,
        body: &Bytes,
    ) -> Option<Bytes> {
        if is_json(kind) {
            return None;
        }
        let now = in_force.now();
        let owner = &now.topology.handlers[now.topology.owner(of)];
        let kind = owner.command(of, kind).or_else(|| owner.event(of, kind))?;
        self.show(&now, of, &[Message { kind, body }]).pop().flatten()
    }

    /// What the handler shows of each message. One that it cannot show does not keep it from the others.
    fn show(&self, now: &Handlers, of: TypeId, messages: &[Message<'_>]) -> Vec<Option<Bytes>> {
        let index = now.topology.owner(of);
        let (Some(handler), Some(aggregate_type)) =
            (now.loaded.get(index), now.topology.handlers[index].type_index(of))
        else {
            return vec![None; messages.len()];
        };
        if messages.is_empty() || !handler.roles().show {
            return vec![None; messages.len()];
        }
        let mut guests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Those of versions that are in force no more go.
        guests.retain(|guest| now.loaded.iter().any(|loaded| Arc::ptr_eq(loaded, guest.handler())));
        let guest = guest(&mut guests, handler);
        let mut ask = |messages: &[Message<'_>]| ask(guest, aggregate_type, messages);
        if let Ok(texts) = ask(messages) {
            return texts.iter().map(json).collect();
        }
        let alone = |message| match ask(std::slice::from_ref(message)) {
            Ok(texts) => texts.iter().next().and_then(json),
            Err(fault) => {
                tracing::debug!(%fault, "a message is shown as it is");
                None
            }
        };
        messages.iter().map(alone).collect()
    }
}

fn guest<'g>(guests: &'g mut Vec<Instance>, handler: &Arc<Handler>) -> &'g mut Instance {
    let known = guests.iter().position(|guest| Arc::ptr_eq(guest.handler(), handler));
    let index = known.unwrap_or_else(|| {
        guests.push(handler.instance());
        guests.len() - 1
    });
    &mut guests[index]
}

fn ask(guest: &mut Instance, of: u32, messages: &[Message<'_>]) -> Result<Blobs, Fault> {
    let columns = MessageColumns {
        aggregate_type: vec![of; messages.len()],
        kind: messages.iter().map(|message| message.kind).collect(),
        bodies: messages.iter().map(|message| &**message.body).collect(),
    };
    let texts = guest.show(&columns)?;
    check::shown(&texts, messages.len())?;
    Ok(texts)
}

/// A text that is JSON, as it should be.
fn json(text: &[u8]) -> Option<Bytes> {
    let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok();
    is_json.then(|| Bytes::copy_from_slice(text))
}

fn is_json(kind: &Kind) -> bool {
    let media_type = kind.content_type.split(';').next().unwrap_or_default().trim_end();
    media_type.eq_ignore_ascii_case("application/json") || media_type.ends_with("+json")
}
