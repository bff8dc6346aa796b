//! One bad message never stops a partition, and one bad deployment never eats a topic.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use bytes::Bytes;
use common::toy::Behaviour;
use common::{CELL, Layout, MIRROR, World};
use zamu_core::model::PartitionId;
use zamu_core::partition::Status;
use zamu_core::prng::Prng;
use zamu_core::shard::ReadError;

const CELLS: PartitionId = PartitionId { aggregate_type: CELL, number: 0 };

fn world(batch: usize, behaviour: Behaviour) -> World {
    World::new(Layout { behaviour, ..Layout::calm(batch) })
}

#[test]
fn a_poisoned_command_alone_is_dead_lettered_in_any_batch() {
    for poison in ["trap", "lie"] {
        for anonymous in [false, true] {
            for batch in [1, 2, 50, 500] {
                let mut world = world(batch, Behaviour { anonymous, ..Behaviour::default() });
                for n in 0..batch {
                    let body = if n == batch / 2 { poison } else { "1" };
                    world.send(&format!("c{}", n % 7), &n.to_string(), body);
                }
                world.settle();
                let faults: Vec<usize> =
                    (0..batch).filter(|n| world.answer(*n).starts_with("fault")).collect();
                assert_eq!(faults, [batch / 2], "{poison} in a batch of {batch}");
                assert_eq!(world.contents(CELL, 0).events.len(), batch - 1);
                assert_eq!(world.open_dead_letters(CELLS), [1]);
            }
        }
    }
}

#[test]
fn a_dead_letter_is_redriven_after_a_fix_and_closed_once() {
    let mut world = world(50, Behaviour::default());
    world.send("c", "1", "1");
    world.send("c", "2", "trap");
    world.settle();
    world.redrive(CELLS, 1);
    world.settle();
    assert_eq!(world.answer(2), "fault 1", "not mended yet: it stays open");
    world.mend();
    world.settle();
    world.redrive(CELLS, 1);
    world.redrive(CELLS, 1);
    world.redrive(CELLS, 9);
    world.settle();
    assert_eq!(world.answer(3), "accepted 2..3 1001");
    assert_eq!(world.answer(4), "dropped: no open dead letter has this number");
    assert_eq!(world.answer(5), "dropped: no open dead letter has this number");
    assert_eq!(world.sum(CELL, "c"), 1001);
    assert_eq!(world.open_dead_letters(CELLS), [0; 0]);
}

#[test]
fn a_client_that_retries_a_faulted_command_after_the_fix_is_answered_and_the_redrive_is_a_duplicate()
 {
    let mut world = world(50, Behaviour::default());
    world.send("c", "1", "trap");
    world.settle();
    world.mend();
    world.send("c", "1", "trap");
    world.settle();
    world.redrive(CELLS, 1);
    world.settle();
    assert_eq!(world.answer(1), "accepted 1..2 1000");
    assert_eq!(world.answer(2), "duplicate of 1: accepted 1..2 1000");
    assert_eq!(world.sum(CELL, "c"), 1000);
}

#[test]
fn an_event_that_a_handler_cannot_react_to_is_parked_and_redriven() {
    let mut world = world(50, Behaviour::default());
    world.send("c", "1", "13");
    world.send("c", "2", "2");
    world.settle();
    let mirror = common::toy::mirror_of(b"c");
    assert_eq!((world.sum(CELL, "c"), world.sum(MIRROR, &mirror)), (15, 2));
    world.redrive(CELLS, 1);
    world.settle();
    assert_eq!(world.answer(2), "fault 1", "not mended yet: it stays parked");
    assert_eq!(world.open_dead_letters(CELLS), [1]);
    world.mend();
    world.settle();
    world.redrive(CELLS, 1);
    world.settle();
    assert_eq!(world.sum(MIRROR, &mirror), 15);
    assert_eq!(world.contents(CELL, 0).events.len(), 2, "the event is not decided again");
    assert_eq!(world.open_dead_letters(CELLS), [0; 0]);
}

