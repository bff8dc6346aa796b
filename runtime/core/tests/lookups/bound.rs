//! Reference tables stay within their bound: who would go beyond it stops, and nobody else notices.

use std::sync::Arc;

use zamu_core::log::Limit;
use zamu_core::projection::reference::ROW_BYTES;
use zamu_core::projection::set::Parts;
use zamu_core::projection::{Generations, Projections, Watcher};
use zamu_core::references::{References, Seen};

use crate::toy::*;

struct Nobody;

impl Watcher for Nobody {}

/// The tables of a world, opened with a bound.
fn open(world: &World, bytes_max: usize) -> (Projections, References) {
    let topology = Arc::new(bind(manifests(&world.behaviour), &world.behaviour).unwrap());
    let references = References::new(&topology);
    let tables = Arc::new(world.process.tables.clone());
    let set = Projections::open(Parts {
        makers: topology.projections().zip([board(&world.behaviour)]).collect(),
        topology,
        events: Box::new(world.process.log.events()),
        generations: Generations::open(tables, &world.process.log.events()).unwrap(),
        watcher: Box::new(Nobody),
        page: Limit { records: 1, bytes: usize::MAX },
        references: references.clone(),
        seen: Seen::default(),
        reference_bytes_max: bytes_max,
    });
    (set.unwrap(), references)
}

/// What so many rows take, whose keys and values have so many bytes.
fn room(rows: usize, bytes: usize) -> usize {
    bytes + rows * ROW_BYTES
}

fn settle(set: &mut Projections) {
    while set.step().unwrap() {}
}

fn found(references: &References, key: &str) -> Option<String> {
    let row = references.newest().tables[0].row(key.as_bytes()).cloned();
    row.map(|row| String::from_utf8(row.to_vec()).unwrap())
}

fn stale(set: &Projections) -> Option<(u64, String)> {
    set.standings().iter().find_map(|of| of.stale.clone()).map(|s| (s.event, s.reason))
}

/// Rates in the log, none of them in a table.
fn world(rates: &[(&str, &str)]) -> World {
    let mut world = World::new(1, Behaviour::default());
    world.process.hold_tables = true;
    for (rate, to) in rates {
        world.set(rate, to);
    }
    world.process.settle();
    world.process.set = None;
    world
}

#[test]
fn rows_beyond_the_bound_stop_their_projection_and_name_the_setting() {
    let world = world(&[("a", "123"), ("b", "123"), ("b", "1"), ("c", "1"), ("d", "1")]);
    // Keys count, too; a row that is replaced by a shorter one makes room.
    let (mut set, references) = open(&world, room(3, 8));
    settle(&mut set);
    let (event, reason) = stale(&set).unwrap();
    assert_eq!(event, 4);
    let (takes, may) = (room(4, 10), room(3, 8));
    let what = format!("{takes} bytes and may take {may} (reference-bytes-max in [projections])");
    assert!(reason.contains(&what), "{reason}");
    assert_eq!(found(&references, "a"), None, "it was never ready");
    drop(set);
    let (mut set, references) = open(&world, room(4, 10));
    settle(&mut set);
    assert_eq!(stale(&set), None);
    assert_eq!(
        ["a", "b", "c", "d"].map(|key| found(&references, key).unwrap()),
        ["123", "1", "1", "1"]
    );
}

#[test]
fn what_was_shown_stays_when_more_does_not_fit() {
    let mut world = world(&[("a", "1")]);
    let (mut set, references) = open(&world, room(2, 4));
    settle(&mut set);
    assert_eq!(found(&references, "a").as_deref(), Some("1"));
    world.process.set = None;
    for (rate, to) in [("b", "22"), ("a", "3")] {
        world.set(rate, to);
    }
    world.process.settle();
    settle(&mut set);
    assert_eq!(stale(&set).unwrap().0, 1);
    assert_eq!((found(&references, "a").as_deref(), found(&references, "b")), (Some("1"), None));
    assert_eq!(set.resume("board"), Ok(1));
    settle(&mut set);
    assert_eq!(stale(&set).unwrap().0, 1, "trying again without more room changes nothing");
}

#[test]
fn tables_that_do_not_fit_any_more_are_not_loaded_and_say_so() {
    let world = world(&[("a", "1"), ("b", "2")]);
    let (mut set, _) = open(&world, room(2, 4));
    settle(&mut set);
    drop(set);
    let (mut set, references) = open(&world, room(2, 3));
    let reason = references.pin(&[0]).unwrap_err().to_string();
    assert!(reason.contains("`rates` has stopped in rate/0 at event 2"), "{reason}");
    let what = format!("{} bytes and may take {} (", room(2, 4), room(2, 3));
    assert!(reason.contains(&what), "{reason}");
    set.resume("board").unwrap();
    settle(&mut set);
    assert!(references.pin(&[0]).is_err());
    drop(set);
    let (_, references) = open(&world, room(2, 4));
    assert!(references.pin(&[0]).is_ok(), "nothing is made twice");
}

#[test]
fn a_generation_that_does_not_fit_does_not_take_over() {
    let mut world = world(&[("a", "1"), ("b", "2")]);
    let (mut set, _) = open(&world, room(2, 4));
    settle(&mut set);
    drop(set);
    world.behaviour.fold = 2;
    let (mut set, references) = open(&world, room(2, 4));
    settle(&mut set);
    let reason = references.pin(&[0]).unwrap_err().to_string();
    assert!(reason.contains("reference-bytes-max"), "{reason}");
    assert!(stale(&set).unwrap().1.contains("reference-bytes-max"));
    drop(set);
    let (mut set, references) = open(&world, room(2, 8));
    settle(&mut set);
    assert_eq!(found(&references, "a").as_deref(), Some("1/2"));
}
