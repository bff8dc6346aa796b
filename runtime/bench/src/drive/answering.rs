//! The other side: a client that knows only the live stream. It ends units whose events say so, and
//! answers what is to be answered.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use crate::drive::Drive;
use crate::load::{Ending, Kind, Match, Plan, UnitOf};
use crate::stream::Stream;
use crate::tally::End;
use crate::template::{Filling, Subject};

/// Requests under way at once.
const SENDERS: usize = 16;

/// What an event of the stream says of itself.
#[derive(Debug, Deserialize)]
pub(crate) struct Heard<'a> {
    #[serde(borrow)]
    pub(crate) r#type: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) kind: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) key: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) correlation: Cow<'a, str>,
    pub(crate) partition: u32,
    pub(crate) number: u64,
}

/// An event that is to be answered.
struct Told {
    unit: u64,
    /// The number of the answer.
    answer: usize,
    /// The event, if the answer looks into it.
    event: Option<Value>,
}

impl Heard<'_> {
    /// Whether it is of this kind, and of the aggregate that it must be of for this unit.
    pub(crate) fn fits(&self, of: &Match, plan: &Plan, unit: u64) -> Result<bool> {
        let Some(key) = of.key.as_ref().filter(|_| self.is(&of.kind)) else {
            return Ok(self.is(&of.kind));
        };
        let (values, subject) = (&plan.values, Subject::Unit(unit));
        Ok(key.text(&Filling { values, subject, event: None })? == self.key)
    }

    /// Whether it is of this kind.
    pub(crate) fn is(&self, kind: &Kind) -> bool {
        self.kind == kind.kind && self.r#type == kind.aggregate_type
    }

    /// The unit that it belongs to, if it is one of ours; `json` is the event itself.
    pub(crate) fn unit(&self, plan: &Plan, json: &str) -> Result<Option<u64>> {
        Ok(match &plan.ending.unit {
            UnitOf::Correlation => plan.values.unit_of(&self.correlation),
            UnitOf::Key => plan.values.unit_of(&self.key),
            UnitOf::Pointer(pointer) => {
                let event: Value = serde_json::from_str(json)?;
                let name = event.pointer(pointer).and_then(Value::as_str);
                name.and_then(|name| plan.values.unit_of(name))
            }
        })
    }
}

/// Plays the other side, for ever.
///
/// # Errors
/// When the host refuses an answer, an event lacks what an answer wants, or the host is gone for good.
pub(crate) async fn listen(drive: Arc<Drive>) -> Result<()> {
    let heard = drive.plan.heard();
    if heard.is_empty() {
        return std::future::pending().await;
    }
    let list = |names: BTreeSet<&str>| names.into_iter().collect::<Vec<_>>().join(",");
    let types = list(heard.iter().map(|kind| kind.aggregate_type.as_str()).collect());
    let kinds = list(heard.iter().map(|kind| kind.kind.as_str()).collect());
    let query = format!("types={types}&kinds={kinds}");
    let (tell, told) = mpsc::unbounded_channel();
    let told = Arc::new(Mutex::new(told));
    let mut tasks = JoinSet::new();
    tasks.spawn(hear(Arc::clone(&drive), query, tell));
    for _ in 0..SENDERS {
        tasks.spawn(answer(Arc::clone(&drive), Arc::clone(&told)));
    }
    // None ends but by an error; the others end with this value.
    match tasks.join_next().await {
        Some(ended) => ended.context("a listener broke")?,
        None => Ok(()),
    }
}

async fn hear(drive: Arc<Drive>, query: String, tell: mpsc::UnboundedSender<Told>) -> Result<()> {
    let plan = &drive.plan;
    let mut stream = Stream::new(drive.client.clone(), query);
    loop {
        stream
            .next(|json| {
                let event: Heard<'_> = serde_json::from_str(json)?;
                let Some(unit) = event.unit(plan, json)? else { return Ok(()) };
                for (answer, to) in plan.answers.iter().enumerate() {
                    if event.fits(&to.to, plan, unit)? {
                        let reads = to.command.reads_event();
                        let event = if reads { Some(serde_json::from_str(json)?) } else { None };
                        tell.send(Told { unit, answer, event }).ok().context("nobody answers")?;
                    }
                }
                if let Some(end) = end(&event, plan, unit)? {
                    drive.ended(unit, end);
                }
                Ok(())
            })
            .await?;
    }
}

/// How a unit has ended with this event, if it has.
fn end(event: &Heard<'_>, plan: &Plan, unit: u64) -> Result<Option<End>> {
    let Ending { by_answer, completed, refused, .. } = &plan.ending;
    if *by_answer {
        return Ok(None);
    }
    for (kinds, end) in [(completed, End::Completed), (refused, End::Refused)] {
        for of in kinds {
            if event.fits(of, plan, unit)? {
                return Ok(Some(end));
            }
        }
    }
    Ok(None)
}

async fn answer(drive: Arc<Drive>, queue: Arc<Mutex<mpsc::UnboundedReceiver<Told>>>) -> Result<()> {
    let limit = drive.per_request as usize;
    let mut told = Vec::with_capacity(limit);
    loop {
        told.clear();
        if queue.lock().await.recv_many(&mut told, limit).await == 0 {
            return Ok(());
        }
        drive.client.deliver(commands(&drive.plan, &told)?.into()).await?;
    }
}

fn commands(plan: &Plan, told: &[Told]) -> Result<String> {
    let mut text = String::from("[");
    for Told { unit, answer, event } in told {
        if text.len() > 1 {
            text.push(',');
        }
        let filling =
            Filling { values: &plan.values, subject: Subject::Unit(*unit), event: event.as_ref() };
        let Kind { aggregate_type, kind } = &plan.answers[*answer].to.kind;
        let written = plan.answers[*answer].command.write(&filling, &mut text);
        written.with_context(|| format!("cannot answer {aggregate_type} {kind}"))?;
    }
    text.push(']');
    Ok(text)
}
