//! Where a range begins or ends, as people write it: the number of a turn, a time, or an age.

use zamu::audit::Edge;
use zamu_core::model::Time;

const DAY_MS: u64 = 86_400_000;

/// What was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// The number of a turn.
    Turn(u64),
    /// Milliseconds since 1970.
    Time(u64),
    /// So many milliseconds ago.
    Age(u64),
}

impl Said {
    /// What it means now.
    pub(super) fn edge(self, now: Time) -> Edge {
        match self {
            Self::Turn(turn) => Edge::Turn(turn),
            Self::Time(ms) => Edge::Time(Time(ms)),
            Self::Age(ms) => Edge::Time(Time(now.0.saturating_sub(ms))),
        }
    }
}

/// Reads it.
///
/// # Errors
/// What can be written.
pub(super) fn parse(text: &str) -> Result<Said, String> {
    let said = text.parse().ok().map(Said::Turn).or_else(|| age(text)).or_else(|| time(text));
    said.ok_or_else(|| {
        format!("`{text}` is neither the number of a turn, nor a time such as 2026-11-23T08:00:00Z (UTC), nor an age such as 30m, 2h or 7d")
    })
}

fn age(text: &str) -> Option<Said> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit_ms = match unit {
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => DAY_MS,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit_ms).map(Said::Age)
}

/// `YYYY-MM-DD`, alone or with `THH:MM`, seconds and milliseconds, and `Z` at the end.
fn time(text: &str) -> Option<Said> {
    let (date, rest) = text.split_once('T').map_or((text, None), |(date, rest)| (date, Some(rest)));
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let days = days(year, month, day)?;
    let Some(rest) = rest else { return Some(Said::Time(days * DAY_MS)) };
    let rest = rest.strip_suffix('Z')?;
    let (clock, fraction) = rest.split_once('.').unwrap_or((rest, "0"));
    let [hour, minute, second] = if clock.len() == 5 {
        numbers(&format!("{clock}:00"), ':', [2; 3])
    } else {
        numbers(clock, ':', [2; 3])
    }?;
    let is_time = hour < 24 && minute < 60 && second < 60;
    let is_fraction = (1..=9).contains(&fraction.len()) && is_digits(fraction);
    let ms: u64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let seconds = (hour * 60 + minute) * 60 + second;
    (is_time && is_fraction).then_some(Said::Time(days * DAY_MS + seconds * 1_000 + ms))
}

/// Three numbers of so many digits each.
fn numbers(text: &str, separator: char, digits: [usize; 3]) -> Option<[u64; 3]> {
    let parts: Vec<&str> = text.split(separator).collect();
    let parts: [&str; 3] = parts.try_into().ok()?;
    let fit = parts.iter().zip(digits).all(|(part, len)| part.len() == len && is_digits(part));
    let [a, b, c] = parts.map(|part| part.parse().unwrap_or(0));
    fit.then_some([a, b, c])
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Days from 1970-01-01 to a day of the Gregorian calendar.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let lengths = [31, if is_leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let before = usize::try_from(month.checked_sub(1)?).ok()?;
    let length = *lengths.get(before)?;
    if year < 1970 || day == 0 || day > length {
        return None;
    }
    let years = year - 1;
    let leap_days = |years: u64| years / 4 - years / 100 + years / 400;
    let of_years = (year - 1970) * 365 + leap_days(years) - leap_days(1969);
    Some(of_years + lengths[..before].iter().sum::<u64>() + day - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output;

    #[test]
    fn turns_times_and_ages_are_understood() {
        for (text, said) in [
            ("17", Said::Turn(17)),
            ("90s", Said::Age(90_000)),
            ("30m", Said::Age(1_800_000)),
            ("2h", Said::Age(7_200_000)),
            ("7d", Said::Age(604_800_000)),
            ("1970-01-02", Said::Time(DAY_MS)),
            ("1970-01-01T00:01Z", Said::Time(60_000)),
            ("2000-02-29T00:00:00Z", Said::Time(951_782_400_000)),
            ("2024-12-31T23:59:59.5Z", Said::Time(1_735_689_599_500)),
            ("2100-03-01T00:00:00.000Z", Said::Time(4_107_542_400_000)),
        ] {
            assert_eq!(parse(text), Ok(said), "{text}");
        }
    }

    #[test]
    fn what_is_shown_as_a_time_is_understood_as_that_time() {
        for ms in (0..5_000_000_000_000_u64).step_by(86_400_000 * 97 + 12_345_678) {
            assert_eq!(parse(&output::time(ms)), Ok(Said::Time(ms)));
        }
    }

    #[test]
    fn what_is_none_of_them_is_refused_with_what_would_do() {
        for text in [
            "",
            "x",
            "-1",
            "2h30m",
            "h",
            "2026-11-23T08:00:00",
            "2026-13-01",
            "2023-02-29",
            "26-1-1",
            "2026-11-23T24:00Z",
            "2026-11-23T08:00:00.Z",
            "2026-11-23T08Z",
            "1969-12-31",
            "é",
        ] {
            let error = parse(text).err().unwrap_or_default();
            assert!(error.contains("such as 30m"), "`{text}`: {error}");
        }
    }

    #[test]
    fn an_age_counts_back_from_now_and_not_beyond_the_beginning() {
        assert_eq!(Said::Age(10).edge(Time(25)), Edge::Time(Time(15)));
        assert_eq!(Said::Age(50).edge(Time(25)), Edge::Time(Time(0)));
    }
}
