//! What an audit finds: each thing of a log that is not what the handlers of its time decided, by place
//! and by name, and nothing else.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use common::audit::Toys;
use common::copied::{Copied, audit, differences};
use common::toy::{self, Behaviour};
use common::{CELL, Layout, MIRROR, World};
use zamu_core::audit::{AuditError, Difference, Subject, Unsent, unsent};
use zamu_core::log::InputPositions;
use zamu_core::model::{PartitionId, Time};
use zamu_core::proto::outcome::What;
use zamu_core::proto::{BatchRecord, DeadLetter};
use zamu_core::topology::{Starts, Types};

const CELLS: PartitionId = PartitionId { aggregate_type: CELL, number: 0 };
const MIRRORS: PartitionId = PartitionId { aggregate_type: MIRROR, number: 0 };

fn types() -> Types {
    toy::topology(1, 0, &Behaviour::default()).types.clone()
}

fn toys() -> Toys {
    Toys { partitions: 1, mended_from: u64::MAX, starts: Starts::new(), instead: None }
}

/// A log with a bit of everything, in turns of at most three.
fn log() -> Copied {
    let mut world = World::new(Layout::calm(3));
    for (n, body) in
        ["5", "no", "twice 2", "trap", "7", "13", "done", "@40", "remark", "3", "5", "no"]
            .into_iter()
            .enumerate()
    {
        world.send(["a", "b"][n % 2], &n.to_string(), body);
        // The same once more, and something else under the same id.
        if n % 4 == 0 {
            world.send(["a", "b"][n % 2], &n.to_string(), body);
            world.send(["a", "b"][n % 2], &n.to_string(), "99");
        }
    }
    world.settle();
    world.advance(100);
    world.settle();
    world.redrive(CELLS, 1);
    world.settle();
    Copied::of(&world.log, &types())
}

fn found(log: &mut Copied, partition: PartitionId) -> Vec<(u64, Difference)> {
    differences(&audit(log, &types(), &mut toys(), partition, None).unwrap())
}

/// What differs after a change of a sound log: it must be one thing.
#[track_caller]
fn one(partition: PartitionId, change: impl FnOnce(&mut Copied)) -> (u64, Difference) {
    let mut log = log();
    change(&mut log);
    let mut found = found(&mut log, partition);
    assert_eq!(found.len(), 1, "{found:#?}");
    found.remove(0)
}

fn text(bytes: Option<&Bytes>) -> &str {
    bytes.map_or("-", |bytes| std::str::from_utf8(bytes).unwrap())
}

fn shown(difference: &Difference) -> (&'static str, &str, &str) {
    (difference.field, text(difference.recorded.as_ref()), text(difference.decided.as_ref()))
}

/// The turn of an event.
fn turn_of(log: &Copied, event: u64) -> u64 {
    let turns = 1..=log.contents[&CELLS].outcomes.len() as u64;
    let holds = |turn: &u64| {
        let range = log.record(CELLS, *turn).events.unwrap();
        (range.first..range.next).contains(&event)
    };
    turns.into_iter().find(holds).unwrap()
}

#[test]
fn a_sound_log_is_found_sound_and_everything_in_it_was_looked_at() {
    let mut log = log();
    for partition in [CELLS, MIRRORS] {
        let audited = audit(&mut log, &types(), &mut toys(), partition, None).unwrap();
        assert_eq!(differences(&audited), []);
        let contents = &log.contents[&partition];
        let sum = |of: fn(&zamu_core::audit::Audited) -> u64| audited.iter().map(of).sum::<u64>();
        assert_eq!(sum(|turn| turn.requests), contents.requests.len() as u64);
        assert_eq!(sum(|turn| turn.commands), contents.commands.len() as u64);
        assert_eq!(sum(|turn| turn.events), contents.events.len() as u64);
        assert!(contents.events.len() > 4);
    }
    let audited = audit(&mut log, &types(), &mut toys(), CELLS, None).unwrap();
    assert_eq!(audited.iter().map(|turn| turn.faults).sum::<u64>(), 2, "the trap and its redrive");
}

#[test]
fn the_body_of_an_event_that_was_changed_is_found_and_nothing_after_it_is_blamed() {
    let (turn, difference) =
        one(CELLS, |log| log.at(CELLS).events[1].body = Bytes::from_static(b"6"));
    assert_eq!(shown(&difference), ("body", "6", "2"));
    assert_eq!(turn, turn_of(&log(), 1));
    let key = log().contents[&CELLS].events[1].key.clone();
    let sequence = log().contents[&CELLS].events[1].sequence;
    assert_eq!(difference.subject, Subject::Event { number: Some(1), key, sequence });
    assert!(difference.altered, "the turn's hash tells that the log was changed");
}

