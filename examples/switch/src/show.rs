//! What is seen while it runs: a bar on a terminal, a line now and then elsewhere. The report alone
//! goes to the standard output.

use std::fmt::Display;
use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

use crate::tally::Counts;

const LINE_EVERY: Duration = Duration::from_secs(2);

/// The progress of the transfers.
#[derive(Debug)]
pub(crate) struct Show {
    bar: Option<ProgressBar>,
    total: u64,
    seen: (Instant, u64),
}

impl Show {
    /// Nothing ended yet.
    pub(crate) fn new(total: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| ProgressBar::new(total));
        if let Some(bar) = &bar {
            let style = "  {bar:32} {pos}/{len}  {msg}";
            bar.set_style(
                ProgressStyle::with_template(style).unwrap_or(ProgressStyle::default_bar()),
            );
        }
        Self { bar, total, seen: (Instant::now(), 0) }
    }

    /// So many have ended; `rss_mib` is the host's memory.
    pub(crate) fn update(&mut self, counts: Counts, rss_mib: f64) {
        if let Some(bar) = &self.bar {
            bar.set_position(counts.ended);
        }
        let (at, before) = self.seen;
        let every = if self.bar.is_some() { LINE_EVERY / 10 } else { LINE_EVERY };
        if at.elapsed() < every {
            return;
        }
        let rate = (counts.ended - before) as f64 / at.elapsed().as_secs_f64();
        self.seen = (Instant::now(), counts.ended);
        let under_way = counts.taken.saturating_sub(counts.ended);
        let text = format!("{rate:.0}/s, {under_way} under way, {rss_mib:.0} MiB");
        match &self.bar {
            Some(bar) => bar.set_message(text),
            None => note(format_args!("{} of {}: {text}", counts.ended, self.total)),
        }
    }

    /// Something happened.
    pub(crate) fn event(&self, text: impl Display) {
        match &self.bar {
            Some(bar) => bar.suspend(|| note(&text)),
            None => note(&text),
        }
    }

    /// No more of it.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A line of progress.
#[expect(clippy::print_stderr, reason = "this is the program's progress")]
pub fn note(text: impl Display) {
    eprintln!("   {text}");
}

/// What was asked for.
#[expect(clippy::print_stdout, reason = "this is the program's output")]
pub(crate) fn result(text: impl Display) {
    println!("{text}");
}
