//! Money: figures and amounts in units of 10⁻⁴, never a floating-point number.
//!
//! One canonical text per value, the grammar of FSPIOP's `Amount`: no sign but a leading `-` of a
//! figure, no superfluous zero, never an exponent. What a currency admits is left to
//! [`Currency`](crate::Currency).

use std::str::FromStr;

use crate::text::serde_as_text;

/// Fraction digits that a unit stands for.
const SCALE: usize = 4;
/// Units in one whole.
const UNITS: u64 = 10_000;
/// Integer digits of an amount.
const AMOUNT_INTEGER_DIGITS: usize = 18;
/// Largest amount, in units.
const AMOUNT_UNITS_MAX: i128 = 10_i128.pow((AMOUNT_INTEGER_DIGITS + SCALE) as u32) - 1;
/// Integer digits of a figure: with the fraction 38 digits, which 128 bits always hold.
const FIGURE_INTEGER_DIGITS: usize = 34;
/// The largest figure, in units: 34 + 4 nines.
const UNITS_MAX: i128 = 10_i128.pow(38) - 1;
/// The longest text: a sign, 34 digits, a point, 4 digits.
const TEXT_BYTES_MAX: usize = 40;

/// A sum of money: a position, a reservation, a cap. May be negative; up to 34 integer and 4
/// fraction digits, so that sums of amounts do not overflow in practice, and never silently.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(i128);

/// The amount of one transfer: not negative, up to 18 integer and 4 fraction digits (FSPIOP).
/// Zero is grammatical; whether it is allowed is a rule of the transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(Money);

/// Why a text is no sum of money, or a sum cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The text breaks the grammar.
    #[error(
        "not an amount: write digits, at most one point with 1 to 4 digits after it, \
         and no superfluous zero, as in 5 or 0.5"
    )]
    Grammar,
    /// An amount has a sign.
    #[error("an amount has no sign")]
    Sign,
    /// More integer digits than allowed (the number given).
    #[error("more than {0} digits before the point")]
    TooLong(usize),
    /// The result of a calculation is beyond the largest figure.
    #[error("the sum is beyond 34 integer digits")]
    Overflow,
}

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// So many units of 10⁻⁴.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] beyond 34 integer digits.
    pub const fn from_units(units: i128) -> Result<Self, MoneyError> {
        if units > UNITS_MAX || units < -UNITS_MAX {
            return Err(MoneyError::Overflow);
        }
        Ok(Self(units))
    }

    /// In units of 10⁻⁴.
    #[must_use]
    pub const fn units(self) -> i128 {
        self.0
    }

    /// The sum of both.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] beyond 34 integer digits.
    pub fn plus(self, other: impl Into<Self>) -> Result<Self, MoneyError> {
        Self::from_units(self.0.checked_add(other.into().0).ok_or(MoneyError::Overflow)?)
    }

    /// This less the other.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] beyond 34 integer digits.
    pub fn minus(self, other: impl Into<Self>) -> Result<Self, MoneyError> {
        Self::from_units(self.0.checked_sub(other.into().0).ok_or(MoneyError::Overflow)?)
    }

    /// Whether this is below nothing.
    #[must_use]
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// Lends the canonical text.
    fn with_text<R>(self, use_text: impl FnOnce(&str) -> R) -> R {
        let mut buffer = [0_u8; TEXT_BYTES_MAX];
        let start = write_backwards(&mut buffer, self.0);
        use_text(std::str::from_utf8(&buffer[start..]).unwrap_or_default())
    }
}

impl Amount {
    /// Whether this is nothing.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0.0 == 0
    }

    /// In units of 10⁻⁴.
    #[must_use]
    pub const fn units(self) -> i128 {
        self.0.0
    }

    fn with_text<R>(self, use_text: impl FnOnce(&str) -> R) -> R {
        self.0.with_text(use_text)
    }
}

impl TryFrom<Money> for Amount {
    type Error = MoneyError;

    /// # Errors
    /// If the figure is negative or has too many digits.
    fn try_from(figure: Money) -> Result<Self, MoneyError> {
        if figure.is_negative() {
            return Err(MoneyError::Sign);
        }
        if figure.0 > AMOUNT_UNITS_MAX {
            return Err(MoneyError::TooLong(AMOUNT_INTEGER_DIGITS));
        }
        Ok(Self(figure))
    }
}

