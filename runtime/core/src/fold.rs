//! Folding: what the events of a partition have made of its aggregates, by `evolve`, and what its batch
//! records have entered into their windows of ids. No command is decided and nobody reacts.
//!
//! Which events and records, and where aggregates come from and go to, is left to others: a restore
//! folds what the store lacks, an audit what was before the turns that it looks at.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;

use crate::aggregate::Aggregate;
use crate::guest::Guest;
use crate::guest::check;
use crate::guest::columns::{Aggregates, NEVER, PastColumns};
use crate::model::{Event, PartitionId, Sequence, Time};
use crate::proto::outcome::What;
use crate::proto::{BatchRecord, RequestOutcome};
use crate::topology::{BoundHandler, Topology};
use crate::window::Entry;
use crate::working::{Working, push_aggregate};

/// Events and records that cannot be folded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// They do not fit the aggregates or the handler: it is so whenever it is tried.
    #[error("{0}")]
    Unfit(String),
    /// The handler breaks on them: another version of it may not.
    #[error("{0}")]
    Broken(String),
    /// The guest could not be run, through no fault of theirs.
    #[error("{0}")]
    Host(String),
}

/// Folds into the aggregates of one partition.
pub struct Folder<'a> {
    /// Who does what.
    pub topology: &'a Topology,
    /// The partition.
    pub partition: PartitionId,
    /// The owner's instance.
    pub guest: &'a mut dyn Guest,
}

/// The keys of all that these change: they must be loaded before they are folded.
pub fn keys<'a>(
    records: &'a [BatchRecord],
    events: &'a [Event],
) -> impl Iterator<Item = &'a Bytes> {
    let of_requests = records.iter().flat_map(|record| &record.external);
    let answered = of_requests.filter(|o| !o.unwindowed || given_up(o).is_some());
    events.iter().map(|event| &event.key).chain(answered.map(|outcome| &outcome.key))
}

impl Folder<'_> {
    /// Applies each event whose sequence is the next, and skips what the aggregates already have.
    ///
    /// # Errors
    /// When events are missing, the handler does not read one or breaks on it.
    pub fn events(&mut self, events: &[Event], working: &mut Working) -> Result<(), FoldError> {
        let mut fold = Fold::default();
        for event in events {
            fold.add(event, self, working)?;
        }
        fold.run(self, working)
    }

    /// Enters answers into the windows of ids, and notes which deadlines were given up. All events of
    /// these turns have been folded.
    ///
    /// # Errors
    /// When a record is damaged.
    pub fn outcomes(
        &self,
        records: &[BatchRecord],
        working: &mut Working,
    ) -> Result<(), FoldError> {
        let of_requests = || records.iter().flat_map(|record| &record.external);
        self.answers(of_requests().filter(|outcome| !outcome.unwindowed), working)?;
        fold_given_up(of_requests().filter_map(given_up), working);
        Ok(())
    }

    fn answers<'o>(
        &self,
        outcomes: impl Iterator<Item = &'o RequestOutcome>,
        working: &mut Working,
    ) -> Result<(), FoldError> {
        let settings = self.topology.settings(self.partition.aggregate_type);
        for outcome in outcomes {
            let Some(held) = working.get_mut(&outcome.key) else { continue };
            if outcome.offset < held.aggregate.requests_folded {
                continue;
            }
            let damaged =
                || FoldError::Unfit(format!("outcome of request {}: damaged", outcome.offset));
            let outcome = alone(outcome).ok_or_else(damaged)?;
            let entry = Entry {
                source: outcome.source,
                id: outcome.id,
                content: outcome.content.as_ref().try_into().map_err(|_| damaged())?,
                time: Time(outcome.time),
                offset: outcome.offset,
                answer: outcome.outcome.ok_or_else(damaged)?,
            };
            held.changed = true;
            let aggregate = Arc::make_mut(&mut held.aggregate);
            aggregate.requests_folded = outcome.offset + 1;
            aggregate.window.insert(entry, settings);
        }
        Ok(())
    }

    fn owner(&self) -> &BoundHandler {
        &self.topology.handlers[self.topology.owner(self.partition.aggregate_type)]
    }
}

/// The aggregate that has given a deadline up by this outcome, and the sequence at which it did.
fn given_up(outcome: &RequestOutcome) -> Option<(&Bytes, Sequence)> {
    let what = outcome.outcome.as_ref().and_then(|o| o.what.as_ref());
    let faulted = matches!(what, Some(What::Fault(_)));
    outcome.wake.filter(|_| faulted).map(|sequence| (&outcome.key, sequence))
}

/// Events have been folded: a sequence that has passed wants another deadline, or none.
fn fold_given_up<'o>(given_up: impl Iterator<Item = (&'o Bytes, Sequence)>, working: &mut Working) {
    for (key, sequence) in given_up {
        let Some(held) = working.get_mut(key) else { continue };
        let known = held.aggregate.wake_given_up == Some(sequence);
        if held.aggregate.sequence == sequence && !known {
            held.changed = true;
            Arc::make_mut(&mut held.aggregate).wake_given_up = Some(sequence);
        }
    }
}

