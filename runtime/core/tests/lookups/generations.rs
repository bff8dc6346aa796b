//! Another generation takes the place of the one that is looked up, all at once.

use zamu_core::partition::Status;

use crate::toy::*;

const RATES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

fn with_rates(partitions: u32) -> World {
    let mut world = World::new(1, Behaviour { partitions, ..Behaviour::default() });
    for round in 0..3 {
        for rate in RATES {
            world.set(rate, &round.to_string());
        }
    }
    world.process.settle();
    world
}

/// Which generation all rows of a reply are of.
fn fold_of(reply: &str) -> u32 {
    let rows: Vec<&str> = reply.split(' ').skip(2).collect();
    assert_eq!(rows.len(), RATES.len(), "{reply}");
    let folds: Vec<u32> = rows
        .iter()
        .map(|row| row.split_once('/').map_or(1, |(_, fold)| fold.parse().unwrap()))
        .collect();
    assert!(rows.iter().all(|row| row.starts_with('2')), "no row is missing or old: {reply}");
    assert!(folds.windows(2).all(|pair| pair[0] == pair[1]), "rows are mixed: {reply}");
    folds[0]
}

#[test]
fn rows_of_another_fold_are_not_looked_up_and_turns_wait_for_all_of_the_new_ones() {
    for partitions in [1, 3] {
        let mut world = with_rates(partitions);
        world.process.hold_tables = true;
        world.behaviour.fold = 2;
        world.restart();
        world.run();
        let Status::Unready(why) = world.status(ORDER) else { panic!("the old rows serve") };
        assert!(why.contains("is being built"), "{why}");
        let before = world.replies(ORDER).len();
        loop {
            world.place("o", &RATES.join(" "));
            world.run();
            if !world.process.step_tables() {
                break;
            }
        }
        assert_eq!(world.status(ORDER), Status::Running);
        let replies = world.replies(ORDER);
        assert!(replies.len() > before);
        let folds: Vec<u32> = replies[before..].iter().map(|reply| fold_of(reply)).collect();
        assert!(folds.iter().all(|fold| *fold == 2), "{folds:?}");
    }
}

#[test]
fn another_generation_is_not_shown_before_it_has_come_as_far_as_the_old_one() {
    let mut world = with_rates(1);
    world.place("o", "a");
    world.process.settle();
    world.process.hold_tables = true;
    world.behaviour.fold = 2;
    world.restart();
    // A page short of the end would do for queries.
    loop {
        world.place("o", "a");
        world.run();
        if !world.process.step_tables() {
            break;
        }
    }
    let versions = world.versions(ORDER);
    assert!(versions.is_sorted(), "{versions:?}");
    assert_eq!(world.replies(ORDER).last().unwrap().split(' ').nth(2), Some("2/2"));
}

#[test]
fn a_table_that_is_rebuilt_is_looked_up_all_the_while() {
    let mut world = with_rates(3);
    world.process.hold_tables = true;
    let generation = world.process.set.as_mut().unwrap().rebuild("board").unwrap();
    loop {
        world.place("o", &RATES.join(" "));
        world.run();
        if !world.process.step_tables() {
            break;
        }
    }
    assert!(world.replies(ORDER).iter().all(|reply| fold_of(reply) == 1));
    let standings = world.process.set.as_ref().unwrap().standings();
    assert!(standings.iter().all(|of| of.served && of.generation == generation), "{standings:?}");
}

#[test]
fn a_first_generation_is_waited_for_until_it_has_come_to_the_end() {
    let mut world = with_rates(1);
    world.process.hold_tables = true;
    world.process.tables.crash_keeping(0);
    world.behaviour.fold = 2;
    world.restart();
    world.place("o", "a");
    world.run();
    assert!(matches!(world.status(ORDER), Status::Unready(_)));
    world.process.hold_tables = false;
    world.process.settle();
    assert_eq!(world.replies(ORDER), ["accepted 1..2 2/2"]);
}

#[test]
fn a_deployment_and_positions_say_which_rows_were_seen_and_positions_alone_do_not() {
    let mut world = with_rates(1);
    let mut folds = vec![(world.behaviour.deployment, 1)];
    world.place("o", &RATES.join(" "));
    world.process.settle();
    for fold in [2, 2, 1] {
        world.behaviour.fold = fold;
        world.restart();
        folds.push((world.behaviour.deployment, fold));
        world.place("o", &RATES.join(" "));
        world.process.settle();
    }
    let records = world.records(ORDER, 0);
    let replies = world.replies(ORDER);
    assert_eq!((records.len(), replies.len()), (4, 4));
    let seen: Vec<_> =
        records.iter().zip(&replies).map(|(r, reply)| (r.deployment, fold_of(reply))).collect();
    assert_eq!(seen, folds, "each deployment has one fold number, and its rows are of that");
    assert_eq!(world.versions(ORDER), [18; 4], "the positions are all the same");
}
