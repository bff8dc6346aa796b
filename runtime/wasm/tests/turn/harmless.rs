//! What is no poison though a batch of it breaks, and poison in company: neither makes the size of
//! batches matter.

use zamu_wasm::Limits;

use crate::zoo::{ANIMALS, GUESTS, SIZES, TAME, Trace, WILD, World, limits, settings};

/// What a guest of class *std* asks of its standard library, and how that ends.
const STD: [&str; 10] = [
    "std-environment",
    "std-exit",
    "std-print",
    "std-stdin",
    "emit react std-exit",
    "std-terminal",
    "std-panic",
    "std-print-half",
    "std-many-streams",
    "emit std-print",
];

/// Runs a log in batches of every size; returns what all of them left.
fn alike(guest: &'static str, limits: &Limits, fill: impl Fn(&World)) -> Trace {
    let [first, others @ ..] = SIZES.map(|size| {
        let mut world = World::limited(guest, WILD, settings(size), limits.clone());
        fill(&world);
        world.process.settle();
        world.trace()
    });
    for (other, size) in others.iter().zip(&SIZES[1..]) {
        assert!(*other == first, "{guest}: batches of {size} differ from one by one");
    }
    first
}

#[test]
fn outputs_that_are_too_much_together_blame_nobody() {
    for guest in GUESTS {
        let trace = alike(guest, &limits(), |world| {
            for n in 0..20 {
                world.send(&format!("a{}", n % 3), &n.to_string(), "event-bytes 40000");
            }
        });
        assert_eq!((trace.events.len(), trace.letters.len()), (20, 0), "{guest}");
        assert_eq!(trace.commands.len(), 20, "{guest}: nor are the events too much for `react`");
    }
}

#[test]
fn memory_that_items_fill_together_blames_nobody() {
    // Each keeps 40 MiB, and two are more than there may be.
    let limits = Limits { memory_bytes: 64 << 20, ..limits() };
    for guest in GUESTS {
        let trace = alike(guest, &limits, |world| {
            for n in 0..6 {
                world.send(&format!("a{n}"), &n.to_string(), "hoard");
            }
        });
        assert_eq!((trace.events.len(), trace.letters.len()), (6, 0), "{guest}");
    }
}

#[test]
fn a_duplicate_of_poison_is_decided_itself_and_after_a_fix_one_of_them_applies() {
    for guest in GUESTS {
        let [first, others @ ..] = SIZES.map(|size| {
            let mut world = World::new(guest, WILD, settings(size));
            for (id, body) in [("1", "note"), ("2", "trap"), ("2", "trap"), ("3", "note")] {
                world.send("a", id, body);
            }
            world.process.settle();
            assert_eq!([world.answer(1), world.answer(2)], ["fault 1", "fault 2"], "{guest}");
            world.restart(TAME);
            world.process.settle();
            world.process.redrive(ANIMALS, 2);
            world.process.redrive(ANIMALS, 1);
            world.process.settle();
            assert_eq!(world.answer(4), "accepted 3..4 3", "{guest}");
            assert_eq!(world.answer(5), "duplicate of 4: accepted 3..4 3", "{guest}");
            assert_eq!(world.count(ANIMALS, "a"), 3, "{guest}");
            assert_eq!(world.process.open_dead_letters(ANIMALS), [0; 0], "{guest}");
            world.trace()
        });
        assert!(others.iter().all(|other| *other == first), "{guest}");
    }
}

#[test]
fn poison_of_many_kinds_in_one_batch_leaves_the_same_bytes_in_any() {
    const MIXED: [&str; 14] = [
        "trap",
        "emit react lie-no-key",
        "lie-too-few-outcomes",
        "loop",
        "emit react trap",
        "refuse no",
        "memory",
        "fault",
        "emit react send fault",
        "lie-cause-refused",
        "nothing",
        "emit react loop",
        "reply-bytes 2000",
        "stack",
    ];
    for guest in GUESTS {
        let trace = alike(guest, &limits(), |world| {
            for n in 0..140 {
                let body = if n % 3 == 1 { MIXED[(n / 3) % MIXED.len()] } else { "note" };
                world.send(&format!("a{}", n % 7), &n.to_string(), body);
            }
        });
        assert_eq!(trace.answers.len(), 140, "{guest}");
        assert_eq!((trace.letters.len(), trace.keepers_letters.len()), (38, 3), "{guest}");
    }
}

#[test]
fn what_a_standard_library_is_asked_leaves_the_same_bytes_in_any_batch() {
    let trace = alike("zoo-std", &limits(), |world| {
        for n in 0..100 {
            let body = if n % 2 == 1 { STD[(n / 2) % STD.len()] } else { "note" };
            world.send(&format!("a{}", n % 7), &n.to_string(), body);
        }
    });
    assert_eq!(trace.answers.len(), 100);
    // Three of the ten end a decision, one a reaction.
    assert_eq!(trace.letters.len(), 20);
}
