//! The net debit cap, and what a reservation may take of it.

use scheme::codes;

use crate::common::{account, commit_payee, credited, money, rejected, reserve, reserved};

/// Golden scenarios 10, 11 and 12.
#[test]
fn a_reservation_may_reach_the_cap_and_not_exceed_it() {
    let over = |cap| format!("the net debit cap of {cap} would be exceeded");
    for (cap, held, position, asked, then) in [
        ("100", "0", "90", "9.99", Some("9.99")),
        ("100", "0", "90", "10", Some("10")),
        ("100", "0", "90", "10.0001", None),
        ("100", "90", "0", "10", Some("100")),
        ("100", "90", "0", "10.0001", None),
        ("100", "50", "40", "10", Some("60")),
        ("100", "50", "40", "10.0001", None),
        ("100", "50", "-50", "100", Some("150")),
        ("100", "50", "-50", "100.0001", None),
        ("0", "0", "0", "0.0001", None),
        ("0", "0", "-7", "7", Some("7")),
        (
            "10000000000000000000",
            "0",
            "0",
            "999999999999999999.9999",
            Some("999999999999999999.9999"),
        ),
    ] {
        let event = match then {
            Some(after) => reserved("T1", asked, after, position),
            None => rejected("T1", asked, codes::PAYER_LIMIT, &over(cap)),
        };
        let _ = account(cap, held, position).when(reserve("T1", asked)).then_events([event]);
    }
}

/// Golden scenario 12: nothing but the event tells of it.
#[test]
fn a_rejected_reservation_changes_no_figure() {
    let before = account("100", "50", "40").state();
    let _ = account("100", "50", "40")
        .when(reserve("T1", "11"))
        .then_state(|state| assert_eq!(*state, before));
}

/// The cap holds cumulatively inside a batch: the kit decides all these in one batch as well.
#[test]
fn reservations_that_follow_one_another_share_the_cap() {
    let over = "the net debit cap of 100 would be exceeded";
    let _ = account("100", "0", "0")
        .when(reserve("T1", "60"))
        .then_events([reserved("T1", "60", "60", "0")])
        .when(reserve("T2", "60"))
        .then_events([rejected("T2", "60", codes::PAYER_LIMIT, over)])
        .when(reserve("T3", "40"))
        .then_events([reserved("T3", "40", "100", "0")])
        .when(reserve("T4", "0.0001"))
        .then_events([rejected("T4", "0.0001", codes::PAYER_LIMIT, over)]);
}

/// Golden scenario 32: in one batch, commands apply in the order of the log.
#[test]
fn a_credit_makes_room_for_the_reservation_behind_it_and_not_before_it() {
    let over = "the net debit cap of 100 would be exceeded";
    let _ = account("100", "0", "90")
        .when(commit_payee("T1", "50"))
        .then_events([credited("T1", "50", "0", "40")])
        .when(reserve("T2", "55"))
        .then_events([reserved("T2", "55", "55", "40")])
        .then_state(|state| assert_eq!(state.current_position(), Ok(money("95"))));
    let _ = account("100", "0", "90")
        .when(reserve("T2", "55"))
        .then_events([rejected("T2", "55", codes::PAYER_LIMIT, over)])
        .when(commit_payee("T1", "50"))
        .then_events([credited("T1", "50", "0", "40")]);
}
