//! Random stories in the engine, on a log that does everything a log may do: the laws of money hold
//! at every rest, nobody is told anything that the log does not say, and no command counts twice.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::ops::Range;

use engine::{Layout, Runtime};
use scenarios::story::{self, Story};
use zamu_core::log::Limit;
use zamu_core::log::simulated::{Counts, Faults, Simulated};
use zamu_core::prng::Prng;
use zamu_core::settings::Settings;

/// More on demand: `ZAMU_ENGINE_STORIES=0..20000`, or one of them by its seed.
const STORIES: u64 = 2_000;
/// On the embedded log, which syncs to a disk: a few.
const EMBEDDED_STORIES: u64 = 4;
const LENGTHS: Range<usize> = 1..120;
const VARIABLE: &str = "ZAMU_ENGINE_STORIES";

#[test]
fn the_laws_hold_at_every_rest_whatever_the_log_does() {
    let seeds = story::seeds(VARIABLE, STORIES).unwrap();
    let many = seeds.end - seeds.start >= STORIES;
    let mut seen = Seen::default();
    story::each(seeds, LENGTHS, |seed, told| {
        let log = Simulated::new(seed, Faults::all());
        let mut switch = Runtime::simulated(layout(seed, told), &log, seed)?;
        story::play(told, &mut switch)?;
        seen.add(&log.counts(), &mut switch)
    })
    .unwrap_or_else(|error| panic!("{VARIABLE}: {error:?}"));
    if many {
        seen.assert_all();
    }
}

#[test]
fn the_laws_hold_on_the_embedded_log() {
    story::each(0..EMBEDDED_STORIES, LENGTHS, |_, told| {
        story::play(told, &mut Runtime::embedded(Layout::new(&told.configuration()))?)
    })
    .unwrap_or_else(|error| panic!("{error:?}"));
}

/// A build that breaks a promise on purpose: some story must find it, or the stories are worth
/// nothing.
#[cfg(feature = "failpoints")]
mod controls {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use zamu_core::failpoints::{self, arm, disarm_all};

    use super::*;

    const NEVER_MS: u64 = 1 << 50;

    /// Finds the sabotage in this way in some story; others may find it in other ways before.
    fn is_found(point: &str, how: &str) {
        arm(point);
        let mut others = Vec::new();
        let found = (0..STORIES).any(|seed| {
            let told = Story::of(seed, LENGTHS);
            // The log looks at what a shard releases, and a restart at what the store has; here only
            // what clients see is to count.
            let mut layout = layout(seed, &told);
            layout.settings.release_every_ms = NEVER_MS;
            layout.settings.flush_every_ms = NEVER_MS;
            let log = Simulated::new(seed, Faults::all());
            let mut switch = Runtime::simulated(layout, &log, seed).unwrap();
            match catch_unwind(AssertUnwindSafe(|| story::play(&told, &mut switch))) {
                Ok(Ok(())) => false,
                Ok(Err(error)) => {
                    let error = format!("{error:#}");
                    let is_so = error.contains(how);
                    others.extend((!is_so).then(|| format!("story {seed}: {error}")));
                    is_so
                }
                Err(_) => {
                    others.push(format!("story {seed} panicked"));
                    false
                }
            }
        });
        disarm_all();
        assert!(found, "no story finds `{point}` by {how}: {others:#?}");
    }

    #[test]
    fn states_published_before_the_commit_are_found() {
        is_found(failpoints::PUBLISH_BEFORE_COMMIT, "was answered");
    }

    #[test]
    fn a_build_without_dedupe_is_found() {
        is_found(failpoints::SKIP_DEDUPE, "and again at");
    }

    #[test]
    fn answers_before_durable_are_found() {
        is_found(failpoints::ANSWER_BEFORE_DURABLE, "was answered");
    }

    #[test]
    fn a_dropped_channel_number_is_found() {
        is_found(failpoints::DROP_CHANNEL_NUMBER, "Halted");
    }

    #[test]
    fn a_recovery_that_forgets_outcomes_is_found() {
        is_found(failpoints::FORGET_OUTCOMES, "and again at");
    }
}

/// Every seed has its own layout: small turns, small chunks, a store that is behind or is not.
fn layout(seed: u64, told: &Story) -> Layout {
    let mut prng = Prng::new(seed);
    let records = |n: usize| Limit { records: n, bytes: usize::MAX };
    let settings = Settings {
        turn: records([1, 2, 5, 500][prng.index(4)]),
        commit_records: 1 + prng.index(20),
        flush_every_ms: [0, 500, 5_000][prng.index(3)],
        release_every_ms: [0, 2_000][prng.index(2)],
        flush_chunk: 1 + prng.index(4),
        restore_chunk: records(1 + prng.index(10)),
        sample_every: 3,
        ..Settings::default()
    };
    let (partitions, shards) = (prng.between(1, 4) as u32, 1 + prng.index(3));
    let configuration = told.configuration();
    Layout { partitions, shards, settings, configuration, ..Layout::new(&[]) }
}

/// What struck, and where transfers ended, over all stories: what never happens proves nothing.
#[derive(Debug, Default)]
struct Seen {
    faults: [u64; 10],
    duplicates: usize,
    deployments: usize,
    /// How many stories had a transfer that came there.
    ends: BTreeMap<String, u64>,
}

impl Seen {
    fn add(&mut self, counts: &Counts, switch: &mut Runtime) -> anyhow::Result<()> {
        let struck = [
            counts.refused,
            counts.aborted,
            counts.doubted_happened,
            counts.doubted_not,
            counts.rejected,
            counts.revoked,
            counts.lost,
            counts.fenced,
            counts.crashes,
            counts.writes_lost,
        ];
        for (sum, times) in self.faults.iter_mut().zip(struck) {
            *sum += times;
        }
        self.duplicates += switch.duplicates();
        self.deployments += switch.deployments();
        let mut reached = story::ends(switch)?;
        reached.extend(story::timeouts(switch)?);
        for end in reached {
            *self.ends.entry(end).or_default() += 1;
        }
        Ok(())
    }

    fn assert_all(&self) {
        let ends = [
            "ABORTED_ERROR",
            "ABORTED_REJECTED",
            "COMMITTED",
            "EXPIRED_PREPARED",
            "EXPIRED_RESERVED",
            "INVALID",
            "PREPARE_TIMEOUT",
            "RESERVED",
            "RESERVED_TIMEOUT",
        ];
        let often = |end: &&str| self.ends.get(*end).is_some_and(|stories| *stories >= 10);
        assert!(ends.iter().all(often), "hardly ends like that: {self:?}");
        assert!(self.faults.iter().all(|times| *times >= 100), "hardly strikes: {self:?}");
        assert!(self.duplicates >= 1_000, "hardly repeats: {self:?}");
        assert!(self.deployments >= 1_000, "hardly deploys: {self:?}");
    }
}
