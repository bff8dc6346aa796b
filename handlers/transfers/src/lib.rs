//! Transfers: from the payer's prepare to the payee's fulfilment, both legs.
//!
//! A transfer keeps what must happen once (one reservation, one commit or one release) and its
//! deadline; figures are left to accounts, and so is whether the payer has what it pays. Whether the payer
//! is active and the payee can be paid is looked up in the directory when the transfer is asked for.

mod decide;
mod evolve;
pub mod messages;
pub mod parties;
mod prepare;
pub mod react;
mod reply;
mod state;

use serde::Deserialize;
use zamu_guest::{
    Aggregate, Codec, Context, Decision, EventContext, EventHandler, Outbox, ProtobufForm,
    ReferenceDeclaration, Time,
};

pub use decide::invalid;
pub use scheme::Phase;
pub use state::{Failure, State, Terms, Transfer as TransferState};

/// What the operator decides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Configuration {
    /// Whether payer and payee may be the same participant.
    pub allow_on_us: bool,
    /// In which form the handler writes what it tells other handlers: the events that they hear, the
    /// commands that it sends, and with them its states. Whatever it is, both forms are read.
    pub codec: Codec,
}

/// The aggregate of one transfer. Its key is the transfer's id.
#[derive(Clone, Copy, Debug)]
pub struct Transfer;

impl Aggregate for Transfer {
    const TYPE: &'static str = scheme::TRANSFER;
    const REFERENCES: &'static [ReferenceDeclaration] =
        &[parties::PARTICIPANTS.declared(), parties::ACCOUNTS.declared()];
    const STATE_PROTOBUF: Option<ProtobufForm<State>> = Some(ProtobufForm::new());
    type State = State;
    type Command = messages::Command;
    type Event = messages::Event;
    type Configuration = Configuration;

    fn decide(
        state: &State,
        command: messages::Command,
        context: &Context<'_, Configuration>,
    ) -> Decision<messages::Event> {
        decide::decide(state, command, context)
    }

    fn evolve(state: State, event: &messages::Event) -> State {
        evolve::evolve(state, event)
    }

    fn wake_at(state: &State) -> Option<Time> {
        decide::deadline::wake_at(state)
    }

    fn wake(state: &State, _: &Context<'_, Configuration>) -> Decision<messages::Event> {
        decide::deadline::wake(state)
    }

    fn codec(_: &messages::Event, configuration: &Configuration) -> Codec {
        configuration.codec
    }
}

/// Carries on with transfers as their accounts answer.
#[derive(Clone, Copy, Debug)]
pub struct OnAccounts;

impl EventHandler for OnAccounts {
    type Event = react::Heard;
    type Command = react::Sent;
    type Configuration = Configuration;

    fn react(event: &react::Heard, _: &EventContext<'_, Configuration>) -> Outbox<react::Sent> {
        react::react(event)
    }

    fn codec(_: &react::Sent, configuration: &Configuration) -> Codec {
        configuration.codec
    }
}

#[cfg(feature = "component")]
zamu_guest::handler! {
    name: "transfers",
    fold: 2,
    aggregates: [Transfer],
    event_handlers: [OnAccounts],
}
