//! Plays a scenario on a switch and holds the switch to it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, bail, ensure};
use scheme::Timestamp;
use serde_json::{Value, json};

use crate::scenario::{
    Action, Delivery, Expectation, ExpectedEvent, ExpectedOutcome, Expiration, Field, Scenario,
    Sending, Step,
};
use crate::switch::{Command, Event, Outcome, Switch};
use crate::{fixture, laws};

/// How names in the text become names in the switch. With a prefix, many scenarios can be played on
/// one switch without meeting.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Goes before every participant and transfer. Participants have at most 32 characters.
    pub prefix: String,
}

impl Names {
    /// The name in the switch. What is no name at all stays none.
    fn of(&self, name: &str) -> String {
        if name.is_empty() { String::new() } else { format!("{}{name}", self.prefix) }
    }
}

/// Plays the scenario, with the laws of money checked at every rest.
///
/// # Errors
/// Where the scenario says one thing and the switch another, or a law is broken: the file, the line,
/// what was to be seen and what was.
pub fn run(scenario: &Scenario, switch: &mut dyn Switch, names: &Names) -> anyhow::Result<()> {
    run_together(&[(scenario, names.clone())], switch, |_| Ok(()))
}

/// Plays many scenarios on one switch, each under its names: the first step of each, then the second
/// of each that has one, and so on, with `between` whenever all have taken a step.
///
/// # Errors
/// As [`run`], and what `between` has.
pub fn run_together<S: Switch + ?Sized>(
    scenarios: &[(&Scenario, Names)],
    switch: &mut S,
    mut between: impl FnMut(&mut S) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let start_ms = switch.now_ms()?;
    let begin = |(_, names): &(&Scenario, Names)| Run {
        names: names.clone(),
        start_ms,
        touched: laws::Touched::default(),
        payees: BTreeMap::new(),
        held: BTreeSet::new(),
    };
    let mut runs: Vec<Run> = scenarios.iter().map(begin).collect();
    let steps = scenarios.iter().map(|(scenario, _)| scenario.steps.len()).max().unwrap_or(0);
    for number in 0..steps {
        for ((scenario, _), run) in scenarios.iter().zip(&mut runs) {
            let Some(step) = scenario.steps.get(number) else { continue };
            run.step(step, switch)
                .with_context(|| format!("{}: scenario {}", scenario.file, scenario.title))?;
        }
        between(switch)?;
    }
    Ok(())
}

/// A scenario under way.
struct Run {
    names: Names,
    start_ms: u64,
    touched: laws::Touched,
    /// The payee of each transfer when it was first asked for.
    payees: BTreeMap<String, String>,
    /// The types that are held back.
    held: BTreeSet<&'static str>,
}

impl Run {
    fn step<S: Switch + ?Sized>(&mut self, step: &Step, switch: &mut S) -> anyhow::Result<()> {
        match step {
            Step::Send { sendings, later_by_ms } => self.send(sendings, *later_by_ms, switch),
            Step::SendInside(sendings) => self.send_inside(sendings, switch),
            Step::DeliverAgain(deliveries) => self.deliver_again(deliveries, switch),
            Step::HoldBack { aggregate_type } => {
                self.held.insert(aggregate_type);
                switch.hold_back(aggregate_type, true)
            }
            Step::LetGo { aggregate_type } => {
                self.held.remove(aggregate_type);
                switch.hold_back(aggregate_type, false)?;
                self.rest(switch)
            }
            Step::Expect(expectations) => self.expect(expectations, switch),
        }
    }

    fn send<S: Switch + ?Sized>(
        &mut self,
        sendings: &[Sending],
        later_by_ms: Option<u64>,
        switch: &mut S,
    ) -> anyhow::Result<()> {
        let commands = sendings
            .iter()
            .map(|sending| self.command(&sending.action))
            .collect::<Result<Vec<_>, _>>()?;
        let outcomes = switch.send(commands)?;
        ensure!(
            outcomes.len() == sendings.len(),
            "{} outcomes for {} commands",
            outcomes.len(),
            sendings.len()
        );
        for (sending, outcome) in sendings.iter().zip(&outcomes) {
            check_outcome(sending, outcome).with_context(|| format!("line {}", sending.line))?;
        }
        if let Some(ms) = later_by_ms {
            switch.advance(ms)?;
        }
        self.rest(switch)
            .with_context(|| format!("after line {}", sendings.last().map_or(0, |last| last.line)))
    }

