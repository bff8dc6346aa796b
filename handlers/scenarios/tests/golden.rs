//! Every scenario on the native switch, with and without batches; and the tools themselves: a switch
//! that breaks a law must not pass.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use scenarios::native::Native;
use scenarios::switch::{Command, Event, Outcome};
use scenarios::{Names, Scenario, Switch, codecs, run, text};
use serde_json::Value;
use zamu_guest::Codec;

#[test]
fn every_scenario_holds_whatever_the_batch_size_and_the_form_of_messages() {
    // Both handlers write JSON, both Protobuf, and each alone.
    let protobuf: [&[&str]; 4] = [&[], &codecs::HANDLERS, &["accounts"], &["transfers"]];
    for (batch_max, handlers) in [1, 2, 50].into_iter().zip(protobuf.into_iter().cycle()) {
        for scenario in scenarios::all().unwrap() {
            hold(&scenario, batch_max, handlers);
        }
    }
    for handlers in protobuf {
        for scenario in scenarios::all().unwrap() {
            hold(&scenario, 50, handlers);
        }
    }
}

fn hold(scenario: &Scenario, batch_max: usize, protobuf: &[&str]) {
    let configuration =
        codecs::writing(&scenario.configuration, protobuf, Codec::Protobuf).unwrap();
    let mut switch = Native::new(&configuration, batch_max).unwrap();
    run(scenario, &mut switch, &Names::default())
        .unwrap_or_else(|error| panic!("batches of {batch_max}, {protobuf:?}: {error:#}"));
}