#[test]
fn a_body_that_cannot_even_be_folded_does_not_end_the_audit() {
    let mut log = log();
    log.at(CELLS).events[0].body = Bytes::from_static(b"\xff\xfe");
    // Its hash is made to fit, as if it had been committed like that.
    let found = found(&mut log, CELLS);
    assert_eq!(found.len(), 1, "{found:#?}");
}

#[test]
fn every_field_of_an_event_is_compared() {
    let number = 2;
    for (change, field) in [
        (
            &(|log: &mut Copied| log.at(CELLS).events[2].kind = toy::kind("Remarked"))
                as &dyn Fn(&mut Copied),
            "kind",
        ),
        (&|log| log.at(CELLS).events[2].time = Time(1), "time"),
        (&|log| log.at(CELLS).events[2].handler = "other".into(), "handler"),
        (&|log| log.at(CELLS).events[2].deployment = 9, "deployment"),
        (&|log| log.at(CELLS).events[2].previous = Some(0), "previous event"),
        (
            &|log| Arc::make_mut(&mut log.at(CELLS).events[2].context).principal = "x".into(),
            "context",
        ),
        (
            &|log| {
                let other = log.at(CELLS).events[0].cause.clone();
                log.at(CELLS).events[2].cause = other;
            },
            "cause",
        ),
    ] {
        let (_, difference) = one(CELLS, change);
        assert_eq!(difference.field, field, "{difference:?}");
        let Subject::Event { number: of, .. } = difference.subject else {
            panic!("{difference:?}")
        };
        assert_eq!(of, Some(number));
    }
}

#[test]
fn events_that_changed_places_are_found_by_their_order() {
    let mut log = log();
    let turn = turn_of(&log, 1);
    assert_eq!(turn, turn_of(&log, 2), "they are of one turn");
    let events = &mut log.at(CELLS).events;
    events.swap(1, 2);
    (events[1].number, events[2].number) = (1, 2);
    let found = found(&mut log, CELLS);
    let fields: Vec<_> = found.iter().map(|(of, difference)| (*of, difference.field)).collect();
    assert!(fields.contains(&(turn, "order")), "{found:#?}");
    assert!(fields.iter().all(|(of, _)| *of == turn), "{found:#?}");
}

#[test]
fn an_event_that_is_missing_and_one_that_nobody_decided_are_found() {
    let mut log = log();
    let last = log.contents[&CELLS].outcomes.len() as u64;
    let turn = (1..=last).rev().find(|turn| {
        let range = log.record(CELLS, *turn).events.unwrap();
        range.first < range.next
    });
    let turn = turn.unwrap();
    let event = log.at(CELLS).events.pop().unwrap();
    log.rewrite(CELLS, turn, |record| record.events.as_mut().unwrap().next -= 1);
    let missing = found(&mut log, CELLS);
    let (of, difference) = &missing[0];
    assert_eq!((*of, difference.field), (turn, "event"));
    assert_eq!((difference.recorded.is_none(), difference.decided.is_some()), (true, true));

    let mut more = event.clone();
    (more.number, more.sequence) = (event.number + 1, event.sequence + 1);
    log.at(CELLS).events.extend([event, more]);
    log.rewrite(CELLS, turn, |record| record.events.as_mut().unwrap().next += 2);
    let more = found(&mut log, CELLS);
    let (of, difference) = &more[0];
    assert_eq!((*of, difference.field), (turn, "event"));
    assert_eq!((difference.recorded.is_some(), difference.decided.is_none()), (true, true));
}

/// Changes the outcome of the first request that has one of this sort.
fn change_outcome(log: &mut Copied, wanted: fn(&What) -> bool, change: impl FnOnce(&mut What)) {
    let turns = log.contents[&CELLS].outcomes.len() as u64;
    let at = |record: &BatchRecord| {
        record
            .external
            .iter()
            .position(|o| wanted(o.outcome.as_ref().unwrap().what.as_ref().unwrap()))
    };
    let turn = (1..=turns).find(|turn| at(&log.record(CELLS, *turn)).is_some()).unwrap();
    log.rewrite(CELLS, turn, |record| {
        let index = at(record).unwrap();
        change(record.external[index].outcome.as_mut().unwrap().what.as_mut().unwrap());
    });
}

