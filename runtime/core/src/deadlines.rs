//! Which of a partition's aggregates are to be woken, and when: hints. The truth is the aggregate.
//!
//! A *hint* is a deadline and a key. Every durable aggregate that wants to be woken has one: in
//! memory while the aggregate waits for its flush, afterwards in the store's index, which is written
//! together with the aggregate's record. So a million pending deadlines cost space in the store and
//! nothing else. A hint that has come due is looked at once, against the durable aggregate: either a
//! Wake is *asked* for it, which is kept here until the aggregate has moved on, or it is stale and
//! goes.
//!
//! Invariants: an entry leaves the index only when the durable log has moved its aggregate on; what
//! is here can be forgotten at any time, for it is found again from the index and the log. Whether a
//! Wake is still wanted is decided when it is delivered (`turn/decide/plan.rs`), never here.

use std::collections::{BTreeSet, HashMap, VecDeque};

use bytes::Bytes;

use crate::aggregate::Aggregate;
use crate::error::EngineError;
use crate::log::CommitId;
use crate::model::{PartitionId, Time, Wake};
use crate::store::Store;

/// A deadline and whose it is.
pub type Hint = (Time, Bytes);

/// How many hints are looked at, and Wakes asked for, at once.
pub const PAGE: usize = 256;
/// How many Wakes may be on their way.
const ASKED_MAX: usize = 4_096;

/// The hints of one partition, and the Wakes that are on their way.
#[derive(Debug)]
pub struct Deadlines {
    /// Those of durable aggregates that may not be in the store yet, and have not been looked at.
    unflushed: BTreeSet<Hint>,
    /// Entries of the store's index before this one have been looked at.
    from: Hint,
    /// None of the others is earlier; `None` if there is none.
    stored_next: Option<Time>,
    /// By key, the Wakes that are on their way.
    asked: HashMap<Bytes, Asked, foldhash::fast::RandomState>,
    /// When to ask again, and for whom; entries whose Wake has arrived are passed over.
    again: VecDeque<Hint>,
    /// Entries that the index no longer needs.
    done: Vec<Hint>,
}

#[derive(Debug)]
struct Asked {
    wake: Wake,
    commit: CommitId,
    again: Time,
}

/// Hints that are due, none of them looked at yet.
#[derive(Debug)]
pub struct Due {
    /// In order.
    pub hints: Vec<Hint>,
    /// How far the index will have been looked at.
    from: Option<Hint>,
    stored_next: Option<Time>,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            unflushed: BTreeSet::new(),
            from: (Time(0), Bytes::new()),
            stored_next: Some(Time(0)),
            asked: HashMap::default(),
            again: VecDeque::new(),
            done: Vec::new(),
        }
    }
}

impl Deadlines {
    /// A durable aggregate has changed. `before` is the deadline of the state that it replaces among
    /// those that are not in the store yet.
    pub fn changed(&mut self, key: &Bytes, before: Option<Time>, aggregate: &Aggregate) {
        let wanted = aggregate.deadline();
        if let Some(asked) = self.asked.get(key) {
            let Wake { sequence, deadline } = asked.wake;
            if aggregate.sequence == sequence && wanted == Some(deadline) {
                return;
            }
            self.asked.remove(key);
            self.forget_arrived();
            if wanted != Some(deadline) {
                self.done.push((deadline, key.clone()));
            }
        }
        if let Some(before) = before.filter(|before| Some(*before) != wanted) {
            self.unflushed.remove(&(before, key.clone()));
        }
        if let Some(wanted) = wanted {
            self.unflushed.insert((wanted, key.clone()));
        }
    }

    /// These entries have been put into the store's index.
    pub fn stored(&mut self, entries: &[Hint]) {
        for entry in entries {
            self.unflushed.remove(entry);
            if self.asked.get(&entry.1).is_some_and(|asked| asked.wake.deadline == entry.0) {
                continue;
            }
            if *entry < self.from {
                self.from = entry.clone();
            }
            let next = self.stored_next.map_or(entry.0, |next| next.min(entry.0));
            self.stored_next = Some(next);
        }
    }

    /// Entries for the next write to the store to remove from the index, which must be the next one
    /// that succeeds: later ones may put them again.
    pub fn take_done(&mut self) -> Vec<Hint> {
        std::mem::take(&mut self.done)
    }

    /// The write with these did not happen.
    pub fn not_done(&mut self, entries: Vec<Hint>) {
        let later = std::mem::replace(&mut self.done, entries);
        self.done.extend(later);
    }