#[test]
fn what_a_scenario_shows_is_the_same_in_every_form() {
    let seen = |codec| {
        let configuration = codecs::writing(&[], &codecs::HANDLERS, codec).unwrap();
        let mut switch = Native::new(&configuration, 50).unwrap();
        run(&scenario("1:"), &mut switch, &Names::default()).unwrap();
        let accounts = ["simfsp01/USD", "simfsp02/USD"].map(|key| ("account", key));
        accounts
            .into_iter()
            .chain([("transfer", "T1")])
            .map(|(of, key)| {
                (switch.state(of, key).unwrap().unwrap(), switch.events(of, key).unwrap())
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(seen(Codec::Json), seen(Codec::Protobuf));
}

#[test]
fn scenarios_can_share_a_switch() {
    let mut switch = Native::new(&[], 50).unwrap();
    for (number, scenario) in scenarios::all().unwrap().iter().enumerate() {
        if !scenario.is_alone() {
            let names = Names { prefix: format!("s{number}-") };
            run(scenario, &mut switch, &names).unwrap_or_else(|error| panic!("{error:#}"));
        }
    }
}

#[test]
fn every_file_beside_the_crate_is_among_the_scenarios() {
    let mut files: Vec<String> = std::fs::read_dir(env!("CARGO_MANIFEST_DIR"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".scenario"))
        .collect();
    files.sort();
    let known: Vec<&str> = scenarios::FILES.iter().map(|(name, _)| *name).collect();
    assert_eq!(files, known);
}

#[test]
fn a_completed_transfer_is_seven_commands_and_seven_events() {
    let told = text::parse(
        "cost",
        "scenario cost
         given accounts
         | account | cap |
         | a/USD   | 10  |
         | b/USD   | 10  |
         then accounts
         | account | reserved | position |
         | a/USD   | 0        | 0        |",
    )
    .unwrap();
    let transfer = text::parse(
        "cost",
        "scenario cost
         when prepare
         | transfer | payer | payee | amount | outcome  |
         | T1       | a     | b     | 1      | accepted |
         when fulfil
         | transfer | outcome  |
         | T1       | accepted |
         then transfers
         | transfer | state     |
         | T1       | COMMITTED |",
    )
    .unwrap();
    let mut switch = Native::new(&[], 1).unwrap();
    run(&told[0], &mut switch, &Names::default()).unwrap();
    let before = switch.counts();
    run(&transfer[0], &mut switch, &Names::default()).unwrap();
    let after = switch.counts();
    assert_eq!((after.0 - before.0, after.1 - before.1), (7, 7));
}

/// Shows what a switch says through a glass that changes it.
struct Glass<F> {
    switch: Native,
    change: F,
}

impl<F: FnMut(&str, Vec<Event>) -> Vec<Event>> Switch for Glass<F> {
    fn now_ms(&mut self) -> anyhow::Result<u64> {
        self.switch.now_ms()
    }

    fn advance(&mut self, ms: u64) -> anyhow::Result<()> {
        self.switch.advance(ms)
    }

    fn send(&mut self, commands: Vec<Command>) -> anyhow::Result<Vec<Outcome>> {
        self.switch.send(commands)
    }

    fn settle(&mut self) -> anyhow::Result<()> {
        self.switch.settle()
    }

    fn hold_back(&mut self, aggregate_type: &str, held: bool) -> anyhow::Result<()> {
        self.switch.hold_back(aggregate_type, held)
    }

    fn deliver_again(&mut self, aggregate_type: &str, key: &str, kind: &str) -> anyhow::Result<()> {
        self.switch.deliver_again(aggregate_type, key, kind)
    }

    fn send_inside(&mut self, command: Command) -> anyhow::Result<Outcome> {
        self.switch.send_inside(command)
    }

    fn state(&mut self, aggregate_type: &str, key: &str) -> anyhow::Result<Option<Value>> {
        self.switch.state(aggregate_type, key)
    }

    fn events(&mut self, aggregate_type: &str, key: &str) -> anyhow::Result<Vec<Event>> {
        let events = self.switch.events(aggregate_type, key)?;
        Ok((self.change)(key, events))
    }
}

fn scenario(title: &str) -> Scenario {
    scenarios::all()
        .unwrap()
        .into_iter()
        .find(|scenario| scenario.title.starts_with(title))
        .unwrap()
}

/// What the checks say of the first golden scenario, seen through the glass.
fn through(change: impl FnMut(&str, Vec<Event>) -> Vec<Event>) -> String {
    let mut glass = Glass { switch: Native::new(&[], 1).unwrap(), change };
    format!("{:#}", run(&scenario("1:"), &mut glass, &Names::default()).unwrap_err())
}

fn drop_kind(kind: &'static str) -> impl FnMut(&str, Vec<Event>) -> Vec<Event> {
    move |_, events| events.into_iter().filter(|event| event.kind != kind).collect()
}

fn double_kind(kind: &'static str) -> impl FnMut(&str, Vec<Event>) -> Vec<Event> {
    move |_, events| {
        events
            .into_iter()
            .flat_map(
                |event| if event.kind == kind { vec![event.clone(), event] } else { vec![event] },
            )
            .collect()
    }
}

fn set(
    kind: &'static str,
    field: &'static str,
    to: &'static str,
) -> impl FnMut(&str, Vec<Event>) -> Vec<Event> {
    move |_, mut events| {
        for event in events.iter_mut().filter(|event| event.kind == kind) {
            event.body[field] = to.into();
        }
        events
    }
}

const LONG_AGO: &str = "1999-01-01T00:00:00.000Z";

/// Makes the cap too low as soon as something else has happened to the account.
fn lower_cap_of_busy_accounts(_: &str, mut events: Vec<Event>) -> Vec<Event> {
    if events.len() > 1 {
        for event in events.iter_mut().filter(|event| event.kind == "AccountOpened") {
            event.body["cap"] = "1".into();
        }
    }
    events
}

/// Nobody has woken a transfer whose offer has ended.
fn end_offers_long_ago(_: &str, mut events: Vec<Event>) -> Vec<Event> {
    for event in events.iter_mut().filter(|event| event.body.get("expiration").is_some()) {
        event.body["expiration"] = LONG_AGO.into();
    }
    events
}

#[test]
fn a_lost_doubled_or_changed_event_breaks_a_law() {
    for (seen, law) in [
        (through(drop_kind("PayerFundsReserved")), "I7"),
        (through(drop_kind("PayeeFundsCommitted")), "I7"),
        (through(drop_kind("TransferFulfilled")), "I7"),
        (through(double_kind("PayeeFundsCommitted")), "I7"),
        (through(double_kind("PayerFundsReserved")), "I7"),
        (through(double_kind("TransferFulfilled")), "I8"),
        (through(drop_kind("TransferPrepared")), "I7"),
        (through(set("PayerFundsReserved", "amount", "1.12")), "I4"),
        (through(set("PayeeFundsCommitted", "transferId", "T9")), "I4"),
        (through(set("PayeeFundsCommitted", "unopened", "true")), "never opened"),
        (through(set("TransferFulfilled", "payee", "simfsp03")), "I7"),
        (through(set("AccountOpened", "cap", "1")), "I7"),
        (through(lower_cap_of_busy_accounts), "I2"),
        (through(set("TransferPrepared", "expiration", LONG_AGO)), "the end of the offer"),
        (through(end_offers_long_ago), "every transfer ends"),
    ] {
        assert!(seen.contains(law), "expected {law}: {seen}");
    }
}

#[test]
fn an_account_that_is_left_out_does_not_balance() {
    let mut glass = Glass {
        switch: Native::new(&[], 1).unwrap(),
        change: |_: &str, events: Vec<Event>| events,
    };
    let golden = scenario("1:");
    run(&golden, &mut glass, &Names::default()).unwrap();
    let mut touched = scenarios::laws::Touched::default();
    touched.transfer("T1".to_owned());
    touched.account("simfsp01/USD".to_owned());
    let error = scenarios::laws::check(&mut glass, &touched).unwrap_err();
    assert!(format!("{error:#}").contains("times in"), "{error:#}");
}

#[test]
fn what_the_switch_does_not_say_fails_the_scenario_with_its_line() {
    let given = "scenario x
        given accounts
        | account | cap |
        | a/USD   | 10  |
        | b/USD   | 10  |
        when prepare
        | transfer | payer | payee | amount | outcome  |
        | T1       | a     | b     | 1      | accepted |
        ";
    for (then, error) in [
        (
            "then transfers\n|transfer|state|\n|T1|COMMITTED|",
            "line 11: transfer T1: expected state COMMITTED, saw {",
        ),
        ("then transfers\n|transfer|state|\n|T1|-|", "line 11: transfer T1: expected none, saw {"),
        ("then transfers\n|transfer|state|\n|T2|RESERVED|", "line 11: transfer T2: there is none"),
        (
            "then accounts\n|account|reserved|position|\n|a/USD|2|0|",
            "line 11: account a/USD: expected reserved 2, saw {",
        ),
        (
            "then events\n|of|event|\n|transfer T1|TransferPrepared|",
            "expected [\"TransferPrepared\"], saw [\"TransferPrepareAccepted\", \"TransferPrepared\"]",
        ),
        (
            "then events\n|of|event|with|\n|account a/USD|AccountOpened|cap 11|\n|account a/USD|PayerFundsReserved||",
            "AccountOpened: expected cap 11, saw {\"cap\":\"10\"}",
        ),
        (
            "when fulfil\n|transfer|outcome|\n|T1|refused 3208|\nthen transfers\n|transfer|state|\n|T1|-|",
            "line 11: expected Refused { code: \"3208\", details: None }, saw Accepted",
        ),
        (
            "when prepare\n|transfer|payer|payee|amount|outcome|reply|\n|T1|a|b|1|nothing|COMMITTED|\n\
             then transfers\n|transfer|state|\n|T1|-|",
            "line 11: expected the reply COMMITTED, saw -",
        ),
    ] {
        let told = text::parse("f", &format!("{given}{then}")).unwrap();
        let mut switch = Native::new(&[], 1).unwrap();
        let seen = format!("{:#}", run(&told[0], &mut switch, &Names::default()).unwrap_err());
        assert!(seen.contains(error), "{then}\n{seen}");
    }
}
