//! The books: what the events say, reckoned again from the first one, by nobody's word but theirs.
//!
//! A transfer may be reserved, committed (on either side), released and ended once each at most:
//! more is *doubled*. One that was taken and has not ended is *lost*. Money is added up per account
//! from the amounts, and must agree with the figures that the events carry and with the states that
//! the host shows. Numbers of events must have no gap. Reading and sending are left to others.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result};
use scheme::{AccountKey, Amount, Currency, FspId, Money, MoneyError};
use serde::{Deserialize, Serialize};

/// How many examples of each kind of finding are kept.
const EXAMPLES: usize = 5;

/// All that was read so far.
#[derive(Debug, Default)]
pub(crate) struct Books {
    transfers: HashMap<Box<str>, Marks>,
    accounts: BTreeMap<AccountKey, Figures>,
    /// By type and key, the last sequence.
    sequences: HashMap<Box<str>, HashMap<Box<str>, u64>>,
    /// By type and partition, the next number.
    numbers: BTreeMap<(Box<str>, u32), u64>,
    findings: Findings,
}

/// How often a transfer was ...
#[derive(Clone, Copy, Debug, Default)]
struct Marks {
    prepared: u8,
    reserved: u8,
    payer_committed: u8,
    payee_committed: u8,
    released: u8,
    fulfilled: u8,
    failed: u8,
}

/// What an account owes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Figures {
    /// Prepared, not yet fulfilled.
    pub(crate) reserved: Money,
    /// Committed.
    pub(crate) position: Money,
}

/// Sums over all accounts of a currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Sums {
    /// Nothing, always: what one owes another is owed.
    pub(crate) positions: Money,
    /// Nothing, when nothing is under way.
    pub(crate) reservations: Money,
}

/// What is wrong, with examples.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    counts: BTreeMap<&'static str, u64>,
    examples: Vec<String>,
}

/// What the books come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Balance {
    /// Transfers that were fulfilled.
    pub(crate) completed: u64,
    /// Transfers that ended otherwise.
    pub(crate) refused: u64,
    /// Taken, and not ended.
    pub(crate) lost: u64,
    /// Transfers with more than one of what there may be one of.
    pub(crate) doubled: u64,
    /// By currency.
    pub(crate) sums: BTreeMap<String, Sums>,
    /// Everything that is wrong.
    pub(crate) findings: Findings,
}

/// An event, as far as the books care.
#[derive(Debug, Deserialize)]
struct Line<'a> {
    #[serde(borrow, rename = "type")]
    aggregate_type: Cow<'a, str>,
    #[serde(borrow)]
    key: Cow<'a, str>,
    sequence: u64,
    partition: u32,
    number: u64,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    data: &'a serde_json::value::RawValue,
}

/// The body of an event that moves money.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Movement {
    transfer_id: String,
    amount: Amount,
    reserved: Money,
    position: Money,
}

