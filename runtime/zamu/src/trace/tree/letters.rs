//! What could not be processed, and what came of it when it was processed again.

use zamu_core::model::{Cause, EventRef, PartitionId, Time};
use zamu_core::proto::{DeadLetter, dead_letter::Subject};

use super::{Letter, Todo, Tree, command_of, request_of, what_of};
use crate::trace::step::{Outcome, Step, StepHandler, StepKind};
use crate::trace::turns::{Found, Turn};
use crate::trace::{Located, TraceError};

impl Tree<'_> {
    pub(super) fn letter_of(
        &self,
        partition: PartitionId,
        number: Option<u64>,
        turn: &Turn,
        key: &[u8],
    ) -> Option<Todo> {
        let key = key.to_vec();
        number
            .map(|number| Todo::Letter(Letter { partition, number, at: turn.at, key, event: None }))
    }

    /// Dead letters of handlers that could not react to an event.
    pub(super) fn parked(&self, event: &Located, turn: &Turn) -> Result<Vec<Todo>, TraceError> {
        let mut found = Vec::new();
        for number in &turn.record.dead_letters_opened {
            let letter = self.reading.letter(event.partition, *number)?;
            let subject = letter.and_then(|letter| letter.subject);
            if matches!(subject, Some(Subject::Event(of)) if of == event.event.number) {
                found.push(Todo::Letter(Letter {
                    partition: event.partition,
                    number: *number,
                    at: turn.at,
                    key: event.event.key.to_vec(),
                    event: Some(Box::new(event.clone())),
                }));
            }
        }
        Ok(found)
    }

    pub(super) fn letter(
        &mut self,
        parent: Option<usize>,
        letter: &Letter,
    ) -> Result<(), TraceError> {
        let Letter { partition, number, .. } = *letter;
        let id =
            format!("{}/{}/{number}", self.type_name(partition.aggregate_type), partition.number);
        let step = Step::new(StepKind::DeadLetter, partition, &letter.key, id, self.terms());
        let mut step = step.standing(number, letter.at);
        let Some(told) = self.reading.letter(partition, number)? else {
            step.gone = true;
            self.add(parent, step);
            return Ok(());
        };
        step.reason = Some(told.reason.clone());
        step.message = Some(told.message.clone());
        step.handler = Some(StepHandler {
            name: told.handler.clone(),
            version: Some(told.version.clone()),
            digest: Some(told.digest.clone()),
            deployment: told.deployment,
        });
        let newest = self.turns.newest(partition)?;
        let open = newest.is_some_and(|newest| newest.record.dead_letters_open.contains(&number));
        step.open = Some(open);
        let mut follow = Vec::new();
        if !open {
            match self.turns.closing(partition, number)? {
                Found::Turn(turn) => follow = self.redriven(&mut step, letter, &told, &turn)?,
                Found::NotYet | Found::Removed => step.became(Outcome::Gone),
            }
        }
        let index = self.add(parent, step);
        self.follow(index, follow);
        Ok(())
    }

    /// What came of a dead letter when it was processed again.
    fn redriven(
        &self,
        step: &mut Step,
        letter: &Letter,
        told: &DeadLetter,
        turn: &Turn,
    ) -> Result<Vec<Todo>, TraceError> {
        let partition = letter.partition;
        self.decided(step, partition, turn)?;
        let range = turn.record.requests.unwrap_or_default();
        let asked = self.reading.requests(partition, range.first, range.next)?;
        let redrive = asked.iter().find(|stored| stored.record.redrive == Some(letter.number));
        if let Some(redrive) = redrive {
            step.told(what_of(&turn.record, redrive.offset));
        }
        let events = match (&told.subject, redrive) {
            (Some(Subject::Request(_)), Some(redrive)) => {
                let of_it = |cause: &Cause| request_of(cause) == Some(redrive.offset);
                self.reading.events_of(partition, turn, of_it)?
            }
            (Some(Subject::Command(dead)), _) => {
                let of_it = |cause: &Cause| command_of(cause) == Some(dead.offset);
                self.reading.events_of(partition, turn, of_it)?
            }
            (Some(Subject::Event(_)), _) => {
                let Some(event) = &letter.event else { return Ok(Vec::new()) };
                let cause = EventRef {
                    aggregate_type: partition.aggregate_type,
                    key: event.event.key.clone(),
                    sequence: event.event.sequence,
                };
                let times: Vec<Time> = turn.at.into_iter().collect();
                let sent = self.reading.sent(&cause, Some(&told.handler), &times)?;
                let commands = sent.commands.into_iter();
                return Ok(commands.map(|(to, c)| Todo::Command(to, Box::new(c))).collect());
            }
            _ => Vec::new(),
        };
        Ok(events.into_iter().map(Todo::Event).collect())
    }
}
