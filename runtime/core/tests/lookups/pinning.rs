//! A turn sees one version of all tables, whatever becomes of them meanwhile, and says which.

use zamu_core::references::References;

use crate::toy::*;

fn with_rates(behaviour: Behaviour) -> World {
    let mut world = World::new(1, behaviour);
    world.set("a", "1");
    world.set("b", "2");
    world.process.settle();
    world
}

fn make_restless(world: &World, references: Option<&References>) {
    *world.behaviour.restless.lock().unwrap() = references.cloned();
}

#[test]
fn all_of_a_turn_sees_one_version_while_the_table_moves_under_it() {
    let mut world = with_rates(Behaviour::default());
    let references = world.process.references.clone();
    make_restless(&world, Some(&references));
    let before = world.behaviour.asked.load(std::sync::atomic::Ordering::SeqCst);
    // An item that breaks has the others run in parts, each in a call of its own.
    for body in ["a b", "a b", "trap", "a b", "trap", "a b"] {
        world.place("a", body);
    }
    world.process.hold_tables = true;
    world.process.settle();
    make_restless(&world, None);
    let found: Vec<String> =
        world.replies(ORDER).into_iter().filter(|reply| !reply.starts_with("fault")).collect();
    assert_eq!(found.len(), 4);
    assert!(found.iter().all(|reply| reply.ends_with(" 1 2")), "{found:?}");
    assert_eq!(world.records(ORDER, 0).len(), 1, "it was one turn");
    assert_eq!(world.notes(), ["1", "1", "1", "1"], "`react` sees what `decide` saw");
    assert_eq!(world.versions(ORDER), [2], "and the record says which version that was");
    let asked = world.behaviour.asked.load(std::sync::atomic::Ordering::SeqCst) - before;
    assert!(asked > 6, "the table moved at each of {asked} calls");
}

#[test]
fn the_next_turn_sees_the_newest_version() {
    let mut world = with_rates(Behaviour::default());
    world.place("o", "a");
    world.process.settle();
    world.set("a", "3");
    world.process.settle();
    world.place("o", "a");
    world.process.settle();
    assert_eq!(world.replies(ORDER), ["accepted 1..2 1", "accepted 2..3 3"]);
    assert_eq!(world.versions(ORDER), [2, 3]);
}

#[test]
fn a_row_that_is_removed_is_found_no_more() {
    let mut world = with_rates(Behaviour::default());
    world.set("a", "gone");
    world.process.settle();
    world.place("o", "a b c");
    world.process.settle();
    assert_eq!(world.replies(ORDER), ["accepted 1..2 - 2 -"]);
}

#[test]
fn a_turn_whose_handlers_look_nothing_up_records_no_version() {
    let mut world = with_rates(Behaviour::default());
    world.place("o", "a");
    world.process.settle();
    assert!(world.records(RATE, 0).iter().all(|record| record.references.is_empty()));
    let orders = world.records(ORDER, 0);
    assert_eq!(orders[0].references[0].table, "rates");
}

#[test]
fn for_equal_versions_batch_size_changes_nothing() {
    let run = |batch| {
        let mut world = with_rates(Behaviour { batch, ..Behaviour::default() });
        world.process.hold_tables = true;
        for n in 0..60 {
            let rates = ["a", "a b", "c", "trap", "b"][n % 5];
            world.place(["o", "p", "a"][n % 3], rates);
            world.set("a", &n.to_string());
        }
        world.process.settle();
        assert!(world.versions(ORDER).iter().all(|next| *next == 2));
        let contents = world.process.contents(ORDER, 0);
        let (events, letters) = (contents.events, contents.dead_letters);
        let stored = |key| world.process.read(ORDER, key);
        let states = ["o", "p", "a"].map(stored).map(Option::unwrap);
        (events, letters, world.replies(ORDER), world.notes(), states)
    };
    let alone = run(1);
    for batch in [2, 7, 50, 500] {
        assert_eq!(run(batch), alone, "batches of {batch}");
    }
}

#[test]
fn a_handler_may_look_up_what_is_made_of_its_own_events() {
    let mut world = World::new(1, Behaviour { own: true, ..Behaviour::default() });
    for to in ["1", "2", "3"] {
        world.set("a", to);
        world.process.settle();
    }
    assert_eq!(
        world.replies(RATE),
        ["accepted 1..2 -", "accepted 2..3 1", "accepted 3..4 2"],
        "what it saw is what earlier turns left"
    );
    world.restart();
    world.set("a", "4");
    world.process.settle();
    assert_eq!(world.replies(RATE)[3], "accepted 4..5 3", "nor does it wait for itself for ever");
}
