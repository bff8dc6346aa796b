//! Where something stands, as people write it: `TYPE/PARTITION` and `TYPE/PARTITION/NUMBER`.

use std::fmt;
use std::str::FromStr;

/// A dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Letter {
    /// Its aggregate type.
    pub(crate) aggregate_type: String,
    /// Its partition.
    pub(crate) partition: u32,
    /// Its number there.
    pub(crate) number: u64,
}

/// What is to be redriven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Letters {
    /// One dead letter.
    One(Letter),
    /// All open ones of a partition.
    All {
        /// Their aggregate type.
        aggregate_type: String,
        /// Their partition.
        partition: u32,
    },
}

impl FromStr for Letter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(Letters::One(letter)) => Ok(letter),
            _ => Err(format!("`{text}` is no TYPE/PARTITION/NUMBER, such as order/3/17")),
        }
    }
}

impl FromStr for Letters {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is neither TYPE/PARTITION nor TYPE/PARTITION/NUMBER, such as order/3/17"
            )
        };
        let parts: Vec<&str> = text.split('/').collect();
        let (name, partition) = match parts[..] {
            [name, partition] | [name, partition, _] if !name.is_empty() => (name, partition),
            _ => return Err(wrong()),
        };
        let (aggregate_type, partition) =
            (name.to_owned(), partition.parse().map_err(|_| wrong())?);
        match parts.get(2) {
            None => Ok(Self::All { aggregate_type, partition }),
            Some(number) => {
                let number = number.parse().map_err(|_| wrong())?;
                Ok(Self::One(Letter { aggregate_type, partition, number }))
            }
        }
    }
}

impl fmt::Display for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.aggregate_type, self.partition, self.number)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_dead_letter_is_named_as_answers_name_it() {
        let letter: Letter = "order/3/17".parse().unwrap();
        assert_eq!((letter.partition, letter.number), (3, 17));
        assert_eq!(letter.to_string(), "order/3/17");
        assert_eq!(
            "order/3".parse::<Letters>().unwrap(),
            Letters::All { aggregate_type: "order".into(), partition: 3 }
        );
    }

    #[test]
    fn what_names_nothing_is_refused() {
        for text in
            ["", "/", "order", "order/", "/3", "/3/1", "order/x", "order/3/", "a/1/2/3", "order/-1"]
        {
            assert!(text.parse::<Letters>().unwrap_err().contains(text), "{text}");
        }
        assert!("order/3".parse::<Letter>().is_err());
    }
}
