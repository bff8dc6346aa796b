//! The payer's side: asks for transfers at the given pace, of the kinds that the plan says, and sees
//! them end.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use scheme::Timestamp;
use serde::Deserialize;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::clerk::Clerk;
use crate::client::Client;
use crate::kinds::{Offered, Plan, Transfer, When};
use crate::pace::{self, Due, Pace};
use crate::stream::Stream;
use crate::tally::Tally;

/// Requests under way at once.
const SENDERS: usize = 8;
/// The final events of a transfer.
const ENDS: &str =
    "types=transfer&kinds=TransferFulfilled,TransferRejected,TransferReleased,InvalidTransfer";
/// How long usual offers stand: longer than any demo.
const OFFER: Duration = Duration::from_secs(24 * 3_600);

/// All that sender and stream share.
#[derive(Debug)]
pub(crate) struct Load {
    /// The host.
    pub(crate) client: Client,
    /// What to send.
    pub(crate) plan: Plan,
    /// When to send it.
    pub(crate) pace: Pace,
    /// What is known of each transfer.
    pub(crate) tally: Tally,
    /// Who compares answers.
    pub(crate) clerk: Arc<Clerk>,
}

/// Sends all transfers, and returns when the host has taken each.
///
/// # Errors
/// When the host refuses one or is gone for good.
pub(crate) async fn send(load: Arc<Load>) -> Result<()> {
    let mut senders = JoinSet::new();
    for _ in 0..SENDERS {
        senders.spawn(send_in_turn(Arc::clone(&load)));
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
        #[serde(borrow)]
        data: Outcome<'a>,
    }
    #[derive(Deserialize)]
    struct Outcome<'a> {
        #[serde(borrow)]
        state: Option<&'a str>,
        #[serde(borrow)]
        code: Option<&'a str>,
    }
    let mut stream = Stream::new(load.client.clone(), ENDS);
    loop {
        stream
            .next(|json| {
                let Ended { key, kind, data: Outcome { state, code } } =
                    serde_json::from_str(json)?;
                let Some(transfer) = Transfer::of(key) else { return Ok(()) };
                let is_fulfilled = kind == "TransferFulfilled";
                let state = match kind {
                    _ if is_fulfilled => "COMMITTED",
                    "InvalidTransfer" => "INVALID",
                    _ => state.context("a final event without its state")?,
                };
                // Before it counts as ended: nobody is to think that all is said.
                if transfer.kind().ends[0].is(state, code) {
                    load.clerk.ask(transfer, When::Ended);
                }
                if load.tally.ended(transfer.index, is_fulfilled) {
                    load.pace.finished();
                }
                Ok(())
            })
            .await?;
    }
}

async fn send_in_turn(load: Arc<Load>) -> Result<()> {
    while let Some(due) = load.pace.next().await? {
        note_start(&load, &due);
        let transfers: Vec<Transfer> =
            due.indices.clone().map(|index| load.plan.transfer(index)).collect();
        let offered = Offered { made: now()?, expiration: load.clerk.expiration() };
        let batch = batch(&transfers, offered)?;
        load.clerk.note_offers(&transfers, offered.made);
        load.client.deliver(batch.into()).await?;
        load.tally.taken(due.indices);
        for transfer in transfers {
            load.clerk.ask(transfer, When::AtOnce);
        }
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

/// The offers, and behind each what is said at once.
fn batch(transfers: &[Transfer], offered: Offered<'_>) -> Result<Vec<u8>> {
    let ids: Vec<String> = transfers.iter().map(|transfer| transfer.id()).collect();
    let mut commands = Vec::with_capacity(transfers.len());
    for (transfer, id) in transfers.iter().zip(&ids) {
        commands.push(transfer.offer(id, offered)?);
        if transfer.has_words(When::AtOnce) {
            let words = transfer.words(When::AtOnce, id, offered)?;
            commands.extend(words.into_iter().map(|(command, _)| command));
        }
    }
    Ok(serde_json::to_vec(&commands)?)
}

/// Until when the usual offers stand that are made from now on.
///
/// # Errors
/// When the clock is not set.
pub(crate) fn expiration() -> Result<String> {
    let until = now()?.ms() + OFFER.as_millis() as u64;
    Ok(Timestamp::from_ms(until)?.to_string())
}

fn now() -> Result<Timestamp> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock")?;
    Ok(Timestamp::from_ms(u64::try_from(now.as_millis())?)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn batch_of(plan: Plan, indices: std::ops::Range<u64>) -> Vec<serde_json::Value> {
        let transfers: Vec<Transfer> = indices.map(|index| plan.transfer(index)).collect();
        let made = Timestamp::from_ms(1_795_425_157_000).unwrap();
        let offered = Offered { made, expiration: "2030-01-01T00:00:00.000Z" };
        let json = batch(&transfers, offered).unwrap();
        serde_json::from_slice(&json).unwrap()
    }

    #[test]
    fn a_happy_batch_holds_one_prepare_per_transfer_due() {
        let plan = Plan { transfers: 100, unhappy_percent: 0, for_versions: false };
        let commands = batch_of(plan, 5..8);
        assert_eq!(commands.len(), 3);
        for (index, command) in (5..).zip(&commands) {
            assert_eq!(command["subject"], plan.transfer(index).id());
            assert_eq!(command["type"], "PrepareTransfer");
            assert_eq!(command["data"]["currency"], "USD");
            assert_ne!(command["data"]["payer"], command["data"]["payee"]);
        }
    }

    #[test]
    fn what_is_said_at_once_stands_right_behind_its_offer() {
        let plan = Plan { transfers: 100, unhappy_percent: 100, for_versions: false };
        let commands = batch_of(plan, 0..42);
        let more = |command: &serde_json::Value| {
            let id = command["id"].as_str().unwrap();
            id.ends_with("/again") || id.ends_with("/early")
        };
        let places: Vec<usize> = (0..commands.len()).filter(|at| more(&commands[*at])).collect();
        assert_eq!((commands.len(), places.len()), (46, 4));
        for place in places {
            assert_eq!(commands[place]["subject"], commands[place - 1]["subject"]);
        }
    }

    #[test]
    fn the_same_transfers_make_the_same_batch() {
        let plan = Plan { transfers: 100, unhappy_percent: 50, for_versions: false };
        assert_eq!(batch_of(plan, 0..50), batch_of(plan, 0..50));
    }

    #[test]
    fn usual_offers_stand_for_longer_than_any_demo() {
        let until: Timestamp = expiration().unwrap().parse().unwrap();
        assert!(until.ms() - now().unwrap().ms() > 23 * 3_600_000);
    }
}
