//! What clients ask of an account: to be there, its limits, and to pause.

use scheme::account_events::{
    AccountClosed, AccountOpened, AccountReopened, LimitsChanged, Opening,
};
use scheme::{AccountKey, Currency, Money, codes};
use zamu_guest::Decision;

use super::{accept, alarm};
use crate::messages::{ChangeLimits, Event, OpenAccount};
use crate::state::State;

pub(super) fn open(state: &State, open: OpenAccount, key: &str) -> Decision<Event> {
    let OpenAccount { cap, alarm: percentage, position } = open;
    if state.opened {
        let is_same = (state.cap, state.alarm) == (cap, percentage) && position.is_none();
        return if is_same { Decision::nothing() } else { opened_already(state) };
    }
    if let Err(reason) = check_new(key, cap, position) {
        return Decision::refuse(codes::VALIDATION, reason);
    }
    let opening = match position.map(|amount| (amount, state.position.plus(amount))) {
        None => None,
        Some((amount, Ok(position))) => Some(Opening { amount, position }),
        Some((_, Err(error))) => {
            return Decision::refuse(codes::VALIDATION, format!("position: {error}"));
        }
    };
    let position = opening.as_ref().map_or(state.position, |opening| opening.position);
    let after = State { opened: true, cap, alarm: percentage, position, ..state.clone() };
    accept(AccountOpened { cap, alarm: percentage, opening }, alarm(state, &after))
}

fn opened_already(state: &State) -> Decision<Event> {
    let cap = state.cap.map_or_else(|| "no cap".to_owned(), |cap| format!("a cap of {cap}"));
    Decision::refuse(
        codes::MODIFIED_REQUEST,
        format!("the account is open already, with {cap}: send ChangeLimits for other limits"),
    )
}

fn check_new(key: &str, cap: Option<Money>, position: Option<Money>) -> Result<(), String> {
    let currency = currency(key)?;
    check_cap(currency, cap)?;
    position.map_or(Ok(()), |position| {
        currency.admits(position).map_err(|error| format!("position: {error}"))
    })
}

pub(super) fn change_limits(state: &State, change: ChangeLimits, key: &str) -> Decision<Event> {
    let ChangeLimits { cap, alarm: percentage } = change;
    if !state.opened {
        return never_opened();
    }
    if (state.cap, state.alarm) == (cap, percentage) {
        return Decision::nothing();
    }
    if let Err(reason) = currency(key).and_then(|currency| check_cap(currency, cap)) {
        return Decision::refuse(codes::VALIDATION, reason);
    }
    let after = State { cap, alarm: percentage, ..state.clone() };
    accept(LimitsChanged { cap, alarm: percentage }, alarm(state, &after))
}

/// Whatever the figures are: who closes an account wants it to stop now, and one that is always
/// busy could otherwise never be closed. What is owed stays to be settled.
pub(super) fn close(state: &State) -> Decision<Event> {
    match state {
        State { opened: false, .. } => never_opened(),
        State { closed: true, .. } => Decision::nothing(),
        _ => Decision::accept(AccountClosed {}),
    }
}

pub(super) fn reopen(state: &State) -> Decision<Event> {
    match state {
        State { opened: false, .. } => never_opened(),
        State { closed: false, .. } => Decision::nothing(),
        _ => Decision::accept(AccountReopened {}),
    }
}

fn currency(key: &str) -> Result<Currency, String> {
    key.parse().map(|key: AccountKey| key.currency).map_err(|error| format!("key: {error}"))
}

fn check_cap(currency: Currency, cap: Option<Money>) -> Result<(), String> {
    let Some(cap) = cap else { return Ok(()) };
    if cap.is_negative() {
        return Err("cap: not below nothing".to_owned());
    }
    currency.admits(cap).map_err(|error| format!("cap: {error}"))
}

fn never_opened() -> Decision<Event> {
    Decision::refuse(codes::ID_NOT_FOUND, "no such account: send OpenAccount first")
}
