//! Reads scenarios from text. The grammar stands in the crate's documentation.
//!
//! First the text is cut into blocks (a heading and a table), then each block is understood. All
//! that can be wrong with the text is found here, with its line; nothing is run.

use crate::fixture;
use crate::scenario::{
    Action, Expectation, ExpectedEvent, ExpectedOutcome, Expiration, Field, Scenario, Sending, Step,
};

/// What is wrong with a text, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {reason}")]
pub struct TextError {
    file: String,
    line: usize,
    reason: String,
}

/// Reads all scenarios of a file.
///
/// # Errors
/// The first line that is not understood, and why.
pub fn parse(file: &str, text: &str) -> Result<Vec<Scenario>, TextError> {
    parse_all(file, text).map_err(|Wrong { line, reason }| TextError {
        file: file.to_owned(),
        line,
        reason,
    })
}

/// What is wrong on a line.
#[derive(Debug)]
struct Wrong {
    line: usize,
    reason: String,
}

impl Wrong {
    fn at(line: usize, reason: impl Into<String>) -> Self {
        Self { line, reason: reason.into() }
    }
}

/// A heading with its table.
struct Block<'t> {
    line: usize,
    heading: &'t str,
    columns: Vec<&'t str>,
    rows: Vec<Row<'t>>,
}

struct Row<'t> {
    line: usize,
    cells: Vec<&'t str>,
}

fn parse_all(file: &str, text: &str) -> Result<Vec<Scenario>, Wrong> {
    let mut scenarios: Vec<Scenario> = Vec::new();
    for block in blocks(text)? {
        if let Some(title) = title(block.heading) {
            if !block.columns.is_empty() {
                return Err(Wrong::at(block.line, "a scenario's first line has no table"));
            }
            scenarios.push(Scenario {
                file: file.to_owned(),
                title: title.to_owned(),
                configuration: Vec::new(),
                natively: None,
                steps: Vec::new(),
            });
            continue;
        }
        match scenarios.last_mut() {
            Some(scenario) => understand(scenario, &block)?,
            None => return Err(Wrong::at(block.line, "a file begins with: scenario ...")),
        }
    }
    match scenarios.iter().find(|scenario| !scenario.expects_anything()) {
        Some(scenario) => Err(Wrong::at(0, format!("scenario {} never says then", scenario.title))),
        None => Ok(scenarios),
    }
}

/// What follows the word that begins a scenario: its number, if it has one, and its name.
fn title(heading: &str) -> Option<&str> {
    let rest = heading.strip_prefix("scenario")?;
    rest.strip_prefix(':').or_else(|| rest.strip_prefix(' ')).map(str::trim)
}

impl Scenario {
    fn expects_anything(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Expect(_)))
    }
}

fn blocks(text: &str) -> Result<Vec<Block<'_>>, Wrong> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    for (index, content) in text.lines().enumerate() {
        let (line, content) = (index + 1, content.trim());
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        let Some(row) = content.strip_prefix('|') else {
            blocks.push(Block { line, heading: content, columns: vec![], rows: vec![] });
            continue;
        };
        let row = row.strip_suffix('|').ok_or_else(|| Wrong::at(line, "a row ends with |"))?;
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let block = blocks.last_mut().ok_or_else(|| Wrong::at(line, "a row without a heading"))?;
        if block.columns.is_empty() {
            block.columns = cells;
        } else if cells.len() == block.columns.len() {
            block.rows.push(Row { line, cells });
        } else {
            return Err(Wrong::at(
                line,
                format!("{} cells under {} columns", cells.len(), block.columns.len()),
            ));
        }
    }
    Ok(blocks)
}

fn understand(scenario: &mut Scenario, block: &Block<'_>) -> Result<(), Wrong> {
    match block.heading.split_once(' ') {
        _ if block.rows.is_empty() => Err(Wrong::at(block.line, "a step has a table with rows")),
        Some(("given", "configuration")) => configure(scenario, block),
        Some(("given", "natively")) => {
            let table = Table::new(block, &["because"], &[])?;
            let because = block.rows.iter().map(|row| table.cell(row, "because"));
            scenario.natively = Some(because.collect::<Vec<_>>().join(" "));
            Ok(())
        }
        Some(("given", "accounts")) => {
            let sendings = given_accounts(scenario, block)?;
            scenario.steps.push(Step::Send { sendings, later_by_ms: None });
            Ok(())
        }
        Some(("when", "time passes")) => {
            let later_by_ms = Some(time(block)?);
            scenario.steps.push(Step::Send { sendings: Vec::new(), later_by_ms });
            Ok(())
        }
        Some(("when", what)) => {
            let sendings = sendings(block, what)?;
            scenario.steps.push(Step::Send { sendings, later_by_ms: None });
            Ok(())
        }
        Some(("and", what)) => match scenario.steps.last_mut() {
            Some(Step::Send { later_by_ms, .. })
                if what == "time passes" && later_by_ms.is_none() =>
            {
                *later_by_ms = Some(time(block)?);
                Ok(())
            }
            Some(Step::Send { sendings: together, later_by_ms: None }) => {
                together.extend(sendings(block, what)?);
                Ok(())
            }
            _ => Err(Wrong::at(block.line, "and follows when; time passes last")),
        },
        Some(("then", what)) => {
            scenario.steps.push(Step::Expect(expectations(block, what)?));
            Ok(())
        }
        _ => Err(Wrong::at(block.line, format!("not a step: {}", block.heading))),
    }
}

