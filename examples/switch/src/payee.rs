//! The payee: a client that knows only the live stream. It fulfils what it is told was prepared, or
//! does what the transfer's kind says, which the id tells.

use std::sync::Arc;

use anyhow::{Context, Result};
use scheme::Timestamp;
use serde::Deserialize;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use crate::clerk::Clerk;
use crate::client::Client;
use crate::kinds::{Offered, Transfer, When};
use crate::stream::Stream;
use crate::transfer;

const PREPARED: &str = "types=transfer&kinds=TransferPrepared";
/// Requests under way at once.
const SENDERS: usize = 16;

/// Plays the payee, for ever; answers `batch` transfers in one request, at most.
///
/// # Errors
/// When the host refuses an answer, asks for one that is not ours to give, or is gone for good.
pub(crate) async fn play(client: Client, clerk: Arc<Clerk>, batch: usize) -> Result<()> {
    let (told, prepared) = mpsc::unbounded_channel();
    let prepared = Arc::new(Mutex::new(prepared));
    let mut tasks = JoinSet::new();
    tasks.spawn(listen(client.clone(), told));
    for _ in 0..SENDERS {
        let (prepared, clerk) = (Arc::clone(&prepared), Arc::clone(&clerk));
        tasks.spawn(answer(client.clone(), prepared, clerk, batch));
    }
    // None ends but by an error; the others end with this value.
    match tasks.join_next().await {
        Some(ended) => ended.context("the payee broke")?,
        None => Ok(()),
    }
}

async fn listen(client: Client, told: mpsc::UnboundedSender<Transfer>) -> Result<()> {
    #[derive(Deserialize)]
    struct Prepared<'a> {
        key: &'a str,
        #[serde(borrow)]
        data: Terms<'a>,
    }
    #[derive(Deserialize)]
    struct Terms<'a> {
        condition: &'a str,
    }
    let mut stream = Stream::new(client, PREPARED);
    loop {
        stream
            .next(|json| {
                let Prepared { key, data } = serde_json::from_str(json)?;
                let fulfilment = transfer::fulfilment(key)?;
                anyhow::ensure!(
                    fulfilment.fulfils(&data.condition.parse()?),
                    "transfer {key} has a condition that is not the payee's"
                );
                let Some(transfer) = Transfer::of(key) else { return Ok(()) };
                if transfer.has_words(When::Prepared) {
                    told.send(transfer).context("nobody answers")?;
                }
                Ok(())
            })
            .await?;
    }
}

async fn answer(
    client: Client,
    prepared: Arc<Mutex<mpsc::UnboundedReceiver<Transfer>>>,
    clerk: Arc<Clerk>,
    batch: usize,
) -> Result<()> {
    let mut told = Vec::with_capacity(batch);
    loop {
        told.clear();
        if prepared.lock().await.recv_many(&mut told, batch).await == 0 {
            return Ok(());
        }
        // First: the last transfers may end by what is delivered here, and with them the demo,
        // unless there is something open.
        let questions = clerk.reserve(&told, When::Prepared);
        client.deliver(commands(&told)?.into()).await?;
        clerk.ask_reserved(questions);
    }
}

fn commands(told: &[Transfer]) -> Result<Vec<u8>> {
    let ids: Vec<String> = told.iter().map(|transfer| transfer.id()).collect();
    // What the payee says has nothing to do with when the offer was made, or ends.
    let offered = Offered { made: Timestamp::from_ms(0)?, expiration: "" };
    let mut commands = Vec::with_capacity(told.len());
    for (transfer, id) in told.iter().zip(&ids) {
        let words = transfer.words(When::Prepared, id, offered)?;
        commands.extend(words.into_iter().map(|(command, _)| command));
    }
    Ok(serde_json::to_vec(&commands)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_payee_says_all_that_the_kind_of_each_transfer_has_it_say() {
        let told: Vec<Transfer> = (0..crate::kinds::KINDS.len() as u16)
            .map(|kind| Transfer { index: 9, kind })
            .filter(|transfer| transfer.has_words(When::Prepared))
            .collect();
        let commands: Vec<serde_json::Value> =
            serde_json::from_slice(&commands(&told).unwrap()).unwrap();
        let count = |kind: &str| commands.iter().filter(|command| command["type"] == kind).count();
        assert_eq!((count("FulfilTransfer"), count("AbortTransfer")), (19, 8));
        assert_eq!(commands.len(), 27);
        let of = |transfer: &Transfer| {
            let id = transfer.id();
            commands.iter().filter(|command| command["subject"] == *id).count()
        };
        assert!(told.iter().all(|transfer| of(transfer) > 0));
    }
}
