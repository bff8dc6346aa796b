//! What the demo is asked to do.

use std::path::PathBuf;

use clap::Parser;
use clap::value_parser;

/// Transfers that take about a minute on two cores, the crash and the count at the end included.
const TRANSFERS: u64 = 300_000;

/// Runs the transfer switch: starts the host as a process of its own, drives transfers over HTTP,
/// plays the payee, deploys other versions of a handler meanwhile, kills the host with -9 in the middle,
/// starts it again, and reports.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "switch-demo",
    after_help = "Exits with 1 if anything was lost, doubled or unbalanced, or ended otherwise than it may.\n\nExamples:\n  \
        switch-demo --zamu target/debug/zamu --guests target/guests\n  \
        switch-demo --zamu target/debug/zamu --guests target/guests --transfers 60000 --rate 1000 --no-kill --json"
)]
pub struct Args {
    /// The host's program
    #[arg(long, value_name = "PATH")]
    pub(crate) zamu: PathBuf,

    /// The folder of the handlers' components (participants.wasm, accounts.wasm, transfers.wasm and its
    /// other versions, directory.wasm)
    #[arg(long, value_name = "DIR")]
    pub(crate) guests: PathBuf,

    /// How many transfers to drive
    #[arg(long, value_name = "N", default_value_t = TRANSFERS, value_parser = value_parser!(u64).range(1..=10_000_000))]
    pub(crate) transfers: u64,

    /// Transfers a second, whatever the host answers; without it, as fast as it goes
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..=1_000_000))]
    pub(crate) rate: Option<u64>,

    /// Of a hundred transfers, how many take another way than the happy one: every kind of refusal,
    /// rejection, abort, timeout and repetition in turn; 0 for none
    #[arg(long, value_name = "PERCENT", default_value_t = 5, value_parser = value_parser!(u64).range(0..=100))]
    pub(crate) unhappy: u64,

    /// Leave the host alone
    #[arg(long)]
    pub(crate) no_kill: bool,

    /// Leave the handlers alone: with few transfers they are
    #[arg(long)]
    pub(crate) no_swap: bool,

    /// Print how each kind of transfer ended, too
    #[arg(long)]
    pub(crate) kinds: bool,

    /// Draw the report, too, as SVG
    #[arg(long, value_name = "FILE")]
    pub(crate) picture: Option<PathBuf>,

    /// Print the report as one JSON object
    #[arg(long)]
    pub(crate) json: bool,

    /// Leave the host running until Ctrl-C, and say which URLs to try
    #[arg(long)]
    pub serve: bool,

    /// Without --rate: transfers under way at once
    #[arg(long, value_name = "N", default_value_t = 1_024, value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub(crate) in_flight: u32,

    /// Transfers in one request, at most: a few have a command more
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = value_parser!(u32).range(1..=1_000))]
    pub(crate) batch: u32,

    /// Work in this folder and leave it there; it must not exist yet. Without it, one beside the
    /// guests, removed when all went well
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use clap::CommandFactory;

    use super::*;

    fn parse(words: &[&str]) -> Result<Args, String> {
        let fixed = ["switch-demo", "--zamu", "z", "--guests", "g"];
        Args::try_parse_from(fixed.iter().chain(words)).map_err(|error| error.to_string())
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Args::command().debug_assert();
    }

    #[test]
    fn what_xtask_passes_on_is_understood() {
        let words = ["--transfers", "60000", "--rate=1000", "--no-kill", "--json", "--serve"];
        let more = ["--unhappy", "0", "--no-swap", "--kinds", "--picture", "p.svg"];
        let args = parse(&[&words[..], &more].concat()).unwrap();
        assert_eq!(args.unhappy, 0);
        assert_eq!((args.transfers, args.rate), (60_000, Some(1_000)));
        assert!(args.no_kill && args.json && args.serve && args.no_swap && args.kinds);
        assert_eq!(args.picture, Some("p.svg".into()));
        assert_eq!(parse(&[]).unwrap().transfers, TRANSFERS);
        assert_eq!(parse(&[]).unwrap().unhappy, 5);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (words, part) in [
            (&["--transfers", "0"][..], "--transfers <N>"),
            (&["--rate", "-1"], "-1"),
            (&["--rate", "fast"], "--rate <N>"),
            (&["--in-flight", "0"], "--in-flight <N>"),
            (&["--batch", "5000"], "--batch <N>"),
            (&["--unhappy", "101"], "--unhappy <PERCENT>"),
            (&["--kill"], "--kill"),
        ] {
            let error = parse(words).unwrap_err();
            assert!(error.contains(part), "{words:?}: {error}");
        }
    }
}
