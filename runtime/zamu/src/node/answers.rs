//! Answers to requests, matched by log position against durable batch records: one path, whoever
//! asks, whenever.
//!
//! A client that waits is found here; an answer that came before its client asked is among the few
//! kept, or is read from the log by `node::outcomes`.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{oneshot, watch};
use zamu_core::model::{EventNumber, Offset, PartitionId};
use zamu_core::proto::{BatchRecord, RequestOutcome};
use zamu_core::topology::Topology;

/// Batch records kept per partition for clients that ask late.
const KEPT: usize = 32;

/// What became of one request: a place in a durable batch record.
#[derive(Clone, Debug)]
pub struct Answer {
    record: Arc<BatchRecord>,
    index: usize,
}

impl Answer {
    /// The outcome.
    #[must_use]
    pub fn outcome(&self) -> &RequestOutcome {
        &self.record.external[self.index]
    }

    /// The number of the partition's next event after the turn that has it: all that the command
    /// did in its own partition stands before.
    #[must_use]
    pub fn next_event(&self) -> Option<EventNumber> {
        self.record.events.as_ref().map(|events| events.next)
    }
}

/// The answer to the request at an offset, if this batch record has it.
#[must_use]
pub fn in_record(record: &Arc<BatchRecord>, offset: Offset) -> Option<Answer> {
    let index = record.external.binary_search_by_key(&offset, |outcome| outcome.offset).ok()?;
    Some(Answer { record: Arc::clone(record), index })
}

/// Who waits for what, by partition.
#[derive(Debug)]
pub struct Answers {
    /// By type and partition.
    partitions: Vec<Vec<Mutex<Waiting>>>,
    /// Changes when requests have been answered.
    progress: watch::Sender<()>,
}

/// The waiting clients of one partition.
#[derive(Debug, Default)]
struct Waiting {
    /// Requests below this offset are answered, and in the log.
    answered: Offset,
    recent: VecDeque<Arc<BatchRecord>>,
    /// By first offset; ranges do not overlap.
    waiters: BTreeMap<Offset, Waiter>,
}

#[derive(Debug)]
struct Waiter {
    next: Offset,
    /// In order of offsets.
    answers: Vec<Answer>,
    done: oneshot::Sender<Vec<Answer>>,
}

/// What a client that asks is told.
#[derive(Debug)]
pub struct Asked<'a> {
    /// These were answered already, or somebody else waits for them: look for each.
    pub look: Range<Offset>,
    /// The answers to the others.
    pub wait: Option<Wait<'a>>,
}

/// A place among those that wait. It is given up when this is dropped, also when the client has
/// gone; so there is one of these for each place, and none without.
#[derive(Debug)]
pub struct Wait<'a> {
    answers: &'a Answers,
    partition: PartitionId,
    first: Offset,
    told: oneshot::Receiver<Vec<Answer>>,
}

impl Wait<'_> {
    /// The answers, which come all at once. `None` if the node stops.
    pub async fn told(mut self) -> Option<Vec<Answer>> {
        (&mut self.told).await.ok()
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.answers.of(self.partition).waiters.remove(&self.first);
    }
}

impl Answers {
    /// Nobody waits.
    #[must_use]
    pub fn new(topology: &Topology) -> Self {
        let partitions = topology
            .types
            .iter()
            .map(|t| (0..t.partitions).map(|_| Mutex::default()).collect())
            .collect();
        Self { partitions, progress: watch::Sender::new(()) }
    }