#[test]
fn an_answer_that_was_changed_is_found() {
    let (_, difference) = one(CELLS, |log| {
        change_outcome(
            log,
            |what| matches!(what, What::Refused(r) if r.code == "no"),
            |what| {
                let What::Refused(refused) = what else { panic!("{what:?}") };
                refused.code = "yes".into();
            },
        );
    });
    assert_eq!(shown(&difference), ("outcome", "refused yes ", "refused no "));
    assert!(difference.altered);
    let (_, difference) = one(CELLS, |log| {
        change_outcome(
            log,
            |what| matches!(what, What::Accepted(_)),
            |what| {
                let What::Accepted(accepted) = what else { panic!("{what:?}") };
                accepted.reply = Bytes::from_static(b"1000");
            },
        );
    });
    assert_eq!(shown(&difference), ("outcome", "accepted as 1 to 1 1000", "accepted as 1 to 1 5"));
    let (_, difference) = one(CELLS, |log| {
        change_outcome(
            log,
            |what| matches!(what, What::Duplicate(_)),
            |what| {
                let What::Duplicate(duplicate) = what else { panic!("{what:?}") };
                duplicate.first += 1;
            },
        );
    });
    assert_eq!(difference.field, "outcome");
}

#[test]
fn a_duplicate_that_passes_for_another_answer_and_a_fault_that_is_none_are_found() {
    for wanted in [
        |what: &What| matches!(what, What::Duplicate(_)),
        |what: &What| matches!(what, What::Accepted(_)),
    ] {
        let mut log = log();
        change_outcome(&mut log, wanted, |what| {
            *what = What::Fault(zamu_core::proto::Fault { dead_letter: 77 });
        });
        let found = found(&mut log, CELLS);
        assert!(
            found.iter().any(|(_, d)| d.field == "outcome" || d.field == "dead letters"),
            "{found:#?}"
        );
    }
}

#[test]
fn the_record_in_a_dead_letter_is_compared_and_its_reason_is_taken_as_it_is() {
    use zamu_core::aggregate::{decode, encode};
    let rewrite = |log: &mut Copied, change: fn(&mut DeadLetter)| {
        let (_, bytes) = &mut log.at(CELLS).dead_letters[0];
        let mut letter: DeadLetter = decode(bytes).unwrap();
        change(&mut letter);
        *bytes = encode(&letter);
    };
    let mut changed = log();
    rewrite(&mut changed, |letter| {
        use zamu_core::proto::dead_letter::Subject::Request;
        let Some(Request(request)) = &mut letter.subject else { panic!("{letter:?}") };
        request.principal = Bytes::from_static(b"somebody else");
    });
    let (_, difference) = &found(&mut changed, CELLS)[0];
    assert_eq!((difference.field, difference.subject.clone()), ("letter", Subject::DeadLetter(1)));
    let (_, difference) = one(CELLS, |log| rewrite(log, |letter| letter.digest = "d2".into()));
    assert_eq!(difference.field, "letter");
    let mut log = log();
    rewrite(&mut log, |letter| letter.message = "another story".into());
    assert_eq!(found(&mut log, CELLS), []);
    log.at(CELLS).dead_letters.remove(0);
    let gone = found(&mut log, CELLS);
    assert!(gone.iter().any(|(_, d)| d.subject == Subject::DeadLetter(1)), "{gone:#?}");
}

#[test]
fn counters_cursors_and_the_hash_are_compared() {
    for (change, field) in [
        (
            (|record: &mut BatchRecord| record.hash = vec![1; 16].into()) as fn(&mut BatchRecord),
            "hash",
        ),
        (|record| record.cursors[0].next += 1, "cursors"),
        (|record| record.time += 1, "time"),
    ] {
        let mut log = log();
        let last = log.contents[&CELLS].outcomes.len() as u64;
        log.rewrite(CELLS, last, change);
        let found = found(&mut log, CELLS);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!((found[0].0, found[0].1.field), (last, field));
    }
    let mut log = log();
    let last = log.contents[&MIRRORS].outcomes.len() as u64;
    log.rewrite(MIRRORS, last, |record| record.seen[0].numbers[0] += 1);
    assert_eq!(found(&mut log, MIRRORS)[0].1.field, "commands seen");
}

#[test]
fn a_request_or_a_command_that_was_changed_is_found_by_what_came_of_it() {
    let mut asked = log();
    asked.at(CELLS).requests[0].record.body = Bytes::from_static(b"8");
    let differences = found(&mut asked, CELLS);
    assert_eq!(shown(&differences[0].1), ("body", "5", "8"), "{differences:#?}");
    assert_eq!(shown(&differences[1].1).2, "accepted as 1 to 1 8", "{differences:#?}");
    let mut log = log();
    log.at(MIRRORS).commands[0].record.body = Bytes::from_static(b"8");
    let found = found(&mut log, MIRRORS);
    assert_eq!((found[0].1.field, shown(&found[0].1).2), ("body", "8"), "{found:#?}");
}

#[test]
fn a_command_that_is_missing_in_its_channel_ends_the_audit_by_its_number() {
    let mut log = log();
    log.at(MIRRORS).commands.remove(1);
    let error = audit(&mut log, &types(), &mut toys(), MIRRORS, None).unwrap_err();
    assert!(matches!(error, AuditError::Gap { due: 2, came: 3, .. }), "{error:?}");
}

