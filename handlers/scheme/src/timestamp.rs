//! Points in time as FSPIOP writes them: ISO 8601 with milliseconds and a zone.
//!
//! What time it is now is never asked here.

use std::str::FromStr;

use crate::text::serde_as_text;

const DAY_MS: i64 = 86_400_000;
const MINUTE_MS: i64 = 60_000;

/// Milliseconds since 1970-01-01 UTC, from then to the end of the year 9999. Canonical text: in UTC,
/// for example `2026-11-23T09:12:37.000Z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

/// Not a point in time as FSPIOP writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a time from 1970 to 9999: write it with milliseconds and zone, \
     as in 2026-11-23T09:12:37.000Z"
)]
pub struct TimestampError;

impl Timestamp {
    /// Milliseconds since 1970-01-01 UTC.
    #[must_use]
    pub const fn ms(self) -> u64 {
        self.0
    }

    /// The point in time so many milliseconds after 1970-01-01 UTC.
    ///
    /// # Errors
    /// If that is after the year 9999.
    pub fn from_ms(ms: u64) -> Result<Self, TimestampError> {
        let last = days_from_civil(10_000, 1, 1) * DAY_MS;
        if i64::try_from(ms).is_ok_and(|ms| ms < last) { Ok(Self(ms)) } else { Err(TimestampError) }
    }

    fn with_text<R>(self, use_text: impl FnOnce(&str) -> R) -> R {
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let (day, ms) = ((self.0 / DAY_MS as u64) as i64, self.0 % DAY_MS as u64);
        let (year, month, day) = civil_from_days(day);
        put(&mut text[0..4], year as u64);
        put(&mut text[5..7], month as u64);
        put(&mut text[8..10], day as u64);
        put(&mut text[11..13], ms / 3_600_000);
        put(&mut text[14..16], ms / 60_000 % 60);
        put(&mut text[17..19], ms / 1_000 % 60);
        put(&mut text[20..23], ms % 1_000);
        use_text(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let bytes = text.as_bytes();
        let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.')];
        if bytes.len() < 24 || separators.iter().any(|(at, byte)| bytes[*at] != *byte) {
            return Err(TimestampError);
        }
        let year = number(&bytes[0..4], 9_999)?;
        let month = number(&bytes[5..7], 12)?;
        let day = number(&bytes[8..10], 31)?;
        if month == 0 || day == 0 || day > days_in_month(year, month) {
            return Err(TimestampError);
        }
        let ms = number(&bytes[11..13], 23)? * 60 * MINUTE_MS
            + number(&bytes[14..16], 59)? * MINUTE_MS
            + number(&bytes[17..19], 59)? * 1_000
            + number(&bytes[20..23], 999)?;
        let local = days_from_civil(year, month, day) * DAY_MS + ms;
        let utc = local - zone_minutes(&bytes[23..])? * MINUTE_MS;
        u64::try_from(utc).map_err(|_| TimestampError).and_then(Self::from_ms)
    }
}

serde_as_text!(Timestamp, "a time, such as \"2026-11-23T09:12:37.000Z\"");

impl std::fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// Minutes east of UTC: `Z`, or `+hh:mm`, or `-hh:mm`.
fn zone_minutes(zone: &[u8]) -> Result<i64, TimestampError> {
    match zone {
        b"Z" => Ok(0),
        [sign @ (b'+' | b'-'), h1, h0, b':', m1, m0] => {
            let minutes = number(&[*h1, *h0], 19)? * 60 + number(&[*m1, *m0], 59)?;
            Ok(if *sign == b'+' { minutes } else { -minutes })
        }
        _ => Err(TimestampError),
    }
}

fn number(digits: &[u8], max: i64) -> Result<i64, TimestampError> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(TimestampError);
    }
    let value = digits.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
    if value <= max { Ok(value) } else { Err(TimestampError) }
}

fn put(digits: &mut [u8], mut value: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to this date. The reckoning starts the year in March, so that the leap day
/// is its last, and counts in eras of 400 years, which all have the same number of days.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_from_civil`]: year, month, day.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_time_is_read_as_fspiop_writes_it() {
        for (text, ms) in [
            ("1970-01-01T00:00:00.000Z", 0),
            ("2000-02-29T23:59:59.999Z", 951_868_799_999),
            ("2016-05-24T08:38:08.699-04:00", 1_464_093_488_699),
            ("2026-11-23T09:12:37.000Z", 1_795_425_157_000),
            ("2026-11-23T11:12:37.000+02:00", 1_795_425_157_000),
            ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
        ] {
            assert_eq!(text.parse::<Timestamp>().unwrap().ms(), ms, "{text}");
        }
    }

    #[test]
    fn anything_else_is_not_a_time() {
        for text in [
            "",
            "2026-11-23",
            "2026-11-23T09:12:37Z",
            "2026-11-23T09:12:37.00Z",
            "2026-11-23T09:12:37.0000Z",
            "2026-11-23T09:12:37.000",
            "2026-11-23T09:12:37.000z",
            "2026-11-23 09:12:37.000Z",
            "2026-11-23T24:00:00.000Z",
            "2026-11-23T09:60:00.000Z",
            "2026-11-23T09:12:60.000Z",
            "2026-13-01T00:00:00.000Z",
            "2026-00-01T00:00:00.000Z",
            "2026-01-00T00:00:00.000Z",
            "2026-02-29T00:00:00.000Z",
            "2100-02-29T00:00:00.000Z",
            "2026-04-31T00:00:00.000Z",
            "2026-11-23T09:12:37.000+2:00",
            "2026-11-23T09:12:37.000+02:60",
            "2026-11-23T09:12:37.000+20:00",
            "1969-12-31T23:59:59.999Z",
            "1970-01-01T00:00:00.000+01:00",
            "9999-12-31T23:59:59.999-01:00",
            "+026-11-23T09:12:37.000Z",
            "２026-11-23T09:12:37.000Z",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(TimestampError), "{text}");
        }
        assert_eq!(Timestamp::from_ms(253_402_300_800_000), Err(TimestampError));
        assert_eq!(Timestamp::from_ms(u64::MAX), Err(TimestampError));
    }

    proptest! {
        #[test]
        fn every_time_has_one_text(ms in 0..253_402_300_800_000_u64) {
            let time = Timestamp(ms);
            prop_assert_eq!(time.to_string().parse(), Ok(time));
        }
    }
}
