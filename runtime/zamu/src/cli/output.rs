//! What commands print: lines on the standard output, or kept for a test.

use std::fmt::Display;
use std::io::{self, BufWriter, StdoutLock, Write};

use serde::Serialize;
use serde_json::Value;

use crate::cli::failure::Failure;

/// Where lines go.
pub(crate) struct Output(Box<dyn Write>);

impl Output {
    /// The standard output, in large pieces.
    pub(crate) fn standard() -> Self {
        let stdout: StdoutLock<'static> = io::stdout().lock();
        Self(Box::new(BufWriter::with_capacity(1 << 16, stdout)))
    }

    /// A line for people.
    pub(crate) fn line(&mut self, text: impl Display) -> Result<(), Failure> {
        Ok(writeln!(self.0, "{text}")?)
    }

    /// A value as one line of JSON.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value).map_err(anyhow::Error::new)?;
        // White space between tokens of a body that is passed on byte for byte; a line break inside
        // a text is escaped in JSON.
        self.line(if text.contains(['\n', '\r']) { text.replace(['\n', '\r'], " ") } else { text })
    }

    /// A table whose columns are as wide as they must be; the first row is the heading.
    pub(crate) fn table<const N: usize>(&mut self, rows: &[[String; N]]) -> Result<(), Failure> {
        let mut widths = [0; N];
        for row in rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        for row in rows {
            let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
            self.line(cells.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        Ok(())
    }

    /// Everything so far can be seen.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        Ok(self.0.flush()?)
    }
}

/// A value for people: a text as it is, anything else as JSON.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The entries of a list; none where there is no list.
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], |values| values)
}

/// A time for people: UTC, with milliseconds.
pub(crate) fn time(ms: u64) -> String {
    let (days, rest) = (ms / 86_400_000, ms % 86_400_000);
    let (year, month, day) = civil(days);
    let (hours, minutes) = (rest / 3_600_000, rest / 60_000 % 60);
    let (seconds, ms) = (rest / 1_000 % 60, rest % 1_000);
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{ms:03}Z")
}

/// Year, month and day of so many days after 1970-01-01, in the Gregorian calendar.
fn civil(days: u64) -> (u64, u64, u64) {
    // Counted from 0000-03-01, so that the leap day is the last of a year.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
impl Output {
    /// Writes to memory; the other half reads it.
    pub(crate) fn kept() -> (Self, Kept) {
        let kept = Kept::default();
        (Self(Box::new(kept.clone())), kept)
    }
}

#[cfg(test)]
#[derive(Clone, Default)]
pub(crate) struct Kept(std::rc::Rc<std::cell::RefCell<Vec<u8>>>);

#[cfg(test)]
impl Kept {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.borrow()).into_owned()
    }
}

#[cfg(test)]
impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::value::RawValue;

    use super::*;

    #[test]
    fn a_value_is_one_line_whatever_its_white_space() {
        let (mut output, kept) = Output::kept();
        let value = RawValue::from_string("{\n  \"a\": \"x\\ny\"\r\n}".to_owned()).unwrap();
        output.json(&value).unwrap();
        assert_eq!(kept.text().lines().count(), 1);
        let read: serde_json::Value = serde_json::from_str(&kept.text()).unwrap();
        assert_eq!(read["a"], "x\ny");
    }

    #[test]
    fn columns_line_up() {
        let (mut output, kept) = Output::kept();
        output
            .table(&[["A", "B"], ["long", "x"], ["é", ""]].map(|row| row.map(str::to_owned)))
            .unwrap();
        assert_eq!(kept.text(), "A     B\nlong  x\né\n");
    }

    #[test]
    fn times_read_as_calendars_have_them() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_164_800_001, "2024-02-29T00:00:00.001Z"),
            (1_735_689_599_000, "2024-12-31T23:59:59.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(time(ms), text);
        }
    }
}
