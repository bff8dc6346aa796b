//! The aggregates of a native switch: states, events and deadlines, all in memory. An aggregate is
//! known by its index.

use std::collections::{BTreeSet, HashMap};

use zamu_guest::columns::{Aggregates, NEVER, States};

use super::directory::TypeId;

/// All aggregates that were asked so far.
#[derive(Default)]
pub(super) struct Store {
    /// In the order in which they were first asked.
    pub(super) aggregates: Vec<Stored>,
    by_key: HashMap<String, Vec<(TypeId, usize)>>,
    /// When aggregates want to be woken.
    deadlines: BTreeSet<(u64, usize)>,
}

/// An aggregate; one without events was only asked.
pub(super) struct Stored {
    pub(super) aggregate_type: TypeId,
    pub(super) key: String,
    pub(super) state: Vec<u8>,
    pub(super) schema: u32,
    pub(super) wake_at: u64,
    pub(super) events: Vec<Kept>,
    /// The number of the last command that another aggregate sent.
    seen: u64,
}

/// An event as its owner keeps it.
pub(super) struct Kept {
    pub(super) kind: u32,
    pub(super) time_ms: u64,
    pub(super) body: Vec<u8>,
}

impl Store {
    pub(super) fn find(&self, aggregate_type: TypeId, key: &str) -> Option<usize> {
        let of_key = self.by_key.get(key)?;
        of_key.iter().find(|(of, _)| *of == aggregate_type).map(|(_, index)| *index)
    }

    pub(super) fn find_or_add(&mut self, aggregate_type: TypeId, key: &str) -> usize {
        if let Some(index) = self.find(aggregate_type, key) {
            return index;
        }
        let index = self.aggregates.len();
        self.aggregates.push(Stored {
            aggregate_type,
            key: key.to_owned(),
            state: Vec::new(),
            schema: 0,
            wake_at: NEVER,
            events: Vec::new(),
            seen: 0,
        });
        self.by_key.entry(key.to_owned()).or_default().push((aggregate_type, index));
        index
    }

    /// These aggregates of one type, as a handler gets them.
    pub(super) fn columns(&self, type_index: u32, slots: &[usize]) -> Aggregates {
        let mut aggregates = Aggregates::default();
        for index in slots {
            let stored = &self.aggregates[*index];
            aggregates.aggregate_type.push(type_index);
            aggregates.keys.push(stored.key.as_bytes());
            aggregates.sequences.push(stored.events.len() as u64);
            aggregates.schemas.push(stored.schema);
            aggregates.states.push(&stored.state);
        }
        aggregates
    }

    /// A command arrives, if another aggregate sent it under this number. Tells whether it is new.
    pub(super) fn arrives(&mut self, aggregate: usize, number: Option<u64>) -> bool {
        let Some(number) = number else { return true };
        let seen = &mut self.aggregates[aggregate].seen;
        let is_new = number > *seen;
        *seen = number.max(*seen);
        is_new
    }

    /// The state that `decide` leaves in a slot is the aggregate's from now on.
    pub(super) fn put(&mut self, aggregate: usize, states: &States, slot: usize) {
        let stored = &mut self.aggregates[aggregate];
        stored.state.clear();
        stored.state.extend_from_slice(states.bytes.get(slot));
        stored.schema = states.schemas[slot];
        if stored.wake_at != states.wake_at[slot] {
            self.deadlines.remove(&(stored.wake_at, aggregate));
            stored.wake_at = states.wake_at[slot];
            if stored.wake_at != NEVER {
                self.deadlines.insert((stored.wake_at, aggregate));
            }
        }
    }

    /// Keeps an event; gives its place.
    pub(super) fn add_event(
        &mut self,
        aggregate: usize,
        kind: u32,
        time_ms: u64,
        body: &[u8],
    ) -> usize {
        let events = &mut self.aggregates[aggregate].events;
        events.push(Kept { kind, time_ms, body: body.to_vec() });
        events.len() - 1
    }

    /// The first aggregate whose deadline has come.
    pub(super) fn next_due(&self, now_ms: u64) -> Option<usize> {
        let (deadline, aggregate) = self.deadlines.first()?;
        (*deadline < now_ms).then_some(*aggregate)
    }
}
