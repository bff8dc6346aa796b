//! A host whose log stands still, before a commit is written or before it is durable: what may it
//! tell meanwhile, when all that stands still is lost afterwards?

use std::sync::Arc;

use switch::ledger::Findings;
use tokio::time::{sleep, timeout};

use crate::driver::sequence;
use crate::host::{Arming, Host, LOOK, PATIENCE};
use crate::plan;
use crate::told::Told;

/// Where the log stands still, and how the host ends then.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Held {
    /// Before the commit is written: a kill loses it.
    Unwritten,
    /// Before what is written is durable: a loss of power loses it.
    Undurable,
}

/// Asks for a transfer of a host whose log stands still, looks at it, and ends the host: whatever
/// was told must be in its log. Without `sabotage` it goes on afterwards; with it an answer is
/// waited for if there `is_answered`.
pub(crate) async fn look(held: Held, sabotage: Option<&str>, is_answered: bool) -> Findings {
    let (points, witness) = match held {
        // Computed, and not written.
        Held::Unwritten => (["hold-commit", ""], "transfer"),
        // An account takes only what a transfer has written.
        Held::Undurable => (["hold-sync", "note-synced"], "account"),
    };
    let points: Vec<&str> = points.into_iter().chain(sabotage).filter(|p| !p.is_empty()).collect();
    let mut host = Host::start(&Arming::points(&points)).await;
    let id = plan::id(1, 1);
    let request = plan::prepare(&id, "bank01", "bank02", "1.5");
    let (client, batch) = (host.client.clone(), request.batch());
    let mut answer = tokio::spawn(async move { client.ask(batch).await });
    turns(&host, witness).await;
    let told = Arc::new(Told::new());
    // The second look comes after whatever its shard had just begun at the first.
    for _ in 0..2 {
        if let Ok(sequence) = sequence(&host.client, &format!("/aggregates/transfer/{id}")).await {
            told.state(format!("transfer/{id}"), sequence);
        }
    }
    if is_answered {
        let answers = timeout(PATIENCE, &mut answer).await.expect("an answer").unwrap().unwrap();
        told.answer(&request, answers.into_iter().next().unwrap());
    }
    answer.abort();
    host.node.kill().unwrap();
    if matches!(held, Held::Undurable) {
        host.cut_power();
    }
    let findings = told.compare(&host.events());
    if sabotage.is_none() {
        host.restart(&Arming::default()).await;
        host.node.ready(&host.client).await.unwrap();
        let answers = host.client.ask(request.batch()).await.unwrap();
        assert!(answers[0].get().contains(r#""outcome":"accepted""#), "{answers:?}");
    }
    findings
}

/// Waits until a turn of this type was computed.
async fn turns(host: &Host, aggregate_type: &str) {
    let name = format!("zamu_turns_total{{type=\"{aggregate_type}\"}} ");
    let wait = async {
        loop {
            let metrics = host.client.metrics().await.unwrap();
            let turns = metrics.lines().find_map(|line| line.strip_prefix(&name));
            if turns.is_some_and(|turns| turns != "0") {
                return;
            }
            sleep(LOOK).await;
        }
    };
    timeout(PATIENCE, wait).await.expect("a turn");
}
