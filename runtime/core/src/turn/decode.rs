//! Step 1: records to items. Pure. Says what cannot be asked of a guest, and drops what was seen.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::{Ask, Failure, Item, Place, Sender, Taken, Task, Verdict, wake_id};
use crate::channels::{Arrival, Channels};
use crate::dead_letters::{context_of_command, context_of_request, kind_of, wake_of_request};
use crate::guest::columns::WAKE;
use crate::model::{
    Command, Context, DeadLetterNumber, Event, EventRef, HOST_SOURCE, Kind, PartitionId, Request,
    Stored, Time, Wake,
};
use crate::outcomes::content_hash;
use crate::proto::{self, dead_letter::Subject as DeadSubject};
use crate::topology::{BoundHandler, Topology};

/// Reason of a dead letter whose key belongs to another partition.
const WRONG_PARTITION: &str = "wrong-partition";

/// An open dead letter that a request of this turn names, read before deciding.
#[derive(Clone, Debug)]
pub struct OpenLetter {
    /// The letter.
    pub letter: proto::DeadLetter,
    /// The event, if the letter is about one.
    pub event: Option<Event>,
}

/// What decoding needs to know.
pub struct Known<'a> {
    /// The partition whose input this is.
    pub partition: PartitionId,
    /// Who does what.
    pub topology: &'a Topology,
    /// Open dead letters that the taken requests name.
    pub letters: &'a BTreeMap<DeadLetterNumber, OpenLetter>,
}

/// Numbers are missing in a channel: the partition must halt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The sending partition.
    pub from: PartitionId,
    /// The number that was due.
    pub due: u64,
    /// The number that came.
    pub came: u64,
}

/// Decodes what was taken, commands first. `seen` advances with what is new.
///
/// # Errors
/// A gap in a channel.
pub fn decode(taken: &Taken, seen: &mut Channels, known: &Known<'_>) -> Result<Vec<Item>, Gap> {
    let mut items = Vec::with_capacity(taken.commands.len() + taken.requests.len());
    for stored in &taken.commands {
        items.push(command(stored, seen, known)?);
    }
    items.extend(taken.requests.iter().map(|stored| request(stored, known)));
    Ok(items)
}

impl Known<'_> {
    fn owner(&self) -> &BoundHandler {
        &self.topology.handlers[self.topology.owner(self.partition.aggregate_type)]
    }

    fn kind(&self, kind: &Kind) -> Option<u32> {
        let aggregate_type = self.partition.aggregate_type;
        self.owner().command(aggregate_type, kind).or_else(|| {
            let full = self.topology.command_kind(aggregate_type, kind)?;
            self.owner().command(aggregate_type, &full)
        })
    }

    /// What is wrong with a key that belongs to another partition: nobody would find it here.
    fn elsewhere(&self, key: &[u8]) -> Option<String> {
        let Self { partition, topology, .. } = self;
        let home = topology.partition(partition.aggregate_type, key).number;
        (home != partition.number).then(|| {
            format!(
                "the key belongs to partition {home}, not {}: producers must place records as \
                 Kafka's Java clients do (murmur2 of the key)",
                partition.number
            )
        })
    }

    /// The name of an event handler, if it subscribes to an event of this partition.
    fn reactor(&self, name: &str, event: &Event) -> Option<Arc<str>> {
        let aggregate_type = self.partition.aggregate_type;
        let handlers = self.topology.reactors(aggregate_type).iter();
        handlers
            .map(|handler| &self.topology.handlers[*handler])
            .find(|handler| *handler.spec.name == *name)
            .filter(|handler| handler.subscribed(aggregate_type, &event.kind).is_some())
            .map(|handler| Arc::clone(&handler.spec.name))
    }

    fn owns_channel(&self, from: PartitionId) -> bool {
        let types = &self.topology.types;
        types.get(from.aggregate_type.0 as usize).is_some_and(|t| from.number < t.partitions)
    }
}

