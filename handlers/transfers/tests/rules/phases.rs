//! Transfers in each of their states, and what they say there.

use scheme::ContentHasher;
use transfers::messages::{Event, PrepareTransfer, RejectTransfer};
use transfers::{Phase, Transfer};
use zamu_guest::testing::Scenario;

use crate::common::{
    FULFILMENT, Failed, accepted, expired_prepared, expired_reserved, fulfil_accepted,
    fulfil_invalid, fulfilled, invalid, listed, prepare, prepared, rejected, released, timed_out,
};

pub const WRONG: &str = "fulfilment: not the preimage of the condition";
pub const ZEROES: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// No transfer yet; payer and payee could both be paid.
pub fn none() -> Scenario<Transfer> {
    let listed = listed(listed(Scenario::new(), "simfsp01"), "simfsp02");
    listed.key("T1").id("zamu", "first")
}

pub fn reject() -> RejectTransfer {
    RejectTransfer { code: "4200".to_owned(), reason: "too much".to_owned() }
}

/// A transfer in each state, by the events that lead there.
pub fn in_state(phase: Phase) -> Scenario<Transfer> {
    let past: Vec<Event> = match phase {
        Phase::ReceivedPrepare => vec![accepted().into()],
        Phase::PrepareTimeout => vec![accepted().into(), timed_out(phase).into()],
        Phase::ExpiredPrepared => vec![
            accepted().into(),
            timed_out(Phase::PrepareTimeout).into(),
            expired_prepared().into(),
        ],
        Phase::Reserved => vec![accepted().into(), prepared().into()],
        Phase::ReservedTimeout => {
            vec![accepted().into(), prepared().into(), timed_out(phase).into()]
        }
        Phase::ExpiredReserved => vec![
            accepted().into(),
            prepared().into(),
            timed_out(Phase::ReservedTimeout).into(),
            expired_reserved(false).into(),
        ],
        Phase::ReceivedFulfil => {
            vec![accepted().into(), prepared().into(), fulfil_accepted().into()]
        }
        Phase::Committed => {
            vec![accepted().into(), prepared().into(), fulfil_accepted().into(), fulfilled().into()]
        }
        Phase::ReceivedError => {
            vec![accepted().into(), prepared().into(), fulfil_invalid(WRONG, ZEROES).into()]
        }
        Phase::AbortedError => vec![
            accepted().into(),
            prepared().into(),
            fulfil_invalid(WRONG, ZEROES).into(),
            released("3100", WRONG).into(),
        ],
        Phase::AbortedRejected => vec![accepted().into(), rejected().into()],
        Phase::Invalid => {
            vec![invalid("amount: more than nothing", content(&prepare())).into()]
        }
    };
    none().given(past).then_phase(phase)
}

pub trait Then {
    fn then_phase(self, phase: Phase) -> Self;
}

impl Then for Scenario<Transfer> {
    #[track_caller]
    fn then_phase(self, phase: Phase) -> Self {
        self.then_state(|state| {
            assert_eq!(state.0.as_ref().map(|transfer| transfer.state), Some(phase));
        })
    }
}

pub fn content(asked: &PrepareTransfer) -> scheme::ContentHash {
    [
        &asked.payer,
        &asked.payee,
        &asked.amount,
        &asked.currency,
        &asked.expiration,
        &asked.condition,
    ]
    .into_iter()
    .fold(ContentHasher::default(), |hasher, text| hasher.field(text))
    .finish()
}

#[track_caller]
pub fn then_committed(scenario: Scenario<Transfer>) -> Scenario<Transfer> {
    #[derive(serde::Serialize)]
    struct Committed {
        state: &'static str,
        fulfilment: &'static str,
    }
    scenario.then_reply(&Committed { state: "COMMITTED", fulfilment: FULFILMENT })
}

#[track_caller]
pub fn then_reply_is(
    scenario: Scenario<Transfer>,
    state: &str,
    reason: &str,
) -> Scenario<Transfer> {
    scenario.then_reply(&Failed { state, code: "3100", reason })
}
