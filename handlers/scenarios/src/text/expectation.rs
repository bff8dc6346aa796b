//! What is seen: blocks whose rows are fields of states, or events.

use super::Wrong;
use super::block::{Block, Row, Table};
use crate::scenario::{Expectation, ExpectedEvent};

pub(super) fn expectations(block: &Block<'_>, what: &str) -> Result<Vec<Expectation>, Wrong> {
    match what {
        "transfers" => states(block, scheme::TRANSFER, "transfer", &["state"], &["code"]),
        "accounts" => states(
            block,
            scheme::ACCOUNT,
            "account",
            &["reserved", "position"],
            &["cap", "alarm", "cover", "opened", "closed"],
        ),
        "settlement accounts" => {
            states(block, scheme::SETTLEMENT_ACCOUNT, "account", &["funds", "leaving"], &[])
        }
        "endpoints" => endpoints(block),
        "participants" => {
            states(block, scheme::PARTICIPANT, "participant", &["name", "active"], &[])
        }
        "events" => events(block),
        _ => Err(Wrong::at(block.line, format!("not something to see: {what}"))),
    }
}

fn states(
    block: &Block<'_>,
    aggregate_type: &str,
    key: &str,
    required: &[&str],
    optional: &[&str],
) -> Result<Vec<Expectation>, Wrong> {
    let table = Table::new(block, &[&[key], required].concat(), optional)?;
    let expectation = |row: &Row<'_>| {
        let absent = required.iter().all(|column| table.cell(row, column) == "-");
        let fields = required.iter().chain(optional).filter_map(|column| {
            let text = table.optional(row, column)?;
            Some((path(column), text.to_owned()))
        });
        Expectation::State {
            line: row.line,
            aggregate_type: aggregate_type.to_owned(),
            key: table.cell(row, key).to_owned(),
            fields: (!absent).then(|| fields.collect()),
        }
    };
    Ok(block.rows.iter().map(expectation).collect())
}

/// The address of one endpoint on each row.
fn endpoints(block: &Block<'_>) -> Result<Vec<Expectation>, Wrong> {
    let table = Table::new(block, &["participant", "type", "value"], &[])?;
    let expectation = |row: &Row<'_>| Expectation::State {
        line: row.line,
        aggregate_type: scheme::ENDPOINTS.to_owned(),
        key: table.cell(row, "participant").to_owned(),
        fields: Some(vec![(
            vec![table.cell(row, "type").to_owned()],
            table.cell(row, "value").to_owned(),
        )]),
    };
    Ok(block.rows.iter().map(expectation).collect())
}

/// Where a column's field is in the state.
fn path(column: &str) -> Vec<String> {
    let path: &[&str] = match column {
        "code" => &["failure", "code"],
        other => &[other],
    };
    path.iter().map(|&name| name.to_owned()).collect()
}

fn events(block: &Block<'_>) -> Result<Vec<Expectation>, Wrong> {
    let table = Table::new(block, &["of", "event"], &["with"])?;
    let mut expectations: Vec<Expectation> = Vec::new();
    for row in &block.rows {
        let (of, kind) = (table.cell(row, "of"), table.cell(row, "event").to_owned());
        let (aggregate_type, key) = of
            .split_once(' ')
            .ok_or_else(|| Wrong::at(row.line, "whose events: as in transfer T1"))?;
        let fields =
            table.optional(row, "with").map_or(Ok(vec![]), |text| fields(row.line, text))?;
        let event = ExpectedEvent { kind, fields };
        let known = expectations.iter_mut().find_map(|expectation| match expectation {
            Expectation::Events { aggregate_type: t, key: k, events, .. }
                if t == aggregate_type && k == key =>
            {
                Some(events)
            }
            _ => None,
        });
        match known {
            Some(events) => events.push(event),
            None => expectations.push(Expectation::Events {
                line: row.line,
                aggregate_type: aggregate_type.to_owned(),
                key: key.to_owned(),
                events: vec![event],
            }),
        }
    }
    Ok(expectations)
}

fn fields(line: usize, text: &str) -> Result<Vec<(String, String)>, Wrong> {
    text.split(',')
        .map(|pair| {
            let (field, value) = pair
                .trim()
                .split_once(' ')
                .ok_or_else(|| Wrong::at(line, format!("field and value, not: {pair}")))?;
            Ok((field.to_owned(), value.to_owned()))
        })
        .collect()
}