fn command(stored: &Stored<Command>, seen: &mut Channels, known: &Known<'_>) -> Result<Item, Gap> {
    let record = &stored.record;
    let place = Place::Commands(stored.offset);
    let time = record.time;
    let settled = |verdict| Ok(Item { place, time, redrives: None, task: Task::Settled(verdict) });
    let dead = |reason: &'static str, message: &str| {
        settled(Verdict::Fault(Failure { reason: reason.into(), message: message.into() }))
    };
    let Some(stamp) = record.channel.filter(|stamp| known.owns_channel(stamp.from)) else {
        return dead("no-channel", "a record in `commands` that no owner of a channel sent");
    };
    match seen.arrival(stamp) {
        Arrival::Seen => return settled(Verdict::Seen),
        Arrival::Gap { due } => return Err(Gap { from: stamp.from, due, came: stamp.number }),
        Arrival::New => seen.advance(stamp.from, stamp.number),
    }
    if record.key.is_empty() {
        return dead("no-key", "the record has no key");
    }
    if let Some(message) = known.elsewhere(&record.key) {
        return dead(WRONG_PARTITION, &message);
    }
    let Some(kind) = known.kind(&record.kind) else {
        let task = untaken(&record.key, &record.kind);
        return Ok(Item { place, time, redrives: None, task });
    };
    let ask = Ask {
        key: record.key.clone(),
        kind,
        time,
        sender: Sender::Choreographed {
            offset: stored.offset,
            event: record.cause.clone(),
            handler: Arc::clone(&record.handler),
            index: record.index,
        },
        context: Arc::clone(&record.context),
        body: record.body.clone(),
    };
    Ok(Item { place, time, redrives: None, task: Task::Decide(ask) })
}

fn request(stored: &Stored<Request>, known: &Known<'_>) -> Item {
    let record = &stored.record;
    let place = Place::Requests(stored.offset);
    let time = stored.appended;
    if let Some(number) = record.redrive {
        return Item { place, time, redrives: Some(number), task: redrive(number, known) };
    }
    let task = match (unfit(record, known), record.wake, known.kind(&record.kind)) {
        (Some(failure), ..) => Task::Settled(Verdict::Fault(failure)),
        (None, Some(wake), _) => woken(&record.key, wake, time, known),
        (None, None, None) => untaken(&record.key, &record.kind),
        (None, None, Some(kind)) => {
            let from = [&record.source, &record.id];
            let (key, sender) = external(&record.key, from, &record.kind.name, &record.body);
            let context = Arc::clone(&record.context);
            Task::Decide(Ask { key, kind, time, sender, context, body: record.body.clone() })
        }
    };
    Item { place, time, redrives: None, task }
}

/// What makes a request unfit to be decided here, whatever its kind.
fn unfit(record: &Request, known: &Known<'_>) -> Option<Failure> {
    let failure = |reason: &'static str, message| Some(Failure { reason: reason.into(), message });
    let wake = record.wake.is_some();
    if record.source == HOST_SOURCE && !wake {
        let why = "it marks the host's own commands";
        let message = format!("a client may not use the source `{HOST_SOURCE}`: {why}");
        return failure("reserved-source", message);
    }
    let fields = [("no-key", &record.key), ("no-source", &record.source), ("no-id", &record.id)];
    // A Wake is what its key and its `wake` say, whoever sent it.
    let needed = if wake { 1 } else { fields.len() };
    if let Some((reason, _)) = fields.into_iter().take(needed).find(|(_, f)| f.is_empty()) {
        return failure(reason, format!("the record has {}", reason.replace('-', " ")));
    }
    known.elsewhere(&record.key).and_then(|message| failure(WRONG_PARTITION, message))
}

fn untaken(key: &Bytes, kind: &Kind) -> Task {
    Task::Untaken { key: key.clone(), kind: Kind::clone(kind) }
}

/// Nothing of the record counts but what it is checked by, so that a forged Wake is an honest one.
fn woken(key: &Bytes, wake: Wake, time: Time, known: &Known<'_>) -> Task {
    let name = &known.topology.settings(known.partition.aggregate_type).name;
    let context = Context {
        correlation: wake_id(name, key, wake.sequence),
        principal: Bytes::from_static(HOST_SOURCE.as_bytes()),
        trace_parent: Bytes::new(),
    };
    Task::Decide(Ask {
        key: key.clone(),
        kind: WAKE,
        time,
        sender: Sender::Wake(wake),
        context: Arc::new(context),
        body: Bytes::new(),
    })
}

