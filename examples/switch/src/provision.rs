//! Participants and accounts, made before the first transfer.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use scheme::directory::{self, ListedAccount, ListedParticipant};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::client::Client;
use crate::ledger::Figures;
use crate::transfer::{
    BARE, CAP, CLOSED, COVER, COVERED, Command, MODEST, MODEST_CAP, PARTICIPANTS, RETIRED,
    UNCAPPED, account, participant,
};

const SOURCE: &str = "operator";
/// Keys that spread over all partitions of a type, with next to no doubt.
const UNKNOWN: u32 = 64;
/// Between two looks at an account.
const LOOK: Duration = Duration::from_millis(10);
/// How long what was provisioned may take to come into force.
const PATIENCE: Duration = Duration::from_secs(60);

/// Creates and activates the participants and opens their accounts: those that trade, the one that
/// has paid in too little for what it asks, and those who cannot be paid, or cannot pay. All is answered
/// and in force.
///
/// # Errors
/// When the host refuses anything.
pub async fn provision(client: &Client) -> Result<()> {
    let participants: Vec<String> = (0..PARTICIPANTS)
        .chain([COVERED, RETIRED, BARE, CLOSED, UNCAPPED, MODEST])
        .map(participant)
        .collect();
    let retired = [participant(RETIRED)];
    let capped: Vec<String> = capped().map(account).collect();
    let [closed, uncapped, modest] = [CLOSED, UNCAPPED, MODEST].map(|number| [account(number)]);
    for (kind, aggregate_type, keys, data) in [
        ("CreateParticipant", scheme::PARTICIPANT, &participants[..], None),
        ("ActivateParticipant", scheme::PARTICIPANT, &participants, Some(json!({}))),
        ("DeactivateParticipant", scheme::PARTICIPANT, &retired, Some(json!({}))),
        ("OpenAccount", scheme::ACCOUNT, &capped, Some(json!({ "cap": CAP }))),
        ("OpenAccount", scheme::ACCOUNT, &uncapped, Some(json!({}))),
        ("OpenAccount", scheme::ACCOUNT, &modest, Some(json!({ "cap": MODEST_CAP }))),
        ("CloseAccount", scheme::ACCOUNT, &closed, Some(json!({}))),
    ] {
        let commands: Vec<Command<'_, Value>> = keys
            .iter()
            .map(|key| {
                let data = data.clone().unwrap_or_else(|| json!({ "name": format!("Bank {key}") }));
                Command::new(SOURCE, kind, aggregate_type, key, data)
            })
            .collect();
        let batch = serde_json::to_vec(&commands)?;
        client.deliver_and_wait(batch.into()).await.with_context(|| format!("cannot {kind}"))?;
    }
    cover(client).await?;
    list(client, &participants).await
}

/// Keys of all accounts that are provisioned.
pub(crate) fn accounts() -> impl Iterator<Item = String> {
    capped().chain([UNCAPPED, MODEST]).map(account)
}

/// Numbers of the participants whose accounts have the usual cap.
fn capped() -> impl Iterator<Item = u64> {
    (0..PARTICIPANTS).chain([COVERED, RETIRED, CLOSED])
}

/// Pays in for one participant, and waits until its account knows.
async fn cover(client: &Client) -> Result<()> {
    let key = account(COVERED);
    let data = json!({ "funds": COVER });
    let open =
        Command::new(SOURCE, "OpenSettlementAccount", scheme::SETTLEMENT_ACCOUNT, &key, data);
    let batch = serde_json::to_vec(&[open])?;
    client.deliver_and_wait(batch.into()).await.context("cannot open a settlement account")?;
    let path = format!("/aggregates/account/{}", key.replace('/', "%2F"));
    let until = Instant::now() + PATIENCE;
    while client.state::<Figures>(&path).await?.cover.is_none() {
        ensure!(Instant::now() < until, "{key} has no cover after {PATIENCE:?}");
        sleep(LOOK).await;
    }
    Ok(())
}

/// Waits until transfers find all of them in the directory, which is made behind their answers.
async fn list(client: &Client, participants: &[String]) -> Result<()> {
    let retired = participant(RETIRED);
    let active = |key: &String| (key.clone(), *key != retired);
    let participants: BTreeMap<String, bool> = participants.iter().map(active).collect();
    let closed = account(CLOSED);
    let open = |key: String| (key.clone(), key != closed);
    let accounts: BTreeMap<String, bool> = accounts().map(open).collect();
    let until = Instant::now() + PATIENCE;
    loop {
        let listed = rows::<ListedParticipant>(client, directory::PARTICIPANTS).await?;
        let active = listed.into_iter().map(|(key, row)| (key, row.active));
        let listed = rows::<ListedAccount>(client, directory::ACCOUNTS).await?;
        let open = listed.into_iter().map(|(key, row)| (key, row.open));
        if active.eq(participants.clone()) && open.eq(accounts.clone()) {
            return Ok(());
        }
        ensure!(Instant::now() < until, "the directory is not complete after {PATIENCE:?}");
        sleep(LOOK).await;
    }
}

/// The rows of a small table, in the order of their keys.
async fn rows<R: DeserializeOwned>(client: &Client, table: &str) -> Result<Vec<(String, R)>> {
    #[derive(Deserialize)]
    struct Page<R> {
        rows: Vec<Row<R>>,
    }
    #[derive(Deserialize)]
    struct Row<R> {
        key: String,
        value: R,
    }
    let page: Page<R> = client.look(&format!("/tables/{table}/rows?limit=100")).await?;
    Ok(page.rows.into_iter().map(|row| (row.key, row.value)).collect())
}

/// Whether the host answers commands that change nothing, in every partition: so all of them have
/// caught up with the log.
///
/// # Errors
/// Never: only if the commands could not be written.
pub async fn answers(client: &Client) -> Result<bool> {
    let participant = participant(0);
    let accounts: Vec<String> = (0..PARTICIPANTS).map(account).collect();
    // Enough unknown ones to meet every partition; each is refused, and leaves nothing behind.
    let transfers: Vec<String> = (0..UNKNOWN).map(|number| format!("unknown-{number}")).collect();
    let activate =
        Command::new("probe", "ActivateParticipant", scheme::PARTICIPANT, &participant, json!({}));
    let open = accounts.iter().map(|key| {
        Command::new(SOURCE, "OpenAccount", scheme::ACCOUNT, key, json!({ "cap": CAP }))
    });
    let fulfil = transfers
        .iter()
        .map(|key| Command::new("probe", "FulfilTransfer", scheme::TRANSFER, key, json!({})));
    let all: Vec<_> = [activate].into_iter().chain(open).chain(fulfil).collect();
    Ok(client.is_answered(serde_json::to_vec(&all)?.into()).await)
}
