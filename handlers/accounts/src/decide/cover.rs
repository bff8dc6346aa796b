//! What settlement accounts ask of a position account: more cover, or less where it is not needed.
//!
//! Cover lives here, in the account that reserves, so that a reservation and a withdrawal of funds
//! are decided one after another by one aggregate. It rises after funds came in and falls before
//! they go out: it is never more than what is really there.

use scheme::account_events::{CoverHeld, CoverLowered, CoverRaised};
use scheme::{Money, MoneyError, codes};
use zamu_guest::Decision;

use crate::messages::{Event, LowerCover, RaiseCover};
use crate::state::State;

/// Never rejected: funds came in, whether the account is open or not.
pub(super) fn raise(state: &State, raise: &RaiseCover) -> Result<Decision<Event>, MoneyError> {
    let cover = state.cover.unwrap_or_default().plus(raise.amount)?;
    Ok(Decision::accept(CoverRaised { amount: raise.amount, cover }))
}

pub(super) fn lower(state: &State, lower: LowerCover) -> Decision<Event> {
    let LowerCover { reference, amount } = lower;
    let has = state.cover.unwrap_or_default();
    let needed = state.current_position().map(|position| position.max(Money::ZERO));
    match (has.minus(amount), needed) {
        (Ok(cover), Ok(needed)) if cover >= needed => {
            Decision::accept(CoverLowered { reference, amount, cover })
        }
        (_, Ok(needed)) => {
            let reason = format!("{needed} of the liquidity cover of {has} is needed");
            held(reference, amount, reason)
        }
        (_, Err(error)) => held(reference, amount, error.to_string()),
    }
}

fn held(reference: String, amount: scheme::Amount, reason: String) -> Decision<Event> {
    let code = codes::PAYER_LIQUIDITY.to_owned();
    Decision::accept(CoverHeld { reference, amount, code, reason })
}
