//! A bad deployment never eats a topic, whichever handler is bad; and what only the machine cannot do
//! is nobody's fault.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use common::toy::{self, Behaviour, MIRRORS};
use common::{CELL, Layout, MIRROR, World};
use zamu_core::guest::columns::{
    Aggregates, Blobs, CommandColumns, Decision, EventColumns, PastColumns, SentColumns, States,
};
use zamu_core::guest::{Fault, Guest, Lookup};
use zamu_core::model::PartitionId;
use zamu_core::partition::Status;
use zamu_core::prng::Prng;
use zamu_core::simulation::{Program, no_tables};

const CELLS: PartitionId = PartitionId { aggregate_type: CELL, number: 0 };
const BATCHES: [usize; 4] = [1, 2, 50, 500];

fn world(batch: usize) -> World {
    World::new(Layout::calm(batch))
}

fn paused(world: &mut World) -> String {
    match world.status(CELLS).unwrap() {
        Status::Paused(why) => why,
        other => panic!("not paused: {other:?}"),
    }
}

/// All that mirrors were told.
fn mirrored(world: &mut World) -> u64 {
    (0..MIRRORS).map(|m| world.sum(MIRROR, &format!("m{m}"))).sum()
}

fn redrive_all(world: &mut World) {
    for letter in world.open_dead_letters(CELLS) {
        world.redrive(CELLS, letter);
    }
    world.settle();
    assert_eq!(world.open_dead_letters(CELLS), [0; 0]);
}

#[test]
fn an_event_handler_that_breaks_at_everything_pauses_the_partition() {
    for batch in BATCHES {
        let mut world = world(batch);
        for n in 0..400 {
            world.send(&format!("c{n}"), &n.to_string(), "13");
        }
        world.settle();
        let why = paused(&mut world);
        assert!(why.contains("event handler `mirrors`: 20 of the last 20"), "{why}");
        assert!(why.contains("trap: the toy broke"), "{why}");
        assert_eq!(world.open_dead_letters(CELLS).len(), 20, "batch of {batch}");
        assert_eq!(world.contents(CELL, 0).events.len(), 20, "batch of {batch}");
        world.mend();
        world.settle();
        redrive_all(&mut world);
        assert_eq!(mirrored(&mut world), 400 * 13);
    }
}

#[test]
fn where_the_turn_ends_for_a_pause_does_not_depend_on_batch_size() {
    for batch in BATCHES {
        let mut world = world(batch);
        for n in 0..200 {
            let body = ["1", "13", "twice 13", "no", "13"][n % 5];
            world.send(&format!("c{n}"), &n.to_string(), body);
        }
        world.settle();
        paused(&mut world);
        assert_eq!(world.answers.keys().filter(|(p, _)| *p == CELLS).count(), 25, "{batch}");
        assert_eq!(world.open_dead_letters(CELLS).len(), 20, "batch of {batch}");
        world.mend();
        world.settle();
        redrive_all(&mut world);
        assert_eq!(mirrored(&mut world), 40 * (1 + 13 + 26 + 13));
        let cells: u64 = (0..200).map(|n| world.sum(CELL, &format!("c{n}"))).sum();
        assert_eq!(cells, 40 * (1 + 13 + 26 + 13));
    }
}

#[test]
fn a_handler_that_lost_a_kind_pauses_the_partition() {
    for batch in BATCHES {
        let mut world = world(batch);
        for n in 0..200 {
            let kind = if n % 4 == 0 { "Add" } else { "Late" };
            world.send_kind(&format!("c{n}"), &n.to_string(), kind, "1");
        }
        world.settle();
        let why = paused(&mut world);
        assert!(why.contains("last: unknown-kind: no handler takes Late"), "{why}");
        assert_eq!(world.answers.keys().filter(|(p, _)| *p == CELLS).count(), 20, "{batch}");
        assert_eq!(world.open_dead_letters(CELLS).len(), 15, "batch of {batch}");
        world.layout.behaviour.takes_late = true;
        world.mend();
        world.settle();
        redrive_all(&mut world);
        let cells: u64 = (0..200).map(|n| world.sum(CELL, &format!("c{n}"))).sum();
        assert_eq!((cells, world.contents(CELL, 0).events.len()), (200, 200));
    }
}

