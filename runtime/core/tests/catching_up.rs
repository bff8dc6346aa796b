//! Event handlers that are added later react to what has happened before, outside the turns that
//! decide, exactly once whatever breaks, and within the turns from then on.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::toy::{number, seat_of};
use common::{CELL, Layout, MIRROR, World, limit};
use zamu_core::log::simulated::Faults;
use zamu_core::model::PartitionId;
use zamu_core::outcomes::decode_record;
use zamu_core::partition::{Behind, Status};
use zamu_core::prng::Prng;
use zamu_core::proto::BatchRecord;
use zamu_core::settings::Settings;
use zamu_core::topology::StartFrom::{self, Beginning, Now};

const CELLS: PartitionId = PartitionId { aggregate_type: CELL, number: 0 };

/// A world with a past of so many events, the n-th of which adds n to the one cell.
fn past(layout: Layout, events: u64) -> World {
    let mut world = World::new(layout);
    for n in 1..=events {
        world.send("c", &n.to_string(), &n.to_string());
    }
    world.settle();
    world
}

fn small(batch: usize) -> Layout {
    let calm = Layout::calm(batch);
    Layout { settings: Settings { catch_up_events: 3, ..calm.settings }, ..calm }
}

fn add_audience(world: &mut World, from: StartFrom) {
    world.add_audience(from);
    let next = world.layout.starts["audience"].since;
    world.swap(next, 0..world.shards.len());
}

/// What the audience has been sent, as the sum of its mirror and how many commands made it.
fn seen(world: &mut World) -> (u64, u64) {
    let seat = seat_of(b"c");
    let mirror = world.read(MIRROR, &seat);
    (world.sum(MIRROR, &seat), mirror.map_or(0, |mirror| mirror.sequence))
}

fn behind(world: &mut World) -> Vec<Behind> {
    let view = world.views().into_iter().find(|view| view.partition == CELLS).unwrap();
    view.behind
}

fn records(world: &World) -> Vec<BatchRecord> {
    let outcomes = world.contents(CELL, 0).outcomes;
    outcomes.iter().map(|(_, bytes)| decode_record(bytes).unwrap()).collect()
}

fn cursor(record: &BatchRecord) -> Option<u64> {
    record.cursors.iter().find(|cursor| cursor.handler == "audience").map(|cursor| cursor.next)
}

#[test]
fn one_that_is_added_reacts_to_all_that_has_happened_and_then_within_the_turns() {
    for batch in [1, 2, 50] {
        let mut world = past(small(batch), 20);
        add_audience(&mut world, Beginning);
        world.send("c", "new", "1000");
        world.settle();
        assert_eq!(seen(&mut world), (210 + 1000, 21), "batch {batch}");
        assert_eq!(behind(&mut world), []);
        let commands = world.contents(MIRROR, 0).commands;
        let of_audience = commands.iter().filter(|c| &*c.record.handler == "audience");
        let causes: Vec<u64> = of_audience.map(|c| c.record.cause.sequence).collect();
        assert_eq!(causes, (1..=21).collect::<Vec<u64>>(), "in the order of events");
        assert_eq!(cursor(records(&world).last().unwrap()), Some(21));
        // Where nothing is behind any more, no turn is taken in vain.
        let turns = world.log.durable_turn(CELLS);
        world.settle_steps();
        assert_eq!(world.log.durable_turn(CELLS), turns);
    }
}

#[test]
fn one_that_starts_now_reacts_to_what_is_decided_from_then_on() {
    let mut world = past(small(2), 20);
    add_audience(&mut world, Now);
    world.settle();
    // Nobody has taken a turn yet that says so: a restart comes to the same.
    world.crash(&mut Prng::new(1));
    world.send("c", "new", "1000");
    world.settle();
    assert_eq!(seen(&mut world), (1000, 1));
    assert_eq!(cursor(records(&world).last().unwrap()), Some(21));
}

