//! What accounts do when something happens to a transfer.

use scheme::transfer_events::{
    TransferAborted, TransferFulfilAccepted, TransferFulfilInvalid, TransferPrepareAccepted,
    TransferTimedOut,
};
use scheme::{AccountKey, Amount, Currency, FspId, Phase};
use zamu_guest::Outbox;

use crate::messages::{CommitPayeeFunds, CommitPayerFunds, ReservePayerFunds, ReversePayerFunds};

zamu_guest::addressed! {
    /// What accounts hear.
    pub enum Heard {
        scheme::TRANSFER => {
            TransferPrepareAccepted,
            TransferFulfilAccepted,
            TransferFulfilInvalid,
            TransferAborted,
            TransferTimedOut,
        },
    }
}

zamu_guest::addressed! {
    /// What they ask of an account thereupon.
    pub enum Sent {
        scheme::ACCOUNT => {
            ReservePayerFunds,
            CommitPayerFunds,
            CommitPayeeFunds,
            ReversePayerFunds,
        },
    }
}

/// `transfer` is the transfer's id.
pub(crate) fn react(event: &Heard, transfer: &str) -> Outbox<Sent> {
    let transfer_id = || transfer.to_owned();
    match event {
        Heard::TransferPrepareAccepted(accepted) => Outbox::to(
            AccountKey::text(&accepted.payer, accepted.currency),
            ReservePayerFunds { transfer_id: transfer_id(), amount: accepted.amount },
        ),
        Heard::TransferFulfilAccepted(accepted) => Outbox::to(
            AccountKey::text(&accepted.payer, accepted.currency),
            CommitPayerFunds { transfer_id: transfer_id(), amount: accepted.amount },
        )
        .and_to(
            AccountKey::text(&accepted.payee, accepted.currency),
            CommitPayeeFunds { transfer_id: transfer_id(), amount: accepted.amount },
        ),
        Heard::TransferFulfilInvalid(TransferFulfilInvalid { payer, amount, currency, .. })
        | Heard::TransferAborted(TransferAborted { payer, amount, currency, .. }) => {
            release(payer, *currency, *amount, transfer)
        }
        Heard::TransferTimedOut(TransferTimedOut { payer, amount, currency, state, .. }) => {
            match state {
                Phase::ReservedTimeout => release(payer, *currency, *amount, transfer),
                // Nothing may be reserved yet: if it is, the transfer times out once more.
                _ => Outbox::none(),
            }
        }
    }
}

fn release(payer: &FspId, currency: Currency, amount: Amount, transfer_id: &str) -> Outbox<Sent> {
    Outbox::to(
        AccountKey::text(payer, currency),
        ReversePayerFunds { transfer_id: transfer_id.to_owned(), amount },
    )
}
