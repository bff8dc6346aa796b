//! What began a process: a client's request or an aggregate's deadline, as far as it is still there.

use zamu_core::model::{Cause, Offset, PartitionId, Request, Stored};

use super::{Todo, Tree, request_of, what_of};
use crate::json::text;
use crate::trace::step::{Outcome, Step, StepKind};
use crate::trace::turns::Found;
use crate::trace::{Located, TraceError};

impl Tree<'_> {
    pub(super) fn request(
        &mut self,
        partition: PartitionId,
        offset: Offset,
        hint: Option<&Located>,
    ) -> Result<(), TraceError> {
        let found = self.turns.of_request(partition, offset)?;
        let stored = self.reading.request(partition, offset)?;
        let mut step = match (&stored, hint) {
            (Some(stored), _) => self.asked(partition, stored),
            (None, Some(event)) => self.asked_once(event),
            (None, None) => self.only_decided(partition, offset, &found),
        };
        step.number = Some(offset);
        let mut follow = Vec::new();
        match found {
            Found::NotYet => step.became(Outcome::Waiting),
            Found::Removed => {
                step.became(if hint.is_some() { Outcome::Accepted } else { Outcome::Gone });
                let events = hint.map(|event| self.reading.siblings(event)).transpose()?;
                follow.extend(events.into_iter().flatten().map(Todo::Event));
            }
            Found::Turn(turn) => {
                self.decided(&mut step, partition, &turn)?;
                let letter = step.told(what_of(&turn.record, offset));
                follow.extend(self.letter_of(partition, letter, &turn, step.key.as_bytes()));
                let of_it = |cause: &Cause| request_of(cause) == Some(offset);
                let events = self.reading.events_of(partition, &turn, of_it)?;
                follow.extend(events.into_iter().map(Todo::Event));
            }
        }
        let index = self.add(None, step);
        self.follow(index, follow);
        Ok(())
    }

    /// A request that is still there.
    fn asked(&self, partition: PartitionId, stored: &Stored<Request>) -> Step {
        let Stored { offset, appended, record } = stored;
        let id = text(&record.id).into_owned();
        let kind = if record.wake.is_some() { StepKind::Wake } else { StepKind::Request };
        let id = if record.wake.is_some() { id } else { format!("{}/{id}", text(&record.source)) };
        let step = Step::new(kind, partition, &record.key, id, self.terms());
        let mut step = step.standing(*offset, Some(*appended));
        if record.wake.is_none() {
            let body = self.shown(partition, &record.kind, &record.body);
            step = step.saying(&record.kind.name, &body);
            step.correlation = Some(text(&record.context.correlation).into_owned());
            step.principal = Some(text(&record.context.principal).into_owned());
        }
        step
    }

    /// A request that is gone: what an event of it says.
    fn asked_once(&self, event: &Located) -> Step {
        let Located { partition, event } = event;
        let (kind, id) = match &event.cause {
            Cause::Request { source, id, .. } => {
                (StepKind::Request, format!("{}/{}", text(source), text(id)))
            }
            _ => (StepKind::Wake, text(&event.context.correlation).into_owned()),
        };
        let mut step = Step::new(kind, *partition, &event.key, id, self.terms());
        step.gone = true;
        // The time of an event is that of the request that began it all.
        step.at = Some(event.time.0);
        step.correlation = Some(text(&event.context.correlation).into_owned());
        step.principal = Some(text(&event.context.principal).into_owned());
        step
    }

    /// A request that is gone: what its turn says, if that is there.
    fn only_decided(&self, partition: PartitionId, offset: Offset, found: &Found) -> Step {
        let entry = match found {
            Found::Turn(turn) => turn.record.external.iter().find(|e| e.offset == offset),
            _ => None,
        };
        let (key, id) = entry.map_or((&b""[..], String::new()), |entry| {
            (&entry.key, format!("{}/{}", text(&entry.source), text(&entry.id)))
        });
        let mut step = Step::new(StepKind::Request, partition, key, id, self.terms());
        step.gone = true;
        step.at = entry.map(|entry| entry.time);
        step
    }
}
