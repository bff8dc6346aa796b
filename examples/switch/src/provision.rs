//! Participants and accounts, made before the first transfer.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::client::Client;
use crate::transfer::{CAP, Command, PARTICIPANTS, account, participant};

const SOURCE: &str = "operator";

/// Creates and activates the participants and opens their accounts; all are answered.
///
/// # Errors
/// When the host refuses anything.
pub async fn provision(client: &Client) -> Result<()> {
    let participants: Vec<String> = (0..PARTICIPANTS).map(participant).collect();
    let accounts: Vec<String> = (0..PARTICIPANTS).map(account).collect();
    for (kind, aggregate_type, keys, data) in [
        ("CreateParticipant", scheme::PARTICIPANT, &participants, None),
        ("ActivateParticipant", scheme::PARTICIPANT, &participants, Some(json!({}))),
        ("OpenAccount", scheme::ACCOUNT, &accounts, Some(json!({ "cap": CAP }))),
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
    Ok(())
}

/// Whether the host answers a command that changes nothing.
///
/// # Errors
/// Never: only if the command could not be written.
pub async fn answers(client: &Client) -> Result<bool> {
    let key = participant(0);
    let command =
        Command::new("probe", "ActivateParticipant", scheme::PARTICIPANT, &key, json!({}));
    Ok(client.is_answered(serde_json::to_vec(&[command])?.into()).await)
}
