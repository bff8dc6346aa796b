//! The end of the offer.

use scheme::codes;
use transfers::Phase;
use transfers::messages::{
    AckPayeeFundsCommitted, AckPayerFundsReserved, AckPayerFundsReversed, Command,
};
use zamu_guest::Time;

use crate::common::{
    ENDED, FULFILMENT, abort, aborted, expiration, expired_prepared, expired_reserved, fulfil,
    fulfil_accepted, fulfil_by, fulfilled, prepare, timed_out,
};
use crate::phases::{Then as _, ZEROES, in_state, none, reject};

/// Golden scenario 46.
#[test]
fn an_offer_that_ends_without_an_answer_is_released() {
    let end = Time(expiration().ms());
    let _ = in_state(Phase::Reserved)
        .then_wake_at(Some(end))
        .when_woken_at(end)
        .then_events([timed_out(Phase::ReservedTimeout)])
        .then_wake_at(None)
        .when(AckPayerFundsReversed {})
        .then_events([expired_reserved(false)])
        .then_phase(Phase::ExpiredReserved);
}

/// Golden scenario 45, with a reservation under way: nothing is frozen, whatever comes of it.
#[test]
fn an_offer_that_ends_while_funds_are_being_reserved_waits_for_what_comes_of_it() {
    let end = Time(expiration().ms());
    let timeout = || {
        none()
            .when(prepare())
            .then_wake_at(Some(end))
            .when_woken_at(end.plus_ms(7))
            .then_events([timed_out(Phase::PrepareTimeout)])
            .then_phase(Phase::PrepareTimeout)
            .then_wake_at(None)
            .id("zamu", "next")
    };
    let _ = timeout()
        .when(AckPayerFundsReserved {})
        .then_events([timed_out(Phase::ReservedTimeout)])
        .then_phase(Phase::ReservedTimeout)
        .id("zamu", "last")
        .when(AckPayerFundsReversed {})
        .then_events([expired_reserved(true)])
        .then_phase(Phase::ExpiredReserved);
    let _ = timeout()
        .when(reject())
        .then_events([expired_prepared()])
        .then_phase(Phase::ExpiredPrepared);
}

#[test]
fn only_a_transfer_that_waits_for_the_payee_or_its_reservation_has_a_deadline() {
    let end = Some(Time(expiration().ms()));
    for phase in Phase::ALL {
        let waits = matches!(phase, Phase::ReceivedPrepare | Phase::Reserved);
        let _ = in_state(phase).then_wake_at(if waits { end } else { None });
    }
    let _ = none().then_wake_at(None);
}

/// Golden scenario 47, before the switch has noticed the end by itself.
#[test]
fn an_answer_in_time_counts_and_one_that_comes_later_is_refused_and_changes_nothing() {
    let end = Time(expiration().ms());
    let _ =
        in_state(Phase::Reserved).at(end).when(fulfil(FULFILMENT)).then_events([fulfil_accepted()]);
    let _ = in_state(Phase::Reserved).at(end).when(abort()).then_events([aborted()]);
    for command in [
        Command::from(fulfil(FULFILMENT)),
        fulfil(ZEROES).into(),
        abort().into(),
        fulfil_by("simfsp03", FULFILMENT).into(),
    ] {
        for phase in [Phase::ReceivedPrepare, Phase::Reserved] {
            let _ = in_state(phase)
                .at(end.plus_ms(1))
                .when(command.clone())
                .then_refused(codes::TRANSFER_EXPIRED)
                .then_details(ENDED)
                .then_phase(phase);
        }
    }
    // What was fulfilled in time is committed, however long that takes.
    let _ = in_state(Phase::ReceivedFulfil)
        .at(end.plus_ms(1))
        .when(fulfil(FULFILMENT))
        .then_nothing()
        .id("zamu", "next")
        .when(AckPayeeFundsCommitted {})
        .then_events([fulfilled()])
        .when(fulfil(FULFILMENT))
        .then_nothing()
        .then_phase(Phase::Committed);
}
