//! The count at the end: all events read again from the first one, and the states beside them.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::timeout;

use crate::client::{Client, Topic};
use crate::kinds::Plan;
use crate::ledger::{Balance, Ledger, Shown};
use crate::outcomes::Outcomes;
use crate::provision::accounts;
use crate::stream::Stream;
use crate::tally::Tally;
use crate::transfer::{COVERED, account};

/// Events of whatever type: one that the ledger does not know is to be found.
const ALL: &str = "from=start";
/// Without news for so long, what is still missing is missing.
const SILENCE: Duration = Duration::from_secs(20);

/// What the count came to, and how many events were read for it.
#[derive(Debug)]
pub(crate) struct Audit {
    /// The ledger, closed.
    pub(crate) balance: Balance,
    /// How transfers ended, by kind.
    pub(crate) outcomes: Outcomes,
    /// Events read.
    pub(crate) events: u64,
}

/// Reads all events and closes the ledger over the transfers that the host took.
///
/// # Errors
/// When the host does not answer, or shows fewer events than it says it has.
pub(crate) async fn audit(client: &Client, tally: &Tally, plan: &Plan) -> Result<Audit> {
    let topics = client.topics().await?;
    let events = topics.iter().map(|topic| topic.events).sum();
    let ledger = read(client, &topics).await?;
    let taken = (0..plan.transfers).filter(|index| tally.was_taken(*index));
    let taken = taken.map(|index| plan.transfer(index).id());
    let mut balance = ledger.close(taken, &shown(client).await?);
    let outcomes = Outcomes::count(plan, &ledger, &mut balance.findings);
    for topic in &topics {
        let Topic { aggregate_type, partition, status, dead_letters, .. } = topic;
        if status != "running" {
            balance
                .findings
                .add("not running", || format!("{aggregate_type}/{partition}: {status}"));
        }
        if *dead_letters > 0 {
            balance
                .findings
                .add("dead letters", || format!("{aggregate_type}/{partition}: {dead_letters}"));
        }
    }
    Ok(Audit { balance, outcomes, events })
}

async fn read(client: &Client, topics: &[Topic]) -> Result<Ledger> {
    let mut ledger = Ledger::default();
    let mut stream = Stream::new(client.clone(), ALL);
    while let Some(topic) = unread(&ledger, topics) {
        if timeout(SILENCE, stream.next(|json| ledger.enter(json))).await.is_err() {
            let Topic { aggregate_type, partition, events, .. } = topic;
            let entered = ledger.entered(aggregate_type, *partition);
            bail!("{aggregate_type}/{partition} has {events} events, but shows only {entered}");
        }
    }
    Ok(ledger)
}

fn unread<'a>(ledger: &Ledger, topics: &'a [Topic]) -> Option<&'a Topic> {
    topics
        .iter()
        .find(|topic| ledger.entered(&topic.aggregate_type, topic.partition) < topic.events)
}

async fn shown(client: &Client) -> Result<Shown> {
    let path = |of: &str, key: &str| format!("/aggregates/{of}/{}", key.replace('/', "%2F"));
    let mut shown = Shown::default();
    for key in accounts() {
        let state = client.state(&path(scheme::ACCOUNT, &key)).await?;
        shown.accounts.insert(key, state);
    }
    let key = account(COVERED);
    let state = client.state(&path(scheme::SETTLEMENT_ACCOUNT, &key)).await?;
    shown.settlements.insert(key, state);
    Ok(shown)
}
