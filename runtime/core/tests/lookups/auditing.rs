//! An audit decides on the rows that each turn saw: it makes the tables once more, up to the numbers that
//! the batch record names.

use zamu_core::audit::{Deployments, InForce};
use zamu_core::model::PartitionId;
use zamu_core::topology::Types;

use crate::copied::{Copied, audit, differences};
use crate::random::play;
use crate::toy::*;

/// The toy's handlers, as they were under every deployment.
struct Toys(Behaviour);

impl Deployments for Toys {
    fn handlers(&mut self, deployment: u64) -> Result<InForce, String> {
        let behaviour = Behaviour { deployment, ..self.0.clone() };
        Ok(in_force(&behaviour))
    }
}

fn log_of(world: &World) -> (Copied, Types, Toys) {
    let toys = Toys(Behaviour { restless: Default::default(), ..world.behaviour.clone() });
    let types = in_force(&toys.0).topology.types.clone();
    (Copied::of(&world.process.log, &types), types, toys)
}

const ORDERS: PartitionId = PartitionId { aggregate_type: ORDER, number: 0 };

/// Orders that look up rates, which change between them.
fn orders() -> World {
    let mut world = World::new(1, Behaviour::default());
    for rate in ["1", "2", "gone", "3"] {
        world.set("a", rate);
        world.process.settle();
        world.place("o", "a b");
        world.process.settle();
    }
    assert_eq!(world.versions(ORDER), [1, 2, 3, 4]);
    world
}

#[test]
fn any_run_is_decided_the_same_once_more_on_the_rows_that_its_turns_saw() {
    let mut looked_up = 0;
    for seed in 0..60 {
        let world = play(seed);
        let (mut log, types, mut toys) = log_of(&world);
        for partition in types.partitions() {
            let audited = audit(&mut log, &types, &mut toys, partition, None).unwrap();
            assert_eq!(audited.len(), log.contents[&partition].outcomes.len());
            assert_eq!(differences(&audited), [], "seed {seed}, {partition:?}");
            assert!(audited.iter().all(|turn| turn.undecided.is_none()), "seed {seed}");
            if partition.aggregate_type == ORDER {
                looked_up += audited.iter().map(|turn| turn.requests).sum::<u64>();
            }
        }
    }
    assert!(looked_up > 2_000, "{looked_up}");
}

#[test]
fn each_turn_is_decided_on_its_own_version_whichever_comes_first() {
    let (mut log, types, mut toys) = log_of(&orders());
    let all = audit(&mut log, &types, &mut toys, ORDERS, None).unwrap();
    assert_eq!((all.len(), differences(&all).len()), (4, 0));
    for turn in 1..=4 {
        let one = audit(&mut log, &types, &mut toys, ORDERS, Some([turn, turn])).unwrap();
        assert_eq!((one.len(), differences(&one).len()), (1, 0));
    }
}

#[test]
fn a_row_that_was_another_is_found_by_what_was_decided_on_it() {
    let (mut log, types, mut toys) = log_of(&orders());
    let rates = PartitionId { aggregate_type: RATE, number: 0 };
    log.at(rates).events[1].body = "9".into();
    let found = differences(&audit(&mut log, &types, &mut toys, ORDERS, None).unwrap());
    assert!(found.iter().all(|(turn, _)| *turn == 2), "{found:#?}");
    let body = found.iter().find(|(_, difference)| difference.field == "body").unwrap();
    assert_eq!(body.1.decided.as_deref(), Some(&b"9 -"[..]));
    assert_eq!(body.1.recorded.as_deref(), Some(&b"2 -"[..]));
}

#[test]
fn another_version_than_was_seen_is_found() {
    let (mut log, types, mut toys) = log_of(&orders());
    log.rewrite(ORDERS, 2, |record| record.references[0].next[0] = 1);
    let found = differences(&audit(&mut log, &types, &mut toys, ORDERS, None).unwrap());
    assert!(found.iter().any(|(turn, d)| (*turn, d.field) == (2, "body")), "{found:#?}");
}

#[test]
fn a_turn_whose_rows_cannot_be_had_says_so_and_the_others_are_audited() {
    // The projection breaks at this event, and no turn had seen what came of it.
    let (mut log, types, mut toys) = log_of(&orders());
    let rates = PartitionId { aggregate_type: RATE, number: 0 };
    log.at(rates).events[2].body = "13".into();
    let audited = audit(&mut log, &types, &mut toys, ORDERS, None).unwrap();
    let undecided: Vec<bool> = audited.iter().map(|turn| turn.undecided.is_some()).collect();
    assert_eq!(undecided, [false, false, true, true]);
    let why = audited[2].undecided.as_deref().unwrap();
    assert!(why.contains("`rates`") && why.contains("breaks at event 2"), "{why}");
    // So does one that does not say what it saw.
    let (mut log, types, mut toys) = log_of(&orders());
    log.rewrite(ORDERS, 1, |record| record.references.clear());
    let audited = audit(&mut log, &types, &mut toys, ORDERS, None).unwrap();
    assert!(audited[0].undecided.as_deref().unwrap().contains("does not say how far"));
    assert!(audited[1..].iter().all(|turn| turn.undecided.is_none()));
    assert_eq!(differences(&audited), []);
}
