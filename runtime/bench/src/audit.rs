//! The count at the end: all events read again from the first one, states, rows and dead letters
//! beside them. What was heard while it ran is held against what the log says, never trusted.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::time::timeout;

use crate::client::{Client, Topic, segment};
use crate::decimal::Decimal;
use crate::drive::{Drive, Heard, Letters};
use crate::load::{KeyTemplate, Plan, Sum, Term, Where};
use crate::stream::Stream;
use crate::tally::End;
use crate::template::{Filling, Subject};
use crate::value::Values;

/// Without news for so long, what is still missing is missing.
const SILENCE: Duration = Duration::from_secs(20);
/// Findings of one sort that are told.
const EXAMPLES: usize = 3;
/// Rows in one page.
const PAGE: usize = 1_000;

/// What the count came to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Audit {
    /// Units by how they ended, the measured ones and those that warmed it up.
    pub(crate) completed: u64,
    pub(crate) refused: u64,
    pub(crate) faulted: u64,
    /// Taken, and without an end.
    pub(crate) lost: u64,
    /// With more than one of what there may be one of.
    pub(crate) doubled: u64,
    /// Sums by name and group.
    pub(crate) sums: BTreeMap<String, BTreeMap<String, String>>,
    /// Events read.
    pub(crate) events: u64,
    pub(crate) dead_letters: u64,
    pub(crate) findings: Findings,
}

/// What is wrong: how often, with some examples.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings(BTreeMap<String, (u64, Vec<String>)>);

impl Findings {
    pub(crate) fn add(&mut self, what: &str, example: impl FnOnce() -> String) {
        let (count, examples) = self.0.entry(what.to_owned()).or_default();
        *count += 1;
        if examples.len() < EXAMPLES {
            examples.push(example());
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        self.0
            .iter()
            .map(|(what, (count, examples))| format!("{what}: {count} ({})", examples.join("; ")))
    }
}

/// What the log says of units.
struct Ledger<'a> {
    plan: &'a Plan,
    letters: &'a Letters,
    /// By unit: which kinds it has had, in the order of `Ending::kinds`.
    had: Vec<u32>,
    /// Units whose event broke an event handler.
    broke: BTreeSet<u64>,
    /// Events that were read, by partition.
    read: BTreeMap<(String, u32), u64>,
    sums: Vec<BTreeMap<String, Decimal>>,
    doubled: u64,
    events: u64,
    findings: Findings,
}

/// Reads everything and counts.
///
/// # Errors
/// When the host does not answer as expected, or shows fewer events than it says it has.
pub(crate) async fn audit(drive: &Drive, is_poisoned: bool) -> Result<Audit> {
    let Drive { client, plan, tally, .. } = drive;
    let topics = client.topics().await?;
    let mut letters = Letters::default();
    letters.read(client, &plan.values, &topics).await?;
    let mut ledger = Ledger::new(plan, &letters, tally.units());
    ledger.read(client, &topics).await?;
    for (index, sum) in plan.sums.iter().enumerate() {
        ledger.add(client, index, sum).await?;
    }
    let mut audit = ledger.close(|unit| tally.end(unit));
    for Topic { aggregate_type, partition, status, .. } in &topics {
        if status != "running" {
            audit.findings.add("not running", || format!("{aggregate_type}/{partition}: {status}"));
        }
    }
    audit.dead_letters = letters.count;
    if letters.count > 0 && !is_poisoned {
        for example in &letters.examples {
            audit.findings.add("dead letters", || example.clone());
        }
    }
    Ok(audit)
}

impl<'a> Ledger<'a> {
    fn new(plan: &'a Plan, letters: &'a Letters, units: u64) -> Self {
        Self {
            plan,
            letters,
            had: vec![0; units as usize],
            broke: BTreeSet::new(),
            read: BTreeMap::new(),
            sums: vec![BTreeMap::new(); plan.sums.len()],
            doubled: 0,
            events: 0,
            findings: Findings::default(),
        }
    }

