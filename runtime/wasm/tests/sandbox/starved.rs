//! A machine that has no memory left is not a guest's breach.

use std::process::Command;

use zamu_core::guest::{FaultReason, Guest};
use zamu_wasm::Limits;

use crate::support::{assert_healthy, decide, load};

const CHILD: &str = "ZAMU_TEST_STARVED";

/// Limits hold for a whole process, so that the test runs itself again in one of its own.
#[test]
fn what_the_machine_does_not_give_is_nobodys_fault_and_comes_back() {
    if let Some(proof) = std::env::var_os(CHILD) {
        starve();
        return std::fs::write(proof, "starved twice").unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let proof = folder.path().join("proof");
    let name = "starved::what_the_machine_does_not_give_is_nobodys_fault_and_comes_back";
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--test-threads=1"])
        .env(CHILD, &proof)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    let cried = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{said}{cried}");
    assert!(proof.exists(), "the child ran no test: {said}{cried}");
}

fn starve() {
    let mut zoo = load("zoo", Limits::default()).instance();
    assert_healthy(&mut zoo);
    let refused = within(libc::RLIMIT_DATA, used("VmData") + (8 << 20), || {
        decide(&mut zoo, &["note", "hoard"]).unwrap_err()
    });
    assert_eq!(refused.reason, FaultReason::Host, "{refused}");
    assert!(refused.message.contains("the machine did not give them"), "{refused}");
    assert_healthy(&mut zoo);
    zoo.renew();
    let unstarted = within(libc::RLIMIT_AS, used("VmSize") + (64 << 20), || {
        decide(&mut zoo, &["note"]).unwrap_err()
    });
    assert_eq!(unstarted.reason, FaultReason::Instantiate, "{unstarted}");
    assert_healthy(&mut zoo);
}

/// What this process uses of something, in bytes.
fn used(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(what)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}

/// Runs something while the process may use no more than this.
fn within<R>(resource: libc::__rlimit_resource_t, limit: u64, run: impl FnOnce() -> R) -> R {
    let mut before = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `before` is a valid place to write to.
    assert_eq!(unsafe { libc::getrlimit(resource, &raw mut before) }, 0);
    let low = libc::rlimit { rlim_cur: limit, ..before };
    // SAFETY: both are valid limits, and only the soft one changes.
    assert_eq!(unsafe { libc::setrlimit(resource, &raw const low) }, 0);
    let result = run();
    // SAFETY: as above.
    assert_eq!(unsafe { libc::setrlimit(resource, &raw const before) }, 0);
    result
}
