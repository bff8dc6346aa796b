//! The fingerprint of what a client asked for, by which a repetition is told from a change.

use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::text::serde_as_text;

/// Bytes kept of the SHA-256: 128 bits, so that nobody finds other content for a hash that is
/// there. (Two contents of one's own making may be made to agree with much work; the second is then
/// taken for a repetition of the first, which harms nobody.)
const HASH_BYTES: usize = 16;
/// Characters of base64url for that many bytes.
const TEXT_BYTES: usize = 22;

/// Fingerprint of a command's fields. Canonical text: base64url without padding.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentHash([u8; HASH_BYTES]);

/// Collects the fields of a command in a fixed order.
#[derive(Clone, Debug, Default)]
pub struct ContentHasher(Sha256);

impl ContentHasher {
    /// Adds a field. Its length goes first, so that no field runs into the next.
    #[must_use]
    pub fn field(mut self, text: &str) -> Self {
        self.0.update((text.len() as u64).to_le_bytes());
        self.0.update(text);
        self
    }

    /// The fingerprint of the fields so far.
    #[must_use]
    pub fn finish(self) -> ContentHash {
        let mut hash = [0; HASH_BYTES];
        hash.copy_from_slice(&self.0.finalize()[..HASH_BYTES]);
        ContentHash(hash)
    }
}

impl ContentHash {
    fn with_text<R>(&self, use_text: impl FnOnce(&str) -> R) -> R {
        let mut buffer = [0_u8; TEXT_BYTES];
        // 16 bytes always fill 22 characters of ASCII.
        let length = URL_SAFE_NO_PAD.encode_slice(self.0, &mut buffer).unwrap_or_default();
        use_text(std::str::from_utf8(&buffer[..length]).unwrap_or_default())
    }
}

/// Not the text of a fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a content hash: 22 characters of base64url")]
pub struct ContentHashError;

impl FromStr for ContentHash {
    type Err = ContentHashError;

    fn from_str(text: &str) -> Result<Self, ContentHashError> {
        let mut buffer = [0_u8; HASH_BYTES + 2];
        let length =
            URL_SAFE_NO_PAD.decode_slice(text, &mut buffer).map_err(|_| ContentHashError)?;
        buffer[..length].try_into().map(Self).map_err(|_| ContentHashError)
    }
}

serde_as_text!(ContentHash, "a content hash: 22 characters of base64url");

impl ContentHash {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<[u8; HASH_BYTES]> for ContentHash {
    fn from(bytes: [u8; HASH_BYTES]) -> Self {
        Self(bytes)
    }
}

impl std::fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    fn hash(fields: &[&str]) -> ContentHash {
        fields.iter().fold(ContentHasher::default(), |hasher, field| hasher.field(field)).finish()
    }

    #[test]
    fn the_hash_is_the_same_in_every_version() {
        assert_eq!(hash(&["simfsp01", "1.11"]).to_string(), "ZebUOn68ktCy66C38OTQJg");
    }

    #[test]
    fn fields_do_not_run_into_each_other() {
        assert_ne!(hash(&["ab", "c"]), hash(&["a", "bc"]));
        assert_ne!(hash(&["", "a"]), hash(&["a", ""]));
        assert_ne!(hash(&["a"]), hash(&["a", ""]));
    }

    #[test]
    fn its_text_is_read_back() {
        let written = hash(&["a"]);
        assert_eq!(written.to_string().parse(), Ok(written));
        for text in ["", "AAAA", "AAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAAA", "*"] {
            assert_eq!(text.parse::<ContentHash>(), Err(ContentHashError), "{text}");
        }
    }
}
