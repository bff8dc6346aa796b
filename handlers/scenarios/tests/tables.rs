//! Reference tables on the native switch: when they get on, and what is looked up in between.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use scenarios::native::Native;
use scenarios::switch::{Command, End, Outcome};
use scenarios::{Driven, Switch, fixture};
use serde_json::{Value, json};
use zamu_guest::testing::Engine;

fn command(aggregate_type: &str, key: &str, kind: &str, body: &Value) -> Command {
    Command {
        aggregate_type: aggregate_type.to_owned(),
        key: key.to_owned(),
        kind: kind.to_owned(),
        body: body.to_string(),
    }
}

/// What it takes to be paid.
fn join() -> Vec<Command> {
    vec![
        command(scheme::PARTICIPANT, "b", "CreateParticipant", &json!({ "name": "B" })),
        command(scheme::PARTICIPANT, "b", "ActivateParticipant", &json!({})),
        command(scheme::ACCOUNT, "b/USD", "OpenAccount", &json!({ "cap": "0" })),
    ]
}

fn prepare(transfer: &str) -> Command {
    let body = json!({
        "payer": "a",
        "payee": "b",
        "amount": "1",
        "currency": "USD",
        "expiration": "9000-01-01T00:00:00.000Z",
        "condition": fixture::CONDITION,
    });
    command(scheme::TRANSFER, transfer, "PrepareTransfer", &body)
}

/// Why the transfer cannot be; nothing if it can.
fn refused(switch: &mut Native, transfer: &str) -> Option<String> {
    let outcomes = switch.send(vec![prepare(transfer)]).unwrap();
    let [Outcome::Accepted { reply }] = &*outcomes else { panic!("{outcomes:?}") };
    reply.as_ref().map(|reply| reply["reason"].as_str().unwrap().to_owned())
}

fn joined() -> Native {
    let mut switch = Native::new(&[], 50).unwrap();
    let outcomes = switch.send(join()).unwrap();
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Accepted { .. })));
    switch
}

#[test]
fn what_happened_since_the_last_rest_is_not_looked_up_yet() {
    let mut switch = joined();
    let nobody = Some("payee: no such participant".to_owned());
    assert_eq!(refused(&mut switch, "T1"), nobody);
    switch.settle().unwrap();
    assert_eq!(refused(&mut switch, "T2"), None);
    let close = command(scheme::ACCOUNT, "b/USD", "CloseAccount", &json!({}));
    switch.send(vec![close]).unwrap();
    assert_eq!(refused(&mut switch, "T3"), None);
    switch.settle().unwrap();
    assert_eq!(refused(&mut switch, "T4").unwrap(), "payee: the account in USD is closed");
}

#[test]
fn a_step_lets_the_tables_get_on_by_one_event() {
    let mut switch = joined();
    let mut seen = Vec::new();
    for number in 0..4 {
        seen.push(refused(&mut switch, &format!("T{number}")));
        switch.step(0).unwrap();
    }
    let said = |text: &str| Some(text.to_owned());
    let expected = [
        said("payee: no such participant"),
        said("payee: the participant is not active"),
        said("payee: no account in USD"),
        None,
    ];
    assert_eq!(seen, expected);
}

#[test]
fn after_a_restart_the_tables_are_where_the_events_are() {
    let mut switch = joined();
    switch.restart(End::Killed).unwrap();
    assert_eq!(refused(&mut switch, "T1"), None);
}

#[test]
fn a_table_that_is_looked_at_and_that_nobody_makes_is_named() {
    let without = || -> Vec<Box<dyn Engine>> {
        vec![
            Box::new(participants::handler()),
            Box::new(accounts::handler()),
            Box::new(transfers::handler()),
        ]
    };
    let error = Native::of(without(), &[], 1).map(drop).unwrap_err().to_string();
    assert!(error.starts_with("transfers looks things up in participants,"), "{error}");
    let with = without().into_iter().chain([Box::new(directory::handler()) as Box<dyn Engine>]);
    assert!(Native::of(with, &[], 1).is_ok());
}
