//! `zamu send`: one command to one aggregate.

use std::hash::{BuildHasher, RandomState};
use std::io::Read;

use anyhow::{Context, Result};
use clap::Args;
use reqwest::Method;

use crate::cli::failure::Failure;
use crate::cli::output::{Output, text};
use crate::cli::remote::{Answer, Remote, attribute, segment};
use crate::cli::{EXIT_CODES, FormatArgs, NodeArgs};

const EXAMPLES: &str = "\
Examples:
  zamu send counter visits Increment '{\"by\": 1}' --wait
  zamu send counter visits Increment @increment.json --id 17 --source till-3
  echo '{\"by\": 1}' | zamu send counter visits Increment - --wait 30 --json

The same id and source are applied once, however often they are sent.";

/// Sends one command to an aggregate of a running node, and says where it stands or, with --wait,
/// what became of it.
#[derive(Clone, Debug, Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub(crate) struct SendArgs {
    /// The aggregate's type
    r#type: String,
    /// The aggregate's key
    key: String,
    /// The command's kind
    kind: String,
    /// The command's body; `-` reads the standard input, `@FILE` a file
    #[arg(default_value = "{}", allow_negative_numbers = true)]
    body: String,
    /// The command's id, unique for its source; without it, a random one
    #[arg(long)]
    id: Option<String>,
    /// Who makes the ids
    #[arg(long, default_value = "zamu-cli")]
    source: String,
    /// Wait for the outcome: so many seconds, or as the node has it configured
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "")]
    #[arg(value_parser = wait)]
    wait: Option<Wait>,
    /// The id of the body's schema; without it, the kind's only one
    #[arg(long)]
    schema: Option<String>,
    /// The body's media type
    #[arg(long, value_name = "TYPE", default_value = "application/json")]
    content_type: String,
    /// Ties together the messages of one business process; without it, source and id
    #[arg(long)]
    correlation: Option<String>,
    #[command(flatten)]
    node: NodeArgs,
    #[command(flatten)]
    format: FormatArgs,
}

/// For how long to wait: the node's own time if there is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wait(Option<u32>);

fn wait(text: &str) -> Result<Wait, String> {
    if text.is_empty() {
        return Ok(Wait(None));
    }
    text.parse().map(|seconds| Wait(Some(seconds))).map_err(|_| "say whole seconds".to_owned())
}

