//! The configuration that somebody sends for a handler: checked, and in one form.
//!
//! JSON readers differ in what they make of a key that stands there twice and of a number that does not
//! fit: a limit on money must not depend on that.

use std::collections::BTreeSet;
use std::fmt;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// A JSON object, its keys in order, so that equal configurations are equal bytes; nothing if it is
/// empty, as where nothing is configured.
///
/// # Errors
/// Names the place of what is no JSON, of a key that stands there twice, and of an integer that 64 bits
/// do not hold.
pub fn document(text: &str) -> Result<Bytes> {
    // It bounds the depth, too.
    let map: Map<String, Value> = serde_json::from_str(text)?;
    check(text, "")?;
    Ok(if map.is_empty() { Bytes::new() } else { Value::Object(map).to_string().into() })
}

fn check(text: &str, place: &str) -> Result<()> {
    let at = || if place.is_empty() { "the configuration" } else { place };
    let text = text.trim_ascii();
    match text.as_bytes().first() {
        Some(b'{') => {
            let Entries(entries) = serde_json::from_str(text)?;
            let mut seen = BTreeSet::new();
            for (key, value) in &entries {
                if !seen.insert(key) {
                    bail!("{}: the key `{key}` stands there twice: keep one", at());
                }
                let dot = if place.is_empty() { "" } else { "." };
                check(value.get(), &format!("{place}{dot}{key}"))?;
            }
        }
        Some(b'[') => {
            let entries: Vec<&RawValue> = serde_json::from_str(text)?;
            for (index, entry) in entries.iter().enumerate() {
                check(entry.get(), &format!("{place}[{index}]"))?;
            }
        }
        Some(b'-' | b'0'..=b'9') if !text.contains(['.', 'e', 'E']) => {
            let fits = text.parse::<u64>().map(drop).or_else(|_| text.parse::<i64>().map(drop));
            fits.with_context(|| {
                format!("{}: {text} does not fit into 64 bits: write it as a string", at())
            })?;
        }
        _ => {}
    }
    Ok(())
}

/// The entries of an object as they stand there.
struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Collect).map(Self)
    }
}

struct Collect;

impl<'de> Visitor<'de> for Collect {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn refused(text: &str) -> String {
        format!("{:#}", document(text).unwrap_err())
    }

    #[test]
    fn equal_configurations_are_equal_bytes_and_an_empty_one_is_none() {
        assert_eq!(document(r#" { "b": 1, "a": [ 1.5 ] } "#).unwrap(), r#"{"a":[1.5],"b":1}"#);
        assert_eq!(document(r#"{"a":[1.5],"b":1}"#).unwrap(), r#"{"a":[1.5],"b":1}"#);
        assert_eq!(document(" {} ").unwrap(), "");
    }

    #[test]
    fn a_key_that_stands_there_twice_is_refused_with_its_place() {
        for text in [r#"{"a":1,"a":2}"#, " {\"a\":1,\"\\u0061\":2}"] {
            assert!(refused(text).contains("the configuration: the key `a`"), "{text}");
        }
        assert!(refused(r#"{"x":[{"y":{"a":1,"b":2,"a":1}}]}"#).contains("x[0].y: the key `a`"));
    }

    #[test]
    fn an_integer_that_64_bits_do_not_hold_is_refused_with_its_place() {
        for n in ["18446744073709551616", "-9223372036854775809"] {
            let error = refused(&format!(r#"{{"a":{{"limit":{n}}}}}"#));
            assert!(error.contains("a.limit") && error.contains(n), "{error}");
        }
        for n in ["18446744073709551615", "-9223372036854775808", "1e30", "-0"] {
            assert!(document(&format!(r#"{{"a":{n}}}"#)).is_ok(), "{n}");
        }
    }

    #[test]
    fn what_is_no_object_or_too_deep_is_refused() {
        for text in ["7", "[]", "", "{", "nonsense"] {
            assert!(document(text).is_err(), "{text}");
        }
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(document(&deep).is_err());
    }
}
