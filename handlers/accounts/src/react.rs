//! What accounts do when something happens to a transfer.

use scheme::AccountKey;
use scheme::transfer_events::{
    TransferFulfilAccepted, TransferFulfilInvalid, TransferPrepareAccepted,
};
use zamu_guest::{EventContext, Outbox};

use crate::messages::{CommitPayeeFunds, CommitPayerFunds, ReservePayerFunds, ReversePayerFunds};

zamu_guest::addressed! {
    /// What accounts hear.
    pub enum Heard {
        scheme::TRANSFER => {
            TransferPrepareAccepted,
            TransferFulfilAccepted,
            TransferFulfilInvalid,
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

pub(crate) fn react(event: &Heard, context: &EventContext<'_>) -> Outbox<Sent> {
    let transfer_id = || context.key.to_owned();
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
        Heard::TransferFulfilInvalid(invalid) => Outbox::to(
            AccountKey::text(&invalid.payer, invalid.currency),
            ReversePayerFunds { transfer_id: transfer_id(), amount: invalid.amount },
        ),
    }
}
