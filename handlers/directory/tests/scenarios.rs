//! The tables beside the states: every scenario of the switch is played, and after each single event
//! of its participants and accounts the rows say what the state says.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use directory::accounts::{self, ACCOUNTS, Accounts};
use directory::participants::{self, PARTICIPANTS, Participants};
use scenarios::native::Native;
use scenarios::switch::{Command, Event, Outcome};
use scenarios::{Names, Switch};
use scheme::AccountKey;
use scheme::directory::{ListedAccount, ListedParticipant};
use serde_json::Value;
use zamu_guest::testing::{Projected, stored};
use zamu_guest::{Aggregate, Messages, Projection};

/// A switch that remembers which participants and accounts were sent commands.
struct Noted {
    switch: Native,
    participants: BTreeSet<String>,
    accounts: BTreeSet<String>,
}

impl Switch for Noted {
    fn now_ms(&mut self) -> anyhow::Result<u64> {
        self.switch.now_ms()
    }

    fn send(&mut self, commands: Vec<Command>) -> anyhow::Result<Vec<Outcome>> {
        for command in &commands {
            let noted = match &*command.aggregate_type {
                scheme::PARTICIPANT => &mut self.participants,
                scheme::ACCOUNT => &mut self.accounts,
                _ => continue,
            };
            noted.insert(command.key.clone());
        }
        self.switch.send(commands)
    }

    fn advance(&mut self, ms: u64) -> anyhow::Result<()> {
        self.switch.advance(ms)
    }

    fn settle(&mut self) -> anyhow::Result<()> {
        self.switch.settle()
    }

    fn state(&mut self, aggregate_type: &str, key: &str) -> anyhow::Result<Option<Value>> {
        self.switch.state(aggregate_type, key)
    }

    fn events(&mut self, aggregate_type: &str, key: &str) -> anyhow::Result<Vec<Event>> {
        self.switch.events(aggregate_type, key)
    }
}

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

fn kinds<M: Messages>() -> BTreeSet<String> {
    M::KINDS.iter().map(|kind| kind.name.to_owned()).collect()
}

#[test]
fn in_every_scenario_the_rows_equal_the_states_after_each_event() {
    let (mut of_participants, mut of_accounts) = (BTreeSet::new(), BTreeSet::new());
    for scenario in scenarios::all().unwrap() {
        let switch = Native::new(&scenario.configuration, 1).unwrap();
        let mut noted = Noted { switch, participants: BTreeSet::new(), accounts: BTreeSet::new() };
        scenarios::run(&scenario, &mut noted, &Names::default()).unwrap();
        for key in &noted.participants {
            let events = noted.switch.events(scheme::PARTICIPANT, key).unwrap();
            let then = |tables: Projected<Participants>, state: &::participants::State| {
                tables.then_row(&PARTICIPANTS, &ListedParticipant { active: state.active })
            };
            of_participants.extend(check::<::participants::Participant, _>(key, &events, then));
        }
        for key in &noted.accounts {
            let events = noted.switch.events(scheme::ACCOUNT, key).unwrap();
            let then = |tables: Projected<Accounts>, state: &::accounts::State| {
                if !state.opened {
                    return tables.then_no_row(&ACCOUNTS);
                }
                let AccountKey { currency, .. } = key.parse().unwrap();
                tables.then_row(&ACCOUNTS, &ListedAccount { currency, open: !state.closed })
            };
            of_accounts.extend(check::<::accounts::Account, _>(key, &events, then));
        }
    }
    // Otherwise there is an event that nothing here was held to.
    assert_eq!(of_participants, kinds::<participants::Event>());
    assert_eq!(of_accounts, kinds::<accounts::Event>());
}
