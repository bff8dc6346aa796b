//! The keeper: one thread that lets go of records whose time is over, and watches the lock file.
//!
//! A segment is dropped whole, so nothing is rewritten. What may go is decided by [`plan`], which
//! only compares numbers.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use zamu_core::error::EngineError;
use zamu_core::log::LowWater;
use zamu_core::model::{PartitionId, Time};

use crate::keys;
use crate::log::database::Database;
use crate::log::ends::Ends;
use crate::log::jobs::{Job, Reach};
use crate::log::segments::Segment;
use crate::log::shared::Shared;

/// Looks every now and then until told to stop.
pub(crate) fn run(shared: &Shared, stop: &Receiver<()>) {
    let interval = shared.options.keeper_interval;
    while let Err(RecvTimeoutError::Timeout) = stop.recv_timeout(interval) {
        if let Err(e) = pass(shared) {
            // Retention that fails costs disk, not data; the next pass tries again.
            tracing::warn!(error = %e, "cannot drop old segments of the log");
        }
    }
}

/// Looks once: notes what may go and what is in sorted files by now, and drops old segments.
pub(crate) fn pass(shared: &Shared) -> Result<(), EngineError> {
    let _alone = shared.housekeep();
    shared.check()?;
    if !shared.lock.is_ours(shared.epoch) {
        shared.fail("its lock file was removed or replaced: another process may be writing here");
        return shared.check();
    }
    sample(shared);
    verify(shared)?;
    drop_segments(shared)
}

/// Lets go, by name, of what had been released a retention ago.
fn sample(shared: &Shared) {
    let now = (shared.clock)();
    for index in 0..shared.view.types.partitions() {
        shared.view.board.look(index, |partition| {
            partition.let_go.sample(now, partition.low_water, shared.options.retention);
        });
    }
}

/// Brings all that older segments hold into sorted files, so that opening need not look at them.
fn verify(shared: &Shared) -> Result<(), EngineError> {
    let first_group = shared.view.segments().last().map_or(1, |newest| newest.first_group);
    if shared.verified.load(Ordering::Acquire) >= first_group || shared.durable() < first_group {
        return Ok(());
    }
    shared.view.database.flush()?;
    let mut batch = shared.view.database.batch();
    batch.put_note(keys::VERIFIED, &first_group.to_be_bytes())?;
    batch.write(false)?;
    // Before any segment is dropped, which is durable at once: opening would look for it in vain.
    shared.sync(first_group, Database::sync)?;
    shared.verified.store(first_group, Ordering::Release);
    Ok(())
}

fn drop_segments(shared: &Shared) -> Result<(), EngineError> {
    let now = (shared.clock)();
    let segments = shared.view.segments();
    let standings: Vec<_> = (0..shared.view.types.partitions())
        .map(|index| {
            shared.view.board.look(index, |partition| Standing {
                low_water: partition.low_water,
                durable: partition.durable,
            })
        })
        .collect();
    let verified = shared.verified.load(Ordering::Acquire);
    let plan = plan(&segments, &standings, now, shared.options.retention, verified);
    tell_held(shared, &plan);
    if plan.drop.is_empty() {
        return Ok(());
    }
    carry(shared, &plan)?;
    for segment in plan.drop {
        // First nobody looks there any more, then it goes. Who is reading keeps its files alive.
        shared.view.change_segments(|segments| {
            if let Some(gone) = segments.iter_mut().find(|known| known.number == segment) {
                gone.retained = false;
            }
        });
        shared.view.database.drop_family(&keys::segment_family(segment))?;
        shared.counters.dropped();
    }
    Ok(())
}

/// An old segment that a partition still needs costs disk for as long as that partition stands still:
/// told once for each segment.
fn tell_held(shared: &Shared, plan: &Plan) {
    let Some((segment, index)) = plan.held else { return };
    if shared.told_held.swap(segment, Ordering::AcqRel) == segment {
        return;
    }
    let (type_id, number) = shared.view.types.place(index);
    let aggregate_type = shared.view.types.id(u32::from(type_id));
    let partition = aggregate_type
        .map(|aggregate_type| shared.view.types.describe(PartitionId { aggregate_type, number }));
    tracing::warn!(
        segment,
        partition,
        "the log grows: a partition has not released what is older than retention; see whether it has halted"
    );
}

/// Writes the newest batch records of the plan into the current segment, durably.
fn carry(shared: &Shared, plan: &Plan) -> Result<(), EngineError> {
    for &index in &plan.carry {
        if let Some((turn, outcome)) = shared.view.last_outcome(index) {
            shared.queue.put_and_wait(Job::Carry { index, turn, outcome })?;
        }
    }
    shared.barrier(Reach::Durable)
}

/// Where a partition stands when retention looks at it.
#[derive(Clone, Copy, Debug)]
struct Standing {
    low_water: Option<LowWater>,
    durable: Ends,
}

/// What may go.
#[derive(Debug, Default, PartialEq, Eq)]
struct Plan {
    /// Segments to drop, oldest first.
    drop: Vec<keys::SegmentNumber>,
    /// Indices of partitions whose newest batch record would go with them.
    carry: Vec<usize>,
    /// The oldest segment that is old enough and stays because recovery needs it, and the index of a
    /// partition that says so.
    held: Option<(keys::SegmentNumber, usize)>,
}

