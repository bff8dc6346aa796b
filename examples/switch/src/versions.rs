//! Other versions of the rules, put in force while transfers run: one with a rule more, and one with a
//! defect, which the host finds out, isolates and takes back; what it broke on is then done again.
//!
//! When each is deployed, and what came of it. Which transfers they decide otherwise, `kinds` says;
//! whether they did, `verdicts`.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use crate::ledger::Findings;
use crate::load::Load;
use crate::operator::{Deployed, Operator};
use crate::verdicts::Verdicts;

/// The handler whose versions are deployed.
const HANDLER: &str = "transfers";
/// With fewer transfers, they would have ended before a version is compiled.
pub(crate) const TRANSFERS_MIN: u64 = 60_000;
/// When so much of all has ended, the second version is deployed.
const SECOND_AT: f64 = 0.15;
/// Likewise the third.
const THIRD_AT: f64 = 0.3;
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);
/// When nothing has ended for so long, the host will not see more of a defect than it has.
const QUIET: Duration = Duration::from_secs(5);
/// How long doing it again may take.
const REDRIVEN_MAX: Duration = Duration::from_secs(30);
/// A version that breaks on so many transfers is rolled back (`[deployments] faults-max`, as it is
/// unless the configuration says otherwise).
const FAULTS_MAX: u64 = 20;
/// A version did not show what it is there to show.
pub(crate) const NOTHING_SEEN: &str = "a version has shown nothing";
/// In whose name the host rolls back.
const HOST: &str = "zamu";

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Versions {
    /// The version that was in force at first.
    pub(crate) first: String,
    /// The one with a rule more.
    pub(crate) second: Version,
    /// The one with a defect.
    pub(crate) third: Version,
    /// From when it was in force until the version before was again, in milliseconds.
    pub(crate) rolled_back_after_ms: u64,
    /// Whether the host did that by itself.
    pub(crate) by_itself: bool,
    /// Why, in words.
    pub(crate) reason: String,
    /// What it broke on, and was done again.
    pub(crate) dead_letters: u64,
    /// One of the transfers that it broke on.
    pub(crate) example: Option<String>,
}

/// A version that was put in force.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Version {
    /// Which.
    pub(crate) version: String,
    /// The number of its deployment.
    pub(crate) deployment: u64,
    /// For how long any shard stood still for it, at most, in microseconds.
    pub(crate) stall_us: u64,
}

/// A deployment as the host tells of it.
#[derive(Debug, Deserialize)]
struct Past {
    deployment: u64,
    /// Milliseconds since 1970.
    time: u64,
    principal: String,
    reason: String,
}

/// A dead letter, as far as the operator cares.
#[derive(Debug, Deserialize)]
struct Letter {
    id: String,
    subject: Subject,
}

/// What could not be processed.
#[derive(Debug, Deserialize)]
struct Subject {
    /// A client's command.
    request: Option<Request>,
}

#[derive(Debug, Deserialize)]
struct Request {
    key: String,
}

/// Deploys them.
pub(crate) struct Play {
    /// Who gives the orders.
    pub(crate) operator: Operator,
    /// Where the components are.
    pub(crate) guests: PathBuf,
    /// What runs meanwhile.
    pub(crate) load: Arc<Load>,
    /// Who is told what happens.
    pub(crate) tell: mpsc::UnboundedSender<String>,
}

impl Play {
    /// Plays it to its end.
    ///
    /// # Errors
    /// When the host does not do as it is told, or does not answer.
    pub(crate) async fn run(self) -> Result<Versions> {
        let first = self.in_force().await?;
        let [second, third] =
            ["transfers-ceiling", "transfers-faulty"].map(|name| component(&self.guests, name));
        self.reach(SECOND_AT).await;
        let second = self.operator.deploy(&second?, "no more than 500 at once").await?;
        self.tell(format!(
            "transfers {} takes over: no more than 500 at once. No shard stood still for longer than \
             {} us",
            second.version, second.stall_us
        ));
        self.reach(THIRD_AT).await;
        let third = self.operator.deploy(&third?, "knows fees").await?;
        self.tell(format!(
            "transfers {} takes over: it panics on one offer in many, {} us",
            third.version, third.stall_us
        ));
        let (deployed, back) = self.rolled_back(&third).await?;
        let by_itself = back.principal == HOST;
        let rolled_back_after_ms = back.time.saturating_sub(deployed.time);
        let who = if by_itself { "rolled back by itself" } else { "rolled back by hand" };
        self.tell(format!("{who} after {rolled_back_after_ms} ms: {}", back.reason));
        let (dead_letters, example) = self.redrive().await?;
        self.tell(format!("what it broke on is done again: {dead_letters} dead letters"));
        Ok(Versions {
            first,
            second: Version::of(second),
            third: Version::of(third),
            rolled_back_after_ms,
            by_itself,
            reason: back.reason,
            dead_letters,
            example,
        })
    }

