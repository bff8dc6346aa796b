//! Watches versions of handlers that were deployed a short while ago: one that breaks too often is
//! rolled back. Which faults there are, the shards tell; what else may have to be done is an operator's.
//!
//! - A verdict is on one version: it changes nothing if another one has taken over meanwhile.
//! - Each version is judged once, whatever comes of it.
//! - What a rollback has brought back stays. It has served before, so what it breaks on is likely to be
//!   what it was sent, and the version before it would break on that, too.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::{Mutex, mpsc};
use zamu_core::model::{DeploymentNumber, HOST_SOURCE, PartitionId, Time};

use super::{DeployError, Order, Services, What, clock};
use crate::config;
use crate::handlers::{History, is_brought_back, previous};
use crate::telemetry::{Complaint, How, Watched};

/// Faults, and pauses, that may wait to be looked at. A fault that finds no room is not missed: others
/// stand there.
const WAITING_MAX: usize = 4_096;

/// Who hears of it.
pub(super) struct Watchman(Mutex<Told>);

/// A place to tell, and who listens there.
pub(super) fn watch() -> (Watched, Watchman) {
    let (tell_faults, faults) = mpsc::channel(WAITING_MAX);
    let (tell_pauses, pauses) = mpsc::channel(WAITING_MAX);
    let watched = Watched { faults: tell_faults, pauses: tell_pauses };
    (watched, Watchman(Mutex::new(Told { faults, pauses })))
}

struct Told {
    faults: mpsc::Receiver<Complaint>,
    pauses: mpsc::Receiver<Complaint>,
}

impl Told {
    /// Pauses first: each is told only once.
    async fn next(&mut self) -> Option<Complaint> {
        tokio::select! {
            biased;
            Some(paused) = self.pauses.recv() => Some(paused),
            faulted = self.faults.recv() => faulted,
        }
    }
}

impl Watchman {
    pub(super) async fn keep(&self, node: &Arc<Services>) {
        let mut told = self.0.lock().await;
        let mut court = Court::new(node.deployer.bounds());
        while let Some(complaint) = told.next().await {
            if let Some(verdict) = court.judge(complaint, &node.terms.history, clock()) {
                carry_out(verdict, node).await;
            }
        }
    }
}

async fn carry_out(verdict: Verdict, node: &Arc<Services>) {
    let Verdict { handler, of, reason, stays } = verdict;
    if stays {
        tracing::warn!(
            handler,
            reason,
            "a version that a rollback brought back breaks, too: it stays, and what it breaks on is \
             left to the operator (`zamu dead-letters`, `zamu topics`, `zamu handlers rollback`)"
        );
        return;
    }
    tracing::warn!(handler, reason, "rolling back a version that breaks");
    let order = Order { principal: HOST_SOURCE.to_owned(), reason };
    let what = What::RollBack { handler: handler.clone(), to: None, of: Some(of) };
    match node.deploy_in_turn(what, order).await {
        Ok(_) => {}
        Err(DeployError::Overtaken { since, .. }) => {
            tracing::info!(
                handler,
                of,
                since,
                "another version has taken over meanwhile: it stays"
            );
        }
        Err(error) => {
            let error = error.to_string();
            tracing::error!(
                handler,
                error,
                "it could not be rolled back, and this is not tried again: deploy a mended version \
                 (`zamu handlers deploy`)"
            );
        }
    }
}

/// Which versions break too often.
struct Court {
    bounds: config::Deployments,
    /// By handler.
    tallies: BTreeMap<String, Tally>,
}

/// The faults of one version.
#[derive(Default)]
struct Tally {
    since: DeploymentNumber,
    aggregates: BTreeSet<(PartitionId, Box<[u8]>)>,
    is_judged: bool,
}

/// A version breaks too often.
#[derive(Debug, PartialEq, Eq)]
struct Verdict {
    handler: String,
    /// The version: the deployment that put it in force.
    of: DeploymentNumber,
    /// For people.
    reason: String,
    /// It is not rolled back, for it was itself brought back.
    stays: bool,
}

impl Court {
    fn new(bounds: &config::Deployments) -> Self {
        Self { bounds: bounds.clone(), tallies: BTreeMap::new() }
    }

    /// The verdict on the version in force of the handler to blame, if this was too much.
    fn judge(&mut self, complaint: Complaint, history: &History, now: Time) -> Option<Verdict> {
        let name = &*Arc::clone(&complaint.blamed.handler);
        let entry = history.entry(history.newest()?.0, name)?;
        // It is another version's, or there is nothing to go back to.
        if complaint.blamed.deployment < entry.since || previous(history, name).is_none() {
            return None;
        }
        let deployed = history.deployment(entry.since)?.time;
        if now.0.saturating_sub(deployed) > self.bounds.probation_ms {
            return None;
        }
        let tally = self.tallies.entry(name.to_owned()).or_default();
        if tally.since != entry.since {
            *tally = Tally { since: entry.since, ..Tally::default() };
        }
        let reason = tally.too_much(complaint, self.bounds.faults_max, &entry.version)?;
        let stays = is_brought_back(history, &entry);
        Some(Verdict { handler: name.to_owned(), of: entry.since, reason, stays })
    }
}

