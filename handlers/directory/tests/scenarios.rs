//! The tables beside the states: every scenario of the switch is played, and after each single event
//! of its participants and accounts the rows say what the state says.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use directory::accounts::{self, ACCOUNTS, Accounts};
use directory::participants::{self, PARTICIPANTS, Participants};
use scenarios::native::Native;
use scenarios::switch::Event;
use scenarios::{Names, Noted, Switch as _};
use scheme::AccountKey;
use scheme::directory::{ListedAccount, ListedParticipant};
use zamu_guest::testing::{Projected, stored};
use zamu_guest::{Aggregate, Messages, Projection};

/// Holds the rows to the state after each event, of which the projection takes some; gives the kinds
/// that it took.
fn check<A: Aggregate, P: Projection>(
    key: &str,
    events: &[Event],
    then: impl Fn(Projected<P>, &A::State) -> Projected<P>,
) -> BTreeSet<String> {
    let mut tables = Projected::<P>::new().key(key);
    let mut state = A::State::default();
    let mut taken = BTreeSet::new();
    for event in events {
        let body = event.body.to_string();
        state = A::evolve(state, &stored::<A::Event>(&event.kind, "1", &body));
        if P::Event::KINDS.iter().any(|kind| kind.name == event.kind) {
            tables = tables.on_stored(&event.kind, "1", body);
            taken.insert(event.kind.clone());
        }
        // What is left out changes nothing that is listed.
        tables = then(tables, &state);
    }
    taken
}

fn check_participant(key: &str, events: &[Event]) -> BTreeSet<String> {
    let then = |tables: Projected<Participants>, state: &::participants::State| {
        tables.then_row(&PARTICIPANTS, &ListedParticipant { active: state.active })
    };
    check::<::participants::Participant, _>(key, events, then)
}

fn check_account(key: &str, events: &[Event]) -> BTreeSet<String> {
    let then = |tables: Projected<Accounts>, state: &::accounts::State| {
        if !state.opened {
            return tables.then_no_row(&ACCOUNTS);
        }
        let AccountKey { currency, .. } = key.parse().unwrap();
        tables.then_row(&ACCOUNTS, &ListedAccount { currency, open: !state.closed })
    };
    check::<::accounts::Account, _>(key, events, then)
}

fn kinds<M: Messages>() -> BTreeSet<String> {
    M::KINDS.iter().map(|kind| kind.name.to_owned()).collect()
}

#[test]
fn in_every_scenario_the_rows_equal_the_states_after_each_event() {
    let (mut of_participants, mut of_accounts) = (BTreeSet::new(), BTreeSet::new());
    for scenario in scenarios::all().unwrap() {
        let switch = Native::new(&scenario.configuration, 1).unwrap();
        let mut noted = Noted::new(switch);
        scenarios::run(&scenario, &mut noted, &Names::default()).unwrap();
        for (aggregate_type, key) in &noted.aggregates {
            let events = noted.switch.events(aggregate_type, key).unwrap();
            match aggregate_type.as_str() {
                scheme::PARTICIPANT => of_participants.extend(check_participant(key, &events)),
                scheme::ACCOUNT => of_accounts.extend(check_account(key, &events)),
                _ => {}
            }
        }
    }
    // Otherwise there is an event that nothing here was held to.
    assert_eq!(of_participants, kinds::<participants::Event>());
    assert_eq!(of_accounts, kinds::<accounts::Event>());
}
