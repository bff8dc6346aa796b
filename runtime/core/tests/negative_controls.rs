//! Builds that break a promise on purpose: each must be caught. A control that passes means that
//! the check which should find it finds nothing.

#![cfg(feature = "failpoints")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::sync::Arc;

use common::toy::seat_of;
use common::{CELL, Layout, MIRROR, World};
use zamu_core::failpoints::{self, arm, disarm_all};
use zamu_core::model::PartitionId;
use zamu_core::partition::Status;
use zamu_core::prng::Prng;
use zamu_core::settings::Settings;
use zamu_core::topology::StartFrom;

/// Runs a check without and with a sabotage: it must hold, and then fail with these words.
fn control(point: &str, complaint: &str, check: fn() -> Result<(), String>) {
    disarm_all();
    assert_eq!(check(), Ok(()), "the check fails without any sabotage");
    arm(point);
    let found = check();
    disarm_all();
    assert_eq!(found, Err(complaint.into()), "what was found of `{point}`");
}

/// Sends a command whose turn is written and never becomes durable, asks what is seen of it, and
/// loses power.
fn undurable(world: &mut World, see: impl FnOnce(&mut World) -> u64) -> u64 {
    world.log.hold_durable(true);
    world.send("c", "2", "7");
    for _ in 0..10 {
        world.step();
    }
    let seen = see(world);
    world.shards.clear();
    world.log.power_loss_keeping(0);
    world.log.hold_durable(false);
    world.start();
    world.settle();
    seen
}

fn expect<T: PartialEq + std::fmt::Debug>(what: &str, found: T, expected: T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what}: {found:?}, not {expected:?}")) }
}

#[test]
fn states_published_before_the_commit_are_found() {
    control(failpoints::PUBLISH_BEFORE_COMMIT, "12 was seen, 5 was kept", || {
        let mut world = World::new(Layout::calm(10));
        world.send("c", "1", "5");
        world.settle();
        let seen = undurable(&mut world, |world| world.sum(CELL, "c"));
        let kept = world.sum(CELL, "c");
        if seen <= kept { Ok(()) } else { Err(format!("{seen} was seen, {kept} was kept")) }
    });
}

#[test]
fn a_build_without_dedupe_is_found() {
    control(failpoints::SKIP_DEDUPE, "sum: 10, not 5", || {
        let mut world = World::new(Layout::calm(10));
        world.send("c", "1", "5");
        world.send("c", "1", "5");
        world.settle();
        expect("sum", world.sum(CELL, "c"), 5)
    });
}

#[test]
fn answers_before_durable_are_found_by_a_power_loss() {
    control(failpoints::ANSWER_BEFORE_DURABLE, "2 were told, 1 were kept", || {
        let mut world = World::new(Layout::calm(10));
        world.send("c", "1", "5");
        world.settle();
        let told = undurable(&mut world, |world| world.answers.len() as u64);
        let kept = world.contents(CELL, 0).events.len() as u64;
        if told <= kept { Ok(()) } else { Err(format!("{told} were told, {kept} were kept")) }
    });
}

#[test]
fn a_dropped_channel_number_is_found() {
    let complaint = "channel from cell/0 to mirror/0: number 2 came where 1 was due: records of \
                     `commands` are missing";
    control(failpoints::DROP_CHANNEL_NUMBER, complaint, || {
        let mut world = World::new(Layout::calm(10));
        world.send("c", "1", "5");
        world.settle();
        let mirrors = PartitionId { aggregate_type: MIRROR, number: 0 };
        match world.status(mirrors) {
            Some(Status::Halted(why)) => Err(why),
            other => expect("status", other, Some(Status::Running)),
        }
    });
}

#[test]
fn a_recovery_that_forgets_outcomes_is_found() {
    let complaint = "answer: \"accepted 3..4 1\", not \"duplicate of 1: refused full\"";
    control(failpoints::FORGET_OUTCOMES, complaint, || {
        let calm = Layout::calm(10);
        let mut settings = calm.settings.clone();
        settings.flush_every_ms = u64::MAX;
        let mut world = World::new(Layout { settings, ..calm });
        world.send("c", "0", "5");
        world.send("c", "1", "below 5");
        world.send("c", "2", "clear");
        for _ in 0..20 {
            world.step();
        }
        assert_eq!(world.answer(1), "refused full");
        world.crash(&mut Prng::new(1));
        // The same id again, now that there is room: the refusal was final.
        world.send("c", "1", "below 5");
        for _ in 0..20 {
            world.step();
        }
        expect("answer", world.answer(3), "duplicate of 1: refused full".to_string())
    });
}

#[test]
fn a_forgotten_deadline_is_found() {
    control(failpoints::FORGET_DEADLINES, "sum: 0, not 500", || {
        let mut world = World::new(Layout::calm(10));
        world.send("c", "1", "@5000");
        world.settle();
        world.crash(&mut Prng::new(1));
        world.settle();
        world.advance(5_000);
        world.settle();
        expect("sum", world.sum(CELL, "c"), 500)
    });
}

/// What the audience was sent of 20 events that it had missed.
fn caught_up() -> Result<(), String> {
    let calm = Layout::calm(2);
    let settings = Settings { catch_up_events: 4, ..calm.settings };
    let mut world = World::new(Layout { settings, ..calm });
    for n in 0..20 {
        world.send("c", &n.to_string(), "1");
    }
    world.settle();
    world.add_audience(StartFrom::Beginning);
    world.swap(1, [0]);
    world.settle();
    expect("sum", world.sum(MIRROR, &seat_of(b"c")), 20)
}

#[test]
fn an_event_that_is_skipped_on_the_way_to_the_end_is_found() {
    control(failpoints::SKIP_MISSED, "sum: 16, not 20", caught_up);
}

#[test]
fn an_event_that_is_reacted_to_again_after_a_page_is_found() {
    control(failpoints::REPEAT_MISSED, "sum: 26, not 20", caught_up);
}

#[test]
fn a_build_that_takes_commands_of_deployments_it_has_not_heard_of_is_found() {
    let complaint = "decided under deployment 0, caused under 1";
    control(failpoints::IGNORE_DEPLOYMENT, complaint, || {
        let mut world = World::new(Layout { shards: 2, ..Layout::calm(10) });
        world.swap(1, [0]);
        world.send("c", "1", "5");
        world.settle_steps();
        world.swap(1, [1]);
        world.settle();
        let mirrored = &world.contents(MIRROR, 0).events[0];
        let caused = world.contents(CELL, 0).events[0].deployment;
        match mirrored.deployment {
            decided if decided < caused => {
                Err(format!("decided under deployment {decided}, caused under {caused}"))
            }
            _ => Ok(()),
        }
    });
}

#[test]
fn a_build_whose_records_name_a_version_that_has_not_decided_is_found() {
    control(failpoints::SUCCEED_IN_NAME, "parked under deployment 1: 1, not 0", || {
        let mut world = World::new(Layout::calm(10));
        world.layout.behaviour.mended = Arc::new(true.into());
        world.swap(1, [0]);
        world.send("c", "1", "13");
        world.settle();
        let cells = PartitionId { aggregate_type: CELL, number: 0 };
        assert_eq!(world.contents(CELL, 0).events[0].deployment, 1);
        expect("parked under deployment 1", world.open_dead_letters(cells).len(), 0)
    });
}
