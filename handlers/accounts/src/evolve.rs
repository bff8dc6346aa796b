//! What events make of an account. They carry the figures, so nothing is reckoned here.

use scheme::account_events::{
    AccountClosed, AccountOpened, AccountReopened, CoverLowered, CoverRaised, LimitsChanged,
    PayeeFundsCommitted, PayerFundsCommitted, PayerFundsReserved, PayerFundsReversed,
};

use crate::messages::Event;
use crate::state::State;

pub(crate) fn evolve(state: State, event: &Event) -> State {
    match *event {
        Event::PayerFundsReserved(PayerFundsReserved { reserved, position, .. })
        | Event::PayerFundsCommitted(PayerFundsCommitted { reserved, position, .. })
        | Event::PayeeFundsCommitted(PayeeFundsCommitted { reserved, position, .. })
        | Event::PayerFundsReversed(PayerFundsReversed { reserved, position, .. }) => {
            State { reserved, position, ..state }
        }
        Event::AccountOpened(AccountOpened { cap, alarm, ref opening }) => {
            let position = opening.as_ref().map_or(state.position, |opening| opening.position);
            State { opened: true, cap, alarm, position, ..state }
        }
        Event::LimitsChanged(LimitsChanged { cap, alarm }) => State { cap, alarm, ..state },
        Event::AccountClosed(AccountClosed {}) => State { closed: true, ..state },
        Event::AccountReopened(AccountReopened {}) => State { closed: false, ..state },
        Event::CoverRaised(CoverRaised { cover, .. })
        | Event::CoverLowered(CoverLowered { cover, .. }) => State { cover: Some(cover), ..state },
        Event::PayerFundsRejected(_) | Event::ThresholdExceeded(_) | Event::CoverHeld(_) => state,
    }
}
