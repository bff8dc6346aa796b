//! What retention has removed is said to be gone, and what is left is found all the same.

use zamu_core::proto::command_outcome::Why;

use super::lines::lines;
use super::world::{A, B, C, Took, World, accepted, refused};

/// A process of two aggregates and a refusal, and then so much time that only its events are left.
fn old() -> World {
    let mut world = World::new();
    world.request(A, "a", "1");
    world.at(5);
    let asked = world.event(A, "a", Took::Request(0));
    let to_b = world.command(&asked, "b", 0);
    let to_c = world.command(&asked, "c", 1);
    world
        .turn(A)
        .took(1, 0)
        .external(0, accepted(1))
        .wrote(&asked)
        .sent(B, &to_b)
        .sent(C, &to_c)
        .done();
    world.at(12);
    let done = world.event(B, "b", Took::Command(0, &to_b));
    world.turn(B).took(0, 1).wrote(&done).done();
    world.turn(C).took(0, 1).commandless(0, Why::Refused(refused("no"))).done();
    // The newest batch record of a partition is kept for ever.
    for partition in [A, B, C] {
        world.turn(partition).done();
    }
    world.forget();
    world
}

#[test]
fn of_an_old_process_events_are_left_and_what_was_between_is_said_to_be_gone() {
    let world = old();
    let all = [
        "request s/1 a/0#0 +0 gone: accepted",
        ". event a/a/1 a/0#0 +5 (5)",
        ". . command a/a/1/h/0 b/0#0 +? gone: accepted",
        ". . . event b/b/1 b/0#0 +12 (7)",
    ];
    for id in ["a/a/1", "b/b/1", "b", "s/1", "s-1"] {
        let trace = world.trace(id);
        assert_eq!(lines(&trace), all, "{id}");
        // The refusal has left nothing, which is said.
        let notes = &trace.notes;
        assert!(trace.partial && notes.iter().any(|note| note.contains("refused")), "{notes:?}");
    }
}

#[test]
fn beside_what_is_gone_what_is_new_is_whole() {
    let mut world = old();
    // That a turn sent nothing to a partition is known by the record of the turn before it.
    world.turn(A).done();
    world.request(A, "a", "2");
    let asked = world.event(A, "a", Took::Request(1));
    let to_b = world.command(&asked, "b", 0);
    world.turn(A).took(1, 0).external(1, accepted(2)).wrote(&asked).sent(B, &to_b).done();
    let trace = world.trace("a/a/2");
    assert_eq!(
        lines(&trace),
        [
            "request s/2 a/0#1 +0: accepted by h in 0",
            ". event a/a/2 a/0#1 +0 (0)",
            ". . command a/a/2/h/0 b/0#1 +0 (0): waiting",
        ]
    );
    assert!(!trace.partial, "{:?}", trace.notes);
}
