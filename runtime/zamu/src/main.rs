//! `zamu`: one binary, for whoever runs a node and for whoever looks at one.
//!
//! Arguments and output only: `run` is the library's, the other commands are in `cli`.

mod cli;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    cli::run(&cli::Cli::parse())
}
