//! Sends commands in lists and waits for every answer, however often a list has to be sent again:
//! ids make that harmless.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::plan::Command;
use crate::cli::remote::{Answer, Remote};

/// The media type of a list.
const BATCH: &str = "application/cloudevents-batch+json";
/// After an answer that asks for patience, or none.
const PAUSE: Duration = Duration::from_millis(500);
/// Without an answer for so long the import ends. It can be begun again.
const PATIENCE: Duration = Duration::from_secs(60);

/// A command in the form of `POST /commands`.
#[derive(Serialize)]
struct Entry<'a> {
    specversion: &'static str,
    id: &'a str,
    source: &'a str,
    r#type: &'a str,
    aggregatetype: &'a str,
    subject: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dataschema: Option<&'a str>,
    data: &'a RawValue,
}

/// Sends to one node in the name of one source.
pub(crate) struct Sender<'a> {
    /// The node.
    pub(crate) remote: &'a Remote,
    /// Who makes the ids.
    pub(crate) source: &'a str,
}

impl Sender<'_> {
    /// The answers to these commands, in their order.
    ///
    /// # Errors
    /// When the node takes them not at all, or has said nothing for a minute.
    pub(crate) fn send(&self, commands: &[Command]) -> Result<Vec<Value>> {
        let mut answers: Vec<Option<Value>> = vec![None; commands.len()];
        let mut progress = Instant::now();
        loop {
            let open: Vec<usize> =
                (0..commands.len()).filter(|index| answers[*index].is_none()).collect();
            if open.is_empty() {
                return Ok(answers.into_iter().flatten().collect());
            }
            let line = |index: usize| open.get(index).map_or(0, |index| commands[*index].line);
            let error = match self.ask(open.iter().map(|index| &commands[*index])) {
                Ok(told) => {
                    let before = open.len();
                    let mut left = before;
                    for (index, answer) in open.into_iter().zip(told) {
                        // Not decided in time: asked again with the same id.
                        if answer["status"] != 202 {
                            answers[index] = Some(answer);
                            left -= 1;
                        }
                    }
                    if left < before {
                        progress = Instant::now();
                        continue;
                    }
                    anyhow::anyhow!(
                        "the node has taken {left} commands and decides none of them: see `zamu topics`"
                    )
                }
                Err(Unsent::Later(error)) => error,
                Err(Unsent::Never(error, Some(index))) => {
                    return Err(error.context(format!("line {}", line(index))));
                }
                Err(Unsent::Never(error, None)) => return Err(error),
            };
            if progress.elapsed() > PATIENCE {
                return Err(
                    error.context("broken off: the same command line goes on where this ended")
                );
            }
            sleep(PAUSE);
        }
    }

    fn ask<'c>(&self, commands: impl Iterator<Item = &'c Command>) -> Result<Vec<Value>, Unsent> {
        let entries: Vec<Entry<'_>> = commands.map(|command| self.entry(command)).collect();
        let body =
            serde_json::to_vec(&entries).map_err(|error| Unsent::Never(error.into(), None))?;
        let request = self
            .remote
            .request(Method::POST, "/commands")
            .header("content-type", BATCH)
            .header("prefer", "wait=30")
            .body(body);
        // No answer at all may be a restart.
        let answer = self.remote.ask(request).map_err(Unsent::Later)?;
        read(answer, entries.len())
    }

    fn entry<'c>(&'c self, command: &'c Command) -> Entry<'c> {
        let planned = &command.planned;
        Entry {
            specversion: "1.0",
            id: &command.id,
            source: self.source,
            r#type: &planned.kind,
            aggregatetype: &planned.aggregate_type,
            subject: &planned.key,
            dataschema: planned.schema.as_deref(),
            data: &planned.data,
        }
    }
}

/// A list that was not taken.
enum Unsent {
    /// It may be taken later.
    Later(anyhow::Error),
    /// It never will be as it is, because of this command of it.
    Never(anyhow::Error, Option<usize>),
}

fn read(answer: Answer, count: usize) -> Result<Vec<Value>, Unsent> {
    let status = answer.status;
    if status == StatusCode::OK {
        let told = match answer.body {
            Value::Array(told) if told.len() == count => Ok(told),
            other => wrong(&other, count),
        };
        return told.map_err(|error| Unsent::Never(error, None));
    }
    let later =
        status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::SERVICE_UNAVAILABLE;
    let problem = answer.problem();
    let index = answer.body["index"].as_u64().and_then(|index| usize::try_from(index).ok());
    Err(if later { Unsent::Later(problem) } else { Unsent::Never(problem, index) })
}

fn wrong(body: &Value, count: usize) -> Result<Vec<Value>> {
    bail!("the node answered something else than {count} outcomes: {body}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read_one(status: u16, body: Value) -> Result<Vec<Value>, Unsent> {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::IM_A_TEAPOT);
        read(Answer { status, body }, 1)
    }

    #[test]
    fn what_asks_for_patience_is_tried_again_and_what_is_wrong_is_not() {
        assert!(matches!(read_one(200, json!([{ "status": 200 }])), Ok(told) if told.len() == 1));
        for status in [429, 503] {
            assert!(matches!(read_one(status, json!({})), Err(Unsent::Later(_))), "{status}");
        }
        for status in [400, 404, 413, 500] {
            assert!(matches!(read_one(status, json!({})), Err(Unsent::Never(..))), "{status}");
        }
        assert!(matches!(read_one(200, json!([])), Err(Unsent::Never(..))));
    }
}
