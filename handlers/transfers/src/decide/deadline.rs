//! The end of the offer, if the payee has not answered before.
//!
//! After RECEIVED_FULFIL there is none: what was fulfilled in time is committed, however long that
//! takes.

use scheme::transfer_events::TransferTimedOut;
use scheme::{Phase, codes};
use zamu_guest::{Decision, Time};

use super::not_found;
use crate::messages::Event;
use crate::state::{State, Terms};

const AWAITING: [Phase; 2] = [Phase::ReceivedPrepare, Phase::Reserved];

pub(crate) fn wake_at(state: &State) -> Option<Time> {
    let terms = state.0.as_ref()?.in_phase(&AWAITING)?;
    Some(Time(terms.expiration.ms()))
}

/// Without funds reserved nothing is released yet: they may be reserved at this very moment.
pub(crate) fn wake(state: &State) -> Decision<Event> {
    let Some(transfer) = &state.0 else { return not_found() };
    let Some(terms) = transfer.in_phase(&AWAITING) else {
        let details = format!("a transfer that is {} has no deadline", transfer.state.as_str());
        return Decision::refuse(codes::INTERNAL, details);
    };
    Decision::accept(timed_out(
        terms,
        match transfer.state {
            Phase::Reserved => Phase::ReservedTimeout,
            _ => Phase::PrepareTimeout,
        },
    ))
}

pub(super) fn timed_out(terms: &Terms, state: Phase) -> TransferTimedOut {
    TransferTimedOut {
        payer: terms.payer.clone(),
        payee: terms.payee.clone(),
        amount: terms.amount,
        currency: terms.currency,
        state,
        code: codes::TRANSFER_EXPIRED.to_owned(),
        reason: ended(terms),
    }
}

/// Whether the offer has ended, in the words of the refusal. At the very moment it has not.
pub(super) fn ended_by(terms: &Terms, now: Time) -> Option<String> {
    (now.0 > terms.expiration.ms()).then(|| ended(terms))
}

pub(super) fn ended(terms: &Terms) -> String {
    format!("the offer ended at {}", terms.expiration)
}
