//! A deadline is answered once, not early, and after all that came in time, whatever happens in
//! between; one that its handler does not answer is given up, and told.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use bytes::Bytes;
use common::toy::Behaviour;
use common::{CELL, Layout, World, limit};
use zamu_core::aggregate::decode;
use zamu_core::model::{Cause, Event, PartitionId, Time};
use zamu_core::partition::Status;
use zamu_core::prng::Prng;
use zamu_core::proto::DeadLetter;
use zamu_core::settings::Settings;
use zamu_core::shard::Step;

const CELLS: PartitionId = PartitionId { aggregate_type: CELL, number: 0 };

fn world() -> World {
    World::new(Layout::calm(50))
}

/// One whose flushes come only when the test asks for them, by a long time.
fn unflushed() -> World {
    let calm = Layout::calm(50);
    let settings = Settings { flush_every_ms: 1_000_000, ..calm.settings };
    World::new(Layout { settings, ..calm })
}

/// Steps, without waiting for a flush.
fn run(world: &mut World) {
    for _ in 0..30 {
        world.step();
    }
}

fn pass(world: &mut World, ms: u64) {
    world.advance(ms);
    world.settle();
}

fn bodies(world: &World) -> Vec<String> {
    let events = world.contents(CELL, 0).events;
    events.iter().map(|e| String::from_utf8_lossy(&e.body).into_owned()).collect()
}

fn last_event(world: &World) -> Event {
    world.contents(CELL, 0).events.pop().unwrap()
}

fn reasons(world: &World) -> Vec<String> {
    let letters = world.contents(CELL, 0).dead_letters;
    letters.iter().map(|(_, bytes)| decode::<DeadLetter>(bytes).unwrap().reason).collect()
}

/// How many deadlines the shards hold in memory.
fn in_memory(world: &mut World) -> u64 {
    world.views().iter().map(|view| view.deadlines).sum()
}

#[test]
fn a_deadline_is_answered_once_when_it_has_come_and_not_before() {
    let mut world = world();
    world.send("c", "1", "@5000");
    world.settle();
    assert_eq!(bodies(&world), ["@5000"]);
    world.advance_to(4_970);
    run(&mut world);
    assert!(world.wakes(0).is_empty());
    for _ in 0..3 {
        pass(&mut world, 20_000);
    }
    assert_eq!(bodies(&world), ["@5000", "500@"]);
    assert_eq!(world.wakes(0).len(), 1);
    let wake = &world.wakes(0)[0];
    assert!(wake.appended >= Time(5_000), "{wake:?}");
    let event = last_event(&world);
    assert_eq!(event.cause, Cause::Wake { offset: wake.offset, deadline: Time(5_000) });
    assert_eq!(event.time, wake.appended);
    assert_eq!(
        (&event.context.correlation[..], &event.context.principal[..]),
        (&b"cell/c/1/wake"[..], &b"zamu"[..])
    );
    assert_eq!(world.sum(CELL, "c"), 500);
    assert_eq!(world.store.all_deadlines(CELLS), [], "nothing is left of it");
    assert_eq!(in_memory(&mut world), 0);
}

#[test]
fn a_deadline_in_the_past_comes_at_once() {
    let mut world = world();
    world.advance(10_000);
    world.send("c", "1", "@7");
    world.settle();
    assert_eq!(bodies(&world), ["@7", "500@"]);
}

#[test]
fn a_deadline_that_leads_to_another_is_followed_by_it() {
    let mut world = world();
    world.send("c", "1", "@5004");
    world.settle();
    pass(&mut world, 5_000);
    pass(&mut world, 5_000);
    assert_eq!(bodies(&world), ["@5004", "500@5008", "500@"]);
}

/// In the batch with the Wake, too: it is the command's answer that the Wake is checked against.
#[test]
fn what_arrived_in_time_is_decided_first() {
    for (body, after) in [
        ("@", vec!["@5000", "@"]),
        ("@9000", vec!["@5000", "@9000"]),
        ("3", vec!["@5000", "3", "500@"]),
    ] {
        let mut world = world();
        world.send("c", "1", "@5000");
        world.settle();
        world.log.hold_durable(true);
        world.send("c", "2", body);
        world.log.tick(Time(4_999));
        world.log.hold_durable(false);
        world.advance_to(5_000);
        world.settle();
        assert_eq!(bodies(&world)[..after.len()], after, "after {body}");
        assert!(world.now < 9_000 && bodies(&world).len() == after.len(), "after {body}");
    }
}