fn configure(scenario: &mut Scenario, block: &Block<'_>) -> Result<(), Wrong> {
    let table = Table::new(block, &["handler", "configuration"], &[])?;
    for row in &block.rows {
        let (handler, json) = (table.cell(row, "handler"), table.cell(row, "configuration"));
        scenario.configuration.push((handler.to_owned(), json.to_owned()));
    }
    Ok(())
}

fn time(block: &Block<'_>) -> Result<u64, Wrong> {
    let table = Table::new(block, &["by"], &[])?;
    block.rows.iter().map(|row| duration_ms(row.line, table.cell(row, "by"))).sum()
}

/// For each account what it takes to be there; a participant that was there before is left alone.
fn given_accounts(scenario: &Scenario, block: &Block<'_>) -> Result<Vec<Sending>, Wrong> {
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
        Step::Expect(_) => None,
    });
    sent.flatten()
        .filter_map(|sending| match &sending.action {
            Action::Ask { kind: "CreateParticipant", key, .. } => Some(key.clone()),
            _ => None,
        })
        .collect()
}

/// A command in which nobody is named but the aggregate that is asked.
struct Asking {
    aggregate_type: &'static str,
    kind: &'static str,
    /// The column of the key, then those of the fields.
    columns: &'static [&'static str],
    /// How many of these must be there.
    required: usize,
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

fn sendings(block: &Block<'_>, what: &str) -> Result<Vec<Sending>, Wrong> {
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

/// So many minutes, seconds or milliseconds.
fn duration_ms(line: usize, text: &str) -> Result<u64, Wrong> {
    let wrong = || Wrong::at(line, format!("a time is 5 min, 5 s or 5 ms, not: {text}"));
    let (count, unit) = text.split_once(' ').ok_or_else(wrong)?;
    let count = number(line, count)?;
    match unit {
        "min" => Ok(count * 60_000),
        "s" => Ok(count * 1_000),
        "ms" => Ok(count),
        _ => Err(wrong()),
    }
}

fn number(line: usize, text: &str) -> Result<u64, Wrong> {
    let number = text.parse::<u32>().map(u64::from);
    number.map_err(|_| Wrong::at(line, format!("not a number: {text}")))
}

fn outcome(line: usize, text: &str) -> Result<ExpectedOutcome, Wrong> {
    match text.split_once(' ') {
        None if text == "accepted" => Ok(ExpectedOutcome::Accepted),
        None if text == "nothing" => Ok(ExpectedOutcome::Nothing),
        Some(("refused", code)) => Ok(ExpectedOutcome::Refused(code.to_owned())),
        _ => Err(Wrong::at(line, format!("accepted, nothing, or refused and a code, not: {text}"))),
    }
}

fn expectations(block: &Block<'_>, what: &str) -> Result<Vec<Expectation>, Wrong> {
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

/// A block's columns by name.
struct Table<'t> {
    columns: &'t [&'t str],
}

impl<'t> Table<'t> {
    fn new(block: &'t Block<'t>, required: &[&str], optional: &[&str]) -> Result<Self, Wrong> {
        let columns = &*block.columns;
        if let Some(missing) = required.iter().find(|column| !columns.contains(column)) {
            return Err(Wrong::at(block.line, format!("the column {missing} is missing")));
        }
        let known = |column: &&&str| !required.contains(column) && !optional.contains(column);
        if let Some(unknown) = columns.iter().find(known) {
            return Err(Wrong::at(block.line, format!("no such column here: {unknown}")));
        }
        Ok(Self { columns })
    }

    /// A required cell; it may be empty.
    fn cell<'r>(&self, row: &'r Row<'_>, column: &str) -> &'r str {
        let at = self.columns.iter().position(|name| *name == column);
        at.and_then(|at| row.cells.get(at)).copied().unwrap_or_default()
    }

