//! What events make of a transfer.

use scheme::Phase;
use scheme::transfer_events::{
    InvalidTransfer, TransferAborted, TransferFulfilAccepted, TransferFulfilInvalid,
    TransferPrepareAccepted, TransferRejected, TransferReleased, TransferTimedOut,
};

use crate::messages::Event;
use crate::state::{Failure, State, Terms, Transfer};

pub(crate) fn evolve(state: State, event: &Event) -> State {
    match event {
        Event::TransferPrepareAccepted(accepted) => State(Some(prepared(accepted))),
        Event::InvalidTransfer(invalid) => State(Some(refused(invalid))),
        _ => State(state.0.map(|transfer| advance(transfer, event))),
    }
}

fn prepared(accepted: &TransferPrepareAccepted) -> Transfer {
    let TransferPrepareAccepted { payer, payee, amount, currency, expiration, condition, content } =
        accepted;
    Transfer {
        state: Phase::ReceivedPrepare,
        content: *content,
        terms: Some(Terms {
            payer: payer.clone(),
            payee: payee.clone(),
            amount: *amount,
            currency: *currency,
            expiration: *expiration,
            condition: *condition,
        }),
        fulfilment: None,
        answer: None,
        failure: None,
        unannounced: false,
    }
}

fn refused(invalid: &InvalidTransfer) -> Transfer {
    Transfer {
        state: Phase::Invalid,
        content: invalid.content,
        terms: None,
        fulfilment: None,
        answer: None,
        failure: failure(&invalid.code, &invalid.reason),
        unannounced: false,
    }
}

fn advance(transfer: Transfer, event: &Event) -> Transfer {
    match event {
        // A transfer begins once only.
        Event::TransferPrepareAccepted(_) | Event::InvalidTransfer(_) => transfer,
        Event::TransferPrepared(_) => Transfer { state: Phase::Reserved, ..transfer },
        Event::TransferRejected(TransferRejected { state, code, reason, .. }) => {
            Transfer { state: *state, failure: failure(code, reason), ..transfer }
        }
        Event::TransferFulfilAccepted(TransferFulfilAccepted { fulfilment, .. }) => {
            Transfer { state: Phase::ReceivedFulfil, fulfilment: Some(*fulfilment), ..transfer }
        }
        Event::TransferFulfilInvalid(TransferFulfilInvalid { code, reason, answer, .. }) => {
            let answer = answer.clone();
            Transfer {
                state: Phase::ReceivedError,
                failure: failure(code, reason),
                answer,
                ..transfer
            }
        }
        Event::TransferAborted(TransferAborted { code, reason, answer, .. }) => {
            let answer = Some(answer.clone());
            Transfer {
                state: Phase::ReceivedError,
                failure: failure(code, reason),
                answer,
                ..transfer
            }
        }
        Event::TransferTimedOut(TransferTimedOut { state, code, reason, .. }) => {
            let unannounced = transfer.state == Phase::PrepareTimeout;
            Transfer { state: *state, failure: failure(code, reason), unannounced, ..transfer }
        }
        Event::TransferFulfilled(_) => Transfer { state: Phase::Committed, ..transfer },
        Event::TransferReleased(TransferReleased { state, .. }) => {
            Transfer { state: *state, ..transfer }
        }
    }
}

fn failure(code: &str, reason: &str) -> Option<Failure> {
    Some(Failure { code: code.to_owned(), reason: reason.to_owned() })
}
