//! What the contexts of the transfer switch share: money, conditions, names, and the events that
//! one context decides and others read.
//!
//! Values check themselves when they are made, so a value that exists is well formed. Rules that
//! belong to one aggregate (is the cap reached, may this transfer be fulfilled) are left to its own
//! crate. Nothing here knows the runtime, reads a clock or does I/O. Values and internal messages have a
//! form in JSON and one in Protobuf.

pub mod account_events;
pub mod codes;
mod condition;
mod content;
mod currency;
pub mod directory;
mod money;
mod names;
pub mod participant_events;
mod percentage;
mod phase;
mod protobuf;
mod text;
mod timestamp;
pub mod transfer_events;

pub use condition::{Condition, Fulfilment, PreimageError};
pub use content::{ContentHash, ContentHasher};
pub use currency::{Currency, CurrencyError};
pub use money::{Amount, Money, MoneyError};
pub use names::{AccountKey, ErrorCode, FspId, NameError};
pub use percentage::{Percentage, PercentageError};
pub use phase::Phase;
pub use timestamp::{Timestamp, TimestampError};

/// Aggregate type of transfers. Their key is the transfer's id.
pub const TRANSFER: &str = "transfer";
/// Aggregate type of position accounts. Their key is an [`AccountKey`], for example `simfsp01/USD`.
pub const ACCOUNT: &str = "account";
/// Aggregate type of settlement accounts, which hold what a participant has paid in. Their key is an
/// [`AccountKey`] too.
pub const SETTLEMENT_ACCOUNT: &str = "settlement-account";
/// Aggregate type of participants. Their key is an [`FspId`].
pub const PARTICIPANT: &str = "participant";
/// Aggregate type of a participant's endpoints, all of them together. Their key is an [`FspId`].
pub const ENDPOINTS: &str = "endpoints";

/// Source of the commands that event handlers send: no client has it. What a command may do that
/// only the switch itself asks for is guarded by it.
pub const SWITCH_SOURCE: &str = "zamu";
