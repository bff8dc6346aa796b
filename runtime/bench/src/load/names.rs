//! Which places a template may have: everywhere the values, in answers the event, in what is done once
//! for each choice only that choice and what is the same for all.

use std::collections::BTreeMap;

use crate::template::{Names, Place};
use crate::value::Maker;

/// The values of a load by name.
pub(super) struct Known<'a> {
    pub(super) numbers: &'a BTreeMap<&'a str, usize>,
    pub(super) makers: &'a [Maker],
}

/// Where a template stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    /// In what is sent for a unit.
    Unit,
    /// In what answers an event.
    Answer,
    /// In what is done once, or once for every choice of this value.
    Once(Option<usize>),
}

/// The places that may stand somewhere.
pub(super) struct NamesAt<'a> {
    pub(super) known: &'a Known<'a>,
    pub(super) at: At,
}

impl Names for NamesAt<'_> {
    fn place(&self, name: &str) -> Result<Place, String> {
        let once = matches!(self.at, At::Once(_));
        match name {
            "id" | "unit" if once => {
                return Err(format!("has `{{{name}}}`, but is done once, for no unit of work"));
            }
            "id" => return Ok(Place::Id),
            "unit" => return Ok(Place::Unit),
            _ => {}
        }
        if let Some(pointer) = name.strip_prefix("event:") {
            if self.at != At::Answer {
                return Err(format!(
                    "has `{{{name}}}`, but answers no event: only [[answer]] does"
                ));
            }
            if !pointer.starts_with('/') {
                return Err(format!(
                    "has `{{{name}}}`: write a JSON pointer, such as {{event:/data/amount}}"
                ));
            }
            return Ok(Place::Event(pointer.to_owned()));
        }
        let Some(number) = self.known.numbers.get(name).copied() else {
            let known: Vec<&str> =
                ["id", "unit"].into_iter().chain(self.known.numbers.keys().copied()).collect();
            return Err(format!(
                "has `{{{name}}}`, which is no value: there are {}",
                known.join(", ")
            ));
        };
        let maker = &self.known.makers[number];
        if let At::Once(each) = self.at
            && each != Some(number)
            && !matches!(maker, Maker::Text(_))
        {
            return Err(format!(
                "has `{{{name}}}`, which differs from unit to unit: say each = \"{name}\" to do it for every choice"
            ));
        }
        let is_number = matches!(maker, Maker::Number { decimals: 0, .. });
        Ok(Place::Value(number, is_number))
    }
}
