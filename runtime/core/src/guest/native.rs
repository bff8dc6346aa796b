//! A guest in plain Rust, for tests: rules that work on one item at a time, behind the columns of
//! the seam. No sandbox, no limits; rules say themselves when they break.

use std::collections::BTreeMap;

use super::columns::{
    ACCEPTED, Aggregates, Blobs, ChangeColumns, CommandColumns, DELETE, DecidedEvents, Decision,
    EventColumns, NEVER, NOTHING, PUT, PastColumns, ProjectedColumns, REFUSED, RowColumns,
    SentColumns, States, Subjects,
};
use super::{Fault, FaultReason, Guest, Lookup};

/// What a toy does with single items. Indices are into its manifest.
pub trait Rules: Send {
    /// What the next items that are decided or reacted to may look up.
    fn see(&mut self, _lookup: &Lookup) {}

    /// Decides a command on a state. An absent aggregate has an empty state.
    ///
    /// # Errors
    /// The toy broke at this item.
    fn decide(&mut self, state: &[u8], command: &Item<'_>) -> Result<Answer, FaultReason>;

    /// Folds an event into a state.
    ///
    /// # Errors
    /// The toy broke at this item.
    fn evolve(&mut self, state: &mut Vec<u8>, event: &Item<'_>) -> Result<(), FaultReason>;

    /// Reacts to an event.
    ///
    /// # Errors
    /// The toy broke at this item.
    fn react(&mut self, event: &Item<'_>) -> Result<Vec<Sent>, FaultReason>;

    /// When a state wants to be woken; [`NEVER`] by default. A Wake comes as a command of kind
    /// [`WAKE`](super::columns::WAKE).
    fn wake_at(&self, _state: &[u8]) -> u64 {
        NEVER
    }

    /// Projects an event, given the aggregate's rows in keyed tables by the table's index.
    ///
    /// # Errors
    /// The toy broke at this item; always, for one without tables.
    fn project(
        &mut self,
        _rows: &mut BTreeMap<u32, Vec<u8>>,
        _event: &Item<'_>,
    ) -> Result<Vec<RowChange>, FaultReason> {
        Err(FaultReason::Instantiate)
    }

    /// A last word on what `project` returns: the place for lies.
    fn distort_changes(&mut self, _changes: &mut ChangeColumns) {}

    /// A last word on what `decide` returns: the place for lies.
    fn distort(&mut self, _decision: &mut Decision) {}

    /// From here on it is a fresh instance: nothing of earlier calls may be left.
    fn renew(&mut self) {}
}

/// One message.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    /// Key of the aggregate that it is for, or that decided it.
    pub key: &'a [u8],
    /// Index of its kind.
    pub kind: u32,
    /// Its time.
    pub time: u64,
    /// Its body.
    pub body: &'a [u8],
}

/// A command that a toy sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Index of the target's type.
    pub aggregate_type: u32,
    /// Key of the target.
    pub key: Vec<u8>,
    /// Index of the kind.
    pub kind: u32,
    /// The body.
    pub body: Vec<u8>,
}

/// A change of a row in a table that is not keyed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowChange {
    /// Index of the table.
    pub table: u32,
    /// What follows the aggregate's key and `/` in the row's key.
    pub suffix: String,
    /// The row; `None` removes it.
    pub value: Option<Vec<u8>>,
}

/// What a toy answers to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Accepted: (kind, body) of each event, and a reply.
    Accept(Vec<(u32, Vec<u8>)>, Vec<u8>),
    /// Refused with a code.
    Refuse(&'static str),
    /// Nothing to do, with a reply.
    Nothing(Vec<u8>),
}

/// Rules behind the seam.
#[derive(Debug)]
pub struct Native<R> {
    rules: R,
    names_culprits: bool,
}

impl<R: Rules> Native<R> {
    /// A guest of these rules. One that does not name culprits reports faults of nobody.
    pub fn new(rules: R, names_culprits: bool) -> Self {
        Self { rules, names_culprits }
    }

    fn fault(&mut self, item: usize, reason: FaultReason) -> Fault {
        self.rules.renew();
        let culprit = self.names_culprits.then_some(item as u32);
        Fault { culprit, reason, message: "the toy broke".into() }
    }

    fn all(&self, states: &[Vec<u8>]) -> States {
        States {
            schemas: vec![0; states.len()],
            bytes: states.iter().map(Vec::as_slice).collect(),
            wake_at: states.iter().map(|state| self.rules.wake_at(state)).collect(),
        }
    }

    fn evolve_slot(
        &mut self,
        item: usize,
        state: &mut Vec<u8>,
        event: &Item<'_>,
    ) -> Result<(), Fault> {
        self.rules.evolve(state, event).map_err(|reason| self.fault(item, reason))
    }
}

