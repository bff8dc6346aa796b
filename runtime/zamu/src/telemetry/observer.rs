//! Counts what a shard does.

use std::time::Instant;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use zamu_core::model::{PartitionId, TypeId};
use zamu_core::observer::{Alarm, Observer, STEPS, TurnReport};
use zamu_core::topology::{Blamed, Types};

use crate::telemetry::{Complaint, How, Metrics, Seconds, StepLabels, TypeLabels, Watched};

/// The handles of one shard.
pub struct ShardObserver {
    names: Types,
    watched: Watched,
    start: Instant,
    types: Vec<TypeCounters>,
    steps: [Seconds; STEPS.len()],
    commit_seconds: Histogram,
    turn_records: Histogram,
}

struct TypeCounters {
    turns: Counter,
    commands: Counter,
    requests: Counter,
    events: Counter,
    sent: Counter,
    refusals: Counter,
    duplicates: Counter,
    faults: Counter,
    dead_letters: Counter,
    commands_refused: Counter,
    caught_up: Counter,
    wakes: Counter,
    wakes_unwanted: Counter,
    deadlines_given_up: Counter,
    flushed: Counter,
    restored_turns: Counter,
    restored_events: Counter,
}

impl TypeCounters {
    fn new(metrics: &Metrics, name: &str) -> Self {
        let labels = TypeLabels { r#type: name.to_owned() };
        Self {
            turns: metrics.turns.get_or_create_owned(&labels),
            commands: metrics.commands.get_or_create_owned(&labels),
            requests: metrics.requests.get_or_create_owned(&labels),
            events: metrics.events.get_or_create_owned(&labels),
            sent: metrics.sent.get_or_create_owned(&labels),
            refusals: metrics.refusals.get_or_create_owned(&labels),
            duplicates: metrics.duplicates.get_or_create_owned(&labels),
            faults: metrics.faults.get_or_create_owned(&labels),
            dead_letters: metrics.dead_letters.get_or_create_owned(&labels),
            commands_refused: metrics.commands_refused.get_or_create_owned(&labels),
            caught_up: metrics.caught_up.get_or_create_owned(&labels),
            wakes: metrics.wakes.get_or_create_owned(&labels),
            wakes_unwanted: metrics.wakes_unwanted.get_or_create_owned(&labels),
            deadlines_given_up: metrics.deadlines_given_up.get_or_create_owned(&labels),
            flushed: metrics.flushed.get_or_create_owned(&labels),
            restored_turns: metrics.restored_turns.get_or_create_owned(&labels),
            restored_events: metrics.restored_events.get_or_create_owned(&labels),
        }
    }
}

impl ShardObserver {
    /// Handles for all types, looked up once.
    #[must_use]
    pub fn new(metrics: &Metrics, types: &Types, watched: Watched) -> Self {
        let step = |step| metrics.step_seconds.get_or_create_owned(&StepLabels { step });
        Self {
            names: types.clone(),
            watched,
            start: Instant::now(),
            types: types.iter().map(|t| TypeCounters::new(metrics, &t.name)).collect(),
            steps: STEPS.map(step),
            commit_seconds: metrics.commit_seconds.clone(),
            turn_records: metrics.turn_records.clone(),
        }
    }

    fn of(&self, id: TypeId) -> &TypeCounters {
        &self.types[usize::from(id.0)]
    }

    fn complain(&self, blamed: Blamed, partition: PartitionId, how: How) {
        self.watched.tell(Complaint { blamed, partition, how });
    }

    fn name(&self, partition: PartitionId) -> String {
        format!("{}/{}", self.names.settings(partition.aggregate_type).name, partition.number)
    }
}

impl Observer for ShardObserver {
    fn clock_ns(&mut self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn turn(&mut self, report: &TurnReport) {
        let Some(partition) = report.partition else { return };
        let of = self.of(partition.aggregate_type);
        of.turns.inc();
        of.commands.inc_by(report.commands);
        of.requests.inc_by(report.requests);
        of.events.inc_by(report.events);
        of.sent.inc_by(report.sent);
        of.refusals.inc_by(report.refused);
        of.duplicates.inc_by(report.duplicates);
        of.faults.inc_by(report.faults);
        of.caught_up.inc_by(report.caught_up);
        of.wakes.inc_by(report.wakes_sent);
        of.wakes_unwanted.inc_by(report.wakes_unwanted);
        self.turn_records.observe((report.commands + report.requests) as f64);
        for (seconds, ns) in self.steps.iter().zip(report.step_ns) {
            seconds.inc_by(ns as f64 / 1e9);
        }
    }

    fn durable(&mut self, commit_ns: u64) {
        self.commit_seconds.observe(commit_ns as f64 / 1e9);
    }

    fn alarm(&mut self, alarm: Alarm<'_>) {
        match alarm {
            Alarm::Halted { partition, reason } => {
                tracing::error!(partition = self.name(partition), reason, "partition halted");
            }
            Alarm::Paused { partition, reason, blamed } => {
                if let Some(blamed) = blamed {
                    self.complain(blamed, partition, How::Paused(reason.to_owned()));
                }
                tracing::warn!(
                    partition = self.name(partition),
                    reason,
                    "partition paused; `zamu topics resume` lets it go on"
                );
            }
            Alarm::Held { partition, reason, blamed } => {
                tracing::warn!(
                    partition = self.name(partition),
                    handler = &*blamed.handler,
                    reason,
                    "an event handler does not go on catching up; `zamu topics resume` lets it go on"
                );
                self.complain(blamed, partition, How::Paused(reason.to_owned()));
            }
            Alarm::Faulted { partition, blamed, key } => {
                self.complain(blamed, partition, How::Faulted(key.into()));
            }
            Alarm::CommandsRefused { partition, count } => {
                self.of(partition.aggregate_type).commands_refused.inc_by(count);
                tracing::error!(
                    partition = self.name(partition),
                    count,
                    "a handler refused what another asked of it: a defect of the handlers, which may leave something half done; see `zamu events` of the partition"
                );
            }
            Alarm::DeadlinesGivenUp { partition, count } => {
                self.of(partition.aggregate_type).deadlines_given_up.inc_by(count);
                tracing::warn!(
                    partition = self.name(partition),
                    count,
                    "deadlines that a handler did not answer: they come again once something else \
                     happens to their aggregates, or by `zamu dead-letters redrive`"
                );
            }
            Alarm::DeadLetters { partition, count } => {
                self.of(partition.aggregate_type).dead_letters.inc_by(count);
                tracing::warn!(
                    partition = self.name(partition),
                    count,
                    "new dead letters: see `zamu dead-letters list`"
                );
            }
        }
    }

    fn restored(&mut self, partition: PartitionId, turns: u64, events: u64) {
        let of = self.of(partition.aggregate_type);
        of.restored_turns.inc_by(turns);
        of.restored_events.inc_by(events);
        tracing::info!(partition = self.name(partition), turns, events, "partition restored");
    }

    fn flushed(&mut self, partition: PartitionId, aggregates: usize) {
        self.of(partition.aggregate_type).flushed.inc_by(aggregates as u64);
    }
}
