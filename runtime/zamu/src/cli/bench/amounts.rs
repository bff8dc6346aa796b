//! Times, shares and choices, as people write them.

use std::time::Duration;

/// `60s`, `500ms`, `2m`; a number alone is seconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no time: write 60s, 500ms or 2m");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: f64 = digits.parse().map_err(|_| wrong())?;
    let seconds = match &text[digits.len()..] {
        "ms" => number / 1_000.0,
        "" | "s" => number,
        "m" => number * 60.0,
        "h" => number * 3_600.0,
        _ => return Err(wrong()),
    };
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
}

/// `70` or `70%`.
pub(super) fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim_end_matches('%').parse().ok();
    number
        .filter(|percent| (1.0..=99.0).contains(percent))
        .ok_or_else(|| format!("`{text}` is no share: write a number from 1 to 99, such as 70%"))
}

/// `1/1000`.
pub(super) fn one_in(text: &str) -> Result<u64, String> {
    let number = text.strip_prefix("1/").and_then(|number| number.parse().ok());
    number
        .filter(|number| (2..=1_000_000_000).contains(number))
        .ok_or_else(|| format!("`{text}` is no share: write 1/N with N from 2, such as 1/1000"))
}

/// `NAME=CHOICE`.
pub(super) fn variant(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, choice)) if !name.is_empty() && !choice.is_empty() => {
            Ok((name.to_owned(), choice.to_owned()))
        }
        _ => Err(format!("`{text}` chooses nothing: write NAME=CHOICE")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn times_and_shares_are_read_as_people_write_them() {
        for (text, ms) in
            [("60s", 60_000), ("500ms", 500), ("2m", 120_000), ("1.5", 1_500), ("0s", 0)]
        {
            assert_eq!(duration(text).unwrap(), Duration::from_millis(ms), "{text}");
        }
        assert_eq!((percent("70%"), percent("5")), (Ok(70.0), Ok(5.0)));
        assert_eq!(one_in("1/1000"), Ok(1_000));
        assert_eq!(variant("a=b=c").unwrap(), ("a".to_owned(), "b=c".to_owned()));
    }

    #[test]
    fn what_is_none_is_told_with_what_to_write() {
        for text in ["", "s", "-1s", "1d", "ms5", "1e30s", "NaNs"] {
            assert!(duration(text).unwrap_err().contains("60s"), "{text}");
        }
        for text in ["", "0", "100%", "-3", "x", "NaN"] {
            assert!(percent(text).unwrap_err().contains("70%"), "{text}");
        }
        for text in ["", "1/", "1/1", "2/3", "0.1"] {
            assert!(one_in(text).unwrap_err().contains("1/1000"), "{text}");
        }
        for text in ["", "a", "=b", "a="] {
            assert!(variant(text).is_err(), "{text}");
        }
    }
}
