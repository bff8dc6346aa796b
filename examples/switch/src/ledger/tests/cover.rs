//! Cover, and the funds that it comes from.

use serde_json::json;

use crate::ledger::findings::{BROKEN_CHANNEL, CAP, FIGURES, STATE, UNBALANCED};
use crate::ledger::tests::host::{Host, units};

#[test]
fn an_account_keeps_to_its_cover() {
    let mut host = Host::new();
    host.covered("1.5");
    host.completed("T1");
    host.clean();
    let asked = host.transfer("T2", "TransferPrepareAccepted", None);
    let rejected = host.rejects("T2", "1.5", "4001", &asked);
    host.transfer("T2", "TransferRejected", Some(&rejected));
    host.clean();
    host.prepared("T3");
    host.found(CAP);

    // Where there is cover enough, or none to exceed, it is no reason.
    for covered in [true, false] {
        let mut host = Host::new();
        if covered {
            host.covered("2");
        }
        let asked = host.transfer("T1", "TransferPrepareAccepted", None);
        host.rejects("T1", "1.5", "4001", &asked);
        host.found(CAP);
    }
}

#[test]
fn funds_go_in_and_out_and_cover_follows_them() {
    let mut host = Host::new();
    host.covered("10");
    let paid_in = host.funds("FundsIn", "5", ("15", "0"), None);
    host.cover("CoverRaised", "5", "15", &paid_in);
    let wish = host.funds("FundsOutPrepared", "4", ("15", "4"), None);
    let lowered = host.cover("CoverLowered", "4", "11", &wish);
    host.funds("FundsOutCommitted", "4", ("11", "0"), Some(&lowered));
    host.completed("T1");
    let wish = host.funds("FundsOutPrepared", "10", ("11", "10"), None);
    let held = host.cover("CoverHeld", "10", "11", &wish);
    host.funds("FundsOutRejected", "10", ("11", "0"), Some(&held));
    host.clean();
}

#[test]
fn cover_that_is_given_up_or_held_against_the_rule_is_found() {
    let mut host = Host::new();
    host.covered("2");
    host.completed("T1");
    let wish = host.funds("FundsOutPrepared", "1", ("2", "1"), None);
    host.cover("CoverLowered", "1", "1", &wish);
    host.found(CAP);

    let mut host = Host::new();
    host.covered("2");
    let wish = host.funds("FundsOutPrepared", "1", ("2", "1"), None);
    host.cover("CoverHeld", "1", "2", &wish);
    host.found(CAP);
}

#[test]
fn funds_without_their_cover_and_cover_without_its_funds_are_found() {
    let mut host = Host::new();
    host.covered("10");
    let paid_in = host.funds("FundsIn", "5", ("15", "0"), None);
    host.clean_so_far();
    host.found(UNBALANCED);
    host.found(BROKEN_CHANNEL);
    host.cover("CoverRaised", "6", "16", &paid_in);
    host.found(UNBALANCED);

    let mut host = Host::new();
    host.covered("10");
    host.funds("FundsOutPrepared", "4", ("10", "4"), None);
    host.found(UNBALANCED);

    // More leaves than there is.
    let mut host = Host::new();
    host.covered("10");
    host.funds("FundsOutPrepared", "11", ("10", "11"), None);
    host.found(CAP);

    let mut host = Host::new();
    host.covered("10");
    host.settlements.get_mut("a/USD").unwrap().funds = units("9");
    host.found(STATE);
    let cover = &mut host.figures.get_mut("a/USD").unwrap().cover;
    *cover = Some(units("9"));
    host.settlements.get_mut("a/USD").unwrap().funds = units("10");
    host.found(STATE);
}

#[test]
fn figures_of_cover_and_funds_are_the_sums_of_their_events() {
    for (member, kind) in
        [("cover", "CoverRaised"), ("funds", "FundsIn"), ("leaving", "FundsOutPrepared")]
    {
        let mut host = Host::new();
        host.covered("10");
        let paid_in = host.funds("FundsIn", "5", ("15", "0"), None);
        host.cover("CoverRaised", "5", "15", &paid_in);
        host.funds("FundsOutPrepared", "4", ("15", "4"), None);
        assert!(host.ledger().so_far().is_empty());
        let event = host.events.iter_mut().rfind(|event| event["kind"] == kind).unwrap();
        event["data"][member] = json!("7");
        assert!(host.ledger().so_far().count(FIGURES) > 0, "{kind}");
    }
}
