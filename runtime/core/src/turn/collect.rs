//! Step 5: everything that the turn leaves, numbered: channel numbers, dead letters, the batch
//! record, and where the partition stands afterwards. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::{
    CaughtUp, Decided, Failure, Item, Outgoing, Parked, Place, Reacted, Reaction, Sender, Taken,
    Task, Verdict,
};
use crate::aggregate::encode;
use crate::channels::Channels;
use crate::dead_letters;
use crate::failpoints;
use crate::log::{InputPositions, TurnWrite};
use crate::model::{
    ChannelStamp, Command, DeadLetterNumber, Event, EventNumber, PartitionId, Request, Time,
};
use crate::outcomes::{Standing, encode_record, roll};
use crate::proto::{self, BatchRecord, dead_letter::Subject as DeadSubject};
use crate::topology::{BoundHandler, HandlerIndex, Topology};

/// A turn, ready to be committed.
#[derive(Debug)]
pub struct Collected {
    /// For the log.
    pub write: TurnWrite,
    /// Its batch record, decoded.
    pub record: Arc<BatchRecord>,
    /// Where the partition stands once it is committed.
    pub standing: Standing,
    /// Choreographed commands that were refused or of which nothing came: defects of handlers.
    pub refused_commands: u64,
}

/// What the turn was made of.
pub struct Turn<'a> {
    /// The partition.
    pub partition: PartitionId,
    /// Who does what.
    pub topology: &'a Topology,
    /// Where the partition stood before.
    pub before: &'a Standing,
    /// What was taken: one record per item, in the same order.
    pub taken: &'a Taken,
    /// The items that were decided (fewer than were taken if the partition pauses).
    pub items: &'a [Item],
    /// Numbers seen after all of these items.
    pub seen: Channels,
    /// What came of them.
    pub decided: Decided,
    /// The events that were reacted to.
    pub reactions: &'a [(usize, Option<Arc<str>>)],
    /// What came of that.
    pub reacted: Reacted,
    /// What came of older events to which event handlers reacted that are behind.
    pub caught_up: CaughtUp,
    /// Wakes for aggregates of the partition.
    pub wakes: Vec<Request>,
    /// The versions of reference tables that it saw.
    pub references: Vec<proto::ReferenceVersion>,
}

/// The reactions of a turn: all decided events, and redriven ones, in the order of their items.
#[must_use]
pub fn reactions<'a>(items: &'a [Item], decided: &'a Decided) -> Vec<Reaction<'a>> {
    let mut reactions = Vec::with_capacity(decided.events.len());
    let mut events = decided.events.iter().peekable();
    for (index, item) in items.iter().enumerate().take(decided.verdicts.len()) {
        if let Task::React { event, handler } = &item.task {
            reactions.push(Reaction { item: index, event, only: Some(handler) });
        }
        while let Some((_, event)) = events.next_if(|(of, _)| *of == index) {
            reactions.push(Reaction { item: index, event, only: None });
        }
    }
    reactions
}

/// Puts the turn together.
#[must_use]
pub fn collect(turn: Turn<'_>) -> Collected {
    let mut standing = turn.before.clone();
    standing.turn += 1;
    standing.deployment = standing.deployment.max(turn.topology.deployment);
    standing.seen = turn.seen.clone();
    standing.input = input_after(turn.items, turn.before.input);
    standing.time = turn.items.iter().map(|item| item.time).fold(turn.before.time, Time::max);
    let references = turn.references.clone();
    let mut record = BatchRecord { references, ..BatchRecord::default() };
    let mut letters = Letters::new(&turn, &mut standing);
    letters.number();
    let Letters { written, opened, closed, by_item, .. } = letters;
    record.dead_letters_opened = opened;
    record.dead_letters_closed = closed;
    let mut refused_commands = 0;
    for (index, item) in turn.items.iter().enumerate() {
        let letter = by_item.get(&index).copied();
        let verdict = &turn.decided.verdicts[index];
        match item.place {
            Place::Requests(offset) => {
                record.external.push(request_outcome(offset, item, verdict, letter));
            }
            Place::Commands(offset) => {
                let outcome = command_outcome(offset, verdict, letter);
                let alarming = matches!(
                    outcome.as_ref().and_then(|o| o.why.as_ref()),
                    Some(proto::command_outcome::Why::Refused(_))
                );
                refused_commands += u64::from(alarming);
                record.commandless.extend(outcome);
            }
        }
    }
    // What they have missed happened before all that this turn has decided.
    let outgoing = turn.caught_up.commands.into_iter().chain(turn.reacted.commands);
    let commands = number(turn.partition, outgoing, &mut standing.sent);
    let events: Vec<_> = turn.decided.events.into_iter().map(|(_, event)| event).collect();
    standing.events_next += events.len() as u64;
    advance_cursors(&mut standing, &turn.caught_up.behind, turn.partition, turn.topology);
    let mut write = TurnWrite {
        partition: turn.partition,
        turn: standing.turn,
        input: standing.input,
        events,
        commands,
        outcome: Bytes::new(),
        dead_letters: written,
        wakes: turn.wakes,
    };
    standing.hash = roll(&turn.before.hash, &write, &record);
    standing.write_to(turn.before, &mut record, &turn.topology.types);
    write.outcome = encode_record(&record);
    Collected { write, record: Arc::new(record), standing, refused_commands }
}

