//! What a partition's owner had released, a retention ago.
//!
//! What was released at a time had been appended before it. So what had been released a retention
//! ago is older than retention, all of it, and may go. Samples of what was released, taken every now
//! and then, are enough to know it; there are never many.

use std::collections::VecDeque;
use std::time::Duration;

use zamu_core::log::{InputPositions, LowWater};
use zamu_core::model::Time;

/// Samples per retention. More make what is kept beyond retention less.
const SAMPLES: u32 = 32;

/// See the file's head.
#[derive(Debug, Default)]
pub(crate) struct Released {
    samples: VecDeque<(Time, LowWater)>,
    passed: Option<LowWater>,
}

impl Released {
    /// Takes note of what is released now.
    pub(crate) fn sample(&mut self, now: Time, low_water: Option<LowWater>, retention: Duration) {
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let newest = self.samples.back().map(|(time, low_water)| (*time, *low_water));
        if let Some(low_water) = low_water
            && newest.is_none_or(|(time, sampled)| {
                time.plus_ms(ms(retention / SAMPLES)) <= now && sampled != low_water
            })
        {
            self.samples.push_back((now, low_water));
        }
        while let Some((_, low_water)) =
            self.samples.pop_front_if(|(time, _)| time.plus_ms(ms(retention)) <= now)
        {
            self.passed = Some(low_water);
        }
    }

    /// Inputs below these positions are gone.
    pub(crate) fn input(&self) -> InputPositions {
        self.passed.map_or_else(InputPositions::default, |low_water| low_water.input)
    }

    /// Batch records up to this turn are gone, the newest one excepted.
    pub(crate) fn turn(&self) -> u64 {
        self.passed.map_or(0, |low_water| low_water.turn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETENTION: Duration = Duration::from_millis(3_200);

    fn released(turn: u64) -> Option<LowWater> {
        Some(LowWater { turn, input: InputPositions { requests: 10 * turn, commands: 0 } })
    }

    #[test]
    fn what_was_released_goes_a_retention_later() {
        let mut partition = Released::default();
        partition.sample(Time(0), None, RETENTION);
        partition.sample(Time(1_000), released(3), RETENTION);
        partition.sample(Time(2_000), released(5), RETENTION);
        partition.sample(Time(4_199), released(9), RETENTION);
        assert_eq!((partition.turn(), partition.input()), (0, InputPositions::default()));
        partition.sample(Time(4_200), released(9), RETENTION);
        assert_eq!((partition.turn(), partition.input().requests), (3, 30));
        partition.sample(Time(6_000), released(9), RETENTION);
        assert_eq!(partition.turn(), 5);
    }

    #[test]
    fn without_a_retention_it_goes_at_once() {
        let mut partition = Released::default();
        partition.sample(Time(1), released(3), Duration::ZERO);
        assert_eq!(partition.turn(), 3);
    }

    #[test]
    fn samples_are_few_however_often_they_are_taken() {
        let mut partition = Released::default();
        for now in 0..10_000 {
            partition.sample(Time(now), released(now), RETENTION);
        }
        assert!(partition.samples.len() <= SAMPLES as usize + 1, "{}", partition.samples.len());
        assert!(partition.turn() > 10_000 - 3_200 - 200, "{}", partition.turn());
    }
}
