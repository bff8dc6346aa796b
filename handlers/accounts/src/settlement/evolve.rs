//! What events make of a settlement account. They carry the figures, so nothing is reckoned here.

use super::State;
use super::messages::{
    Event, FundsIn, FundsOutCommitted, FundsOutPrepared, FundsOutRejected, SettlementAccountOpened,
};

pub(crate) fn evolve(state: State, event: &Event) -> State {
    match *event {
        Event::SettlementAccountOpened(SettlementAccountOpened { funds }) => {
            State { opened: true, funds, ..state }
        }
        Event::FundsIn(FundsIn { funds, .. }) => State { funds, ..state },
        Event::FundsOutPrepared(FundsOutPrepared { leaving, .. })
        | Event::FundsOutRejected(FundsOutRejected { leaving, .. }) => State { leaving, ..state },
        Event::FundsOutCommitted(FundsOutCommitted { funds, leaving, .. }) => {
            State { funds, leaving, ..state }
        }
    }
}
