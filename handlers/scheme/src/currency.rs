//! Currencies: a code of three letters, and how fine its amounts may be (ISO 4217).
//!
//! Which currencies a scheme trades in is left to it: an account must be open in one.

use std::str::FromStr;

use crate::money::Money;
use crate::text::serde_as_text;

/// A currency code: three upper-case letters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

/// Why a text is no currency, or an amount is none of this currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CurrencyError {
    /// Not three upper-case letters.
    #[error("not a currency: write its three upper-case letters, as in USD")]
    Code,
    /// The amount is finer than the currency's smallest unit.
    #[error("{currency} has {minor_digits} digits after the point")]
    TooFine {
        /// The currency.
        currency: Currency,
        /// How many digits it has.
        minor_digits: u32,
    },
}

impl Currency {
    /// Digits after the point that amounts of this currency may have (ISO 4217, list one; those of
    /// two digits are not listed).
    #[must_use]
    pub const fn minor_digits(self) -> u32 {
        match &self.0 {
            b"BIF" | b"CLP" | b"DJF" | b"GNF" | b"ISK" | b"JPY" | b"KMF" | b"KRW" | b"PYG"
            | b"RWF" | b"UGX" | b"UYI" | b"VND" | b"VUV" | b"XAF" | b"XOF" | b"XPF" => 0,
            b"BHD" | b"IQD" | b"JOD" | b"KWD" | b"LYD" | b"OMR" | b"TND" => 3,
            b"CLF" | b"UYW" => 4,
            _ => 2,
        }
    }

    /// Whether the amount is a whole number of the currency's smallest unit.
    ///
    /// # Errors
    /// [`CurrencyError::TooFine`] otherwise.
    pub fn admits(self, amount: impl Into<Money>) -> Result<(), CurrencyError> {
        let minor_digits = self.minor_digits();
        if amount.into().units() % 10_i128.pow(4 - minor_digits) == 0 {
            return Ok(());
        }
        Err(CurrencyError::TooFine { currency: self, minor_digits })
    }

    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    fn with_text<R>(self, use_text: impl FnOnce(&str) -> R) -> R {
        use_text(self.as_str())
    }
}

impl std::fmt::Debug for Currency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Currency {
    type Err = CurrencyError;

    fn from_str(text: &str) -> Result<Self, CurrencyError> {
        let code: [u8; 3] = text.as_bytes().try_into().map_err(|_| CurrencyError::Code)?;
        if code.iter().all(u8::is_ascii_uppercase) {
            Ok(Self(code))
        } else {
            Err(CurrencyError::Code)
        }
    }
}

serde_as_text!(Currency, "a currency, such as \"USD\"");

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn a_currency_is_three_upper_case_letters() {
        assert_eq!("USD".parse::<Currency>().unwrap().as_str(), "USD");
        for text in ["", "US", "USDT", "usd", "US1", "ÜS", "U D"] {
            assert_eq!(text.parse::<Currency>(), Err(CurrencyError::Code), "{text}");
        }
    }

    #[test]
    fn an_amount_finer_than_the_currency_is_not_admitted() {
        for (currency, amount, admitted) in [
            ("USD", "1.11", true),
            ("USD", "1.111", false),
            ("USD", "10.0001", false),
            ("JPY", "5", true),
            ("JPY", "5.5", false),
            ("XOF", "0.01", false),
            ("BHD", "1.111", true),
            ("BHD", "1.1111", false),
            ("CLF", "1.1111", true),
            ("CLF", "999999999999999999.9999", true),
        ] {
            let admits =
                currency.parse::<Currency>().unwrap().admits(amount.parse::<Money>().unwrap());
            assert_eq!(admits.is_ok(), admitted, "{amount} {currency}");
        }
    }
}
