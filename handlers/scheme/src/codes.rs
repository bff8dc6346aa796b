//! Error codes of FSPIOP that the switch answers with. Stable: clients decide by them.

/// The switch contradicts itself: a defect, to be alarmed.
pub const INTERNAL: &str = "2001";
/// A field or a rule is not met; the wrong state.
pub const VALIDATION: &str = "3100";
/// The same id again with other content.
pub const MODIFIED_REQUEST: &str = "3106";
/// No such participant, account or endpoint.
pub const ID_NOT_FOUND: &str = "3200";
/// The payer is unknown or inactive, or has no open account in the currency, or no net debit cap.
pub const PAYER_NOT_FOUND: &str = "3202";
/// The payee is unknown or inactive, or has no open account in the currency.
pub const PAYEE_NOT_FOUND: &str = "3203";
/// No such transfer.
pub const TRANSFER_NOT_FOUND: &str = "3208";
/// The transfer's time is over.
pub const TRANSFER_EXPIRED: &str = "3303";
/// The payer's liquidity cover, the funds it has with the scheme, would be exceeded.
pub const PAYER_LIQUIDITY: &str = "4001";
/// The payer's net debit cap would be exceeded.
pub const PAYER_LIMIT: &str = "4200";
