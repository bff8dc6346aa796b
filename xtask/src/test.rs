//! `cargo xtask test`: the whole check, as one list of steps.
//!
//! Lints, build and tests use the same profile, the same selection and the same features, so that
//! nothing large is compiled twice; the last step counts that for RocksDB. A step that fails does
//! not hide what the others have to say, unless they need it.

use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail, ensure};

use crate::args::{self, Flag, Given, Value};
use crate::setup::{self, OFFLINE};
use crate::workspace::{Workspace, describe, run};
use crate::{guests, native, say};

/// The command.
pub(crate) const COMMAND: args::Command = args::Command {
    name: "test",
    help: "\
The whole check: what must hold before a change is taken.

Usage: cargo xtask test [OPTIONS]

Steps: setup, format, guests, lints (warnings are errors), build, tests, documentation. Prints what
each took; exits with an error if one failed.

Options:
      --offline  Install and download nothing
  -h, --help     Print this
",
    options: &[Flag { name: OFFLINE, value: Value::None }],
    run: command,
};

/// The feature that the check turns on in every package that has it. Not the encoder's: that one
/// would turn on features of crates below wasmtime, and have it compiled again.
const FEATURE: &str = "failpoints";

/// What became of a step.
struct Step {
    name: &'static str,
    time: Duration,
    result: Result<String>,
}

/// The check so far.
#[derive(Default)]
struct Check {
    steps: Vec<Step>,
}

fn command(given: &Given) -> Result<ExitCode> {
    let mut workspace = Workspace::find()?;
    let start = Instant::now();
    let began = SystemTime::now();
    let mut check = Check::default();
    let ready = check.step("setup", || setup::prepare(&mut workspace, given));
    if ready {
        native::announce(&workspace);
        native::with_progress(&workspace, || check.rest(&workspace, began));
    }
    check.summary(start.elapsed())
}

impl Check {
    fn rest(&mut self, workspace: &Workspace, began: SystemTime) {
        self.cargo(workspace, "format", &["fmt", "--all", "--check"]);
        let guests = self.step("guests", || guests::build(workspace, None));
        // The command lines of lints, build and tests must agree on packages and features.
        let all = ["--workspace", "--all-targets", "--features", FEATURE];
        let strict = ["--", "--deny", "warnings"];
        self.cargo(workspace, "lints", &[&["clippy"], &all[..], &strict].concat());
        let encoder = ["clippy", "--package", "xtask", "--features", guests::ENCODER, "--bins"];
        self.cargo(workspace, "lints: encoder", &[&encoder[..], &strict].concat());
        let built = self.cargo(workspace, "build", &[&["build"], &all[..]].concat());
        if built && guests {
            let words = ["test", "--workspace", "--features", FEATURE, "--no-fail-fast"];
            self.record("tests", || tests(&mut workspace.cargo(&words)));
        } else {
            self.record("tests", || bail!("not run: something they need was not built"));
        }
        let mut doc = workspace.cargo(&["doc", "--workspace", "--no-deps", "--features", FEATURE]);
        doc.env("RUSTDOCFLAGS", "--deny warnings");
        self.announced("documentation", &mut doc);
        self.record("one native build", || one_native_build(workspace, began));
    }

    fn cargo(&mut self, workspace: &Workspace, name: &'static str, words: &[&str]) -> bool {
        self.announced(name, &mut workspace.cargo(words))
    }

    fn announced(&mut self, name: &'static str, command: &mut Command) -> bool {
        say::headline(format_args!("{name}: {}", describe(command)));
        self.step(name, || run(command))
    }

    fn step<T>(&mut self, name: &'static str, work: impl FnOnce() -> Result<T>) -> bool {
        self.record(name, || work().map(|_| String::new()))
    }

    fn record(&mut self, name: &'static str, work: impl FnOnce() -> Result<String>) -> bool {
        let start = Instant::now();
        let result = work();
        let passed = result.is_ok();
        if let Err(error) = &result {
            say::error(error);
        }
        self.steps.push(Step { name, time: start.elapsed(), result });
        passed
    }

    fn summary(&self, time: Duration) -> Result<ExitCode> {
        say::headline("summary");
        for step in &self.steps {
            let (verdict, detail) = match &step.result {
                Ok(detail) => ("ok", detail.clone()),
                Err(error) => ("FAILED", error.to_string()),
            };
            let took = say::time(step.time);
            say::result(format!("{verdict:<6} {:<17} {took:>12}  {detail}", step.name).trim_end());
        }
        let failed: Vec<&str> =
            self.steps.iter().filter(|step| step.result.is_err()).map(|step| step.name).collect();
        say::result(format_args!(
            "{} steps passed, {} failed, in {}",
            self.steps.len() - failed.len(),
            failed.len(),
            say::time(time)
        ));
        ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
        Ok(ExitCode::SUCCESS)
    }
}

/// Runs the tests, shows their output, and adds up what each binary says.
fn tests(command: &mut Command) -> Result<String> {
    say::headline(format_args!("tests: {}", describe(command)));
    let mut child = command.stdout(Stdio::piped()).spawn().context("cannot run cargo")?;
    let stdout = child.stdout.take().context("no output of cargo")?;
    let mut counts = Counts::default();
    for line in BufReader::new(stdout).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        say::result(&line);
        counts.take(&line);
    }
    let status = child.wait()?;
    for name in &counts.failures {
        say::note(format_args!("failed: {name}"));
    }
    let Counts { passed, failed, ignored, .. } = counts;
    let text = format!("{passed} passed, {failed} failed, {ignored} ignored");
    if !status.success() || failed > 0 {
        bail!("{text} ({status})");
    }
    ensure!(passed > 0, "no test ran");
    Ok(text)
}

/// Sums over the test binaries.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: u64,
    failed: u64,
    ignored: u64,
    failures: Vec<String>,
}

impl Counts {
    /// Reads one line of a test binary's output.
    fn take(&mut self, line: &str) {
        if let Some(name) = line.strip_prefix("test ").and_then(|l| l.strip_suffix(" ... FAILED")) {
            self.failures.push(name.to_owned());
        }
        let Some(result) = line.strip_prefix("test result: ") else { return };
        for part in result.split(['.', ';']) {
            let mut words = part.split_whitespace();
            let (Some(number), Some(what)) = (words.next(), words.next()) else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }
}

fn one_native_build(workspace: &Workspace, began: SystemTime) -> Result<String> {
    match native::compiled_since(workspace, began) {
        0 => Ok("RocksDB was there".to_owned()),
        1 => Ok("RocksDB was compiled once".to_owned()),
        times => bail!(
            "RocksDB was compiled {times} times: two commands of this check differ in the features \
             of a crate that its build script needs"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_all_test_binaries_are_added_up() {
        let mut counts = Counts::default();
        for line in [
            "running 3 tests",
            "test a::holds ... ok",
            "test b::breaks ... FAILED",
            "test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; \
             finished in 0.02s",
            "test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out; \
             finished in 1.00s",
        ] {
            counts.take(line);
        }
        assert_eq!((counts.passed, counts.failed, counts.ignored), (13, 1, 1));
        assert_eq!(counts.failures, ["b::breaks"]);
    }

    #[test]
    fn a_failed_step_fails_the_check_and_is_named() {
        let mut check = Check::default();
        assert!(check.step("format", || Ok(())));
        assert!(check.summary(Duration::ZERO).is_ok());
        assert!(!check.step("lints", || -> Result<()> { bail!("a warning") }));
        let error = check.summary(Duration::ZERO).map(|_| ()).map_err(|error| error.to_string());
        assert_eq!(error, Err("failed: lints".to_owned()));
    }
}
