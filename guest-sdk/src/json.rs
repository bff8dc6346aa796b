//! Bodies, states and configuration as JSON. What a document means is left to serde attributes.
//!
//! Decoding takes the fast way first; only a document that fails is read again to find the place.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why a document was not understood: for people, naming the field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed(String);

impl Malformed {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
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
    match serde_path_to_error::deserialize::<_, T>(&mut reader) {
        Err(error) if error.path().iter().next().is_some() => {
            Malformed::new(format!("{}: {}", error.path(), error.inner()))
        }
        // The fault lies in the document as a whole, or after its end.
        Err(_) | Ok(_) => Malformed::new(plain.to_string()),
    }
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
    fn an_empty_document_is_named_as_such() {
        assert_eq!(decode::<Inner>(b"").unwrap_err().to_string(), "the document is empty");
    }
}