/// The next offsets to take after these items.
fn input_after(items: &[Item], before: InputPositions) -> InputPositions {
    items.iter().fold(before, |mut input, item| {
        match item.place {
            Place::Commands(offset) => input.commands = offset + 1,
            Place::Requests(offset) => input.requests = offset + 1,
        }
        input
    })
}

/// Gives channel numbers and groups by target; order within a target is kept.
fn number(
    from: PartitionId,
    outgoing: impl Iterator<Item = Outgoing>,
    sent: &mut Channels,
) -> Vec<(PartitionId, Vec<Command>)> {
    let mut by_target: BTreeMap<PartitionId, Vec<Command>> = BTreeMap::new();
    for Outgoing { target, mut command, .. } in outgoing {
        if failpoints::fires(failpoints::DROP_CHANNEL_NUMBER) {
            sent.next(target);
        }
        command.channel = Some(ChannelStamp { from, number: sent.next(target) });
        by_target.entry(target).or_default().push(command);
    }
    by_target.into_iter().collect()
}

/// Every event handler of the type has reacted to all events, or parked them, but for those that are
/// behind.
fn advance_cursors(
    standing: &mut Standing,
    behind: &BTreeMap<HandlerIndex, EventNumber>,
    partition: PartitionId,
    topology: &Topology,
) {
    let end = standing.events_next;
    let cursors = Arc::make_mut(&mut standing.cursors);
    for handler in topology.reactors(partition.aggregate_type) {
        let next = behind.get(handler).copied().unwrap_or(end);
        cursors.insert(Arc::clone(&topology.handlers[*handler].spec.name), next);
    }
}

/// Numbers dead letters: of older events first, then in the order of items, each item's own before those of
/// its events, so that batch size does not change a number.
struct Letters<'a> {
    turn: &'a Turn<'a>,
    standing: &'a mut Standing,
    written: Vec<(DeadLetterNumber, Bytes)>,
    opened: Vec<DeadLetterNumber>,
    closed: Vec<DeadLetterNumber>,
    by_item: BTreeMap<usize, DeadLetterNumber>,
}

impl<'a> Letters<'a> {
    fn new(turn: &'a Turn<'a>, standing: &'a mut Standing) -> Self {
        Self {
            turn,
            standing,
            written: Vec::new(),
            opened: Vec::new(),
            closed: Vec::new(),
            by_item: BTreeMap::new(),
        }
    }

    fn number(&mut self) {
        let turn = self.turn;
        for (event, parked) in &turn.caught_up.parked {
            self.park(event, parked);
        }
        let mut parked = turn.reacted.parked.iter().peekable();
        for (index, item) in turn.items.iter().enumerate() {
            let mut faulted = match &turn.decided.verdicts[index] {
                Verdict::Fault(failure) => {
                    self.fault(index, item, failure);
                    true
                }
                _ => false,
            };
            while let Some(p) = parked.next_if(|p| turn.reactions[p.reaction].0 == index) {
                match item.redrives.filter(|_| turn.reactions[p.reaction].1.is_some()) {
                    // It faults again, and stays open.
                    Some(number) => {
                        faulted = true;
                        self.by_item.insert(index, number);
                    }
                    None => {
                        let event = &turn.decided.events[self.event_of(p.reaction)].1;
                        self.park(event, p);
                    }
                }
            }
            let dropped = matches!(&turn.decided.verdicts[index], Verdict::Dropped(_));
            if let Some(number) = item.redrives.filter(|_| !faulted && !dropped) {
                self.closed.push(number);
                Arc::make_mut(&mut self.standing.dead_letters_open).remove(&number);
            }
        }
    }

    /// A redriven letter that faults again stays open; anything else becomes a new one.
    fn fault(&mut self, index: usize, item: &Item, failure: &Failure) {
        let number = item.redrives.unwrap_or_else(|| {
            let subject = self.subject(index);
            self.open(letter(item.time, failure, self.owner(), self.turn.topology, subject))
        });
        self.by_item.insert(index, number);
    }