    /// How many entries the index no longer needs.
    #[must_use]
    pub fn done(&self) -> usize {
        self.done.len()
    }

    /// No hint is due before this time, and no Wake to be asked for again.
    #[must_use]
    pub fn earliest(&self) -> Option<Time> {
        let room = self.asked.len() < ASKED_MAX;
        let unflushed = self.unflushed.first().map(|(deadline, _)| *deadline).filter(|_| room);
        let stored = self.stored_next.filter(|_| room);
        let again = self.again.front().map(|(time, _)| *time);
        unflushed.into_iter().chain(stored).chain(again).min()
    }

    /// Wakes that are to be asked for again at this time, with their aggregates.
    pub fn take_again(&mut self, now: Time) -> Vec<(Bytes, Wake)> {
        let mut wakes = Vec::new();
        while wakes.len() < PAGE
            && let Some((time, key)) = self.again.pop_front_if(|(time, _)| *time <= now)
        {
            if let Some(asked) = self.asked.get(&key).filter(|asked| asked.again == time) {
                wakes.push((key, asked.wake));
            }
        }
        wakes
    }

    /// Hints that are due at this time, in memory and in the index. Nothing changes before
    /// [`Deadlines::looked_at`].
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn due(
        &self,
        now: Time,
        partition: PartitionId,
        store: &mut dyn Store,
    ) -> Result<Due, EngineError> {
        let room = PAGE.min(ASKED_MAX.saturating_sub(self.asked.len()));
        let unflushed = self.unflushed.iter().take_while(|(deadline, _)| *deadline <= now);
        let mut hints: Vec<Hint> = unflushed.take(room).cloned().collect();
        let mut due = Due { hints: Vec::new(), from: None, stored_next: self.stored_next };
        let room = room - hints.len();
        if room > 0 && self.stored_next.is_some_and(|next| next <= now) {
            let from = (self.from.0, &*self.from.1);
            let page = store.deadlines(partition, from, now, room)?;
            let after = page.last().map_or_else(|| self.from.clone(), next_hint);
            if page.len() == room {
                due.stored_next = Some(after.0);
            } else {
                let beyond = (after.0, &*after.1);
                let next = store.deadlines(partition, beyond, Time(u64::MAX), 1)?;
                due.stored_next = next.first().map(|(deadline, _)| *deadline);
            }
            due.from = Some(after);
            hints.extend(page);
        }
        hints.sort_unstable();
        hints.dedup();
        due.hints = hints;
        Ok(due)
    }

    /// These hints have been looked at: [`Deadlines::ask`] is told of those that hold.
    pub fn looked_at(&mut self, due: &Due) {
        for hint in &due.hints {
            self.unflushed.remove(hint);
        }
        if let Some(from) = &due.from {
            self.from = from.clone();
        }
        self.stored_next = due.stored_next;
    }

    /// Whether a Wake for this hint is on its way.
    #[must_use]
    pub fn is_asked(&self, (deadline, key): &Hint) -> bool {
        self.asked.get(key).is_some_and(|asked| asked.wake.deadline == *deadline)
    }

    /// A Wake is on its way with this commit; it is asked for again at `again` if it does not arrive.
    pub fn ask(&mut self, key: &Bytes, wake: Wake, commit: CommitId, again: Time) {
        self.asked.insert(key.clone(), Asked { wake, commit, again });
        self.again.push_back((again, key.clone()));
    }

    /// The index no longer needs this hint: its aggregate wants something else.
    pub fn drop_stale(&mut self, hint: Hint) {
        self.done.push(hint);
    }

    /// The commits from this one on did not happen: their Wakes are asked for again at once.
    pub fn discard_from(&mut self, commit: CommitId) {
        for (key, asked) in &mut self.asked {
            if asked.commit >= commit && asked.again > Time(0) {
                asked.again = Time(0);
                self.again.push_front((Time(0), key.clone()));
            }
        }
    }

    /// How many hints are in memory, those whose Wakes are on their way included.
    #[must_use]
    pub fn in_memory(&self) -> usize {
        self.unflushed.len() + self.asked.len()
    }

    fn forget_arrived(&mut self) {
        let asked = &self.asked;
        let arrived = |(time, key): &mut Hint| asked.get(key).is_none_or(|a| a.again != *time);
        while self.again.pop_front_if(arrived).is_some() {}
    }
}

/// The least hint after this one.
fn next_hint((deadline, key): &Hint) -> Hint {
    (*deadline, [key, &[0][..]].concat().into())
}
