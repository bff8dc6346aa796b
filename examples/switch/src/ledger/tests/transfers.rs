//! The life of a transfer: what follows what, how it ends, and that its money is what was agreed.

use serde_json::json;

use crate::ledger::findings::{
    BROKEN_CHANNEL, CONTRADICTORY, DOUBLED, LOST, OUT_OF_ORDER, UNBALANCED,
};
use crate::ledger::tests::host::{Host, WAKE};
use crate::ledger::{Balance, Sums};

#[test]
fn whole_transfers_balance_in_whatever_order_partitions_are_read() {
    let mut host = Host::new();
    host.completed("T1");
    host.completed("T2");
    for _ in 0..2 {
        let balance = host.balance(&["T1", "T2"]);
        let Balance { completed, refused, lost, doubled, .. } = balance;
        assert_eq!((completed, refused, lost, doubled), (2, 0, 0, 0));
        assert!(balance.findings.is_empty(), "{balance:?}");
        assert_eq!(balance.sums["USD"], Sums::default());
        host.events.sort_by_key(|event| event["type"] == "account");
    }
}

#[test]
fn a_transfer_under_way_is_in_order_so_far_and_lost_at_the_end() {
    let mut host = Host::new();
    host.completed("T1");
    host.completed("T2");
    for cut in 2..host.events.len() {
        let mut part = Host::new();
        part.events = host.events[..cut].to_vec();
        part.figures.clone_from(&host.figures);
        let findings = part.ledger().so_far();
        assert!(findings.is_empty(), "cut at {cut}: {findings:?}");
        let balance = part.balance(&["T2", "T3"]);
        assert_eq!(balance.lost, 2, "one is stuck, of one there is no trace");
    }
}

#[test]
fn a_refused_transfer_is_neither_completed_nor_lost() {
    let mut host = Host::new();
    host.event("transfer", "T1", "InvalidTransfer", None, json!({}));
    host.released("T2");
    let asked = host.event(
        "transfer",
        "T3",
        "TransferPrepareAccepted",
        None,
        json!({ "payer": "a", "payee": "b", "currency": "USD", "amount": "100.0001" }),
    );
    let data = json!({ "transferId": "T3", "amount": "100.0001", "code": "4200" });
    let cause = Some(format!("{asked}/accounts/0"));
    let rejected = host.event("account", "a/USD", "PayerFundsRejected", cause, data);
    let data = json!({ "payer": "a", "payee": "b", "currency": "USD", "amount": "100.0001" });
    let cause = Some(format!("{rejected}/transfers/0"));
    host.event("transfer", "T3", "TransferRejected", cause, data);
    let balance = host.balance(&["T1", "T2", "T3"]);
    assert_eq!((balance.completed, balance.refused, balance.lost), (0, 3, 0));
    assert!(balance.findings.is_empty(), "{balance:?}");
}

#[test]
fn every_way_to_an_end_balances_and_names_it() {
    let mut host = Host::new();
    host.completed("fulfilled");
    host.released_by("invalid", "TransferFulfilInvalid");
    host.released_by("aborted", "TransferAborted");
    host.expired("expired");
    host.expired_early("expired early");
    host.administers("AccountClosed", json!({}));
    let asked = host.asked_too_long("expired unreserved");
    let rejected = host.rejects("expired unreserved", "1.5", "3202", &asked);
    let id = "expired unreserved";
    host.transfer_to(id, "TransferRejected", "EXPIRED_PREPARED", Some(&rejected));
    let asked = host.transfer("rejected", "TransferPrepareAccepted", None);
    let rejected = host.rejects("rejected", "1.5", "3202", &asked);
    host.transfer("rejected", "TransferRejected", Some(&rejected));
    host.event("transfer", "no transfer", "InvalidTransfer", None, json!({ "code": "3100" }));
    host.clean();
    let ledger = host.ledger();
    for (id, end) in [
        ("fulfilled", Some(("COMMITTED", None))),
        ("invalid", Some(("ABORTED_ERROR", Some("9999")))),
        ("aborted", Some(("ABORTED_ERROR", Some("9999")))),
        ("expired", Some(("EXPIRED_RESERVED", Some("9999")))),
        ("expired early", Some(("EXPIRED_RESERVED", Some("9999")))),
        ("expired unreserved", Some(("EXPIRED_PREPARED", Some("9999")))),
        ("rejected", Some(("ABORTED_REJECTED", Some("9999")))),
        ("no transfer", Some(("INVALID", Some("3100")))),
        ("unheard of", None),
    ] {
        assert_eq!(ledger.end(id), end, "{id}");
    }
    let balance = host.balance(&[]);
    assert_eq!((balance.completed, balance.refused), (1, 7));
    assert_eq!(balance.outcomes.values().sum::<u64>(), 8);
    assert_eq!((balance.outcomes["ABORTED_ERROR"], balance.outcomes["EXPIRED_RESERVED"]), (2, 2));
}