    /// The record of an item: commands were taken before requests.
    fn subject(&self, index: usize) -> DeadSubject {
        let Taken { commands, requests } = self.turn.taken;
        match index.checked_sub(commands.len()) {
            None => dead_letters::of_command(&commands[index], self.turn.topology),
            Some(index) => dead_letters::of_request(&requests[index]),
        }
    }

    fn park(&mut self, event: &Event, parked: &Parked) {
        let handler = &self.turn.topology.handlers[parked.handler];
        let subject = DeadSubject::Event(event.number);
        self.open(letter(event.time, &parked.failure, handler, self.turn.topology, subject));
    }

    /// Index of a reaction's event among the decided ones.
    fn event_of(&self, reaction: usize) -> usize {
        self.turn.reactions[..reaction].iter().filter(|(_, only)| only.is_none()).count()
    }

    fn open(&mut self, mut letter: proto::DeadLetter) -> DeadLetterNumber {
        let number = self.standing.dead_letters_next;
        self.standing.dead_letters_next += 1;
        letter.number = number;
        self.written.push((number, encode(&letter)));
        self.opened.push(number);
        Arc::make_mut(&mut self.standing.dead_letters_open).insert(number);
        number
    }

    fn owner(&self) -> &'a BoundHandler {
        let topology = self.turn.topology;
        &topology.handlers[topology.owner(self.turn.partition.aggregate_type)]
    }
}

fn letter(
    time: Time,
    failure: &Failure,
    handler: &BoundHandler,
    topology: &Topology,
    subject: DeadSubject,
) -> proto::DeadLetter {
    proto::DeadLetter {
        number: 0,
        time: time.0,
        reason: failure.reason.to_string(),
        message: failure.message.clone(),
        handler: handler.spec.name.to_string(),
        version: handler.spec.manifest.version.clone(),
        digest: handler.spec.digest.clone(),
        deployment: topology.deployment,
        subject: Some(subject),
    }
}

fn request_outcome(
    offset: u64,
    item: &Item,
    verdict: &Verdict,
    letter: Option<DeadLetterNumber>,
) -> proto::RequestOutcome {
    use proto::outcome::What;
    let what = match verdict {
        Verdict::Fault(_) => What::Fault(proto::Fault { dead_letter: letter.unwrap_or(0) }),
        Verdict::Duplicate { first, outcome } => What::Duplicate(Box::new(proto::Duplicate {
            first: *first,
            outcome: Some(outcome.clone()),
        })),
        Verdict::Reused => What::Refused(proto::Refused {
            code: ID_REUSED.into(),
            details: "this source has used this id for another command".into(),
        }),
        Verdict::Dropped(reason) => What::Dropped(proto::Dropped { reason: reason.clone() }),
        Verdict::Unwanted(why) => What::Dropped(proto::Dropped { reason: (*why).into() }),
        Verdict::Reacted => match letter {
            Some(dead_letter) => What::Fault(proto::Fault { dead_letter }),
            None => What::Nothing(proto::Nothing::default()),
        },
        _ => verdict
            .outcome()
            .and_then(|o| o.what)
            .unwrap_or(What::Nothing(proto::Nothing::default())),
    };
    let mut entry = proto::RequestOutcome {
        offset,
        outcome: Some(proto::Outcome { what: Some(what) }),
        time: item.time.0,
        unwindowed: true,
        ..proto::RequestOutcome::default()
    };
    if let Task::Decide(ask) = &item.task {
        entry.key = ask.key.clone();
        entry.principal = ask.context.principal.clone();
        match &ask.sender {
            Sender::External { source, id, content } => {
                entry.source = source.clone();
                entry.id = id.clone();
                entry.content = Bytes::copy_from_slice(content);
                entry.unwindowed = verdict.outcome().is_none();
            }
            Sender::Wake(wake) => entry.wake = Some(wake.sequence),
            Sender::Choreographed { .. } => {}
        }
    }
    entry
}

/// Code of the refusal of an id that came with other content.
pub const ID_REUSED: &str = "id-reused";

fn command_outcome(
    offset: u64,
    verdict: &Verdict,
    letter: Option<DeadLetterNumber>,
) -> Option<proto::CommandOutcome> {
    use proto::command_outcome::Why;
    let why = match verdict {
        Verdict::Accepted { events, .. } if *events > 0 => return None,
        Verdict::Refused { code, details } => {
            Why::Refused(proto::Refused { code: code.clone(), details: details.clone() })
        }
        Verdict::Fault(_) => Why::Fault(proto::Fault { dead_letter: letter.unwrap_or(0) }),
        Verdict::Seen => Why::Seen(proto::Seen {}),
        _ => Why::Nothing(proto::Nothing::default()),
    };
    Some(proto::CommandOutcome { offset, why: Some(why) })
}
