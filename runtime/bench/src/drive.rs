//! Sends units of work at a pace, answers the events that are to be answered, and sees units end.

mod answering;
mod letters;

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::client::Client;
use crate::load::Plan;
use crate::pace::{self, Due, Pace};
use crate::tally::{End, Tally};
use crate::template::{Filling, Subject};

pub(crate) use answering::{Heard, listen};
pub(crate) use letters::{Letters, watch};

/// Requests under way at once.
const SENDERS: usize = 16;

/// All that senders, listeners and watchers share.
#[derive(Debug)]
pub(crate) struct Drive {
    pub(crate) client: Client,
    pub(crate) plan: Plan,
    pub(crate) tally: Tally,
    /// Commands in one request, at most.
    pub(crate) per_request: u32,
    /// What is sent now.
    phase: Mutex<Arc<Phase>>,
}

/// Units that are sent at one pace.
#[derive(Debug)]
pub(crate) struct Phase {
    /// The first of them.
    pub(crate) first: u64,
    pub(crate) pace: Pace,
}

impl Drive {
    pub(crate) fn new(client: Client, plan: Plan, tally: Tally, per_request: u32) -> Self {
        let nothing = Phase { first: 0, pace: Pace::new(0, 1, None, 1) };
        Self { client, plan, tally, per_request, phase: Mutex::new(Arc::new(nothing)) }
    }

    /// What is sent from now on.
    pub(crate) fn begin(&self, phase: Phase) -> Arc<Phase> {
        let phase = Arc::new(phase);
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&phase);
        phase
    }

    /// A unit has ended, perhaps as was known.
    pub(crate) fn ended(&self, unit: u64, end: End) {
        if self.tally.ended(unit, end) {
            let phase = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
            phase.pace.finished();
        }
    }
}

/// Sends all units of a phase, and returns when the host has taken each, or answered each if that is
/// how they end.
///
/// # Errors
/// When the host refuses a request as a whole or is gone for good.
pub(crate) async fn send(drive: Arc<Drive>, phase: Arc<Phase>) -> Result<()> {
    let mut senders = JoinSet::new();
    for _ in 0..SENDERS {
        senders.spawn(send_in_turn(Arc::clone(&drive), Arc::clone(&phase)));
    }
    while let Some(sender) = senders.join_next().await {
        sender.context("a sender broke")??;
    }
    Ok(())
}

async fn send_in_turn(drive: Arc<Drive>, phase: Arc<Phase>) -> Result<()> {
    while let Some(due) = phase.pace.next().await? {
        note_start(&drive, &phase, &due);
        let units = phase.first + due.indices.start..phase.first + due.indices.end;
        let batch = batch(&drive.plan, units.clone())?;
        if drive.plan.ending.by_answer {
            let answers = drive.client.ask(batch.into()).await?;
            drive.tally.taken(units.clone());
            if answers.len() as u64 != units.end - units.start {
                bail!("{} commands were answered {} times", units.end - units.start, answers.len());
            }
            for (unit, answer) in units.zip(&answers) {
                drive.ended(unit, end(answer.get())?);
            }
        } else {
            drive.client.deliver(batch.into()).await?;
            drive.tally.taken(units);
        }
    }
    Ok(())
}

/// Latency counts from when a unit was due, or else from now.
fn note_start(drive: &Drive, phase: &Phase, due: &Due) {
    let now = Instant::now();
    for index in due.indices.clone() {
        let since = match due.rate {
            Some(rate) => phase.pace.start() + pace::due_at(index, rate),
            None => now,
        };
        drive.tally.sent(phase.first + index, since);
    }
}

/// What is sent for these units: a list of commands.
pub(crate) fn batch(plan: &Plan, units: std::ops::Range<u64>) -> Result<String> {
    let mut text = String::from("[");
    for unit in units {
        if text.len() > 1 {
            text.push(',');
        }
        let filling = Filling { values: &plan.values, subject: Subject::Unit(unit), event: None };
        plan.send.write(&filling, &mut text)?;
    }
    text.push(']');
    Ok(text)
}

/// How a unit ended, by the answer to its command.
fn end(answer: &str) -> Result<End> {
    #[derive(Deserialize)]
    struct Answer<'a> {
        outcome: &'a str,
    }
    let Answer { outcome } =
        serde_json::from_str(answer).with_context(|| format!("an answer: {answer}"))?;
    match outcome {
        "accepted" => Ok(End::Completed),
        "refused" | "nothing" => Ok(End::Refused),
        "fault" => Ok(End::Faulted),
        _ => bail!("a command was answered neither yes nor no: {answer}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_answer_tells_how_its_unit_ended() {
        for (answer, expected) in [
            (r#"{"status":200,"outcome":"accepted","sequences":[1]}"#, End::Completed),
            (r#"{"status":422,"outcome":"refused","code":"x"}"#, End::Refused),
            (r#"{"status":200,"outcome":"nothing"}"#, End::Refused),
            (r#"{"status":503,"outcome":"fault","deadLetter":"a/0/1"}"#, End::Faulted),
        ] {
            assert_eq!(end(answer).unwrap(), expected);
        }
        for answer in [r#"{"outcome":"dropped"}"#, r#"{"status":202}"#, "[]"] {
            assert!(end(answer).is_err(), "{answer}");
        }
    }
}