#[test]
fn a_command_that_was_taken_and_never_sent_is_found_by_the_ends_of_its_channel() {
    let mut log = log();
    assert_eq!(unsent(&mut log, &types()).unwrap(), []);
    let taken = log.contents[&MIRRORS].commands.len() as u64;
    assert!(taken > 3);
    let last = log.contents[&CELLS].outcomes.len() as u64;
    log.rewrite(CELLS, last, |record| record.sent[0].numbers[0] -= 1);
    let found = unsent(&mut log, &types()).unwrap();
    assert_eq!(found, [Unsent { from: CELLS, to: MIRRORS, sent: taken - 1, taken }]);
}

#[test]
fn other_rules_than_were_in_force_are_found_and_the_log_is_not_blamed() {
    let mut log = log();
    let broken = Behaviour { broken: true, ..Behaviour::default() };
    let mut others = Toys { instead: Some(broken), ..toys() };
    let audited = audit(&mut log, &types(), &mut others, CELLS, None).unwrap();
    let found = differences(&audited);
    assert!(found.iter().any(|(_, d)| d.field == "event" && d.decided.is_none()), "{found:#?}");
    assert!(found.iter().all(|(_, d)| !d.altered), "its hashes fit: {found:#?}");
    let missing = found.iter().filter(|(_, d)| d.field == "event").count();
    assert_eq!(missing, log.contents[&CELLS].events.len(), "each event, once");
}

#[test]
fn handlers_whose_folds_are_not_what_they_decided_on_are_found() {
    let mut log = log();
    let lawless = Behaviour { lawless: true, ..Behaviour::default() };
    let mut others = Toys { instead: Some(lawless), ..toys() };
    let found = differences(&audit(&mut log, &types(), &mut others, CELLS, None).unwrap());
    assert!(found.iter().any(|(_, d)| d.field == "outcome"), "{found:#?}");
}

#[test]
fn nobody_reacts_in_an_audit() {
    let mut log = log();
    let behaviour = Behaviour::default();
    behaviour.machine.react.store(5, Ordering::SeqCst);
    let mut asked = Toys { instead: Some(behaviour.clone()), ..toys() };
    for partition in [CELLS, MIRRORS] {
        let found = differences(&audit(&mut log, &types(), &mut asked, partition, None).unwrap());
        assert_eq!(found, []);
    }
    assert_eq!(behaviour.machine.react.load(Ordering::SeqCst), 5);
}

#[test]
fn a_part_of_the_turns_is_audited_as_it_is_within_all() {
    let mut log = log();
    log.at(CELLS).events[4].body = Bytes::from_static(b"6");
    let all = audit(&mut log, &types(), &mut toys(), CELLS, None).unwrap();
    let last = all.len() as u64;
    for first in 1..=last {
        let part = audit(&mut log, &types(), &mut toys(), CELLS, Some([first, last])).unwrap();
        assert_eq!(part.len() as u64, last + 1 - first);
        if first <= turn_of(&log, 4) {
            assert_eq!(differences(&part), differences(&all));
        }
    }
    let one = audit(&mut log, &types(), &mut toys(), CELLS, Some([2, 2])).unwrap();
    assert_eq!(one.iter().map(|turn| turn.turn).collect::<Vec<_>>(), [2]);
}

#[test]
fn turns_that_retention_has_removed_are_refused_with_the_oldest_that_is_left() {
    let mut log = log();
    log.oldest = 3;
    let begins = log.record(CELLS, 4);
    log.input = InputPositions { requests: begins.requests.unwrap().first, commands: 0 };
    for asked in 1..4 {
        let error = audit(&mut log, &types(), &mut toys(), CELLS, Some([asked, 9])).unwrap_err();
        assert_eq!(error, AuditError::Gone { asked, oldest: 4 });
        assert!(error.to_string().contains("turn 4 and later"), "{error}");
    }
    assert_eq!(found(&mut log, CELLS), []);
    // Where the inputs of all turns are gone there is nothing left.
    log.input.requests = u64::MAX;
    let audited = audit(&mut log, &types(), &mut toys(), CELLS, None).unwrap();
    assert!(audited.is_empty());
}

#[test]
fn handlers_that_cannot_be_had_end_the_audit_with_what_is_missing() {
    struct Nobody;
    impl zamu_core::audit::Deployments for Nobody {
        fn handlers(&mut self, _: u64) -> Result<zamu_core::audit::InForce, String> {
            Err("the component d is gone".into())
        }
    }
    let error = audit(&mut log(), &types(), &mut Nobody, CELLS, None).unwrap_err();
    assert_eq!(error.to_string(), "deployment 0: the component d is gone");
}
