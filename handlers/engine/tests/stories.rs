//! Random stories in the engine, on a log that does everything a log may do: the laws of money hold
//! at every rest, nobody is told anything that the log does not say, and no command counts twice.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;

use engine::{Layout, Runtime};
use scenarios::story::{self, Story};
use zamu_core::log::Limit;
use zamu_core::log::simulated::{Counts, Faults, Simulated};
use zamu_core::prng::Prng;
use zamu_core::settings::Settings;

/// More on demand: `ZAMU_ENGINE_STORIES=0..2000`, or one of them by its seed.
const STORIES: u64 = 300;
const VARIABLE: &str = "ZAMU_ENGINE_STORIES";

#[test]
fn the_laws_hold_at_every_rest_whatever_the_log_does() {
    let seeds = story::seeds(VARIABLE, STORIES).unwrap();
    let many = seeds.end - seeds.start >= STORIES;
    let mut seen = Seen::default();
    story::each(seeds, 1..120, |seed, told| {
        let log = Simulated::new(seed, Faults::all());
        let mut switch = Runtime::simulated(layout(seed, told), &log, seed)?;
        story::play(told, &mut switch)?;
        seen.add(&log.counts(), story::ends(&mut switch)?);
        Ok(())
    })
    .unwrap_or_else(|error| panic!("{VARIABLE}: {error:?}"));
    if many {
        seen.assert_all();
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
    Layout { partitions, shards, settings, configuration: told.configuration() }
}

/// What struck, and where transfers ended, over all stories: what never happens proves nothing.
#[derive(Debug, Default)]
struct Seen {
    faults: [u64; 10],
    ends: BTreeSet<String>,
}

impl Seen {
    fn add(&mut self, counts: &Counts, ends: BTreeSet<String>) {
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
        self.ends.extend(ends);
    }

    fn assert_all(&self) {
        let ends = ["ABORTED_ERROR", "ABORTED_REJECTED", "COMMITTED", "INVALID", "RESERVED"];
        assert!(self.ends.iter().eq(ends), "{self:?}");
        assert!(self.faults.iter().all(|times| *times >= 50), "hardly strikes: {self:?}");
    }
}
