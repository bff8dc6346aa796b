//! A redrive processes the record that its dead letter kept, once, as if it had come when it came;
//! a letter is closed by that and by nothing else.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::toy::mirror_of;
use common::{CELL, Layout, MIRROR, World};
use zamu_core::model::PartitionId;
use zamu_core::prng::Prng;
use zamu_core::proto::DeadLetter;

const CELLS: PartitionId = PartitionId { aggregate_type: CELL, number: 0 };
/// Far from the beginning of time, measured in windows of ids.
const TODAY: u64 = 50_000_000;
/// More than a window of ids lasts.
const LATER: u64 = TODAY + 2_000_000;

fn world(batch: usize) -> World {
    World::new(Layout::calm(batch))
}

fn letters(world: &World) -> Vec<DeadLetter> {
    let decode = |bytes| zamu_core::aggregate::decode(bytes).unwrap();
    world.contents(CELL, 0).dead_letters.iter().map(|(_, bytes)| decode(bytes)).collect()
}

#[test]
fn a_command_that_nobody_took_keeps_its_time_until_somebody_does() {
    let mut world = world(10);
    world.set_time(TODAY);
    world.send_kind("c", "1", "Late", "5");
    world.settle();
    let appended = world.contents(CELL, 0).requests[0].appended;
    assert_eq!(letters(&world)[0].time, appended.0);
    world.layout.behaviour.takes_late = true;
    world.mend();
    world.settle();
    world.redrive(CELLS, 1);
    world.settle();
    world.send_kind("c", "1", "Late", "5");
    world.settle();
    assert_eq!(
        world.contents(CELL, 0).events[0].time,
        appended,
        "the event has its command's time"
    );
    assert_eq!(world.answer(2), "duplicate of 1: accepted 1..2 5");
    assert_eq!(world.sum(CELL, "c"), 5);
}

#[test]
fn a_dead_letter_has_its_records_time_whatever_came_with_it() {
    for batch in [1, 2, 50] {
        let mut world = world(batch);
        let broken = [("Late", "1"), ("Add", ""), ("Add", "trap"), ("Late", "4")];
        for (n, (kind, id)) in broken.into_iter().enumerate() {
            world.set_time(TODAY + 1_000 * n as u64);
            world.send_kind("c", id, kind, "trap");
        }
        world.settle();
        let times: Vec<u64> = letters(&world).iter().map(|letter| letter.time).collect();
        let appended: Vec<u64> =
            world.contents(CELL, 0).requests.iter().map(|r| r.appended.0).collect();
        assert_eq!(times, appended, "batch of {batch}");
    }
}

#[test]
fn what_is_redriven_late_is_remembered_from_its_redrive_on() {
    let mut world = world(10);
    world.set_time(TODAY);
    world.send("c", "1", "trap");
    world.settle();
    let appended = world.contents(CELL, 0).requests[0].appended;
    world.set_time(LATER);
    world.mend();
    world.settle();
    world.redrive(CELLS, 1);
    world.settle();
    assert_eq!(world.contents(CELL, 0).events[0].time, appended, "the event keeps the old time");
    world.send("c", "1", "trap");
    world.settle();
    assert_eq!(world.answer(2), "duplicate of 1: accepted 1..2 1000");
    world.layout.settings.flush_every_ms = u64::MAX;
    world.crash(&mut Prng::new(1));
    world.send("c", "1", "trap");
    for _ in 0..50 {
        world.step();
    }
    assert_eq!(world.answer(3), "duplicate of 1: accepted 1..2 1000", "after a restart, too");
}

#[test]
fn an_id_is_forgotten_when_its_time_has_passed_and_not_before() {
    let mut world = world(10);
    world.set_time(TODAY);
    world.send("c", "1", "5");
    world.settle();
    world.set_time(TODAY + 900_000);
    world.send("c", "1", "5");
    world.settle();
    world.set_time(LATER);
    world.send("c", "1", "5");
    world.settle();
    assert_eq!(world.answer(1), "duplicate of 0: accepted 1..2 5");
    assert_eq!(world.answer(2), "accepted 2..3 10", "a window later it is a new command");
}

#[test]
fn a_parked_event_stays_open_while_nobody_subscribes_to_it() {
    let mut world = world(10);
    world.send("c", "1", "13");
    world.settle();
    world.layout.behaviour.unsubscribed = true;
    world.mend();
    world.settle();
    world.redrive(CELLS, 1);
    world.settle();
    let answer = world.answer(1);
    assert!(answer.starts_with("dropped: event handler `mirrors` does not subscribe"), "{answer}");
    assert_eq!(world.open_dead_letters(CELLS), [1]);
    world.layout.behaviour.unsubscribed = false;
    world.mend();
    world.settle();
    world.redrive(CELLS, 1);
    world.settle();
    assert_eq!(world.sum(MIRROR, &mirror_of(b"c")), 13);
    assert_eq!(world.open_dead_letters(CELLS), [0; 0]);
}

#[test]
fn a_record_in_a_partition_that_its_key_does_not_belong_to_is_a_dead_letter() {
    let mut world = World::new(Layout { partitions: 2, ..Layout::calm(10) });
    let key = (0..).map(|n| format!("c{n}")).find(|k| world.cell_partition(k).number == 1).unwrap();
    world.send_to(CELLS, "client", &key, "1", "Add", "5");
    world.settle();
    assert_eq!(world.answer(0), "fault 1");
    let letter = &letters(&world)[0];
    assert_eq!(letter.reason, "wrong-partition");
    assert!(letter.message.contains("belongs to partition 1, not 0"), "{}", letter.message);
    world.redrive(CELLS, 1);
    world.settle();
    assert_eq!(world.answer(1), "fault 1", "a redrive does not move it");
    assert_eq!((world.contents(CELL, 0).events.len(), world.sum(CELL, &key)), (0, 0));
}
