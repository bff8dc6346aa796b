//! What is given and what is done: blocks whose rows are commands.

use super::Wrong;
use super::block::{Block, Row, Table};
use super::cell::{duration_ms, number};
use crate::fixture;
use crate::scenario::{
    Action, Delivery, ExpectedOutcome, Expiration, Field, Scenario, Sending, Step,
};

/// A command in which nobody is named but the aggregate that is asked.
struct Asking {
    aggregate_type: &'static str,
    kind: &'static str,
    /// The column of the key, then those of the fields.
    columns: &'static [&'static str],
    /// How many of these must be there.
    required: usize,
}

/// For each account what it takes to be there; a participant that was there before is left alone.
pub(super) fn given_accounts(
    scenario: &Scenario,
    block: &Block<'_>,
) -> Result<Vec<Sending>, Wrong> {
    let table = Table::new(block, &["account", "cap"], &["alarm", "position", "funds"])?;
    let mut known = created(scenario);
    let mut sendings = Vec::new();
    for row in &block.rows {
        let account = table.cell(row, "account");
        let (participant, _) = account
            .split_once('/')
            .ok_or_else(|| Wrong::at(row.line, "an account is participant/currency"))?;
        let participant = participant.to_owned();
        let mut accepted = |aggregate_type, kind, key: &str, fields| {
            sendings.push(Sending {
                line: row.line,
                action: Action::Ask { aggregate_type, key: key.to_owned(), kind, fields },
                outcome: ExpectedOutcome::Accepted,
                reply: None,
            });
        };
        if !known.contains(&participant) {
            known.push(participant.clone());
            let name = ("name", Field::Text(participant.clone()));
            accepted(scheme::PARTICIPANT, "CreateParticipant", &participant, vec![name]);
            accepted(scheme::PARTICIPANT, "ActivateParticipant", &participant, Vec::new());
        }
        let funds = fields_of(&table, row, &[], &["funds"])?;
        if !funds.is_empty() {
            accepted(scheme::SETTLEMENT_ACCOUNT, "OpenSettlementAccount", account, funds);
        }
        let fields = fields_of(&table, row, &["cap"], &["alarm", "position"])?;
        accepted(scheme::ACCOUNT, "OpenAccount", account, fields);
    }
    Ok(sendings)
}