/// An outcome with memory of its own, so that a window does not keep whole batch records.
fn alone(outcome: &RequestOutcome) -> Option<RequestOutcome> {
    RequestOutcome::decode(Bytes::from(outcome.encode_to_vec())).ok()
}

/// Events to be folded in one call.
#[derive(Default)]
struct Fold {
    keys: Vec<Bytes>,
    slots: HashMap<Bytes, u32>,
    aggregates: Aggregates,
    past: PastColumns,
}

impl Fold {
    fn add(
        &mut self,
        event: &Event,
        folder: &Folder<'_>,
        working: &mut Working,
    ) -> Result<(), FoldError> {
        let owner = folder.owner();
        let aggregate_type = folder.partition.aggregate_type;
        let Some(held) = working.get_mut(&event.key) else { return Ok(()) };
        let due = held.aggregate.sequence + 1;
        if event.sequence < due {
            return Ok(());
        }
        let name = || String::from_utf8_lossy(&event.key);
        if event.sequence > due {
            return Err(FoldError::Unfit(format!(
                "event {} of `{}` has sequence {}, but {due} is due: events are missing",
                event.number,
                name(),
                event.sequence
            )));
        }
        let Some(kind) = owner.event(aggregate_type, &event.kind) else {
            return Err(FoldError::Unfit(format!(
                "event {} of `{}` is {}, which handler `{}` does not read: restart with one that does",
                event.number,
                name(),
                event.kind,
                owner.spec.name
            )));
        };
        let slot = match self.slots.get(&event.key) {
            Some(slot) => *slot,
            None => {
                let slot = self.keys.len() as u32;
                push_aggregate(
                    &mut self.aggregates,
                    owner,
                    aggregate_type,
                    &event.key,
                    &held.aggregate,
                );
                self.keys.push(event.key.clone());
                self.slots.insert(event.key.clone(), slot);
                slot
            }
        };
        self.past.slot.push(slot);
        self.past.kind.push(kind);
        self.past.time.push(event.time.0);
        self.past.bodies.push(&event.body);
        held.changed = true;
        let aggregate = Arc::make_mut(&mut held.aggregate);
        aggregate.sequence = event.sequence;
        aggregate.wake_given_up = None;
        aggregate.last_event = Some(event.number);
        Ok(())
    }

    fn run(self, folder: &mut Folder<'_>, working: &mut Working) -> Result<(), FoldError> {
        if self.keys.is_empty() {
            return Ok(());
        }
        let spec = Arc::clone(&folder.owner().spec);
        let manifest = &spec.manifest;
        let states = folder
            .guest
            .evolve(&self.aggregates, &self.past)
            .and_then(|states| check::states(&states, self.keys.len(), manifest).map(|()| states))
            .map_err(|fault| {
                if fault.reason.blames_no_item() {
                    return FoldError::Host(format!("handler `{}`: {fault}", spec.name));
                }
                FoldError::Broken(format!(
                    "`evolve` of handler `{}` {} faulted: {fault}. Deploy a mended version or roll back (`zamu handlers`)",
                    spec.name, manifest.version
                ))
            })?;
        for (slot, key) in self.keys.iter().enumerate() {
            let Some(held) = working.get_mut(key) else { continue };
            let aggregate: &mut Aggregate = Arc::make_mut(&mut held.aggregate);
            aggregate.state = Bytes::copy_from_slice(states.bytes.get(slot));
            aggregate.schema = Arc::from(&*manifest.state_schemas[states.schemas[slot] as usize]);
            aggregate.fold = manifest.fold;
            let wake_at = states.wake_at[slot];
            aggregate.wake_at = (wake_at != NEVER).then_some(Time(wake_at));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::proto::{Nothing, Outcome, outcome::What};

    #[test]
    fn an_outcome_that_is_remembered_does_not_keep_its_batch_record() {
        let nothing = Nothing { reply: Bytes::from_static(b"reply") };
        let outcome = RequestOutcome {
            id: Bytes::from_static(b"id"),
            source: Bytes::from_static(b"source"),
            outcome: Some(Outcome { what: Some(What::Nothing(nothing)) }),
            ..RequestOutcome::default()
        };
        let record = BatchRecord { external: vec![outcome.clone()], ..BatchRecord::default() };
        let bytes = Bytes::from(record.encode_to_vec());
        let read = BatchRecord::decode(bytes.clone()).unwrap();
        let kept = alone(&read.external[0]).unwrap();
        assert!(!bytes.is_unique());
        drop(read);
        assert!(bytes.is_unique());
        assert_eq!(kept, outcome);
    }
}
