//! `zamu topics`: where each partition stands; `zamu topics resume` lets a paused one go on.

use std::path::Path;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::failure::Failure;
use crate::cli::files::Files;
use crate::cli::output::Output;
use crate::cli::remote::{Remote, segment};
use crate::cli::{FormatArgs, NodeArgs, SourceArgs};

const EXAMPLES: &str = "\
Examples:
  zamu topics
  zamu topics --json --node http://127.0.0.1:7601
  zamu topics --data zamu-data
  zamu topics resume counter 2

LAG is how many requests and commands wait to be decided.";

/// Shows status, turns, events, lag and open dead letters of every partition.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct TopicsArgs {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    format: FormatArgs,
}

#[derive(Clone, Debug, Subcommand)]
enum Action {
    /// Let a paused partition go on, after what made it pause was mended
    Resume(ResumeArgs),
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Example:\n  zamu topics resume counter 2")]
struct ResumeArgs {
    /// The aggregate type
    r#type: String,
    /// The partition's number
    partition: u32,
    #[command(flatten)]
    node: NodeArgs,
    #[command(flatten)]
    format: FormatArgs,
}

/// Shows them, or resumes one.
pub(crate) fn run(args: &TopicsArgs, output: &mut Output) -> Result<(), Failure> {
    if let Some(Action::Resume(resume)) = &args.action {
        return run_resume(resume, output);
    }
    let topics = match &args.source.data {
        Some(folder) => stored(folder)?,
        None => Remote::new(&args.source.node)?.get("/topics")?,
    };
    if args.format.json { output.json(&topics) } else { tell(&topics, output) }
}

fn run_resume(args: &ResumeArgs, output: &mut Output) -> Result<(), Failure> {
    let remote = Remote::new(&args.node)?;
    let path = format!("/topics/{}/{}/resume", segment(&args.r#type), args.partition);
    let answer = remote.post(&path)?;
    if args.format.json {
        return output.json(&answer);
    }
    let place = format!("{}/{}", args.r#type, args.partition);
    if answer["resumed"] == true {
        output.line(format_args!("{place} goes on"))
    } else {
        output.line(format_args!("{place} was not paused: see `zamu topics`"))
    }
}

fn tell(topics: &[Value], output: &mut Output) -> Result<(), Failure> {
    let heading =
        ["PARTITION", "STATUS", "TURN", "EVENTS", "REQUESTS", "COMMANDS", "LAG", "DEAD", "REASON"];
    let mut rows = vec![heading.map(str::to_owned)];
    for topic in topics {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let lag = |input: &str| topic[input]["lag"].as_u64().unwrap_or_default();
        rows.push([
            format!("{}/{}", text(&topic["type"]), topic["partition"]),
            text(&topic["status"]),
            topic["turn"].to_string(),
            topic["events"].to_string(),
            topic["requests"]["end"].to_string(),
            topic["commands"]["end"].to_string(),
            (lag("requests") + lag("commands")).to_string(),
            topic["deadLetters"].to_string(),
            topic["reason"].as_str().unwrap_or_default().to_owned(),
        ]);
    }
    output.table(&rows)
}

/// Where the partitions of a stopped node stand.
fn stored(folder: &Path) -> Result<Vec<Value>> {
    let files = Files::open(folder)?;
    let input =
        |next: u64, end: u64| json!({ "next": next, "end": end, "lag": end.saturating_sub(next) });
    files
        .log
        .partitions()
        .into_iter()
        .map(|partition| {
            let record = files.last_record(partition)?.unwrap_or_default();
            let ends = files.log.ends(partition)?;
            let next = |range: Option<zamu_core::proto::Range>| range.map_or(0, |range| range.next);
            Ok(json!({
                "type": files.terms.type_name(partition.aggregate_type),
                "partition": partition.number,
                "status": "stopped",
                "turn": record.turn,
                "events": ends.events,
                "requests": input(next(record.requests), ends.requests),
                "commands": input(next(record.commands), ends.commands),
                "deadLetters": record.dead_letters_open.len(),
            }))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_table_shows_who_stands_still_and_why() {
        let topics = [json!({
            "type": "t", "partition": 1, "status": "paused", "reason": "too many faults", "turn": 3,
            "events": 4, "requests": { "next": 1, "end": 6, "lag": 5 },
            "commands": { "next": 0, "end": 2, "lag": 2 }, "deadLetters": 8,
        })];
        let (mut output, kept) = Output::kept();
        tell(&topics, &mut output).unwrap();
        let text = kept.text();
        let cells: Vec<&str> = text.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(cells, ["t/1", "paused", "3", "4", "6", "2", "7", "8", "too", "many", "faults"]);
    }
}
