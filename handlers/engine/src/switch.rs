//! The runtime as scenarios and stories know it.

use anyhow::{Context as _, ensure};
use scenarios::switch::{Command, Driven, End, Event, Outcome, Switch};
use serde_json::Value;

use crate::runtime::Runtime;

/// One in so many steps of a story is a deployment instead.
const DEPLOYMENT_EVERY: usize = 53;
/// A step of a story is so many steps of a shard at most.
const STEPS_MAX: usize = 8;

impl Switch for Runtime {
    fn now_ms(&mut self) -> anyhow::Result<u64> {
        Ok(self.now.0)
    }

    /// The log's clock first: what a shard finds due must be so by the log, too.
    fn advance(&mut self, ms: u64) -> anyhow::Result<()> {
        self.now = self.now.plus_ms(ms);
        self.tick()
    }

    fn send(&mut self, commands: Vec<Command>) -> anyhow::Result<Vec<Outcome>> {
        let posts: Vec<usize> =
            commands.into_iter().map(|command| self.note(command)).collect::<Result<_, _>>()?;
        self.send_noted(&posts)?;
        self.wait(&posts)?;
        posts
            .iter()
            .map(|post| self.mail.outcome(*post)?.with_context(|| format!("no outcome of {post}")))
            .collect()
    }

    fn settle(&mut self) -> anyhow::Result<()> {
        self.rest()
    }

    fn hold_back(&mut self, aggregate_type: &str, held: bool) -> anyhow::Result<()> {
        let (partition, _) = self.locate(aggregate_type, "")?;
        self.relay.hold_back(partition.aggregate_type, held);
        Ok(())
    }

    fn deliver_again(&mut self, aggregate_type: &str, key: &str, kind: &str) -> anyhow::Result<()> {
        self.send_again(aggregate_type, key, kind)
    }

    fn send_inside(&mut self, command: Command) -> anyhow::Result<Outcome> {
        self.send_as_switch(command)
    }

    fn state(&mut self, aggregate_type: &str, key: &str) -> anyhow::Result<Option<Value>> {
        let (partition, key) = self.locate(aggregate_type, key)?;
        let shown = self.with_owner(partition, |shard| {
            let found = shard.aggregate(partition, &key)?.filter(|found| found.sequence > 0);
            found.map(|found| shard.show(partition, &key, &found)).transpose()
        })?;
        Ok(shown.map(|text| serde_json::from_str(&text)).transpose()?)
    }

    fn events(&mut self, aggregate_type: &str, key: &str) -> anyhow::Result<Vec<Event>> {
        let (partition, key) = self.locate(aggregate_type, key)?;
        let found = self.with_owner(partition, |shard| shard.aggregate(partition, &key))?;
        let Some(found) = found.filter(|found| found.sequence > 0) else { return Ok(Vec::new()) };
        let last = found.last_event.context("an aggregate with events knows its last one")?;
        let events = self.medium.history(partition, last, found.sequence as usize)?;
        for (event, sequence) in events.iter().zip(1..) {
            ensure!(
                event.key == key && event.sequence == sequence,
                "event {} of {partition:?} is {} of {:?}, not {sequence} of {key:?}",
                event.number,
                event.sequence,
                event.key
            );
        }
        self.shown(partition, &events)
    }
}

impl Driven for Runtime {
    fn post(&mut self, command: Command) -> anyhow::Result<usize> {
        let post = self.note(command)?;
        self.send_noted(&[post])?;
        Ok(post)
    }

    fn repeat(&mut self, posted: usize) -> anyhow::Result<()> {
        self.send_noted(&[posted])
    }

    fn outcome(&mut self, posted: usize) -> anyhow::Result<Option<Outcome>> {
        self.mail.outcome(posted)
    }

    /// A shard or the tables get on by some steps, and the log with them; or the log alone. Now and then
    /// all handlers are deployed anew instead, and a shard hears of that sooner or later.
    fn step(&mut self, choice: usize) -> anyhow::Result<()> {
        if choice.is_multiple_of(DEPLOYMENT_EVERY) {
            return self.deploy_anew();
        }
        // The tables have a seat only if somebody makes any, so that a story without goes as ever.
        let tables = self.makes_tables();
        let seats = self.shards() + 1 + usize::from(tables);
        for _ in 0..=(choice / seats) % STEPS_MAX {
            let seat = choice % seats;
            if seat < self.shards() {
                if choice.is_multiple_of(3) {
                    self.tell(seat);
                }
                self.step_shard(seat)?;
            } else if tables && seat == self.shards() {
                self.step_tables()?;
            }
            self.tick()?;
        }
        Ok(())
    }

    fn restart(&mut self, end: End) -> anyhow::Result<()> {
        self.begin_again(end)
    }
}
