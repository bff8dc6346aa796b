//! Generated values: each is a function of the seed, the unit's number and its own place in the list,
//! so whoever hears of a unit knows all of them, and nobody keeps a list.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// The values of a load, in the order of their names.
#[derive(Clone, Debug, Default)]
pub struct Values {
    makers: Vec<Maker>,
    seed: u64,
    poison: Option<Poison>,
}

/// How a value is made.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Maker {
    /// Always this.
    Text(String),
    /// One of `count`, written as a text with a number in it.
    Choice(Choice),
    /// From one bound to the other, both included, with so many decimals.
    Number { from: u64, to: u64, decimals: usize },
    /// So many bytes, in base64 for URLs without padding.
    Bytes(usize),
    /// The digest of the bytes that another value stands for, written like those.
    Sha256Of(usize),
}

/// A choice.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Choice {
    pub(crate) count: u64,
    pub(crate) before: String,
    pub(crate) after: String,
    /// The number of the first.
    pub(crate) first: u64,
    /// Digits at least.
    pub(crate) width: usize,
    /// By how much of all the first so many are chosen, where they are not chosen alike.
    pub(crate) shares: Option<Vec<f64>>,
    /// How much of the load takes the first one, if it is hot.
    pub(crate) hot: Option<f64>,
    /// Never the same place as that choice.
    pub(crate) unlike: Option<usize>,
}

/// Units that are to break a handler.
#[derive(Clone, Debug)]
struct Poison {
    /// One of so many.
    every: u64,
    /// What their values are instead.
    texts: Vec<Option<String>>,
}

impl Values {
    pub(crate) fn new(makers: Vec<Maker>, seed: u64) -> Self {
        Self { makers, seed, poison: None }
    }

    /// Has one unit of `every` take these texts where there is one.
    pub(crate) fn poison(&mut self, every: u64, texts: Vec<Option<String>>) {
        self.poison = Some(Poison { every: every.max(1), texts });
    }

    /// How many choices a value has; 0 for one that is none.
    pub(crate) fn choices(&self, value: usize) -> u64 {
        match self.makers.get(value) {
            Some(Maker::Choice(choice)) => choice.count,
            _ => 0,
        }
    }

    /// Writes what a unit's value is.
    pub(crate) fn write(&self, value: usize, unit: u64, to: &mut String) {
        if let Some(text) = self.poisoned(value, unit) {
            return to.push_str(text);
        }
        match &self.makers[value] {
            Maker::Text(text) => to.push_str(text),
            Maker::Choice(choice) => choice.write(self.chosen(value, choice, unit), to),
            Maker::Number { from, to: last, decimals } => {
                let span = u128::from(last - from) + 1;
                let drawn = (u128::from(self.draw(value, unit)) * span) >> 64;
                decimal(from + drawn as u64, *decimals, to);
            }
            Maker::Bytes(_) | Maker::Sha256Of(_) => {
                URL_SAFE_NO_PAD.encode_string(self.bytes(value, unit), to);
            }
        }
    }

    /// Writes one of the choices of a value.
    pub(crate) fn write_choice(&self, value: usize, index: u64, to: &mut String) {
        if let Maker::Choice(choice) = &self.makers[value] {
            choice.write(index, to);
        }
    }

    /// Whether a unit is to break a handler.
    pub(crate) fn is_poison(&self, unit: u64) -> bool {
        self.poison.as_ref().is_some_and(|poison| unit % poison.every == poison.every - 1)
    }

    /// Writes the name of a unit: a UUID, of which the last part is the unit's number.
    pub(crate) fn write_id(&self, unit: u64, to: &mut String) {
        let noise = mix(self.seed ^ mix(unit));
        let (a, b, c) = ((noise >> 32) as u32, (noise >> 16) as u16, noise & 0xfff);
        // Writing to a string cannot fail.
        let _ = write!(to, "{a:08x}-{b:04x}-4{c:03x}-8000-{unit:012x}");
    }

    /// The unit of a name, if it is one of ours; in front of it a source may stand, as in the name
    /// that a process has if nobody gives it one.
    pub(crate) fn unit_of(&self, name: &str) -> Option<u64> {
        let id = name.rsplit('/').next()?;
        let unit = u64::from_str_radix(id.get(24..36)?, 16).ok()?;
        let noise = u32::from_str_radix(id.get(..8)?, 16).ok()?;
        let is_ours = id.len() == 36 && noise == (mix(self.seed ^ mix(unit)) >> 32) as u32;
        is_ours.then_some(unit)
    }

    fn poisoned(&self, value: usize, unit: u64) -> Option<&str> {
        let poison = self.poison.as_ref().filter(|_| self.is_poison(unit))?;
        poison.texts.get(value)?.as_deref()
    }

