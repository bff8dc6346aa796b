//! Exact sums of decimals, whether a handler writes them as JSON numbers or as texts.

use std::fmt;

use serde_json::Value;

/// Fraction digits that are kept.
const DIGITS: usize = 12;
const WHOLE: i128 = 1_000_000_000_000;

/// A decimal with at most twelve digits behind the point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Decimal(i128);

impl Decimal {
    /// Reads a number, or a text that is one; none if it is neither, or finer than is kept.
    pub(crate) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) => Self::read(&number.to_string()),
            Value::String(text) => Self::read(text),
            _ => None,
        }
    }

    /// This many times as much more; none beyond all bounds.
    #[must_use]
    pub(crate) fn plus(self, other: Self, times: i64) -> Option<Self> {
        other.0.checked_mul(times.into()).and_then(|more| self.0.checked_add(more)).map(Self)
    }

    /// Whether it is nothing.
    pub(crate) fn is_zero(self) -> bool {
        self.0 == 0
    }

    fn read(text: &str) -> Option<Self> {
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let is_well_formed = !whole.is_empty()
            && is_number(whole)
            && is_number(part)
            && part.is_empty() != digits.contains('.')
            && part.len() <= DIGITS;
        if !is_well_formed {
            return None;
        }
        let units: i128 = format!("{whole}{part:0<DIGITS$}").parse().ok()?;
        Some(Self(sign * units))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / WHOLE, self.0 % WHOLE);
        let sign = if self.0 < 0 { "-" } else { "" };
        let part = format!("{:0DIGITS$}", part.unsigned_abs());
        match part.trim_end_matches('0') {
            "" => write!(f, "{sign}{}", whole.unsigned_abs()),
            part => write!(f, "{sign}{}.{part}", whole.unsigned_abs()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_and_texts_of_numbers_add_up_exactly() {
        let values = [json!(1), json!("0.1"), json!(0.2), json!("-1.3"), json!("-0.000000000001")];
        let sum = values.iter().fold(Decimal::default(), |sum, value| {
            sum.plus(Decimal::of(value).unwrap(), 1).unwrap()
        });
        assert_eq!(sum.to_string(), "-0.000000000001");
        let sum = sum.plus(Decimal::of(&json!("0.000000000001")).unwrap(), 1).unwrap();
        assert!(sum.is_zero());
        assert_eq!(sum.plus(Decimal::of(&json!("2.50")).unwrap(), -3).unwrap().to_string(), "-7.5");
    }

    #[test]
    fn what_is_no_number_or_too_fine_is_none() {
        for value in
            [json!("x"), json!(""), json!("1."), json!(".5"), json!("1e3"), json!(null), json!({})]
        {
            assert_eq!(Decimal::of(&value), None, "{value}");
        }
        assert_eq!(Decimal::of(&json!("0.0000000000001")), None);
        let most = Decimal::of(&json!("100000000000000000000000000")).unwrap();
        assert_eq!(most.plus(most, 10), None);
    }
}