/// The cells of these columns that say something. One that may not be left out says something even
/// if it is empty.
fn fields_of(
    table: &Table<'_>,
    row: &Row<'_>,
    required: &[&'static str],
    optional: &[&'static str],
) -> Result<Vec<(&'static str, Field)>, Wrong> {
    let mut fields = Vec::new();
    for column in required.iter().chain(optional) {
        let text = match table.cell(row, column) {
            "-" => continue,
            "" if optional.contains(column) => continue,
            text => text,
        };
        let field = match *column {
            "alarm" => Field::Number(number(row.line, text)?),
            _ => Field::Text(text.to_owned()),
        };
        fields.push((*column, field));
    }
    Ok(fields)
}

/// The participants that were taken up so far.
fn created(scenario: &Scenario) -> Vec<String> {
    let sent = scenario.steps.iter().filter_map(|step| match step {
        Step::Send { sendings, .. } => Some(sendings),
        _ => None,
    });
    sent.flatten()
        .filter_map(|sending| match &sending.action {
            Action::Ask { kind: "CreateParticipant", key, .. } => Some(key.clone()),
            _ => None,
        })
        .collect()
}

/// What can be asked in that way.
fn asking(what: &str) -> Option<Asking> {
    let of = |aggregate_type, kind, columns, required| {
        Some(Asking { aggregate_type, kind, columns, required })
    };
    match what {
        "create participant" => {
            of(scheme::PARTICIPANT, "CreateParticipant", &["participant", "name"], 2)
        }
        "activate participant" => {
            of(scheme::PARTICIPANT, "ActivateParticipant", &["participant"], 1)
        }
        "deactivate participant" => {
            of(scheme::PARTICIPANT, "DeactivateParticipant", &["participant"], 1)
        }
        "set endpoint" => {
            of(scheme::ENDPOINTS, "SetEndpoint", &["participant", "type", "value"], 3)
        }
        "remove endpoint" => of(scheme::ENDPOINTS, "RemoveEndpoint", &["participant", "type"], 2),
        "open account" => {
            of(scheme::ACCOUNT, "OpenAccount", &["account", "cap", "alarm", "position"], 2)
        }
        "change limits" => of(scheme::ACCOUNT, "ChangeLimits", &["account", "cap", "alarm"], 2),
        "close account" => of(scheme::ACCOUNT, "CloseAccount", &["account"], 1),
        "reopen account" => of(scheme::ACCOUNT, "ReopenAccount", &["account"], 1),
        "open settlement account" => {
            of(scheme::SETTLEMENT_ACCOUNT, "OpenSettlementAccount", &["account", "funds"], 1)
        }
        "fund in" => {
            of(scheme::SETTLEMENT_ACCOUNT, "FundIn", &["account", "reference", "amount"], 3)
        }
        "fund out" => {
            of(scheme::SETTLEMENT_ACCOUNT, "FundOut", &["account", "reference", "amount"], 3)
        }
        _ => None,
    }
}

pub(super) fn sendings(block: &Block<'_>, what: &str) -> Result<Vec<Sending>, Wrong> {
    if let Some(asking) = asking(what) {
        let (required, optional) = asking.columns.split_at(asking.required);
        let table = Table::new(block, &[required, &["outcome"]].concat(), optional)?;
        return each_row(block, &table, |row| {
            Ok(Action::Ask {
                aggregate_type: asking.aggregate_type,
                key: table.cell(row, required[0]).to_owned(),
                kind: asking.kind,
                fields: fields_of(&table, row, &required[1..], optional)?,
            })
        });
    }
    let (required, optional): (&[&str], &[&str]) = match what {
        "prepare" => (
            &["transfer", "payer", "payee", "amount", "outcome"],
            &["currency", "expiration", "condition", "reply"],
        ),
        "fulfil" => (&["transfer", "outcome"], &["by", "fulfilment", "reply"]),
        "abort" => (&["transfer", "code", "outcome"], &["by", "reason", "reply"]),
        "send" => (&["type", "key", "command", "body", "outcome"], &[]),
        _ => return Err(Wrong::at(block.line, format!("not something to do: {what}"))),
    };
    let table = Table::new(block, required, optional)?;
    each_row(block, &table, |row| action(&table, row, what))
}

/// What arrives again.
pub(super) fn deliveries(block: &Block<'_>) -> Result<Vec<Delivery>, Wrong> {
    let table = Table::new(block, &["to", "command"], &[])?;
    let delivery = |row: &Row<'_>| {
        let to = table.cell(row, "to").split_once(' ');
        let to = to.ok_or_else(|| Wrong::at(row.line, "to whom: as in account simfsp01/USD"))?;
        Ok(Delivery {
            line: row.line,
            aggregate_type: to.0.to_owned(),
            key: to.1.to_owned(),
            kind: table.cell(row, "command").to_owned(),
        })
    };
    block.rows.iter().map(delivery).collect()
}

fn each_row(
    block: &Block<'_>,
    table: &Table<'_>,
    action: impl Fn(&Row<'_>) -> Result<Action, Wrong>,
) -> Result<Vec<Sending>, Wrong> {
    let sending = |row: &Row<'_>| {
        Ok(Sending {
            line: row.line,
            action: action(row)?,
            outcome: outcome(row.line, table.cell(row, "outcome"))?,
            reply: table.optional(row, "reply").map(str::to_owned),
        })
    };
    block.rows.iter().map(sending).collect()
}

fn action(table: &Table<'_>, row: &Row<'_>, what: &str) -> Result<Action, Wrong> {
    let cell = |column| table.cell(row, column).to_owned();
    let or = |column, default: &str| table.optional(row, column).unwrap_or(default).to_owned();
    let by = || table.optional(row, "by").map(str::to_owned);
    Ok(match what {
        "prepare" => Action::Prepare {
            transfer: cell("transfer"),
            payer: cell("payer"),
            payee: cell("payee"),
            amount: cell("amount"),
            currency: or("currency", fixture::CURRENCY),
            expiration: expiration(row.line, table.optional(row, "expiration"))?,
            condition: or("condition", fixture::CONDITION),
        },
        "fulfil" => Action::Fulfil {
            transfer: cell("transfer"),
            by: by(),
            fulfilment: or("fulfilment", fixture::FULFILMENT),
        },
        "abort" => Action::Abort {
            transfer: cell("transfer"),
            by: by(),
            code: cell("code"),
            reason: cell("reason"),
        },
        _ => Action::Other {
            aggregate_type: cell("type"),
            key: cell("key"),
            kind: cell("command"),
            body: cell("body"),
        },
    })
}

fn expiration(line: usize, text: Option<&str>) -> Result<Expiration, Wrong> {
    let signed = |text| duration_ms(line, text).map(|ms| ms as i64);
    let Some(text) = text else {
        return Ok(Expiration::FromStart(fixture::EXPIRES_AFTER_MS));
    };
    if let Some(text) = text.strip_prefix("in ") {
        return signed(text).map(Expiration::FromStart);
    }
    if let Some(text) = text.strip_suffix(" ago") {
        return signed(text).map(|ms| Expiration::FromStart(-ms));
    }
    Ok(Expiration::Text(text.to_owned()))
}

fn outcome(line: usize, text: &str) -> Result<ExpectedOutcome, Wrong> {
    match text.split_once(' ') {
        None if text == "accepted" => Ok(ExpectedOutcome::Accepted),
        None if text == "nothing" => Ok(ExpectedOutcome::Nothing),
        Some(("refused", why)) => {
            let (code, details) = match why.split_once(": ") {
                Some((code, details)) => (code, Some(details.to_owned())),
                None => (why, None),
            };
            Ok(ExpectedOutcome::Refused { code: code.to_owned(), details })
        }
        _ => Err(Wrong::at(line, format!("accepted, nothing, or refused and a code, not: {text}"))),
    }
}
