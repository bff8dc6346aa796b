//! Misbehaving guests leave nothing behind in the process: no file, no address space, no memory.
//! One test in a process of its own, since it counts what the whole process holds.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

// Not all of the support is needed here.
#[allow(dead_code, unreachable_pub)]
#[path = "sandbox/support.rs"]
mod support;

use support::{assert_healthy, decide, load};
use zamu_core::guest::Guest;
use zamu_wasm::Limits;

const ANIMALS: [&str; 7] = ["memory", "hoard", "loop", "trap", "stack", "output", "fault"];

/// What this process holds.
#[derive(Debug)]
struct Held {
    files: usize,
    address_space_kib: u64,
    resident_kib: u64,
}

impl Held {
    fn now() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let field = |name: &str| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().trim_end_matches(" kB").parse().unwrap()
        };
        Self {
            files: std::fs::read_dir("/proc/self/fd").unwrap().count(),
            address_space_kib: field("VmSize:"),
            resident_kib: field("VmRSS:"),
        }
    }
}

#[test]
fn misbehaving_guests_leave_nothing_behind() {
    let handler = load("zoo", Limits::default());
    let mut zoo = handler.instance();
    let mut round = || {
        for animal in ANIMALS {
            // Some of these are faults, some are not: the point is what they leave.
            drop(decide(&mut zoo, &["note", animal]));
        }
        zoo.renew();
    };
    round();
    let before = Held::now();
    for _ in 0..20 {
        round();
    }
    let after = Held::now();
    assert_eq!(after.files, before.files, "{before:?} {after:?}");
    // One sandbox reserves 4 GiB of addresses; 140 were made.
    assert!(after.address_space_kib < before.address_space_kib + (1 << 20), "{before:?} {after:?}");
    assert!(after.resident_kib < before.resident_kib + (16 << 10), "{before:?} {after:?}");
    assert_healthy(&mut zoo);
}
