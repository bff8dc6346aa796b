//! Settlement accounts: what participants have paid in to the scheme, one per participant and
//! currency.
//!
//! Funds in raise the liquidity cover of the position account with the same key; funds out go in two
//! steps, so that cover never falls below what is owed:
//!
//! ```text
//! FundOut --> FundsOutPrepared --> (account: LowerCover) --> CoverLowered --> FundsOutCommitted
//!                                                     '----> CoverHeld -----> FundsOutRejected
//! ```
//! The state holds totals only; that each wish is answered once is kept by the exactly-once travel
//! of commands.

mod decide;
mod evolve;
pub mod messages;

use scheme::Money;
use serde::{Deserialize, Serialize};
use zamu_guest::{Aggregate, Context, Decision};

/// The aggregate of one settlement account. Its key is a [`scheme::AccountKey`].
#[derive(Clone, Copy, Debug)]
pub struct SettlementAccount;

/// What a participant has with the scheme in one currency.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Whether it was opened.
    pub opened: bool,
    /// What is there.
    pub funds: Money,
    /// The part of it that is on its way out, not yet decided.
    pub leaving: Money,
}

impl Aggregate for SettlementAccount {
    const TYPE: &'static str = scheme::SETTLEMENT_ACCOUNT;
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
