//! Figures and limits of accounts.

use serde_json::json;

use crate::ledger::findings::{CAP, FIGURES, STATE, UNBALANCED};
use crate::ledger::tests::host::{Host, units};
use crate::ledger::{Figures, Units};

#[test]
fn a_cap_that_is_not_kept_is_found() {
    let mut host = Host::new();
    let asked = host.transfer("T1", "TransferPrepareAccepted", None);
    host.money("T1", "a/USD", "PayerFundsReserved", "100.0001", &asked);
    host.found(CAP);

    let mut host = Host::new();
    let asked = host.transfer("T1", "TransferPrepareAccepted", None);
    let data = json!({ "transferId": "T1", "amount": "1.5", "code": "4200" });
    let cause = Some(format!("{asked}/accounts/0"));
    host.event("account", "a/USD", "PayerFundsRejected", cause, data);
    host.found(CAP);
}

#[test]
fn limits_hold_from_the_moment_they_change() {
    let mut host = Host::new();
    host.administers("LimitsChanged", json!({ "cap": "1.5" }));
    host.figures.get_mut("a/USD").unwrap().cap = Some(units("1.5"));
    host.completed("T1");
    host.clean();
    let asked = host.transfer("T2", "TransferPrepareAccepted", None);
    let rejected = host.rejects("T2", "1.5", "4200", &asked);
    host.transfer("T2", "TransferRejected", Some(&rejected));
    host.clean();
    host.prepared("T3");
    host.found(CAP);

    // Without a cap nothing is reserved, and that is the reason.
    for (code, is_right) in [("3202", true), ("4200", false), ("4001", false)] {
        let mut host = Host::new();
        host.administers("LimitsChanged", json!({}));
        let asked = host.transfer("T1", "TransferPrepareAccepted", None);
        host.rejects("T1", "1.5", code, &asked);
        assert_eq!(host.balance(&[]).findings.count(CAP) == 0, is_right, "{code}");
    }
}

#[test]
fn a_closed_account_reserves_nothing_until_it_is_open_again() {
    let mut host = Host::new();
    host.prepared("T1");
    host.administers("AccountClosed", json!({}));
    host.clean_so_far();
    let mut other = Host::new();
    other.administers("AccountClosed", json!({}));
    other.prepared("T1");
    other.found(CAP);
    let mut other = Host::new();
    other.administers("AccountClosed", json!({}));
    other.administers("AccountReopened", json!({}));
    other.completed("T1");
    other.clean();
    let asked = other.transfer("T2", "TransferPrepareAccepted", None);
    other.rejects("T2", "1.5", "3202", &asked);
    other.found(CAP);
}

#[test]
fn a_state_or_a_figure_that_the_events_do_not_explain_is_found() {
    let mut host = Host::new();
    host.completed("T1");
    host.figures.get_mut("a/USD").unwrap().position = Units(9);
    host.found(STATE);
    host.found(UNBALANCED);
    host.figures.clear();
    host.found(STATE);

    let mut host = Host::new();
    host.completed("T1");
    host.events[3]["data"]["reserved"] = json!("1.6");
    host.found(FIGURES);
}

#[test]
fn what_accounts_brought_along_is_no_imbalance() {
    let mut host = Host::new();
    for (key, opening) in [("c/EUR", "7"), ("d/EUR", "-7")] {
        let data = json!({ "cap": "10", "opening": { "amount": opening, "position": opening } });
        host.event("account", key, "AccountOpened", None, data);
        let (cap, position) = (Some(units("10")), units(opening));
        host.figures.insert(key.to_owned(), Figures { cap, position, ..Figures::default() });
    }
    host.clean();
    host.events.last_mut().unwrap()["data"]["opening"]["position"] = json!("-8");
    host.found(FIGURES);
    host.events.last_mut().unwrap()["data"]["opening"]["position"] = json!("-7");
    host.figures.get_mut("d/EUR").unwrap().position = units("-8");
    host.found(UNBALANCED);
    host.found(STATE);
}
