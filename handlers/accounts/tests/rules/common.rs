//! Accounts, and their messages as the rules write them.

use accounts::Account;
use accounts::messages::{
    ChangeLimits, Command, CommitPayeeFunds, CommitPayerFunds, Event, LowerCover, OpenAccount,
    RaiseCover, ReservePayerFunds, ReversePayerFunds,
};
use scheme::account_events::{
    AccountOpened, CoverHeld, CoverLowered, CoverRaised, LimitsChanged, PayeeFundsCommitted,
    PayerFundsCommitted, PayerFundsRejected, PayerFundsReserved, PayerFundsReversed,
    ThresholdExceeded,
};
use scheme::{Amount, Money, Percentage, codes};
use zamu_guest::testing::Scenario;

pub fn money(text: &str) -> Money {
    text.parse().unwrap()
}

pub fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

pub fn percent(percent: u8) -> Percentage {
    percent.try_into().unwrap()
}

pub fn open(cap: &str) -> OpenAccount {
    OpenAccount { cap: Some(money(cap)), alarm: None, position: None }
}

pub fn opened(cap: &str) -> AccountOpened {
    AccountOpened { cap: Some(money(cap)), alarm: None, opening: None }
}

pub fn limits(cap: Option<&str>, alarm: Option<u8>) -> ChangeLimits {
    ChangeLimits { cap: cap.map(money), alarm: alarm.map(percent) }
}

pub fn limited(cap: Option<&str>, alarm: Option<u8>) -> LimitsChanged {
    LimitsChanged { cap: cap.map(money), alarm: alarm.map(percent) }
}

pub fn exceeded(alarm: u8, cap: &str, current_position: &str) -> Event {
    ThresholdExceeded {
        alarm: percent(alarm),
        cap: money(cap),
        current_position: money(current_position),
    }
    .into()
}

pub fn raise(amount: &str) -> RaiseCover {
    RaiseCover { amount: money(amount) }
}

pub fn raised(amount: &str, cover: &str) -> CoverRaised {
    CoverRaised { amount: money(amount), cover: money(cover) }
}

pub fn lower(a: &str) -> LowerCover {
    LowerCover { reference: "out".to_owned(), amount: amount(a) }
}

pub fn lowered(a: &str, cover: &str) -> CoverLowered {
    CoverLowered { reference: "out".to_owned(), amount: amount(a), cover: money(cover) }
}

pub fn held(a: &str, reason: &str) -> CoverHeld {
    CoverHeld {
        reference: "out".to_owned(),
        amount: amount(a),
        code: codes::PAYER_LIQUIDITY.to_owned(),
        reason: reason.to_owned(),
    }
}

pub fn reserve(id: &str, a: &str) -> Command {
    ReservePayerFunds { transfer_id: id.to_owned(), amount: amount(a) }.into()
}

pub fn commit_payer(id: &str, a: &str) -> Command {
    CommitPayerFunds { transfer_id: id.to_owned(), amount: amount(a) }.into()
}

pub fn commit_payee(id: &str, a: &str) -> Command {
    CommitPayeeFunds { transfer_id: id.to_owned(), amount: amount(a) }.into()
}

pub fn reverse(id: &str, a: &str) -> Command {
    ReversePayerFunds { transfer_id: id.to_owned(), amount: amount(a) }.into()
}

pub fn reserved(id: &str, a: &str, reserved: &str, position: &str) -> Event {
    PayerFundsReserved {
        transfer_id: id.to_owned(),
        amount: amount(a),
        reserved: money(reserved),
        position: money(position),
    }
    .into()
}

pub fn debited(id: &str, a: &str, reserved: &str, position: &str) -> Event {
    PayerFundsCommitted {
        transfer_id: id.to_owned(),
        amount: amount(a),
        reserved: money(reserved),
        position: money(position),
    }
    .into()
}

pub fn credited(id: &str, a: &str, reserved: &str, position: &str) -> Event {
    PayeeFundsCommitted {
        transfer_id: id.to_owned(),
        amount: amount(a),
        reserved: money(reserved),
        position: money(position),
        unopened: false,
    }
    .into()
}

pub fn reversed(id: &str, a: &str, reserved: &str, position: &str) -> Event {
    PayerFundsReversed {
        transfer_id: id.to_owned(),
        amount: amount(a),
        reserved: money(reserved),
        position: money(position),
    }
    .into()
}

pub fn rejected(id: &str, a: &str, code: &str, reason: &str) -> Event {
    PayerFundsRejected {
        transfer_id: id.to_owned(),
        amount: amount(a),
        code: code.to_owned(),
        reason: reason.to_owned(),
    }
    .into()
}

/// An account that never was, asked by the switch itself.
pub fn unopened() -> Scenario<Account> {
    Scenario::new().key("simfsp01/USD").id("zamu", "first")
}

/// An account with a cap and figures.
pub fn account(cap: &str, held: &str, position: &str) -> Scenario<Account> {
    unopened().given([opened(cap).into(), reserved("before", "1", held, position)])
}
