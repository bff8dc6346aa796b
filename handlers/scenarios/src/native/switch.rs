//! The native switch as scenarios and stories know it.

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::{Asked, Native};
use crate::switch::{Command, Driven, End, Event, Outcome, Switch};

impl Switch for Native {
    fn now_ms(&mut self) -> anyhow::Result<u64> {
        Ok(self.now_ms)
    }

    fn advance(&mut self, ms: u64) -> anyhow::Result<()> {
        self.now_ms += ms;
        Ok(())
    }

    fn send(&mut self, commands: Vec<Command>) -> anyhow::Result<Vec<Outcome>> {
        let mut outcomes = Vec::new();
        let asked: Vec<Asked> =
            commands.into_iter().map(|command| self.asked(command)).collect::<Result<_, _>>()?;
        let mut rest = &*asked;
        while let Some(first) = rest.first() {
            let alike = rest.iter().take_while(|next| self.type_of(next) == self.type_of(first));
            let (batch, behind) = rest.split_at(alike.count().min(self.batch_max));
            outcomes.extend(self.decide(batch)?);
            rest = behind;
        }
        Ok(outcomes)
    }

    /// What is due happens before what aggregates have sent each other.
    fn settle(&mut self) -> anyhow::Result<()> {
        loop {
            while let Some(aggregate) = self.store.next_due(self.now_ms) {
                let wake = self.wake(aggregate);
                self.decide_sent(vec![wake])?;
            }
            self.react_to_all()?;
            let batch = self.next_batch();
            if batch.is_empty() && self.store.next_due(self.now_ms).is_none() {
                return self.project_all();
            }
            self.decide_sent(batch)?;
        }
    }

    fn hold_back(&mut self, aggregate_type: &str, held: bool) -> anyhow::Result<()> {
        let aggregate_type = self.directory.known(aggregate_type)?;
        if held {
            self.held.insert(aggregate_type);
        } else {
            self.held.remove(&aggregate_type);
        }
        Ok(())
    }

    fn deliver_again(&mut self, aggregate_type: &str, key: &str, kind: &str) -> anyhow::Result<()> {
        let aggregate_type = self.directory.known(aggregate_type)?;
        let aggregate = self.store.find(aggregate_type, key);
        let is_it = |sent: &&Asked| {
            Some(sent.aggregate) == aggregate
                && self.directory.kind_name(aggregate_type, sent.kind) == kind
                && sent.number.is_some()
        };
        let sent = self.taken.iter().chain(&self.sent).filter(is_it).max_by_key(|sent| sent.number);
        let again = sent.context("the switch has sent nothing like it")?.clone();
        self.sent.push_back(again);
        Ok(())
    }

    fn send_inside(&mut self, command: Command) -> anyhow::Result<Outcome> {
        let asked = Asked { source: scheme::SWITCH_SOURCE, ..self.asked(command)? };
        let outcome = self.decide(&[asked])?.pop();
        outcome.context("a command has an outcome")
    }

    fn state(&mut self, aggregate_type: &str, key: &str) -> anyhow::Result<Option<Value>> {
        let Some(index) = self.find_named(aggregate_type, key)? else { return Ok(None) };
        let (owner, type_index) = self.owner_of(index)?;
        let shown =
            self.handlers[owner].engine.inspect(&self.store.columns(type_index, &[index]))?;
        Ok(Some(serde_json::from_slice(shown.get(0))?))
    }

    fn events(&mut self, aggregate_type: &str, key: &str) -> anyhow::Result<Vec<Event>> {
        self.events_from(aggregate_type, key, 0)
    }

    fn events_from(
        &mut self,
        aggregate_type: &str,
        key: &str,
        first: usize,
    ) -> anyhow::Result<Vec<Event>> {
        let Some(index) = self.find_named(aggregate_type, key)? else { return Ok(Vec::new()) };
        let (owner, type_index) = self.owner_of(index)?;
        let stored = &self.store.aggregates[index];
        let events = stored.events.get(first..).unwrap_or_default();
        let kinds: Vec<u32> = events.iter().map(|event| event.kind).collect();
        let bodies = events.iter().map(|event| &event.body).collect();
        let types = vec![type_index; kinds.len()];
        let shown = self.handlers[owner].engine.show(&types, &kinds, &bodies)?;
        let named = kinds.iter().zip(shown.iter()).map(|(kind, body)| {
            let kind = self.directory.kind_name(stored.aggregate_type, *kind).to_owned();
            Ok(Event { kind, body: serde_json::from_slice(body)? })
        });
        named.collect()
    }
}

/// Nothing is kept here that a restart could lose: it only makes all states and tables again, from
/// their events. Tables have come to the end of what has happened before anything else does.
/// Nor is a command looked at twice, so a repeated one is not sent at all.
impl Driven for Native {
    fn post(&mut self, command: Command) -> anyhow::Result<usize> {
        let outcomes = self.send(vec![command])?;
        self.posted.extend(outcomes);
        Ok(self.posted.len() - 1)
    }

    fn repeat(&mut self, posted: usize) -> anyhow::Result<()> {
        ensure!(posted < self.posted.len(), "nothing was posted as {posted}");
        Ok(())
    }

    fn outcome(&mut self, posted: usize) -> anyhow::Result<Option<Outcome>> {
        Ok(self.posted.get(posted).cloned())
    }

    /// The oldest command of some aggregate is decided, so that aggregates overtake each other as they
    /// do where each has its own place to run, and the commands of one stay in their order; or a
    /// deadline that has come is met; or the tables get on by an event.
    fn step(&mut self, choice: usize) -> anyhow::Result<()> {
        self.react_to_all()?;
        let mut first_of_each: Vec<usize> = Vec::new();
        for (at, command) in self.sent.iter().enumerate() {
            let is_same = |first: &usize| self.sent[*first].aggregate == command.aggregate;
            if !self.is_held(command) && !first_of_each.iter().any(is_same) {
                first_of_each.push(at);
            }
        }
        let due = self.store.next_due(self.now_ms);
        let is_behind = !self.unprojected.is_empty();
        let choices = first_of_each.len() + usize::from(due.is_some()) + usize::from(is_behind);
        if choices == 0 {
            return Ok(());
        }
        let chosen = choice % choices;
        match (first_of_each.get(chosen), due) {
            (Some(first), _) => {
                let chosen = self.sent.remove(*first);
                self.decide_sent(chosen.into_iter().collect())
            }
            (None, Some(aggregate)) if chosen == first_of_each.len() => {
                let wake = self.wake(aggregate);
                self.decide_sent(vec![wake])
            }
            (None, _) => self.project_next().map(drop),
        }
    }

    fn restart(&mut self, _end: End) -> anyhow::Result<()> {
        (0..self.store.aggregates.len()).try_for_each(|index| {
            if self.store.aggregates[index].events.is_empty() { Ok(()) } else { self.refold(index) }
        })?;
        self.make_tables_again()
    }
}
