//! From what began a process down through all that it caused, in the order of causes. Nothing calls
//! itself here: a process may have any depth.

mod letters;
mod requests;

use bytes::Bytes;
use zamu_core::model::{Cause, Command, EventRef, Kind, Offset, PartitionId, Stored, Time, TypeId};
use zamu_core::proto::{BatchRecord, command_outcome::Why, outcome::What};

use crate::json::{Terms, text};
use crate::trace::reading::{ByCause, LOST_MAX, Reading};
use crate::trace::roots::{Begun, Root};
use crate::trace::step::{Outcome, Step, StepHandler, StepKind};
use crate::trace::turns::{Found, Turn, Turns, passed};
use crate::trace::{Located, Source, TraceError};

/// Steps of a trace at most.
pub(crate) const STEPS_MAX: usize = 5_000;

/// What is to be looked into next.
enum Todo {
    Root(Root),
    Event(Located),
    Command(PartitionId, Box<Stored<Command>>),
    /// A command that is gone, by the events that it caused.
    Gone(Vec<Located>),
    Letter(Letter),
}

/// A dead letter, of whom it is, and the event that could not be reacted to, if it is about one.
struct Letter {
    partition: PartitionId,
    number: u64,
    at: Option<Time>,
    key: Vec<u8>,
    event: Option<Box<Located>>,
}

/// Trees of steps, grown one after the other.
pub(crate) struct Tree<'a> {
    source: &'a Source<'a>,
    reading: Reading<'a>,
    turns: Turns<'a>,
    steps: Vec<Step>,
    todo: Vec<(Option<usize>, Todo)>,
    /// Of the process that is being looked into: what commands that are gone caused.
    lost: Option<(bytes::Bytes, ByCause)>,
    notes: Vec<String>,
}

impl<'a> Tree<'a> {
    pub(crate) fn new(source: &'a Source<'a>) -> Self {
        Self {
            source,
            reading: Reading { source },
            turns: Turns::new(source.log),
            steps: Vec::new(),
            todo: Vec::new(),
            lost: None,
            notes: Vec::new(),
        }
    }

    /// All steps, and what is to be said of what is not among them.
    pub(crate) fn finish(self) -> (Vec<Step>, Vec<String>) {
        (self.steps, self.notes)
    }

    /// Adds what a root caused.
    pub(crate) fn grow(&mut self, root: Root) -> Result<(), TraceError> {
        self.todo.push((None, Todo::Root(root)));
        while let Some((parent, todo)) = self.todo.pop() {
            if self.steps.len() >= STEPS_MAX {
                self.todo.clear();
                self.note(format!("only the first {STEPS_MAX} steps are shown"));
                break;
            }
            match todo {
                Todo::Root(root) => self.root(root)?,
                Todo::Event(event) => self.event(parent, &event)?,
                Todo::Command(partition, command) => self.command(parent, partition, &command)?,
                Todo::Gone(events) => self.gone(parent, events),
                Todo::Letter(letter) => self.letter(parent, &letter)?,
            }
        }
        Ok(())
    }

    fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    fn terms(&self) -> &'a Terms {
        self.source.terms
    }

    /// A body for people.
    fn shown(&self, partition: PartitionId, kind: &Kind, body: &Bytes) -> Bytes {
        self.source.shown(partition.aggregate_type, kind, body)
    }

    /// Adds a step; gives its index.
    fn add(&mut self, parent: Option<usize>, mut step: Step) -> usize {
        step.parent = parent;
        step.depth = parent.map_or(0, |parent| self.steps[parent].depth + 1);
        let mut above = parent;
        while let Some(index) = above {
            if let (Some(since), Some(at)) = (self.steps[index].at, step.at) {
                step.hop_ms = Some(at.saturating_sub(since));
                break;
            }
            above = self.steps[index].parent;
        }
        self.steps.push(step);
        self.steps.len() - 1
    }

    /// What follows a step, in order.
    fn follow(&mut self, parent: usize, todo: Vec<Todo>) {
        self.todo.extend(todo.into_iter().rev().map(|todo| (Some(parent), todo)));
    }

    fn root(&mut self, root: Root) -> Result<(), TraceError> {
        self.lost = None;
        match root.from {
            Begun::Event(event) => self.event(None, &event),
            Begun::Request(offset, hint) => self.request(root.partition, offset, hint.as_deref()),
        }
    }

    /// When and by whom it was decided.
    fn decided(
        &self,
        step: &mut Step,
        partition: PartitionId,
        turn: &Turn,
    ) -> Result<(), TraceError> {
        step.decided_at = turn.at.map(|time| time.0);
        let owner = self.reading.owner(partition, turn)?;
        step.decided_by =
            owner.map(|owner| StepHandler::of(&owner, turn.record.deployment, self.terms()));
        Ok(())
    }

    fn event(&mut self, parent: Option<usize>, located: &Located) -> Result<(), TraceError> {
        let Located { partition, event } = located;
        let partition = *partition;
        let cause = EventRef {
            aggregate_type: partition.aggregate_type,
            key: event.key.clone(),
            sequence: event.sequence,
        };
        let at = self.reading.time_of(located)?;
        let step =
            Step::new(StepKind::Event, partition, &event.key, self.event_id(&cause), self.terms())
                .standing(event.number, at)
                .saying(&event.kind.name, &self.shown(partition, &event.kind, &event.body))
                .by(&event.handler, event.deployment, self.terms());
        let index = self.add(parent, step);

        let mut times: Vec<Time> = at.into_iter().collect();
        let mut letters = Vec::new();
        let turn = match self.turns.of_event(partition, event.number)? {
            Found::Turn(turn) => Some(turn),
            Found::NotYet | Found::Removed => None,
        };
        if let Some(turn) = &turn {
            times.extend(self.late(located, &turn.record)?);
            letters = self.parked(located, turn)?;
        }
        let mut sent = self.reading.sent(&cause, None, &times)?;
        if let Some(turn) = &turn {
            self.not_sent(partition, turn, &mut sent.lost)?;
        }
        let mut follow = Vec::new();
        if !sent.lost.is_empty() {
            self.note(
                "retention has removed commands of this time: those that caused events are shown as gone, \
                 those that were refused or came to nothing have left no trace"
                    .to_owned(),
            );
            let mut lost = self.lost_of(&cause, located)?;
            lost.retain(|events| sent.lost.iter().any(|(to, _)| *to == events[0].partition));
            follow.extend(lost.into_iter().map(Todo::Gone));
        }
        let commands = sent.commands.into_iter();
        follow.extend(commands.map(|(partition, c)| Todo::Command(partition, Box::new(c))));
        follow.extend(letters);
        self.follow(index, follow);
        Ok(())
    }

    /// When event handlers reacted to an event that did not in its own turn.
    fn late(&mut self, event: &Located, own: &BatchRecord) -> Result<Vec<Time>, TraceError> {
        let (partition, number) = (event.partition, event.event.number);
        let mut times = Vec::new();
        let Some(newest) = self.turns.newest(partition)? else { return Ok(times) };
        for cursor in &newest.record.cursors {
            let handler = &*cursor.handler;
            if passed(own, handler, number) || !passed(&newest.record, handler, number) {
                continue;
            }
            if let Found::Turn(turn) = self.turns.passing(partition, handler, number)? {
                times.extend(turn.at);
            }
        }
        times.sort();
        times.dedup();
        Ok(times)
    }

    /// Takes out the partitions from which nothing is lost: a turn sent nothing there, or all of it is
    /// left.
    fn not_sent(
        &mut self,
        from: PartitionId,
        turn: &Turn,
        lost: &mut Vec<(PartitionId, Option<u64>)>,
    ) -> Result<(), TraceError> {
        if lost.is_empty() {
            return Ok(());
        }
        let before = match turn.record.turn.checked_sub(1) {
            None | Some(0) => None,
            Some(before) => match self.turns.numbered(from, before)? {
                Some(before) => Some(before),
                None => return Ok(()),
            },
        };
        let names = self.terms();
        lost.retain(|(to, first)| {
            let until = sent_to(&turn.record, *to, names);
            let from = before.as_ref().map_or(0, |before| sent_to(&before.record, *to, names));
            until > from && first.is_none_or(|first| first > from + 1)
        });
        Ok(())
    }

    /// Events that commands caused which are gone, by command.
    fn lost_of(
        &mut self,
        cause: &EventRef,
        event: &Located,
    ) -> Result<Vec<Vec<Located>>, TraceError> {
        let correlation = event.event.context.correlation.clone();
        if self.lost.as_ref().is_none_or(|(of, _)| *of != correlation) {
            let (found, complete) = self.reading.of_process(&correlation, event.event.time)?;
            if !complete {
                self.note(format!(
                    "what commands caused that are gone was looked for in the next {LOST_MAX} events of \
                     each partition only"
                ));
            }
            self.lost = Some((correlation, found));
        }
        let of_it = self.lost.as_ref().and_then(|(_, lost)| lost.get(cause));
        let mut events = of_it.cloned().unwrap_or_default();
        events.sort_by(|a, b| sender_of(&a.event.cause).cmp(&sender_of(&b.event.cause)));
        Ok(events
            .chunk_by(|a, b| sender_of(&a.event.cause) == sender_of(&b.event.cause))
            .map(<[_]>::to_vec)
            .collect())
    }

    fn command(
        &mut self,
        parent: Option<usize>,
        partition: PartitionId,
        stored: &Stored<Command>,
    ) -> Result<(), TraceError> {
        let Stored { offset, appended, record } = stored;
        let offset = *offset;
        let id = format!("{}/{}/{}", self.event_id(&record.cause), record.handler, record.index);
        let mut step = Step::new(StepKind::Command, partition, &record.key, id, self.terms())
            .standing(offset, Some(*appended))
            .saying(&record.kind.name, &self.shown(partition, &record.kind, &record.body))
            .by(&record.handler, record.deployment, self.terms());
        let mut follow = Vec::new();
        match self.turns.of_command(partition, offset)? {
            Found::NotYet => step.became(Outcome::Waiting),
            Found::Removed => step.became(Outcome::Gone),
            Found::Turn(turn) => {
                self.decided(&mut step, partition, &turn)?;
                let why = turn.record.commandless.iter().find(|entry| entry.offset == offset);
                match why.and_then(|entry| entry.why.as_ref()) {
                    Some(Why::Refused(refused)) => step.refused(refused),
                    Some(Why::Nothing(_)) => step.became(Outcome::Nothing),
                    Some(Why::Seen(_)) => step.became(Outcome::Duplicate),
                    Some(Why::Fault(fault)) => {
                        step.became(Outcome::Fault);
                        let letter = Some(fault.dead_letter);
                        follow.extend(self.letter_of(partition, letter, &turn, &record.key));
                    }
                    None => {
                        step.became(Outcome::Accepted);
                        let of_it = |cause: &Cause| command_of(cause) == Some(offset);
                        let events = self.reading.events_of(partition, &turn, of_it)?;
                        follow.extend(events.into_iter().map(Todo::Event));
                    }
                }
            }
        }
        let index = self.add(parent, step);
        self.follow(index, follow);
        Ok(())
    }

    fn gone(&mut self, parent: Option<usize>, events: Vec<Located>) {
        let Some(Located { partition, event }) = events.first() else { return };
        let Cause::Command { offset, event: cause, handler, index } = &event.cause else { return };
        let id = format!("{}/{handler}/{index}", self.event_id(cause));
        let mut step = Step::new(StepKind::Command, *partition, &event.key, id, self.terms());
        step.number = Some(*offset);
        step.gone = true;
        step.became(Outcome::Accepted);
        let index = self.add(parent, step);
        self.follow(index, events.into_iter().map(Todo::Event).collect());
    }

    fn type_name(&self, id: TypeId) -> &'a str {
        self.terms().type_name(id)
    }

    /// `type/key/sequence`.
    fn event_id(&self, event: &EventRef) -> String {
        let r#type = self.type_name(event.aggregate_type);
        format!("{type}/{}/{}", text(&event.key), event.sequence)
    }
}

