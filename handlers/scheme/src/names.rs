//! Names: of participants, of their accounts, and of what goes wrong.

use std::str::FromStr;

use crate::currency::{Currency, CurrencyError};
use crate::text::serde_as_text;

/// Longest name of a participant, in characters (FSPIOP `FspId`).
const FSP_ID_CHARS_MAX: usize = 32;

/// Name of a participant: 1 to 32 visible ASCII characters without `/`, which parts an account's
/// key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FspId(Box<str>);

/// Names the account that a participant holds in a currency, for example `simfsp01/USD`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountKey {
    /// Whose account it is.
    pub participant: FspId,
    /// In which currency.
    pub currency: Currency,
}

/// A code of FSPIOP for what went wrong: four digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCode([u8; 4]);

/// Why a text is no such name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// No name of a participant.
    #[error("not a participant: 1 to 32 visible ASCII characters without a slash")]
    FspId,
    /// No key of an account.
    #[error("not an account: write the participant, a slash and the currency, as in simfsp01/USD")]
    AccountKey,
    /// An account in no currency.
    #[error(transparent)]
    Currency(#[from] CurrencyError),
    /// No code.
    #[error("not an error code: four digits, as in 5104")]
    ErrorCode,
}

impl FspId {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn with_text<R>(&self, use_text: impl FnOnce(&str) -> R) -> R {
        use_text(&self.0)
    }
}

impl FromStr for FspId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let allowed = |byte: u8| byte.is_ascii_graphic() && byte != b'/';
        if (1..=FSP_ID_CHARS_MAX).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.into()))
        } else {
            Err(NameError::FspId)
        }
    }
}

serde_as_text!(FspId, "a participant, such as \"simfsp01\"");

impl std::fmt::Debug for FspId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl AccountKey {
    /// The key of this participant's account in this currency, without copying the name twice.
    #[must_use]
    pub fn text(participant: &FspId, currency: Currency) -> String {
        [participant.as_str(), "/", currency.as_str()].concat()
    }
}

impl FromStr for AccountKey {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let (participant, currency) = text.split_once('/').ok_or(NameError::AccountKey)?;
        Ok(Self { participant: participant.parse()?, currency: currency.parse()? })
    }
}

impl std::fmt::Display for AccountKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&Self::text(&self.participant, self.currency))
    }
}

impl ErrorCode {
    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    fn with_text<R>(self, use_text: impl FnOnce(&str) -> R) -> R {
        use_text(self.as_str())
    }
}

impl FromStr for ErrorCode {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let digits: [u8; 4] = text.as_bytes().try_into().map_err(|_| NameError::ErrorCode)?;
        if digits.iter().all(u8::is_ascii_digit) {
            Ok(Self(digits))
        } else {
            Err(NameError::ErrorCode)
        }
    }
}

serde_as_text!(ErrorCode, "an error code, such as \"5104\"");

impl std::fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn a_participant_has_1_to_32_visible_characters() {
        for text in ["a", "simfsp01", "Bank.of-Zamu_1", &"x".repeat(32)] {
            assert_eq!(text.parse::<FspId>().unwrap().as_str(), text);
        }
        for text in ["", "a/b", "a b", "a\n", "\u{7f}", "ä", &"x".repeat(33)] {
            assert_eq!(text.parse::<FspId>(), Err(NameError::FspId), "{text:?}");
        }
    }

    #[test]
    fn an_account_is_named_by_participant_and_currency() {
        let key: AccountKey = "simfsp01/USD".parse().unwrap();
        assert_eq!((key.participant.as_str(), key.currency.as_str()), ("simfsp01", "USD"));
        assert_eq!(key.to_string(), "simfsp01/USD");
        for (text, error) in [
            ("simfsp01", NameError::AccountKey),
            ("", NameError::AccountKey),
            ("/USD", NameError::FspId),
            ("simfsp01/", NameError::Currency(CurrencyError::Code)),
            ("simfsp01/usd", NameError::Currency(CurrencyError::Code)),
            ("simfsp01/USD/", NameError::Currency(CurrencyError::Code)),
        ] {
            assert_eq!(text.parse::<AccountKey>(), Err(error), "{text}");
        }
    }

    #[test]
    fn an_error_code_is_four_digits() {
        assert_eq!("5104".parse::<ErrorCode>().unwrap().as_str(), "5104");
        for text in ["", "510", "51040", "510a", "-510", "٥١٠"] {
            assert_eq!(text.parse::<ErrorCode>(), Err(NameError::ErrorCode), "{text}");
        }
    }
}