#[test]
fn a_start_holds_once_and_later_deployments_change_nothing_about_it() {
    let mut world = past(small(2), 20);
    add_audience(&mut world, Beginning);
    while behind(&mut world).first().is_none_or(|behind| behind.next == 0) {
        world.step();
    }
    let since = world.layout.starts["audience"].since;
    world.swap(since + 1, [0]);
    world.crash(&mut Prng::new(1));
    world.settle();
    assert_eq!(seen(&mut world), (210, 20));
    // And one that is declared anew holds anew: what is missed by then stays so.
    let mut world = past(small(2), 20);
    add_audience(&mut world, Beginning);
    while behind(&mut world).first().is_none_or(|behind| behind.next == 0) {
        world.step();
    }
    add_audience(&mut world, Now);
    world.send("c", "new", "1000");
    world.settle();
    let (sum, commands) = seen(&mut world);
    assert!((1000..1210).contains(&sum) && commands < 21, "{sum} in {commands}");
}

#[test]
fn nothing_is_skipped_or_done_twice_over_crashes_and_losses_of_power_on_the_way() {
    for seed in 0..150 {
        let mut rng = Prng::new(seed);
        let settings =
            Settings { catch_up_events: 1 + rng.index(4), ..small(1 + rng.index(4)).settings };
        let faults = if seed % 2 == 0 { Faults::all() } else { Faults::slow() };
        let mut world = past(Layout { seed, faults, settings, ..Layout::calm(1) }, 30);
        add_audience(&mut world, Beginning);
        for n in 0..12 {
            world.send("c", &format!("new{n}"), "100");
            for _ in 0..rng.below(12) {
                world.step();
            }
            match rng.below(4) {
                0 => world.crash(&mut rng),
                1 => world.power_loss(&mut rng),
                _ => {}
            }
        }
        world.log.set_faults(Faults::slow());
        world.settle();
        // What a loss of power has taken was never decided.
        let events = world.contents(CELL, 0).events;
        let sum: u64 = events.iter().map(|event| number(&event.body)).sum();
        assert_eq!(seen(&mut world), (sum, events.len() as u64), "seed {seed}");
        assert!(events.len() > 30, "seed {seed}");
    }
}

#[test]
fn an_event_that_it_breaks_at_is_parked_and_the_rest_goes_on() {
    for batch in [1, 50] {
        let mut world = World::new(small(batch));
        for (id, body) in [("1", "5"), ("2", "777"), ("3", "7"), ("4", "13")] {
            world.send("c", id, body);
        }
        world.settle();
        let of_mirrors = world.open_dead_letters(CELLS);
        add_audience(&mut world, Beginning);
        world.settle();
        assert_eq!(seen(&mut world), (25, 3), "batch {batch}");
        let letters = world.open_dead_letters(CELLS);
        assert_eq!((of_mirrors.len(), letters.len()), (1, 2));
        assert_eq!(behind(&mut world), []);
        world.layout.behaviour.mended.store(true, std::sync::atomic::Ordering::SeqCst);
        for letter in letters {
            world.redrive(CELLS, letter);
        }
        world.settle();
        assert_eq!(seen(&mut world), (802, 4), "and the parked one is redriven");
        assert_eq!(world.open_dead_letters(CELLS), [0; 0]);
    }
}

/// A past of so many cells, each touched once.
fn many_cells(cells: u64) -> World {
    let mut world = World::new(small(50));
    for n in 0..cells {
        world.send(&format!("c{n}"), &n.to_string(), "1");
    }
    world.settle();
    world
}

