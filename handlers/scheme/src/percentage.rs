//! A whole percentage, 0 to 100.

use serde::{Deserialize, Serialize};

use crate::money::Money;

/// From 0 to 100. In JSON a plain number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Percentage(u8);

/// Not a percentage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a percentage is a whole number from 0 to 100, not {0}")]
pub struct PercentageError(u8);

impl Percentage {
    /// That part of a sum, rounded down to a unit of 10⁻⁴.
    #[must_use]
    pub const fn of(self, sum: Money) -> Money {
        // Whole hundreds apart from the rest, so that the largest sum does not overflow.
        let (hundreds, rest) = (sum.units().div_euclid(100), sum.units().rem_euclid(100));
        let part = hundreds * self.0 as i128 + rest * self.0 as i128 / 100;
        match Money::from_units(part) {
            Ok(part) => part,
            // Never: a part of a sum is within the bounds of the sum.
            Err(_) => sum,
        }
    }
}

impl TryFrom<u8> for Percentage {
    type Error = PercentageError;

    fn try_from(percent: u8) -> Result<Self, PercentageError> {
        if percent <= 100 { Ok(Self(percent)) } else { Err(PercentageError(percent)) }
    }
}

impl From<Percentage> for u8 {
    fn from(percentage: Percentage) -> Self {
        percentage.0
    }
}

impl std::fmt::Display for Percentage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} %", self.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn a_percentage_is_a_number_from_0_to_100() {
        for (json, read) in [
            ("0", Some(0)),
            ("80", Some(80)),
            ("100", Some(100)),
            ("101", None),
            ("256", None),
            ("-1", None),
            ("0.5", None),
            ("\"80\"", None),
        ] {
            let percentage = serde_json::from_str::<Percentage>(json).ok();
            assert_eq!(percentage.map(u8::from), read, "{json}");
        }
        let percentage = Percentage::try_from(80).unwrap();
        assert_eq!(serde_json::to_string(&percentage).unwrap(), "80");
        assert_eq!(percentage.to_string(), "80 %");
    }

    #[test]
    fn a_part_is_exact_down_to_the_smallest_unit_and_never_overflows() {
        let most = "9999999999999999999999999999999999.9999";
        for (percent, sum, part) in [
            (80, "100", "80"),
            (0, "100", "0"),
            (100, "99.9999", "99.9999"),
            (33, "0.01", "0.0033"),
            (33, "0.0003", "0"),
            (1, "1234567.89", "12345.6789"),
            (100, most, most),
            (50, most, "4999999999999999999999999999999999.9999"),
        ] {
            let percentage = Percentage::try_from(percent).unwrap();
            assert_eq!(
                percentage.of(sum.parse().unwrap()),
                part.parse().unwrap(),
                "{percent} {sum}"
            );
        }
    }
}
