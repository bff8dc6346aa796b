//! A broken deployment pauses the partition after the same record, whatever the batch; the next one
//! goes on from there, and so does an operator who wants to.

use zamu_core::partition::Status;
use zamu_core::settings::Settings;

use crate::zoo::{ANIMALS, GUESTS, RABID, SIZES, TAME, WILD, World, settings};

const COMMANDS: usize = 100;

/// The default fault rate.
fn watchful(size: usize) -> Settings {
    let Settings { fault_share_max, .. } = Settings::default();
    Settings { fault_share_max, ..settings(size) }
}

/// Thirty animals are served, then the deployment is broken.
fn broken(guest: &'static str, size: usize) -> World {
    let mut world = World::new(guest, WILD, watchful(size));
    for n in 0..30 {
        world.send(&format!("a{n}"), &format!("well-{n}"), "note");
    }
    world.process.settle();
    world.restart(RABID);
    for n in 0..COMMANDS {
        world.send(&format!("a{n}"), &n.to_string(), "note");
    }
    world.process.settle();
    world
}

fn pause(world: &mut World) -> String {
    match world.process.status(ANIMALS) {
        Some(Status::Paused(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn past_the_fault_rate_the_partition_pauses_and_a_mended_deployment_goes_on() {
    for guest in GUESTS {
        let [first, others @ ..] = SIZES.map(|size| {
            let mut world = broken(guest, size);
            let reason = pause(&mut world);
            assert!(reason.contains("20 of the last 20 aggregates faulted"), "{reason}");
            assert!(reason.contains("the zoo was asked to trap"), "{reason}");
            let eaten = world.process.open_dead_letters(ANIMALS);
            assert_eq!(eaten.len(), 20, "{guest}: as many as the sample needs");
            let paused = world.trace();
            world.restart(TAME);
            world.process.settle();
            assert_eq!(world.process.status(ANIMALS), Some(Status::Running));
            assert_eq!(world.animals().events.len(), 30 + COMMANDS - 20);
            eaten.iter().for_each(|letter| world.process.redrive(ANIMALS, *letter));
            world.process.settle();
            for n in 0..COMMANDS {
                let expected = if n < 30 { 2 } else { 1 };
                assert_eq!(world.count(ANIMALS, &format!("a{n}")), expected, "{guest}: a{n}");
            }
            assert_eq!(world.process.open_dead_letters(ANIMALS), [0; 0]);
            (paused, world.trace())
        });
        for (other, size) in others.iter().zip(&SIZES[1..]) {
            assert!(*other == first, "{guest}: batches of {size} differ from one by one");
        }
    }
}

#[test]
fn an_operator_who_resumes_a_broken_deployment_loses_another_sample_and_no_more() {
    for guest in GUESTS {
        for size in SIZES {
            let mut world = broken(guest, size);
            assert!(world.process.resume(ANIMALS));
            world.process.settle();
            pause(&mut world);
            assert_eq!(world.process.open_dead_letters(ANIMALS).len(), 40, "{guest}, {size}");
        }
    }
}

#[test]
fn one_animal_that_is_poisoned_for_ever_pauses_nobody() {
    for guest in GUESTS {
        let mut world = World::new(guest, WILD, watchful(50));
        for n in 0..200 {
            let (key, body) = if n % 2 == 0 { (0, "trap") } else { (n, "note") };
            world.send(&format!("a{key}"), &n.to_string(), body);
        }
        world.process.settle();
        assert_eq!(world.process.status(ANIMALS), Some(Status::Running));
        assert_eq!(world.process.open_dead_letters(ANIMALS).len(), 100);
        assert_eq!(world.animals().events.len(), 100);
    }
}
