//! `zamu trace`: how a business process went, through every aggregate, as a tree.

use std::path::Path;

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};
use zamu::trace::{Known, LIMIT, LIMIT_MAX, Source, candidates, trace};

use crate::cli::failure::Failure;
use crate::cli::files::Files;
use crate::cli::output::{Output, time};
use crate::cli::remote::{Remote, segment};
use crate::cli::{FormatArgs, SourceArgs};

const EXAMPLES: &str = "\
Examples:
  zamu trace visits
  zamu trace counter/visits
  zamu trace counter/visits/3
  zamu trace shop/4711 --json
  zamu trace visits --data zamu-data

ID is one of these; what is found first is meant:
  TYPE/KEY                         an aggregate: all that had to do with it
  TYPE/KEY/SEQUENCE                an event
  TYPE/KEY/SEQUENCE/HANDLER/INDEX  a command that an event handler sent on that event
  KEY                              an aggregate of any type
  SOURCE/ID, ID or CORRELATION     a client's command, or all that have this correlation id

An aggregate and its events are found at once, and so is what they caused, however long the log.
The id or correlation of a command is looked for in the newest 500,000 requests of the log (a
second or so), and in older events where the requests are gone.

+MS is the time since the process began, by the clock of the log; the one in brackets is how long
a command waited until its decision was in the log, with all that it waited for. What retention
has removed is shown as `gone`.";

/// Shows what began a process, and all that came of it: commands, events, refusals, dead letters,
/// with the time of each hop and the version of the handler.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TraceArgs {
    /// What is to be traced
    id: String,
    /// So many processes at most: the newest ones
    #[arg(long, value_name = "N", default_value_t = LIMIT as u64, value_parser = clap::value_parser!(u64).range(1..=LIMIT_MAX as u64))]
    limit: u64,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    format: FormatArgs,
}

/// Shows it.
pub(crate) fn run(args: &TraceArgs, output: &mut Output) -> Result<(), Failure> {
    let found: Value = match &args.source.data {
        Some(folder) => stored(folder, &args.id, args.limit as usize)?,
        None => {
            let path = format!("/trace?id={}&limit={}", segment(&args.id), args.limit);
            Remote::new(&args.source.node)?.get(&path)?
        }
    };
    if args.format.json { output.json(&found) } else { tell(&found, output) }
}

/// Of the files of a stopped node.
fn stored(folder: &Path, id: &str, limit: usize) -> Result<Value> {
    let files = Files::open(folder)?;
    let store = files.store()?;
    let mut store = store.handle();
    let mut known: Vec<Known> = Vec::new();
    for (index, candidate) in candidates(id, &files.terms, &files.types).iter().enumerate() {
        known.extend(files.known(&mut store, index, candidate.partition, &candidate.key)?);
    }
    // No handler runs here that could show what is not JSON.
    let show = &|_, _: &_, _: &_| None;
    let source = Source { log: &files.log, terms: &files.terms, owners: &[], show };
    Ok(json!(trace(&source, id, &known, limit)?))
}

fn tell(found: &Value, output: &mut Output) -> Result<(), Failure> {
    let none = Vec::new();
    let steps = found["steps"].as_array().unwrap_or(&none);
    let mut summary =
        format!("{} {}: {}", text(&found["found"]), text(&found["id"]), counts(steps));
    if let (Some(started), Some(took)) = (found["started"].as_u64(), found["tookMs"].as_u64()) {
        summary.push_str(&format!(", {took} ms from {}", time(started)));
    }
    output.line(summary)?;
    let branches = branches(steps);
    let began = found["started"].as_u64();
    for (step, branch) in steps.iter().zip(branches) {
        let at = step["at"].as_u64().zip(began);
        let at = at.map_or_else(|| "?".to_owned(), |(at, began)| format!("+{}", at - began));
        if step["depth"] == 0 {
            output.line("")?;
        }
        output.line(format_args!("{at:>8}  {branch}{}", shown(step)))?;
    }
    for note in found["notes"].as_array().unwrap_or(&none) {
        output.line(format_args!("\npartial: {}", text(note)))?;
    }
    Ok(())
}