    /// An optional cell, unless it is empty or its column is not there.
    fn optional<'r>(&self, row: &'r Row<'_>, column: &str) -> Option<&'r str> {
        Some(self.cell(row, column)).filter(|text| !text.is_empty())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const SMALLEST: &str = "scenario x\nthen transfers\n|transfer|state|\n|T1|-|\n";

    #[test]
    fn the_smallest_scenario_is_read() {
        let scenarios = parse("f", SMALLEST).unwrap();
        assert_eq!(scenarios[0].title, "x");
        assert_eq!(
            scenarios[0].steps,
            [Step::Expect(vec![Expectation::State {
                line: 4,
                aggregate_type: "transfer".to_owned(),
                key: "T1".to_owned(),
                fields: None,
            }])]
        );
    }

    #[test]
    fn a_text_that_is_not_understood_names_the_line_and_the_reason() {
        for (text, error) in [
            ("then transfers\n|a|\n|b|", "f:1: a file begins with: scenario ..."),
            ("scenario x\n", "f:0: scenario x never says then"),
            ("scenario x\nwhen prepare\n", "f:2: a step has a table with rows"),
            ("scenario x\nwhen prepare\n|transfer|", "f:2: a step has a table with rows"),
            ("scenario x\n|a|\n", "f:1: a scenario's first line has no table"),
            ("| a |\n", "f:1: a row without a heading"),
            ("scenario x\nwhen fulfil\n| transfer | outcome\n", "f:3: a row ends with |"),
            ("scenario x\nwhen fulfil\n|transfer|outcome|\n|T1|\n", "f:4: 1 cells under 2 columns"),
            ("scenario x\nwhen fulfil\n|transfer|\n|T1|\n", "f:2: the column outcome is missing"),
            (
                "scenario x\nwhen fulfil\n|transfer|outcome|colour|\n|T1|accepted|red|\n",
                "f:2: no such column here: colour",
            ),
            ("scenario x\nwhen dance\n|a|\n|b|\n", "f:2: not something to do: dance"),
            ("scenario x\nthen silence\n|a|\n|b|\n", "f:2: not something to see: silence"),
            ("scenario x\nperhaps\n|a|\n|b|\n", "f:2: not a step: perhaps"),
            (
                "scenario x\nand fulfil\n|transfer|outcome|\n|T1|accepted|\n",
                "f:2: and follows when; time passes last",
            ),
            (
                "scenario x\nwhen time passes\n|by|\n|5 min|\nand fulfil\n|transfer|outcome|\n|T1|accepted|\n",
                "f:5: and follows when; time passes last",
            ),
            (
                "scenario x\nwhen time passes\n|by|\n|5 years|\n",
                "f:4: a time is 5 min, 5 s or 5 ms, not: 5 years",
            ),
            ("scenario x\nwhen time passes\n|by|\n|-5 min|\n", "f:4: not a number: -5"),
            (
                "scenario x\nwhen fund in\n|account|amount|outcome|\n|a/USD|5|accepted|\n",
                "f:2: the column reference is missing",
            ),
            (
                "scenario x\nwhen fulfil\n|transfer|outcome|\n|T1|refused|\n",
                "f:4: accepted, nothing, or refused and a code, not: refused",
            ),
            (
                "scenario x\nthen events\n|of|event|\n|T1|Fulfilled|\n",
                "f:4: whose events: as in transfer T1",
            ),
        ] {
            assert_eq!(parse("f", text).unwrap_err().to_string(), error, "{text}");
        }
    }

    #[test]
    fn and_sends_together_with_the_step_before() {
        let text = format!(
            "{SMALLEST}when fulfil\n|transfer|outcome|\n|T1|accepted|\n\
             and fulfil\n|transfer|outcome|\n|T1|refused 3100|\n\
             when fulfil\n|transfer|outcome|\n|T1|nothing|\n"
        );
        let steps = &parse("f", &text).unwrap()[0].steps;
        let sent: Vec<usize> = steps
            .iter()
            .filter_map(|step| match step {
                Step::Send { sendings, .. } => Some(sendings.len()),
                Step::Expect(_) => None,
            })
            .collect();
        assert_eq!(sent, [2, 1]);
    }

    #[test]
    fn time_passes_by_itself_or_after_what_was_sent() {
        let text = format!(
            "{SMALLEST}when fulfil\n|transfer|outcome|\n|T1|accepted|\n\
             and time passes\n|by|\n|2 min|\n|3 s|\n\
             when time passes\n|by|\n|4 ms|\n"
        );
        let scenario = parse("f", &text).unwrap().remove(0);
        assert!(scenario.is_alone());
        let sent: Vec<(usize, Option<u64>)> = scenario
            .steps
            .iter()
            .filter_map(|step| match step {
                Step::Send { sendings, later_by_ms } => Some((sendings.len(), *later_by_ms)),
                Step::Expect(_) => None,
            })
            .collect();
        assert_eq!(sent, [(1, Some(123_000)), (0, Some(4))]);
    }

    #[test]
    fn a_scenario_may_have_a_number_and_a_reason_not_to_be_played_in_the_engine() {
        let text = format!(
            "{}given natively\n|because|\n|of the order|\n{SMALLEST}",
            SMALLEST.replace("scenario x", "scenario 45: x: y")
        );
        let scenarios = parse("f", &text).unwrap();
        assert_eq!((scenarios[0].number(), scenarios[0].promise()), (Some(45), "x: y"));
        assert_eq!(scenarios[0].natively.as_deref(), Some("of the order"));
        assert_eq!((scenarios[1].number(), scenarios[1].promise()), (None, "x"));
        assert_eq!(scenarios[1].natively, None);
        assert!(!scenarios[1].is_alone());
    }
}