#[test]
fn an_end_comes_from_the_state_that_it_must_come_from() {
    // What was prepared does not time out as if it had not been, nor end as rejected.
    for (kind, state) in [
        ("TransferTimedOut", "PREPARE_TIMEOUT"),
        ("TransferTimedOut", "RESERVED"),
        ("TransferRejected", "ABORTED_REJECTED"),
        ("TransferRejected", "EXPIRED_PREPARED"),
        ("TransferReleased", "EXPIRED_RESERVED"),
        ("TransferReleased", "ABORTED_ERROR"),
        ("TransferReleased", "COMMITTED"),
    ] {
        let mut host = Host::new();
        host.prepared("T1");
        host.transfer_to("T1", kind, state, Some(WAKE));
        host.found(OUT_OF_ORDER);
    }
    // A release for one reason does not end as one for another.
    let mut host = Host::new();
    host.released_by("T1", "TransferAborted");
    host.events.last_mut().unwrap()["data"]["state"] = json!("EXPIRED_RESERVED");
    host.found(OUT_OF_ORDER);
    let mut host = Host::new();
    host.expired("T1");
    host.events.last_mut().unwrap()["data"]["state"] = json!("ABORTED_ERROR");
    host.found(OUT_OF_ORDER);
}

#[test]
fn nothing_follows_a_final_state() {
    for kind in ["TransferPrepared", "TransferFulfilAccepted", "TransferReleased"] {
        let mut host = Host::new();
        host.completed("T1");
        host.transfer("T1", kind, None);
        host.found(OUT_OF_ORDER);
    }
    let mut host = Host::new();
    host.released("T1");
    host.transfer("T1", "TransferFulfilled", None);
    host.found(DOUBLED);
    host.found(OUT_OF_ORDER);
}

#[test]
fn nothing_follows_an_unhappy_end_either() {
    for kind in ["TransferAborted", "TransferTimedOut", "TransferFulfilAccepted"] {
        for expired in [false, true] {
            let mut host = Host::new();
            if expired {
                host.expired("T1");
            } else {
                host.released_by("T1", "TransferAborted");
            }
            host.clean();
            host.transfer_to("T1", kind, "RESERVED_TIMEOUT", Some(WAKE));
            host.found(OUT_OF_ORDER);
        }
    }
}

#[test]
fn release_and_commit_of_one_transfer_contradict_each_other() {
    let mut host = Host::new();
    host.completed("T1");
    host.money("T1", "a/USD", "PayerFundsReversed", "1.5", "transfer/T1/3");
    host.found(CONTRADICTORY);
}

#[test]
fn other_money_than_agreed_is_found() {
    for (account, amount) in [("a/USD", "1.4"), ("b/USD", "1.5")] {
        let mut host = Host::new();
        let asked = host.transfer("T1", "TransferPrepareAccepted", None);
        host.money("T1", account, "PayerFundsReserved", amount, &asked);
        let findings = host.ledger().so_far();
        assert!(findings.count(CONTRADICTORY) > 0, "{findings:?}");
    }
}

#[test]
fn a_debit_without_its_credit_is_found_many_ways() {
    let mut host = Host::new();
    host.prepared("T1");
    let accepted = host.transfer("T1", "TransferFulfilAccepted", None);
    host.money("T1", "a/USD", "PayerFundsCommitted", "1.5", &accepted);
    assert!(host.ledger().so_far().is_empty(), "it may still come");
    for what in [CONTRADICTORY, UNBALANCED, BROKEN_CHANNEL] {
        host.found(what);
    }
    assert_eq!(host.balance(&["T1"]).findings.count(LOST), 1);
}

#[test]
fn funds_that_are_released_twice_or_never_are_found() {
    for kind in ["TransferAborted", "TransferFulfilInvalid"] {
        let mut host = Host::new();
        host.released_by("T1", kind);
        host.prepared("T2");
        host.money("T1", "a/USD", "PayerFundsReversed", "1.5", "transfer/T1/3");
        host.found(DOUBLED);
        host.found(BROKEN_CHANNEL);
        host.found(UNBALANCED);
    }
    let mut host = Host::new();
    host.prepared("T1");
    host.transfer_to("T1", "TransferTimedOut", "RESERVED_TIMEOUT", Some(WAKE));
    assert!(host.ledger().so_far().is_empty(), "it may still come");
    host.found(BROKEN_CHANNEL);
    host.transfer_to("T1", "TransferReleased", "EXPIRED_RESERVED", Some("account/a/USD/9"));
    host.found(CONTRADICTORY);
    host.found(UNBALANCED);
}

#[test]
fn funds_that_were_never_reserved_are_not_released() {
    let mut host = Host::new();
    let asked = host.asked_too_long("T1");
    host.money("T1", "a/USD", "PayerFundsReversed", "1.5", &asked);
    host.found(CONTRADICTORY);
    host.found(BROKEN_CHANNEL);
    host.found(UNBALANCED);
}

#[test]
fn what_ended_without_a_reservation_must_not_have_one() {
    let mut host = Host::new();
    let asked = host.asked_too_long("T1");
    let reserved = host.money("T1", "a/USD", "PayerFundsReserved", "1.5", &asked);
    host.transfer_to("T1", "TransferRejected", "EXPIRED_PREPARED", Some(&reserved));
    host.found(CONTRADICTORY);
    host.found(BROKEN_CHANNEL);
}