#[test]
fn what_the_machine_cannot_run_is_tried_again_and_nobody_is_blamed() {
    for batch in BATCHES {
        let mut world = world(batch);
        world.layout.behaviour.machine.decide.store(5, Ordering::SeqCst);
        world.layout.behaviour.machine.react.store(5, Ordering::SeqCst);
        for n in 0..4 {
            world.send(&format!("c{n}"), &n.to_string(), "5");
        }
        world.settle();
        assert_eq!(world.open_dead_letters(CELLS), [0; 0], "batch of {batch}");
        assert_eq!(mirrored(&mut world), 20);
        assert_eq!(world.layout.behaviour.machine.react.load(Ordering::SeqCst), 0, "it struck");
    }
}

#[test]
fn a_machine_that_cannot_run_a_guest_for_long_pauses_the_partition_before_anything_is_blamed() {
    for react in [false, true] {
        let mut world = world(10);
        let machine = Arc::clone(&world.layout.behaviour.machine);
        let starved = if react { &machine.react } else { &machine.decide };
        starved.store(u64::MAX, Ordering::SeqCst);
        world.send("c", "1", "5");
        world.settle();
        let why = paused(&mut world);
        assert!(why.contains("could not be run 16 times in a row"), "{why}");
        assert!(why.contains("host: the toy broke"), "{why}");
        assert_eq!(world.contents(CELL, 0).dead_letters, []);
        starved.store(0, Ordering::SeqCst);
        assert!(world.resume(CELLS));
        world.settle();
        assert_eq!((world.sum(CELL, "c"), mirrored(&mut world)), (5, 5));
    }
}

#[test]
fn a_restore_that_the_machine_cannot_run_is_tried_again() {
    let mut world = world(10);
    world.layout.settings.flush_every_ms = u64::MAX;
    world.crash(&mut Prng::new(1));
    world.send("c", "1", "5");
    for _ in 0..20 {
        world.step();
    }
    world.layout.behaviour.machine.evolve.store(3, Ordering::SeqCst);
    world.crash(&mut Prng::new(1));
    for _ in 0..30 {
        world.step();
    }
    assert_eq!(world.status(CELLS), Some(Status::Running));
    assert_eq!(world.sum(CELL, "c"), 5);
    world.layout.behaviour.machine.evolve.store(u64::MAX, Ordering::SeqCst);
    world.crash(&mut Prng::new(1));
    for _ in 0..20_000 {
        world.step();
    }
    let status = world.status(CELLS).unwrap();
    let says = |why: &str| why.contains("could not be run 16 times in a row");
    assert!(matches!(&status, Status::Halted(why) if says(why)), "{status:?}");
}

#[test]
fn an_instance_that_lied_is_used_no_more() {
    let told: Arc<Mutex<Vec<&'static str>>> = Arc::default();
    let behaviour = Behaviour::default();
    let mut world = world(1);
    let spied = Arc::clone(&told);
    world.replace(Program {
        topology: toy::topology(1, 0, &behaviour),
        guests: Box::new(move || {
            let mut guests = toy::guests(&behaviour);
            let inner = guests.remove(0);
            guests.insert(0, Box::new(Spy { inner, told: Arc::clone(&spied) }));
            guests
        }),
        projecting: Box::new(no_tables),
        settings: Layout::calm(1).settings,
        shards: 1,
    });
    world.send("c", "1", "lie");
    world.settle();
    assert_eq!(*told.lock().unwrap(), ["decide", "renew", "renew", "decide", "renew"]);
    world.send("c", "2", "1");
    world.settle();
    assert_eq!(told.lock().unwrap()[5..], ["decide"], "it is not asked again");
    assert_eq!(world.sum(CELL, "c"), 1);
}

/// Notes what is asked of a guest.
struct Spy {
    inner: Box<dyn Guest>,
    told: Arc<Mutex<Vec<&'static str>>>,
}

impl Guest for Spy {
    fn decide(
        &mut self,
        held: &Aggregates,
        asked: &CommandColumns,
        lookup: &Lookup,
    ) -> Result<Decision, Fault> {
        self.told.lock().unwrap().push("decide");
        self.inner.decide(held, asked, lookup)
    }

    fn evolve(&mut self, held: &Aggregates, past: &PastColumns) -> Result<States, Fault> {
        self.inner.evolve(held, past)
    }

    fn react(&mut self, events: &EventColumns, lookup: &Lookup) -> Result<SentColumns, Fault> {
        self.inner.react(events, lookup)
    }

    fn inspect(&mut self, held: &Aggregates) -> Result<Blobs, Fault> {
        self.inner.inspect(held)
    }

    fn renew(&mut self) {
        self.told.lock().unwrap().push("renew");
        self.inner.renew();
    }
}
