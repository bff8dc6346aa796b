//! Points in time as events write them, as milliseconds since 1970.
//!
//! Not the type of the handlers, whose deadlines are checked by this one.

use std::borrow::Cow;
use std::str::FromStr;

use anyhow::{Context, Error, Result, ensure};
use serde::{Deserialize, Deserializer};

const FORM: &str = "0000-00-00T00:00:00.000Z";
const MONTHS: [u64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// Milliseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(pub(super) u64);

impl FromStr for Moment {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let as_formed = |(byte, form): (u8, u8)| match form {
            b'0' => byte.is_ascii_digit(),
            form => byte == form,
        };
        let is_formed = text.len() == FORM.len() && text.bytes().zip(FORM.bytes()).all(as_formed);
        ensure!(is_formed, "not a point in time: {text}");
        let number = |at: std::ops::Range<usize>| text[at].parse::<u64>().context("a number");
        let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
        ensure!(year >= 1970 && (1..=12).contains(&month) && day >= 1, "no such day: {text}");
        let is_leap = |year: u64| {
            year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
        };
        let years: u64 = (1970..year).map(|year| 365 + u64::from(is_leap(year))).sum();
        let months: u64 = MONTHS.iter().take(month as usize - 1).sum();
        let leap_day = u64::from(month > 2 && is_leap(year));
        let days = years + months + leap_day + day - 1;
        let seconds = (number(11..13)? * 60 + number(14..16)?) * 60 + number(17..19)?;
        Ok(Self((days * 86_400 + seconds) * 1_000 + number(20..23)?))
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_moment_is_read_as_events_have_it() {
        for (text, ms) in [
            ("1970-01-01T00:00:00.000Z", 0),
            ("1970-01-01T00:00:01.000Z", 1_000),
            ("2000-02-29T23:59:59.999Z", 951_868_799_999),
            ("2000-03-01T00:00:00.000Z", 951_868_800_000),
            ("2026-11-23T09:12:37.000Z", 1_795_425_157_000),
            ("2100-03-01T00:00:00.000Z", 4_107_542_400_000),
        ] {
            assert_eq!(text.parse::<Moment>().unwrap(), Moment(ms), "{text}");
        }
    }

    #[test]
    fn what_is_no_moment_is_an_error() {
        for text in [
            "",
            "2026-11-23",
            "2026-11-23T09:12:37Z",
            "2026-13-23T09:12:37.000Z",
            "2026-00-23T09:12:37.000Z",
            "1969-12-31T23:59:59.999Z",
            "2026-11-23T09:12:37.000+",
        ] {
            assert!(text.parse::<Moment>().is_err(), "{text}");
        }
    }
}
