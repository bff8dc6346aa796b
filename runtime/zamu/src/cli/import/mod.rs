//! `zamu import`: many commands from a file, once each, with their outcomes by line.
//!
//! `rows` reads the file, `mapping` makes commands of its rows, `plan` gives them ids and looks them
//! over, `sender` sends them, `journal` remembers how far it is. What a command means is the
//! handlers' affair.

mod journal;
mod mapping;
mod plan;
mod rows;
mod sender;
mod tally;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;
use indicatif::{HumanCount, ProgressBar, ProgressState, ProgressStyle};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use zamu::json::Flow;

use crate::cli::failure::Failure;
use crate::cli::output::{Output, text};
use crate::cli::remote::Remote;
use crate::cli::{EXIT_CODES, FormatArgs, NodeArgs};
use journal::{Journal, Progress};
use mapping::Mapping;
use plan::{Command, Plan, Survey};
use rows::{Format, Rows};
use sender::Sender;
use tally::Tally;

const EXAMPLES: &str = "\
Examples:
  zamu import commands.jsonl --dry-run
  zamu import accounts.csv --map accounts.toml
  zamu import accounts.csv --map accounts.toml --json > outcomes.jsonl

A mapping says which commands a row gives:
  [[commands]]
  type = \"account\"
  key = \"{owner}/{currency}\"
  kind = \"OpenAccount\"
  data = { cap = \"{cap}\", note = \"{note?}\" }   # no `note` if the cell is empty; a cell of CSV is
                                               # a text: \"{days:number}\", \"{open?:boolean}\"
  unless-empty = [\"cap\"]                       # no such command if the cell is empty

Without one, each line is a command as POST /commands takes it:
  {\"aggregatetype\": \"counter\", \"subject\": \"visits\", \"type\": \"Increment\", \"data\": {\"by\": 1}}

Every command has the same id whenever the file is imported, so an import may be repeated; one that
was broken off goes on where it ended.";

/// Sends the commands that a file of JSON lines or CSV gives, and tells what became of each. The
/// whole file is looked over before anything is sent.
#[derive(Clone, Debug, Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub(crate) struct ImportArgs {
    /// The file: .jsonl or .csv
    file: PathBuf,
    /// Which commands a row gives (TOML); without it, each line is a command
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,
    /// How the file is written, whatever it is called
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Look the file over and send nothing
    #[arg(long)]
    dry_run: bool,
    /// Begin at the first line, even if an earlier import was broken off
    #[arg(long)]
    restart: bool,
    /// Who makes the ids
    #[arg(long, default_value = "zamu-import")]
    source: String,
    /// Commands in one list
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    batch: u64,
    #[command(flatten)]
    node: NodeArgs,
    #[command(flatten)]
    output: FormatArgs,
}

/// Imports it.
pub(crate) fn run(args: &ImportArgs, output: &mut Output) -> Result<(), Failure> {
    let import = Import::prepare(args)?;
    let flow: Result<Flow> = import.remote.get("/topology");
    let survey = Survey::of(import.plan()?, flow.as_ref().ok());
    let known = flow.map(|_| ());
    import.tell_survey(&survey, known.is_ok(), output)?;
    if survey.wrong_count > 0 {
        return Err(
            anyhow::anyhow!("{} lines are wrong: nothing was sent", survey.wrong_count).into()
        );
    }
    if args.dry_run {
        return Ok(());
    }
    known?;
    import.send(survey.commands, output)
}

/// An import as it was asked for.
struct Import<'a> {
    args: &'a ImportArgs,
    format: Format,
    mapping: Mapping,
    remote: Remote,
    journal: Journal,
    /// Names file, mapping, source and node.
    name: String,
}

impl<'a> Import<'a> {
    fn prepare(args: &'a ImportArgs) -> Result<Self> {
        let format = args.format.map_or_else(|| Format::of(&args.file), Ok)?;
        let mapping = args.map.as_deref().map_or(Ok(Mapping::default()), Mapping::load)?;
        let remote = Remote::new(&args.node)?;
        let mut name = Sha256::new();
        for part in [
            digest(&args.file)?,
            args.map.as_deref().map_or(Ok(Vec::new()), digest)?,
            args.source.clone().into_bytes(),
            remote.url().as_bytes().to_vec(),
        ] {
            name.update((part.len() as u64).to_be_bytes());
            name.update(part);
        }
        let name = name.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let journal = Journal::beside(&args.file);
        Ok(Self { args, format, mapping, remote, journal, name })
    }

    fn plan(&self) -> Result<Plan<'_>> {
        Ok(Plan::new(Rows::open(&self.args.file, self.format)?, &self.mapping))
    }

    fn tell_survey(
        &self,
        survey: &Survey,
        kinds: bool,
        output: &mut Output,
    ) -> Result<(), Failure> {
        if self.args.output.json {
            for wrong in &survey.wrong {
                output.json(&json!({ "line": wrong.line, "error": wrong.what }))?;
            }
            if self.args.dry_run {
                let by_kind = survey.kinds.iter();
                let by_kind: Vec<Value> = by_kind
                    .map(|((of, kind), n)| json!({ "type": of, "kind": kind, "commands": n }))
                    .collect();
                output.json(&json!({
                    "commands": survey.commands, "kinds": by_kind, "wrong": survey.wrong_count,
                    "kindsChecked": kinds,
                }))?;
            }
            return Ok(());
        }
        for wrong in &survey.wrong {
            output.line(format_args!("line {}: {}", wrong.line, wrong.what))?;
        }
        if survey.wrong_count > survey.wrong.len() as u64 {
            output.line(format_args!(
                "... and {} more",
                survey.wrong_count - survey.wrong.len() as u64
            ))?;
        }
        output.line(format_args!("{}: {} commands", self.args.file.display(), survey.commands))?;
        for ((of, kind), number) in &survey.kinds {
            output.line(format_args!("  {number} {kind} of {of}"))?;
        }
        if !kinds && self.args.dry_run {
            output
                .line("no node answers: whether a handler takes these kinds was not looked at")?;
        }
        Ok(())
    }

    fn send(&self, commands: u64, output: &mut Output) -> Result<(), Failure> {
        let mut progress = self.begin(output)?;
        let bar = bar(commands);
        let sender = Sender { remote: &self.remote, source: &self.args.source };
        let size = usize::try_from(self.args.batch).unwrap_or(usize::MAX);
        let mut plan = self.plan()?.skip(usize::try_from(progress.answered).unwrap_or(usize::MAX));
        loop {
            bar.set_position(progress.answered);
            let list = plan.by_ref().take(size).collect::<Result<Vec<Command>, _>>();
            let list = list.map_err(|wrong| {
                anyhow::anyhow!(
                    "line {}: {}: the file has changed meanwhile",
                    wrong.line,
                    wrong.what
                )
            })?;
            if list.is_empty() {
                break;
            }
            let answers = sender.send(&list)?;
            for (command, answer) in list.iter().zip(&answers) {
                let told = bar.suspend(|| self.count(command, answer, &mut progress.tally, output));
                told?;
            }
            progress.known = progress.answered;
            progress.answered += list.len() as u64;
            self.journal.write(&progress)?;
        }
        bar.finish_and_clear();
        self.journal.remove()?;
        self.finish(&progress.tally, output)
    }

    /// Where to begin: after what an earlier run had answered, if this node still knows of it.
    fn begin(&self, output: &mut Output) -> Result<Progress, Failure> {
        let fresh = Progress { import: self.name.clone(), ..Progress::default() };
        let before = if self.args.restart { None } else { self.journal.read(&self.name)? };
        let Some(before) = before else { return Ok(fresh) };
        let skipped = usize::try_from(before.known).unwrap_or(usize::MAX);
        let count = usize::try_from(before.answered - before.known).unwrap_or(usize::MAX);
        let list = self.plan()?.skip(skipped).take(count).collect::<Result<Vec<_>, _>>();
        let list = list.map_err(|w| anyhow::anyhow!("line {}: {}", w.line, w.what))?;
        let sender = Sender { remote: &self.remote, source: &self.args.source };
        let knows = sender.send(&list)?.iter().all(|answer| answer["duplicate"] == true);
        if !knows {
            self.note(
                "the node does not know of the import that was broken off: beginning again",
                output,
            )?;
            return Ok(fresh);
        }
        let note =
            format!("{} commands were answered before: going on after them", before.answered);
        self.note(&note, output)?;
        Ok(before)
    }

    /// Notes are for people; programs read the outcomes.
    fn note(&self, text: &str, output: &mut Output) -> Result<(), Failure> {
        if self.args.output.json { Ok(()) } else { output.line(text) }
    }

    fn count(
        &self,
        command: &Command,
        answer: &Value,
        tally: &mut Tally,
        output: &mut Output,
    ) -> Result<(), Failure> {
        let outcome = answer["outcome"].as_str().unwrap_or("unknown");
        match outcome {
            "refused" => tally.refused += 1,
            "fault" => tally.faults += 1,
            _ if answer["duplicate"] == true => tally.duplicates += 1,
            "nothing" => tally.nothing += 1,
            _ => tally.accepted += 1,
        }
        let of = &command.planned;
        if self.args.output.json {
            return output.json(&json!({
                "line": command.line, "type": of.aggregate_type, "key": of.key, "kind": of.kind,
                "id": command.id, "answer": answer,
            }));
        }
        let what = match outcome {
            "refused" => {
                format!("refused: {}: {}", text(&answer["code"]), text(&answer["details"]))
            }
            "fault" => {
                format!("the handler broke on it: dead letter {}", text(&answer["deadLetter"]))
            }
            _ => return Ok(()),
        };
        let (line, kind, aggregate_type, key) =
            (command.line, &of.kind, &of.aggregate_type, &of.key);
        output.line(format_args!("line {line}: {kind} of {aggregate_type}/{key} {what}"))
    }

    fn finish(&self, tally: &Tally, output: &mut Output) -> Result<(), Failure> {
        if self.args.output.json {
            output.json(&json!({ "done": tally }))?;
        } else {
            output.line(format_args!("done: {tally}"))?;
        }
        match tally {
            Tally { faults: 0, refused: 0, .. } => Ok(()),
            Tally { faults: 0, refused, .. } => {
                Err(Failure::Refused(format!("{refused} commands; their lines are above")))
            }
            Tally { faults, .. } => {
                Err(Failure::Fault(format!("{faults} commands: see `zamu dead-letters list`")))
            }
        }
    }
}

/// A bar on a terminal; nothing elsewhere.
fn bar(commands: u64) -> ProgressBar {
    let template = "{bar:32} {human_pos} of {human_len} commands, {rate} a second, {eta} left";
    // The template is fixed; should it ever be wrong, a plain bar serves.
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    // The crate's own rate has four decimals.
    let style = style.with_key("rate", |state: &ProgressState, to: &mut dyn std::fmt::Write| {
        // A line on a screen that cannot be written is not worth failing for.
        let _ = write!(to, "{}", HumanCount(state.per_sec() as u64));
    });
    ProgressBar::new(commands).with_style(style)
}

fn digest(path: &Path) -> Result<Vec<u8>> {
    let file = || format!("cannot read {}", path.display());
    let metadata = fs::metadata(path).with_context(file)?;
    ensure!(
        metadata.is_file(),
        "{} is no file: it is read twice, so it cannot be a pipe",
        path.display()
    );
    let mut hash = Sha256::new();
    std::io::copy(&mut fs::File::open(path).with_context(file)?, &mut hash).with_context(file)?;
    Ok(hash.finalize().to_vec())
}