    fn send_inside<S: Switch + ?Sized>(
        &mut self,
        sendings: &[Sending],
        switch: &mut S,
    ) -> anyhow::Result<()> {
        for sending in sendings {
            let outcome = switch.send_inside(self.command(&sending.action)?)?;
            check_outcome(sending, &outcome).with_context(|| format!("line {}", sending.line))?;
        }
        self.rest(switch)
    }

    fn deliver_again<S: Switch + ?Sized>(
        &mut self,
        deliveries: &[Delivery],
        switch: &mut S,
    ) -> anyhow::Result<()> {
        for Delivery { line, aggregate_type, key, kind } in deliveries {
            let key = self.names.of(key);
            switch
                .deliver_again(aggregate_type, &key, kind)
                .with_context(|| format!("line {line}: {kind} to {aggregate_type} {key}"))?;
        }
        self.rest(switch)
    }

    /// The switch comes to rest. The laws hold there, unless something is still on its way.
    fn rest<S: Switch + ?Sized>(&self, switch: &mut S) -> anyhow::Result<()> {
        switch.settle()?;
        if self.held.is_empty() { laws::check(switch, &self.touched) } else { Ok(()) }
    }

    /// The command, and a note of whom it may touch.
    fn command(&mut self, action: &Action) -> anyhow::Result<Command> {
        let (aggregate_type, key, kind, body) = match action {
            Action::Prepare { transfer, payer, payee, amount, currency, expiration, condition } => {
                self.payees.entry(transfer.clone()).or_insert_with(|| payee.clone());
                let (payer, payee) = (self.names.of(payer), self.names.of(payee));
                self.touched.transfer(self.names.of(transfer));
                self.touched.account(format!("{payer}/{currency}"));
                self.touched.account(format!("{payee}/{currency}"));
                let body = json!({
                    "payer": payer,
                    "payee": payee,
                    "amount": amount,
                    "currency": currency,
                    "expiration": self.expiration(expiration)?,
                    "condition": condition,
                });
                (scheme::TRANSFER, transfer, "PrepareTransfer", body)
            }
            Action::Fulfil { transfer, by, fulfilment } => {
                self.touched.transfer(self.names.of(transfer));
                let fsp = self.names.of(self.sender(transfer, by.as_deref()));
                let body = json!({ "fsp": fsp, "fulfilment": fulfilment });
                (scheme::TRANSFER, transfer, "FulfilTransfer", body)
            }
            Action::Abort { transfer, by, code, reason } => {
                self.touched.transfer(self.names.of(transfer));
                let fsp = self.names.of(self.sender(transfer, by.as_deref()));
                let body = json!({ "fsp": fsp, "code": code, "reason": reason });
                (scheme::TRANSFER, transfer, "AbortTransfer", body)
            }
            Action::Ask { aggregate_type, key, kind, fields } => {
                self.touched.aggregate(aggregate_type, &self.names.of(key));
                (*aggregate_type, key, *kind, body(fields))
            }
            Action::Other { aggregate_type, key, kind, body } => {
                let key = self.names.of(key);
                self.touched.aggregate(aggregate_type, &key);
                return Ok(Command {
                    aggregate_type: aggregate_type.clone(),
                    key,
                    kind: kind.clone(),
                    body: body.clone(),
                });
            }
        };
        Ok(Command {
            aggregate_type: aggregate_type.to_owned(),
            key: self.names.of(key),
            kind: kind.to_owned(),
            body: body.to_string(),
        })
    }

    /// Who answers for the payee: whom the text names, or the payee itself.
    fn sender<'a>(&'a self, transfer: &str, by: Option<&'a str>) -> &'a str {
        by.or_else(|| self.payees.get(transfer).map(|payee| &**payee)).unwrap_or(fixture::PAYEE)
    }

