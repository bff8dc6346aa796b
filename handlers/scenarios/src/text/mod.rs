//! Reads scenarios from text. The grammar stands in the crate's documentation.
//!
//! First the text is cut into blocks (a heading and a table), then each block is understood. All
//! that can be wrong with the text is found here, with its line; nothing is run.

mod block;
mod cell;
mod expectation;
mod sending;

use self::block::{Block, Table, blocks};
use self::cell::duration_ms;
use self::expectation::expectations;
use self::sending::{deliveries, given_accounts, sendings};
use crate::scenario::{Scenario, Step};

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
                steps: Vec::new(),
            });
            continue;
        }
        match scenarios.last_mut() {
            Some(scenario) => understand(scenario, &block)?,
            None => return Err(Wrong::at(block.line, "a file begins with: scenario ...")),
        }
    }
    for scenario in &scenarios {
        if !scenario.expects_anything() {
            return Err(Wrong::at(0, format!("scenario {} never says then", scenario.title)));
        }
        if scenario.ends_held_back() {
            let reason = format!("scenario {} never lets go of what it holds back", scenario.title);
            return Err(Wrong::at(0, reason));
        }
    }
    Ok(scenarios)
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

fn understand(scenario: &mut Scenario, block: &Block<'_>) -> Result<(), Wrong> {
    if let Some(step) = held_back_or_let_go(block.heading) {
        if !block.columns.is_empty() {
            return Err(Wrong::at(block.line, "this step has no table"));
        }
        scenario.steps.push(step);
        return Ok(());
    }
    match block.heading.split_once(' ') {
        _ if block.rows.is_empty() => Err(Wrong::at(block.line, "a step has a table with rows")),
        Some(("given", "configuration")) => configure(scenario, block),
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
        Some(("when", "the switch sends")) => {
            scenario.steps.push(Step::SendInside(sendings(block, "send")?));
            Ok(())
        }
        Some(("when", "delivered again")) => {
            scenario.steps.push(Step::DeliverAgain(deliveries(block)?));
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

/// The steps without a table.
fn held_back_or_let_go(heading: &str) -> Option<Step> {
    let aggregate_type = scheme::ACCOUNT;
    match heading {
        "when accounts are held back" => Some(Step::HoldBack { aggregate_type }),
        "when accounts go on" => Some(Step::LetGo { aggregate_type }),
        _ => None,
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::scenario::{Expectation, ExpectedOutcome};

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
            ("scenario x\nwhen accounts are held back\n|a|\n|b|\n", "f:2: this step has no table"),
            (
                "scenario x\nwhen accounts are held back\nthen transfers\n|transfer|state|\n|T1|-|\n",
                "f:0: scenario x never lets go of what it holds back",
            ),
            (
                "scenario x\nwhen delivered again\n|to|command|\n|T1|FulfilTransfer|\n",
                "f:4: to whom: as in account simfsp01/USD",
            ),
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
                _ => None,
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
                _ => None,
            })
            .collect();
        assert_eq!(sent, [(1, Some(123_000)), (0, Some(4))]);
    }

    #[test]
    fn a_scenario_may_have_a_number() {
        let text = format!("{}{SMALLEST}", SMALLEST.replace("scenario x", "scenario 45: x: y"));
        let scenarios = parse("f", &text).unwrap();
        assert_eq!((scenarios[0].number(), scenarios[0].promise()), (Some(45), "x: y"));
        assert_eq!((scenarios[1].number(), scenarios[1].promise()), (None, "x"));
        assert!(!scenarios[1].is_alone());
    }

    #[test]
    fn what_the_switch_does_inside_has_words_of_its_own() {
        let text = format!(
            "{SMALLEST}when accounts are held back\n\
             when the switch sends\n|type|key|command|body|outcome|\n\
             |transfer|T1|AckPayerFundsReserved|{{}}|refused 3208: no such transfer|\n\
             when delivered again\n|to|command|\n|account a/USD|ReservePayerFunds|\n\
             when accounts go on\n"
        );
        let scenario = parse("f", &text).unwrap().remove(0);
        assert!(scenario.is_alone() && !scenario.ends_held_back());
        let [_, Step::HoldBack { .. }, Step::SendInside(sent), Step::DeliverAgain(again), last] =
            &*scenario.steps
        else {
            panic!("{:?}", scenario.steps)
        };
        let refused = ExpectedOutcome::Refused {
            code: "3208".to_owned(),
            details: Some("no such transfer".to_owned()),
        };
        assert_eq!(sent[0].outcome, refused);
        assert_eq!((&*again[0].aggregate_type, &*again[0].key), ("account", "a/USD"));
        assert_eq!(*last, Step::LetGo { aggregate_type: scheme::ACCOUNT });
    }
}