impl Tally {
    fn too_much(&mut self, of: Complaint, faults_max: usize, version: &str) -> Option<String> {
        if self.is_judged {
            return None;
        }
        let reason = match of.how {
            How::Paused(why) => why,
            How::Faulted(_) if faults_max == 0 => return None,
            How::Faulted(key) => {
                self.aggregates.insert((of.partition, key));
                let faults = self.aggregates.len();
                if faults < faults_max {
                    return None;
                }
                format!("version {version} broke on {faults} aggregates since it was deployed")
            }
        };
        self.is_judged = true;
        self.aggregates.clear();
        Some(reason)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use zamu_core::model::TypeId;
    use zamu_core::proto::{DeployedHandler, Deployment};
    use zamu_core::topology::Blamed;

    use super::*;

    const HOUR: u64 = 3_600_000;

    fn court(faults_max: usize) -> Court {
        Court::new(&config::Deployments { probation_ms: HOUR, faults_max })
    }

    /// Deployments by number, each at its hour: which version, and what a rollback would bring back.
    fn history(versions: &[(&str, u64)]) -> History {
        let history = History::default();
        for (number, (version, previous)) in (1..).zip(versions) {
            let handler = DeployedHandler {
                name: "h".to_owned(),
                version: (*version).to_owned(),
                digest: (*version).to_owned(),
                previous: *previous,
                ..DeployedHandler::default()
            };
            let handlers = vec![handler];
            let time = number * HOUR;
            history.add(number, Deployment { handlers, time, ..Deployment::default() });
        }
        history
    }

    fn complaint(deployment: DeploymentNumber, how: How) -> Complaint {
        let partition = PartitionId { aggregate_type: TypeId(0), number: 0 };
        Complaint { blamed: Blamed { handler: "h".into(), deployment }, partition, how }
    }

    fn fault(deployment: DeploymentNumber, key: &str) -> Complaint {
        complaint(deployment, How::Faulted(key.as_bytes().into()))
    }

    fn pause(deployment: DeploymentNumber) -> Complaint {
        complaint(deployment, How::Paused("too much".to_owned()))
    }

    #[test]
    fn a_version_is_judged_by_aggregates_and_only_once() {
        let history = history(&[("1", 0), ("2", 1)]);
        let (mut court, now) = (court(3), Time(2 * HOUR));
        for key in ["a", "b", "a", "b", "a"] {
            assert_eq!(court.judge(fault(2, key), &history, now), None);
        }
        assert_eq!(court.judge(fault(1, "c"), &history, now), None, "it is another version's");
        let verdict = court.judge(fault(2, "c"), &history, now).unwrap();
        assert_eq!((&*verdict.handler, verdict.of, verdict.stays), ("h", 2, false));
        assert!(verdict.reason.contains("version 2 broke on 3 aggregates"), "{verdict:?}");
        for again in [fault(2, "d"), pause(2), fault(2, "e")] {
            assert_eq!(court.judge(again, &history, now), None);
        }
    }

    #[test]
    fn a_pause_is_too_much_at_once_however_many_faults_are_allowed() {
        let history = history(&[("1", 0), ("2", 1)]);
        let mut court = court(0);
        for key in 0..100 {
            assert_eq!(court.judge(fault(2, &key.to_string()), &history, Time(0)), None);
        }
        assert!(court.tallies["h"].aggregates.is_empty(), "nobody asks how many there were");
        let verdict = court.judge(pause(2), &history, Time(0)).unwrap();
        assert_eq!((verdict.of, &*verdict.reason), (2, "too much"));
    }

    #[test]
    fn after_its_probation_and_where_there_is_no_earlier_one_a_version_is_left_alone() {
        let deployed = history(&[("1", 0), ("2", 1)]);
        assert_eq!(court(1).judge(pause(2), &deployed, Time(3 * HOUR + 1)), None);
        assert!(court(1).judge(pause(2), &deployed, Time(3 * HOUR)).is_some());
        assert_eq!(court(1).judge(pause(1), &history(&[("1", 0)]), Time(HOUR)), None);
    }

    #[test]
    fn a_verdict_is_on_the_version_that_broke_and_the_next_one_begins_anew() {
        let history = history(&[("1", 0), ("2", 1), ("3", 2)]);
        let mut court = court(2);
        assert_eq!(court.judge(fault(2, "a"), &history, Time(0)), None, "it is gone");
        assert_eq!(court.judge(fault(3, "b"), &history, Time(0)), None);
        assert_eq!(court.judge(fault(3, "c"), &history, Time(0)).unwrap().of, 3);
    }

    #[test]
    fn what_a_rollback_has_brought_back_stays_whoever_asked_for_it() {
        // Version 3 was rolled back to 2; what clients send breaks every version.
        let history = history(&[("1", 0), ("2", 1), ("3", 2), ("2", 1)]);
        let mut court = court(1);
        let verdict = court.judge(pause(4), &history, Time(4 * HOUR)).unwrap();
        assert!(verdict.stays, "the first version is not brought back as well: {verdict:?}");
        assert_eq!(court.judge(pause(4), &history, Time(4 * HOUR)), None, "said once");
    }

    #[tokio::test]
    async fn a_pause_is_heard_however_many_faults_wait() {
        let (watched, watchman) = watch();
        for key in 0..2 * WAITING_MAX {
            watched.tell(fault(1, &key.to_string()));
        }
        watched.tell(pause(1));
        let first = watchman.0.lock().await.next().await;
        assert_eq!(first, Some(pause(1)));
    }
}
