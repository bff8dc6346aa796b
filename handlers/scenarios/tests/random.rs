//! Random stories: whatever clients send, and in whatever order the switch gets on with it, the laws
//! of money hold whenever it comes to rest.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;
use scenarios::fixture;
use scenarios::laws::{self, Touched};
use scenarios::native::Native;
use scenarios::switch::{Command, Outcome, Switch};
use serde_json::json;

const PARTICIPANTS: usize = 4;
const TRANSFERS: usize = 12;
const CURRENCIES: [&str; 2] = ["USD", "JPY"];
const EXPIRATION: &str = "9000-01-01T00:00:00.000Z";

/// What happens next.
#[derive(Clone, Debug)]
enum Next {
    Open {
        participant: usize,
        currency: usize,
        cap: u32,
    },
    Prepare {
        transfer: usize,
        payer: usize,
        payee: usize,
        currency: usize,
        cents: u32,
    },
    Fulfil {
        transfer: usize,
        right: bool,
    },
    Trespass {
        transfer: usize,
        participant: usize,
        which: usize,
    },
    /// The switch gets on a little.
    Steps(Vec<usize>),
    /// The switch comes to rest.
    Rest,
}

fn next() -> impl Strategy<Value = Next> {
    let (transfer, participant) = (0..TRANSFERS, 0..PARTICIPANTS);
    prop_oneof![
        1 => (participant.clone(), 0..2_usize, 0..3_000_u32)
            .prop_map(|(participant, currency, cap)| Next::Open { participant, currency, cap }),
        4 => (transfer.clone(), participant.clone(), participant.clone(), 0..2_usize, 0..2_000_u32)
            .prop_map(|(transfer, payer, payee, currency, cents)| {
                // Few amounts, so that the same prepare comes again.
                Next::Prepare { transfer, payer, payee, currency, cents: cents / 400 * 400 }
            }),
        4 => (transfer.clone(), prop::bool::weighted(0.8))
            .prop_map(|(transfer, right)| Next::Fulfil { transfer, right }),
        1 => (transfer, participant, 0..6_usize).prop_map(|(transfer, participant, which)| {
            Next::Trespass { transfer, participant, which }
        }),
        4 => prop::collection::vec(any::<usize>(), 1..6).prop_map(Next::Steps),
        1 => Just(Next::Rest),
    ]
}

fn account(participant: usize, currency: usize) -> String {
    format!("fsp{participant}/{}", CURRENCIES[currency])
}

fn command(aggregate_type: &str, key: String, kind: &str, body: &serde_json::Value) -> Command {
    Command {
        aggregate_type: aggregate_type.to_owned(),
        key,
        kind: kind.to_owned(),
        body: body.to_string(),
    }
}

/// The command, if this is one.
fn sent(next: &Next) -> Option<Command> {
    Some(match next {
        Next::Open { participant, currency, cap } => command(
            "account",
            account(*participant, *currency),
            "OpenAccount",
            &json!({ "cap": cap.to_string() }),
        ),
        Next::Prepare { transfer, payer, payee, currency, cents } => {
            let amount = match cents {
                0 => "0".to_owned(),
                400 => "4.5".to_owned(),
                cents => (cents / 100).to_string(),
            };
            let body = json!({
                "payer": format!("fsp{payer}"),
                "payee": format!("fsp{payee}"),
                "amount": amount,
                "currency": (["USD", "JPY"][*currency]),
                "expiration": EXPIRATION,
                "condition": fixture::CONDITION,
            });
            command("transfer", format!("T{transfer}"), "PrepareTransfer", &body)
        }
        Next::Fulfil { transfer, right } => {
            let fulfilment = if *right { fixture::FULFILMENT } else { fixture::CONDITION };
            let body = json!({ "fulfilment": fulfilment });
            command("transfer", format!("T{transfer}"), "FulfilTransfer", &body)
        }
        Next::Trespass { transfer, participant, which } => {
            let (id, key) = (format!("T{transfer}"), account(*participant, 0));
            let moved = json!({ "transferId": id, "amount": "5" });
            match which {
                0 => command("account", key, "ReservePayerFunds", &moved),
                1 => command("account", key, "CommitPayeeFunds", &moved),
                2 => command("account", key, "ReversePayerFunds", &moved),
                3 => command("transfer", id, "AckPayerFundsReserved", &json!({})),
                4 => command("transfer", id, "AckPayeeFundsCommitted", &json!({})),
                _ => command("transfer", id, "AckPayerFundsReversed", &json!({})),
            }
        }
        Next::Steps(_) | Next::Rest => return None,
    })
}

