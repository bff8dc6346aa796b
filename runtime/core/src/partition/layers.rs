//! Turns that are not durable yet, newest last: put on top of each other, made durable from below,
//! thrown away from above.

use std::sync::Arc;

use bytes::Bytes;

use super::Partition;
use crate::aggregate::Aggregate;
use crate::failpoints;
use crate::log::{CommitId, TurnWrite};
use crate::model::{Event, EventNumber, Time};
use crate::outcomes::Standing;
use crate::proto::BatchRecord;
use crate::turn::collect::Collected;
use crate::working::Working;

/// A turn that is not durable yet.
#[derive(Debug)]
pub(super) struct Layer {
    commit: CommitId,
    standing: Standing,
    changed: Vec<(Bytes, Arc<Aggregate>)>,
    record: Arc<BatchRecord>,
    /// Its events, while an event handler is behind.
    events: Vec<Event>,
    /// Append time of the last request that it took.
    requests_time: Option<Time>,
}

impl Partition {
    /// Puts a computed turn on top of the others.
    pub(super) fn stack(
        &mut self,
        commit: CommitId,
        collected: Collected,
        working: Working,
        requests_time: Option<Time>,
        keeps_events: bool,
    ) -> TurnWrite {
        let changed: Vec<_> = working
            .into_iter()
            .filter(|(_, held)| held.changed)
            .map(|(key, held)| (key, held.aggregate))
            .collect();
        for (key, aggregate) in &changed {
            self.memory.compute(commit, key.clone(), Arc::clone(aggregate));
            if failpoints::fires(failpoints::PUBLISH_BEFORE_COMMIT) {
                self.memory.change(key.clone(), Arc::clone(aggregate));
            }
        }
        let Collected { write, record, standing, .. } = collected;
        self.last_events = write.events.len();
        let events = if keeps_events { write.events.clone() } else { Vec::new() };
        self.layers.push_back(Layer { commit, standing, changed, record, events, requests_time });
        write
    }

    /// Where the partition stands after its newest turn, durable or not.
    #[must_use]
    pub fn standing(&self) -> &Standing {
        self.layers.back().map_or(&self.durable, |layer| &layer.standing)
    }

    /// The events of turns that are not durable, from a number on and without a gap, as far as they are
    /// kept.
    pub(super) fn undurable_events(&self, from: EventNumber) -> impl Iterator<Item = &Event> {
        let kept = self.layers.iter().flat_map(|layer| &layer.events);
        let from_there = kept.skip_while(move |event| event.number < from);
        from_there
            .zip(from..)
            .take_while(|(event, due)| event.number == *due)
            .map(|(event, _)| event)
    }

    /// Whether turns of it are in flight.
    #[must_use]
    pub fn in_flight(&self) -> bool {
        !self.layers.is_empty()
    }

    /// All commits up to this one are durable. Returns the batch records of its turns, oldest first.
    pub fn make_durable(&mut self, commit: CommitId) -> Vec<Arc<BatchRecord>> {
        let mut records = Vec::new();
        while let Some(layer) = self.layers.pop_front_if(|layer| layer.commit <= commit) {
            for (key, aggregate) in layer.changed {
                self.memory.make_durable(layer.commit, &key);
                self.change(key, aggregate);
            }
            self.durable = layer.standing;
            self.requests_time = layer.requests_time.unwrap_or(self.requests_time);
            records.push(layer.record);
        }
        records
    }

    /// The commits from this one on did not happen: what was computed for them is thrown away.
    pub fn discard_from(&mut self, commit: CommitId) {
        self.layers.retain(|layer| layer.commit < commit);
        self.deadlines.discard_from(commit);
        self.memory.discard(self.layers.iter().map(|layer| (layer.commit, &layer.changed[..])));
    }

    /// Puts in a durable aggregate that is not in the store yet.
    pub(crate) fn change(&mut self, key: Bytes, aggregate: Arc<Aggregate>) {
        let before = self.memory.change(key.clone(), Arc::clone(&aggregate));
        self.deadlines.changed(&key, before.and_then(|before| before.deadline()), &aggregate);
    }
}
