//! The rules of accounts. Nothing is changed here.
//!
//! A reservation may be rejected, which is an event, because a transfer waits for it. A commit never
//! is. What only a defect can ask for (a release of what was not reserved, a figure beyond all
//! bounds) is refused, which alarms.

use scheme::account_events::{
    PayeeFundsCommitted, PayerFundsCommitted, PayerFundsRejected, PayerFundsReserved,
    PayerFundsReversed,
};
use scheme::{AccountKey, Amount, Money, MoneyError, SWITCH_SOURCE, codes};
use zamu_guest::{Context, Decision};

use crate::messages::{
    AccountOpened, Command, CommitPayeeFunds, CommitPayerFunds, Event, OpenAccount,
    ReservePayerFunds, ReversePayerFunds,
};
use crate::state::State;

pub(crate) fn decide(state: &State, command: Command, context: &Context<'_>) -> Decision<Event> {
    match command {
        Command::OpenAccount(open) => decide_open(state, &open, context.key),
        _ if context.source != SWITCH_SOURCE => Decision::refuse(
            codes::VALIDATION,
            "money is moved by transfers only: no client may send this command",
        ),
        Command::ReservePayerFunds(reserve) => decide_reserve(state, reserve),
        Command::CommitPayerFunds(commit) => or_overflow(commit_payer(state, commit)),
        Command::CommitPayeeFunds(commit) => or_overflow(commit_payee(state, commit)),
        Command::ReversePayerFunds(reverse) => or_overflow(reverse_payer(state, reverse)),
    }
}

fn decide_open(state: &State, open: &OpenAccount, key: &str) -> Decision<Event> {
    if state.opened && state.cap == open.cap {
        return Decision::nothing();
    }
    if state.opened {
        return Decision::refuse(
            codes::MODIFIED_REQUEST,
            format!("the account is open already, with a cap of {}", state.cap),
        );
    }
    match check_new(key, open.cap) {
        Ok(()) => Decision::accept(AccountOpened { cap: open.cap }),
        Err(reason) => Decision::refuse(codes::VALIDATION, reason),
    }
}

fn check_new(key: &str, cap: Money) -> Result<(), String> {
    let key: AccountKey = key.parse().map_err(|error| format!("key: {error}"))?;
    if cap.is_negative() {
        return Err("cap: not below nothing".to_owned());
    }
    key.currency.admits(cap).map_err(|error| format!("cap: {error}"))
}

fn decide_reserve(state: &State, reserve: ReservePayerFunds) -> Decision<Event> {
    let ReservePayerFunds { transfer_id, amount } = reserve;
    let reject = |code: &str, reason: String| PayerFundsRejected {
        transfer_id: transfer_id.clone(),
        amount,
        code: code.to_owned(),
        reason,
    };
    if !state.opened {
        let reason = "the payer has no account in this currency".to_owned();
        return Decision::accept(reject(codes::PAYER_NOT_FOUND, reason));
    }
    match reserved_within_cap(state, amount) {
        Some(reserved) => Decision::accept(PayerFundsReserved {
            transfer_id,
            amount,
            reserved,
            position: state.position,
        }),
        None => Decision::accept(reject(
            codes::PAYER_LIMIT,
            format!("the net debit cap of {} would be exceeded", state.cap),
        )),
    }
}

/// The new reservations, if with the position they come to no more than the cap.
fn reserved_within_cap(state: &State, amount: Amount) -> Option<Money> {
    let reserved = state.reserved.plus(amount).ok()?;
    let current_position = reserved.plus(state.position).ok()?;
    (current_position <= state.cap).then_some(reserved)
}

/// Takes the debit even where the reservation is missing: a wrong reservation shows, lost money
/// would not.
fn commit_payer(state: &State, commit: CommitPayerFunds) -> Result<Decision<Event>, MoneyError> {
    Ok(Decision::accept(PayerFundsCommitted {
        reserved: state.reserved.minus(commit.amount)?,
        position: state.position.plus(commit.amount)?,
        transfer_id: commit.transfer_id,
        amount: commit.amount,
    }))
}

fn commit_payee(state: &State, commit: CommitPayeeFunds) -> Result<Decision<Event>, MoneyError> {
    Ok(Decision::accept(PayeeFundsCommitted {
        reserved: state.reserved,
        position: state.position.minus(commit.amount)?,
        transfer_id: commit.transfer_id,
        amount: commit.amount,
        unopened: !state.opened,
    }))
}

fn reverse_payer(state: &State, reverse: ReversePayerFunds) -> Result<Decision<Event>, MoneyError> {
    let reserved = state.reserved.minus(reverse.amount)?;
    if reserved.is_negative() {
        return Ok(Decision::refuse(
            codes::INTERNAL,
            format!("cannot give back {} of {} reserved", reverse.amount, state.reserved),
        ));
    }
    Ok(Decision::accept(PayerFundsReversed {
        transfer_id: reverse.transfer_id,
        amount: reverse.amount,
        reserved,
        position: state.position,
    }))
}

fn or_overflow(decision: Result<Decision<Event>, MoneyError>) -> Decision<Event> {
    decision.unwrap_or_else(|error| Decision::refuse(codes::INTERNAL, error.to_string()))
}
