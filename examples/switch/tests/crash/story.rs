//! A run from its beginning to its end: clients at work, deaths in between, and at last everything
//! asked and read again.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;
use switch::client::Topic;
use switch::ledger::{Balance, Findings, Ledger, Shown};
use tokio::time::{sleep, timeout};

use crate::driver::Driver;
use crate::host::{Arming, Host, LOOK, PATIENCE};
use crate::plan;
use crate::swaps::{self, Operator};
use crate::told::{Told, compare_answers};

/// A partition takes no turns any more.
pub(crate) const NOT_RUNNING: &str = "a partition does not run";
/// Commands that had been answered changed something when they came again.
pub(crate) const CHANGED_AGAIN: &str = "a command that came again changed something";

/// How many lanes ask at once.
const LANES: usize = 8;
/// Commands that are sent again together.
const BATCH: usize = 50;

/// See the file's head.
pub(crate) struct Story {
    pub(crate) seed: u64,
    pub(crate) deaths: Vec<Death>,
    /// A promise that is broken on purpose, in every incarnation.
    pub(crate) sabotage: Option<&'static str>,
    /// Whether an operator deploys one version after the other meanwhile.
    pub(crate) swaps: bool,
    /// How much must be told after the last death before it is enough.
    pub(crate) then: Enough,
}

/// How an incarnation ends.
#[derive(Clone, Debug)]
pub(crate) enum Death {
    /// SIGKILL, as soon as so much was told.
    Kill(Enough),
    /// At a failpoint, when it is asked for the n-th time.
    At(&'static str, u64),
    /// The power fails when so many groups of commits and requests were synced.
    Power(u64),
}

/// How much a client must be told in an incarnation.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Enough {
    pub(crate) answers: u64,
    pub(crate) events: u64,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) balance: Balance,
    pub(crate) findings: Findings,
    /// For each death: turns that were folded afterwards.
    pub(crate) folded: Vec<u64>,
    /// Answers that were compared.
    pub(crate) compared: usize,
    /// How many deployments have decided something.
    pub(crate) deciders: usize,
}

impl Death {
    fn arming(&self) -> Arming {
        let points = match self {
            Self::Kill(_) => Vec::new(),
            Self::At(point, n) => vec![format!("{point}={n}")],
            Self::Power(n) => vec![format!("die-after-written={n}"), "note-synced".to_owned()],
        };
        Arming { points, flushes: matches!(self, Self::At("die-in-flush", _)) }
    }

    async fn come(&self, host: &mut Host, told: &Told) {
        match self {
            Self::Kill(enough) => {
                enough.wait(told).await;
                host.node.kill().unwrap();
            }
            Self::At(..) => host.dies().await,
            Self::Power(_) => {
                host.dies().await;
                host.cut_power();
            }
        }
    }
}

impl Enough {
    /// Waits until so much more was told.
    async fn wait(self, told: &Told) {
        let mut changes = told.changes();
        let before = *changes.borrow();
        let all = changes.wait_for(|now| {
            now.answers - before.answers >= self.answers
                && now.events - before.events >= self.events
        });
        timeout(PATIENCE, all).await.expect("enough is told").unwrap();
    }
}

