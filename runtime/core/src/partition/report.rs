//! What the observer is told of a turn, and the time of its steps.

use bytes::Bytes;

use super::{Partition, Tools};
use crate::model::PartitionId;
use crate::observer::{Alarm, Observer, TurnReport};
use crate::topology::HandlerIndex;
use crate::turn::collect::Collected;
use crate::turn::{CaughtUp, Decided, Item, Place, Reacted, Sender, Task, Verdict};

/// The time of each step by the observer's clock.
pub(super) struct StepClock {
    last: u64,
    pub(super) step_ns: [u64; 5],
}

impl StepClock {
    pub(super) fn start(observer: &mut dyn Observer) -> Self {
        Self { last: observer.clock_ns(), step_ns: [0; 5] }
    }

    pub(super) fn lap(&mut self, step: usize, observer: &mut dyn Observer) {
        let now = observer.clock_ns();
        self.step_ns[step] += now.saturating_sub(self.last);
        self.last = now;
    }
}

impl Partition {
    pub(super) fn tell(
        &self,
        report: &TurnReport,
        faults: &[HandlerFault],
        collected: &Collected,
        tools: &mut Tools<'_>,
    ) {
        tools.observer.turn(report);
        let partition = self.id;
        for (handler, key) in faults {
            let blamed = tools.topology.blame(*handler);
            tools.observer.alarm(Alarm::Faulted { partition, blamed, key });
        }
        if collected.refused_commands > 0 {
            let count = collected.refused_commands;
            tools.observer.alarm(Alarm::CommandsRefused { partition, count });
        }
        if report.given_up > 0 {
            tools.observer.alarm(Alarm::DeadlinesGivenUp { partition, count: report.given_up });
        }
        let count = collected.write.dead_letters.len() as u64;
        if count > 0 {
            tools.observer.alarm(Alarm::DeadLetters { partition, count });
        }
    }
}

/// A handler that faulted, and at which aggregate.
pub(super) type HandlerFault = (HandlerIndex, Bytes);

/// The final faults of handlers in a turn. A kind that nobody takes is no handler's.
pub(super) fn faults(
    owner: HandlerIndex,
    items: &[Item],
    decided: &Decided,
    reacted: &Reacted,
    caught_up: &CaughtUp,
) -> Vec<HandlerFault> {
    let of_owner = items.iter().zip(&decided.verdicts).filter_map(|(item, verdict)| {
        match (&item.task, verdict) {
            (Task::Decide(ask), Verdict::Fault(_)) => Some((owner, ask.key.clone())),
            _ => None,
        }
    });
    let parked = caught_up.parked.iter().map(|(_, parked)| parked).chain(&reacted.parked);
    let parked = parked.map(|parked| (parked.handler, parked.key.clone()));
    of_owner.chain(parked).collect()
}

pub(super) fn report(
    partition: PartitionId,
    items: &[Item],
    decided: &Decided,
    reacted: &Reacted,
    caught_up: &CaughtUp,
) -> TurnReport {
    let mut report = TurnReport {
        partition: Some(partition),
        events: decided.events.len() as u64,
        sent: (reacted.commands.len() + caught_up.commands.len()) as u64,
        faults: (reacted.parked.len() + caught_up.parked.len()) as u64,
        caught_up: caught_up.events,
        ..TurnReport::default()
    };
    for (item, verdict) in items.iter().zip(&decided.verdicts) {
        match item.place {
            Place::Commands(_) => report.commands += 1,
            Place::Requests(_) => report.requests += 1,
        }
        match verdict {
            Verdict::Refused { .. } | Verdict::Reused => report.refused += 1,
            Verdict::Duplicate { .. } => report.duplicates += 1,
            Verdict::Fault(_) => report.faults += 1,
            Verdict::Unwanted(_) => report.wakes_unwanted += 1,
            _ => {}
        }
        if let (Task::Decide(ask), Verdict::Fault(_)) = (&item.task, verdict)
            && matches!(ask.sender, Sender::Wake(_))
        {
            report.given_up += 1;
        }
    }
    report
}
