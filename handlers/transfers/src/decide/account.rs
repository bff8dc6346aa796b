//! What accounts have done for a transfer.

use scheme::transfer_events::{
    TransferFulfilled, TransferPrepared, TransferRejected, TransferReleased,
};
use scheme::{Phase, codes};
use zamu_guest::Decision;

use super::{deadline, not_found, wrong_phase};
use crate::messages::{Event, RejectTransfer};
use crate::state::{Failure, State, Terms, Transfer};

/// If the offer ended while the funds were being reserved, they are released again.
pub(super) fn reserved(state: &State) -> Decision<Event> {
    let (terms, transfer) = match awaiting(state, &[Phase::ReceivedPrepare, Phase::PrepareTimeout])
    {
        Ok(found) => found,
        Err(refusal) => return refusal,
    };
    if transfer.state == Phase::PrepareTimeout {
        return Decision::accept(deadline::timed_out(terms, Phase::ReservedTimeout));
    }
    Decision::accept(TransferPrepared {
        payer: terms.payer.clone(),
        payee: terms.payee.clone(),
        amount: terms.amount,
        currency: terms.currency,
        expiration: terms.expiration,
        condition: terms.condition,
    })
}

/// If the offer ended before, that is why the transfer ends.
pub(super) fn rejected(state: &State, reject: RejectTransfer) -> Decision<Event> {
    let (terms, transfer) = match awaiting(state, &[Phase::ReceivedPrepare, Phase::PrepareTimeout])
    {
        Ok(found) => found,
        Err(refusal) => return refusal,
    };
    let (state, Failure { code, reason }) = match &transfer.failure {
        Some(timed_out) => (Phase::ExpiredPrepared, timed_out.clone()),
        None => {
            let RejectTransfer { code, reason } = reject;
            (Phase::AbortedRejected, Failure { code, reason })
        }
    };
    Decision::accept(TransferRejected {
        payer: terms.payer.clone(),
        payee: terms.payee.clone(),
        amount: terms.amount,
        currency: terms.currency,
        state,
        code,
        reason,
    })
}

pub(super) fn committed(state: &State) -> Decision<Event> {
    match awaiting(state, &[Phase::ReceivedFulfil]) {
        Ok((terms, Transfer { fulfilment: Some(fulfilment), .. })) => {
            Decision::accept(TransferFulfilled {
                payer: terms.payer.clone(),
                payee: terms.payee.clone(),
                amount: terms.amount,
                currency: terms.currency,
                fulfilment: *fulfilment,
            })
        }
        Ok(_) => Decision::refuse(codes::INTERNAL, "the transfer has lost its fulfilment"),
        Err(refusal) => refusal,
    }
}

pub(super) fn reversed(state: &State) -> Decision<Event> {
    let (terms, transfer) = match awaiting(state, &[Phase::ReceivedError, Phase::ReservedTimeout]) {
        Ok(found) => found,
        Err(refusal) => return refusal,
    };
    let Some(Failure { code, reason }) = &transfer.failure else {
        return Decision::refuse(codes::INTERNAL, "the transfer has lost its failure");
    };
    Decision::accept(TransferReleased {
        payer: terms.payer.clone(),
        payee: terms.payee.clone(),
        amount: terms.amount,
        currency: terms.currency,
        state: match transfer.state {
            Phase::ReservedTimeout => Phase::ExpiredReserved,
            _ => Phase::AbortedError,
        },
        code: code.clone(),
        reason: reason.clone(),
        unannounced: transfer.unannounced,
    })
}

/// The terms of a transfer that is in one of the expected states, or the refusal that names its own
/// and the first of them.
fn awaiting<'s>(
    state: &'s State,
    expected: &[Phase],
) -> Result<(&'s Terms, &'s Transfer), Decision<Event>> {
    let transfer = state.0.as_ref().ok_or_else(not_found)?;
    match transfer.in_phase(expected) {
        Some(terms) => Ok((terms, transfer)),
        None => Err(wrong_phase(transfer, expected[0])),
    }
}
