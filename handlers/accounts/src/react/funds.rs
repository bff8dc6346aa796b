//! What position accounts and settlement accounts do when something happens to the other: they have
//! the same key.

use scheme::account_events::{CoverHeld, CoverLowered};
use zamu_guest::{EventContext, Outbox};

use crate::messages::{LowerCover, RaiseCover};
use crate::settlement::messages::{
    CommitFundsOut, FundsIn, FundsOutPrepared, RejectFundsOut, SettlementAccountOpened,
};

zamu_guest::addressed! {
    /// What both hear.
    pub enum Heard {
        scheme::SETTLEMENT_ACCOUNT => {
            SettlementAccountOpened,
            FundsIn,
            FundsOutPrepared,
        },
        scheme::ACCOUNT => {
            CoverLowered,
            CoverHeld,
        },
    }
}

zamu_guest::addressed! {
    /// What they ask of the other thereupon.
    pub enum Sent {
        scheme::ACCOUNT => {
            RaiseCover,
            LowerCover,
        },
        scheme::SETTLEMENT_ACCOUNT => {
            CommitFundsOut,
            RejectFundsOut,
        },
    }
}

pub(crate) fn react(event: &Heard, context: &EventContext<'_>) -> Outbox<Sent> {
    match event {
        Heard::SettlementAccountOpened(SettlementAccountOpened { funds }) => {
            Outbox::to(context.key, RaiseCover { amount: *funds })
        }
        Heard::FundsIn(FundsIn { amount, .. }) => {
            Outbox::to(context.key, RaiseCover { amount: (*amount).into() })
        }
        Heard::FundsOutPrepared(FundsOutPrepared { reference, amount, .. }) => {
            let reference = reference.clone();
            Outbox::to(context.key, LowerCover { reference, amount: *amount })
        }
        Heard::CoverLowered(CoverLowered { reference, amount, .. }) => {
            let reference = reference.clone();
            Outbox::to(context.key, CommitFundsOut { reference, amount: *amount })
        }
        Heard::CoverHeld(CoverHeld { reference, amount, code, reason }) => Outbox::to(
            context.key,
            RejectFundsOut {
                reference: reference.clone(),
                amount: *amount,
                code: code.clone(),
                reason: reason.clone(),
            },
        ),
    }
}
