//! `cargo xtask`: the project's own commands.
//!
//! One file per command. This one only picks the command; what each one does, and its help, stand
//! in its own file. Heavy dependencies stay out, so that the tool itself is built in seconds; the
//! component encoder is a binary of its own (`src/bin/componentize.rs`).

mod args;
mod demo;
mod guests;
mod libclang;
mod native;
mod say;
mod setup;
mod test;
mod workspace;

use std::process::ExitCode;

use crate::args::Command;

const HELP: &str = "\
The project's own commands.

Usage: cargo xtask <COMMAND> [OPTIONS]

Commands:
  demo     Build everything and run the transfer switch, with a crash in the middle
  test     The whole check: format, guests, lints, build, tests, documentation
  guests   Build the handlers as WebAssembly components
  setup    Look for what the build needs, and install what is missing

`cargo xtask <COMMAND> --help` tells more. Each command does all the set-up it needs.
";

const COMMANDS: &[Command] = &[demo::COMMAND, test::COMMAND, guests::COMMAND, setup::COMMAND];

fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()) {
        Ok(code) => code,
        Err(error) => {
            say::error(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(mut words: Vec<String>) -> anyhow::Result<ExitCode> {
    let first = if words.is_empty() { "--help".to_owned() } else { words.remove(0) };
    if matches!(first.as_str(), "--help" | "-h" | "help") {
        say::result(HELP.trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    let Some(command) = COMMANDS.iter().find(|command| command.name == first) else {
        let names: Vec<&str> = COMMANDS.iter().map(|command| command.name).collect();
        anyhow::bail!("unknown command `{first}`; the commands are {}", names.join(", "));
    };
    if words.iter().any(|word| word == "--help" || word == "-h") {
        say::result(command.help.trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    (command.run)(&command.parse(&words)?)
}
