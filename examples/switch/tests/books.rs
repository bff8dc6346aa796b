//! A hub that exists already starts from its books: the files of `books/`, imported with the real
//! binary into a fresh switch.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use switch::client::Client;
use switch::node::{self, Node};
use tempfile::TempDir;

/// What the payer sets, and what the payee knows.
const CONDITION: &str = "HOr22-H3AfTDHrSkPjJtVPRdKouuMkDXTR4ejlQa8Ks";
const FULFILMENT: &str = "XoSz1cL0tljJSCp_VtIYmPNw-zFUgGfbUqf69AagUzY";
/// How long something may take that follows from an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A fresh switch.
struct Hub {
    node: Node,
    folder: TempDir,
}

impl Hub {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut node = node::start(&zamu(), &guests(), folder.path(), Vec::new()).unwrap();
        let client = Client::new(node.address).unwrap();
        node.ready(&client).await.unwrap();
        Self { node, folder }
    }

    fn ask(&self, args: &[&str]) -> Output {
        let node = format!("http://{}", self.node.address);
        let mut command = Command::new(zamu());
        command.args(args).env("ZAMU_NODE", node).current_dir(self.folder.path());
        command.output().unwrap()
    }

    fn import(&self, rows: &Path, mapping: &str, more: &[&str]) -> Output {
        let mapping = books().join(mapping);
        let (rows, mapping) = (rows.to_str().unwrap(), mapping.to_str().unwrap());
        self.ask(&[&["import", rows, "--map", mapping], more].concat())
    }

    /// A copy of a file of the books: an import keeps its progress beside its file.
    fn copy(&self, file: &str) -> PathBuf {
        let copy = self.folder.path().join(file);
        std::fs::copy(books().join(file), &copy).unwrap();
        copy
    }

    fn state(&self, aggregate_type: &str, key: &str) -> Value {
        let told = self.ask(&["state", aggregate_type, key, "--json"]);
        assert!(told.status.success(), "{aggregate_type} {key}: {told:?}");
        serde_json::from_slice::<Value>(&told.stdout).unwrap()["state"].take()
    }

    fn trace(&self, id: &str) -> Value {
        let told = self.ask(&["trace", id, "--json"]);
        assert!(told.status.success(), "{id}: {told:?}");
        serde_json::from_slice(&told.stdout).unwrap()
    }

    /// Sends a command on a transfer, which must be accepted.
    fn send(&self, id: &str, kind: &str, data: &Value) {
        let data = data.to_string();
        let told = self.ask(&["send", "transfer", id, kind, &data, "--wait", "--json"]);
        assert!(told.status.success(), "{kind} {id}: {told:?}");
        let answer: Value = serde_json::from_slice(&told.stdout).unwrap();
        assert_eq!(answer["outcome"], "accepted", "{kind} {id}: {answer}");
    }

    /// Asks for a transfer of 10 USD from the first participant.
    fn prepare(&self, id: &str, payee: &str) {
        let data = json!({
            "payer": "simfsp01", "payee": payee, "amount": "10", "currency": "USD",
            "expiration": "2100-01-01T00:00:00.000Z", "condition": CONDITION,
        });
        self.send(id, "PrepareTransfer", &data);
    }

    /// Waits until a member of a state is as it must become.
    fn becomes(&self, (aggregate_type, key): (&str, &str), member: &str, expected: &str) {
        let mut last = Value::Null;
        let is_so = || {
            last = self.state(aggregate_type, key);
            last[member] == expected
        };
        assert!(in_time(is_so), "{key}: `{member}` never is {expected}: {last}");
    }

    /// Waits until a row of the directory has a member that is true.
    fn is_listed(&self, table: &str, key: &str, member: &str) {
        let is_so = || {
            let told = self.ask(&["query", table, key, "--json"]);
            let row: Option<Value> = serde_json::from_slice(&told.stdout).ok();
            told.status.success() && row.is_some_and(|row| row["value"][member] == true)
        };
        assert!(in_time(is_so), "{key} is never listed in {table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_starts_from_its_books() {
    let hub = Hub::start().await;
    let participants = hub.copy("participants.csv");
    let accounts = hub.copy("accounts.csv");
    for (rows, mapping, done) in [
        (&participants, "participants.toml", "done: 9 accepted"),
        (&accounts, "accounts.toml", "done: 7 accepted"),
    ] {
        let told = hub.import(rows, mapping, &[]);
        assert!(told.status.success() && text(&told).contains(done), "{told:?}");
    }
    assert_eq!(hub.state("participant", "simfsp03")["active"], true);
    assert_eq!(hub.state("participant", "simfsp04")["active"], false);
    let callback = &hub.state("endpoints", "simfsp02")["FSPIOP_CALLBACK_URL_TRANSFER_POST"];
    assert_eq!(callback, "https://fsp02.example/transfers");

    // A choreographed command brings it to the account, behind the answer.
    hub.becomes(("account", "simfsp01/USD"), "cover", "25000");
    let account = hub.state("account", "simfsp01/USD");
    assert_eq!((&account["cap"], &account["alarm"]), (&"10000".into(), &80.into()), "{account}");
    let positions = ["simfsp01/USD", "simfsp02/USD", "simfsp03/USD"]
        .map(|key| hub.state("account", key)["position"].as_str().unwrap().to_owned());
    assert_eq!(positions, ["1250.75", "-1000.25", "-250.5"]);
    assert_eq!(hub.state("account", "simfsp01/EUR")["position"], "0");
    assert_eq!(hub.state("settlement-account", "simfsp01/USD")["funds"], "25000");

    // Whoever does not know how far it came imports again.
    let again = hub.import(&accounts, "accounts.toml", &[]);
    assert!(text(&again).contains("done: 0 accepted, 7 sent before"), "{again:?}");
    assert_eq!(hub.state("account", "simfsp01/USD"), account);
    works_from_these_books(&hub);
}

/// Whom the books list as taking part can be paid, from what the books say, and nobody else.
fn works_from_these_books(hub: &Hub) {
    // The directory is made behind the answers.
    hub.is_listed("participants", "simfsp02", "active");
    hub.is_listed("accounts", "simfsp02/USD", "open");
    hub.prepare("T1", "simfsp02");
    hub.becomes(("transfer", "T1"), "state", "RESERVED");
    hub.send("T1", "FulfilTransfer", &json!({ "fsp": "simfsp02", "fulfilment": FULFILMENT }));
    hub.becomes(("transfer", "T1"), "state", "COMMITTED");
    hub.becomes(("account", "simfsp01/USD"), "position", "1260.75");
    hub.becomes(("account", "simfsp02/USD"), "position", "-1010.25");

    hub.prepare("T2", "simfsp04");
    hub.becomes(("transfer", "T2"), "state", "INVALID");
    assert_eq!(hub.state("transfer", "T2")["failure"]["code"], "3203");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_is_followed_by_its_id_through_both_accounts_and_back() {
    let hub = Hub::start().await;
    let (participants, accounts) = (hub.copy("participants.csv"), hub.copy("accounts.csv"));
    assert!(hub.import(&participants, "participants.toml", &[]).status.success());
    assert!(hub.import(&accounts, "accounts.toml", &[]).status.success());
    hub.is_listed("participants", "simfsp02", "active");
    hub.is_listed("accounts", "simfsp02/USD", "open");
    hub.prepare("T1", "simfsp02");
    hub.becomes(("transfer", "T1"), "state", "RESERVED");
    hub.send("T1", "FulfilTransfer", &json!({ "fsp": "simfsp02", "fulfilment": FULFILMENT }));
    hub.becomes(("transfer", "T1"), "state", "COMMITTED");
    let steps = || hub.trace("T1")["steps"].as_array().unwrap().clone();
    // The payer's position is settled behind the payee's money.
    let has = |steps: &[Value], kind: &str| steps.iter().any(|step| step["kind"] == kind);
    assert!(in_time(|| has(&steps(), "PayerFundsCommitted")));

    let steps = steps();
    let events: Vec<(String, u64)> = steps
        .iter()
        .filter(|step| step["step"] == "event")
        .map(|step| (step["kind"].as_str().unwrap().into(), step["depth"].as_u64().unwrap()))
        .collect();
    let place = |kind: &str| events.iter().position(|(k, _)| k == kind).unwrap();
    // Each leg before what it brought about, and deeper.
    for (cause, effect) in
        [("PayerFundsReserved", "TransferPrepared"), ("PayeeFundsCommitted", "TransferFulfilled")]
    {
        let (cause, effect) = (place(cause), place(effect));
        assert!(cause < effect && events[cause].1 < events[effect].1, "{events:?}");
    }
    let roots: Vec<&Value> = steps.iter().filter(|step| step["depth"] == 0).collect();
    let kinds: Vec<&Value> = roots.iter().map(|step| &step["kind"]).collect();
    assert_eq!(kinds, ["PrepareTransfer", "FulfilTransfer"]);
    for step in &steps {
        let handler = &step["handler"];
        let known = handler["version"].is_string() && handler["digest"].is_string();
        assert!(known || step["step"] == "request", "{step}");
        assert!(step["hopMs"].is_u64() || step["depth"] == 0, "{step}");
    }
    // In a terminal: accounts of both sides, and the time of every hop.
    let told = text(&hub.ask(&["trace", "T1"]));
    for part in ["aggregate T1: 2 requests", "account/simfsp01/USD", "account/simfsp02/USD", " ms)"]
    {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_books_is_told_by_line_before_anything_is_sent() {
    let hub = Hub::start().await;
    let rows = hub.folder.path().join("wrong.csv");
    let wrong = "participant,currency,cap,alarm,position,funds\n\
                 simfsp01,USD,100,,,\n\
                 ,USD,100,,,\n\
                 simfsp02,USD,100,most,,\n";
    std::fs::write(&rows, wrong).unwrap();
    for more in [&["--dry-run"][..], &[]] {
        let told = hub.import(&rows, "accounts.toml", more);
        assert!(!told.status.success(), "{told:?}");
        let text = text(&told);
        assert!(text.contains("line 3: column `participant` is empty"), "{text}");
        assert!(text.contains("line 4: column `alarm` is no number: `most`"), "{text}");
    }
    assert!(!hub.ask(&["state", "account", "simfsp01/USD"]).status.success());
    std::fs::write(&rows, wrong.lines().take(2).collect::<Vec<_>>().join("\n")).unwrap();
    let dry = hub.import(&rows, "accounts.toml", &["--dry-run"]);
    assert!(text(&dry).contains("1 OpenAccount of account"), "{dry:?}");
    assert!(!hub.ask(&["state", "account", "simfsp01/USD"]).status.success());
}

/// Whether something comes true before patience ends. Each look is a process of its own, so there is
/// no need to pause between two.
fn in_time(mut is_so: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        if Instant::now() > end {
            return false;
        }
    }
    true
}

fn text(told: &Output) -> String {
    String::from_utf8_lossy(&told.stdout).into_owned()
}

fn books() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("books")
}

/// The binary that was built beside this test.
fn zamu() -> PathBuf {
    target().join("debug/zamu")
}

fn guests() -> PathBuf {
    std::env::var_os("ZAMU_GUESTS_DIR").map_or_else(|| target().join("guests"), PathBuf::from)
}

fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().to_owned()
}
