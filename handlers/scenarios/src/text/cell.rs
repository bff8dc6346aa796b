//! What a cell can say besides text: numbers and times.

use super::Wrong;

/// So many minutes, seconds or milliseconds.
pub(super) fn duration_ms(line: usize, text: &str) -> Result<u64, Wrong> {
    let wrong = || Wrong::at(line, format!("a time is 5 min, 5 s or 5 ms, not: {text}"));
    let (count, unit) = text.split_once(' ').ok_or_else(wrong)?;
    let count = number(line, count)?;
    match unit {
        "min" => Ok(count * 60_000),
        "s" => Ok(count * 1_000),
        "ms" => Ok(count),
        _ => Err(wrong()),
    }
}

pub(super) fn number(line: usize, text: &str) -> Result<u64, Wrong> {
    let number = text.parse::<u32>().map(u64::from);
    number.map_err(|_| Wrong::at(line, format!("not a number: {text}")))
}
