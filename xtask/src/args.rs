//! Command lines: a table of options per command, and what was given of it.
//!
//! Small on purpose: long options only, `--name VALUE` or `--name=VALUE`, no positional arguments.
//! An argument that is not in the table is an error that names it.

use std::process::ExitCode;

use anyhow::{Result, bail};

/// A command: its name, its help, its options, and what it does.
pub(crate) struct Command {
    /// The word on the command line.
    pub(crate) name: &'static str,
    /// What `--help` prints.
    pub(crate) help: &'static str,
    /// The options it takes.
    pub(crate) options: &'static [Flag],
    /// Does it.
    pub(crate) run: fn(&Given) -> Result<ExitCode>,
}

/// An option of a command.
pub(crate) struct Flag {
    /// With its dashes.
    pub(crate) name: &'static str,
    /// What follows it.
    pub(crate) value: Value,
}

/// What follows an option.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value {
    /// Nothing: it is there or not.
    None,
    /// A whole number above zero.
    Number,
    /// A whole number from 0 to 100.
    Percent,
    /// Any text.
    Text,
}

/// The options that were given, checked, in their order.
#[derive(Debug, Default)]
pub(crate) struct Given(Vec<(&'static str, Option<String>)>);

impl Command {
    /// Checks `words` against the table.
    pub(crate) fn parse(&self, words: &[String]) -> Result<Given> {
        let mut given = Given::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let (name, attached) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (word.as_str(), None),
            };
            let Some(option) = self.options.iter().find(|option| option.name == name) else {
                bail!(
                    "`{name}` is no option of `cargo xtask {0}`; see `cargo xtask {0} --help`",
                    self.name
                );
            };
            if given.has(name) {
                bail!("`{name}` is given twice");
            }
            let value = match (option.value, attached) {
                (Value::None, None) => None,
                (Value::None, Some(value)) => bail!("`{name}` takes no value, not `{value}`"),
                (_, Some(value)) => Some(value),
                (_, None) => match words.next() {
                    Some(value) if !value.starts_with("--") => Some(value.clone()),
                    _ => bail!("`{name}` wants a value after it"),
                },
            };
            if let (Value::Number, Some(text)) = (option.value, &value)
                && !text.parse::<u64>().is_ok_and(|number| number > 0)
            {
                bail!("`{name}` wants a whole number above zero, not `{text}`");
            }
            if let (Value::Percent, Some(text)) = (option.value, &value)
                && !text.parse::<u64>().is_ok_and(|number| number <= 100)
            {
                bail!("`{name}` wants a whole number from 0 to 100, not `{text}`");
            }
            given.0.push((option.name, value));
        }
        Ok(given)
    }
}

impl Given {
    /// Whether the option was given.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(given, _)| *given == name)
    }

    /// The value of an option, if it was given.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(given, _)| *given == name).and_then(|(_, value)| value.as_deref())
    }

    /// The options as words again, those named in `without` left out.
    pub(crate) fn words(&self, without: &[&str]) -> Vec<String> {
        self.0
            .iter()
            .filter(|(name, _)| !without.contains(name))
            .flat_map(|(name, value)| [Some((*name).to_owned()), value.clone()])
            .flatten()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const COMMAND: Command = Command {
        name: "play",
        help: "",
        options: &[
            Flag { name: "--rate", value: Value::Number },
            Flag { name: "--only", value: Value::Text },
            Flag { name: "--share", value: Value::Percent },
            Flag { name: "--json", value: Value::None },
        ],
        run: |_| Ok(ExitCode::SUCCESS),
    };

    fn parse(words: &[&str]) -> Result<Given, String> {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        COMMAND.parse(&words).map_err(|error| error.to_string())
    }

    #[test]
    fn options_are_read_in_both_spellings() {
        for words in [&["--rate", "7", "--json"][..], &["--rate=7", "--json"]] {
            let given = parse(words).unwrap();
            assert_eq!(given.value("--rate"), Some("7"));
            assert!(given.has("--json"));
            assert!(!given.has("--only"));
            assert_eq!(given.words(&["--json"]), ["--rate", "7"]);
        }
        assert_eq!(parse(&["--share", "0"]).unwrap().value("--share"), Some("0"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (words, part) in [
            (&["--rates", "7"][..], "`--rates` is no option of `cargo xtask play`"),
            (&["play"], "`play` is no option"),
            (&["--rate"], "`--rate` wants a value"),
            (&["--rate", "--json"], "`--rate` wants a value"),
            (&["--rate", "many"], "not `many`"),
            (&["--rate", "0"], "not `0`"),
            (&["--rate", "-1"], "not `-1`"),
            (&["--share", "101"], "from 0 to 100, not `101`"),
            (&["--share=half"], "from 0 to 100, not `half`"),
            (&["--json=yes"], "`--json` takes no value"),
            (&["--json", "--json"], "`--json` is given twice"),
        ] {
            let error = parse(words).unwrap_err();
            assert!(error.contains(part), "{words:?}: {error}");
        }
    }
}
