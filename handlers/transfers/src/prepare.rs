//! Is what the payer asks for a transfer at all? One rule after another; the first that is broken
//! is named.

use scheme::{Amount, Condition, ContentHash, ContentHasher, Currency, FspId, Timestamp, codes};

use crate::messages::PrepareTransfer;
use crate::state::{Failure, Terms};

/// The terms, or why they are none.
///
/// `now_ms` is when the request arrived.
pub(crate) fn check(
    prepare: &PrepareTransfer,
    now_ms: u64,
    allow_on_us: bool,
) -> Result<Terms, Failure> {
    terms(prepare, now_ms, allow_on_us)
        .map_err(|reason| Failure { code: codes::VALIDATION.to_owned(), reason })
}

/// The terms, or the field and the rule that it breaks.
fn terms(prepare: &PrepareTransfer, now_ms: u64, allow_on_us: bool) -> Result<Terms, String> {
    let payer: FspId = parse("payer", &prepare.payer)?;
    let payee: FspId = parse("payee", &prepare.payee)?;
    if payer == payee && !allow_on_us {
        return Err("payee: payer and payee are the same".to_owned());
    }
    let currency: Currency = parse("currency", &prepare.currency)?;
    let amount: Amount = parse("amount", &prepare.amount)?;
    if amount.is_zero() {
        return Err("amount: more than nothing".to_owned());
    }
    currency.admits(amount).map_err(|error| format!("amount: {error}"))?;
    let condition: Condition = parse("condition", &prepare.condition)?;
    let expiration: Timestamp = parse("expiration", &prepare.expiration)?;
    if expiration.ms() < now_ms {
        return Err("expiration: in the past on arrival".to_owned());
    }
    Ok(Terms { payer, payee, amount, currency, expiration, condition })
}

/// Fingerprint of all that was asked for, as it was written.
pub(crate) fn content(prepare: &PrepareTransfer) -> ContentHash {
    let PrepareTransfer { payer, payee, amount, currency, expiration, condition } = prepare;
    [payer, payee, amount, currency, expiration, condition]
        .into_iter()
        .fold(ContentHasher::default(), |hasher, text| hasher.field(text))
        .finish()
}

fn parse<T>(field: &str, text: &str) -> Result<T, String>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error| format!("{field}: {error}"))
}