    fn chosen(&self, value: usize, choice: &Choice, unit: u64) -> u64 {
        let drawn = self.draw(value, unit);
        let Some((other, of)) = choice.unlike.and_then(|of| match &self.makers[of] {
            Maker::Choice(other) => Some((other, of)),
            _ => None,
        }) else {
            return choice.draw(fraction(drawn), choice.count);
        };
        let taken = self.chosen(of, other, unit);
        let index = choice.draw(fraction(drawn), choice.count - 1);
        index + u64::from(index >= taken)
    }

    fn bytes(&self, value: usize, unit: u64) -> Vec<u8> {
        match self.makers[value] {
            Maker::Sha256Of(of) => Sha256::digest(self.bytes(of, unit)).to_vec(),
            Maker::Bytes(length) => {
                let start = self.draw(value, unit);
                let words = (0..).map(|word| mix(start ^ mix(word)).to_le_bytes());
                words.flatten().take(length).collect()
            }
            _ => Vec::new(),
        }
    }

    /// 64 bits that look as if nobody had chosen them.
    fn draw(&self, value: usize, unit: u64) -> u64 {
        mix(self.seed ^ mix(unit.wrapping_mul(0x1_0001).wrapping_add(1 + value as u64)))
    }
}

impl Choice {
    fn write(&self, index: u64, to: &mut String) {
        let Self { before, after, first, width, .. } = self;
        let _ = write!(to, "{before}{:0width$}{after}", first + index);
    }

    /// The choice at this part of the way through all `count` of them.
    fn draw(&self, at: f64, count: u64) -> u64 {
        let (at, skipped) = match self.hot {
            Some(hot) if at < hot => return 0,
            Some(hot) => ((at - hot) / (1.0 - hot), 1),
            None => (at, 0),
        };
        let index = match &self.shares {
            Some(shares) => {
                let start = if skipped == 1 { shares.first().copied().unwrap_or(0.0) } else { 0.0 };
                let at = start + at * (1.0 - start);
                shares.partition_point(|share| *share <= at) as u64
            }
            None => skipped + (at * count.saturating_sub(skipped) as f64) as u64,
        };
        index.min(count.saturating_sub(1))
    }
}

/// What part of all is chosen up to each of `count` choices, of which the first is chosen most, the
/// n-th in proportion to 1 / n to the power of `exponent`.
pub(crate) fn zipf(count: u64, exponent: f64) -> Vec<f64> {
    let weights = (1..=count).map(|rank| (rank as f64).powf(-exponent));
    let mut sums: Vec<f64> = weights
        .scan(0.0, |sum, weight| {
            *sum += weight;
            Some(*sum)
        })
        .collect();
    let all = sums.last().copied().unwrap_or(1.0);
    sums.iter_mut().for_each(|sum| *sum /= all);
    sums
}

/// In canonical form: without zeros behind that say nothing.
fn decimal(number: u64, decimals: usize, to: &mut String) {
    let digits = format!("{number:0width$}", width = decimals + 1);
    let (whole, part) = digits.split_at(digits.len() - decimals);
    to.push_str(whole);
    let part = part.trim_end_matches('0');
    if !part.is_empty() {
        to.push('.');
        to.push_str(part);
    }
}

