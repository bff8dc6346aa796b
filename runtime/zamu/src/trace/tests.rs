//! Traces of processes in a log that the tests write themselves, turn by turn, at times of their own.
#![allow(clippy::unwrap_used)]

mod lines;
mod retention;
mod world;

use zamu_core::model::Time;
use zamu_core::proto::{self, command_outcome::Why, outcome::What};

use lines::lines;
use world::{A, B, C, Took, World, accepted, refused};

#[test]
fn what_a_request_caused_is_told_in_the_order_of_causes_with_the_time_of_each_hop() {
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
    let back = world.command(&done, "a", 0);
    world.turn(B).took(0, 1).wrote(&done).sent(A, &back).done();
    world.at(20);
    world.turn(C).took(0, 1).commandless(0, Why::Refused(refused("no"))).done();
    world.at(21);
    let last = world.event(A, "a", Took::Command(0, &back));
    world.turn(A).took(0, 1).wrote(&last).done();
    let all = [
        "request s/1 a/0#0 +0: accepted by h in 5",
        ". event a/a/1 a/0#0 +5 (5)",
        ". . command a/a/1/h/0 b/0#0 +5 (0): accepted by h in 7",
        ". . . event b/b/1 b/0#0 +12 (7)",
        ". . . . command b/b/1/h/0 a/0#0 +12 (0): accepted by h in 9",
        ". . . . . event a/a/2 a/0#1 +21 (9)",
        ". . command a/a/1/h/1 c/0#0 +5 (0): refused no by h in 15",
    ];
    for id in ["a/a", "a", "b", "b/b/1", "a/a/2", "a/a/1/h/1", "s/1", "1", "s-1"] {
        assert_eq!(lines(&world.trace(id)), all, "{id}");
    }
}

#[test]
fn commands_of_one_commit_stay_with_the_events_that_caused_them() {
    let mut world = World::new();
    world.request(A, "a", "1");
    world.request(A, "x", "2");
    let first = world.event(A, "a", Took::Request(0));
    let second = world.event(A, "x", Took::Request(1));
    let (of_first, of_second) = (world.command(&first, "b", 0), world.command(&second, "b", 0));
    world
        .turn(A)
        .took(2, 0)
        .external(0, accepted(1))
        .external(1, accepted(1))
        .wrote(&first)
        .wrote(&second)
        .sent(B, &of_first)
        .sent(B, &of_second)
        .done();
    // The next commit, in the same millisecond.
    world.request(A, "a", "3");
    let third = world.event(A, "a", Took::Request(2));
    let of_third = world.command(&third, "b", 0);
    world.turn(A).took(1, 0).external(2, accepted(2)).wrote(&third).sent(B, &of_third).done();
    assert_eq!(
        lines(&world.trace("x")),
        [
            "request s/2 a/0#1 +0: accepted by h in 0",
            ". event a/x/1 a/0#1 +0 (0)",
            ". . command a/x/1/h/0 b/0#1 +0 (0): waiting",
        ]
    );
    assert_eq!(
        lines(&world.trace("a/a/2")),
        [
            "request s/3 a/0#2 +0: accepted by h in 0",
            ". event a/a/2 a/0#2 +0 (0)",
            ". . command a/a/2/h/0 b/0#2 +0 (0): waiting",
        ]
    );
}

#[test]
fn a_handler_that_reacted_later_is_found_by_its_cursor() {
    let mut world = World::new();
    world.request(A, "a", "1");
    let asked = world.event(A, "a", Took::Request(0));
    let to_b = world.command(&asked, "b", 0);
    world.turn(A).took(1, 0).external(0, accepted(1)).wrote(&asked).cursor("other", 1).done();
    world.at(50);
    world.turn(A).cursor("other", 1).done();
    world.at(90);
    world.turn(A).cursor("other", 1).cursor("h", 1).sent(B, &to_b).done();
    world.at(100);
    world.turn(A).cursor("other", 1).cursor("h", 1).done();
    assert_eq!(
        lines(&world.trace("a/a/1")),
        [
            "request s/1 a/0#0 +0: accepted by h in 0",
            ". event a/a/1 a/0#0 +0 (0)",
            ". . command a/a/1/h/0 b/0#0 +90 (90): waiting",
        ]
    );
}

#[test]
fn what_broke_is_followed_through_its_dead_letter_to_what_its_redrive_brought() {
    let mut world = World::new();
    world.request(A, "a", "1");
    world.at(10);
    world
        .turn(A)
        .took(1, 0)
        .external(0, What::Fault(proto::Fault { dead_letter: 1 }))
        .request_letter(1, "a", 0)
        .done();
    let broken =
        ["request s/1 a/0#0 +0: fault by h in 10", ". deadLetter a/0/1 a/0#1 +10 (10) open trap"];
    assert_eq!(lines(&world.trace("a/a")), broken, "an aggregate that only has a dead letter");
    world.at(100);
    world.redrive(A, 1);
    world.at(110);
    let event = world.event(A, "a", Took::Request(1));
    world.turn(A).took(1, 0).external(1, accepted(1)).wrote(&event).closed(1).done();
    let mended = [
        "request s/1 a/0#0 +0: fault by h in 10",
        ". deadLetter a/0/1 a/0#1 +10 (10) closed trap: accepted by h in 100",
        ". . event a/a/1 a/0#0 +110 (100)",
    ];
    for id in ["a/a", "a/a/1", "s/1"] {
        assert_eq!(lines(&world.trace(id)), mended, "{id}");
    }
}

