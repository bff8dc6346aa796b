//! Bodies, states and configuration as JSON. What a document means is left to serde attributes.
//!
//! Decoding takes the fast way first; only a document that fails is read again to find the place.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bounds;

/// How long an explanation gets, in bytes. Some quote what they found, which a client chose.
const EXPLANATION_MAX: usize = 512;

/// Why a document was not understood: for people, naming the field. At most 512 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The field, as far as it is known; empty for the document as a whole.
    path: String,
    reason: String,
}

impl Malformed {
    /// The document as a whole is not understood, or a field that its reader will name.
    #[must_use]
    pub fn new(reason: impl Into<String>) -> Self {
        let mut reason: String = reason.into();
        bounds::cut(&mut reason, EXPLANATION_MAX);
        Self { path: String::new(), reason }
    }

    /// It lies in this field.
    #[must_use]
    pub fn within(mut self, field: &str) -> Self {
        self.path = match &*self.path {
            "" => field.to_owned(),
            inner => format!("{field}.{inner}"),
        };
        // Names of fields may be a client's, too.
        bounds::cut(&mut self.path, EXPLANATION_MAX / 2);
        let room = EXPLANATION_MAX.saturating_sub(self.path.len() + 2);
        bounds::cut(&mut self.reason, room);
        self
    }
}

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &*self.path {
            "" => f.write_str(&self.reason),
            path => write!(f, "{path}: {}", self.reason),
        }
    }
}

impl std::error::Error for Malformed {}

/// Reads a whole document.
///
/// # Errors
/// The path of the field that was not understood, and the reason.
pub fn decode<T: DeserializeOwned>(document: &[u8]) -> Result<T, Malformed> {
    serde_json::from_slice(document).map_err(|error| explain::<T>(document, &error))
}

/// Appends a value as JSON.
///
/// # Errors
/// If the value cannot be JSON: a map whose keys are not text, or a `Serialize` that says so. What
/// was appended until then stays.
pub fn encode<T: Serialize + ?Sized>(value: &T, into: &mut Vec<u8>) -> Result<(), Malformed> {
    serde_json::to_writer(into, value).map_err(|error| Malformed::new(error.to_string()))
}

#[cold]
fn explain<T: DeserializeOwned>(document: &[u8], plain: &serde_json::Error) -> Malformed {
    if document.is_empty() {
        return Malformed::new("the document is empty");
    }
    let mut reader = serde_json::Deserializer::from_slice(document);
    let field = match serde_path_to_error::deserialize::<_, T>(&mut reader) {
        Err(error) => field(error.path()),
        Ok(_) => String::new(),
    };
    if field.is_empty() {
        // It lies in the document as a whole, or after its end.
        return Malformed::new(plain.to_string());
    }
    Malformed::new(plain.to_string()).within(&field)
}

/// A path as people write it; empty for the whole document. What broke before it got a name is left
/// out.
fn field(path: &serde_path_to_error::Path) -> String {
    let path = path.to_string();
    path.trim_end_matches(['?', '.']).to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Outer {
        inner: Vec<Inner>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Inner {
        by: u64,
    }

    #[test]
    fn a_document_that_does_not_decode_names_the_field() {
        let error = decode::<Outer>(br#"{"inner":[{"by":1},{"by":"x"}]}"#).unwrap_err();
        assert_eq!(
            error.to_string(),
            "inner[1].by: invalid type: string \"x\", expected u64 at line 1 column 28"
        );
    }

    #[test]
    fn a_missing_field_is_named_with_the_place_it_is_missing_from() {
        let error = decode::<Outer>(br#"{"inner":[{}]}"#).unwrap_err();
        assert!(error.to_string().starts_with("inner[0]: missing field `by`"), "{error}");
    }

    #[test]
    fn what_follows_a_document_is_not_ignored() {
        let error = decode::<Inner>(br#"{"by":1} {"by":2}"#).unwrap_err();
        assert!(error.to_string().starts_with("trailing characters"), "{error}");
    }

    #[test]
    fn a_document_that_breaks_off_names_the_field_it_was_in() {
        let whole = decode::<Outer>(b"{").unwrap_err();
        assert!(whole.to_string().starts_with("EOF while parsing an object"), "{whole}");
        let inside = decode::<Outer>(br#"{"inner":[{"by":1},{"#).unwrap_err();
        assert!(inside.to_string().starts_with("inner[1]: EOF while parsing"), "{inside}");
    }

    #[test]
    fn an_explanation_stays_short_whatever_it_quotes() {
        let long = format!(r#"{{"by":"{}"}}"#, "ä".repeat(100_000));
        let error = decode::<Inner>(long.as_bytes()).unwrap_err().to_string();
        assert!(error.len() <= EXPLANATION_MAX, "{}", error.len());
        assert!(error.starts_with("by: invalid type: string"), "{error}");
    }

    #[test]
    fn an_empty_document_is_named_as_such() {
        assert_eq!(decode::<Inner>(b"").unwrap_err().to_string(), "the document is empty");
    }
}