impl From<Amount> for Money {
    fn from(amount: Amount) -> Self {
        amount.0
    }
}

impl FromStr for Money {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        match text.strip_prefix('-') {
            None => parse_unsigned(text, FIGURE_INTEGER_DIGITS).map(Self),
            Some(rest) => match parse_unsigned(rest, FIGURE_INTEGER_DIGITS)? {
                0 => Err(MoneyError::Grammar),
                units => Ok(Self(-units)),
            },
        }
    }
}

impl FromStr for Amount {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        if text.starts_with(['-', '+']) {
            return Err(MoneyError::Sign);
        }
        parse_unsigned(text, AMOUNT_INTEGER_DIGITS).map(|units| Self(Money(units)))
    }
}

serde_as_text!(Money, "a decimal number as text, such as \"-12.5\"");
serde_as_text!(Amount, "an amount as text, such as \"12.5\"");

fn parse_unsigned(text: &str, integer_digits_max: usize) -> Result<i128, MoneyError> {
    let bytes = text.as_bytes();
    let (integer, fraction) = match bytes.iter().position(|b| *b == b'.') {
        None => (bytes, None),
        Some(point) => (&bytes[..point], Some(&bytes[point + 1..])),
    };
    let whole = parse_integer(integer, integer_digits_max)?;
    let part = fraction.map_or(Ok(0), parse_fraction)?;
    Ok(whole * i128::from(UNITS) + i128::from(part))
}

/// At most 34 digits, which with the scale stay within 128 bits.
fn parse_integer(digits: &[u8], digits_max: usize) -> Result<i128, MoneyError> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(MoneyError::Grammar);
    }
    if digits[0] == b'0' && digits.len() > 1 {
        return Err(MoneyError::Grammar);
    }
    if digits.len() > digits_max {
        return Err(MoneyError::TooLong(digits_max));
    }
    // 18 digits at a time fit 64 bits, which WebAssembly reckons with at once.
    let split = digits.len().saturating_sub(18);
    let high = parse_u64(&digits[..split]);
    let low = parse_u64(&digits[split..]);
    Ok(if high == 0 {
        i128::from(low)
    } else {
        i128::from(high) * 1_000_000_000_000_000_000 + i128::from(low)
    })
}

fn parse_fraction(digits: &[u8]) -> Result<u64, MoneyError> {
    if digits.len() > SCALE || !digits.iter().all(u8::is_ascii_digit) {
        return Err(MoneyError::Grammar);
    }
    match digits.last() {
        None | Some(b'0') => Err(MoneyError::Grammar),
        Some(_) => Ok(parse_u64(digits) * 10_u64.pow((SCALE - digits.len()) as u32)),
    }
}

/// At most 18 digits.
fn parse_u64(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0'))
}

/// Writes the canonical text to the end of the buffer and tells where it starts.
fn write_backwards(buffer: &mut [u8; TEXT_BYTES_MAX], units: i128) -> usize {
    let mut at = TEXT_BYTES_MAX;
    let mut put = |byte: u8| {
        at -= 1;
        buffer[at] = byte;
    };
    let magnitude = units.unsigned_abs();
    let (mut whole, mut part) = divide(magnitude, UNITS);
    if part != 0 {
        let mut digits = SCALE;
        while part.is_multiple_of(10) {
            part /= 10;
            digits -= 1;
        }
        for _ in 0..digits {
            put(b'0' + (part % 10) as u8);
            part /= 10;
        }
        put(b'.');
    }
    loop {
        let (rest, digit) = divide(whole, 10);
        put(b'0' + digit as u8);
        whole = rest;
        if whole == 0 {
            break;
        }
    }
    if units < 0 {
        put(b'-');
    }
    at
}

