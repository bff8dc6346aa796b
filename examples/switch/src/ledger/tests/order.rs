//! Events without gaps, each chained to the one before, each of a kind that is known.

use serde_json::json;

use crate::ledger::Ledger;
use crate::ledger::findings::{BROKEN_CHAIN, GAP, UNKNOWN};
use crate::ledger::tests::host::Host;

#[test]
fn a_missing_event_leaves_a_gap_and_one_that_comes_twice_too() {
    for place in 2..9 {
        let mut host = Host::new();
        host.completed("T1");
        host.completed("T2");
        let event = host.events.remove(place);
        host.found(GAP);
        host.events.insert(place, event.clone());
        assert!(host.balance(&[]).findings.is_empty());
        host.events.insert(place, event);
        host.found(GAP);
    }
}

#[test]
fn a_broken_chain_is_found() {
    for (member, value) in [("previous", json!(7)), ("id", json!("transfer/T9/1"))] {
        let mut host = Host::new();
        host.completed("T1");
        host.events[3][member] = value;
        host.found(BROKEN_CHAIN);
    }
}

#[test]
fn an_event_of_a_kind_that_nobody_knows_is_a_finding_of_every_type() {
    for (aggregate_type, kind) in [
        ("account", "FundsBurnt"),
        ("transfer", "TransferForgotten"),
        ("settlement-account", "FundsLent"),
        ("participant", "ParticipantForgotten"),
        ("endpoints", "EndpointForgotten"),
        ("ledger", "PageTorn"),
        // Known, but of another type.
        ("account", "TransferPrepared"),
    ] {
        let mut host = Host::new();
        host.completed("T1");
        host.clean();
        host.event(aggregate_type, "a/USD", kind, None, json!({}));
        assert_eq!(host.balance(&[]).findings.count(UNKNOWN), 1, "{aggregate_type} {kind}");
    }
}

#[test]
fn what_moves_no_money_is_known_and_changes_nothing() {
    let mut host = Host::new();
    host.completed("T1");
    for (aggregate_type, kind) in [
        ("participant", "ParticipantCreated"),
        ("participant", "ParticipantActivated"),
        ("participant", "ParticipantDeactivated"),
        ("endpoints", "EndpointSet"),
        ("endpoints", "EndpointRemoved"),
    ] {
        host.event(aggregate_type, "a", kind, None, json!({}));
    }
    host.clean();
}

#[test]
fn what_is_no_event_is_an_error() {
    let mut ledger = Ledger::default();
    assert!(ledger.enter("{}").is_err());
    let mut host = Host::new();
    host.event("account", "nobody", "PayerFundsReserved", None, json!({}));
    host.event("account", "nobody", "CoverRaised", None, json!({}));
    host.event("transfer", "T1", "TransferPrepareAccepted", None, json!({ "payer": 1 }));
    for event in &host.events[2..] {
        assert!(ledger.enter(&event.to_string()).is_err(), "{event}");
    }
}
