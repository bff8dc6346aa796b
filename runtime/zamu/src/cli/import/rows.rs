//! Rows of a file, one after another, each with the line that it begins on.

use std::fs::File;
use std::io::{BufRead, BufReader, Lines};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Comma-separated, with the names of columns in the first line
    Csv,
    /// One JSON object a line
    Jsonl,
}

impl Format {
    /// What the file's name says.
    pub(crate) fn of(path: &Path) -> Result<Self> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("csv") => Ok(Self::Csv),
            Some("jsonl" | "ndjson") => Ok(Self::Jsonl),
            _ => bail!(
                "{}: is it CSV or JSON lines? Name it .csv or .jsonl, or say --format",
                path.display()
            ),
        }
    }
}

/// One row.
#[derive(Debug)]
pub(crate) struct Row {
    /// Where it begins in the file, from 1.
    pub(crate) line: u64,
    /// Its cells by column. Those of CSV are texts.
    pub(crate) cells: Map<String, Value>,
    /// The row as it stands in the file, if that is JSON.
    pub(crate) json: Option<Box<RawValue>>,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// The line.
    pub(crate) line: u64,
    /// What is wrong there, and what to do.
    pub(crate) what: String,
}

/// The rows of a file.
pub(crate) enum Rows {
    /// Of CSV.
    Csv {
        /// Names of the columns.
        columns: Vec<String>,
        /// The rest of the file.
        records: csv::StringRecordsIntoIter<File>,
    },
    /// Of JSON lines.
    Jsonl {
        /// The rest of the file.
        lines: Lines<BufReader<File>>,
        /// The last line that was read.
        line: u64,
    },
}

impl Rows {
    /// Opens a file.
    pub(crate) fn open(path: &Path, format: Format) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        match format {
            Format::Jsonl => Ok(Self::Jsonl { lines: BufReader::new(file).lines(), line: 0 }),
            Format::Csv => {
                let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
                let headers = reader
                    .headers()
                    .with_context(|| format!("{}: the line with the columns", path.display()))?;
                let columns: Vec<String> = headers.iter().map(str::to_owned).collect();
                for (index, column) in columns.iter().enumerate() {
                    ensure!(
                        !column.is_empty() && !columns[..index].contains(column),
                        "{}: column {} is called `{column}`: every column needs a name of its own in the first line",
                        path.display(),
                        index + 1
                    );
                }
                Ok(Self::Csv { columns, records: reader.into_records() })
            }
        }
    }
}

impl Iterator for Rows {
    type Item = Result<Row, Wrong>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Csv { columns, records } => Some(csv_row(columns, records.next()?)),
            Self::Jsonl { lines, line } => loop {
                let text = lines.next()?;
                *line += 1;
                match text {
                    Ok(text) if text.trim().is_empty() => {}
                    Ok(text) => return Some(json_row(*line, text)),
                    Err(error) => return Some(Err(wrong(*line, error))),
                }
            },
        }
    }
}

fn csv_row(columns: &[String], record: csv::Result<csv::StringRecord>) -> Result<Row, Wrong> {
    let record = record.map_err(|error| {
        let line = error.position().map_or(0, csv::Position::line);
        let what = match error.kind() {
            csv::ErrorKind::UnequalLengths { len, expected_len, .. } => {
                format!("has {len} cells, but there are {expected_len} columns")
            }
            _ => error.to_string(),
        };
        Wrong { line, what }
    })?;
    let cells = columns.iter().zip(&record);
    Ok(Row {
        line: record.position().map_or(0, csv::Position::line),
        cells: cells.map(|(name, cell)| (name.clone(), Value::from(cell))).collect(),
        json: None,
    })
}

fn json_row(line: u64, text: String) -> Result<Row, Wrong> {
    let cells: Map<String, Value> = serde_json::from_str(&text)
        .map_err(|error| wrong(line, format!("is no JSON object: {error}")))?;
    let json = RawValue::from_string(text).map_err(|error| wrong(line, error))?;
    Ok(Row { line, cells, json: Some(json) })
}

fn wrong(line: u64, what: impl ToString) -> Wrong {
    Wrong { line, what: what.to_string() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn rows(name: &str, text: &str) -> Result<Vec<Result<Row, Wrong>>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        Ok(Rows::open(&path, Format::of(&path)?)?.collect())
    }

    #[test]
    fn cells_of_csv_are_texts_under_the_names_of_the_first_line() {
        let rows = rows("a.csv", "name, cap\nx,1.50\n\"a \"\"b\"\",\n c\",\n").unwrap();
        let rows: Vec<_> = rows.into_iter().map(|row| row.unwrap()).collect();
        assert_eq!(rows[0].cells, *json!({ "name": "x", "cap": "1.50" }).as_object().unwrap());
        assert_eq!(rows[1].cells["name"], "a \"b\",\n c");
        assert_eq!(rows.iter().map(|row| row.line).collect::<Vec<_>>(), [2, 3]);
    }

    #[test]
    fn a_line_that_cannot_be_read_is_told_by_its_number_and_the_rest_is_read() {
        let rows = rows("a.csv", "a,b\n1,2\n1\n3,4\n").unwrap();
        let told: Vec<_> = rows.iter().map(|row| row.as_ref().map(|row| row.line)).collect();
        let what = "has 1 cells, but there are 2 columns".to_owned();
        assert_eq!(told, [Ok(2), Err(&Wrong { line: 3, what }), Ok(4)]);
        let rows = super::tests::rows("a.jsonl", "{\"a\":1}\n\n[]\n{}\n").unwrap();
        let told: Vec<_> =
            rows.iter().map(|row| row.as_ref().map_or_else(|w| w.line, |r| r.line)).collect();
        assert_eq!(told, [1, 3, 4]);
        assert!(rows[1].as_ref().unwrap_err().what.contains("no JSON object"));
    }

    #[test]
    fn what_has_no_form_or_two_columns_of_one_name_is_refused() {
        assert!(rows("a.txt", "").unwrap_err().to_string().contains("--format"));
        assert!(
            rows("a.csv", "a,a\n1,2\n").unwrap_err().to_string().contains("column 2 is called `a`")
        );
    }
}
