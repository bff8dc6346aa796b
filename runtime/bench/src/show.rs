//! What is seen while it runs: a bar on a terminal, a line now and then elsewhere. The report alone
//! goes to the standard output.

use std::fmt::Display;
use std::io::IsTerminal;
use std::time::Duration;

use indicatif::ProgressBar;
use tokio::time::Instant;

use crate::tally::Counts;

const LINE_EVERY: Duration = Duration::from_secs(5);

/// The progress of one phase.
#[derive(Debug)]
pub(crate) struct Show {
    spinner: Option<ProgressBar>,
    what: &'static str,
    seen: (Instant, u64),
}

impl Show {
    /// Nothing ended yet.
    pub(crate) fn new(what: &'static str) -> Self {
        let spinner = std::io::stderr().is_terminal().then(ProgressBar::new_spinner);
        Self { spinner, what, seen: (Instant::now(), 0) }
    }

    /// So many have ended; `rss_mib` is the host's memory.
    pub(crate) fn update(&mut self, counts: Counts, rss_mib: f64) {
        let (at, before) = self.seen;
        let every = if self.spinner.is_some() { LINE_EVERY / 25 } else { LINE_EVERY };
        if at.elapsed() < every {
            return;
        }
        let ended = counts.ended();
        let rate = ended.saturating_sub(before) as f64 / at.elapsed().as_secs_f64();
        self.seen = (Instant::now(), ended);
        let under_way = counts.sent.saturating_sub(ended);
        let what = self.what;
        let text =
            format!("{what}: {ended} ended, {rate:.0}/s, {under_way} under way, {rss_mib:.0} MiB");
        match &self.spinner {
            Some(spinner) => {
                spinner.set_message(text);
                spinner.tick();
            }
            None => note(text),
        }
    }

    /// No more of it.
    pub(crate) fn finish(&self) {
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
    }
}

/// A line of progress.
#[expect(clippy::print_stderr, reason = "this is the program's progress")]
pub(crate) fn note(text: impl Display) {
    eprintln!("   {text}");
}