impl Books {
    /// Enters an event.
    ///
    /// # Errors
    /// When it is not what an event looks like.
    pub(crate) fn enter(&mut self, json: &str) -> Result<()> {
        let line: Line = serde_json::from_str(json).context("not an event")?;
        self.check_numbers(&line);
        match (&*line.aggregate_type, &*line.kind) {
            (scheme::TRANSFER, kind) => self.enter_transfer(kind, &line.key),
            (scheme::ACCOUNT, "AccountOpened") => {
                self.accounts.entry(line.key.parse()?).or_default();
            }
            (scheme::ACCOUNT, "PayerFundsRejected") => {}
            (scheme::ACCOUNT, kind) => {
                let movement: Movement = serde_json::from_str(line.data.get())
                    .with_context(|| format!("the body of {kind}"))?;
                self.enter_movement(kind, &line.key, &movement)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// How many events of a partition have been entered.
    pub(crate) fn entered(&self, aggregate_type: &str, partition: u32) -> u64 {
        self.numbers.get(&(aggregate_type.into(), partition)).copied().unwrap_or(0)
    }

    /// Closes the books: `taken` are the ids of transfers that the host took, `states` the accounts
    /// as it shows them.
    ///
    /// # Errors
    /// When sums are beyond all bounds.
    pub(crate) fn close(
        mut self,
        taken: impl IntoIterator<Item = String>,
        states: &BTreeMap<AccountKey, Figures>,
    ) -> Result<Balance> {
        let mut balance = Balance::default();
        for (id, marks) in &self.transfers {
            balance.completed += u64::from(marks.fulfilled > 0);
            balance.refused += u64::from(marks.failed > 0 && marks.fulfilled == 0);
            if let Some(what) = marks.doubled() {
                balance.doubled += 1;
                self.findings.add("doubled", || format!("{id}: {what}"));
            }
            if let Some(what) = marks.contradiction() {
                self.findings.add("contradictory", || format!("{id}: {what}"));
            }
        }
        for id in taken {
            if !self.transfers.get(&*id).is_some_and(|marks| marks.is_ended()) {
                balance.lost += 1;
                self.findings.add("lost", || id);
            }
        }
        for (account, figures) in &self.accounts {
            match states.get(account) {
                Some(state) if state == figures => {}
                state => self.findings.add("state is not the sum of its events", || {
                    format!("{account}: {state:?}, events say {figures:?}")
                }),
            }
        }
        balance.sums = sums(states)?;
        for (currency, sums) in &balance.sums {
            if *sums != Sums::default() {
                self.findings.add("unbalanced", || format!("{currency}: {sums:?}"));
            }
        }
        balance.findings = self.findings;
        Ok(balance)
    }

    fn check_numbers(&mut self, line: &Line<'_>) {
        let Line { aggregate_type, key, sequence, partition, number, .. } = line;
        let next = self.numbers.entry((Box::from(&**aggregate_type), *partition)).or_default();
        if number != next {
            self.findings.add("gap", || {
                format!("{aggregate_type}/{partition}: event {number} where {next} was due")
            });
        }
        *next = number + 1;
        if !self.sequences.contains_key(&**aggregate_type) {
            self.sequences.insert(Box::from(&**aggregate_type), HashMap::new());
        }
        let of_type = self.sequences.entry(Box::from(&**aggregate_type)).or_default();
        let last = of_type.entry(Box::from(&**key)).or_default();
        if *sequence != *last + 1 {
            self.findings
                .add("gap", || format!("{aggregate_type}/{key}: sequence {sequence} after {last}"));
        }
        *last = *sequence;
    }

    fn enter_transfer(&mut self, kind: &str, id: &str) {
        let marks = self.transfers.entry(Box::from(id)).or_default();
        let mark = match kind {
            "TransferPrepared" => &mut marks.prepared,
            "TransferFulfilled" => &mut marks.fulfilled,
            "TransferRejected" | "TransferReleased" | "InvalidTransfer" => &mut marks.failed,
            _ => return,
        };
        *mark = mark.saturating_add(1);
    }

    fn enter_movement(&mut self, kind: &str, key: &str, movement: &Movement) -> Result<()> {
        let Movement { transfer_id, amount, reserved, position } = movement;
        let marks = self.transfers.entry(Box::from(transfer_id.as_str())).or_default();
        let account = self.accounts.entry(key.parse()?).or_default();
        let mark = match kind {
            "PayerFundsReserved" => {
                account.reserved = account.reserved.plus(*amount)?;
                &mut marks.reserved
            }
            "PayerFundsCommitted" => {
                account.reserved = account.reserved.minus(*amount)?;
                account.position = account.position.plus(*amount)?;
                &mut marks.payer_committed
            }
            "PayeeFundsCommitted" => {
                account.position = account.position.minus(*amount)?;
                &mut marks.payee_committed
            }
            "PayerFundsReversed" => {
                account.reserved = account.reserved.minus(*amount)?;
                &mut marks.released
            }
            _ => anyhow::bail!("an event that the books do not know: {kind}"),
        };
        *mark = mark.saturating_add(1);
        if (*reserved, *position) != (account.reserved, account.position) {
            let account = *account;
            self.findings.add("figures are not the sum of the events", || {
                format!(
                    "{kind} of {transfer_id} at {key}: {reserved} and {position}, not {account:?}"
                )
            });
        }
        Ok(())
    }
}

impl Marks {
    fn is_ended(self) -> bool {
        self.fulfilled > 0 || self.failed > 0
    }

    fn doubled(self) -> Option<&'static str> {
        [
            (self.prepared, "prepared twice"),
            (self.reserved, "reserved twice"),
            (self.payer_committed, "the payer's commit twice"),
            (self.payee_committed, "the payee's commit twice"),
            (self.released, "released twice"),
            (self.fulfilled.saturating_add(self.failed), "ended twice"),
        ]
        .into_iter()
        .find(|(count, _)| *count > 1)
        .map(|(_, what)| what)
    }

    fn contradiction(self) -> Option<&'static str> {
        [
            (self.released > 0 && self.payer_committed > 0, "both released and committed"),
            (
                self.fulfilled > 0 && self.payee_committed == 0,
                "fulfilled without the payee's money",
            ),
            (self.fulfilled > 0 && self.reserved == 0, "fulfilled without a reservation"),
            (self.payee_committed > 0 && self.payer_committed == 0, "credited and not debited"),
            (self.payer_committed > 0 && self.payee_committed == 0, "debited and not credited"),
            (self.released > 0 && self.reserved == 0, "released without a reservation"),
        ]
        .into_iter()
        .find(|(holds, _)| *holds)
        .map(|(_, what)| what)
    }
}

impl Findings {
    /// Whether nothing was found.
    pub(crate) fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// Notes one.
    pub(crate) fn add(&mut self, what: &'static str, example: impl FnOnce() -> String) {
        let count = self.counts.entry(what).or_default();
        *count += 1;
        if *count <= EXAMPLES as u64 {
            self.examples.push(format!("{what}: {}", example()));
        }
    }