#[test]
fn a_command_and_an_event_that_broke_a_handler_are_followed_as_well() {
    let mut world = World::new();
    world.request(A, "a", "1");
    let asked = world.event(A, "a", Took::Request(0));
    let to_b = world.command(&asked, "b", 0);
    world
        .turn(A)
        .took(1, 0)
        .external(0, accepted(1))
        .wrote(&asked)
        .sent(B, &to_b)
        .event_letter(1, "other", 0)
        .done();
    world.at(10);
    let fault = Why::Fault(proto::Fault { dead_letter: 1 });
    world.turn(B).took(0, 1).commandless(0, fault).command_letter(1, &to_b, 0).done();
    world.at(20);
    world.redrive(B, 1);
    world.redrive(A, 1);
    world.at(30);
    let nothing = || What::Nothing(proto::Nothing::default());
    let done = world.event(B, "b", Took::Command(0, &to_b));
    world.turn(B).took(1, 0).external(0, accepted(1)).wrote(&done).closed(1).done();
    world.at(40);
    let of_other = world.command_by("other", &asked, "c", 0);
    world.turn(A).took(1, 0).external(1, nothing()).sent(C, &of_other).closed(1).done();
    let all = [
        "request s/1 a/0#0 +0: accepted by h in 0",
        ". event a/a/1 a/0#0 +0 (0)",
        ". . command a/a/1/h/0 b/0#0 +0 (0): fault by h in 10",
        ". . . deadLetter b/0/1 b/0#1 +10 (10) closed trap: accepted by h in 20",
        ". . . . event b/b/1 b/0#0 +30 (20)",
        ". . deadLetter a/0/1 a/0#1 +0 (0) closed trap: nothing by h in 40",
        ". . . command a/a/1/other/0 c/0#0 +40 (40): waiting",
    ];
    for id in ["a/a/1", "b/b/1", "b", "s/1"] {
        assert_eq!(lines(&world.trace(id)), all, "{id}");
    }
}

#[test]
fn all_processes_of_one_correlation_are_shown_oldest_first() {
    let mut world = World::new();
    for (at, partition, key, id) in [(1, B, "b", "1"), (2, A, "a", "2"), (3, C, "c", "3")] {
        world.at(at);
        world.request_of(partition, key, id, "together");
    }
    world.request(A, "a", "4");
    let trace = world.trace("together");
    assert_eq!(
        lines(&trace),
        [
            "request s/1 b/0#0 +0: waiting",
            "request s/2 a/0#0 +1: waiting",
            "request s/3 c/0#0 +2: waiting",
        ]
    );
    assert_eq!((trace.found, trace.partial), ("request", false));
    assert_eq!(trace.started, Some(World::START.plus_ms(1).0));
}

#[test]
fn the_newest_processes_are_shown_and_it_is_said_that_there_are_more() {
    let mut world = World::new();
    for number in 0..5 {
        world.at(number);
        world.request_of(A, "a", &number.to_string(), "c");
    }
    let trace = world.trace_at_most("c", 2);
    assert_eq!(lines(&trace), ["request s/3 a/0#3 +0: waiting", "request s/4 a/0#4 +1: waiting"]);
    assert!(trace.partial && trace.notes[0].contains("newest 2"), "{:?}", trace.notes);
}

#[test]
fn an_id_of_nothing_tells_what_ids_there_are() {
    let mut world = World::new();
    world.request(A, "a", "1");
    for id in ["2", "a/2", "s/11", "s/", "/1", "1/"] {
        let error = world.try_trace(id).unwrap_err().to_string();
        assert!(error.contains(id) && error.contains("TYPE/KEY/SEQUENCE"), "{error}");
        assert!(error.contains("all that the log holds"), "{error}");
    }
}

#[test]
fn a_deadline_begins_a_process() {
    let mut world = World::new();
    world.wake(A, "a", 1, Time(World::START.0 - 3));
    world.at(4);
    let event = world.event(A, "a", Took::Wake(0));
    world.turn(A).took(1, 0).external(0, accepted(1)).wrote(&event).done();
    let all = ["wake a/a/1/wake a/0#0 +0: accepted by h in 4", ". event a/a/1 a/0#0 +4 (4)"];
    for id in ["a", "a/a/1/wake"] {
        assert_eq!(lines(&world.trace(id)), all, "{id}");
    }
}
