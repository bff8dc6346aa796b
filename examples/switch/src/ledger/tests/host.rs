//! A host that writes what a test has it write: right unless it is told otherwise.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::ledger::{Balance, Figures, Ledger, Settlement, Shown, Units};

/// When all events happen, and all offers end.
pub(super) const NOW: u64 = 1_000;
pub(super) const UNTIL: &str = "1970-01-01T00:00:01.000Z";
/// The event that only attends others.
pub(super) const ALARMED: &str = "ThresholdExceeded";
/// The cause of what a deadline leads to.
pub(super) const WAKE: &str = "wake";

/// Writes events as a host would, numbers and causes and all.
pub(super) struct Host {
    pub(super) events: Vec<Value>,
    pub(super) figures: BTreeMap<String, Figures>,
    pub(super) settlements: BTreeMap<String, Settlement>,
}

impl Host {
    /// With the accounts of `a` and `b`, and a cap of 100.
    pub(super) fn new() -> Self {
        let mut host =
            Self { events: Vec::new(), figures: BTreeMap::new(), settlements: BTreeMap::new() };
        for key in ["a/USD", "b/USD"] {
            let cap = Some(units("100"));
            host.figures.insert(key.to_owned(), Figures { cap, ..Figures::default() });
            host.event("account", key, "AccountOpened", None, json!({ "cap": "100" }));
        }
        host
    }