#[test]
fn one_that_breaks_too_often_on_its_way_is_held_and_keeps_nobody_else_waiting() {
    let mut world = many_cells(60);
    world.layout.behaviour.audience_broken = true;
    add_audience(&mut world, Beginning);
    world.settle();
    let is = |behind: &[Behind], next: u64| match behind {
        [Behind { handler, next: at, held: Some(why) }] => {
            assert!(why.contains("20 of the last 20 aggregates faulted"), "{why}");
            (&**handler, *at) == ("audience", next)
        }
        other => panic!("{other:?}"),
    };
    assert!(is(&behind(&mut world), 20));
    assert_eq!(world.open_dead_letters(CELLS).len(), 20);
    assert_eq!(world.status(CELLS), Some(Status::Running));
    world.send("c0", "more", "1");
    world.settle();
    assert_eq!(world.sum(CELL, "c0"), 2);
    // An operator lets it go on, and it breaks again.
    assert!(world.resume(CELLS) && !world.resume(CELLS));
    world.settle();
    assert!(is(&behind(&mut world), 40));
    // Once it is replaced it goes on, and it is not asked twice.
    world.layout.behaviour.audience_broken = false;
    let since = world.layout.starts["audience"].since;
    world.swap(since + 1, [0]);
    world.settle();
    assert_eq!(behind(&mut world), []);
    let sent = world.contents(MIRROR, 0).commands;
    let sent = sent.iter().filter(|c| &*c.record.handler == "audience").count();
    assert_eq!((sent, world.open_dead_letters(CELLS).len()), (21, 40));
}

#[test]
fn what_is_decided_goes_on_and_so_does_catching_up_under_full_load() {
    let settings = Settings { catch_up_events: 4, ..Layout::calm(10).settings };
    let layout = Layout { faults: Faults::slow(), settings, ..Layout::calm(10) };
    let mut world = past(layout, 400);
    let mut sent = 0;
    // There is always more to take than turns take.
    let mut load = |world: &mut World| {
        let taken = world.views()[0].position.requests;
        while 400 + sent < taken + 300 {
            world.send("c", &format!("new{sent}"), "1");
            sent += 1;
        }
        world.step();
    };
    (0..50).for_each(|_| load(&mut world));
    add_audience(&mut world, Beginning);
    let before = records(&world).len();
    let mut behind_at = Vec::new();
    for _ in 0..5_000 {
        load(&mut world);
        behind_at.push(behind(&mut world).len());
        if behind_at.contains(&1) && behind_at.last() == Some(&0) {
            break;
        }
    }
    assert_eq!(behind(&mut world), [], "it has come to the end although the end moves");
    let records = records(&world);
    let decided: Vec<u64> =
        records[before..].iter().map(|r| r.events.map_or(0, |r| r.next - r.first)).collect();
    let full = decided.iter().filter(|events| **events == 10).count();
    assert!(full * 4 > decided.len() * 3, "turns decide as much as they can: {decided:?}");
    for pair in records[before - 1..].windows(2) {
        let from = cursor(&pair[0]).unwrap_or(0);
        // Turns that were on their way when it was added know nothing of it.
        let Some(next) = cursor(&pair[1]) else { continue };
        let share = next - from;
        assert!(share <= 2 * 10 + 10, "{share} at once is more than its share");
    }
    world.settle();
    let events = world.contents(CELL, 0).events.len() as u64;
    assert!(events > 700, "{events}");
    assert_eq!(seen(&mut world), (80_200 + events - 400, events));
}

#[test]
fn a_process_that_is_about_to_end_does_not_wait_for_it() {
    let mut world = past(small(1), 200);
    add_audience(&mut world, Beginning);
    for _ in 0..5 {
        world.step();
    }
    world.shards[0].wind_down(0);
    world.settle();
    let [Behind { next, .. }] = &behind(&mut world)[..] else { panic!("it has gone on") };
    assert!(*next < 200);
    world.crash(&mut Prng::new(1));
    world.settle();
    assert_eq!(seen(&mut world), (20_100, 200));
}

#[test]
fn what_the_machine_cannot_run_is_tried_again_later() {
    let mut world =
        past(Layout { settings: Settings { turn: limit(5), ..small(5).settings }, ..small(5) }, 10);
    world.layout.behaviour.machine.react.store(3, std::sync::atomic::Ordering::SeqCst);
    add_audience(&mut world, Beginning);
    for _ in 0..100 {
        world.step();
    }
    world.settle();
    assert_eq!(seen(&mut world), (55, 10));
    assert_eq!(world.open_dead_letters(CELLS), [0; 0]);
}