/// From 0 up to, but not including, 1.
fn fraction(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

/// Spreads a number over 64 bits (the finaliser of SplitMix64).
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeMap;

    use super::*;

    fn choice(count: u64) -> Choice {
        Choice {
            count,
            before: "n".into(),
            after: String::new(),
            first: 1,
            width: 2,
            shares: None,
            hot: None,
            unlike: None,
        }
    }

    fn text(values: &Values, value: usize, unit: u64) -> String {
        let mut text = String::new();
        values.write(value, unit, &mut text);
        text
    }

    fn counts(values: &Values, value: usize) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for unit in 0..10_000 {
            *counts.entry(text(values, value, unit)).or_default() += 1;
        }
        counts
    }

    #[test]
    fn a_name_leads_back_to_its_unit_and_no_other_name_does() {
        let values = Values::new(Vec::new(), 7);
        for unit in [0, 1, 255, 1_000_000, (1 << 48) - 1] {
            let mut id = String::new();
            values.write_id(unit, &mut id);
            assert_eq!((id.len(), values.unit_of(&id)), (36, Some(unit)), "{id}");
            assert_eq!(values.unit_of(&format!("shop/{id}")), Some(unit), "{id}");
            assert_eq!(Values::new(Vec::new(), 8).unit_of(&id), None, "another run's");
        }
        for other in ["", "x", "setup/1", "00000000-0000-4000-8000-000000000001", "ä"] {
            assert_eq!(values.unit_of(other), None, "{other}");
        }
    }

    #[test]
    fn the_same_seed_makes_the_same_values_and_another_does_not() {
        let makers = vec![Maker::Choice(choice(50)), Maker::Bytes(32)];
        let [one, same, other] = [1, 1, 2].map(|seed| Values::new(makers.clone(), seed));
        let all = |values: &Values| -> Vec<String> {
            (0..100).flat_map(|unit| [text(values, 0, unit), text(values, 1, unit)]).collect()
        };
        assert_eq!(all(&one), all(&same));
        assert_ne!(all(&one), all(&other));
    }

    #[test]
    fn all_choices_are_taken_alike() {
        let values = Values::new(vec![Maker::Choice(choice(10))], 1);
        let counts = counts(&values, 0);
        assert_eq!(counts.len(), 10);
        assert_eq!(counts.keys().next().unwrap(), "n01");
        assert!(counts.values().all(|count| (850..1_150).contains(count)), "{counts:?}");
    }

    #[test]
    fn the_hot_choice_takes_its_share_and_the_others_the_rest_alike() {
        let hot = Choice { hot: Some(0.7), ..choice(4) };
        let found = counts(&Values::new(vec![Maker::Choice(hot)], 1), 0);
        assert!((6_800..7_200).contains(&found["n01"]), "{found:?}");
        assert!(found.values().skip(1).all(|count| (850..1_150).contains(count)), "{found:?}");
        let shares = Some(zipf(4, 1.0));
        let hot = Choice { hot: Some(0.5), shares, ..choice(4) };
        let found = counts(&Values::new(vec![Maker::Choice(hot)], 1), 0);
        assert!((4_800..5_200).contains(&found["n01"]), "{found:?}");
        assert!(found["n02"] > found["n03"] && found["n03"] > found["n04"], "{found:?}");
    }

    #[test]
    fn by_zipf_the_second_choice_is_taken_half_as_often_as_the_first() {
        let shares = Some(zipf(100, 1.0));
        let values =
            Values::new(vec![Maker::Choice(Choice { shares, width: 3, ..choice(100) })], 1);
        let counts = counts(&values, 0);
        let ratio = counts["n001"] as f64 / counts["n002"] as f64;
        assert!((1.7..2.3).contains(&ratio), "{counts:?}");
        assert!(counts.len() > 90);
    }

    #[test]
    fn what_must_differ_does_and_reaches_all_others() {
        let makers = vec![
            Maker::Choice(Choice { hot: Some(0.7), ..choice(3) }),
            Maker::Choice(Choice { unlike: Some(0), ..choice(3) }),
        ];
        let values = Values::new(makers, 1);
        let mut pairs = BTreeMap::new();
        for unit in 0..1_000 {
            *pairs.entry((text(&values, 0, unit), text(&values, 1, unit))).or_insert(0) += 1;
        }
        assert_eq!(pairs.len(), 6);
        assert!(pairs.keys().all(|(one, other)| one != other), "{pairs:?}");
    }

    #[test]
    fn numbers_keep_their_bounds_and_are_written_in_canonical_form() {
        let makers = vec![
            Maker::Number { from: 3, to: 5, decimals: 0 },
            Maker::Number { from: 0, to: u64::MAX, decimals: 2 },
        ];
        let values = Values::new(makers, 1);
        assert_eq!(counts(&values, 0).keys().collect::<Vec<_>>(), ["3", "4", "5"]);
        assert!((0..10).any(|unit| text(&values, 1, unit).contains('.')));
        for (number, written) in [(0, "0"), (5, "0.05"), (110, "1.1"), (200, "2"), (1_234, "12.34")]
        {
            let mut text = String::new();
            decimal(number, 2, &mut text);
            assert_eq!(text, written);
        }
    }

    #[test]
    fn a_digest_is_that_of_the_bytes_themselves() {
        let values = Values::new(vec![Maker::Bytes(32), Maker::Sha256Of(0)], 1);
        let bytes = URL_SAFE_NO_PAD.decode(text(&values, 0, 9)).unwrap();
        assert_eq!(bytes.len(), 32);
        let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(&bytes));
        assert_eq!(text(&values, 1, 9), digest);
    }

    #[test]
    fn one_unit_of_so_many_is_poison_and_only_its_values_change() {
        let mut values =
            Values::new(vec![Maker::Text("good".into()), Maker::Text("same".into())], 1);
        values.poison(10, vec![Some("bad".into()), None]);
        let bad: Vec<u64> = (0..30).filter(|unit| text(&values, 0, *unit) == "bad").collect();
        assert_eq!(bad, [9, 19, 29]);
        assert!(bad.iter().all(|unit| values.is_poison(*unit)));
        assert!((0..30).all(|unit| text(&values, 1, unit) == "same"));
    }
}