    fn expiration(&self, expiration: &Expiration) -> anyhow::Result<String> {
        Ok(match expiration {
            Expiration::Text(text) => text.clone(),
            Expiration::FromStart(ms) => {
                Timestamp::from_ms(self.start_ms.saturating_add_signed(*ms))?.to_string()
            }
        })
    }

    fn expect<S: Switch + ?Sized>(
        &self,
        expectations: &[Expectation],
        switch: &mut S,
    ) -> anyhow::Result<()> {
        for expectation in expectations {
            match expectation {
                Expectation::State { line, aggregate_type, key, fields } => {
                    let key = self.names.of(key);
                    let state = switch.state(aggregate_type, &key)?;
                    check_state(state.as_ref(), fields.as_deref())
                        .with_context(|| format!("line {line}: {aggregate_type} {key}"))?;
                }
                Expectation::Events { line, aggregate_type, key, events } => {
                    let key = self.names.of(key);
                    let seen = switch.events(aggregate_type, &key)?;
                    self.check_events(&seen, events).with_context(|| {
                        format!("line {line}: events of {aggregate_type} {key}")
                    })?;
                }
            }
        }
        Ok(())
    }

    fn check_events(&self, seen: &[Event], expected: &[ExpectedEvent]) -> anyhow::Result<()> {
        let kinds: Vec<&str> = seen.iter().map(|event| &*event.kind).collect();
        let expected_kinds: Vec<&str> = expected.iter().map(|event| &*event.kind).collect();
        ensure!(kinds == expected_kinds, "expected {expected_kinds:?}, saw {kinds:?}");
        for (event, expected) in seen.iter().zip(expected) {
            for (field, text) in &expected.fields {
                let text = match &**field {
                    "payer" | "payee" | "transferId" => self.names.of(text),
                    _ => text.clone(),
                };
                let value = as_text(event.body.get(field));
                ensure!(
                    value == text,
                    "{}: expected {field} {text}, saw {}",
                    event.kind,
                    event.body
                );
            }
        }
        Ok(())
    }
}

fn body(fields: &[(&'static str, Field)]) -> Value {
    let value = |field: &Field| match field {
        Field::Text(text) => json!(text),
        Field::Number(number) => json!(number),
    };
    fields.iter().map(|(name, field)| ((*name).to_owned(), value(field))).collect()
}

fn check_outcome(sending: &Sending, outcome: &Outcome) -> anyhow::Result<()> {
    let reply = match (&sending.outcome, outcome) {
        (ExpectedOutcome::Accepted, Outcome::Accepted { reply })
        | (ExpectedOutcome::Nothing, Outcome::Nothing { reply }) => reply.as_ref(),
        (
            ExpectedOutcome::Refused { code, details },
            Outcome::Refused { code: seen, details: why },
        ) if code == seen && details.as_ref().is_none_or(|details| details == why) => None,
        (expected, seen) => bail!("expected {expected:?}, saw {seen:?}"),
    };
    let Some(expected) = &sending.reply else { return Ok(()) };
    let seen = reply.map_or_else(
        || "-".to_owned(),
        |reply| match (as_text(reply.get("state")), reply.get("code")) {
            (state, None) => state,
            (state, code) => format!("{state} {}", as_text(code)),
        },
    );
    ensure!(seen == *expected, "expected the reply {expected}, saw {seen}");
    Ok(())
}

fn check_state(
    state: Option<&Value>,
    fields: Option<&[(Vec<String>, String)]>,
) -> anyhow::Result<()> {
    let (state, fields) = match (state, fields) {
        (None, None) => return Ok(()),
        (Some(state), None) => bail!("expected none, saw {state}"),
        (None, Some(_)) => bail!("there is none"),
        (Some(state), Some(fields)) => (state, fields),
    };
    for (path, text) in fields {
        let value = as_text(path.iter().try_fold(state, |value, name| value.get(name)));
        ensure!(value == *text, "expected {} {text}, saw {state}", path.join("."));
    }
    Ok(())
}

/// A field as the text has it: `-` for none.
fn as_text(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}
