//! A small seeded generator, so that one number replays a whole simulated run. For the simulated
//! engines and for tests only: it is predictable on purpose, and no part of a turn draws from it.

/// A stream of numbers that depends on its seed alone (splitmix64).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prng(u64);

impl Prng {
    /// The stream of that seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number, uniform over all 64 bits.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 if `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        // The high half of a 128-bit product: uniform but for 2^-64 of bias, and without a division.
        ((u128::from(self.draw()) * u128::from(bound)) >> 64) as u64
    }

    /// A number from `low` to `high`, both included; `low` if `high` is below it.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low).saturating_add(1))
    }

    /// An index below `len`; 0 if `len` is 0.
    pub fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// True in so many of a thousand cases. Draws nothing for 0, so that a chance that is off
    /// leaves the stream as it was.
    pub fn chance(&mut self, per_mille: u32) -> bool {
        per_mille > 0 && self.below(1000) < u64::from(per_mille)
    }

    /// A fair coin.
    pub fn coin(&mut self) -> bool {
        self.draw() >> 63 == 1
    }

    /// A stream of its own, which what follows on this one does not disturb.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self(self.draw())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reference values of splitmix64 for seed 1234567.
    #[test]
    fn a_seed_gives_the_published_stream() {
        let mut prng = Prng::new(1_234_567);
        let drawn: Vec<u64> = (0..3).map(|_| prng.draw()).collect();
        assert_eq!(
            drawn,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn draws_stay_within_their_bounds_and_reach_them() {
        let mut prng = Prng::new(7);
        let mut seen = [false; 5];
        for _ in 0..1000 {
            let drawn = prng.between(3, 7);
            assert!((3..=7).contains(&drawn), "{drawn}");
            seen[(drawn - 3) as usize] = true;
        }
        assert_eq!(seen, [true; 5]);
        assert_eq!(prng.below(0), 0);
        assert_eq!(prng.between(9, 2), 9);
    }

    #[test]
    fn a_chance_happens_as_often_as_it_says() {
        let mut prng = Prng::new(1);
        let happened = (0..10_000).filter(|_| prng.chance(250)).count();
        assert!((2200..2800).contains(&happened), "{happened}");
        let before = prng.clone();
        assert!(!prng.chance(0));
        assert_eq!(prng, before);
        assert!(prng.chance(1000));
    }
}