#[test]
fn a_broken_deployment_pauses_the_partition_before_it_eats_the_topic() {
    let mut world = world(500, Behaviour { broken: true, ..Behaviour::default() });
    for n in 0..400 {
        world.send(&format!("c{n}"), &n.to_string(), "1");
    }
    world.settle();
    assert_eq!(world.open_dead_letters(CELLS).len(), 20, "as many as the sample needs, not 400");
    let status = world.status(CELLS).unwrap();
    assert!(
        matches!(&status, Status::Paused(why) if why.contains("20 of the last 20")),
        "{status:?}"
    );
    world.layout.behaviour = Behaviour::default();
    world.mend();
    world.settle();
    let decided = world.answers.len();
    assert_eq!(decided, 400, "what the broken deployment did not take is decided by the next");
    assert_eq!(world.contents(CELL, 0).events.len(), 380);
}

#[test]
fn an_operator_may_resume_a_paused_partition() {
    let mut world = world(500, Behaviour { broken: true, ..Behaviour::default() });
    for n in 0..30 {
        world.send(&format!("c{n}"), &n.to_string(), "1");
    }
    world.settle();
    assert!(world.shards[0].resume(CELLS));
    assert!(!world.shards[0].resume(CELLS), "it runs already");
    world.settle();
    assert_eq!(world.open_dead_letters(CELLS).len(), 30);
}

#[test]
fn a_handler_whose_decide_and_evolve_disagree_is_stopped_before_the_commit() {
    let mut world = world(10, Behaviour { lawless: true, ..Behaviour::default() });
    world.send("c", "1", "1");
    world.settle();
    let status = world.status(CELLS).unwrap();
    assert!(matches!(&status, Status::Paused(why) if why.contains("disagree")), "{status:?}");
    assert_eq!(world.contents(CELL, 0).events.len(), 0);
}

#[test]
fn what_a_record_lacks_is_named_in_its_dead_letter() {
    let mut world = world(10, Behaviour::default());
    world.send_kind("c", "1", "Unknown", "1");
    world.send_kind("c", "", "Add", "1");
    world.send("c", "2", "5");
    world.settle();
    assert_eq!(world.answer(0), "fault 1");
    assert_eq!(world.answer(1), "fault 2");
    assert_eq!(world.answer(2), "accepted 1..2 5");
    let reasons: Vec<String> = world
        .contents(CELL, 0)
        .dead_letters
        .iter()
        .map(|(_, bytes)| {
            let letter: zamu_core::proto::DeadLetter = zamu_core::aggregate::decode(bytes).unwrap();
            letter.reason
        })
        .collect();
    assert_eq!(reasons, ["unknown-kind", "no-id"]);
}

#[test]
fn a_client_cannot_pass_for_the_host_not_even_by_a_redrive() {
    let mut world = world(10, Behaviour::default());
    world.send_from("zamu", "c", "1", "Add", "5");
    world.settle();
    world.mend();
    world.settle();
    world.redrive(CELLS, 1);
    world.settle();
    assert_eq!((world.answer(0), world.answer(1)), ("fault 1".into(), "fault 1".into()));
    assert_eq!(world.contents(CELL, 0).events.len(), 0);
}

#[test]
fn a_partition_that_cannot_fold_its_events_halts_and_shows_no_stale_state() {
    let mut world = world(10, Behaviour::default());
    world.layout.settings.flush_every_ms = u64::MAX;
    world.crash(&mut Prng::new(1));
    world.send("c", "1", "5");
    for _ in 0..20 {
        world.step();
    }
    assert_eq!(world.sum(CELL, "c"), 5);
    world.layout.behaviour.unfoldable = true;
    world.crash(&mut Prng::new(1));
    for _ in 0..20 {
        world.step();
    }
    let status = world.status(CELLS).unwrap();
    assert!(matches!(&status, Status::Halted(why) if why.contains("`evolve`")), "{status:?}");
    let read = world.shards[0].aggregate(CELLS, &Bytes::from_static(b"c"));
    assert_eq!(read, Err(ReadError::NotReady));
}
