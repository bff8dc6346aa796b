//! The course of a transfer, as accounts take it on.

use scheme::codes;
use transfers::Phase;
use transfers::messages::{
    AckPayeeFundsCommitted, AckPayerFundsReserved, AckPayerFundsReversed, Command,
};

use crate::common::{
    FULFILMENT, accepted, fulfil, fulfil_accepted, fulfilled, prepare, prepared, rejected,
};
use crate::phases::{Then as _, in_state, none, reject};

/// Golden scenario 1.
#[test]
fn a_transfer_goes_from_prepare_to_commit() {
    let _ = none()
        .when(prepare())
        .then_events([accepted()])
        .then_phase(Phase::ReceivedPrepare)
        .when(AckPayerFundsReserved {})
        .then_events([prepared()])
        .then_phase(Phase::Reserved)
        .when(fulfil(FULFILMENT))
        .then_events([fulfil_accepted()])
        .then_phase(Phase::ReceivedFulfil)
        .when(AckPayeeFundsCommitted {})
        .then_events([fulfilled()])
        .then_phase(Phase::Committed);
}

/// Golden scenarios 12 and 19, for the transfer.
#[test]
fn a_transfer_whose_payer_cannot_pay_ends_as_rejected() {
    let _ = in_state(Phase::ReceivedPrepare)
        .when(reject())
        .then_events([rejected()])
        .then_phase(Phase::AbortedRejected);
}

/// Golden scenarios 36 and 38, and all others of their kind: the table of what each state takes from
/// accounts. What it does not take is refused with both states named, and changes nothing.
#[test]
fn each_state_takes_what_it_waits_for_from_accounts_and_nothing_else() {
    let commands: [(Command, &[Phase]); 4] = [
        (AckPayerFundsReserved {}.into(), &[Phase::ReceivedPrepare, Phase::PrepareTimeout]),
        (reject().into(), &[Phase::ReceivedPrepare, Phase::PrepareTimeout]),
        (AckPayeeFundsCommitted {}.into(), &[Phase::ReceivedFulfil]),
        (AckPayerFundsReversed {}.into(), &[Phase::ReceivedError, Phase::ReservedTimeout]),
    ];
    for (command, awaited) in commands {
        let _ = none()
            .when(command.clone())
            .then_refused(codes::TRANSFER_NOT_FOUND)
            .then_state(|state| assert_eq!(state.0, None));
        for phase in Phase::ALL.into_iter().filter(|phase| !awaited.contains(phase)) {
            let (seen, name) = (phase.as_str(), awaited[0].as_str());
            let _ = in_state(phase)
                .when(command.clone())
                .then_refused(codes::VALIDATION)
                .then_details(&format!("the transfer is {seen}, not {name}"))
                .then_phase(phase);
        }
    }
}
