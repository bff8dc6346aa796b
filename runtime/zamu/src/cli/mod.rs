//! The command line: one file per subcommand, each with its arguments, its help and its output.
//!
//! A command asks a running node (`remote`), or reads the files of one that is stopped (`files`);
//! both give the same JSON, which is printed as it is (`--json`) or for people. Nothing is decided
//! or written here.

mod audit;
mod bench;
mod dead_letters;
mod events;
mod failure;
mod files;
mod handlers;
mod import;
mod output;
mod place;
mod query;
mod remote;
mod send;
mod state;
mod tables;
mod topics;
mod topology;
mod trace;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use zamu::run::RunArgs;

use failure::Failure;
use output::Output;

/// Event-sourced processing whose rules are WebAssembly components.
#[derive(Debug, Parser)]
#[command(name = "zamu", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 error; 2 wrong usage; 3 the command was refused; 4 a handler broke on it";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a node, until SIGTERM or Ctrl-C
    #[command(after_help = "\
Examples:
  zamu run
  zamu run --config examples/switch/zamu.toml
  ZAMU_HTTP_LISTEN=127.0.0.1:7700 zamu run --data /var/lib/zamu")]
    Run(RunArgs),
    /// Send one command to an aggregate
    Send(send::SendArgs),
    /// Send the commands of a file: JSON lines or CSV
    Import(import::ImportArgs),
    /// Show an aggregate's state
    State(state::StateArgs),
    /// Show rows of the tables that projections make
    Query(query::QueryArgs),
    /// Show the tables that can be queried, or make them anew
    Tables(tables::TablesArgs),
    /// Show events: of an aggregate, of a type, or all
    Events(events::EventsArgs),
    /// Show how a business process went, through every aggregate
    Trace(trace::TraceArgs),
    /// Decide history once more, and compare every byte with what the log has
    Audit(audit::AuditArgs),
    /// Show where each partition stands, or let a paused one go on
    Topics(topics::TopicsArgs),
    /// Show how messages flow between handlers, or draw it
    Topology(topology::TopologyArgs),
    /// Show versions of handlers, or put others in force
    Handlers(handlers::HandlersArgs),
    /// Measure an application: drive a node of its own with the load of a file
    Bench(bench::BenchArgs),
    /// Show what could not be processed, or have it processed again
    DeadLetters(dead_letters::DeadLettersArgs),
}

/// The running node to ask. The variable is read where it is needed, so that it does not stand
/// against `--data`.
#[derive(Clone, Debug, Args)]
struct NodeArgs {
    /// Address of the running node [env: ZAMU_NODE] [default: http://127.0.0.1:7600]
    #[arg(long, value_name = "URL", value_parser = remote::url)]
    node: Option<String>,
}

/// Whom to ask: a running node, or the files of a stopped one.
#[derive(Clone, Debug, Args)]
struct SourceArgs {
    #[command(flatten)]
    node: NodeArgs,
    /// Read the files of a stopped node instead, changing nothing
    #[arg(long, value_name = "DIR", conflicts_with = "node")]
    data: Option<std::path::PathBuf>,
}

/// How to print.
#[derive(Clone, Copy, Debug, Args)]
struct FormatArgs {
    /// Print JSON: one value a line
    #[arg(long)]
    json: bool,
}

