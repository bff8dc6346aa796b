//! What a scenario need not say.

/// Fulfilment of every transfer that names no other.
pub const FULFILMENT: &str = "XoSz1cL0tljJSCp_VtIYmPNw-zFUgGfbUqf69AagUzY";
/// Its condition.
pub const CONDITION: &str = "HOr22-H3AfTDHrSkPjJtVPRdKouuMkDXTR4ejlQa8Ks";
/// Currency of every transfer that names no other.
pub const CURRENCY: &str = "USD";
/// How long after the scenario's beginning transfers expire that say nothing else.
pub const EXPIRES_AFTER_MS: i64 = 5 * 60_000;
/// When every switch under test begins, in milliseconds since 1970.
pub const START_MS: u64 = 1_795_425_157_000;
/// Who answers for a transfer that nobody asked for.
pub const PAYEE: &str = "simfsp02";
