//! What events make of an account. They carry the figures, so nothing is reckoned here.

use scheme::account_events::{
    PayeeFundsCommitted, PayerFundsCommitted, PayerFundsReserved, PayerFundsReversed,
};

use crate::messages::{AccountOpened, Event};
use crate::state::State;

pub(crate) fn evolve(state: State, event: &Event) -> State {
    match *event {
        Event::AccountOpened(AccountOpened { cap }) => State { opened: true, cap, ..state },
        Event::PayerFundsRejected(_) => state,
        Event::PayerFundsReserved(PayerFundsReserved { reserved, position, .. })
        | Event::PayerFundsCommitted(PayerFundsCommitted { reserved, position, .. })
        | Event::PayeeFundsCommitted(PayeeFundsCommitted { reserved, position, .. })
        | Event::PayerFundsReversed(PayerFundsReversed { reserved, position, .. }) => {
            State { reserved, position, ..state }
        }
    }
}
