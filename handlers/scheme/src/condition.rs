//! Condition and fulfilment: the payer's lock and the payee's key.
//!
//! `condition = base64url(SHA-256(fulfilment))`, both 32 bytes. Texts are decoded strictly: no
//! padding, and the spare bits of the last character are zero, so that a value has one text only.

use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::text::serde_as_text;

/// Length of the text of 32 bytes.
const TEXT_BYTES: usize = 43;

/// What a fulfilment must hash to.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Condition([u8; 32]);

/// The preimage of a condition.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fulfilment([u8; 32]);

/// Why a text is no condition or fulfilment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PreimageError {
    /// Not 43 characters.
    #[error("32 bytes are 43 characters of base64url, not {0}")]
    Length(usize),
    /// Not strict base64url without padding.
    #[error("not base64url without padding, or with spare bits that are not zero")]
    Encoding,
}

impl Condition {
    /// The condition that this fulfilment fulfils.
    #[must_use]
    pub fn of(fulfilment: &Fulfilment) -> Self {
        Self(Sha256::digest(fulfilment.0).into())
    }

    fn with_text<R>(&self, use_text: impl FnOnce(&str) -> R) -> R {
        with_base64url(&self.0, use_text)
    }
}

impl Fulfilment {
    /// Whether this is the preimage of the condition.
    #[must_use]
    pub fn fulfils(&self, condition: &Condition) -> bool {
        Condition::of(self) == *condition
    }

    fn with_text<R>(&self, use_text: impl FnOnce(&str) -> R) -> R {
        with_base64url(&self.0, use_text)
    }
}

impl FromStr for Condition {
    type Err = PreimageError;

    fn from_str(text: &str) -> Result<Self, PreimageError> {
        decode(text).map(Self)
    }
}

impl FromStr for Fulfilment {
    type Err = PreimageError;

    fn from_str(text: &str) -> Result<Self, PreimageError> {
        decode(text).map(Self)
    }
}

serde_as_text!(Condition, "a condition: 43 characters of base64url");
serde_as_text!(Fulfilment, "a fulfilment: 43 characters of base64url");

impl Condition {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<[u8; 32]> for Condition {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl std::fmt::Debug for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl Fulfilment {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<[u8; 32]> for Fulfilment {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl std::fmt::Debug for Fulfilment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

fn decode(text: &str) -> Result<[u8; 32], PreimageError> {
    if text.len() != TEXT_BYTES {
        return Err(PreimageError::Length(text.len()));
    }
    // The decoder wants room for the whole last group of its estimate.
    let mut buffer = [0_u8; 33];
    let length =
        URL_SAFE_NO_PAD.decode_slice(text, &mut buffer).map_err(|_| PreimageError::Encoding)?;
    buffer[..length].try_into().map_err(|_| PreimageError::Encoding)
}

fn with_base64url<R>(bytes: &[u8; 32], use_text: impl FnOnce(&str) -> R) -> R {
    let mut buffer = [0_u8; TEXT_BYTES];
    // 32 bytes always fill 43 characters of ASCII.
    let length = URL_SAFE_NO_PAD.encode_slice(bytes, &mut buffer).unwrap_or_default();
    use_text(std::str::from_utf8(&buffer[..length]).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    const VECTORS: [(&str, &str); 3] = [
        (
            "XoSz1cL0tljJSCp_VtIYmPNw-zFUgGfbUqf69AagUzY",
            "HOr22-H3AfTDHrSkPjJtVPRdKouuMkDXTR4ejlQa8Ks",
        ),
        (
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "Zmh6rfhivXdsj8GLjp-OIAiXFIVu4jOzkCpZHQ1fKSU",
        ),
        (
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
            "Yw3NKWbEM2aRElRIu7JbT_QSpJxzLbLIq8G4WBvXEN0",
        ),
    ];

    /// Golden scenario 68.
    #[test]
    fn each_fulfilment_fulfils_its_own_condition_and_no_other() {
        for (i, (fulfilment, condition)) in VECTORS.iter().enumerate() {
            let fulfilment: Fulfilment = fulfilment.parse().unwrap();
            assert_eq!(Condition::of(&fulfilment).to_string(), *condition);
            for (j, (_, other)) in VECTORS.iter().enumerate() {
                assert_eq!(fulfilment.fulfils(&other.parse().unwrap()), i == j);
            }
        }
    }

    #[test]
    fn a_fulfilment_has_exactly_32_bytes() {
        for length in [0, 1, 42, 44] {
            let text = "A".repeat(length);
            assert_eq!(text.parse::<Fulfilment>(), Err(PreimageError::Length(length)));
            assert_eq!(text.parse::<Condition>(), Err(PreimageError::Length(length)));
        }
    }

    #[test]
    fn decoding_is_strict_so_that_a_value_has_one_text() {
        let text = VECTORS[0].0;
        for changed in [
            // A lenient decoder ignores these spare bits and reads the first vector.
            text.replace("UzY", "UzZ"),
            text.replace("UzY", "Uza"),
            text.replace("UzY", "Uzb"),
            text.replace("UzY", "Uz="),
            text.replace('-', "+"),
            text.replace('_', "/"),
            text.replace("XoS", "Xo "),
        ] {
            assert_eq!(changed.parse::<Fulfilment>(), Err(PreimageError::Encoding), "{changed}");
        }
    }

    #[test]
    fn both_are_text_in_json() {
        for (fulfilment, condition) in VECTORS {
            let json = format!("\"{fulfilment}\"");
            let read: Fulfilment = serde_json::from_str(&json).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), json);
            let json = format!("\"{condition}\"");
            let read: Condition = serde_json::from_str(&json).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), json);
        }
    }
}
