//! What transfers ask of an account: to reserve, to commit on either side, to give back.

use scheme::account_events::{
    PayeeFundsCommitted, PayerFundsCommitted, PayerFundsRejected, PayerFundsReserved,
    PayerFundsReversed,
};
use scheme::{Amount, Money, MoneyError, codes};
use zamu_guest::Decision;

use super::{accept, alarm};
use crate::messages::{
    CommitPayeeFunds, CommitPayerFunds, Event, ReservePayerFunds, ReversePayerFunds,
};
use crate::state::State;

/// Why nothing is reserved.
struct Rejection {
    code: &'static str,
    reason: String,
}

pub(super) fn reserve(
    state: &State,
    reserve: ReservePayerFunds,
    cover_required: bool,
) -> Decision<Event> {
    let ReservePayerFunds { transfer_id, amount } = reserve;
    match reserved_within_limits(state, amount, cover_required) {
        Ok(reserved) => {
            let position = state.position;
            let event = PayerFundsReserved { transfer_id, amount, reserved, position };
            // Most accounts have no alarm, and then nothing is copied for it.
            let alarm =
                state.alarm.and_then(|_| alarm(state, &State { reserved, ..state.clone() }));
            accept(event, alarm)
        }
        Err(Rejection { code, reason }) => Decision::accept(PayerFundsRejected {
            transfer_id,
            amount,
            code: code.to_owned(),
            reason,
        }),
    }
}

/// The new reservations, if with the position they come to no more than cover and cap.
fn reserved_within_limits(
    state: &State,
    amount: Amount,
    cover_required: bool,
) -> Result<Money, Rejection> {
    let not_found =
        |reason: &str| Rejection { code: codes::PAYER_NOT_FOUND, reason: reason.to_owned() };
    if !state.opened {
        return Err(not_found("the payer has no account in this currency"));
    }
    if state.closed {
        return Err(not_found("the payer's account in this currency is closed"));
    }
    let Some(cap) = state.cap else {
        return Err(not_found("no net debit cap is known for the payer"));
    };
    let sums = state.reserved.plus(amount).and_then(|reserved| {
        let current_position = reserved.plus(state.position)?;
        Ok((reserved, current_position))
    });
    let cover = state.cover.or(cover_required.then_some(Money::ZERO));
    let within = |limit: Money| sums.is_ok_and(|(_, current_position)| current_position <= limit);
    if let Some(cover) = cover.filter(|cover| !within(*cover)) {
        return Err(Rejection {
            code: codes::PAYER_LIQUIDITY,
            reason: format!("the liquidity cover of {cover} would be exceeded"),
        });
    }
    match sums {
        Ok((reserved, _)) if within(cap) => Ok(reserved),
        _ => Err(Rejection {
            code: codes::PAYER_LIMIT,
            reason: format!("the net debit cap of {cap} would be exceeded"),
        }),
    }
}

/// Takes the debit even where the reservation is missing: a wrong reservation shows, lost money
/// would not.
pub(super) fn commit_payer(
    state: &State,
    commit: CommitPayerFunds,
) -> Result<Decision<Event>, MoneyError> {
    Ok(Decision::accept(PayerFundsCommitted {
        reserved: state.reserved.minus(commit.amount)?,
        position: state.position.plus(commit.amount)?,
        transfer_id: commit.transfer_id,
        amount: commit.amount,
    }))
}

pub(super) fn commit_payee(
    state: &State,
    commit: CommitPayeeFunds,
) -> Result<Decision<Event>, MoneyError> {
    Ok(Decision::accept(PayeeFundsCommitted {
        reserved: state.reserved,
        position: state.position.minus(commit.amount)?,
        transfer_id: commit.transfer_id,
        amount: commit.amount,
        unopened: !state.opened,
    }))
}

pub(super) fn reverse_payer(
    state: &State,
    reverse: ReversePayerFunds,
) -> Result<Decision<Event>, MoneyError> {
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
