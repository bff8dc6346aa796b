//! What a settlement account can be asked, and what can happen to it. Its key is
//! `participant/currency`, that of the position account that it covers.

use scheme::{Amount, Money};
use serde::{Deserialize, Serialize};

/// A client asks to open a settlement account. From then on the position account with the same key
/// is limited by the funds that are here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenSettlementAccount {
    /// The funds that it brings along from where it was kept before, if any. Not negative.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub funds: Option<Money>,
}

/// A client says that the participant has paid in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FundIn {
    /// The client's name for it, for people: at most 128 characters.
    pub reference: String,
    /// How much; more than nothing, as fine as the currency allows.
    pub amount: Amount,
}

/// A client asks to pay out to the participant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FundOut {
    /// The client's name for it, for people: at most 128 characters.
    pub reference: String,
    /// How much; more than nothing, as fine as the currency allows.
    pub amount: Amount,
}

/// The cover was lowered: the funds may go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitFundsOut {
    /// The client's name for it.
    pub reference: String,
    /// How much.
    pub amount: Amount,
}

/// The cover is needed: the funds stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectFundsOut {
    /// The client's name for it.
    pub reference: String,
    /// How much.
    pub amount: Amount,
    /// Why, for programs.
    pub code: String,
    /// Why, for people.
    pub reason: String,
}

/// The settlement account is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettlementAccountOpened {
    /// The funds after this event: those that it brought along.
    pub funds: Money,
}

/// The participant has paid in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FundsIn {
    /// The client's name for it.
    pub reference: String,
    /// How much.
    pub amount: Amount,
    /// The funds after this event.
    pub funds: Money,
}

/// The participant is to be paid out, if its position account can do without the cover.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FundsOutPrepared {
    /// The client's name for it.
    pub reference: String,
    /// How much.
    pub amount: Amount,
    /// On its way out after this event.
    pub leaving: Money,
}

/// The participant is paid out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FundsOutCommitted {
    /// The client's name for it.
    pub reference: String,
    /// How much.
    pub amount: Amount,
    /// The funds after this event.
    pub funds: Money,
    /// On its way out after this event.
    pub leaving: Money,
}

/// The participant is not paid out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FundsOutRejected {
    /// The client's name for it.
    pub reference: String,
    /// How much.
    pub amount: Amount,
    /// On its way out after this event.
    pub leaving: Money,
    /// Why, for programs.
    pub code: String,
    /// Why, for people.
    pub reason: String,
}

zamu_guest::messages! {
    /// What a settlement account can be asked.
    pub enum Command {
        OpenSettlementAccount,
        FundIn,
        FundOut,
        CommitFundsOut,
        RejectFundsOut,
    }
}

zamu_guest::messages! {
    /// What can happen to a settlement account.
    pub enum Event {
        SettlementAccountOpened,
        FundsIn,
        FundsOutPrepared,
        FundsOutCommitted,
        FundsOutRejected,
    }
}
