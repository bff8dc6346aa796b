//! `react` over columns: each event goes to the event handlers that hear it.

use std::any::Any;
use std::fmt;

use super::configuration::{self, Configurations, Parse};
use super::lookups::{Lookups, References};
use super::slot::{text, write_body};
use super::{Addresses, Handler, Host};
use crate::bounds::{KEY_BYTES_MAX, MESSAGES_PER_ITEM_MAX, within};
use crate::codec::Codec;
use crate::columns::{Fault, Heard, Sent};
use crate::event_handler::{EventContext, EventHandler};
use crate::item;
use crate::messages::Messages;
use crate::time::Time;

/// An event handler with its type erased.
pub(super) struct Reaction {
    heard: Addresses,
    sent: Addresses,
    run: Run,
    parse: Parse,
    reads_configuration: bool,
    references: References,
}

impl fmt::Debug for Reaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reaction").field("heard", &self.heard).field("sent", &self.sent).finish()
    }
}

type Run = fn(&EventItem<'_>, &dyn Any, Lookups<'_>, &Addresses, &mut Sent) -> Result<(), String>;

struct EventItem<'a> {
    index: u32,
    /// Index into the event handler's own list of kinds.
    kind: usize,
    codec: Codec,
    aggregate_type: &'a str,
    key: &'a [u8],
    sequence: u64,
    time: u64,
    correlation: &'a [u8],
    principal: &'a [u8],
    body: &'a [u8],
}

impl Reaction {
    pub(super) fn of<H: EventHandler>(
        heard: Addresses,
        sent: Addresses,
        references: References,
    ) -> Self {
        Self {
            heard,
            sent,
            run: run::<H>,
            parse: configuration::parse::<H::Configuration>,
            reads_configuration: configuration::reads::<H::Configuration>(),
            references,
        }
    }
}

pub(super) fn react(handler: &Handler, events: &Heard, host: &mut dyn Host) -> Result<Sent, Fault> {
    events.check()?;
    let mut configurations = Configurations::new(handler.reactions.len());
    let mut sent = Sent::default();
    for index in 0..events.kind.len() {
        let address = (events.aggregate_type[index], events.kind[index]);
        host.item(index as u32);
        let aggregate_type = handler.type_name(address.0);
        let key = events.keys.get(index);
        item::begin(index as u32, handler.kind_name(address.1), aggregate_type, key);
        let mut heard = false;
        for (role, reaction) in handler.reactions.iter().enumerate() {
            let Some((kind, codec)) = reaction.heard.read(address) else { continue };
            heard = true;
            let event = EventItem {
                index: index as u32,
                kind,
                codec,
                aggregate_type,
                key,
                sequence: events.sequences[index],
                time: events.time[index],
                correlation: events.correlations.get(index),
                principal: events.principals.get(index),
                body: events.bodies.get(index),
            };
            let (parse, reads) = (reaction.parse, reaction.reads_configuration);
            let configuration = configurations.of(role, parse, reads, host)?;
            let fault = |error: String| {
                handler.event_fault(index, (aggregate_type, key), address.1, &error)
            };
            let lookups = reaction.references.lookups(host);
            (reaction.run)(&event, configuration, lookups, &reaction.sent, &mut sent)
                .map_err(fault)?;
        }
        if !heard {
            return Err(Fault::UnsupportedKind(address.1));
        }
    }
    item::end();
    Ok(sent)
}

fn run<H: EventHandler>(
    event: &EventItem<'_>,
    configuration: &dyn Any,
    lookups: Lookups<'_>,
    addresses: &Addresses,
    sent: &mut Sent,
) -> Result<(), String> {
    let configuration = configuration
        .downcast_ref::<H::Configuration>()
        .ok_or("the configuration has another type")?;
    let context = EventContext {
        aggregate_type: event.aggregate_type,
        key: text("key", event.key)?,
        sequence: event.sequence,
        time: Time(event.time),
        correlation: text("correlation", event.correlation)?,
        principal: text("principal", event.principal)?,
        configuration,
        lookups,
    };
    let message =
        H::Event::decode(event.kind, event.codec, event.body).map_err(|error| error.to_string())?;
    let commands = H::react(&message, &context).commands;
    within("the outbox", "commands", commands.len(), MESSAGES_PER_ITEM_MAX)?;
    for (key, command) in commands {
        let own = command.kind();
        let (codec, kind) = addresses.kinds.written(own, H::codec(&command, configuration));
        if key.is_empty() {
            let name = H::Command::KINDS[own].name;
            return Err(format!("command {name} is sent to an empty key"));
        }
        within("a key", "bytes", key.len(), KEY_BYTES_MAX)?;
        sent.cause.push(event.index);
        sent.aggregate_type.push(addresses.types[own]);
        sent.keys.push(key.as_bytes());
        sent.kind.push(kind);
        write_body(&command, codec, &mut sent.bodies)?;
    }
    Ok(())
}