    async fn read(&mut self, client: &Client, topics: &[Topic]) -> Result<()> {
        let types = self.plan.types();
        let topics: Vec<&Topic> =
            topics.iter().filter(|topic| types.contains(&*topic.aggregate_type)).collect();
        let query = format!("types={}", types.into_iter().collect::<Vec<_>>().join(","));
        let mut stream = Stream::new(client.clone(), query);
        while let Some(topic) = self.unread(&topics) {
            if timeout(SILENCE, stream.next(|json| self.enter(json))).await.is_err() {
                let Topic { aggregate_type, partition, events, .. } = topic;
                bail!("{aggregate_type}/{partition} has {events} events, but does not show all");
            }
        }
        Ok(())
    }

    fn unread<'t>(&self, topics: &[&'t Topic]) -> Option<&'t Topic> {
        let read = |topic: &Topic| {
            let place = (topic.aggregate_type.clone(), topic.partition);
            self.read.get(&place).copied().unwrap_or(0)
        };
        topics.iter().copied().find(|topic| read(topic) < topic.events)
    }

    fn enter(&mut self, json: &str) -> Result<()> {
        let event: Heard<'_> = serde_json::from_str(json)?;
        let place = (event.r#type.clone().into_owned(), event.partition);
        let next = self.read.entry(place.clone()).or_insert(0);
        if event.number != *next {
            let expected = *next;
            self.findings.add("an event out of its order", || {
                format!("{}/{}: {} instead of {expected}", place.0, place.1, event.number)
            });
        }
        *next = event.number + 1;
        self.events += 1;
        let plan = self.plan;
        let counted = plan.ending.kinds().enumerate().find(|(_, of)| event.is(&of.kind));
        let broke = self.letters.events.contains(&(place.0, place.1, event.number));
        if counted.is_some() || broke {
            let unit = event.unit(plan, json)?;
            self.broke.extend(unit.filter(|_| broke));
            if let (Some((kind, of)), Some(unit)) = (counted, unit)
                && event.fits(of, plan, unit)?
            {
                self.count(kind, unit, &event);
            }
        }
        for (index, sum) in plan.sums.iter().enumerate() {
            for term in &sum.terms {
                if matches!(&term.of, Where::Events(kind) if event.is(kind)) {
                    self.enter_figure(index, term, &serde_json::from_str(json)?, &event.key)?;
                }
            }
        }
        Ok(())
    }

    fn count(&mut self, kind: usize, unit: u64, event: &Heard<'_>) {
        let Some(had) = self.had.get_mut(unit as usize) else {
            let name = format!("{} {}", event.r#type, event.kind);
            return self.findings.add("an event of a unit that was never sent", || name);
        };
        if *had & (1 << kind) != 0 {
            self.doubled += 1;
            let name = format!("{} {} of {}", event.r#type, event.kind, event.correlation);
            self.findings.add("doubled", || name);
        }
        *had |= 1 << kind;
    }

    async fn add(&mut self, client: &Client, index: usize, sum: &Sum) -> Result<()> {
        let values = &self.plan.values;
        for term in &sum.terms {
            match &term.of {
                Where::Events(_) => {}
                Where::States { aggregate_type, each, key } => {
                    for choice in 0..each.map_or(1, |each| values.choices(each)) {
                        let key = key.of(values, each.unwrap_or(usize::MAX), choice)?;
                        if let Some(state) = client.find_state(aggregate_type, &key).await? {
                            self.enter_figure(index, term, &state, &key)?;
                        }
                    }
                }
                Where::Rows(table) => {
                    for (key, row) in rows(client, table).await? {
                        self.enter_figure(index, term, &row, &key)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn enter_figure(&mut self, sum: usize, term: &Term, of: &Value, key: &str) -> Result<()> {
        let name = &self.plan.sums[sum].name;
        let figure = of.pointer(&term.value).and_then(Decimal::of).with_context(|| {
            format!("the sum `{name}` finds no number at {} of {key}: {of}", term.value)
        })?;
        let group = match term.group.as_deref() {
            Some(pointer) if pointer.starts_with('/') => {
                let group = of.pointer(pointer).and_then(Value::as_str);
                group.with_context(|| {
                    format!("the sum `{name}` finds no text at {pointer} of {key}")
                })?
            }
            Some(fixed) => fixed,
            None => "all",
        };
        let sum = self.sums[sum].entry(group.to_owned()).or_default();
        *sum = sum
            .plus(figure, term.times)
            .with_context(|| format!("the sum `{name}` is too large"))?;
        Ok(())
    }

    fn close(mut self, heard: impl Fn(u64) -> Option<End>) -> Audit {
        let ending = &self.plan.ending;
        let (completes, refuses) = (ending.completed.len(), ending.refused.len());
        let completed = ((1_u64 << completes) - 1) as u32;
        let refused = ((1_u64 << (completes + refuses)) - 1) as u32 & !completed;
        let mut audit = Audit::default();
        for (unit, had) in (0..).zip(&self.had) {
            if (had & (completed | refused)).count_ones() > 1 {
                self.doubled += 1;
                self.findings.add("ended twice", || name(&self.plan.values, unit));
            }
            let broke = || self.letters.units.contains(&unit) || self.broke.contains(&unit);
            let told = heard(unit);
            let found = if had & completed != 0 {
                Some(End::Completed)
            } else if had & refused != 0 || (ending.by_answer && told == Some(End::Refused)) {
                Some(End::Refused)
            } else if broke() {
                Some(End::Faulted)
            } else {
                None
            };
            match found {
                Some(End::Completed) => audit.completed += 1,
                Some(End::Refused) => audit.refused += 1,
                Some(End::Faulted) => audit.faulted += 1,
                None => {
                    audit.lost += 1;
                    self.findings.add("lost", || name(&self.plan.values, unit));
                }
            }
            if let (Some(told), Some(found)) = (told, found)
                && told != found
            {
                self.findings.add("told otherwise than the log has it", || {
                    format!("{}: {told:?}, {found:?}", name(&self.plan.values, unit))
                });
            }
        }
        for (sum, groups) in self.plan.sums.iter().zip(&self.sums) {
            let told = groups.iter().map(|(group, sum)| (group.clone(), sum.to_string()));
            audit.sums.insert(sum.name.clone(), told.collect());
            for (group, figure) in groups.iter().filter(|(_, figure)| !figure.is_zero()) {
                self.findings
                    .add("a sum that is not zero", || format!("{} of {group}: {figure}", sum.name));
            }
        }
        Audit { doubled: self.doubled, events: self.events, findings: self.findings, ..audit }
    }
}

impl KeyTemplate {
    fn of(&self, values: &Values, value: usize, index: u64) -> Result<String> {
        let subject = Subject::Choice { value, index };
        Ok(self.0.text(&Filling { values, subject, event: None })?)
    }
}

fn name(values: &Values, unit: u64) -> String {
    let mut name = String::new();
    values.write_id(unit, &mut name);
    name
}

async fn rows(client: &Client, table: &str) -> Result<Vec<(String, Value)>> {
    let mut rows = Vec::new();
    let mut after = String::new();
    loop {
        let path = format!("/tables/{}/rows?limit={PAGE}{after}", segment(table));
        let page: Value = client.look(&path).await?;
        for row in page["rows"].as_array().into_iter().flatten() {
            let key = row["key"].as_str().unwrap_or_default();
            rows.push((key.to_owned(), row["value"].clone()));
        }
        match page["next"].as_str() {
            Some(next) => after = format!("&after={}", segment(next)),
            None => return Ok(rows),
        }
    }
}