/// How many of each kind.
fn counts(steps: &[Value]) -> String {
    let of = |kinds: &[&str]| {
        steps.iter().filter(|s| kinds.contains(&text(&s["step"]).as_str())).count()
    };
    let mut parts = Vec::new();
    for (kinds, one, many) in [
        (&["request"][..], "request", "requests"),
        (&["wake"], "deadline", "deadlines"),
        (&["command"], "command", "commands"),
        (&["event"], "event", "events"),
        (&["deadLetter"], "dead letter", "dead letters"),
    ] {
        match of(kinds) {
            0 => {}
            1 => parts.push(format!("1 {one}")),
            n => parts.push(format!("{n} {many}")),
        }
    }
    parts.join(", ")
}

/// The lines of the tree in front of each step.
fn branches(steps: &[Value]) -> Vec<String> {
    let depths: Vec<usize> =
        steps.iter().map(|step| step["depth"].as_u64().unwrap_or_default() as usize).collect();
    // Whether more of the same depth follow below the same parent: seen from the end.
    let mut more = vec![false; depths.iter().max().map_or(1, |depth| depth + 2)];
    let mut branches = vec![String::new(); depths.len()];
    for (branch, depth) in branches.iter_mut().zip(&depths).rev() {
        for more in more.iter().take(*depth).skip(1) {
            branch.push_str(if *more { "│  " } else { "   " });
        }
        if *depth > 0 {
            branch.push_str(if more[*depth] { "├─ " } else { "└─ " });
        }
        more[*depth] = true;
        more[depth + 1..].fill(false);
    }
    branches
}

/// A step for people.
fn shown(step: &Value) -> String {
    let place = format!("{}/{}", text(&step["type"]), text(&step["key"]));
    let kind = text(&step["kind"]);
    let mut line = match text(&step["step"]).as_str() {
        "event" => format!("{kind}  {}", text(&step["id"])),
        "wake" => format!("deadline → {place}"),
        "deadLetter" => format!(
            "dead letter {} ({}): {}: {}",
            text(&step["id"]),
            if step["open"] == true { "open" } else { "closed" },
            text(&step["reason"]),
            text(&step["message"])
        ),
        "request" if kind.is_empty() => format!("request → {place}"),
        _ if kind.is_empty() => format!("command → {place}"),
        _ => format!("{kind} → {place}"),
    };
    match text(&step["step"]).as_str() {
        "request" => {
            line.push_str(&format!("  from {} ({})", text(&step["id"]), text(&step["principal"])));
        }
        "wake" => {}
        _ => line.push_str(&by(&step["handler"])),
    }
    if step["gone"] == true {
        line.push_str("  gone (retention)");
    }
    line.push_str(&outcome(step));
    line
}

fn outcome(step: &Value) -> String {
    let waited = match (step["at"].as_u64(), step["decidedAt"].as_u64()) {
        (Some(at), Some(decided)) => format!("  ({} ms)", decided.saturating_sub(at)),
        _ => String::new(),
    };
    let reasons = || {
        let (code, details) = (text(&step["code"]), text(&step["details"]));
        if details.is_empty() || details == code { code } else { format!("{code}: {details}") }
    };
    let told = match step["outcome"].as_str() {
        None => return String::new(),
        Some("accepted") => return waited,
        Some("refused") => format!("refused {}", reasons()),
        Some("nothing") => "nothing to do".to_owned(),
        Some("fault") => "fault".to_owned(),
        Some("duplicate") => match step["first"].as_u64() {
            Some(first) => format!("duplicate of request {first}"),
            None => "had been taken before".to_owned(),
        },
        Some("dropped") => format!("dropped: {}", text(&step["reason"])),
        Some("waiting") => "waits to be decided".to_owned(),
        Some("gone") => "what became of it is gone (retention)".to_owned(),
        Some(other) => other.to_owned(),
    };
    let decider = if step["outcome"] == "refused" { by(&step["decidedBy"]) } else { String::new() };
    format!(": {told}{decider}{waited}")
}