    /// Waits until so much of all has ended.
    async fn reach(&self, part: f64) {
        while (self.load.tally.counts().ended as f64) < part * self.load.plan.transfers as f64 {
            sleep(LOOK).await;
        }
    }

    /// Its own deployment, and the one that took it back: the host's, or the operator's if the
    /// host has seen too little of it.
    async fn rolled_back(&self, third: &Deployed) -> Result<(Past, Past)> {
        let mut moved = (Instant::now(), 0);
        loop {
            let mut past = self.past().await?;
            if let Some(back) = past.iter().position(|past| past.deployment > third.deployment) {
                let back = past.swap_remove(back);
                let own = past.into_iter().find(|past| past.deployment == third.deployment);
                return Ok((own.context("the third version was never deployed")?, back));
            }
            let ended = self.load.tally.counts().ended;
            if ended != moved.1 {
                moved = (Instant::now(), ended);
            } else if moved.0.elapsed() > QUIET {
                self.operator.roll_back(HANDLER, third.deployment, "it breaks").await?;
            }
            sleep(LOOK).await;
        }
    }

    /// The version in force.
    async fn in_force(&self) -> Result<String> {
        #[derive(Deserialize)]
        struct Handler {
            version: String,
        }
        let Handler { version } = self.load.client.look(&format!("/handlers/{HANDLER}")).await?;
        Ok(version)
    }

    async fn past(&self) -> Result<Vec<Past>> {
        self.load.client.look(&format!("/deployments?handler={HANDLER}")).await
    }

    /// Has dead letters done again, each once, until none is left; how many there were, and whose the
    /// first was.
    async fn redrive(&self) -> Result<(u64, Option<String>)> {
        let until = Instant::now() + REDRIVEN_MAX;
        let (mut sent, mut example) = (BTreeSet::new(), None);
        loop {
            let open: Vec<Letter> = self.load.client.look("/dead-letters").await?;
            let Some(first) = open.first() else { return Ok((sent.len() as u64, example)) };
            ensure!(Instant::now() < until, "{} stays a dead letter, or others do", first.id);
            example = example.or_else(|| first.subject.request.as_ref().map(|of| of.key.clone()));
            let ids = open.into_iter().map(|letter| letter.id);
            let new: Vec<String> = ids.filter(|id| !sent.contains(id)).collect();
            if !new.is_empty() {
                self.operator.redrive(&new).await?;
            }
            sent.extend(new);
            sleep(LOOK).await;
        }
    }

    fn tell(&self, text: String) {
        // Whoever listened has gone: then nobody is to be told.
        self.tell.send(text).ok();
    }
}

impl Versions {
    /// Notes what other versions did not show, or decided otherwise than they must.
    pub(crate) fn check(&self, verdicts: &Verdicts, findings: &mut Findings) {
        verdicts.check(&self.first, &self.third.version, findings);
        let mut missed = |is_missed: bool, what: &str| {
            if is_missed {
                findings.add(NOTHING_SEEN, || what.to_owned());
            }
        };
        let refused = verdicts.large_refused(&self.second.version);
        missed(refused == 0, "the second refused no large transfer");
        missed(self.dead_letters == 0, "the third broke on nothing");
        let was_too_much = self.dead_letters > FAULTS_MAX;
        missed(was_too_much && !self.by_itself, "the third was not rolled back by itself");
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = if self.by_itself { "by itself" } else { "by hand" };
        write!(
            f,
            "{} was rolled back {who} after {} ms; {} dead letters done again",
            self.third.version, self.rolled_back_after_ms, self.dead_letters
        )
    }
}

impl Version {
    fn of(Deployed { deployment, version, stall_us }: Deployed) -> Self {
        Self { version, deployment, stall_us }
    }
}

fn component(guests: &Path, name: &str) -> Result<PathBuf> {
    let file = guests.join(format!("{name}.wasm"));
    file.canonicalize().with_context(|| {
        format!("no component {}: build it with `cargo xtask guests`", file.display())
    })
}