    /// How many of each, then the examples.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        let counts = self.counts.iter().map(|(what, count)| format!("{what}: {count}"));
        counts.chain(self.examples.iter().cloned())
    }
}

fn sums(states: &BTreeMap<AccountKey, Figures>) -> Result<BTreeMap<String, Sums>, MoneyError> {
    let mut sums: BTreeMap<String, Sums> = BTreeMap::new();
    for (AccountKey { currency, .. }, figures) in states {
        let sum = sums.entry(currency.to_string()).or_default();
        sum.positions = sum.positions.plus(figures.position)?;
        sum.reservations = sum.reservations.plus(figures.reserved)?;
    }
    Ok(sums)
}

/// The account of a participant.
///
/// # Errors
/// When either is none.
pub(crate) fn account_key(participant: &str, currency: &str) -> Result<AccountKey> {
    let participant: FspId = participant.parse()?;
    let currency: Currency = currency.parse()?;
    Ok(AccountKey { participant, currency })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    /// Writes events as a host would, numbers and all.
    #[derive(Default)]
    struct Host {
        events: Vec<serde_json::Value>,
        figures: BTreeMap<AccountKey, Figures>,
    }

    impl Host {
        fn event(&mut self, aggregate_type: &str, key: &str, kind: &str, data: serde_json::Value) {
            let of_type = |event: &&serde_json::Value| event["type"] == aggregate_type;
            let number = self.events.iter().filter(of_type).count();
            let of_key = |event: &&serde_json::Value| event["key"] == key;
            let sequence = self.events.iter().filter(of_type).filter(of_key).count() + 1;
            self.events.push(json!({
                "id": format!("{aggregate_type}/{key}/{sequence}"),
                "type": aggregate_type, "key": key, "sequence": sequence, "partition": 0,
                "number": number, "previous": null, "kind": kind, "schema": "1", "data": data,
            }));
        }

        fn transfer(&mut self, id: &str, kind: &str) {
            self.event("transfer", id, kind, json!({}));
        }

        fn money(&mut self, id: &str, participant: &str, kind: &str, amount: &str) {
            let key = account_key(participant, "USD").unwrap();
            let figures = self.figures.entry(key.clone()).or_default();
            let money: Amount = amount.parse().unwrap();
            match kind {
                "PayerFundsReserved" => figures.reserved = figures.reserved.plus(money).unwrap(),
                "PayeeFundsCommitted" => figures.position = figures.position.minus(money).unwrap(),
                _ => {
                    figures.reserved = figures.reserved.minus(money).unwrap();
                    if kind == "PayerFundsCommitted" {
                        figures.position = figures.position.plus(money).unwrap();
                    }
                }
            }
            let data = json!({
                "transferId": id, "amount": amount,
                "reserved": figures.reserved, "position": figures.position,
            });
            self.event("account", &key.to_string(), kind, data);
        }

        fn completed(&mut self, id: &str) {
            self.transfer(id, "TransferPrepareAccepted");
            self.money(id, "a", "PayerFundsReserved", "1.5");
            self.transfer(id, "TransferPrepared");
            self.transfer(id, "TransferFulfilAccepted");
            self.money(id, "a", "PayerFundsCommitted", "1.5");
            self.money(id, "b", "PayeeFundsCommitted", "1.5");
            self.transfer(id, "TransferFulfilled");
        }

        fn balance(&self, taken: &[&str]) -> Balance {
            let mut books = Books::default();
            for event in &self.events {
                books.enter(&event.to_string()).unwrap();
            }
            books.close(taken.iter().map(|&id| id.to_owned()), &self.figures).unwrap()
        }

        fn found(&self, taken: &[&str], what: &str) {
            let balance = self.balance(taken);
            assert!(balance.findings.counts.contains_key(what), "{what}: {balance:?}");
        }
    }

    #[test]
    fn whole_transfers_balance() {
        let mut host = Host::default();
        host.completed("T1");
        host.completed("T2");
        let balance = host.balance(&["T1", "T2"]);
        assert_eq!(
            (balance.completed, balance.refused, balance.lost, balance.doubled),
            (2, 0, 0, 0)
        );
        assert!(balance.findings.is_empty(), "{balance:?}");
        assert_eq!(balance.sums["USD"], Sums::default());
    }

    #[test]
    fn a_refused_transfer_is_neither_completed_nor_lost() {
        let mut host = Host::default();
        host.transfer("T1", "InvalidTransfer");
        host.transfer("T2", "TransferPrepareAccepted");
        host.money("T2", "a", "PayerFundsReserved", "2");
        host.transfer("T2", "TransferPrepared");
        host.transfer("T2", "TransferFulfilInvalid");
        host.money("T2", "a", "PayerFundsReversed", "2");
        host.transfer("T2", "TransferReleased");
        let balance = host.balance(&["T1", "T2"]);
        assert_eq!((balance.completed, balance.refused, balance.lost), (0, 2, 0));
        assert!(balance.findings.is_empty(), "{balance:?}");
    }

    #[test]
    fn a_taken_transfer_without_an_end_is_lost() {
        let mut host = Host::default();
        host.completed("T1");
        host.transfer("T2", "TransferPrepareAccepted");
        let balance = host.balance(&["T1", "T2", "T3"]);
        assert_eq!(balance.lost, 2, "one is stuck, of one there is no trace");
        host.found(&["T2"], "lost");
    }

    #[test]
    fn anything_that_happens_twice_is_doubled() {
        for (kind, account) in [
            ("PayerFundsReserved", Some("a")),
            ("PayerFundsCommitted", Some("a")),
            ("PayeeFundsCommitted", Some("b")),
            ("TransferPrepared", None),
            ("TransferFulfilled", None),
            // An end of another kind is a second end all the same.
            ("TransferReleased", None),
        ] {
            let mut host = Host::default();
            host.completed("T1");
            host.completed("T2");
            match account {
                Some(account) => host.money("T1", account, kind, "1.5"),
                None => host.transfer("T1", kind),
            }
            let balance = host.balance(&["T1", "T2"]);
            assert_eq!(balance.doubled, 1, "{kind}");
            assert_eq!(balance.completed, 2, "{kind}");
        }
    }

    #[test]
    fn a_second_release_is_doubled_and_unbalances() {
        let mut host = Host::default();
        host.money("T1", "a", "PayerFundsReserved", "2");
        host.money("T1", "a", "PayerFundsReversed", "2");
        host.money("T1", "a", "PayerFundsReversed", "2");
        host.transfer("T1", "TransferReleased");
        assert_eq!(host.balance(&["T1"]).doubled, 1);
        host.found(&["T1"], "unbalanced");
        assert_eq!(host.balance(&["T1"]).sums["USD"].reservations.to_string(), "-2");
    }

    #[test]
    fn a_debit_without_its_credit_is_found_three_ways() {
        let mut host = Host::default();
        host.transfer("T1", "TransferPrepareAccepted");
        host.money("T1", "a", "PayerFundsReserved", "1.5");
        host.money("T1", "a", "PayerFundsCommitted", "1.5");
        host.found(&["T1"], "contradictory");
        host.found(&["T1"], "unbalanced");
        host.found(&["T1"], "lost");
    }

    #[test]
    fn release_and_commit_of_one_transfer_contradict_each_other() {
        let mut host = Host::default();
        host.completed("T1");
        host.money("T1", "a", "PayerFundsReversed", "1.5");
        host.found(&["T1"], "contradictory");
    }

    #[test]
    fn a_missing_event_leaves_a_gap() {
        for missing in 0..6 {
            let mut host = Host::default();
            host.completed("T1");
            host.completed("T2");
            host.events.remove(missing);
            host.found(&[], "gap");
        }
    }

    #[test]
    fn an_event_that_comes_twice_leaves_a_gap_too() {
        let mut host = Host::default();
        host.completed("T1");
        host.events.push(host.events.last().unwrap().clone());
        host.found(&[], "gap");
    }

    #[test]
    fn a_state_or_a_figure_that_the_events_do_not_explain_is_found() {
        let mut host = Host::default();
        host.completed("T1");
        let key = account_key("a", "USD").unwrap();
        host.figures.get_mut(&key).unwrap().position = "9".parse().unwrap();
        host.found(&["T1"], "state is not the sum of its events");
        host.figures.clear();
        host.found(&["T1"], "state is not the sum of its events");

        let mut host = Host::default();
        host.completed("T1");
        host.events[1]["data"]["reserved"] = json!("1.6");
        host.found(&["T1"], "figures are not the sum of the events");
    }

    #[test]
    fn what_is_no_event_is_an_error() {
        let mut books = Books::default();
        assert!(books.enter("{}").is_err());
        let mut host = Host::default();
        host.event(
            "account",
            "a/USD",
            "FundsBurnt",
            json!({ "transferId": "T", "amount": "1", "reserved": "0", "position": "0" }),
        );
        assert!(books.enter(&host.events[0].to_string()).is_err());
        host.event("account", "nobody", "PayerFundsReserved", json!({}));
        assert!(books.enter(&host.events[1].to_string()).is_err());
    }

    #[test]
    fn the_examples_are_few_however_many_there_are() {
        let mut findings = Findings::default();
        for number in 0..1_000 {
            findings.add("lost", || format!("T{number}"));
        }
        assert_eq!(findings.lines().count(), 1 + EXAMPLES);
        assert_eq!(findings.lines().next().unwrap(), "lost: 1000");
    }
}
