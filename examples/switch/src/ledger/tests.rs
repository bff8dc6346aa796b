//! Each promise broken once: the ledger must find it, by its name.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::findings::{
    BROKEN_CHAIN, BROKEN_CHANNEL, CAP, CONTRADICTORY, DOUBLED, FIGURES, GAP, LOST, OUT_OF_ORDER,
    STATE, UNBALANCED,
};
use super::{Balance, Figures, Ledger, Sums, Units};

/// Writes events as a host would, numbers and causes and all.
struct Host {
    events: Vec<Value>,
    figures: BTreeMap<String, Figures>,
}

impl Host {
    /// With the accounts of `a` and `b`, and a cap of 100.
    fn new() -> Self {
        let mut host = Self { events: Vec::new(), figures: BTreeMap::new() };
        for key in ["a/USD", "b/USD"] {
            host.figures.insert(key.to_owned(), Figures::default());
            host.event("account", key, "AccountOpened", None, json!({ "cap": "100" }));
        }
        host
    }

    fn of<'a>(
        &'a self,
        member: &'a str,
        value: &'a str,
    ) -> impl DoubleEndedIterator<Item = &'a Value> {
        self.events.iter().filter(move |event| event[member] == value)
    }

    /// Appends an event; `cause` is the id of the command, or else a client asked. Returns its id.
    fn event(
        &mut self,
        aggregate_type: &str,
        key: &str,
        kind: &str,
        cause: Option<String>,
        data: Value,
    ) -> String {
        let number = self.of("type", aggregate_type).count();
        let of_key = || self.of("type", aggregate_type).filter(|event| event["key"] == key);
        let sequence = of_key().count() + 1;
        let previous = of_key().next_back().map(|event| event["number"].clone());
        let causes = |name| {
            self.of("type", aggregate_type)
                .filter(|event| event["cause"].get(name).is_some())
                .count()
        };
        let cause = match cause {
            Some(id) => json!({ "command": { "offset": causes("command"), "id": id } }),
            None => json!({ "request": { "offset": causes("request"), "source": "s", "id": "i" } }),
        };
        let id = format!("{aggregate_type}/{key}/{sequence}");
        self.events.push(json!({
            "id": id, "type": aggregate_type, "key": key, "sequence": sequence, "partition": 0,
            "number": number, "previous": previous, "kind": kind, "cause": cause, "data": data,
        }));
        id
    }

    /// An event of a transfer from `a` to `b`.
    fn transfer(&mut self, id: &str, kind: &str, cause: Option<&str>) -> String {
        let data = json!({ "payer": "a", "payee": "b", "currency": "USD", "amount": "1.5" });
        self.event("transfer", id, kind, cause.map(|id| format!("{id}/transfers/0")), data)
    }

    /// An event of an account, caused by one of the transfer.
    fn money(&mut self, id: &str, key: &str, kind: &str, amount: &str, cause: &str) -> String {
        let figures = self.figures.get_mut(key).unwrap();
        let amount: Units = amount.parse().unwrap();
        match kind {
            "PayerFundsReserved" => figures.reserved += amount,
            "PayeeFundsCommitted" => figures.position -= amount,
            "PayerFundsRejected" => {}
            _ => {
                figures.reserved -= amount;
                if kind == "PayerFundsCommitted" {
                    figures.position += amount;
                }
            }
        }
        let data = json!({
            "transferId": id, "amount": amount,
            "reserved": figures.reserved, "position": figures.position,
        });
        let index = u8::from(kind == "PayeeFundsCommitted");
        self.event("account", key, kind, Some(format!("{cause}/accounts/{index}")), data)
    }

    fn prepared(&mut self, id: &str) {
        let asked = self.transfer(id, "TransferPrepareAccepted", None);
        let reserved = self.money(id, "a/USD", "PayerFundsReserved", "1.5", &asked);
        self.transfer(id, "TransferPrepared", Some(&reserved));
    }

    fn completed(&mut self, id: &str) {
        self.prepared(id);
        let accepted = self.transfer(id, "TransferFulfilAccepted", None);
        self.money(id, "a/USD", "PayerFundsCommitted", "1.5", &accepted);
        let credited = self.money(id, "b/USD", "PayeeFundsCommitted", "1.5", &accepted);
        self.transfer(id, "TransferFulfilled", Some(&credited));
    }

    fn released(&mut self, id: &str) {
        self.prepared(id);
        let invalid = self.transfer(id, "TransferFulfilInvalid", None);
        let reversed = self.money(id, "a/USD", "PayerFundsReversed", "1.5", &invalid);
        self.transfer(id, "TransferReleased", Some(&reversed));
    }

    fn ledger(&self) -> Ledger {
        let mut ledger = Ledger::default();
        for event in &self.events {
            ledger.enter(&event.to_string()).unwrap();
        }
        ledger
    }

    fn balance(&self, taken: &[&str]) -> Balance {
        self.ledger().close(taken.iter().map(|&id| id.to_owned()), &self.figures)
    }

    fn found(&self, what: &str) {
        let findings = self.balance(&[]).findings;
        assert!(findings.count(what) > 0, "{what}: {findings:?}");
    }
}

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
        let mut part = Host { events: host.events[..cut].to_vec(), figures: BTreeMap::new() };
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
fn anything_that_happens_twice_is_doubled_and_breaks_its_channel() {
    for (kind, account) in [
        ("PayerFundsReserved", Some("a/USD")),
        ("PayerFundsCommitted", Some("a/USD")),
        ("PayeeFundsCommitted", Some("b/USD")),
        ("TransferFulfilled", None),
    ] {
        let mut host = Host::new();
        host.completed("T1");
        host.completed("T2");
        let by_kind = |event: &&Value| event["kind"] == kind;
        let cause = host.events.iter().find(by_kind).unwrap()["cause"]["command"]["id"].clone();
        let cause = cause.as_str().unwrap().rsplitn(3, '/').last().unwrap().to_owned();
        match account {
            Some(account) => host.money("T1", account, kind, "1.5", &cause),
            None => host.transfer("T1", kind, Some(&cause)),
        };
        let balance = host.balance(&["T1", "T2"]);
        assert_eq!((balance.doubled, balance.completed), (1, 2), "{kind}");
        host.found(BROKEN_CHANNEL);
    }
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
fn a_command_that_was_lost_overtaken_or_invented_is_found() {
    let mut host = Host::new();
    host.transfer("T1", "TransferPrepareAccepted", None);
    host.found(BROKEN_CHANNEL);

    // Sent in the order T1, T2, and applied the other way round.
    let mut host = Host::new();
    let first = host.transfer("T1", "TransferPrepareAccepted", None);
    let second = host.transfer("T2", "TransferPrepareAccepted", None);
    host.money("T2", "a/USD", "PayerFundsReserved", "1.5", &second);
    assert!(host.ledger().so_far().is_empty());
    host.money("T1", "a/USD", "PayerFundsReserved", "1.5", &first);
    assert!(host.ledger().so_far().count(BROKEN_CHANNEL) > 0);

    let mut host = Host::new();
    host.completed("T1");
    host.events.last_mut().unwrap()["cause"]["command"]["offset"] = json!(2);
    host.found(BROKEN_CHANNEL);

    let mut host = Host::new();
    host.prepared("T1");
    host.transfer("T2", "TransferPrepared", Some("account/a/USD/9"));
    assert!(host.ledger().so_far().count(BROKEN_CHANNEL) > 0);
}

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
fn what_is_no_event_is_an_error() {
    let mut ledger = Ledger::default();
    assert!(ledger.enter("{}").is_err());
    let mut host = Host::new();
    let data = json!({ "transferId": "T", "amount": "1", "reserved": "0", "position": "0" });
    host.event("account", "a/USD", "FundsBurnt", None, data);
    host.event("transfer", "T1", "TransferForgotten", None, json!({}));
    host.event("account", "nobody", "PayerFundsReserved", None, json!({}));
    for event in &host.events[2..] {
        assert!(ledger.enter(&event.to_string()).is_err(), "{event}");
    }
}
