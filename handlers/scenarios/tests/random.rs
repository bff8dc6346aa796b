//! Random stories on the native switch, and what the stories themselves are worth.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;

use proptest::prelude::*;
use scenarios::Switch;
use scenarios::native::Native;
use scenarios::story::{self, Next};

/// More on demand: `ZAMU_STORIES=0..100000`, or one of them by its seed.
const STORIES: u64 = 300;
const VARIABLE: &str = "ZAMU_STORIES";

#[test]
fn the_laws_hold_at_every_rest() {
    let seeds = story::seeds(VARIABLE, STORIES).unwrap();
    story::each(seeds, 1..120, |_, told| {
        story::play(told, &mut Native::new(&told.configuration(), 1)?)
    })
    .unwrap_or_else(|error| panic!("{VARIABLE}: {error:?}"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..Default::default() })]

    #[test]
    fn the_batch_size_changes_nothing(
        story in prop::collection::vec(prop::collection::vec(story::next(), 1..30), 1..6),
    ) {
        let mut seen = Vec::new();
        for batch_max in [1, 2, 50] {
            let mut switch = Native::new(&[], batch_max).unwrap();
            let mut outcomes = Vec::new();
            for together in &story {
                let commands = together.iter().filter_map(Next::command).collect();
                outcomes.extend(switch.send(commands).unwrap());
                switch.settle().unwrap();
            }
            seen.push((outcomes, story::picture(&mut switch).unwrap()));
        }
        prop_assert_eq!(&seen[0], &seen[1]);
        prop_assert_eq!(&seen[0], &seen[2]);
    }
}

/// The generator is worth nothing if its stories never get anywhere.
#[test]
fn random_stories_reach_every_end() {
    let mut ends = BTreeSet::new();
    story::each(0..40, 100..120, |_, told| {
        let mut switch = Native::new(&told.configuration(), 1)?;
        story::play(told, &mut switch)?;
        ends.extend(story::ends(&mut switch)?);
        Ok(())
    })
    .unwrap();
    let expected = ["ABORTED_ERROR", "ABORTED_REJECTED", "COMMITTED", "INVALID", "RESERVED"];
    assert_eq!(ends.into_iter().collect::<Vec<_>>(), expected);
}

/// A failure is told by its seed, and by the smallest story that fails like it.
#[test]
fn a_story_that_fails_is_told_by_its_seed_and_made_small() {
    let play = |_: u64, told: &story::Story| {
        let prepares = |next: &&Next| matches!(next, Next::Prepare { .. });
        anyhow::ensure!(told.happens.iter().filter(prepares).count() < 2, "two prepares");
        Ok(())
    };
    let error = story::each(3..9, 1..120, play).unwrap_err();
    let text = format!("{error:?}");
    assert!(text.starts_with("seed 3: Story"), "{text}");
    assert!(text.contains("two prepares"), "{text}");
    assert_eq!(text.matches("Prepare {").count(), 2, "{text}");

    let panics = story::each(5..6, 1..2, |_, _| panic!("a bug")).unwrap_err();
    assert!(format!("{panics:?}").contains("panicked: a bug"), "{panics:?}");
}

#[test]
fn seeds_come_from_the_environment_or_are_counted_from_nothing() {
    // A variable that nobody sets.
    assert_eq!(story::seeds("ZAMU_STORIES_OF_NOBODY", 7).unwrap(), 0..7);
}