/// Sends it.
pub(crate) fn run(args: &SendArgs, output: &mut Output) -> Result<(), Failure> {
    let body = body(&args.body)?;
    let id = args.id.clone().unwrap_or_else(random_id);
    let remote = Remote::new(&args.node)?;
    let path = format!("/aggregates/{}/{}/commands", segment(&args.r#type), segment(&args.key));
    let mut request = remote
        .request(Method::POST, &path)
        .header("ce-specversion", "1.0")
        .header("ce-id", attribute(&id))
        .header("ce-source", attribute(&args.source))
        .header("ce-type", attribute(&args.kind))
        .header("content-type", &args.content_type)
        .body(body);
    for (name, value) in [("ce-dataschema", &args.schema), ("ce-correlationid", &args.correlation)]
    {
        if let Some(value) = value {
            request = request.header(name, attribute(value));
        }
    }
    if let Some(Wait(seconds)) = args.wait {
        let wait = seconds.map_or("wait".to_owned(), |seconds| format!("wait={seconds}"));
        request = request.header("prefer", wait);
    }
    let answer = remote.ask(request)?;
    tell(&answer, &id, args, output)
}

/// Prints the answer; what is not done becomes a failure.
fn tell(answer: &Answer, id: &str, args: &SendArgs, output: &mut Output) -> Result<(), Failure> {
    let Answer { status, body } = answer;
    let is_answer = matches!(status.as_u16(), 200 | 202)
        || body["outcome"] == "refused"
        || body["outcome"] == "fault";
    if !is_answer {
        return Err(answer.problem().into());
    }
    if args.format.json {
        output.json(body)?;
    }
    let place = format!(
        "{}/{}/{}",
        text(body.get("aggregateType").unwrap_or(&body["type"])),
        body["partition"],
        body["offset"]
    );
    match (status.as_u16(), body["outcome"].as_str()) {
        (_, Some("refused")) => {
            let reason = format!("{}: {}", text(&body["code"]), text(&body["details"]));
            return Err(Failure::Refused(reason));
        }
        (_, Some("fault")) => {
            let letter = text(&body["deadLetter"]);
            return Err(Failure::Fault(format!(
                "the handler broke on it; it is kept as dead letter {letter}: see `zamu dead-letters show {letter}`"
            )));
        }
        (202, _) if args.wait.is_some() => {
            return Err(Failure::Error(anyhow::anyhow!(
                "no outcome in time; the command is safe as {place} and will be decided: ask \
                 GET /requests/{place}, or send it again with --id {id}"
            )));
        }
        (202, _) if !args.format.json => output.line(format_args!("taken as {place}, id {id}"))?,
        (_, outcome) if !args.format.json => {
            let outcome = outcome.unwrap_or("answered");
            let again =
                if body["duplicate"] == true { " (a duplicate: nothing changed)" } else { "" };
            let sequences: Vec<String> =
                body["sequences"].as_array().into_iter().flatten().map(text).collect();
            let events = match sequences.as_slice() {
                [] => String::new(),
                some => format!(": {} of {}/{}", some.join(", "), args.r#type, args.key),
            };
            output.line(format_args!("{outcome}{events}{again}"))?;
            if !body["reply"].is_null() {
                output.line(&body["reply"])?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// The body as it was meant.
fn body(text: &str) -> Result<Vec<u8>> {
    if text == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).context("cannot read the standard input")?;
        return Ok(bytes);
    }
    match text.strip_prefix('@') {
        Some(file) => {
            std::fs::read(file).with_context(|| format!("cannot read the body from {file}"))
        }
        None => Ok(text.as_bytes().to_vec()),
    }
}

/// 128 bits that nobody else has: the hasher's keys come from the operating system.
fn random_id() -> String {
    let half = || RandomState::new().hash_one(std::process::id());
    // Keys of one thread count up from random ones, so the time joins in.
    let now = std::time::SystemTime::now();
    format!("{:016x}{:016x}", half(), RandomState::new().hash_one(now))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use clap::Parser;
    use reqwest::StatusCode;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        send: SendArgs,
    }

    fn args(more: &[&str]) -> SendArgs {
        let fixed = ["send", "order", "17", "Place"];
        Line::try_parse_from(fixed.iter().chain(more)).unwrap().send
    }

    fn told(status: u16, body: Value, more: &[&str]) -> (Result<(), Failure>, String) {
        let (mut output, kept) = Output::kept();
        let answer = Answer { status: StatusCode::from_u16(status).unwrap(), body };
        let done = tell(&answer, "i", &args(more), &mut output);
        (done, kept.text())
    }

    #[test]
    fn waiting_has_three_forms() {
        assert_eq!(args(&[]).wait, None);
        assert_eq!(args(&["--wait"]).wait, Some(Wait(None)));
        assert_eq!(args(&["--wait", "30"]).wait, Some(Wait(Some(30))));
        assert_eq!(args(&["{}", "--wait", "--json"]).wait, Some(Wait(None)));
    }

    #[test]
    fn a_body_may_be_text_or_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("body");
        std::fs::write(&file, b"\xff\x00").unwrap();
        assert_eq!(body("{\"a\":1}").unwrap(), b"{\"a\":1}");
        assert_eq!(body(&format!("@{}", file.display())).unwrap(), b"\xff\x00");
        assert!(body("@/nowhere/at/all").unwrap_err().to_string().contains("/nowhere/at/all"));
    }

    #[test]
    fn random_ids_differ() {
        assert_ne!(random_id(), random_id());
        assert_eq!(random_id().len(), 32);
    }

    #[test]
    fn every_outcome_has_its_exit_code_and_its_words() {
        let place = json!({ "type": "order", "key": "17", "partition": 3, "offset": 9 });
        let with = |more: Value| {
            let mut body = place.clone();
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            body
        };
        let accepted =
            with(json!({ "outcome": "accepted", "sequences": [4, 5], "reply": { "n": 1 } }));
        let (done, text) = told(200, accepted.clone(), &["--wait"]);
        assert!(done.is_ok());
        assert_eq!(text, "accepted: 4, 5 of order/17\n{\"n\":1}\n");

        let (done, text) = told(200, accepted.clone(), &["--wait", "--json"]);
        assert!(done.is_ok());
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), accepted);

        let nothing = with(json!({ "outcome": "nothing", "reply": null, "duplicate": true }));
        let (done, text) = told(200, nothing, &["--wait"]);
        assert!(done.is_ok());
        assert_eq!(text, "nothing (a duplicate: nothing changed)\n");

        let (done, text) = told(202, place.clone(), &[]);
        assert!(done.is_ok());
        assert_eq!(text, "taken as order/3/9, id i\n");

        let (done, _) = told(202, place.clone(), &["--wait"]);
        assert!(matches!(done, Err(Failure::Error(error)) if error.to_string().contains("--id i")));

        let refused = with(json!({ "outcome": "refused", "code": "full", "details": "no room" }));
        let (done, text) = told(422, refused.clone(), &["--wait", "--json"]);
        assert!(matches!(done, Err(Failure::Refused(reason)) if reason == "full: no room"));
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), refused);

        let fault = with(json!({ "outcome": "fault", "deadLetter": "order/3/1" }));
        let (done, _) = told(503, fault, &["--wait"]);
        assert!(matches!(done, Err(Failure::Fault(reason)) if reason.contains("order/3/1")));
    }

    #[test]
    fn a_node_that_does_not_take_it_is_an_error_and_no_refusal() {
        for status in [400, 404, 429, 503] {
            let (done, text) = told(status, json!({ "detail": "no, because" }), &["--json"]);
            assert!(
                matches!(done, Err(Failure::Error(error)) if error.to_string().contains("no, because"))
            );
            assert_eq!(text, "");
        }
    }
}