#[test]
fn a_wake_is_checked_against_what_the_items_before_it_in_its_batch_left() {
    for batch in [1, 2, 50] {
        let mut world = World::new(Layout::calm(batch));
        world.log.tick(Time(1_000_000));
        world.send("a", "1", "@5000");
        world.send_wake("a", 1, 5_000);
        world.send_wake("a", 1, 5_000);
        world.send("a", "2", "7");
        world.send("b", "3", "@6000");
        world.send_wake("b", 2, 6_000);
        world.send_wake("b", 1, 6_000);
        world.settle();
        let answers: Vec<String> = (0..7).map(|n| world.answer(n)).collect();
        let stale = "dropped: the aggregate does not wait for this deadline";
        assert_eq!(
            answers,
            [
                "accepted 1..2 ",
                "accepted 2..3 ",
                stale,
                "accepted 3..4 507",
                "accepted 1..2 ",
                stale,
                "accepted 2..3 "
            ],
            "batches of {batch}"
        );
    }
}

#[test]
fn a_forged_wake_does_what_an_honest_one_does_or_nothing() {
    let mut world = world();
    world.send("c", "1", "@5000");
    world.settle();
    for (key, sequence, deadline) in
        [("c", 1, 5_000), ("c", 0, 5_000), ("c", 1, 1), ("c", 2, 5_000), ("nobody", 0, 0)]
    {
        world.send_wake(key, sequence, deadline);
    }
    world.settle();
    assert_eq!(world.answer(1), "dropped: the Wake came before its deadline");
    for nth in 2..6 {
        assert_eq!(world.answer(nth), "dropped: the aggregate does not wait for this deadline");
    }
    assert_eq!(bodies(&world), ["@5000"]);
    pass(&mut world, 5_000);
    assert_eq!(bodies(&world), ["@5000", "500@"], "the honest one comes all the same");
}

#[test]
fn a_wake_that_came_too_early_by_the_clock_of_the_log_is_asked_for_again() {
    let mut world = world();
    world.skew = 300;
    world.send("c", "1", "@5000");
    world.settle();
    world.advance_to(4_800);
    run(&mut world);
    assert_eq!(world.wakes(0).len(), 1, "asked for too early");
    assert_eq!(bodies(&world), ["@5000"]);
    pass(&mut world, 15_000);
    assert_eq!(bodies(&world), ["@5000", "500@"]);
    assert_eq!(world.wakes(0).len(), 2);
}

#[test]
fn a_deadline_that_is_not_answered_is_given_up_over_restarts_until_something_happens() {
    for (digit, reason) in [(1, "wake-unanswered"), (2, "wake-unanswered"), (3, "trap")] {
        for anonymous in [false, true] {
            let behaviour = Behaviour { anonymous, ..Behaviour::default() };
            let mut world = World::new(Layout { behaviour, ..Layout::calm(50) });
            let mut rng = Prng::new(1);
            world.send("c", "1", &format!("@500{digit}"));
            world.settle();
            world.advance(5_000);
            run(&mut world);
            assert_eq!(reasons(&world), [reason]);
            for _ in 0..4 {
                world.crash(&mut rng);
                pass(&mut world, 50_000);
            }
            world.power_loss(&mut rng);
            pass(&mut world, 50_000);
            assert_eq!(world.wakes(0).len(), 1, "not asked for again");
            assert_eq!(world.open_dead_letters(CELLS), [1]);
            assert_eq!(world.store.all_deadlines(CELLS), []);

            world.send("c", "2", "8");
            world.settle();
            assert_eq!(world.wakes(0).len(), 2, "another sequence, another Wake");
            assert_eq!(reasons(&world), [reason; 2]);
        }
    }
}

#[test]
fn a_deadline_that_was_given_up_is_redriven_after_a_fix() {
    let mut world = world();
    world.send("c", "1", "@5001");
    world.send("d", "2", "@5003");
    world.settle();
    pass(&mut world, 5_000);
    assert_eq!(world.open_dead_letters(CELLS), [1, 2]);
    world.redrive(CELLS, 1);
    world.settle();
    assert_eq!(world.open_dead_letters(CELLS), [1, 2], "not mended yet");
    world.mend();
    pass(&mut world, 50_000);
    assert_eq!(bodies(&world).len(), 2, "a fix alone does not bring it back");
    world.send("d", "3", "@");
    world.redrive(CELLS, 1);
    world.redrive(CELLS, 2);
    world.settle();
    assert_eq!(bodies(&world), ["@5001", "@5003", "@", "500@"]);
    assert_eq!(world.open_dead_letters(CELLS), [0; 0], "the stale one is closed as well");
    let last = world.answers.values().last().map(zamu_core::simulation::describe).unwrap();
    assert_eq!(last, "dropped: the aggregate does not wait for this deadline");
}

