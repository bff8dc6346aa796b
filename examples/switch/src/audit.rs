//! The count at the end: all events read again from the first one, and the states beside them.

use std::time::Duration;

use anyhow::{Result, bail};
use serde::Deserialize;
use tokio::time::timeout;

use crate::clerk::Clerk;
use crate::client::{Client, Topic};
use crate::kinds::Plan;
use crate::ledger::{Balance, Findings, Ledger, Shown};
use crate::outcomes::Outcomes;
use crate::provision::accounts;
use crate::stream::Stream;
use crate::tally::Tally;
use crate::transfer::{COVERED, account};
use crate::verdicts::Verdicts;

/// Events of whatever type: one that the ledger does not know is to be found.
const ALL: &str = "from=start";
/// Without news for so long, what is still missing is missing.
const SILENCE: Duration = Duration::from_secs(20);

/// A table has stopped.
const STALE: &str = "a table has stopped";

/// Projections, and how far their tables have come.
#[derive(Debug, Deserialize)]
struct Tables {
    projections: Vec<Projection>,
}

#[derive(Debug, Deserialize)]
struct Projection {
    name: String,
    serving: Option<Generation>,
    /// Of one that is made anew.
    building: Option<Generation>,
}

#[derive(Debug, Deserialize)]
struct Generation {
    partitions: Vec<Source>,
}

/// A partition of events that tables are made of.
#[derive(Debug, Deserialize)]
struct Source {
    #[serde(rename = "type")]
    aggregate_type: String,
    partition: u32,
    stale: Option<Stale>,
}

/// At which event it stopped, and why.
#[derive(Debug, Deserialize)]
struct Stale {
    event: serde_json::Value,
    reason: String,
}

/// What the count came to, and how many events were read for it.
#[derive(Debug)]
pub(crate) struct Audit {
    /// The ledger, closed.
    pub(crate) balance: Balance,
    /// How transfers ended, by kind.
    pub(crate) outcomes: Outcomes,
    /// Events read.
    pub(crate) events: u64,
    /// Which version decided what.
    pub(crate) verdicts: Verdicts,
}

/// Reads all events and closes the ledger over the transfers that the host took.
///
/// # Errors
/// When the host does not answer, or shows fewer events than it says it has.
pub(crate) async fn audit(
    client: &Client,
    tally: &Tally,
    plan: &Plan,
    clerk: &Clerk,
) -> Result<Audit> {
    let topics = client.topics().await?;
    let events = topics.iter().map(|topic| topic.events).sum();
    let (ledger, verdicts) = read(client, &topics).await?;
    let taken = (0..plan.transfers).filter(|index| tally.was_taken(*index));
    let taken = taken.map(|index| plan.transfer(index).id());
    let mut balance = ledger.close(taken, &shown(client).await?);
    let ways = |transfer| clerk.ways(transfer);
    let outcomes = Outcomes::count(plan, &ledger, ways, &mut balance.findings);
    balance.findings.extend(clerk.findings());
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
    client.look::<Tables>("/tables").await?.find_stale(&mut balance.findings);
    Ok(Audit { balance, outcomes, events, verdicts })
}

impl Tables {
    /// A table that does not follow the log any more tells whoever looks there what is no longer so.
    fn find_stale(&self, findings: &mut Findings) {
        for Projection { name, serving, building } in &self.projections {
            for Generation { partitions } in [serving, building].into_iter().flatten() {
                for Source { aggregate_type, partition, stale } in partitions {
                    let Some(Stale { event, reason }) = stale else { continue };
                    findings.add(STALE, || {
                        format!("{name} of {aggregate_type}/{partition} at {event}: {reason}")
                    });
                }
            }
        }
    }
}

async fn read(client: &Client, topics: &[Topic]) -> Result<(Ledger, Verdicts)> {
    let (mut ledger, mut verdicts) = (Ledger::default(), Verdicts::default());
    let mut stream = Stream::new(client.clone(), ALL);
    while let Some(topic) = unread(&ledger, topics) {
        let enter = |json: &str| verdicts.enter(json).and_then(|()| ledger.enter(json));
        if timeout(SILENCE, stream.next(enter)).await.is_err() {
            let Topic { aggregate_type, partition, events, .. } = topic;
            let entered = ledger.entered(aggregate_type, *partition);
            bail!("{aggregate_type}/{partition} has {events} events, but shows only {entered}");
        }
    }
    Ok((ledger, verdicts))
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::{Value, json};

    use super::*;

    fn generation(stale: &Value) -> Value {
        json!({
            "generation": 1,
            "fold": "f",
            "events": { "done": 7, "total": 9 },
            "partitions": [
                { "type": "account", "partition": 0, "next": 4, "end": 4, "lag": 0, "stale": null },
                { "type": "account", "partition": 1, "next": 3, "end": 5, "lag": 2, "stale": stale },
            ],
        })
    }

    fn find(serving: &Value, building: &Value) -> Vec<String> {
        let told = json!({ "projections": [
            { "name": "directory", "tables": [], "serving": serving, "building": building },
        ] });
        let mut findings = Findings::default();
        serde_json::from_value::<Tables>(told).unwrap().find_stale(&mut findings);
        findings.lines().collect()
    }

    #[test]
    fn a_table_that_has_stopped_is_found_and_one_that_is_behind_is_not() {
        let well = generation(&Value::Null);
        let stale = generation(&json!({ "event": 3, "reason": "trapped" }));
        for (serving, building) in [(&well, &well), (&well, &Value::Null), (&Value::Null, &well)] {
            assert_eq!(find(serving, building), Vec::<String>::new());
        }
        for (serving, building) in [(&stale, &Value::Null), (&well, &stale)] {
            let found = find(serving, building);
            let example = "a table has stopped: directory of account/1 at 3: trapped";
            assert_eq!(found, ["a table has stopped: 1", example]);
        }
    }
}
