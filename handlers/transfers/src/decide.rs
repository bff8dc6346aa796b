//! The rules of transfers. Nothing is changed here.
//!
//! A "no" is an event where an account has to act on it or the transfer ends by it, and otherwise a
//! refusal. A command that comes from an account's event finds the state it was made for; if it does
//! not, that is a defect, and the refusal alarms.

use scheme::transfer_events::{
    TransferFulfilAccepted, TransferFulfilInvalid, TransferPrepareAccepted,
};
use scheme::{FspId, Fulfilment, SWITCH_SOURCE, codes};
use zamu_guest::{Context, Decision};

use crate::Configuration;
use crate::messages::{
    AckPayeeFundsCommitted, AckPayerFundsReserved, AckPayerFundsReversed, Command, Event,
    FulfilTransfer, InvalidTransfer, PrepareTransfer, RejectTransfer, TransferFulfilled,
    TransferPrepared, TransferRejected, TransferReleased,
};
use crate::prepare;
use crate::reply::TransferResult;
use crate::state::{Failure, Phase, State, Terms, Transfer};

pub(crate) fn decide(
    state: &State,
    command: Command,
    context: &Context<'_, Configuration>,
) -> Decision<Event> {
    match command {
        Command::PrepareTransfer(prepare) => decide_prepare(state, &prepare, context),
        Command::FulfilTransfer(fulfil) => decide_fulfil(state, &fulfil),
        _ if context.source != SWITCH_SOURCE => Decision::refuse(
            codes::VALIDATION,
            "what accounts have done is told by accounts only: no client may send this command",
        ),
        Command::AckPayerFundsReserved(AckPayerFundsReserved {}) => decide_reserved(state),
        Command::RejectTransfer(reject) => decide_reject(state, reject),
        Command::AckPayeeFundsCommitted(AckPayeeFundsCommitted {}) => decide_committed(state),
        Command::AckPayerFundsReversed(AckPayerFundsReversed {}) => decide_reversed(state),
    }
}

fn decide_prepare(
    state: &State,
    prepare: &PrepareTransfer,
    context: &Context<'_, Configuration>,
) -> Decision<Event> {
    let content = prepare::content(prepare);
    if let Some(transfer) = &state.0 {
        return match transfer {
            Transfer { content: first, .. } if *first != content => Decision::refuse(
                codes::MODIFIED_REQUEST,
                "a transfer with this id was asked for with other content",
            ),
            Transfer { state, .. } if state.is_final() => {
                Decision::nothing().reply(&TransferResult::of(transfer))
            }
            _ => Decision::nothing(),
        };
    }
    match prepare::terms(prepare, context.time.0, context.configuration.allow_on_us) {
        Ok(Terms { payer, payee, amount, currency, expiration, condition }) => {
            Decision::accept(TransferPrepareAccepted {
                payer,
                payee,
                amount,
                currency,
                expiration,
                condition,
                content,
            })
        }
        Err(reason) => {
            let reply = TransferResult::failed(Phase::Invalid, codes::VALIDATION, &reason);
            Decision::accept(InvalidTransfer {
                payer: prepare.payer.parse::<FspId>().ok(),
                code: codes::VALIDATION.to_owned(),
                reason: reason.clone(),
                content,
            })
            .reply(&reply)
        }
    }
}

fn decide_reserved(state: &State) -> Decision<Event> {
    match in_phase(state, Phase::ReceivedPrepare) {
        Ok((terms, _)) => Decision::accept(TransferPrepared {
            payer: terms.payer.clone(),
            payee: terms.payee.clone(),
            amount: terms.amount,
            currency: terms.currency,
            expiration: terms.expiration,
            condition: terms.condition,
        }),
        Err(refusal) => refusal,
    }
}

fn decide_reject(state: &State, reject: RejectTransfer) -> Decision<Event> {
    match in_phase(state, Phase::ReceivedPrepare) {
        Ok((terms, _)) => Decision::accept(TransferRejected {
            payer: terms.payer.clone(),
            payee: terms.payee.clone(),
            amount: terms.amount,
            currency: terms.currency,
            code: reject.code,
            reason: reject.reason,
        }),
        Err(refusal) => refusal,
    }
}

fn decide_fulfil(state: &State, fulfil: &FulfilTransfer) -> Decision<Event> {
    let terms = match in_phase(state, Phase::Reserved) {
        Ok((terms, _)) => terms,
        Err(refusal) => return refusal,
    };
    match check_fulfilment(&fulfil.fulfilment, terms) {
        Ok(fulfilment) => Decision::accept(TransferFulfilAccepted {
            payer: terms.payer.clone(),
            payee: terms.payee.clone(),
            amount: terms.amount,
            currency: terms.currency,
            fulfilment,
        }),
        Err(reason) => {
            let reply = TransferResult::failed(Phase::ReceivedError, codes::VALIDATION, &reason);
            Decision::accept(TransferFulfilInvalid {
                payer: terms.payer.clone(),
                payee: terms.payee.clone(),
                amount: terms.amount,
                currency: terms.currency,
                code: codes::VALIDATION.to_owned(),
                reason: reason.clone(),
            })
            .reply(&reply)
        }
    }
}

fn check_fulfilment(text: &str, terms: &Terms) -> Result<Fulfilment, String> {
    let fulfilment: Fulfilment = text.parse().map_err(|error| format!("fulfilment: {error}"))?;
    if fulfilment.fulfils(&terms.condition) {
        Ok(fulfilment)
    } else {
        Err("fulfilment: not the preimage of the condition".to_owned())
    }
}

fn decide_committed(state: &State) -> Decision<Event> {
    match in_phase(state, Phase::ReceivedFulfil) {
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

fn decide_reversed(state: &State) -> Decision<Event> {
    match in_phase(state, Phase::ReceivedError) {
        Ok((terms, Transfer { failure: Some(Failure { code, reason }), .. })) => {
            Decision::accept(TransferReleased {
                payer: terms.payer.clone(),
                payee: terms.payee.clone(),
                amount: terms.amount,
                currency: terms.currency,
                state: Phase::AbortedError,
                code: code.clone(),
                reason: reason.clone(),
            })
        }
        Ok(_) => Decision::refuse(codes::INTERNAL, "the transfer has lost its failure"),
        Err(refusal) => refusal,
    }
}

/// The terms of a transfer that is in the expected state, or the refusal that names both.
fn in_phase(state: &State, expected: Phase) -> Result<(&Terms, &Transfer), Decision<Event>> {
    match &state.0 {
        None => Err(Decision::refuse(codes::TRANSFER_NOT_FOUND, "no such transfer")),
        Some(transfer @ Transfer { state, terms: Some(terms), .. }) if *state == expected => {
            Ok((terms, transfer))
        }
        Some(Transfer { state, .. }) => Err(Decision::refuse(
            codes::VALIDATION,
            format!("the transfer is {}, not {}", state.as_str(), expected.as_str()),
        )),
    }
}
