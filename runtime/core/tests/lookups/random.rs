//! Random runs, with every fault there is, and projections that stop, over restarts, too: what a turn
//! says it saw is what it saw, and no later turn sees less.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use zamu_core::log::simulated::Faults;
use zamu_core::model::Event;
use zamu_core::prng::Prng;
use zamu_core::proto::outcome::What;

use crate::toy::*;

const KEYS: [&str; 5] = ["a", "b", "c", "d", "e"];

pub(crate) fn play(seed: u64) -> World {
    let mut rng = Prng::new(seed);
    let behaviour = Behaviour {
        partitions: 1 + rng.index(3) as u32,
        shards: 1 + rng.index(2),
        batch: [1, 3, 50][rng.index(3)],
        faults: if seed.is_multiple_of(4) { Faults::none() } else { Faults::all() },
        ..Behaviour::default()
    };
    let mut world = World::new(seed, behaviour);
    world.process.hold_tables = rng.chance(500);
    let breaks = seed.is_multiple_of(3);
    for n in 0..300 {
        match rng.index(12) {
            0..4 => world.set(KEYS[rng.index(5)], &n.to_string()),
            4 if breaks && rng.chance(200) => world.set(KEYS[rng.index(5)], "13"),
            4 => world.set(KEYS[rng.index(5)], "gone"),
            5..9 => world.place(KEYS[rng.index(5)], KEYS[rng.index(5)]),
            9 => drop(world.process.step_tables()),
            10 if breaks && rng.chance(100) => {
                // What one version of a projection understands another may not.
                let mended = &world.behaviour.mended;
                mended.fetch_xor(true, Ordering::SeqCst);
            }
            _ if rng.chance(50) => world.process.crash(&mut rng),
            _ if rng.chance(50) => world.process.power_loss(&mut rng),
            _ => {}
        }
        world.process.step();
    }
    world.process.hold_tables = false;
    world.behaviour.mended.store(true, Ordering::SeqCst);
    world.process.set.as_mut().unwrap().resume("board").unwrap();
    world.process.log.set_faults(Faults::none());
    world.process.settle();
    world
}

/// The rows that the first events of each partition make.
fn rows(events: &[Vec<Event>], next: &[u64]) -> BTreeMap<Vec<u8>, String> {
    let mut rows = BTreeMap::new();
    for (events, next) in events.iter().zip(next) {
        for event in &events[..*next as usize] {
            match String::from_utf8(event.body.to_vec()).unwrap() {
                gone if gone == "gone" => rows.remove(&event.key[..]),
                rate => rows.insert(event.key.to_vec(), rate),
            };
        }
    }
    rows
}

#[test]
fn what_a_turn_says_it_saw_is_what_it_saw_and_no_later_turn_sees_less() {
    let (mut compared, mut found) = (0, 0);
    for seed in 0..120 {
        let world = play(seed);
        let partitions = world.behaviour.partitions;
        let rates: Vec<_> =
            (0..partitions).map(|number| world.process.contents(RATE, number).events).collect();
        for number in 0..partitions {
            let requests = world.process.contents(ORDER, number).requests;
            let mut before = vec![0; partitions as usize];
            for record in world.records(ORDER, number) {
                let [version] = &record.references[..] else { panic!("{:?}", record.references) };
                assert_eq!((&*version.table, version.next.len()), ("rates", before.len()));
                let later = version.next.iter().zip(&before).all(|(next, before)| next >= before);
                assert!(later, "seed {seed}: {:?} after {before:?}", version.next);
                before.clone_from(&version.next);
                let rows = rows(&rates, &version.next);
                for outcome in &record.external {
                    let what = outcome.outcome.as_ref().and_then(|outcome| outcome.what.as_ref());
                    let Some(What::Accepted(accepted)) = what else { continue };
                    let asked =
                        &requests.iter().find(|r| r.offset == outcome.offset).unwrap().record;
                    let row = rows.get(&asked.body[..]).map_or("-", String::as_str);
                    assert_eq!(accepted.reply, row, "seed {seed}, {:?}", version.next);
                    compared += 1;
                    found += usize::from(row != "-");
                }
            }
        }
    }
    assert!(compared > 5_000 && found > 1_000, "{compared} compared, {found} of them found a row");
}
