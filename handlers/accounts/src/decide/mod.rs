//! The rules of accounts. Nothing is changed here.
//!
//! A reservation may be rejected, which is an event, because a transfer waits for it; so may a wish
//! for funds back. A commit never is. What only a defect can ask for (a release of what was not
//! reserved, a figure beyond all bounds) is refused, which alarms.

mod administer;
mod cover;
mod transfer;

use scheme::account_events::ThresholdExceeded;
use scheme::{MoneyError, SWITCH_SOURCE, codes};
use zamu_guest::{Context, Decision};

use crate::Configuration;
use crate::messages::{Command, Event};
use crate::state::State;

pub(crate) fn decide(
    state: &State,
    command: Command,
    context: &Context<'_, Configuration>,
) -> Decision<Event> {
    match command {
        Command::OpenAccount(open) => administer::open(state, open, context.key),
        Command::ChangeLimits(change) => administer::change_limits(state, change, context.key),
        Command::CloseAccount(_) => administer::close(state),
        Command::ReopenAccount(_) => administer::reopen(state),
        _ if context.source != SWITCH_SOURCE => Decision::refuse(
            codes::VALIDATION,
            "money is moved by transfers and settlement accounts only: no client may send this \
             command",
        ),
        Command::ReservePayerFunds(reserve) => {
            transfer::reserve(state, reserve, context.configuration.cover_required)
        }
        Command::CommitPayerFunds(commit) => or_overflow(transfer::commit_payer(state, commit)),
        Command::CommitPayeeFunds(commit) => or_overflow(transfer::commit_payee(state, commit)),
        Command::ReversePayerFunds(reverse) => or_overflow(transfer::reverse_payer(state, reverse)),
        Command::RaiseCover(raise) => or_overflow(cover::raise(state, &raise)),
        Command::LowerCover(lower) => cover::lower(state, lower),
    }
}

/// The alarm, if what is owed comes above the threshold by what changes `before` to `after`.
fn alarm(before: &State, after: &State) -> Option<ThresholdExceeded> {
    if !is_above(after) || is_above(before) {
        return None;
    }
    Some(ThresholdExceeded {
        alarm: after.alarm?,
        cap: after.cap?,
        current_position: after.current_position().ok()?,
    })
}

fn is_above(state: &State) -> bool {
    match (state.alarm_threshold(), state.current_position()) {
        (Some(threshold), Ok(current_position)) => current_position > threshold,
        _ => false,
    }
}

fn accept(event: impl Into<Event>, alarm: Option<ThresholdExceeded>) -> Decision<Event> {
    match alarm {
        None => Decision::accept(event),
        Some(alarm) => Decision::accept(event).and(alarm),
    }
}

fn or_overflow(decision: Result<Decision<Event>, MoneyError>) -> Decision<Event> {
    decision.unwrap_or_else(|error| Decision::refuse(codes::INTERNAL, error.to_string()))
}