impl<R: Rules> Guest for Native<R> {
    fn decide(
        &mut self,
        aggregates: &Aggregates,
        commands: &CommandColumns,
        lookup: &Lookup,
    ) -> Result<Decision, Fault> {
        self.rules.see(lookup);
        let mut states: Vec<Vec<u8>> = aggregates.states.iter().map(<[u8]>::to_vec).collect();
        let mut decision = Decision::default();
        for i in 0..commands.slot.len() {
            let slot = commands.slot[i] as usize;
            let command = Item {
                key: aggregates.keys.get(slot),
                kind: commands.kind[i],
                time: commands.time[i],
                body: commands.bodies.get(i),
            };
            let answer = self
                .rules
                .decide(&states[slot], &command)
                .map_err(|reason| self.fault(i, reason))?;
            let (code, reason, reply, events) = match answer {
                Answer::Accept(events, reply) => (ACCEPTED, "", reply, events),
                Answer::Refuse(reason) => (REFUSED, reason, Vec::new(), Vec::new()),
                Answer::Nothing(reply) => (NOTHING, "", reply, Vec::new()),
            };
            decision.outcomes.code.push(code);
            decision.outcomes.reasons.push(reason.as_bytes());
            decision.outcomes.details.push(b"");
            decision.outcomes.replies.push(&reply);
            for (kind, body) in events {
                let event = Item { kind, body: &body, ..command };
                self.evolve_slot(i, &mut states[slot], &event)?;
                push_event(&mut decision.events, i, kind, &body);
            }
        }
        decision.states = self.all(&states);
        self.rules.distort(&mut decision);
        Ok(decision)
    }

    fn evolve(&mut self, aggregates: &Aggregates, events: &PastColumns) -> Result<States, Fault> {
        self.rules.see(&Lookup::default());
        let mut states: Vec<Vec<u8>> = aggregates.states.iter().map(<[u8]>::to_vec).collect();
        for i in 0..events.slot.len() {
            let slot = events.slot[i] as usize;
            let key = aggregates.keys.get(slot);
            let (kind, time) = (events.kind[i], events.time[i]);
            let event = Item { key, kind, time, body: events.bodies.get(i) };
            self.evolve_slot(i, &mut states[slot], &event)?;
        }
        Ok(self.all(&states))
    }

    fn react(&mut self, events: &EventColumns, lookup: &Lookup) -> Result<SentColumns, Fault> {
        self.rules.see(lookup);
        let mut sent = SentColumns::default();
        for i in 0..events.kind.len() {
            let event = Item {
                key: events.keys.get(i),
                kind: events.kind[i],
                time: events.time[i],
                body: events.bodies.get(i),
            };
            let commands = self.rules.react(&event).map_err(|reason| self.fault(i, reason))?;
            for Sent { aggregate_type, key, kind, body } in commands {
                sent.cause.push(i as u32);
                sent.aggregate_type.push(aggregate_type);
                sent.keys.push(&key);
                sent.kind.push(kind);
                sent.bodies.push(&body);
            }
        }
        Ok(sent)
    }

    fn project(
        &mut self,
        subjects: &Subjects,
        rows: &RowColumns,
        events: &ProjectedColumns,
    ) -> Result<ChangeColumns, Fault> {
        let mut keyed: Vec<BTreeMap<u32, Vec<u8>>> = vec![BTreeMap::new(); subjects.keys.len()];
        for (i, slot) in rows.slot.iter().enumerate() {
            keyed[*slot as usize].insert(rows.table[i], rows.values.get(i).to_vec());
        }
        let before = keyed.clone();
        let mut changes = ChangeColumns::default();
        for (i, slot) in events.slot.iter().enumerate() {
            let event = Item {
                key: subjects.keys.get(*slot as usize),
                kind: events.kind[i],
                time: events.time[i],
                body: events.bodies.get(i),
            };
            let rows = &mut keyed[*slot as usize];
            let made = self.rules.project(rows, &event).map_err(|reason| self.fault(i, reason))?;
            for RowChange { table, suffix, value } in made {
                push_change(&mut changes, (*slot, table), &suffix, value.as_deref());
            }
        }
        for (slot, (before, after)) in before.iter().zip(&keyed).enumerate() {
            let gone = before.keys().filter(|table| !after.contains_key(*table));
            for (table, value) in
                after.iter().map(|(t, v)| (t, Some(&v[..]))).chain(gone.map(|t| (t, None)))
            {
                push_change(&mut changes, (slot as u32, *table), "", value);
            }
        }
        self.rules.distort_changes(&mut changes);
        Ok(changes)
    }

    fn inspect(&mut self, aggregates: &Aggregates) -> Result<Blobs, Fault> {
        let quoted = |state: &[u8]| format!("\"{}\"", String::from_utf8_lossy(state)).into_bytes();
        let texts: Vec<Vec<u8>> = aggregates.states.iter().map(quoted).collect();
        Ok(texts.iter().map(Vec::as_slice).collect())
    }

    fn renew(&mut self) {
        self.rules.renew();
    }
}

fn push_change(
    changes: &mut ChangeColumns,
    (slot, table): (u32, u32),
    suffix: &str,
    value: Option<&[u8]>,
) {
    changes.slot.push(slot);
    changes.table.push(table);
    changes.suffixes.push(suffix.as_bytes());
    changes.delete.push(if value.is_some() { PUT } else { DELETE });
    changes.values.push(value.unwrap_or_default());
}

fn push_event(events: &mut DecidedEvents, cause: usize, kind: u32, body: &[u8]) {
    events.cause.push(cause as u32);
    events.kind.push(kind);
    events.bodies.push(body);
}