    pub(super) fn of<'a>(
        &'a self,
        member: &'a str,
        value: &'a str,
    ) -> impl DoubleEndedIterator<Item = &'a Value> {
        self.events.iter().filter(move |event| event[member] == value)
    }

    /// Appends an event; `cause` is the id of the command, or else a client asked. Returns its id.
    pub(super) fn event(
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
    pub(super) fn attends(&mut self, key: &str, kind: &str, data: Value) {
        let cause = self.events.last().unwrap()["cause"].clone();
        self.event("account", key, kind, None, data);
        self.events.last_mut().unwrap()["cause"] = cause;
    }

    /// An event of a transfer from `a` to `b`.
    pub(super) fn transfer(&mut self, id: &str, kind: &str, cause: Option<&str>) -> String {
        let state = match kind {
            "TransferReleased" => "ABORTED_ERROR",
            "TransferRejected" => "ABORTED_REJECTED",
            _ => "",
        };
        self.transfer_to(id, kind, state, cause)
    }

    /// Likewise, with the state that it says it leads to.
    pub(super) fn transfer_to(
        &mut self,
        id: &str,
        kind: &str,
        state: &str,
        cause: Option<&str>,
    ) -> String {
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
    pub(super) fn money(
        &mut self,
        id: &str,
        key: &str,
        kind: &str,
        amount: &str,
        cause: &str,
    ) -> String {
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

    pub(super) fn prepared(&mut self, id: &str) {
        let asked = self.transfer(id, "TransferPrepareAccepted", None);
        let reserved = self.money(id, "a/USD", "PayerFundsReserved", "1.5", &asked);
        self.transfer(id, "TransferPrepared", Some(&reserved));
    }

    pub(super) fn completed(&mut self, id: &str) {
        self.prepared(id);
        let accepted = self.transfer(id, "TransferFulfilAccepted", None);
        self.money(id, "a/USD", "PayerFundsCommitted", "1.5", &accepted);
        let credited = self.money(id, "b/USD", "PayeeFundsCommitted", "1.5", &accepted);
        self.transfer(id, "TransferFulfilled", Some(&credited));
    }

    pub(super) fn released(&mut self, id: &str) {
        self.prepared(id);
        let invalid = self.transfer(id, "TransferFulfilInvalid", None);
        let reversed = self.money(id, "a/USD", "PayerFundsReversed", "1.5", &invalid);
        self.transfer(id, "TransferReleased", Some(&reversed));
    }

    pub(super) fn released_by(&mut self, id: &str, kind: &str) {
        self.prepared(id);
        let aborted = self.transfer(id, kind, None);
        let reversed = self.money(id, "a/USD", "PayerFundsReversed", "1.5", &aborted);
        self.transfer(id, "TransferReleased", Some(&reversed));
    }

    pub(super) fn asked_too_long(&mut self, id: &str) -> String {
        let asked = self.transfer(id, "TransferPrepareAccepted", None);
        self.transfer_to(id, "TransferTimedOut", "PREPARE_TIMEOUT", Some(WAKE));
        asked
    }

    /// Its time ends when its funds are reserved.
    pub(super) fn expired(&mut self, id: &str) {
        self.prepared(id);
        let timed_out = self.transfer_to(id, "TransferTimedOut", "RESERVED_TIMEOUT", Some(WAKE));
        self.released_late(id, &timed_out);
    }

    /// Its time ends while its funds are being reserved.
    pub(super) fn expired_early(&mut self, id: &str) {
        let asked = self.asked_too_long(id);
        let reserved = self.money(id, "a/USD", "PayerFundsReserved", "1.5", &asked);
        let timed_out =
            self.transfer_to(id, "TransferTimedOut", "RESERVED_TIMEOUT", Some(&reserved));
        self.released_late(id, &timed_out);
    }

    pub(super) fn released_late(&mut self, id: &str, timed_out: &str) {
        let reversed = self.money(id, "a/USD", "PayerFundsReversed", "1.5", timed_out);
        self.transfer_to(id, "TransferReleased", "EXPIRED_RESERVED", Some(&reversed));
    }

    /// The account of `a` cannot reserve.
    pub(super) fn rejects(&mut self, id: &str, amount: &str, code: &str, asked: &str) -> String {
        let data = json!({ "transferId": id, "amount": amount, "code": code });
        let cause = Some(format!("{asked}/accounts/0"));
        self.event("account", "a/USD", "PayerFundsRejected", cause, data)
    }

    /// An event of the account of `a` that a client asked for.
    pub(super) fn administers(&mut self, kind: &str, data: Value) {
        self.event("account", "a/USD", kind, None, data);
    }

    /// An event of the settlement account of `a`, which comes to these figures.
    pub(super) fn funds(
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
    pub(super) fn cover(&mut self, kind: &str, amount: &str, cover: &str, cause: &str) -> String {
        self.figures.get_mut("a/USD").unwrap().cover = Some(units(cover));
        let mut data = json!({ "amount": amount, "cover": cover });
        if kind == "CoverHeld" {
            data = json!({ "amount": amount, "code": "4001" });
        }
        self.event("account", "a/USD", kind, Some(format!("{cause}/accounts/0")), data)
    }

    /// A settlement account for `a`, and the cover that comes of it.
    pub(super) fn covered(&mut self, funds: &str) {
        let opened = self.funds("SettlementAccountOpened", "", (funds, "0"), None);
        self.cover("CoverRaised", funds, funds, &opened);
    }

    pub(super) fn ledger(&self) -> Ledger {
        let mut ledger = Ledger::default();
        for event in &self.events {
            ledger.enter(&event.to_string()).unwrap();
        }
        ledger
    }

    pub(super) fn balance(&self, taken: &[&str]) -> Balance {
        let (accounts, settlements) = (self.figures.clone(), self.settlements.clone());
        let shown = Shown { accounts, settlements };
        self.ledger().close(taken.iter().map(|&id| id.to_owned()), &shown)
    }

    pub(super) fn clean_so_far(&self) {
        let findings = self.ledger().so_far();
        assert!(findings.is_empty(), "{findings:?}");
    }

    pub(super) fn clean(&self) {
        let findings = self.balance(&[]).findings;
        assert!(findings.is_empty(), "{findings:?}");
    }

    pub(super) fn found(&self, what: &str) {
        let findings = self.balance(&[]).findings;
        assert!(findings.count(what) > 0, "{what}: {findings:?}");
    }
}

pub(super) fn units(text: &str) -> Units {
    text.parse().unwrap()
}