/// Key and sender of an external command. Windows and outcomes keep them, so they have memory of
/// their own: a few bytes never keep the whole call or record in which they came.
fn external(key: &Bytes, [source, id]: [&Bytes; 2], kind: &str, body: &[u8]) -> (Bytes, Sender) {
    let mut own = BytesMut::with_capacity(key.len() + source.len() + id.len());
    [key, source, id].into_iter().for_each(|part| own.extend_from_slice(part));
    let mut own = own.freeze();
    let key = own.split_to(key.len());
    let source = own.split_to(source.len());
    (key, Sender::External { source, id: own, content: content_hash(kind, body) })
}

fn redrive(number: DeadLetterNumber, known: &Known<'_>) -> Task {
    let dropped = |why: &str| Task::Settled(Verdict::Dropped(why.into()));
    let Some(OpenLetter { letter, event }) = known.letters.get(&number) else {
        return dropped("no open dead letter has this number");
    };
    match (&letter.subject, event) {
        (Some(DeadSubject::Request(r)), _) => redrive_request(r, Time(letter.time), known),
        (Some(DeadSubject::Command(c)), _) => redrive_command(c, Time(letter.time), known),
        (Some(DeadSubject::Event(_)), Some(event)) => match known.reactor(&letter.handler, event) {
            Some(handler) => Task::React { event: event.clone(), handler },
            None => dropped(&format!(
                "event handler `{}` does not subscribe to {}: the dead letter stays open",
                letter.handler, event.kind
            )),
        },
        _ => dropped("the dead letter's record is not there"),
    }
}

fn redrive_request(dead: &proto::DeadRequest, time: Time, known: &Known<'_>) -> Task {
    if let Some(wake) = wake_of_request(dead).filter(|_| !dead.key.is_empty()) {
        return woken(&dead.key, wake, time, known);
    }
    let kind = kind_of(dead.kind.as_ref());
    let whole = !(dead.key.is_empty() || dead.source.is_empty() || dead.id.is_empty())
        && dead.source != HOST_SOURCE;
    let whole = whole && known.elsewhere(&dead.key).is_none();
    let Some(index) = known.kind(&kind).filter(|_| whole) else {
        return still_dead(format!("still not a command that a handler takes: {kind}"));
    };
    let from = [&dead.source, &dead.id];
    let (key, sender) = external(&dead.key, from, &kind.name, &dead.body);
    Task::Decide(Ask {
        key,
        kind: index,
        time,
        sender,
        context: context_of_request(dead),
        body: dead.body.clone(),
    })
}

fn redrive_command(dead: &proto::DeadCommand, time: Time, known: &Known<'_>) -> Task {
    let kind = kind_of(dead.kind.as_ref());
    let cause_type = known.topology.type_named(&dead.cause_type);
    let whole = !dead.key.is_empty() && dead.channel_number > 0;
    let whole = whole && known.elsewhere(&dead.key).is_none();
    let index = known.kind(&kind).filter(|_| whole);
    let (Some(aggregate_type), Some(index)) = (cause_type, index) else {
        return still_dead(format!("still not a command that a handler takes: {kind}"));
    };
    Task::Decide(Ask {
        key: dead.key.clone(),
        kind: index,
        time,
        sender: Sender::Choreographed {
            offset: dead.offset,
            event: EventRef {
                aggregate_type,
                key: dead.cause_key.clone(),
                sequence: dead.cause_sequence,
            },
            handler: Arc::from(&*dead.handler),
            index: dead.index,
        },
        context: context_of_command(dead),
        body: dead.body.clone(),
    })
}

fn still_dead(message: String) -> Task {
    Task::Settled(Verdict::Fault(Failure { reason: "unknown-kind".into(), message }))
}
