//! The payee: a client that knows only the live stream. It fulfils what it is told was prepared.

use std::sync::Arc;

use anyhow::{Context, Result};
use serde::Deserialize;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use crate::client::Client;
use crate::stream::Stream;
use crate::transfer::{self, Command, Fulfil};

const SOURCE: &str = "payees";
const PREPARED: &str = "types=transfer&kinds=TransferPrepared";
/// Requests under way at once.
const SENDERS: usize = 16;

/// A transfer that was prepared, and who may fulfil it.
type Told = (String, String);

/// Plays the payee, for ever; at most `batch` fulfilments in one request.
///
/// # Errors
/// When the host refuses a fulfilment, asks for one that is not ours to give, or is gone for good.
pub(crate) async fn play(client: Client, batch: usize) -> Result<()> {
    let (told, prepared) = mpsc::unbounded_channel();
    let prepared = Arc::new(Mutex::new(prepared));
    let mut tasks = JoinSet::new();
    tasks.spawn(listen(client.clone(), told));
    for _ in 0..SENDERS {
        tasks.spawn(fulfil(client.clone(), Arc::clone(&prepared), batch));
    }
    // None ends but by an error; the others end with this value.
    match tasks.join_next().await {
        Some(ended) => ended.context("the payee broke")?,
        None => Ok(()),
    }
}

async fn listen(client: Client, told: mpsc::UnboundedSender<Told>) -> Result<()> {
    #[derive(Deserialize)]
    struct Prepared<'a> {
        key: &'a str,
        #[serde(borrow)]
        data: Terms<'a>,
    }
    #[derive(Deserialize)]
    struct Terms<'a> {
        payee: &'a str,
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
                told.send((key.to_owned(), data.payee.to_owned())).context("nobody fulfils")
            })
            .await?;
    }
}

async fn fulfil(
    client: Client,
    prepared: Arc<Mutex<mpsc::UnboundedReceiver<Told>>>,
    batch: usize,
) -> Result<()> {
    let mut told = Vec::with_capacity(batch);
    loop {
        told.clear();
        if prepared.lock().await.recv_many(&mut told, batch).await == 0 {
            return Ok(());
        }
        client.deliver(commands(&told)?.into()).await?;
    }
}

fn commands(told: &[Told]) -> Result<Vec<u8>> {
    let commands = told.iter().map(|(id, payee)| {
        let data = Fulfil { fsp: payee.clone(), fulfilment: transfer::fulfilment(id)? };
        Ok(Command::new(SOURCE, "FulfilTransfer", scheme::TRANSFER, id, data))
    });
    let commands: Vec<Command<'_, Fulfil>> = commands.collect::<Result<_>>()?;
    Ok(serde_json::to_vec(&commands)?)
}
