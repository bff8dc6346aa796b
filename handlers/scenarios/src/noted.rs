//! A switch that remembers of whom there was talk, so that a test can look at all of them afterwards.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::switch::{Command, Event, Outcome, Switch};

/// A switch and the aggregates that were sent commands or asked for their events, by type and key.
pub struct Noted<S> {
    /// The switch.
    pub switch: S,
    /// Type and key of each.
    pub aggregates: BTreeSet<(String, String)>,
}

impl<S: Switch> Noted<S> {
    /// Nothing was asked of this switch yet.
    #[must_use]
    pub fn new(switch: S) -> Self {
        Self { switch, aggregates: BTreeSet::new() }
    }

    fn note(&mut self, aggregate_type: &str, key: &str) {
        self.aggregates.insert((aggregate_type.to_owned(), key.to_owned()));
    }
}

impl<S: Switch> Switch for Noted<S> {
    fn now_ms(&mut self) -> anyhow::Result<u64> {
        self.switch.now_ms()
    }

    fn send(&mut self, commands: Vec<Command>) -> anyhow::Result<Vec<Outcome>> {
        for command in &commands {
            self.note(&command.aggregate_type, &command.key);
        }
        self.switch.send(commands)
    }

    fn advance(&mut self, ms: u64) -> anyhow::Result<()> {
        self.switch.advance(ms)
    }

    fn settle(&mut self) -> anyhow::Result<()> {
        self.switch.settle()
    }

    fn hold_back(&mut self, aggregate_type: &str, held: bool) -> anyhow::Result<()> {
        self.switch.hold_back(aggregate_type, held)
    }

    fn deliver_again(&mut self, aggregate_type: &str, key: &str, kind: &str) -> anyhow::Result<()> {
        self.note(aggregate_type, key);
        self.switch.deliver_again(aggregate_type, key, kind)
    }

    fn send_inside(&mut self, command: Command) -> anyhow::Result<Outcome> {
        self.note(&command.aggregate_type, &command.key);
        self.switch.send_inside(command)
    }

    fn state(&mut self, aggregate_type: &str, key: &str) -> anyhow::Result<Option<Value>> {
        self.switch.state(aggregate_type, key)
    }

    fn events(&mut self, aggregate_type: &str, key: &str) -> anyhow::Result<Vec<Event>> {
        self.note(aggregate_type, key);
        self.switch.events(aggregate_type, key)
    }
}
