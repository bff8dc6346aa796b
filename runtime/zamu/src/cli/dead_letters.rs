//! `zamu dead-letters`: what could not be processed: listed, shown, processed again.

use anyhow::{Result, anyhow};
use clap::{Args, Subcommand};
use serde_json::Value;
use zamu::json;

use crate::cli::failure::Failure;
use crate::cli::files::Files;
use crate::cli::output::{Output, time};
use crate::cli::place::{Letter, Letters};
use crate::cli::remote::{Remote, segment};
use crate::cli::{FormatArgs, NodeArgs, SourceArgs};

/// Shows what could not be processed, or has it processed again.
#[derive(Clone, Debug, Args)]
pub(crate) struct DeadLettersArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, Subcommand)]
enum Action {
    /// List open dead letters, oldest first
    List(ListArgs),
    /// Show one dead letter with its whole record
    Show(ShowArgs),
    /// Have dead letters processed again, in their old order
    Redrive(RedriveArgs),
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  zamu dead-letters list
  zamu dead-letters list --type counter --partition 2 --all --json
  zamu dead-letters list --data zamu-data")]
struct ListArgs {
    /// Of this aggregate type only
    #[arg(long)]
    r#type: Option<String>,
    /// Of this partition only; its type is to be given too
    #[arg(long, requires = "type")]
    partition: Option<u32>,
    /// Closed ones too
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    format: FormatArgs,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  zamu dead-letters show counter/2/17
  zamu dead-letters show counter/2/17 --data zamu-data --json")]
struct ShowArgs {
    /// The dead letter: TYPE/PARTITION/NUMBER
    letter: Letter,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    format: FormatArgs,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  zamu dead-letters redrive counter/2/17 counter/2/18
  zamu dead-letters redrive counter/2

Redrive after what broke was mended: each is decided again as a new record, at the tail.")]
struct RedriveArgs {
    /// Dead letters, as TYPE/PARTITION/NUMBER; or TYPE/PARTITION for all open ones of a partition
    #[arg(required = true, value_name = "PLACE")]
    places: Vec<Letters>,
    #[command(flatten)]
    node: NodeArgs,
    #[command(flatten)]
    format: FormatArgs,
}

/// Does what is asked.
pub(crate) fn run(args: &DeadLettersArgs, output: &mut Output) -> Result<(), Failure> {
    match &args.action {
        Action::List(args) => list(args, output),
        Action::Show(args) => show(args, output),
        Action::Redrive(args) => redrive(args, output),
    }
}

fn list(args: &ListArgs, output: &mut Output) -> Result<(), Failure> {
    let letters = match &args.source.data {
        Some(folder) => stored(&Files::open(folder)?, args)?,
        None => listed(&Remote::new(&args.source.node)?, args)?,
    };
    if args.format.json {
        return output.json(&letters);
    }
    let heading = ["ID", "OPEN", "TIME", "REASON", "HANDLER", "MESSAGE"];
    let mut rows = vec![heading.map(str::to_owned)];
    rows.extend(letters.iter().map(row));
    output.table(&rows)
}

/// All that a node lists, in pages as large as it likes.
fn listed(remote: &Remote, args: &ListArgs) -> Result<Vec<Value>> {
    let mut path = format!("/dead-letters?all={}", args.all);
    if let Some(name) = &args.r#type {
        path.push_str(&format!("&type={}", segment(name)));
    }
    if let Some(number) = args.partition {
        path.push_str(&format!("&partition={number}"));
    }
    let mut letters: Vec<Value> = remote.get(&path)?;
    while let Some(last) = letters.last().and_then(|letter| letter["id"].as_str()) {
        let page: Vec<Value> = remote.get(&format!("{path}&after={}", segment(last)))?;
        if page.is_empty() {
            break;
        }
        letters.extend(page);
    }
    Ok(letters)
}

fn stored(files: &Files, args: &ListArgs) -> Result<Vec<Value>> {
    let partitions = match (&args.r#type, args.partition) {
        (Some(name), Some(number)) => vec![files.partition(name, number)?],
        (name, _) => files.partitions(name.as_slice())?,
    };
    let mut letters = Vec::new();
    for partition in partitions {
        for (letter, open) in files.dead_letters(partition, args.all)? {
            let shown = json::dead_letter(&letter, open, partition, &files.terms);
            letters.push(serde_json::to_value(shown)?);
        }
    }
    Ok(letters)
}

fn row(letter: &Value) -> [String; 6] {
    let text = |name: &str| letter[name].as_str().unwrap_or_default().to_owned();
    // The first line will do; `show` has the rest.
    let message = text("message").lines().next().unwrap_or_default().to_owned();
    let open = if letter["open"] == true { "open" } else { "closed" };
    [
        text("id"),
        open.to_owned(),
        time(letter["time"].as_u64().unwrap_or_default()),
        text("reason"),
        format!("{} {}", text("handler"), text("version")),
        message,
    ]
}

fn show(args: &ShowArgs, output: &mut Output) -> Result<(), Failure> {
    let Letter { aggregate_type, partition, number } = &args.letter;
    let letter: Value = match &args.source.data {
        Some(folder) => {
            let files = Files::open(folder)?;
            let partition = files.partition(aggregate_type, *partition)?;
            let found = files.dead_letter(partition, *number)?;
            let (letter, open) =
                found.ok_or_else(|| anyhow!("there is no dead letter {}", args.letter))?;
            let shown = json::dead_letter(&letter, open, partition, &files.terms);
            serde_json::to_value(shown).map_err(anyhow::Error::new)?
        }
        None => {
            let path = format!("/dead-letters/{}/{partition}/{number}", segment(aggregate_type));
            Remote::new(&args.source.node)?.get(&path)?
        }
    };
    if args.format.json {
        return output.json(&letter);
    }
    output.line(serde_json::to_string_pretty(&letter).map_err(anyhow::Error::new)?)
}

fn redrive(args: &RedriveArgs, output: &mut Output) -> Result<(), Failure> {
    let remote = Remote::new(&args.node)?;
    for place in &args.places {
        let answer = remote.post(&redrive_path(place))?;
        let letters = match answer {
            Value::Array(letters) => letters,
            one => vec![one],
        };
        if letters.is_empty() && !args.format.json {
            output.line("nothing is open there")?;
        }
        for letter in letters {
            if args.format.json {
                output.json(&letter)?;
            } else {
                let name = letter["type"].as_str().unwrap_or_default();
                let (partition, offset) = (&letter["partition"], &letter["offset"]);
                output.line(format_args!("sent again as {name}/{partition}/{offset}"))?;
            }
        }
    }
    Ok(())
}

fn redrive_path(place: &Letters) -> String {
    match place {
        Letters::One(Letter { aggregate_type, partition, number }) => {
            format!("/dead-letters/{}/{partition}/{number}/redrive", segment(aggregate_type))
        }
        Letters::All { aggregate_type, partition } => {
            format!("/dead-letters/{}/{partition}/redrive", segment(aggregate_type))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn one_dead_letter_and_all_of_a_partition_have_their_own_paths() {
        let path = |text: &str| redrive_path(&text.parse().unwrap());
        assert_eq!(path("t/2/9"), "/dead-letters/t/2/9/redrive");
        assert_eq!(path("t/2"), "/dead-letters/t/2/redrive");
    }

    #[test]
    fn a_list_shows_one_line_a_letter_however_long_its_message() {
        let letter = json!({
            "id": "t/2/9", "open": true, "time": 0, "reason": "trap", "handler": "h",
            "version": "1.0.0", "message": "unreachable\n  at f\n  at g",
        });
        let row = row(&letter);
        assert_eq!(row[0], "t/2/9");
        assert_eq!(row[1], "open");
        assert_eq!(row[4], "h 1.0.0");
        assert_eq!(row[5], "unreachable");
    }
}