/// Division that stays within 64 bits where it can: 128-bit division is slow in WebAssembly.
fn divide(value: u128, by: u64) -> (u128, u64) {
    match u64::try_from(value) {
        Ok(value) => (u128::from(value / by), value % by),
        Err(_) => (value / u128::from(by), (value % u128::from(by)) as u64),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_amount_follows_the_grammar_of_fspiop() {
        for (text, units) in [
            ("0", 0),
            ("5", 50_000),
            ("0.5", 5_000),
            ("1.1101", 11_101),
            ("0.0001", 1),
            ("100", 1_000_000),
            ("999999999999999999.9999", 9_999_999_999_999_999_999_999),
            ("99999999999999.9999", 999_999_999_999_999_999),
        ] {
            let amount: Amount = text.parse().unwrap();
            assert_eq!(amount.units(), units, "{text}");
            assert_eq!(amount.to_string(), text);
        }
        for text in [
            "", ".", ".5", "5.", "5.0", "5.10", "05", "00", "1.00001", "1,5", "1e3", "0x1", " 1",
            "1 ", "1.5.1", "1.-5", "abc", "NaN", "Infinity", "١",
        ] {
            assert_eq!(text.parse::<Amount>(), Err(MoneyError::Grammar), "{text}");
        }
        for text in ["-1", "-0", "+1", "-"] {
            assert_eq!(text.parse::<Amount>(), Err(MoneyError::Sign), "{text}");
        }
        for text in ["1000000000000000000", "1000000000000000000.0001"] {
            assert_eq!(text.parse::<Amount>(), Err(MoneyError::TooLong(18)), "{text}");
        }
    }

    #[test]
    fn a_figure_may_be_negative_and_larger_than_any_amount() {
        for (text, units) in [
            ("-1.11", -11_100),
            ("-0.0001", -1),
            ("10000000000000000000", 10_i128.pow(23)),
            ("9999999999999999999999999999999999.9999", UNITS_MAX),
            ("-9999999999999999999999999999999999.9999", -UNITS_MAX),
        ] {
            let figure: Money = text.parse().unwrap();
            assert_eq!(figure.units(), units, "{text}");
            assert_eq!(figure.to_string(), text);
        }
        for text in ["-0", "--1", "+1", "-", "-.5", "-5.0", "- 1"] {
            assert_eq!(text.parse::<Money>(), Err(MoneyError::Grammar), "{text}");
        }
        assert_eq!("1".repeat(35).parse::<Money>(), Err(MoneyError::TooLong(34)));
    }

    #[test]
    fn a_tenth_and_two_tenths_are_three_tenths() {
        let sum = "0.1".parse::<Money>().unwrap().plus("0.2".parse::<Amount>().unwrap()).unwrap();
        assert_eq!(sum.to_string(), "0.3");
    }

    #[test]
    fn a_sum_beyond_the_largest_figure_is_an_error() {
        let largest = Money::from_units(UNITS_MAX).unwrap();
        let smallest = Money::from_units(-UNITS_MAX).unwrap();
        let least: Amount = "0.0001".parse().unwrap();
        assert_eq!(largest.plus(least), Err(MoneyError::Overflow));
        assert_eq!(largest.plus(largest), Err(MoneyError::Overflow));
        assert_eq!(smallest.minus(least), Err(MoneyError::Overflow));
        assert_eq!(smallest.minus(largest), Err(MoneyError::Overflow));
        assert_eq!(Money::from_units(UNITS_MAX + 1), Err(MoneyError::Overflow));
        assert_eq!(largest.plus(smallest), Ok(Money::ZERO));
    }

    #[test]
    fn money_is_text_in_json_never_a_number() {
        assert_eq!(serde_json::to_string(&Money(-12_500)).unwrap(), "\"-1.25\"");
        assert_eq!(serde_json::from_str::<Amount>("\"1.25\"").unwrap().units(), 12_500);
        assert!(serde_json::from_str::<Amount>("1.25").is_err());
        assert!(serde_json::from_str::<Money>("\"1e3\"").is_err());
    }

    proptest! {
        #[test]
        fn every_figure_has_one_text(units in -UNITS_MAX..=UNITS_MAX) {
            let figure = Money(units);
            let text = figure.to_string();
            prop_assert!(!text.contains(['e', 'E', '+']));
            prop_assert_eq!(text.parse::<Money>(), Ok(figure));
        }

        #[test]
        fn every_amount_has_one_text(units in 0..10_i128.pow(22)) {
            let text = Money(units).to_string();
            prop_assert_eq!(text.parse::<Amount>(), Ok(Amount(Money(units))));
        }

        #[test]
        fn whatever_parses_is_already_canonical(text in "-?[0-9]{0,40}(\\.[0-9]{0,6})?") {
            if let Ok(figure) = text.parse::<Money>() {
                prop_assert_eq!(figure.to_string(), text);
            }
        }
    }
}
