//! Each promise broken once: the ledger must find it, by its name.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::findings::{
    ALARM, BROKEN_CHAIN, BROKEN_CHANNEL, CAP, CONTRADICTORY, DOUBLED, EARLY, FIGURES, GAP, LATE,
    LOST, OUT_OF_ORDER, STATE, UNBALANCED, UNKNOWN,
};
use super::{Balance, Figures, Ledger, Settlement, Shown, Sums, Units};

/// When all events happen, and all offers end.
const NOW: u64 = 1_000;
const UNTIL: &str = "1970-01-01T00:00:01.000Z";
/// The event that only attends others.
const ALARMED: &str = "ThresholdExceeded";
/// The cause of what a deadline leads to.
const WAKE: &str = "wake";

/// Writes events as a host would, numbers and causes and all.
struct Host {
    events: Vec<Value>,
    figures: BTreeMap<String, Figures>,
    settlements: BTreeMap<String, Settlement>,
}

impl Host {
    /// With the accounts of `a` and `b`, and a cap of 100.
    fn new() -> Self {
        let mut host =
            Self { events: Vec::new(), figures: BTreeMap::new(), settlements: BTreeMap::new() };
        for key in ["a/USD", "b/USD"] {
            let cap = Some(units("100"));
            host.figures.insert(key.to_owned(), Figures { cap, ..Figures::default() });
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
        let causes = |names: &[&str]| {
            // What attends another event has no command of its own.
            self.of("type", aggregate_type)
                .filter(|event| event["kind"] != ALARMED)
                .filter(|event| names.iter().any(|name| event["cause"].get(name).is_some()))
                .count()
        };
        let requests = causes(&["request", "wake"]);
        let cause = match cause {
            Some(id) if id == WAKE => json!({ "wake": { "offset": requests, "deadline": NOW } }),
            Some(id) => json!({ "command": { "offset": causes(&["command"]), "id": id } }),
            None => json!({ "request": { "offset": requests, "source": "s", "id": "i" } }),
        };
        let id = format!("{aggregate_type}/{key}/{sequence}");
        self.events.push(json!({
            "id": id, "type": aggregate_type, "key": key, "sequence": sequence, "partition": 0,
            "number": number, "previous": previous, "time": NOW, "kind": kind, "cause": cause,
            "data": data,
        }));
        id
    }

    /// An event that attends the last one.
    fn attends(&mut self, key: &str, kind: &str, data: Value) {
        let cause = self.events.last().unwrap()["cause"].clone();
        self.event("account", key, kind, None, data);
        self.events.last_mut().unwrap()["cause"] = cause;
    }

    /// An event of a transfer from `a` to `b`.
    fn transfer(&mut self, id: &str, kind: &str, cause: Option<&str>) -> String {
        let state = match kind {
            "TransferReleased" => "ABORTED_ERROR",
            "TransferRejected" => "ABORTED_REJECTED",
            _ => "",
        };
        self.transfer_to(id, kind, state, cause)
    }

    /// Likewise, with the state that it says it leads to.
    fn transfer_to(&mut self, id: &str, kind: &str, state: &str, cause: Option<&str>) -> String {
        let mut data = json!({ "payer": "a", "payee": "b", "currency": "USD", "amount": "1.5" });
        if kind == "TransferPrepareAccepted" {
            data["expiration"] = json!(UNTIL);
        }
        if !state.is_empty() {
            data["state"] = json!(state);
            data["code"] = json!("9999");
        }
        let cause = cause.map(|id| match id {
            WAKE => WAKE.to_owned(),
            id => format!("{id}/transfers/0"),
        });
        self.event("transfer", id, kind, cause, data)
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

    fn released_by(&mut self, id: &str, kind: &str) {
        self.prepared(id);
        let aborted = self.transfer(id, kind, None);
        let reversed = self.money(id, "a/USD", "PayerFundsReversed", "1.5", &aborted);
        self.transfer(id, "TransferReleased", Some(&reversed));
    }

    fn asked_too_long(&mut self, id: &str) -> String {
        let asked = self.transfer(id, "TransferPrepareAccepted", None);
        self.transfer_to(id, "TransferTimedOut", "PREPARE_TIMEOUT", Some(WAKE));
        asked
    }

    /// Its time ends when its funds are reserved.
    fn expired(&mut self, id: &str) {
        self.prepared(id);
        let timed_out = self.transfer_to(id, "TransferTimedOut", "RESERVED_TIMEOUT", Some(WAKE));
        self.released_late(id, &timed_out);
    }

    /// Its time ends while its funds are being reserved.
    fn expired_early(&mut self, id: &str) {
        let asked = self.asked_too_long(id);
        let reserved = self.money(id, "a/USD", "PayerFundsReserved", "1.5", &asked);
        let timed_out =
            self.transfer_to(id, "TransferTimedOut", "RESERVED_TIMEOUT", Some(&reserved));
        self.released_late(id, &timed_out);
    }

    fn released_late(&mut self, id: &str, timed_out: &str) {
        let reversed = self.money(id, "a/USD", "PayerFundsReversed", "1.5", timed_out);
        self.transfer_to(id, "TransferReleased", "EXPIRED_RESERVED", Some(&reversed));
    }

    /// The account of `a` cannot reserve.
    fn rejects(&mut self, id: &str, amount: &str, code: &str, asked: &str) -> String {
        let data = json!({ "transferId": id, "amount": amount, "code": code });
        let cause = Some(format!("{asked}/accounts/0"));
        self.event("account", "a/USD", "PayerFundsRejected", cause, data)
    }

    /// An event of the account of `a` that a client asked for.
    fn administers(&mut self, kind: &str, data: Value) {
        self.event("account", "a/USD", kind, None, data);
    }

    /// An event of the settlement account of `a`, which comes to these figures.
    fn funds(
        &mut self,
        kind: &str,
        amount: &str,
        (funds, leaving): (&str, &str),
        cause: Option<&str>,
    ) -> String {
        let shown = Settlement { funds: units(funds), leaving: units(leaving) };
        self.settlements.insert("a/USD".to_owned(), shown);
        let mut data = json!({ "funds": funds, "leaving": leaving });
        if kind != "SettlementAccountOpened" {
            data["amount"] = json!(amount);
        }
        let cause = cause.map(|id| format!("{id}/accounts/0"));
        self.event("settlement-account", "a/USD", kind, cause, data)
    }

    /// An event of the account of `a`, which comes to this cover.
    fn cover(&mut self, kind: &str, amount: &str, cover: &str, cause: &str) -> String {
        self.figures.get_mut("a/USD").unwrap().cover = Some(units(cover));
        let mut data = json!({ "amount": amount, "cover": cover });
        if kind == "CoverHeld" {
            data = json!({ "amount": amount, "code": "4001" });
        }
        self.event("account", "a/USD", kind, Some(format!("{cause}/accounts/0")), data)
    }

    /// A settlement account for `a`, and the cover that comes of it.
    fn covered(&mut self, funds: &str) {
        let opened = self.funds("SettlementAccountOpened", "", (funds, "0"), None);
        self.cover("CoverRaised", funds, funds, &opened);
    }

    fn ledger(&self) -> Ledger {
        let mut ledger = Ledger::default();
        for event in &self.events {
            ledger.enter(&event.to_string()).unwrap();
        }
        ledger
    }

    fn balance(&self, taken: &[&str]) -> Balance {
        let (accounts, settlements) = (self.figures.clone(), self.settlements.clone());
        let shown = Shown { accounts, settlements };
        self.ledger().close(taken.iter().map(|&id| id.to_owned()), &shown)
    }

    fn clean_so_far(&self) {
        let findings = self.ledger().so_far();
        assert!(findings.is_empty(), "{findings:?}");
    }

    fn clean(&self) {
        let findings = self.balance(&[]).findings;
        assert!(findings.is_empty(), "{findings:?}");
    }

    fn found(&self, what: &str) {
        let findings = self.balance(&[]).findings;
        assert!(findings.count(what) > 0, "{what}: {findings:?}");
    }
}

fn units(text: &str) -> Units {
    text.parse().unwrap()
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
fn after_a_fulfilment_there_is_no_deadline() {
    let mut host = Host::new();
    host.prepared("T1");
    host.transfer("T1", "TransferFulfilAccepted", None);
    host.transfer_to("T1", "TransferTimedOut", "RESERVED_TIMEOUT", Some(WAKE));
    host.found(OUT_OF_ORDER);
}

#[test]
fn a_deadline_that_is_acted_on_early_or_by_somebody_else_is_found() {
    let mut host = Host::new();
    host.expired("T1");
    host.clean();
    let event = host.events.iter_mut().find(|event| event["cause"].get("wake").is_some());
    event.unwrap()["cause"]["wake"]["deadline"] = json!(NOW + 1);
    host.found(EARLY);

    let mut host = Host::new();
    host.prepared("T1");
    host.transfer("T1", "TransferAborted", Some(WAKE));
    host.found(OUT_OF_ORDER);
}

#[test]
fn what_comes_after_the_deadline_is_found_and_so_is_another_deadline() {
    for kind in ["TransferPrepareAccepted", "TransferFulfilAccepted"] {
        for (time, is_late) in [(NOW, false), (NOW + 1, true)] {
            let mut host = Host::new();
            host.completed("T1");
            let event = host.events.iter_mut().find(|event| event["kind"] == kind);
            event.unwrap()["time"] = json!(time);
            assert_eq!(host.balance(&[]).findings.count(LATE) > 0, is_late, "{kind} at {time}");
        }
    }
    let mut host = Host::new();
    host.expired("T1");
    let event = host.events.iter_mut().find(|event| event["cause"].get("wake").is_some());
    event.unwrap()["cause"]["wake"]["deadline"] = json!(NOW - 1);
    host.found(EARLY);
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

/// With an alarm at half of the cap, which is 3.
fn with_alarm() -> Host {
    let mut host = Host::new();
    host.administers("LimitsChanged", json!({ "cap": "3", "alarm": 50 }));
    host.figures.get_mut("a/USD").unwrap().cap = Some(units("3"));
    host
}

fn alarm(current: &str) -> Value {
    json!({ "alarm": 50, "cap": "3", "currentPosition": current })
}

#[test]
fn an_alarm_attends_what_passes_the_threshold_and_nothing_else() {
    // 1.5 is half of 3, and not above it.
    let mut host = with_alarm();
    host.completed("T1");
    host.clean();
    let asked = host.transfer("T2", "TransferPrepareAccepted", None);
    let reserved = host.money("T2", "a/USD", "PayerFundsReserved", "1.5", &asked);
    assert!(host.ledger().so_far().count(ALARM) > 0, "it is due at once");
    host.attends("a/USD", ALARMED, alarm("3"));
    host.transfer("T2", "TransferPrepared", Some(&reserved));
    host.clean_so_far();
    let accepted = host.transfer("T2", "TransferFulfilAccepted", None);
    host.money("T2", "a/USD", "PayerFundsCommitted", "1.5", &accepted);
    let credited = host.money("T2", "b/USD", "PayeeFundsCommitted", "1.5", &accepted);
    host.transfer("T2", "TransferFulfilled", Some(&credited));
    host.clean();

    // Above it already: once is enough.
    host.attends("a/USD", ALARMED, alarm("3"));
    host.found(ALARM);

    let mut host = with_alarm();
    host.completed("T1");
    host.attends("b/USD", ALARMED, alarm("0"));
    host.found(ALARM);
}

#[test]
fn an_alarm_tells_the_figures_and_stands_behind_their_event() {
    let reserved = || {
        let mut host = with_alarm();
        host.completed("T1");
        let asked = host.transfer("T2", "TransferPrepareAccepted", None);
        host.money("T2", "a/USD", "PayerFundsReserved", "1.5", &asked);
        host
    };
    for (member, wrong) in
        [("currentPosition", json!("2")), ("cap", json!("4")), ("alarm", json!(60))]
    {
        let mut host = reserved();
        let mut data = alarm("3");
        data[member] = wrong;
        host.attends("a/USD", ALARMED, data);
        assert!(host.ledger().so_far().count(FIGURES) > 0, "{member}");
    }
    let mut host = reserved();
    host.administers(ALARMED, alarm("3"));
    assert!(host.ledger().so_far().count(BROKEN_CHAIN) > 0);
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
