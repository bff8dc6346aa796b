//! The clients: lanes that go through one transfer after another, whatever becomes of the host, and
//! a listener to the live stream of all events.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use switch::client::Client;
use switch::ledger::Findings;
use switch::stream::Stream;
use tokio::task::JoinSet;

use crate::plan::{self, Request, Script, Step};
use crate::told::Told;

const ALL: &str = "types=participant,account,transfer";

const INVALID: &str = "InvalidTransfer";
/// A transfer was found invalid that was not: the directory was lost, or older than it may be.
const WRONGLY_INVALID: &str = "a transfer is invalid, and its offer is not";

/// Clients at work.
pub(crate) struct Driver {
    shared: Arc<Shared>,
    lanes: JoinSet<()>,
    _listener: JoinSet<()>,
}

struct Shared {
    client: Client,
    told: Arc<Told>,
    seed: u64,
    /// The next transfer.
    next: AtomicU64,
    enough: AtomicBool,
    findings: Mutex<Findings>,
}

impl Driver {
    /// Starts so many lanes.
    pub(crate) fn start(client: Client, told: Arc<Told>, seed: u64, lanes: usize) -> Self {
        let next = AtomicU64::new(0);
        let enough = AtomicBool::new(false);
        let mut listener = JoinSet::new();
        listener.spawn(listen(client.clone(), Arc::clone(&told)));
        let findings = Mutex::default();
        let shared = Arc::new(Shared { client, told, seed, next, enough, findings });
        let mut running = JoinSet::new();
        for _ in 0..lanes {
            running.spawn(lane(Arc::clone(&shared)));
        }
        Self { shared, lanes: running, _listener: listener }
    }

    /// No new transfers: those under way are brought to their ends.
    pub(crate) fn enough(&self) {
        self.shared.enough.store(true, Ordering::Relaxed);
    }

    /// Waits until all lanes have ended.
    pub(crate) async fn finished(&mut self) {
        while let Some(lane) = self.lanes.join_next().await {
            lane.unwrap();
        }
    }

    /// What the lanes found so far.
    pub(crate) fn findings(&self) -> Findings {
        self.shared.findings.lock().unwrap().clone()
    }

    /// The transfers that were begun.
    pub(crate) fn transfers(&self) -> impl Iterator<Item = String> {
        let seed = self.shared.seed;
        (0..self.shared.next.load(Ordering::Relaxed)).map(move |index| plan::id(seed, index))
    }
}

async fn lane(shared: Arc<Shared>) {
    while !shared.enough.load(Ordering::Relaxed) {
        let index = shared.next.fetch_add(1, Ordering::Relaxed);
        let id = plan::id(shared.seed, index);
        let Script { steps, may_be_late, afterthought } = plan::script(shared.seed, index);
        for step in steps {
            match step {
                Step::Ask(request) => ask(&shared, request).await,
                Step::Await(kind) => {
                    // A payer may be at its cap.
                    let ends = [kind, "TransferRejected", INVALID];
                    let seen = shared.told.sees(&id, &ends).await;
                    if is_wrong(seen, may_be_late) {
                        let mut findings = shared.findings.lock().unwrap();
                        findings.add(WRONGLY_INVALID, || format!("{id}, before {kind}"));
                    }
                    if seen != kind {
                        break;
                    }
                }
            }
        }
        if let Some(request) = afterthought {
            ask(&shared, request).await;
        }
        // What is shown now must stay; a host that is just dying shows nothing.
        let path = format!("/aggregates/transfer/{id}");
        if let Ok(sequence) = sequence(&shared.client, &path).await {
            shared.told.state(format!("transfer/{id}"), sequence);
        }
    }
}

/// Whether a transfer that waits for something may not end like this.
fn is_wrong(seen: &str, may_be_late: bool) -> bool {
    seen == INVALID && !may_be_late
}

#[test]
fn only_what_may_be_late_may_be_invalid() {
    assert!(is_wrong("InvalidTransfer", false));
    assert!(!is_wrong("InvalidTransfer", true));
    assert!(!is_wrong("TransferRejected", false) && !is_wrong("TransferPrepared", false));
}

async fn ask(shared: &Shared, request: Request) {
    let mut answers = shared.client.ask(request.batch()).await.unwrap();
    assert_eq!(answers.len(), 1);
    shared.told.answer(&request, answers.remove(0));
}

/// The sequence of an aggregate as the host shows it.
pub(crate) async fn sequence(client: &Client, path: &str) -> anyhow::Result<u64> {
    #[derive(serde::Deserialize)]
    struct Shown {
        sequence: u64,
    }
    Ok(client.look::<Shown>(path).await?.sequence)
}

/// Follows the live stream of all events, for ever.
pub(crate) async fn listen(client: Client, told: Arc<Told>) {
    let mut stream = Stream::new(client, ALL);
    let take = |json: &str| {
        told.event(json);
        Ok(())
    };
    while stream.next(take).await.is_ok() {}
}
