//! `cargo xtask demo`: builds everything and hands over to the switch's own driver.
//!
//! The driver (`examples/switch`) starts the host, plays the clients and reports; this file only
//! sees to it that all it needs is built, and becomes it.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::args::{self, Flag, Given, Value};
use crate::setup::{self, OFFLINE};
use crate::workspace::{Workspace, run};
use crate::{guests, native, say};

/// The command.
pub(crate) const COMMAND: args::Command = args::Command {
    name: "demo",
    help: "\
Build everything and run the transfer switch, with swaps of handlers and a crash in the middle.

Usage: cargo xtask demo [OPTIONS]

Starts the host on a fresh folder, provisions participants, drives transfers over HTTP, some of
every kind that does not go well, deploys a version of the rules with a ceiling and one with a defect
(which is found out and rolled back), kills the host with -9 in the middle, starts it again, and reports:
completed, refused, rate, latency, cost, how each kind ended, sums, lost, doubled. Exits with an
error if anything was lost, doubled or unbalanced, or ended otherwise than its kind allows.

Options:
      --transfers N      How many transfers to drive
      --rate N           Transfers a second; without it, as fast as it goes
      --unhappy PERCENT  How many of a hundred go another way than the happy one: 5 unless given
      --no-kill          Leave the host alone
      --no-swap          Leave the handlers alone
      --kinds            Print how each kind of transfer ended, too
      --picture FILE     Draw the report, too, as SVG
      --json             Print the report as one JSON object
      --serve            Leave the host running, and say which URLs to try
      --in-flight N      Without --rate: transfers under way at once
      --batch N          Transfers in one request, at most
      --data DIR         Work in this new folder and leave it there
      --offline          Install and download nothing
  -h, --help             Print this
",
    options: &[
        Flag { name: "--transfers", value: Value::Number },
        Flag { name: "--rate", value: Value::Number },
        Flag { name: "--unhappy", value: Value::Percent },
        Flag { name: "--no-kill", value: Value::None },
        Flag { name: "--no-swap", value: Value::None },
        Flag { name: "--kinds", value: Value::None },
        Flag { name: "--picture", value: Value::Text },
        Flag { name: "--json", value: Value::None },
        Flag { name: "--serve", value: Value::None },
        Flag { name: "--in-flight", value: Value::Number },
        Flag { name: "--batch", value: Value::Number },
        Flag { name: "--data", value: Value::Text },
        Flag { name: OFFLINE, value: Value::None },
    ],
    run: command,
};

const HOST: &str = "zamu";
const DRIVER: &str = "switch-demo";

fn command(given: &Given) -> Result<ExitCode> {
    let mut workspace = Workspace::find()?;
    setup::prepare(&mut workspace, given)?;
    native::announce(&workspace);
    native::with_progress(&workspace, || -> Result<()> {
        guests::build(&workspace, None)?;
        say::headline("build");
        // `--workspace`, so that what tests and lints have built is not built again.
        run(&mut workspace.cargo(&["build", "--workspace", "--bin", HOST, "--bin", DRIVER]))
    })?;
    say::headline("demo");
    let error = Command::new(workspace.binary(DRIVER))
        .arg("--zamu")
        .arg(workspace.binary(HOST))
        .arg("--guests")
        .arg(guests::folder(&workspace))
        .args(given.words(&[OFFLINE]))
        .exec();
    Err(error).with_context(|| format!("cannot run {DRIVER}"))
}
