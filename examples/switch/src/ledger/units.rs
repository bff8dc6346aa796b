//! Sums of money as the ledger reckons: whole units of 10⁻⁴, read from the texts of events.
//!
//! Not the type of the handlers, whose sums are checked by this one.

use std::borrow::Cow;
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::str::FromStr;

use anyhow::{Context, Error, Result, ensure};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Fraction digits that a unit stands for.
const DIGITS: usize = 4;
/// Units in one whole.
const WHOLE: u128 = 10_000;

/// A sum of money, in units of 10⁻⁴. Sums of what events can hold are far from 128 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Units(pub i128);

impl FromStr for Units {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let grammar = !whole.is_empty()
            && is_number(whole)
            && is_number(part)
            && part.len() <= DIGITS
            && part.is_empty() != digits.contains('.');
        ensure!(grammar, "not a sum of money: {text}");
        let units: i128 = format!("{whole}{part:0<DIGITS$}").parse().context("a sum of money")?;
        Ok(Self(sign * units))
    }
}

impl fmt::Display for Units {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0.unsigned_abs() / WHOLE, self.0.unsigned_abs() % WHOLE);
        let sign = if self.0 < 0 { "-" } else { "" };
        let part = format!("{part:0DIGITS$}");
        match part.trim_end_matches('0') {
            "" => write!(f, "{sign}{whole}"),
            part => write!(f, "{sign}{whole}.{part}"),
        }
    }
}

impl Serialize for Units {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Units {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Add for Units {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sub for Units {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl AddAssign for Units {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for Units {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Sum for Units {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Add::add)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_sum_is_read_and_written_as_events_have_it() {
        for (text, units) in
            [("0", 0), ("1.5", 15_000), ("-0.0001", -1), ("-12", -120_000), ("7.1234", 71_234)]
        {
            assert_eq!(text.parse::<Units>().unwrap(), Units(units));
            assert_eq!(Units(units).to_string(), text);
        }
    }

    #[test]
    fn what_is_no_sum_is_an_error() {
        for text in ["", "-", ".5", "5.", "1.00001", "1e3", "+1", "1,5", " 1", "--1"] {
            assert!(text.parse::<Units>().is_err(), "{text}");
        }
    }
}