#[test]
fn one_handler_that_answers_no_deadline_pauses_its_partition_like_any_broken_one() {
    let mut world = world();
    for n in 0..100 {
        world.send(&format!("c{n}"), &n.to_string(), "@5001");
    }
    world.settle();
    pass(&mut world, 5_000);
    // The hundred that set a deadline without a fault count in the share.
    let status = world.status(CELLS).unwrap();
    assert!(matches!(status, Status::Paused(_)), "{status:?}");
    let given_up = world.open_dead_letters(CELLS).len();
    assert!(given_up < 100, "{given_up}");
    world.layout.settings.fault_share_max = 2.0;
    world.crash(&mut Prng::new(1));
    world.settle();
    assert_eq!(world.open_dead_letters(CELLS).len(), 100, "the others come when it goes on");
    assert_eq!(
        world
            .wakes(0)
            .iter()
            .map(|w| w.record.key.clone())
            .collect::<std::collections::BTreeSet<_>>()
            .len(),
        100
    );
}

#[test]
fn a_paused_partition_wakes_nobody_until_it_is_resumed() {
    let behaviour = Behaviour { broken: true, ..Behaviour::default() };
    let mut world = world();
    world.send("c", "1", "@5000");
    world.settle();
    world.layout.behaviour = behaviour;
    world.crash(&mut Prng::new(1));
    for n in 0..20 {
        world.send(&format!("c{n}"), &format!("b{n}"), "1");
    }
    world.settle();
    assert!(matches!(world.status(CELLS), Some(Status::Paused(_))));
    pass(&mut world, 50_000);
    assert_eq!(world.wakes(0).len(), 0);
    assert!(world.resume(CELLS));
    world.settle();
    assert_eq!(world.wakes(0).len(), 1);
}

#[test]
fn nothing_is_lost_or_doubled_by_a_kill_after_any_number_of_steps() {
    let mut rng = Prng::new(7);
    for steps in 0..40 {
        for power in [false, true] {
            let calm = Layout::calm(4);
            let settings = Settings { flush_every_ms: 7, flush_chunk: 2, ..calm.settings.clone() };
            let mut world = World::new(Layout { settings, seed: steps, ..calm });
            for n in 0..9 {
                world.send(&format!("c{n}"), &n.to_string(), &format!("@{}", 500 + 10 * n));
            }
            world.settle();
            world.advance_to(480);
            for _ in 0..steps {
                world.advance(3);
                world.step();
            }
            if power {
                world.power_loss(&mut rng);
            } else {
                world.crash(&mut rng);
            }
            world.settle();
            pass(&mut world, 1_000);
            let answered = bodies(&world).iter().filter(|body| *body == "500@").count();
            assert_eq!(answered, 9, "killed after {steps} steps");
            for n in 0..9 {
                assert_eq!(world.sum(CELL, &format!("c{n}")), 500);
            }
        }
    }
}

#[test]
fn deadlines_wait_in_the_store_and_not_in_memory() {
    const CELLS_MANY: u64 = 10_000;
    let mut world = World::new(Layout::calm(500));
    for n in 0..CELLS_MANY {
        world.send(&format!("c{n}"), &n.to_string(), &format!("@{}", 1_000_000 + 10 * n));
    }
    world.settle();
    assert_eq!(in_memory(&mut world), 0);
    assert_eq!(world.store.all_deadlines(CELLS).len() as u64, CELLS_MANY);
    world.crash(&mut Prng::new(3));
    world.settle();
    assert_eq!(in_memory(&mut world), 0);
    // All at once: more than may be on their way together.
    world.advance(2_000_000);
    let mut most = 0;
    for _ in 0..200 {
        world.step();
        most = most.max(in_memory(&mut world));
    }
    world.settle();
    assert!(most > 100 && most <= 4_096 + 500, "{most} at once");
    assert_eq!(world.wakes(0).len() as u64, CELLS_MANY, "each asked for once");
    assert_eq!(world.contents(CELL, 0).events.len() as u64, 2 * CELLS_MANY);
    assert_eq!(world.store.all_deadlines(CELLS), []);
}

#[test]
fn a_deadline_that_moves_leaves_one_entry_and_comes_once() {
    let mut world = world();
    for n in 0..20 {
        world.send("c", &n.to_string(), &format!("@{}", 100_000 + 10 * n));
        world.settle();
        world.advance(1_000);
        world.settle();
    }
    assert_eq!(world.store.all_deadlines(CELLS), [(Time(100_190), Bytes::from_static(b"c"))]);
    pass(&mut world, 200_000);
    assert_eq!(world.wakes(0).len(), 1);
    assert_eq!(bodies(&world).last().unwrap(), "500@");
}

