//! Sandboxes are reused, replaced and shared by nobody.

use zamu_core::guest::Guest;
use zamu_wasm::Limits;

use crate::support::*;

/// The zoo's hidden state: how often this sandbox was called.
fn calls_of_sandbox(guest: &mut impl Guest) -> String {
    replies(&decide(guest, &["hidden"]).unwrap()).remove(0)
}

#[test]
fn a_sandbox_is_replaced_after_so_many_calls() {
    let limits = Limits { calls_per_instance: 3, ..Limits::default() };
    let mut zoo = load("zoo", limits).instance();
    let seen: Vec<String> = (0..7).map(|_| calls_of_sandbox(&mut zoo)).collect();
    assert_eq!(seen, ["1", "2", "3", "1", "2", "3", "1"]);
    assert_eq!((zoo.counters().starts(), zoo.counters().recycled()), (3, 2));
}

#[test]
fn a_sandbox_is_replaced_when_its_memory_has_grown() {
    let mut zoo = zoo();
    assert_eq!(calls_of_sandbox(&mut zoo), "1");
    decide(&mut zoo, &["hoard"]).unwrap();
    assert_eq!(calls_of_sandbox(&mut zoo), "1");
    assert_eq!(zoo.counters().recycled(), 1);
    assert!(zoo.counters().memory_bytes_max() > 40 << 20);
}

#[test]
fn a_renewed_sandbox_has_forgotten() {
    let mut zoo = zoo();
    assert_eq!(calls_of_sandbox(&mut zoo), "1");
    assert_eq!(calls_of_sandbox(&mut zoo), "2");
    zoo.renew();
    assert_eq!(calls_of_sandbox(&mut zoo), "1");
}

#[test]
fn a_fault_leaves_nothing_behind() {
    let mut zoo = zoo();
    assert_eq!(calls_of_sandbox(&mut zoo), "1");
    for fatal in ["trap", "loop", "fault", "memory"] {
        decide(&mut zoo, &[fatal]).unwrap_err();
        assert_eq!(calls_of_sandbox(&mut zoo), "1", "after {fatal}");
    }
}

#[test]
fn shards_share_a_handler_and_nothing_else() {
    let handler = load("zoo", Limits::default());
    std::thread::scope(|scope| {
        for shard in 0..2 {
            let mut zoo = handler.instance();
            scope.spawn(move || {
                for round in 1..=300_u32 {
                    assert_eq!(calls_of_sandbox(&mut zoo), round.to_string());
                    if round % 100 == 0 && shard == 0 {
                        // The other shard notices nothing.
                        decide(&mut zoo.handler().instance(), &["trap"]).unwrap_err();
                    }
                }
            });
        }
    });
}

#[test]
fn an_instance_may_be_made_before_it_is_needed() {
    let mut zoo = zoo();
    assert_eq!(zoo.counters().starts(), 0);
    zoo.warm().unwrap();
    assert_eq!(zoo.counters().starts(), 1);
    assert_healthy(&mut zoo);
    assert_eq!(zoo.counters().starts(), 1);
}
