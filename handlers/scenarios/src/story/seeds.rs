//! Stories by the number: each seed makes one, and one that fails is told in its smallest form.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use anyhow::{Context as _, anyhow};

use super::Story;

/// How often a story that fails is made smaller, at most.
const SMALLER_MAX: usize = 400;

/// Makes a story of each seed and has it played. A panic while it is played is a failure.
///
/// # Errors
/// The first seed that fails, with the smallest story found that fails too, and how.
pub fn each(
    seeds: Range<u64>,
    lengths: Range<usize>,
    mut play: impl FnMut(u64, &Story) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    for seed in seeds {
        let mut attempt = |story: &Story| {
            catch_unwind(AssertUnwindSafe(|| play(seed, story)))
                .unwrap_or_else(|cause| Err(anyhow!("panicked: {}", said(&*cause))))
        };
        let story = Story::of(seed, lengths.clone());
        if let Err(error) = attempt(&story) {
            let (story, error) = smallest(attempt, story, error);
            return Err(error.context(format!("seed {seed}: {story:#?}")));
        }
    }
    Ok(())
}

/// The seeds that a test is to play: `count` from 0 on, or what the environment variable says: one
/// seed (`7`), or from one up to another, that one left out (`0..2000`).
///
/// # Errors
/// When the variable is neither.
pub fn seeds(variable: &str, count: u64) -> anyhow::Result<Range<u64>> {
    let Ok(text) = std::env::var(variable) else { return Ok(0..count) };
    let parse = |text: &str| text.parse::<u64>().ok();
    match text.split_once("..") {
        Some((from, to)) => parse(from).zip(parse(to)).map(|(from, to)| from..to),
        None => parse(&text).map(|seed| seed..seed + 1),
    }
    .with_context(|| format!("{variable} is a seed (7) or a range of seeds (0..2000), not {text}"))
}

/// Leaves out what is not needed for a story to fail: first many happenings at once, then one by one.
fn smallest(
    mut attempt: impl FnMut(&Story) -> anyhow::Result<()>,
    mut story: Story,
    mut error: anyhow::Error,
) -> (Story, anyhow::Error) {
    let mut attempts = 0;
    let mut size = story.happens.len();
    while size > 0 {
        let mut at = 0;
        while at < story.happens.len() && attempts < SMALLER_MAX {
            attempts += 1;
            let mut smaller = story.clone();
            smaller.happens.drain(at..(at + size).min(story.happens.len()));
            match attempt(&smaller) {
                Ok(()) => at += size,
                Err(other) => (story, error) = (smaller, other),
            }
        }
        size /= 2;
    }
    (story, error)
}

fn said(cause: &(dyn std::any::Any + Send)) -> &str {
    let text = cause.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| cause.downcast_ref::<&str>().copied()).unwrap_or("without words")
}
