//! All that a client was told: answers, states, events of the live stream. Whatever the host told,
//! its log must hold, and it must tell the same again.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use switch::ledger::Findings;
use tokio::sync::watch;

use crate::plan::Request;

/// An answer was given for events that the log does not hold.
pub(crate) const ANSWER_GONE: &str = "an answer tells what the log does not hold";
/// A state was shown that the log does not explain.
pub(crate) const STATE_GONE: &str = "a state was shown that the log does not hold";
/// An event was streamed that the log does not hold, or not like this.
pub(crate) const EVENT_GONE: &str = "an event was streamed that the log does not hold";
/// The host took a command that it had answered for a new one.
pub(crate) const DECIDED_AGAIN: &str = "a command was decided again";
/// The same command got another answer.
pub(crate) const ANSWER_CHANGED: &str = "an answer changed";
/// The host does not remember that it refused a command, or why.
pub(crate) const REFUSAL_FORGOTTEN: &str = "a refusal was forgotten";

/// See the file's head.
#[derive(Debug)]
pub(crate) struct Told {
    inner: Mutex<Inner>,
    /// How much was told so far.
    changed: watch::Sender<Count>,
}

#[derive(Debug, Default)]
struct Inner {
    answers: Vec<(Request, Box<RawValue>)>,
    /// By aggregate, the highest sequence.
    states: BTreeMap<String, u64>,
    /// By id, as it was streamed.
    events: HashMap<String, String>,
    /// By transfer.
    kinds: HashMap<String, Vec<String>>,
}

/// How much was told.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Count {
    pub(crate) answers: u64,
    pub(crate) events: u64,
}

/// An answer, its parts as they were written.
#[derive(Debug, Deserialize)]
struct Answer<'a> {
    offset: u64,
    duplicate: bool,
    first: Option<u64>,
    outcome: &'a str,
    sequences: Option<Vec<u64>>,
    #[serde(borrow)]
    reply: Option<&'a RawValue>,
    #[serde(borrow)]
    code: Option<&'a RawValue>,
    #[serde(borrow)]
    details: Option<&'a RawValue>,
}

impl Told {
    pub(crate) fn new() -> Self {
        Self { inner: Mutex::default(), changed: watch::Sender::new(Count::default()) }
    }

    pub(crate) fn answer(&self, request: &Request, answer: Box<RawValue>) {
        self.lock().answers.push((request.clone(), answer));
        self.changed.send_modify(|count| count.answers += 1);
    }

    pub(crate) fn state(&self, aggregate: String, sequence: u64) {
        let mut inner = self.lock();
        let known = inner.states.entry(aggregate).or_default();
        *known = sequence.max(*known);
    }

    pub(crate) fn event(&self, json: &str) {
        #[derive(Deserialize)]
        struct Event {
            id: String,
            key: String,
            kind: String,
        }
        let Event { id, key, kind } = serde_json::from_str(json).unwrap();
        {
            let mut inner = self.lock();
            inner.kinds.entry(key).or_default().push(kind);
            inner.events.insert(id, json.to_owned());
        }
        self.changed.send_modify(|count| count.events += 1);
    }

    /// Changes with everything that is told.
    pub(crate) fn changes(&self) -> watch::Receiver<Count> {
        self.changed.subscribe()
    }

    /// Waits until an event of one of these kinds was streamed, and says which.
    pub(crate) async fn sees(&self, transfer: &str, kinds: &[&'static str]) -> &'static str {
        let mut changes = self.changes();
        loop {
            changes.borrow_and_update();
            let found = {
                let inner = self.lock();
                let seen = inner.kinds.get(transfer);
                let seen = |kind: &&&str| seen.is_some_and(|s| s.iter().any(|k| k == **kind));
                kinds.iter().find(seen).copied()
            };
            if let Some(kind) = found {
                return kind;
            }
            changes.changed().await.unwrap();
        }
    }

    /// All that was answered, in order.
    pub(crate) fn answers(&self) -> Vec<(Request, Box<RawValue>)> {
        self.lock().answers.clone()
    }

    /// Whether the log's events, a line each, hold all that was told.
    pub(crate) fn compare(&self, lines: &str) -> Findings {
        let mut findings = Findings::default();
        let log: HashMap<String, &str> = lines
            .lines()
            .map(|line| {
                let event: Value = serde_json::from_str(line).unwrap();
                (event["id"].as_str().unwrap().to_owned(), line)
            })
            .collect();
        let inner = self.lock();
        for (request, answer) in &inner.answers {
            for sequence in parse(answer).sequences.into_iter().flatten() {
                let id = format!("{}/{}/{sequence}", request.aggregate_type, request.key);
                if !log.contains_key(&id) {
                    findings.add(ANSWER_GONE, || format!("{id}: {answer}"));
                }
            }
        }
        for (aggregate, sequence) in &inner.states {
            let id = format!("{aggregate}/{sequence}");
            if *sequence > 0 && !log.contains_key(&id) {
                findings.add(STATE_GONE, || id);
            }
        }
        for (id, json) in &inner.events {
            if log.get(id) != Some(&&**json) {
                findings.add(EVENT_GONE, || format!("{json}, not {:?}", log.get(id)));
            }
        }
        findings
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the same command got the same answer again, byte for byte.
pub(crate) fn compare_answers(
    request: &Request,
    before: &RawValue,
    after: &RawValue,
    findings: &mut Findings,
) {
    let (told, again) = (parse(before), parse(after));
    let id = &request.id;
    let first = told.first.unwrap_or(told.offset);
    let is_known = again.duplicate && again.first == Some(first);
    let is_same = told.said() == again.said();
    for (what, is_wrong) in [
        (DECIDED_AGAIN, !is_known),
        (ANSWER_CHANGED, !is_same),
        (REFUSAL_FORGOTTEN, told.outcome == "refused" && !(is_known && is_same)),
    ] {
        if is_wrong {
            findings.add(what, || format!("{id}: {before}, then {after}"));
        }
    }
}

fn parse(answer: &RawValue) -> Answer<'_> {
    serde_json::from_str(answer.get()).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

impl Answer<'_> {
    /// What may not change.
    fn said(&self) -> impl PartialEq + '_ {
        let text = |part: Option<&'_ RawValue>| part.map(|part| part.get().to_owned());
        let (reply, code, details) = (text(self.reply), text(self.code), text(self.details));
        (self.outcome, self.sequences.clone(), reply, code, details)
    }
}