    /// Asks for the answers to requests next to each other.
    pub fn ask(&self, partition: PartitionId, offsets: Range<Offset>) -> Asked<'_> {
        let mut waiting = self.of(partition);
        let first = waiting.answered.clamp(offsets.start, offsets.end);
        if first == offsets.end || waiting.waiters.contains_key(&first) {
            return Asked { look: offsets, wait: None };
        }
        let (done, told) = oneshot::channel();
        let waiter = Waiter { next: offsets.end, answers: Vec::new(), done };
        waiting.waiters.insert(first, waiter);
        let wait = Wait { answers: self, partition, first, told };
        Asked { look: offsets.start..first, wait: Some(wait) }
    }

    /// The answer if it was given lately; otherwise whether it was given at all.
    #[must_use]
    pub fn recent(&self, partition: PartitionId, offset: Offset) -> Recent {
        let waiting = self.of(partition);
        match waiting.recent.iter().rev().find_map(|record| in_record(record, offset)) {
            Some(answer) => Recent::Here(answer),
            None if offset < waiting.answered => Recent::InTheLog,
            None => Recent::NotYet,
        }
    }

    /// Changes each time when requests have been answered.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<()> {
        self.progress.subscribe()
    }

    /// How many requests of a partition are answered: the next offset.
    #[must_use]
    pub fn answered(&self, partition: PartitionId) -> Offset {
        self.of(partition).answered
    }

    /// A turn is durable. Turns of a partition come in order; one that comes again changes nothing.
    pub fn durable(&self, partition: PartitionId, record: &Arc<BatchRecord>) {
        let Some(range) = &record.requests else { return };
        let mut finished = Vec::new();
        let mut waiting = self.of(partition);
        if range.next <= waiting.answered {
            return;
        }
        waiting.answered = range.next;
        waiting.recent.push_back(Arc::clone(record));
        if waiting.recent.len() > KEPT {
            waiting.recent.pop_front();
        }
        for (index, outcome) in record.external.iter().enumerate() {
            let below = waiting.waiters.range_mut(..=outcome.offset).next_back();
            let Some((first, waiter)) = below else { continue };
            if outcome.offset >= waiter.next {
                continue;
            }
            waiter.answers.push(Answer { record: Arc::clone(record), index });
            if outcome.offset + 1 == waiter.next {
                let first = *first;
                finished.extend(waiting.waiters.remove(&first));
            }
        }
        drop(waiting);
        for waiter in finished {
            // A client that has gone needs no answer.
            drop(waiter.done.send(waiter.answers));
        }
        self.progress.send_replace(());
    }

    /// Requests below this offset were answered before this process started.
    pub fn restored(&self, partition: PartitionId, answered: Offset) {
        let mut waiting = self.of(partition);
        waiting.answered = waiting.answered.max(answered);
    }

    /// The node stops: nobody waits any longer.
    pub fn give_up(&self) {
        for waiting in self.partitions.iter().flatten() {
            waiting.lock().unwrap_or_else(PoisonError::into_inner).waiters.clear();
        }
    }

    fn of(&self, partition: PartitionId) -> MutexGuard<'_, Waiting> {
        let of_type = &self.partitions[usize::from(partition.aggregate_type.0)];
        of_type[partition.number as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is known of a request without reading the log.
#[derive(Debug)]
pub enum Recent {
    /// Its answer.
    Here(Answer),
    /// It is answered; the log has it, unless retention removed it.
    InTheLog,
    /// No turn has taken it yet, or it does not exist.
    NotYet,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use zamu_core::model::TypeId;
    use zamu_core::proto::Range;
    use zamu_core::topology::fixture::of_one_type;

    use super::*;

    const HERE: PartitionId = PartitionId { aggregate_type: TypeId(0), number: 0 };

    fn answers() -> Answers {
        Answers::new(&of_one_type().unwrap())
    }

    fn turn(offsets: std::ops::Range<u64>) -> Arc<BatchRecord> {
        let external =
            offsets.clone().map(|offset| RequestOutcome { offset, ..Default::default() }).collect();
        let requests = Some(Range { first: offsets.start, next: offsets.end });
        Arc::new(BatchRecord { requests, external, ..Default::default() })
    }

    fn offsets(answers: &[Answer]) -> Vec<u64> {
        answers.iter().map(|answer| answer.outcome().offset).collect()
    }

    fn wait(asked: Asked<'_>) -> Wait<'_> {
        assert!(asked.look.is_empty());
        asked.wait.unwrap()
    }

    #[test]
    fn a_batch_is_answered_when_its_last_turn_is_durable() {
        let answers = answers();
        let mut early = wait(answers.ask(HERE, 0..2));
        let mut late = wait(answers.ask(HERE, 2..5));
        answers.durable(HERE, &turn(0..3));
        assert_eq!(offsets(&early.told.try_recv().unwrap()), [0, 1]);
        assert!(late.told.try_recv().is_err());
        answers.durable(HERE, &turn(3..9));
        assert_eq!(offsets(&late.told.try_recv().unwrap()), [2, 3, 4]);
    }

    #[test]
    fn an_answer_that_came_first_is_found_afterwards() {
        let answers = answers();
        answers.durable(HERE, &turn(0..2));
        let asked = answers.ask(HERE, 0..2);
        assert_eq!((asked.look, asked.wait.is_none()), (0..2, true));
        assert!(matches!(answers.recent(HERE, 1), Recent::Here(_)));
        assert!(matches!(answers.recent(HERE, 2), Recent::NotYet));
        for turn_of in 2..40 {
            answers.durable(HERE, &turn(turn_of..turn_of + 1));
        }
        assert!(matches!(answers.recent(HERE, 0), Recent::InTheLog));
    }

    #[test]
    fn what_was_answered_before_the_start_is_in_the_log() {
        let answers = answers();
        answers.restored(HERE, 7);
        assert!(answers.ask(HERE, 6..7).wait.is_none());
        assert!(matches!(answers.recent(HERE, 6), Recent::InTheLog));
        assert!(answers.ask(HERE, 7..8).wait.is_some());
    }

    #[test]
    fn a_list_that_is_answered_in_part_waits_for_the_rest() {
        let answers = answers();
        answers.durable(HERE, &turn(0..3));
        let Asked { look, wait } = answers.ask(HERE, 1..5);
        assert_eq!(look, 1..3);
        let mut rest = wait.unwrap();
        answers.durable(HERE, &turn(3..4));
        assert!(rest.told.try_recv().is_err());
        answers.durable(HERE, &turn(4..6));
        assert_eq!(offsets(&rest.told.try_recv().unwrap()), [3, 4]);
    }

    #[test]
    fn who_stops_waiting_is_forgotten_and_who_waits_at_the_end_is_told() {
        let answers = answers();
        let gone = wait(answers.ask(HERE, 0..1));
        drop(gone);
        assert!(answers.of(HERE).waiters.is_empty());
        answers.durable(HERE, &turn(0..1));
        let mut last = wait(answers.ask(HERE, 1..2));
        answers.give_up();
        assert!(last.told.try_recv().is_err());
    }

    #[test]
    fn who_need_not_wait_ends_nobody_elses_wait() {
        let answers = answers();
        answers.durable(HERE, &turn(0..2));
        let mut next = wait(answers.ask(HERE, 2..3));
        // Answered before it was asked for; and waited for by the one above.
        for offsets in [1..2, 2..3] {
            let Asked { look, wait } = answers.ask(HERE, offsets.clone());
            assert_eq!((look, wait.is_none()), (offsets, true));
            drop(wait);
        }
        answers.durable(HERE, &turn(2..3));
        assert_eq!(offsets(&next.told.try_recv().unwrap()), [2]);
    }
}
