//! An operator who puts one version of a handler after the other in force while clients are at work and
//! the host dies; and what the log says of who decided what.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;
use switch::client::Client;
use switch::ledger::Findings;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::host::{LOOK, PATIENCE, guests};

/// A partition was decided by an older version after a newer one.
const WENT_BACK: &str = "an older deployment decides after a newer one";
/// A command was decided by an older version than its cause.
const OLDER_THAN_CAUSE: &str = "an event is decided by an older deployment than its cause";
/// What an operator was told of is not in the history.
const FORGOTTEN: &str = "a deployment that was told of is gone";

/// The operator at work.
pub(crate) struct Operator {
    stop: watch::Sender<bool>,
    made: watch::Receiver<u64>,
    work: JoinHandle<BTreeMap<u64, String>>,
}

impl Operator {
    /// Two versions of one handler take turns, as fast as the host makes them.
    pub(crate) fn start(client: &Client) -> Self {
        let (stop, stopped) = watch::channel(false);
        let (tell, made) = watch::channel(0);
        let url = format!("{}/handlers", client.url());
        Self { stop, made, work: tokio::spawn(work(url, stopped, tell)) }
    }

    /// Waits until so many more deployments were made.
    pub(crate) async fn has_made(&self, more: u64) {
        let mut made = self.made.clone();
        let before = *made.borrow();
        let wait = made.wait_for(|now| *now >= before + more);
        timeout(PATIENCE, wait).await.expect("deployments are made").unwrap();
    }

    /// Ends the work. Gives the deployments that the operator was told of: number and digest.
    pub(crate) async fn finished(self) -> BTreeMap<u64, String> {
        self.stop.send_replace(true);
        self.work.await.unwrap()
    }
}

async fn work(
    url: String,
    stopped: watch::Receiver<bool>,
    tell: watch::Sender<u64>,
) -> BTreeMap<u64, String> {
    let component = fs::read(guests().join("accounts.wasm")).unwrap();
    // A custom section, which means nothing to anybody, makes it another version.
    let versions = [b'a', b'b'].map(|mark| [&component[..], &[0, 3, 1, b'm', mark]].concat());
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut told = BTreeMap::new();
    for version in versions.iter().cycle() {
        if *stopped.borrow() {
            break;
        }
        // It may die at any moment: then nobody knows what became of it.
        if let Ok(answer) = http.post(&url).body(version.clone()).send().await
            && answer.status().is_success()
            && let Ok(text) = answer.text().await
            && let Ok(answer) = serde_json::from_str::<Value>(&text)
            && let Some(number) = answer["deployment"].as_u64()
        {
            told.insert(number, answer["digest"].as_str().unwrap_or_default().to_owned());
            tell.send_modify(|made| *made += 1);
        }
        sleep(LOOK).await;
    }
    told
}

/// Who decided what, by the files alone: `lines` are events, `history` all deployments. Gives how many
/// deployments have decided something, too.
pub(crate) fn check(
    lines: &str,
    history: &Value,
    told: &BTreeMap<u64, String>,
) -> (Findings, usize) {
    let mut findings = Findings::default();
    let events: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let number = |event: &Value| event["deployment"].as_u64().unwrap();
    let of_id: BTreeMap<&str, u64> =
        events.iter().map(|event| (event["id"].as_str().unwrap(), number(event))).collect();
    let mut newest: BTreeMap<(String, u64), u64> = BTreeMap::new();
    for event in &events {
        let id = event["id"].as_str().unwrap();
        let place = (event["type"].to_string(), event["partition"].as_u64().unwrap());
        let last = newest.entry(place).or_default();
        if number(event) < *last {
            findings.add(WENT_BACK, || format!("{id}: {} after {last}", number(event)));
        }
        *last = number(event);
        let Some(command) = event["cause"]["command"]["id"].as_str() else { continue };
        // `event/handler/index`
        let cause = command.rsplitn(3, '/').nth(2).unwrap();
        let caused = of_id[cause];
        if number(event) < caused {
            findings.add(OLDER_THAN_CAUSE, || format!("{id}: {} of {caused}", number(event)));
        }
    }
    let made: BTreeMap<u64, String> = history
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|past| {
            let change = past["changes"].as_array()?.first()?;
            Some((past["deployment"].as_u64()?, change["digest"].as_str()?.to_owned()))
        })
        .collect();
    for (number, digest) in told {
        if made.get(number) != Some(digest) {
            findings.add(FORGOTTEN, || format!("{number}, of {digest}"));
        }
    }
    let deciders: BTreeSet<u64> = events.iter().map(number).collect();
    (findings, deciders.len())
}
