//! Two texts, line by line, as people compare them.

use std::fmt::{Debug, Write as _};

/// `-` before what was expected and is not there, `+` before what is there and was not expected.
pub(crate) fn lines(expected: &str, found: &str) -> String {
    let (a, b): (Vec<_>, Vec<_>) = (expected.lines().collect(), found.lines().collect());
    let common = common_suffix_lengths(&a, &b);
    let (mut i, mut j) = (0, 0);
    let mut text = String::new();
    while i < a.len() || j < b.len() {
        let (mark, line) = if i < a.len() && j < b.len() && a[i] == b[j] {
            (i, j) = (i + 1, j + 1);
            (' ', a[i - 1])
        } else if j == b.len() || (i < a.len() && common[i + 1][j] >= common[i][j + 1]) {
            i += 1;
            ('-', a[i - 1])
        } else {
            j += 1;
            ('+', b[j - 1])
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {mark} {line}");
    }
    text
}

/// The difference of two values as `{:#?}` shows them.
pub(crate) fn values<T: Debug + ?Sized, U: Debug + ?Sized>(expected: &T, found: &U) -> String {
    lines(&format!("{expected:#?}"), &format!("{found:#?}"))
}

/// JSON, indented; any other bytes as lossy text.
pub(crate) fn pretty(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "(empty)".to_owned();
    }
    // Not through a `Value`, which would sort the members and hide that their order differs.
    let mut pretty = Vec::new();
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let mut writer = serde_json::Serializer::pretty(&mut pretty);
    match transcode(&mut reader, &mut writer) {
        Ok(()) => String::from_utf8_lossy(&pretty).into_owned(),
        Err(_) => String::from_utf8_lossy(bytes).into_owned(),
    }
}

fn transcode(
    reader: &mut serde_json::Deserializer<serde_json::de::SliceRead<'_>>,
    writer: &mut serde_json::Serializer<&mut Vec<u8>, serde_json::ser::PrettyFormatter<'_>>,
) -> Result<(), serde_json::Error> {
    use serde::Deserialize;
    let members = Members::deserialize(reader)?;
    serde::Serialize::serialize(&members, writer)
}

/// JSON with the members of objects in the order in which they stand.
enum Members {
    Object(Vec<(String, Members)>),
    Array(Vec<Members>),
    Plain(serde_json::Value),
}

impl serde::Serialize for Members {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Object(members) => {
                serializer.collect_map(members.iter().map(|(name, value)| (name, value)))
            }
            Self::Array(values) => serializer.collect_seq(values),
            Self::Plain(value) => value.serialize(serializer),
        }
    }
}

impl<'de> serde::Deserialize<'de> for Members {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> serde::de::Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Members, E> {
        Ok(Members::Plain(serde_json::Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Members, E> {
        Ok(Members::Plain(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Members, E> {
        Ok(Members::Plain(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Members, E> {
        Ok(Members::Plain(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Members, E> {
        Ok(Members::Plain(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Members, E> {
        Ok(Members::Plain(value.into()))
    }

    fn visit_seq<S: serde::de::SeqAccess<'de>>(self, mut seq: S) -> Result<Members, S::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element()? {
            values.push(value);
        }
        Ok(Members::Array(values))
    }

    fn visit_map<M: serde::de::MapAccess<'de>>(self, mut map: M) -> Result<Members, M::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members::Object(members))
    }
}

/// `table[i][j]`: the length of the longest common subsequence of `a[i..]` and `b[j..]`.
fn common_suffix_lengths(a: &[&str], b: &[&str]) -> Vec<Vec<u32>> {
    let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            table[i][j] = if a[i] == b[j] {
                table[i + 1][j + 1] + 1
            } else {
                table[i + 1][j].max(table[i][j + 1])
            };
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_and_what_is_new_are_marked_between_what_is_equal() {
        assert_eq!(lines("a\nb\nc", "a\nc\nd"), "    a\n  - b\n    c\n  + d\n");
    }

    #[test]
    fn json_is_shown_in_its_own_order() {
        assert_eq!(
            pretty(br#"{"b":1,"a":[null]}"#),
            "{\n  \"b\": 1,\n  \"a\": [\n    null\n  ]\n}"
        );
    }

    #[test]
    fn what_is_not_json_is_shown_as_it_is() {
        assert_eq!(pretty(b"oops"), "oops");
        assert_eq!(pretty(b""), "(empty)");
    }
}