/// Also when nobody knows any more what stood in the index before.
#[test]
fn entries_of_deadlines_that_were_taken_back_go_when_they_come_due() {
    let mut world = world();
    world.layout.settings.cache_bytes = 0;
    world.crash(&mut Prng::new(1));
    for n in 0..300 {
        world.send(&format!("c{n}"), &format!("a{n}"), "@50000");
    }
    world.settle();
    for n in 0..300 {
        world.send(&format!("c{n}"), &format!("b{n}"), "@");
    }
    world.settle();
    assert!(world.store.all_deadlines(CELLS).len() > 200, "they are still there");
    pass(&mut world, 60_000);
    pass(&mut world, 2_000);
    assert_eq!(world.wakes(0).len(), 0);
    assert!(world.store.all_deadlines(CELLS).len() < 256, "what is left waits for the next flush");
    world.send("c1", "end", "1");
    world.settle();
    assert_eq!(world.store.all_deadlines(CELLS), []);
}

#[test]
fn a_deadline_that_comes_back_is_not_swept_away_with_its_stale_entry() {
    let mut world = unflushed();
    world.send("c", "1", "@5000");
    run(&mut world);
    // Taken back before it came due, looked at, and set again: all before any flush.
    world.send("c", "2", "@");
    run(&mut world);
    world.advance(6_000);
    run(&mut world);
    world.send("c", "3", "@90000");
    run(&mut world);
    world.send("c", "4", "@5000");
    run(&mut world);
    assert_eq!(bodies(&world), ["@5000", "@", "@90000", "@5000", "500@"]);
    world.send("c", "5", "@90000");
    run(&mut world);
    world.advance(1_000_000);
    run(&mut world);
    world.settle();
    assert_eq!(bodies(&world).last().unwrap(), "500@");
    assert_eq!(world.store.all_deadlines(CELLS), []);
}

#[test]
fn a_deadline_is_kept_over_a_crash_before_its_first_flush() {
    let mut world = unflushed();
    world.send("c", "1", "@5000");
    run(&mut world);
    assert_eq!(world.store.all_deadlines(CELLS), []);
    world.crash(&mut Prng::new(1));
    run(&mut world);
    world.advance(5_000);
    run(&mut world);
    assert_eq!(bodies(&world), ["@5000", "500@"]);
}

#[test]
fn a_shard_sleeps_until_its_next_deadline() {
    let mut world = world();
    world.send("c", "1", "@50000");
    world.settle();
    let now = Time(world.now);
    assert_eq!(world.shards[0].step(now), Step::Wait(Some(Time(50_000))));
    world.crash(&mut Prng::new(1));
    world.settle();
    let now = Time(world.now);
    assert_eq!(world.shards[0].step(now), Step::Wait(Some(Time(50_000))), "after a start, too");
    // Past the deadline, and past what the store and the log still have to be told of it.
    pass(&mut world, 100_000);
    pass(&mut world, 200_000);
    let now = Time(world.now);
    assert_eq!(world.shards[0].step(now), Step::Wait(None));
}

#[test]
fn a_shard_that_winds_down_wakes_nobody_and_flushes() {
    let mut world = unflushed();
    world.send("c", "1", "@50000");
    run(&mut world);
    world.shards[0].wind_down(2_000_000);
    world.advance(60_000);
    world.settle();
    assert!(world.wakes(0).is_empty());
    assert_eq!(world.store.all_deadlines(CELLS), [(Time(50_000), Bytes::from_static(b"c"))]);
    let now = Time(world.now);
    assert_eq!(world.shards[0].step(now), Step::Wait(None));
    world.crash(&mut Prng::new(1));
    run(&mut world);
    assert_eq!(bodies(&world), ["@50000", "500@"], "the next process does");
}

#[test]
fn commits_that_fail_take_their_wakes_along_and_are_made_again() {
    let mut world = world();
    world.send("c", "1", "@5000");
    world.settle();
    world.advance(5_000);
    world.log.next(zamu_core::log::simulated::Fate::Aborted);
    world.log.next(zamu_core::log::simulated::Fate::Doubted { happened: 0 });
    world.settle();
    assert_eq!(world.wakes(0).len(), 1);
    assert_eq!(bodies(&world), ["@5000", "500@"]);
}

#[test]
fn turns_of_few_records_still_take_all_wakes() {
    let mut world = World::new(Layout {
        settings: Settings { turn: limit(1), ..Layout::calm(1).settings },
        ..Layout::calm(1)
    });
    for n in 0..20 {
        world.send(&format!("c{n}"), &n.to_string(), "@5000");
    }
    world.settle();
    pass(&mut world, 6_000);
    assert_eq!(bodies(&world).iter().filter(|b| *b == "500@").count(), 20);
}