/// Runs a command line to its end.
pub(crate) fn run(cli: &Cli) -> ExitCode {
    let mut output = Output::standard();
    let done = match &cli.command {
        Command::Run(args) => zamu::run::run(args.clone()).map_err(Failure::from),
        Command::Send(args) => send::run(args, &mut output),
        Command::Import(args) => import::run(args, &mut output),
        Command::State(args) => state::run(args, &mut output),
        Command::Query(args) => query::run(args, &mut output),
        Command::Tables(args) => tables::run(args, &mut output),
        Command::Events(args) => events::run(args, &mut output),
        Command::Trace(args) => trace::run(args, &mut output),
        Command::Audit(args) => audit::run(args, &mut output),
        Command::Topics(args) => topics::run(args, &mut output),
        Command::Topology(args) => topology::run(args, &mut output),
        Command::Handlers(args) => handlers::run(args, &mut output),
        Command::Bench(args) => bench::run(args, &mut output),
        Command::DeadLetters(args) => dead_letters::run(args, &mut output),
    };
    match done.and_then(|()| output.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use clap::CommandFactory;

    use super::*;

    fn parse(words: &[&str]) -> Result<Command, String> {
        Cli::try_parse_from(std::iter::once(&"zamu").chain(words))
            .map(|cli| cli.command)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_explains_itself_with_examples() {
        let mut cli = Cli::command();
        cli.build();
        let mut commands: Vec<_> = cli.get_subcommands().collect();
        while let Some(command) = commands.pop() {
            if command.get_name() == "help" {
                continue;
            }
            assert!(command.get_about().is_some(), "{}", command.get_name());
            let below: Vec<_> = command.get_subcommands().collect();
            if below.is_empty() || ["topics", "tables"].contains(&command.get_name()) {
                let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.contains("Example"), "{}: {help}", command.get_name());
            }
            commands.extend(below);
        }
    }

    #[test]
    fn what_is_asked_for_is_understood() {
        for line in [
            "run --config a.toml",
            "send order 17 Place",
            "send order 17 Place - --id 1 --source shop --wait",
            "send order 17 Place @file --wait 30 --json",
            "send order 17 Place {\"a\":1} --schema 2 --correlation c --content-type text/plain",
            "import a.csv --map m.toml --dry-run --json",
            "import a --format jsonl --restart --source s --batch 10 --node http://h:1",
            "state order 17 --json",
            "state order 17 --data d",
            "query counters 17 --json",
            "query counts --prefix 17/ --limit 5000 --data d",
            "query counts --all --min-position counter.0.1 --node http://h:1",
            "tables",
            "tables --data d --json",
            "tables rebuild counter",
            "tables resume counter --json --node http://h:1",
            "tables drop counter",
            "tables drop counter --confirm counter --json --node http://h:1",
            "handlers list --data d --json",
            "handlers inspect counter --json",
            "handlers history counter --data d",
            "handlers deploy a.wasm --configuration c.toml --reason why --dry-run --json",
            "handlers configure counter c.json --node http://h:1",
            "handlers rollback counter --to 3 --reason why",
            "events",
            "events --data d --json",
            "events --type order --key 17 --kind Placed --kind Paid --after 3 --limit 5",
            "events --type order --follow --from end --node http://[::1]:7600",
            "trace 17",
            "trace order/17/2 --json --limit 3 --node http://h:1",
            "trace order/17 --data d",
            "audit --data d",
            "audit --config a.toml --type order --partition 3 --from 1 --to 500 --json",
            "audit --data d --config a.toml --from 2h --to 2026-11-23T08:00Z --limit 0",
            "audit --data d --component counter=a.wasm --component zoo=b.wasm",
            "topics",
            "topics --data d --json",
            "topics resume order 3",
            "topics resume order 3 --json --node http://h:1",
            "topology",
            "topology --config a.toml --svg a.svg",
            "topology --json --node http://h:1",
            "bench load.toml",
            "bench load.toml --rate 1000 --duration 60s --warm-up 10s --data d --json",
            "bench load.toml --in-flight 64 --count 1000 --codec protobuf --projections off",
            "bench load.toml --variant cap=low --batch 1 --shards 2 --hot-key --poison 1/100 --seed 7",
            "bench load.toml --hot-key 50% --dry-run",
            "bench load.toml --sweep a.svg --json",
            "dead-letters list --all --type order --partition 3",
            "dead-letters list --data d",
            "dead-letters show order/3/1",
            "dead-letters redrive order/3/1 order/3/2",
            "dead-letters redrive order/3",
        ] {
            let words: Vec<&str> = line.split(' ').collect();
            assert!(parse(&words).is_ok(), "{line}: {:?}", parse(&words));
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for (line, part) in [
            ("fly", "fly"),
            ("send order 17", "<KIND>"),
            ("send order 17 Place {} extra", "extra"),
            ("send order 17 Place --data d", "--data"),
            ("send order 17 Place --wait=-1", "--wait"),
            ("send order 17 Place --wait=soon", "soon"),
            ("send order 17 Place --node ftp://h", "http://"),
            ("send order 17 Place --node h:7600", "http://"),
            ("import", "<FILE>"),
            ("import a.csv --batch 0", "--batch"),
            ("import a.csv --format xml", "jsonl"),
            ("state order", "<KEY>"),
            ("state order 17 --data d --node http://h", "cannot be used with"),
            ("query", "<TABLE>"),
            ("query t k --prefix p", "cannot be used with"),
            ("query t --limit 0", "--limit"),
            ("query t --all --limit 3", "cannot be used with"),
            ("query t --data d --min-position p", "cannot be used with"),
            ("tables rebuild", "<NAME>"),
            ("tables resume x --data d", "--data"),
            ("tables drop", "<NAME>"),
            ("tables drop x --data d", "--data"),
            ("events --key 17", "--type"),
            ("events --after 3", "--key"),
            ("events --limit 0", "--limit"),
            ("events --follow --data d", "cannot be used with"),
            ("events --from end", "--follow"),
            ("events --type order --key 17 --follow", "cannot be used with"),
            ("trace", "<ID>"),
            ("trace a b", "b"),
            ("trace a --limit 0", "--limit"),
            ("trace a --data d --node http://h", "cannot be used with"),
            ("audit", "--data"),
            ("audit --data d --partition 3", "--type"),
            ("audit --data d --from soon", "soon"),
            ("audit --data d --component counter", "NAME=FILE"),
            ("audit --data d --node http://h", "--node"),
            ("topics resume order", "<PARTITION>"),
            ("topics resume order x", "<PARTITION>"),
            ("topics resume order 3 --data d", "--data"),
            ("topology --config a --node http://h", "cannot be used with"),
            ("topology --svg a --json", "cannot be used with"),
            ("bench", "<LOAD>"),
            ("bench l --rate 1 --in-flight 2", "cannot be used with"),
            ("bench l --count 1 --duration 2s", "cannot be used with"),
            ("bench l --duration soon", "60s"),
            ("bench l --poison 5", "1/1000"),
            ("bench l --hot-key 100", "70%"),
            ("bench l --variant codec", "NAME=CHOICE"),
            ("bench l --batch 0", "--batch"),
            ("bench l --batch 5 --sweep", "cannot be used with"),
            ("dead-letters", "Usage"),
            ("dead-letters list --partition 3", "--type"),
            ("dead-letters show order/3", "TYPE/PARTITION/NUMBER"),
            ("dead-letters show order/x/1", "order/x/1"),
            ("dead-letters show 1", "TYPE/PARTITION/NUMBER"),
            ("dead-letters redrive", "<PLACE>"),
            ("dead-letters redrive order", "TYPE/PARTITION"),
            ("dead-letters redrive order/3/1 --data d", "--data"),
        ] {
            let words: Vec<&str> = line.split(' ').collect();
            let error = parse(&words).unwrap_err();
            assert!(error.contains(part), "`{line}` should tell `{part}`: {error}");
        }
    }
}
