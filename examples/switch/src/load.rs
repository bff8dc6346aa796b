//! The payer's side: asks for transfers at the given pace, and sees them end.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use scheme::Timestamp;
use serde::Deserialize;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::client::Client;
use crate::pace::{self, Due, Pace};
use crate::stream::Stream;
use crate::tally::Tally;
use crate::transfer::{self, Command, Prepare};

const SOURCE: &str = "payers";
/// Requests under way at once.
const SENDERS: usize = 8;
/// The final events of a transfer.
const ENDS: &str =
    "types=transfer&kinds=TransferFulfilled,TransferRejected,TransferReleased,InvalidTransfer";
/// How long offers stand: longer than any demo.
const OFFER: Duration = Duration::from_secs(24 * 3_600);

/// All that sender and stream share.
#[derive(Debug)]
pub(crate) struct Load {
    /// The host.
    pub(crate) client: Client,
    /// When to send.
    pub(crate) pace: Pace,
    /// What is known of each transfer.
    pub(crate) tally: Tally,
}

/// Sends all transfers, and returns when the host has taken each.
///
/// # Errors
/// When the host refuses one or is gone for good.
pub(crate) async fn send(load: Arc<Load>) -> Result<()> {
    let expiration: Arc<str> = expiration()?.into();
    let mut senders = JoinSet::new();
    for _ in 0..SENDERS {
        senders.spawn(send_in_turn(Arc::clone(&load), Arc::clone(&expiration)));
    }
    while let Some(sender) = senders.join_next().await {
        sender.context("a sender broke")??;
    }
    Ok(())
}

/// Follows the transfers to their ends, for ever.
///
/// # Errors
/// When the stream is not to be had.
pub(crate) async fn watch(load: Arc<Load>) -> Result<()> {
    #[derive(Deserialize)]
    struct Ended<'a> {
        key: &'a str,
        kind: &'a str,
    }
    let mut stream = Stream::new(load.client.clone(), ENDS);
    loop {
        stream
            .next(|json| {
                let Ended { key, kind } = serde_json::from_str(json)?;
                let ours = transfer::index(key);
                if ours.is_some_and(|index| load.tally.ended(index, kind == "TransferFulfilled")) {
                    load.pace.finished();
                }
                Ok(())
            })
            .await?;
    }
}

async fn send_in_turn(load: Arc<Load>, expiration: Arc<str>) -> Result<()> {
    while let Some(due) = load.pace.next().await? {
        note_start(&load, &due);
        let batch = batch(&due, &expiration)?;
        load.client.deliver(batch.into()).await?;
        load.tally.taken(due.indices);
    }
    Ok(())
}

/// Latency counts from when a transfer was due, or else from now.
fn note_start(load: &Load, due: &Due) {
    let now = Instant::now();
    for index in due.indices.clone() {
        let since = match due.rate {
            Some(rate) => load.pace.start() + pace::due_at(index, rate),
            None => now,
        };
        load.tally.sent(index, since);
    }
}

fn batch(due: &Due, expiration: &str) -> Result<Vec<u8>> {
    let ids: Vec<String> = due.indices.clone().map(transfer::id).collect();
    let commands = due.indices.clone().zip(&ids).map(|(index, id)| {
        let data = Prepare::new(index, id, expiration)?;
        Ok(Command::new(SOURCE, "PrepareTransfer", scheme::TRANSFER, id, data))
    });
    let commands: Vec<Command<'_, Prepare<'_>>> = commands.collect::<Result<_>>()?;
    Ok(serde_json::to_vec(&commands)?)
}

fn expiration() -> Result<String> {
    let until = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock")? + OFFER;
    Ok(Timestamp::from_ms(u64::try_from(until.as_millis())?)?.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_batch_holds_one_prepare_per_transfer_due() {
        let due = Due { indices: 5..8, rate: None };
        let json: serde_json::Value =
            serde_json::from_slice(&batch(&due, &expiration().unwrap()).unwrap()).unwrap();
        let commands = json.as_array().unwrap();
        assert_eq!(commands.len(), 3);
        for (index, command) in (5..).zip(commands) {
            assert_eq!(command["subject"], transfer::id(index));
            assert_eq!(command["type"], "PrepareTransfer");
            assert_eq!(command["data"]["currency"], "USD");
            assert_ne!(command["data"]["payer"], command["data"]["payee"]);
        }
    }

    #[test]
    fn the_same_transfers_make_the_same_batch() {
        let due = || Due { indices: 0..50, rate: None };
        let expiration = expiration().unwrap();
        assert_eq!(batch(&due(), &expiration).unwrap(), batch(&due(), &expiration).unwrap());
    }
}