fn everyone() -> Touched {
    let mut touched = Touched::default();
    for transfer in 0..TRANSFERS {
        touched.transfer(format!("T{transfer}"));
    }
    for participant in 0..PARTICIPANTS {
        for currency in 0..2 {
            touched.account(account(participant, currency));
        }
    }
    touched
}

/// Everything there is to see.
fn all(switch: &mut Native) -> String {
    let mut text = String::new();
    for transfer in 0..TRANSFERS {
        let id = format!("T{transfer}");
        text += &format!("{id} {:?}\n", switch.state("transfer", &id).unwrap());
        text += &format!("{:?}\n", switch.events("transfer", &id).unwrap());
    }
    for participant in 0..PARTICIPANTS {
        for currency in 0..2 {
            let key = account(participant, currency);
            text += &format!("{key} {:?}\n", switch.state("account", &key).unwrap());
            text += &format!("{:?}\n", switch.events("account", &key).unwrap());
        }
    }
    text
}

fn on_us(allowed: bool) -> Vec<(String, String)> {
    vec![("transfers".to_owned(), json!({ "allowOnUs": allowed }).to_string())]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..Default::default() })]

    #[test]
    fn the_laws_hold_at_every_rest(story in prop::collection::vec(next(), 1..120), allowed: bool) {
        let mut switch = Native::new(&on_us(allowed), 1).unwrap();
        let touched = everyone();
        for next in story.iter().chain([&Next::Rest]) {
            match next {
                Next::Steps(choices) => {
                    for choice in choices {
                        switch.step(*choice).unwrap();
                    }
                }
                Next::Rest => {
                    switch.settle().unwrap();
                    laws::check(&mut switch, &touched).unwrap();
                }
                other => {
                    let outcomes = switch.send(sent(other).into_iter().collect()).unwrap();
                    if let Next::Trespass { .. } = other {
                        let refused = matches!(outcomes[..], [Outcome::Refused { .. }]);
                        prop_assert!(refused, "{:?} {:?}", other, outcomes);
                    }
                }
            }
        }
    }

    #[test]
    fn the_batch_size_changes_nothing(
        story in prop::collection::vec(prop::collection::vec(next(), 1..30), 1..6),
    ) {
        let mut seen = Vec::new();
        for batch_max in [1, 2, 50] {
            let mut switch = Native::new(&[], batch_max).unwrap();
            let mut outcomes = Vec::new();
            for together in &story {
                outcomes.extend(switch.send(together.iter().filter_map(sent).collect()).unwrap());
                switch.settle().unwrap();
            }
            seen.push((outcomes, all(&mut switch)));
        }
        prop_assert_eq!(&seen[0], &seen[1]);
        prop_assert_eq!(&seen[0], &seen[2]);
    }
}

/// The generator is worth nothing if its stories never get anywhere.
#[test]
fn random_stories_reach_every_end() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let mut ends = std::collections::BTreeSet::new();
    for _ in 0..40 {
        let story =
            prop::collection::vec(next(), 100..120).new_tree(&mut runner).unwrap().current();
        let mut switch = Native::new(&[], 1).unwrap();
        for next in &story {
            if let Next::Steps(choices) = next {
                for choice in choices {
                    switch.step(*choice).unwrap();
                }
            }
            switch.send(sent(next).into_iter().collect()).unwrap();
        }
        switch.settle().unwrap();
        for transfer in 0..TRANSFERS {
            if let Some(state) = switch.state("transfer", &format!("T{transfer}")).unwrap() {
                ends.insert(state["state"].as_str().unwrap().to_owned());
            }
        }
    }
    let expected = ["ABORTED_ERROR", "ABORTED_REJECTED", "COMMITTED", "INVALID", "RESERVED"];
    assert_eq!(ends.into_iter().collect::<Vec<_>>(), expected);
}