impl Story {
    /// Goes through it all.
    pub(crate) async fn run(&self) -> Outcome {
        let mut armings = self.deaths.iter().map(Death::arming).chain([Arming::default()]);
        let mut next = || self.sabotaged(armings.next().unwrap());
        let mut host = Host::start(&next()).await;
        let told = Arc::new(Told::new());
        let mut driver = Driver::start(host.client.clone(), Arc::clone(&told), self.seed, LANES);
        let operator = self.swaps.then(|| Operator::start(&host.client));
        let mut findings = Findings::default();
        let mut folded = Vec::new();
        for death in &self.deaths {
            if let (Some(operator), Death::Kill(_)) = (&operator, death) {
                operator.has_made(2).await;
            }
            death.come(&mut host, &told).await;
            let lines = host.events();
            findings.extend(read(&lines).so_far());
            findings.extend(told.compare(&lines));
            host.restart(&next()).await;
            host.node.ready(&host.client).await.ok();
            folded.push(host.folded_turns());
        }
        if let Some(operator) = &operator {
            operator.has_made(2).await;
        }
        let end = async {
            self.then.wait(&told).await;
            driver.enough();
            driver.finished().await;
        };
        tokio::select! {
            () = end => {}
            found = stands_still(&host) => findings.extend(found),
        }
        driver.enough();
        let deployed = match operator {
            Some(operator) => operator.finished().await,
            None => BTreeMap::new(),
        };
        let topics = drained(&host).await;
        findings.extend(ask_again(&host, &told).await);
        let events = |topics: &[Topic]| topics.iter().map(|topic| topic.events).sum::<u64>();
        let (before, after) = (events(&topics), events(&drained(&host).await));
        if before != after {
            findings.add(CHANGED_AGAIN, || format!("{before} events, then {after}"));
        }
        let shown = shown(&host).await;
        host.node.stop().unwrap();
        let lines = host.events();
        findings.extend(told.compare(&lines));
        findings.extend(driver.findings());
        let (of_versions, deciders) = swaps::check(&lines, &host.history(), &deployed);
        findings.extend(of_versions);
        let balance = read(&lines).close(driver.transfers(), &shown);
        findings.extend(balance.findings.clone());
        Outcome { balance, findings, folded, compared: told.answers().len(), deciders }
    }

    fn sabotaged(&self, mut arming: Arming) -> Arming {
        arming.points.extend(self.sabotage.map(str::to_owned));
        arming
    }
}

/// Reads events into a ledger.
pub(crate) fn read(lines: &str) -> Ledger {
    let mut ledger = Ledger::default();
    for line in lines.lines() {
        ledger.enter(line).unwrap_or_else(|error| panic!("{error:#}: {line}"));
    }
    ledger
}

/// Comes back when a partition has stopped: then not all of the load will ever end.
async fn stands_still(host: &Host) -> Findings {
    loop {
        let topics = host.client.topics().await.unwrap_or_default();
        let findings = not_running(&topics);
        if !findings.is_empty() {
            return findings;
        }
        sleep(LOOK).await;
    }
}

fn not_running(topics: &[Topic]) -> Findings {
    let mut findings = Findings::default();
    for Topic { aggregate_type, partition, status, reason, .. } in topics {
        if !["running", "restoring"].contains(&&**status) {
            findings.add(NOT_RUNNING, || {
                format!("{aggregate_type}/{partition} is {status}: {reason:?}")
            });
        }
    }
    findings
}

/// Waits until nothing waits in any partition that runs.
async fn drained(host: &Host) -> Vec<Topic> {
    let wait = async {
        loop {
            let topics = host.client.topics().await.unwrap();
            let waits = |topic: &&Topic| topic.requests.lag + topic.commands.lag > 0;
            if !topics.iter().filter(|topic| topic.status == "running").any(|t| waits(&t)) {
                return topics;
            }
            sleep(LOOK).await;
        }
    };
    timeout(PATIENCE, wait).await.expect("all commands are taken")
}

/// Sends everything that was answered once more, and compares the answers.
pub(crate) async fn ask_again(host: &Host, told: &Told) -> Findings {
    let mut findings = Findings::default();
    // A partition that has stopped answers nobody.
    if !not_running(&host.client.topics().await.unwrap()).is_empty() {
        return findings;
    }
    for batch in told.answers().chunks(BATCH) {
        let requests: Vec<_> = batch.iter().map(|(request, _)| request.json()).collect();
        let answers = host.client.ask(json!(requests).to_string().into()).await.unwrap();
        assert_eq!(answers.len(), batch.len());
        for ((request, before), after) in batch.iter().zip(&answers) {
            compare_answers(request, before, after, &mut findings);
        }
    }
    findings
}

async fn shown(host: &Host) -> Shown {
    let mut shown = Shown::default();
    for key in plan::accounts() {
        let path = format!("/aggregates/account/{}", key.replace('/', "%2F"));
        let state = host.client.state(&path).await.unwrap();
        shown.accounts.insert(key, state);
    }
    shown
}
