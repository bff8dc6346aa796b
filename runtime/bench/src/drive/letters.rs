//! Units that a handler broke on: their dead letters, found by looking now and then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use serde::Deserialize;
use tokio::time::sleep;

use crate::client::{Client, Topic};
use crate::drive::Drive;
use crate::tally::End;
use crate::value::Values;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);
const PAGE: usize = 500;

/// Open dead letters so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Letters {
    /// By partition: how many were read, and the last one's id.
    read: BTreeMap<(String, u32), (u64, Option<String>)>,
    /// Units of the commands that broke a handler.
    pub(crate) units: BTreeSet<u64>,
    /// Events that broke one: their types, partitions and numbers.
    pub(crate) events: BTreeSet<(String, u32, u64)>,
    /// How many there are in all.
    pub(crate) count: u64,
    /// What some of them say.
    pub(crate) examples: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Letter {
    id: String,
    reason: String,
    message: String,
    handler: String,
    subject: Option<Subject>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Subject {
    Request { correlation: String },
    Command { correlation: String },
    Wake {},
    Event { number: u64 },
}

/// Ends units by their dead letters, for ever, where any are expected.
///
/// # Errors
/// When the host does not answer as expected.
pub(crate) async fn watch(drive: Arc<Drive>, is_poisoned: bool) -> Result<()> {
    if !is_poisoned || drive.plan.ending.by_answer {
        return std::future::pending().await;
    }
    let mut letters = Letters::default();
    loop {
        sleep(LOOK).await;
        // A host that is busy, or gone, is for others to notice.
        if let Ok(topics) = drive.client.topics().await {
            let known = letters.units.clone();
            letters.read(&drive.client, &drive.plan.values, &topics).await?;
            for unit in letters.units.difference(&known) {
                drive.ended(*unit, End::Faulted);
            }
        }
    }
}

impl Letters {
    /// Reads those that have come since the last look.
    pub(crate) async fn read(
        &mut self,
        client: &Client,
        values: &Values,
        topics: &[Topic],
    ) -> Result<()> {
        for topic in topics {
            let place = (topic.aggregate_type.clone(), topic.partition);
            let (mut done, mut after) = self.read.get(&place).cloned().unwrap_or_default();
            while done < topic.dead_letters {
                let Topic { aggregate_type, partition, .. } = topic;
                let mut path = format!(
                    "/dead-letters?type={aggregate_type}&partition={partition}&limit={PAGE}"
                );
                if let Some(after) = &after {
                    path.push_str(&format!("&after={after}"));
                }
                let page: Vec<Letter> = client.look(&path).await?;
                let Some(last) = page.last() else { break };
                (done, after) = (done + page.len() as u64, Some(last.id.clone()));
                page.into_iter().for_each(|letter| self.note(letter, values, topic));
            }
            self.read.insert(place, (done, after));
        }
        Ok(())
    }

    fn note(&mut self, letter: Letter, values: &Values, topic: &Topic) {
        self.count += 1;
        if self.examples.len() < 3 {
            let Letter { id, reason, message, handler, .. } = &letter;
            self.examples.push(format!("{id}: {handler}: {reason}: {message}"));
        }
        match letter.subject {
            Some(Subject::Request { correlation } | Subject::Command { correlation }) => {
                self.units.extend(values.unit_of(&correlation));
            }
            Some(Subject::Event { number }) => {
                self.events.insert((topic.aggregate_type.clone(), topic.partition, number));
            }
            Some(Subject::Wake {}) | None => {}
        }
    }
}
