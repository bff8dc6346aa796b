//! What the payee says: that it fulfils the transfer, or does not want it.
//!
//! A transfer is answered once. The same answer again changes nothing; another one from the same
//! sender is a modified request. An answer from anyone but the payee ends a transfer that waits for
//! one.

use scheme::transfer_events::{
    Answer, TransferAborted, TransferFulfilAccepted, TransferFulfilInvalid,
};
use scheme::{ContentHash, ContentHasher, FspId, Fulfilment, Phase, codes};
use zamu_guest::{Decision, Time};

use super::{deadline, not_found, repeated, wrong_phase};
use crate::messages::{AbortTransfer, Event, FulfilTransfer};
use crate::reply::TransferResult;
use crate::state::{State, Terms, Transfer};

/// Longest reason, in characters (FSPIOP `ErrorDescription`).
const REASON_CHARS_MAX: usize = 128;

pub(super) fn fulfil(state: &State, fulfil: &FulfilTransfer, now: Time) -> Decision<Event> {
    let content = || ContentHasher::default().field("fulfil").field(&fulfil.fulfilment).finish();
    let terms = match awaiting(state, &fulfil.fsp, Some(&fulfil.fulfilment), &content, now) {
        Ok(terms) => terms,
        Err(decision) => return decision,
    };
    let checked =
        check_sender(&fulfil.fsp, terms).and_then(|()| check_fulfilment(&fulfil.fulfilment, terms));
    match checked {
        Ok(fulfilment) => Decision::accept(TransferFulfilAccepted {
            payer: terms.payer.clone(),
            payee: terms.payee.clone(),
            amount: terms.amount,
            currency: terms.currency,
            fulfilment,
        }),
        Err(reason) => invalid(terms, reason, &fulfil.fsp, content()),
    }
}

pub(super) fn abort(state: &State, abort: &AbortTransfer, now: Time) -> Decision<Event> {
    let AbortTransfer { fsp, code, reason } = abort;
    let content =
        || ContentHasher::default().field("abort").field(code.as_str()).field(reason).finish();
    if reason.chars().count() > REASON_CHARS_MAX {
        let details = format!("reason: at most {REASON_CHARS_MAX} characters");
        return Decision::refuse(codes::VALIDATION, details);
    }
    let terms = match awaiting(state, fsp, None, &content, now) {
        Ok(terms) => terms,
        Err(decision) => return decision,
    };
    if let Err(reason) = check_sender(fsp, terms) {
        return invalid(terms, reason, fsp, content());
    }
    Decision::accept(TransferAborted {
        payer: terms.payer.clone(),
        payee: terms.payee.clone(),
        amount: terms.amount,
        currency: terms.currency,
        code: code.to_string(),
        reason: reason.clone(),
        answer: Answer { fsp: fsp.clone(), content: content() },
    })
}

/// The terms of a transfer that waits for an answer; or what becomes of one that comes too early,
/// too late or again.
fn awaiting<'s>(
    state: &'s State,
    fsp: &FspId,
    fulfilment: Option<&str>,
    content: &dyn Fn() -> ContentHash,
    now: Time,
) -> Result<&'s Terms, Decision<Event>> {
    let transfer = state.0.as_ref().ok_or_else(not_found)?;
    let Some(terms) = &transfer.terms else {
        return Err(wrong_phase(transfer, Phase::Reserved));
    };
    let late = match transfer.state {
        Phase::ReceivedPrepare | Phase::Reserved => deadline::ended_by(terms, now),
        phase => phase.is_over_time().then(|| deadline::ended(terms)),
    };
    if let Some(details) = late {
        return Err(Decision::refuse(codes::TRANSFER_EXPIRED, details));
    }
    if transfer.state == Phase::Reserved {
        return Ok(terms);
    }
    Err(match earlier(transfer, terms, fsp, fulfilment, content) {
        Some(Earlier::Same) => repeated(transfer),
        Some(Earlier::Other) => Decision::refuse(
            codes::MODIFIED_REQUEST,
            "the transfer was answered before, with other content",
        ),
        None => wrong_phase(transfer, Phase::Reserved),
    })
}

/// What the same sender said before.
enum Earlier {
    Same,
    Other,
}

fn earlier(
    transfer: &Transfer,
    terms: &Terms,
    fsp: &FspId,
    fulfilment: Option<&str>,
    content: &dyn Fn() -> ContentHash,
) -> Option<Earlier> {
    let is_same = match (&transfer.fulfilment, &transfer.answer) {
        (Some(first), _) if *fsp == terms.payee => {
            fulfilment.is_some_and(|text| text.parse() == Ok(*first))
        }
        (None, Some(first)) if *fsp == first.fsp => first.content == content(),
        _ => return None,
    };
    Some(if is_same { Earlier::Same } else { Earlier::Other })
}

fn check_sender(fsp: &FspId, terms: &Terms) -> Result<(), String> {
    if *fsp == terms.payee { Ok(()) } else { Err(format!("fsp: {fsp} is not the payee")) }
}

fn check_fulfilment(text: &str, terms: &Terms) -> Result<Fulfilment, String> {
    let fulfilment: Fulfilment = text.parse().map_err(|error| format!("fulfilment: {error}"))?;
    if fulfilment.fulfils(&terms.condition) {
        Ok(fulfilment)
    } else {
        Err("fulfilment: not the preimage of the condition".to_owned())
    }
}

fn invalid(terms: &Terms, reason: String, fsp: &FspId, content: ContentHash) -> Decision<Event> {
    let result = TransferResult::failed(Phase::ReceivedError, codes::VALIDATION, &reason);
    Decision::accept(TransferFulfilInvalid {
        payer: terms.payer.clone(),
        payee: terms.payee.clone(),
        amount: terms.amount,
        currency: terms.currency,
        code: codes::VALIDATION.to_owned(),
        reason: reason.clone(),
        answer: Some(Answer { fsp: fsp.clone(), content }),
    })
    .reply(&result)
}
