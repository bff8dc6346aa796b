//! Versions of the handler of transfers that come after the first, as a vendor would ship them: its
//! rules, messages and states come from the crate `transfers`, and what is new stands here.
//!
//! - 0.2.0 has a ceiling: more than [`CEILING`] in one transfer is invalid.
//! - 0.3.0, the feature `faulty`, has besides a defect that no test of its vendor has met: it panics on an
//!   offer of [`UNLUCKY`].
//!
//! The demo deploys both while transfers run.

use scheme::{Amount, codes};
use transfers::messages::{Command, Event, PrepareTransfer};
use transfers::{Configuration, Failure, OnAccounts, State, Transfer};
use zamu_guest::{Aggregate, Codec, Context, Decision, ProtobufForm, ReferenceDeclaration, Time};

/// How much may be transferred at once, in units of any currency.
pub const CEILING: &str = "500";
/// An amount that version 0.3.0 breaks on.
pub const UNLUCKY: &str = "13.13";

/// Which of the versions this build is.
const IS_FAULTY: bool = cfg!(feature = "faulty");
const VERSION: &str = if IS_FAULTY { "0.3.0" } else { env!("CARGO_PKG_VERSION") };

/// The aggregate of one transfer, with a ceiling, and perhaps with a defect.
#[derive(Clone, Copy, Debug)]
pub struct CappedTransfer<const FAULTY: bool>;

impl<const FAULTY: bool> Aggregate for CappedTransfer<FAULTY> {
    const TYPE: &'static str = Transfer::TYPE;
    const STATE_SCHEMA: &'static str = Transfer::STATE_SCHEMA;
    const REFERENCES: &'static [ReferenceDeclaration] = Transfer::REFERENCES;
    const STATE_PROTOBUF: Option<ProtobufForm<State>> = Transfer::STATE_PROTOBUF;
    type State = State;
    type Command = Command;
    type Event = Event;
    type Configuration = Configuration;

    fn decide(
        state: &State,
        command: Command,
        context: &Context<'_, Configuration>,
    ) -> Decision<Event> {
        // What was taken before there was a ceiling goes on as it began.
        if let (State(None), Command::PrepareTransfer(offer)) = (state, &command) {
            assert!(!FAULTY || offer.amount != UNLUCKY, "no fee is known for {UNLUCKY}");
            if let Err(failure) = below_ceiling(offer) {
                return transfers::invalid(offer, &failure);
            }
        }
        Transfer::decide(state, command, context)
    }

    fn evolve(state: State, event: &Event) -> State {
        Transfer::evolve(state, event)
    }

    fn wake_at(state: &State) -> Option<Time> {
        Transfer::wake_at(state)
    }

    fn wake(state: &State, context: &Context<'_, Configuration>) -> Decision<Event> {
        Transfer::wake(state, context)
    }

    fn codec(event: &Event, configuration: &Configuration) -> Codec {
        Transfer::codec(event, configuration)
    }
}

/// An amount that is none is not this rule's.
fn below_ceiling(offer: &PrepareTransfer) -> Result<(), Failure> {
    let [amount, ceiling] = [&*offer.amount, CEILING].map(|text| text.parse::<Amount>().ok());
    if amount <= ceiling {
        return Ok(());
    }
    let reason = format!("amount: no more than {CEILING} at once");
    Err(Failure { code: codes::VALIDATION.to_owned(), reason })
}

zamu_guest::handler! {
    name: "transfers",
    version: VERSION,
    fold: 2,
    aggregates: [CappedTransfer<IS_FAULTY>],
    event_handlers: [OnAccounts],
}
