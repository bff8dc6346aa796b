//! The tables beside the states: every scenario of the switch is played, and after each single event
//! of its transfers and accounts the rows say what the state says.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use scenarios::native::Native;
use scenarios::switch::Event;
use scenarios::{Names, Noted, Switch as _};
use serde_json::json;
use views::positions::{self, POSITIONS, Positions};
use views::transfers::{self, TRANSFERS, Transfers};
use zamu_guest::projection::sequence_suffix;
use zamu_guest::testing::{Projected, stored};
use zamu_guest::{Aggregate, Messages, Projection, Time};

/// When everything happens.
const NOW: u64 = 5;

/// What a projection of an aggregate's events is to show.
trait Shown<A: Aggregate>: Projection {
    fn then_shown(
        tables: Projected<Self>,
        state: &A::State,
        sequence: u64,
        kind: &str,
    ) -> Projected<Self>
    where
        Self: Sized;
}

impl Shown<::transfers::Transfer> for Transfers {
    fn then_shown(
        tables: Projected<Self>,
        state: &::transfers::State,
        sequence: u64,
        kind: &str,
    ) -> Projected<Self> {
        let state = serde_json::to_value(state).unwrap();
        let mut row = json!({ "state": state["state"], "begun": NOW, "changed": NOW });
        let mut step = json!({ "state": state["state"], "event": kind, "at": NOW });
        if let Some(terms) = state.get("terms") {
            for field in ["payer", "payee", "amount", "currency"] {
                row[field] = terms[field].clone();
            }
        }
        if let Some(failure) = state.get("failure") {
            row["code"] = failure["code"].clone();
            row["reason"] = failure["reason"].clone();
            step["code"] = failure["code"].clone();
        }
        let tables = match state["state"].as_str() {
            // Its payer, which the state does not keep, has a test of its own.
            Some("INVALID") => tables,
            _ => tables.then_row(&TRANSFERS, &row),
        };
        tables.then_row_at(&transfers::HISTORY, &sequence_suffix(sequence), &step)
    }
}

impl Shown<accounts::Account> for Positions {
    fn then_shown(
        tables: Projected<Self>,
        state: &accounts::State,
        sequence: u64,
        _: &str,
    ) -> Projected<Self> {
        let mut row = serde_json::to_value(state).unwrap();
        row["changed"] = json!(NOW);
        let suffixes: Vec<String> = (1..=sequence).map(sequence_suffix).collect();
        let suffixes: Vec<&str> = suffixes.iter().map(String::as_str).collect();
        tables.then_row(&POSITIONS, &row).then_suffixes(&positions::HISTORY, &suffixes)
    }
}

/// Holds the rows to the state after each event; gives the kinds that there were.
fn check<A: Aggregate, P: Shown<A>>(key: &str, events: &[Event]) -> BTreeSet<String>
where
    A::State: Default,
{
    let mut tables = Projected::<P>::new().key(key).at(Time(NOW));
    let mut state = A::State::default();
    for (event, sequence) in events.iter().zip(1..) {
        let body = event.body.to_string();
        state = A::evolve(state, &stored::<A::Event>(&event.kind, "1", &body));
        tables = tables.on_stored(&event.kind, "1", body);
        tables = P::then_shown(tables, &state, sequence, &event.kind);
    }
    events.iter().map(|event| event.kind.clone()).collect()
}

fn kinds<M: Messages>() -> BTreeSet<String> {
    M::KINDS.iter().map(|kind| kind.name.to_owned()).collect()
}

#[test]
fn in_every_scenario_the_rows_equal_the_states_after_each_event() {
    let (mut of_transfers, mut of_accounts) = (BTreeSet::new(), BTreeSet::new());
    for scenario in scenarios::all().unwrap() {
        let switch = Native::new(&scenario.configuration, 1).unwrap();
        let mut noted = Noted::new(switch);
        scenarios::run(&scenario, &mut noted, &Names::default()).unwrap();
        for (aggregate_type, key) in &noted.aggregates {
            let events = noted.switch.events(aggregate_type, key).unwrap();
            match aggregate_type.as_str() {
                scheme::TRANSFER => {
                    of_transfers.extend(check::<::transfers::Transfer, Transfers>(key, &events));
                }
                scheme::ACCOUNT => {
                    of_accounts.extend(check::<accounts::Account, Positions>(key, &events));
                }
                _ => {}
            }
        }
    }
    // Otherwise there is an event that nothing here was held to.
    assert_eq!(of_transfers, kinds::<::transfers::messages::Event>());
    assert_eq!(of_accounts, kinds::<accounts::messages::Event>());
}
