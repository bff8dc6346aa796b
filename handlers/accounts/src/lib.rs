//! Position accounts: one per participant and currency, under a net debit cap.
//!
//! An account knows figures, not transfers: which transfer may move money, and how often, is left
//! to the transfer. Liquidity cover, alarms and settlement are not here.

mod decide;
mod evolve;
pub mod messages;
pub mod react;
mod state;

use zamu_guest::{Aggregate, Context, Decision, EventContext, EventHandler, Outbox};

pub use state::State;

/// The aggregate of one account. Its key is a [`scheme::AccountKey`].
#[derive(Clone, Copy, Debug)]
pub struct Account;

impl Aggregate for Account {
    const TYPE: &'static str = scheme::ACCOUNT;
    type State = State;
    type Command = messages::Command;
    type Event = messages::Event;
    type Configuration = ();

    fn decide(
        state: &State,
        command: messages::Command,
        context: &Context<'_>,
    ) -> Decision<messages::Event> {
        decide::decide(state, command, context)
    }

    fn evolve(state: State, event: &messages::Event) -> State {
        evolve::evolve(state, event)
    }
}

/// Moves the money of transfers.
#[derive(Clone, Copy, Debug)]
pub struct OnTransfers;

impl EventHandler for OnTransfers {
    type Event = react::Heard;
    type Command = react::Sent;
    type Configuration = ();

    fn react(event: &react::Heard, context: &EventContext<'_>) -> Outbox<react::Sent> {
        react::react(event, context)
    }
}

zamu_guest::handler! {
    name: "accounts",
    fold: 1,
    aggregates: [Account],
    event_handlers: [OnTransfers],
}
