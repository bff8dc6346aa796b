//! From what a load says of its values to how they are made.

use std::collections::BTreeMap;

use crate::clock;
use crate::load::{Error, Load, Options, Value};
use crate::value::{Choice, Maker, zipf};

/// Choices of one value, at most.
const CHOICES_MAX: u64 = 10_000_000;
/// Choices that are not taken alike, at most: each takes memory.
const SHARES_MAX: u64 = 1_000_000;
const BYTES_MAX: usize = 65_536;
const DECIMALS_MAX: usize = 12;
/// From now, at most.
const SECONDS_MAX: u64 = 3_155_760_000;

impl Load {
    pub(super) fn makers(&self, options: &Options, now_ms: u64) -> Result<Vec<Maker>, Error> {
        let mut hot = Vec::new();
        let mut makers = Vec::new();
        for (name, value) in &self.values {
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            let place = format!("values.{name}");
            if !name.bytes().all(is_name) || ["id", "unit", "event"].contains(&name.as_str()) {
                return self.unfit(place, "is no name for a value: take letters, digits, - and _, and none of id, unit, event");
            }
            if value.hot == Some(true) {
                hot.push(name);
            }
            makers.push(self.maker(name, value, options, now_ms)?);
        }
        match (&hot[..], options.hot) {
            ([_, other, ..], _) => {
                self.unfit(format!("values.{other}.hot"), "stands at a second value: one is hot")
            }
            ([], Some(_)) => Err(self.no_option(
                "--hot-key: no value of this load is declared hot: say hot = true at one that is chosen",
            )),
            _ => Ok(makers),
        }
    }

    pub(super) fn numbers(&self) -> BTreeMap<&str, usize> {
        self.values.keys().enumerate().map(|(number, name)| (name.as_str(), number)).collect()
    }

    fn maker(
        &self,
        name: &str,
        value: &Value,
        options: &Options,
        now_ms: u64,
    ) -> Result<Maker, Error> {
        let at = |key: &str| format!("values.{name}.{key}");
        let kinds = [
            ("choose", value.choose.is_some()),
            ("number", value.number.is_some()),
            ("bytes", value.bytes.is_some()),
            ("sha256-of", value.sha256_of.is_some()),
            ("time-in-s", value.time_in_s.is_some()),
            ("text", value.text.is_some() && value.choose.is_none()),
        ];
        let given: Vec<&str> = kinds.iter().filter(|(_, is)| *is).map(|(kind, _)| *kind).collect();
        let [kind] = given[..] else {
            return self.unfit(
                format!("values.{name}"),
                format!(
                    "is {}: say exactly one of choose, number, bytes, sha256-of, time-in-s, text",
                    if given.is_empty() { "nothing".to_owned() } else { given.join(" and ") }
                ),
            );
        };
        for (key, is_given, belongs) in [
            ("first", value.first.is_some(), "choose"),
            ("width", value.width.is_some(), "choose"),
            ("zipf", value.zipf.is_some(), "choose"),
            ("hot", value.hot.is_some(), "choose"),
            ("unlike", value.unlike.is_some(), "choose"),
            ("decimals", value.decimals.is_some(), "number"),
        ] {
            if is_given && kind != belongs {
                return self.unfit(at(key), format!("goes with `{belongs}`, not with `{kind}`"));
            }
        }
        match kind {
            "choose" => self.choice(name, value, options),
            "number" => {
                let [from, to] = value.number.unwrap_or_default();
                let decimals = value.decimals.unwrap_or(0);
                if from > to {
                    return self.unfit(
                        at("number"),
                        format!("begins above its end: write [{to}, {from}]"),
                    );
                }
                if decimals > DECIMALS_MAX {
                    return self.unfit(at("decimals"), format!("is above {DECIMALS_MAX}"));
                }
                Ok(Maker::Number { from, to, decimals })
            }
            "bytes" => match value.bytes.unwrap_or_default() {
                0 => self.unfit(at("bytes"), "is 0: say how many"),
                length if length > BYTES_MAX => {
                    self.unfit(at("bytes"), format!("is above {BYTES_MAX}"))
                }
                length => Ok(Maker::Bytes(length)),
            },
            "sha256-of" => {
                let of = value.sha256_of.as_deref().unwrap_or_default();
                match self.values.get(of) {
                    Some(Value { bytes: Some(_), .. }) => Ok(Maker::Sha256Of(self.numbers()[of])),
                    _ => self.unfit(
                        at("sha256-of"),
                        format!("names `{of}`, which is no value of `bytes`"),
                    ),
                }
            }
            "time-in-s" => {
                let seconds = value.time_in_s.unwrap_or_default();
                if seconds > SECONDS_MAX {
                    return self.unfit(
                        at("time-in-s"),
                        format!("is above {SECONDS_MAX}, a hundred years"),
                    );
                }
                Ok(Maker::Text(clock::rfc3339(now_ms + seconds * 1_000)))
            }
            _ => Ok(Maker::Text(value.text.clone().unwrap_or_default())),
        }
    }

    fn choice(&self, name: &str, value: &Value, options: &Options) -> Result<Maker, Error> {
        let at = |key: &str| format!("values.{name}.{key}");
        let count = value.choose.unwrap_or_default();
        if count == 0 || count > CHOICES_MAX {
            return self.unfit(at("choose"), format!("is {count}: between 1 and {CHOICES_MAX}"));
        }
        let text = value.text.as_deref().unwrap_or("{n}");
        let Some((before, after)) =
            text.split_once("{n}").filter(|_| text.matches("{n}").count() == 1)
        else {
            return self.unfit(at("text"), "must have {n} once, for the number of the choice");
        };
        let shares = match value.zipf {
            Some(exponent) if !(exponent > 0.0 && exponent <= 10.0) => {
                return self.unfit(at("zipf"), format!("is {exponent}: above 0, at most 10"));
            }
            Some(_) if count > SHARES_MAX => {
                return self.unfit(at("zipf"), format!("takes at most {SHARES_MAX} choices"));
            }
            Some(exponent) => Some(zipf(count, exponent)),
            None => None,
        };
        let unlike = match &value.unlike {
            None => None,
            Some(other) => match self.values.get(other) {
                Some(of) if other == name || of.unlike.is_some() => {
                    return self
                        .unfit(at("unlike"), "goes in a circle: name a value without `unlike`");
                }
                Some(of) if of.choose == Some(count) && count > 1 => {
                    Some(self.numbers()[other.as_str()])
                }
                _ => {
                    return self.unfit(
                        at("unlike"),
                        format!(
                            "names `{other}`: it must be a value of as many choices, two at least"
                        ),
                    );
                }
            },
        };
        let hot = options.hot.filter(|_| value.hot == Some(true));
        if hot.is_some() && count == 1 {
            return self.unfit(at("hot"), "stands at the only choice: it takes everything anyhow");
        }
        Ok(Maker::Choice(Choice {
            count,
            before: before.to_owned(),
            after: after.to_owned(),
            first: value.first.unwrap_or(0),
            width: value.width.unwrap_or(0).min(64),
            shares,
            hot,
            unlike,
        }))
    }
}