/// Segments go oldest first, as long as they are old enough, safely in sorted files, and below every
/// partition's low-water mark. The newest segment never goes.
fn plan(
    segments: &[Segment],
    standings: &[Standing],
    now: Time,
    retention: Duration,
    verified: u64,
) -> Plan {
    let mut plan = Plan::default();
    let mut beyond: Option<&Segment> = None;
    for (segment, next) in segments.iter().zip(segments.iter().skip(1)) {
        if !segment.retained {
            continue;
        }
        let age = u128::from(now.0.saturating_sub(next.started.0));
        if age < retention.as_millis() || verified < next.first_group {
            break;
        }
        let holds = |(index, standing): (usize, &Standing)| {
            (!standing.releases(segment, next, index)).then_some(index)
        };
        if let Some(index) = standings.iter().enumerate().find_map(holds) {
            plan.held = Some((segment.number, index));
            break;
        }
        plan.drop.push(segment.number);
        beyond = Some(next);
    }
    if let Some(next) = beyond {
        let held = |(index, standing): (usize, &Standing)| {
            let newest = standing.durable.outcomes;
            (newest > 1 && newest <= next.starts[index].outcomes).then_some(index)
        };
        plan.carry = standings.iter().enumerate().filter_map(held).collect();
    }
    plan
}

impl Standing {
    /// Whether recovery needs nothing that this partition has in a segment, which ends at `next`.
    fn releases(&self, segment: &Segment, next: &Segment, index: usize) -> bool {
        let (start, end) = (&segment.starts[index], &next.starts[index]);
        let (turn, input) = match self.low_water {
            Some(low_water) => (low_water.turn, low_water.input),
            None => return start.input() == end.input() && start.outcomes == end.outcomes,
        };
        (end.outcomes <= turn + 1 || end.outcomes == start.outcomes)
            && (end.requests <= input.requests || end.requests == start.requests)
            && (end.commands <= input.commands || end.commands == start.commands)
    }
}

#[cfg(test)]
mod tests {
    use zamu_core::log::InputPositions;

    use super::*;

    const HOUR: u64 = 3_600_000;
    const DAY: Duration = Duration::from_secs(24 * 3_600);

    /// Segment n starts n hours after the beginning, and one partition has 10 n requests, n + 1 as
    /// its next turn then.
    fn segment(number: u64) -> Segment {
        let ends = Ends { requests: 10 * (number - 1), outcomes: number, ..Ends::default() };
        Segment {
            number,
            first_group: number,
            started: Time(number * HOUR),
            starts: vec![ends].into(),
            events: 1,
            retained: true,
        }
    }

    fn standing(turn: u64, requests: u64, newest: u64) -> Standing {
        let input = InputPositions { requests, commands: 0 };
        let durable = Ends { outcomes: newest + 1, ..Ends::default() };
        Standing { low_water: Some(LowWater { turn, input }), durable }
    }

    fn dropped(standing: Standing, now: u64, verified: u64) -> (Vec<u64>, Vec<usize>) {
        let segments: Vec<_> = (1..=4).map(segment).collect();
        let plan = plan(&segments, &[standing], Time(now), DAY, verified);
        (plan.drop, plan.carry)
    }

    #[test]
    fn segments_go_when_everything_in_them_is_older_than_retention() {
        let released = standing(9, 99, 9);
        assert_eq!(dropped(released, 26 * HOUR - 1, 9).0, [0; 0]);
        assert_eq!(dropped(released, 26 * HOUR, 9).0, [1]);
        assert_eq!(dropped(released, 27 * HOUR, 9).0, [1, 2]);
        assert_eq!(dropped(released, 999 * HOUR, 9).0, [1, 2, 3], "the newest one stays");
    }

    #[test]
    fn nothing_goes_that_recovery_still_needs() {
        let now = 999 * HOUR;
        assert_eq!(dropped(standing(2, 99, 9), now, 9).0, [1, 2], "turns");
        assert_eq!(dropped(standing(9, 19, 9), now, 9).0, [1], "requests");
        let unknown = Standing { low_water: None, ..standing(0, 0, 9) };
        assert_eq!(dropped(unknown, now, 9).0, [0; 0], "nobody has said");
        assert_eq!(dropped(standing(9, 99, 9), now, 2).0, [1], "not yet in sorted files");
    }

    #[test]
    fn a_partition_that_holds_an_old_segment_is_named() {
        let segments: Vec<_> = (1..=4).map(segment).collect();
        let held = |low_water, now| {
            let standings = [standing(low_water, 99, 9)];
            plan(&segments, &standings, Time(now), DAY, 9).held
        };
        assert_eq!(held(2, 999 * HOUR), Some((3, 0)));
        assert_eq!(held(2, 27 * HOUR), None, "the third segment is too young to be missed");
        assert_eq!(held(9, 999 * HOUR), None);
    }

    #[test]
    fn a_partition_without_records_in_a_segment_does_not_hold_it() {
        let mut segments: Vec<_> = (1..=3).map(segment).collect();
        for segment in &mut segments {
            let idle = Ends { events: segment.number, ..Ends::default() };
            segment.starts = vec![segment.starts[0], idle].into();
        }
        let idle = Standing { low_water: None, durable: Ends::default() };
        let plan = plan(&segments, &[standing(9, 99, 9), idle], Time(99 * HOUR), DAY, 9);
        assert_eq!((plan.drop, plan.carry), (vec![1, 2], vec![]));
    }

    #[test]
    fn the_newest_batch_record_is_carried_out_of_a_segment_that_goes() {
        let now = 999 * HOUR;
        assert_eq!(dropped(standing(9, 99, 3), now, 9), (vec![1, 2, 3], vec![0]));
        assert_eq!(dropped(standing(9, 99, 4), now, 9), (vec![1, 2, 3], vec![]));
    }
}
