//! Error codes of FSPIOP that the switch answers with. Stable: clients decide by them.

/// The switch contradicts itself: a defect, to be alarmed.
pub const INTERNAL: &str = "2001";
/// A field or a rule is not met; the wrong state.
pub const VALIDATION: &str = "3100";
/// The same id again with other content.
pub const MODIFIED_REQUEST: &str = "3106";
/// No such participant or account.
pub const ID_NOT_FOUND: &str = "3200";
/// The payer, or its account, is unknown.
pub const PAYER_NOT_FOUND: &str = "3202";
/// No such transfer.
pub const TRANSFER_NOT_FOUND: &str = "3208";
/// The payer's net debit cap would be exceeded.
pub const PAYER_LIMIT: &str = "4200";
