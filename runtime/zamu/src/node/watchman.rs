//! Watches versions of handlers that were deployed a short while ago: one that breaks too often is
//! rolled back. Which faults there are, the shards tell; what else may have to be done is an operator's.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::{Mutex, mpsc};
use zamu_core::model::{DeploymentNumber, HOST_SOURCE, PartitionId};
use zamu_core::topology::Blamed;

use super::{Order, Services, What, clock};
use crate::handlers::previous;
use crate::telemetry::{Complaint, How, Watched};

/// Faults that may wait to be looked at. One that finds no room is not missed: others stand there.
const WAITING_MAX: usize = 4_096;

/// Who hears of it.
pub(super) struct Watchman(Mutex<mpsc::Receiver<Complaint>>);

/// A place to tell, and who listens there.
pub(super) fn watch() -> (Watched, Watchman) {
    let (tell, told) = mpsc::channel(WAITING_MAX);
    (tell, Watchman(Mutex::new(told)))
}

/// The faults of one version.
struct Tally {
    handler: Arc<str>,
    since: DeploymentNumber,
    aggregates: BTreeSet<(PartitionId, Box<[u8]>)>,
}

impl Watchman {
    pub(super) async fn keep(&self, node: &Arc<Services>) {
        let mut told = self.0.lock().await;
        let mut tallies: Vec<Tally> = Vec::new();
        while let Some(complaint) = told.recv().await {
            let Some((name, reason)) = judge(complaint, &mut tallies, node) else { continue };
            tracing::warn!(handler = name, reason, "rolling back a version that breaks");
            let order = Order { principal: HOST_SOURCE.to_owned(), reason };
            let what = What::RollBack { handler: name.clone(), to: None };
            if let Err(error) = node.deploy(what, order).await {
                let error = error.to_string();
                tracing::error!(handler = name, error, "it could not be rolled back");
            }
        }
    }
}

/// The handler that is to be rolled back, and why, if this was too much.
fn judge(
    complaint: Complaint,
    tallies: &mut Vec<Tally>,
    node: &Services,
) -> Option<(String, String)> {
    let bounds = node.deployer.bounds();
    let Blamed { handler: name, deployment } = complaint.blamed;
    let history = &node.terms.history;
    let entry = history.entry(history.newest()?.0, &name)?;
    // It is another version's, or there is nothing to go back to.
    if deployment < entry.since || previous(history, &name).is_none() {
        return None;
    }
    let deployed = history.deployments();
    let since = deployed.iter().find(|(number, _)| *number == entry.since)?.1.time;
    if clock().0.saturating_sub(since) > bounds.probation_ms {
        return None;
    }
    let key = match complaint.how {
        How::Paused(why) => return Some((name.to_string(), why)),
        How::Faulted(key) => key,
    };
    let new =
        || Tally { handler: Arc::clone(&name), since: entry.since, aggregates: BTreeSet::new() };
    if !tallies.iter().any(|tally| tally.handler == name) {
        tallies.push(new());
    }
    let tally = tallies.iter_mut().find(|tally| tally.handler == name)?;
    if tally.since != entry.since {
        *tally = new();
    }
    tally.aggregates.insert((complaint.partition, key));
    let faults = tally.aggregates.len();
    (bounds.faults_max > 0 && faults >= bounds.faults_max).then(|| {
        let version = &entry.version;
        (
            name.to_string(),
            format!("version {version} broke on {faults} aggregates since it was deployed"),
        )
    })
}
