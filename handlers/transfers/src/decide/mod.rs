//! The rules of transfers. Nothing is changed here.
//!
//! A "no" is an event where an account has to act on it or the transfer ends by it, and otherwise a
//! refusal. A command that comes from an account's event finds the state it was made for; if it does
//! not, that is a defect, and the refusal alarms.

mod account;
mod answer;
pub(crate) mod deadline;

use scheme::transfer_events::{InvalidTransfer, TransferPrepareAccepted};
use scheme::{FspId, Phase, SWITCH_SOURCE, codes};
use zamu_guest::{Context, Decision};

use crate::Configuration;
use crate::messages::{
    AckPayeeFundsCommitted, AckPayerFundsReserved, AckPayerFundsReversed, Command, Event,
    PrepareTransfer,
};
use crate::reply::TransferResult;
use crate::state::{Failure, State, Terms, Transfer};
use crate::{parties, prepare};

pub(crate) fn decide(
    state: &State,
    command: Command,
    context: &Context<'_, Configuration>,
) -> Decision<Event> {
    match command {
        Command::PrepareTransfer(prepare) => decide_prepare(state, &prepare, context),
        Command::FulfilTransfer(fulfil) => answer::fulfil(state, &fulfil, context.time),
        Command::AbortTransfer(abort) => answer::abort(state, &abort, context.time),
        _ if context.source != SWITCH_SOURCE => Decision::refuse(
            codes::VALIDATION,
            "what accounts have done is told by accounts only: no client may send this command",
        ),
        Command::AckPayerFundsReserved(AckPayerFundsReserved {}) => account::reserved(state),
        Command::RejectTransfer(reject) => account::rejected(state, reject),
        Command::AckPayeeFundsCommitted(AckPayeeFundsCommitted {}) => account::committed(state),
        Command::AckPayerFundsReversed(AckPayerFundsReversed {}) => account::reversed(state),
    }
}

fn decide_prepare(
    state: &State,
    prepare: &PrepareTransfer,
    context: &Context<'_, Configuration>,
) -> Decision<Event> {
    let content = prepare::content(prepare);
    if let Some(transfer) = &state.0 {
        return if transfer.content == content {
            repeated(transfer)
        } else {
            let details = "a transfer with this id was asked for with other content";
            Decision::refuse(codes::MODIFIED_REQUEST, details)
        };
    }
    match check_new(prepare, context) {
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
        Err(failure) => invalid(prepare, &failure),
    }
}

/// What comes of an offer that is no transfer, by whichever rule: an end that is told from then on.
pub fn invalid(prepare: &PrepareTransfer, failure: &Failure) -> Decision<Event> {
    let Failure { code, reason } = failure;
    Decision::accept(InvalidTransfer {
        payer: prepare.payer.parse::<FspId>().ok(),
        code: code.clone(),
        reason: reason.clone(),
        content: prepare::content(prepare),
    })
    .reply(&TransferResult::failed(Phase::Invalid, code, reason))
}

/// The terms of a transfer that can be, or why it cannot: its form first, then its parties.
fn check_new(
    prepare: &PrepareTransfer,
    context: &Context<'_, Configuration>,
) -> Result<Terms, Failure> {
    let allow_on_us = context.configuration.allow_on_us;
    let terms = prepare::check(prepare, context.time.0, allow_on_us)?;
    parties::check(&terms, context)?;
    Ok(terms)
}

/// What was asked for is so already; its result is told as soon as there is one.
fn repeated(transfer: &Transfer) -> Decision<Event> {
    if transfer.state.is_final() {
        Decision::nothing().reply(&TransferResult::of(transfer))
    } else {
        Decision::nothing()
    }
}

fn not_found() -> Decision<Event> {
    Decision::refuse(codes::TRANSFER_NOT_FOUND, "no such transfer")
}

fn wrong_phase(transfer: &Transfer, expected: Phase) -> Decision<Event> {
    Decision::refuse(
        codes::VALIDATION,
        format!("the transfer is {}, not {}", transfer.state.as_str(), expected.as_str()),
    )
}
