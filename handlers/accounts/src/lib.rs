//! Position accounts: one per participant and currency, under a net debit cap and, where the
//! participant has a settlement account, under the cover of the funds that are there.
//!
//! An account knows figures, not transfers: which transfer may move money, and how often, is left
//! to the transfer. Settlement itself, which brings positions back to nothing, is not here.

mod decide;
mod evolve;
pub mod messages;
pub mod react;
pub mod settlement;
mod state;

use serde::Deserialize;
use zamu_guest::{
    Aggregate, Codec, Context, Decision, EventContext, EventHandler, Outbox, ProtobufForm,
};

pub use settlement::SettlementAccount;
pub use state::State;

/// What the operator decides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Configuration {
    /// Whether a participant needs cover to pay. If not, one without a settlement account is limited
    /// by its net debit cap alone.
    pub cover_required: bool,
    /// In which form the handler writes what it tells other handlers: its events, the commands that they
    /// lead to, and with them its states. Whatever it is, both forms are read.
    pub codec: Codec,
}

/// The aggregate of one account. Its key is a [`scheme::AccountKey`].
#[derive(Clone, Copy, Debug)]
pub struct Account;

impl Aggregate for Account {
    const TYPE: &'static str = scheme::ACCOUNT;
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

    fn codec(_: &messages::Event, configuration: &Configuration) -> Codec {
        configuration.codec
    }
}

/// Moves the money of transfers.
#[derive(Clone, Copy, Debug)]
pub struct OnTransfers;

impl EventHandler for OnTransfers {
    type Event = react::transfers::Heard;
    type Command = react::transfers::Sent;
    type Configuration = Configuration;

    fn react(
        event: &react::transfers::Heard,
        context: &EventContext<'_, Configuration>,
    ) -> Outbox<react::transfers::Sent> {
        react::transfers::react(event, context.key)
    }

    fn codec(_: &react::transfers::Sent, configuration: &Configuration) -> Codec {
        configuration.codec
    }
}

/// Keeps the cover of position accounts at what settlement accounts hold.
#[derive(Clone, Copy, Debug)]
pub struct OnFunds;

impl EventHandler for OnFunds {
    type Event = react::funds::Heard;
    type Command = react::funds::Sent;
    type Configuration = ();

    fn react(
        event: &react::funds::Heard,
        context: &EventContext<'_>,
    ) -> Outbox<react::funds::Sent> {
        react::funds::react(event, context)
    }
}

zamu_guest::handler! {
    name: "accounts",
    fold: 2,
    aggregates: [Account, SettlementAccount],
    event_handlers: [OnTransfers, OnFunds],
}