/// Which version of which handler.
fn by(handler: &Value) -> String {
    let Some(name) = handler["name"].as_str() else { return String::new() };
    let version = handler["version"].as_str().map(|version| format!(" {version}"));
    let digest =
        handler["digest"].as_str().map(|digest| format!(" #{}", &digest[..digest.len().min(8)]));
    format!("  by {name}{}{}", version.unwrap_or_default(), digest.unwrap_or_default())
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn told(found: &Value) -> String {
        let (mut output, kept) = Output::kept();
        tell(found, &mut output).unwrap();
        kept.text()
    }

    #[test]
    fn a_tree_is_drawn_with_times_versions_and_what_went_wrong() {
        let handler = json!({ "name": "h", "version": "1.0.0", "digest": "0123456789abcdef" });
        let found = json!({
            "id": "k", "found": "aggregate", "started": 1_000, "tookMs": 9, "notes": ["older ones are not shown"],
            "steps": [
                { "step": "request", "depth": 0, "id": "s/1", "type": "t", "key": "k", "kind": "Do", "principal": "p",
                  "at": 1_000, "decidedAt": 1_002, "outcome": "accepted" },
                { "step": "event", "depth": 1, "id": "t/k/1", "type": "t", "key": "k", "kind": "Done", "at": 1_002,
                  "handler": handler },
                { "step": "command", "depth": 2, "id": "t/k/1/h/0", "type": "t", "key": "x", "kind": "Ask", "at": 1_002,
                  "decidedAt": 1_009, "handler": handler, "decidedBy": handler, "outcome": "refused", "code": "no",
                  "details": "not today" },
                { "step": "command", "depth": 2, "id": "t/k/1/h/1", "type": "t", "key": "y", "gone": true,
                  "at": null, "outcome": "accepted" },
                { "step": "event", "depth": 3, "id": "t/y/7", "type": "t", "key": "y", "kind": "Had", "at": 1_009,
                  "handler": { "name": "g", "version": null, "digest": null } },
                { "step": "deadLetter", "depth": 1, "id": "t/0/3", "type": "t", "key": "k", "at": 1_002, "open": true,
                  "reason": "trap", "message": "unreachable", "handler": handler },
            ],
        });
        let lines = [
            "aggregate k: 1 request, 2 commands, 2 events, 1 dead letter, 9 ms from 1970-01-01T00:00:01.000Z",
            "",
            "      +0  Do → t/k  from s/1 (p)  (2 ms)",
            "      +2  ├─ Done  t/k/1  by h 1.0.0 #01234567",
            "      +2  │  ├─ Ask → t/x  by h 1.0.0 #01234567: refused no: not today  by h 1.0.0 #01234567  (7 ms)",
            "       ?  │  └─ command → t/y  gone (retention)",
            "      +9  │     └─ Had  t/y/7  by g",
            "      +2  └─ dead letter t/0/3 (open): trap: unreachable  by h 1.0.0 #01234567",
            "",
            "partial: older ones are not shown",
        ];
        assert_eq!(told(&found), lines.map(|line| format!("{line}\n")).concat());
    }

    #[test]
    fn every_end_of_a_command_has_its_words() {
        for (step, words) in [
            (json!({ "outcome": "nothing", "at": 1, "decidedAt": 3 }), ": nothing to do  (2 ms)"),
            (json!({ "outcome": "waiting", "at": 1 }), ": waits to be decided"),
            (json!({ "outcome": "duplicate", "first": 7 }), ": duplicate of request 7"),
            (json!({ "outcome": "duplicate" }), ": had been taken before"),
            (json!({ "outcome": "dropped", "reason": "why" }), ": dropped: why"),
            (json!({ "outcome": "fault" }), ": fault"),
            (json!({ "outcome": "gone" }), ": what became of it is gone (retention)"),
            (json!({}), ""),
        ] {
            assert_eq!(outcome(&step), words);
        }
    }

    #[test]
    fn trees_that_follow_each_other_are_not_tied_together() {
        let depths = [0, 1, 2, 1, 0, 1].map(|depth| json!({ "depth": depth }));
        assert_eq!(branches(&depths), ["", "├─ ", "│  └─ ", "└─ ", "", "└─ "]);
    }
}
