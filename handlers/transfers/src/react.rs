//! What transfers do when something happens to an account.
//!
//! `PayerFundsCommitted` is not awaited: the transfer is done when the payee has the money.

use scheme::account_events::{
    PayeeFundsCommitted, PayerFundsRejected, PayerFundsReserved, PayerFundsReversed,
};
use zamu_guest::Outbox;

use crate::messages::{
    AckPayeeFundsCommitted, AckPayerFundsReserved, AckPayerFundsReversed, RejectTransfer,
};

zamu_guest::addressed! {
    /// What transfers hear.
    pub enum Heard {
        scheme::ACCOUNT => {
            PayerFundsReserved,
            PayerFundsRejected,
            PayeeFundsCommitted,
            PayerFundsReversed,
        },
    }
}

zamu_guest::addressed! {
    /// What they ask of a transfer thereupon.
    pub enum Sent {
        scheme::TRANSFER => {
            AckPayerFundsReserved,
            RejectTransfer,
            AckPayeeFundsCommitted,
            AckPayerFundsReversed,
        },
    }
}

pub(crate) fn react(event: &Heard) -> Outbox<Sent> {
    match event {
        Heard::PayerFundsReserved(reserved) => {
            Outbox::to(&*reserved.transfer_id, AckPayerFundsReserved {})
        }
        Heard::PayerFundsRejected(PayerFundsRejected { transfer_id, code, reason, .. }) => {
            let reject = RejectTransfer { code: code.clone(), reason: reason.clone() };
            Outbox::to(&**transfer_id, reject)
        }
        Heard::PayeeFundsCommitted(committed) => {
            Outbox::to(&*committed.transfer_id, AckPayeeFundsCommitted {})
        }
        Heard::PayerFundsReversed(reversed) => {
            Outbox::to(&*reversed.transfer_id, AckPayerFundsReversed {})
        }
    }
}