/// What became of the request at an offset.
fn what_of(record: &BatchRecord, offset: Offset) -> Option<&What> {
    let entry = record.external.iter().find(|entry| entry.offset == offset)?;
    entry.outcome.as_ref()?.what.as_ref()
}

/// The last number that had been sent to a partition after a turn.
fn sent_to(record: &BatchRecord, to: PartitionId, terms: &Terms) -> u64 {
    let name = terms.type_name(to.aggregate_type);
    let channels = record.sent.iter().find(|channels| channels.aggregate_type == name);
    channels.and_then(|c| c.numbers.get(to.number as usize)).copied().unwrap_or(0)
}

fn request_of(cause: &Cause) -> Option<Offset> {
    match cause {
        Cause::Request { offset, .. } | Cause::Wake { offset, .. } => Some(*offset),
        Cause::Command { .. } => None,
    }
}

fn command_of(cause: &Cause) -> Option<Offset> {
    match cause {
        Cause::Command { offset, .. } => Some(*offset),
        Cause::Request { .. } | Cause::Wake { .. } => None,
    }
}

/// Which command of an event's.
fn sender_of(cause: &Cause) -> Option<(&str, u32)> {
    match cause {
        Cause::Command { handler, index, .. } => Some((handler, *index)),
        Cause::Request { .. } | Cause::Wake { .. } => None,
    }
}
