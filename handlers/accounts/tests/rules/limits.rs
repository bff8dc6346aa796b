//! Limits that change, and the alarm before them.

use accounts::messages::{Event, OpenAccount};
use scheme::account_events::AccountOpened;
use scheme::codes;

use crate::common::{
    account, commit_payee, commit_payer, credited, debited, exceeded, limited, limits, raised,
    rejected, reserve, reserved, reverse, reversed, unopened,
};

/// Golden scenario 16: below, at and above the threshold, which is a part of the cap.
#[test]
fn an_alarm_goes_off_once_each_time_the_threshold_is_passed_upward() {
    let over = "the net debit cap of 100 would be exceeded";
    let _ = account("100", "0", "70")
        .given([limited(Some("100"), Some(80)).into(), Event::from(raised("1000", "1000"))])
        .when(reserve("T1", "9.99"))
        .then_events([reserved("T1", "9.99", "9.99", "70")])
        .when(reserve("T2", "0.01"))
        .then_events([reserved("T2", "0.01", "10", "70")])
        .when(reserve("T3", "0.0001"))
        .then_events([reserved("T3", "0.0001", "10.0001", "70"), exceeded(80, "100", "80.0001")])
        .when(reserve("T4", "5"))
        .then_events([reserved("T4", "5", "15.0001", "70")])
        .when(commit_payer("T4", "5"))
        .then_events([debited("T4", "5", "10.0001", "75")])
        .when(commit_payee("T5", "5.0001"))
        .then_events([credited("T5", "5.0001", "10.0001", "69.9999")])
        .when(reserve("T6", "15"))
        .then_events([reserved("T6", "15", "25.0001", "69.9999"), exceeded(80, "100", "95")])
        .when(reverse("T6", "15"))
        .then_events([reversed("T6", "15", "10.0001", "69.9999")])
        .when(reserve("T7", "20"))
        .then_events([reserved("T7", "20", "30.0001", "69.9999"), exceeded(80, "100", "100")])
        .when(reserve("T8", "20"))
        .then_events([rejected("T8", "20", codes::PAYER_LIMIT, over)]);
}

#[test]
fn an_alarm_may_be_at_nothing_at_all_or_at_the_whole_cap() {
    let _ = account("100", "0", "0")
        .given([limited(Some("100"), Some(0))])
        .when(reserve("T1", "0.01"))
        .then_events([reserved("T1", "0.01", "0.01", "0"), exceeded(0, "100", "0.01")]);
    let _ = account("100", "0", "0")
        .given([limited(Some("100"), Some(100))])
        .when(reserve("T1", "100"))
        .then_events([reserved("T1", "100", "100", "0")])
        .when(limits(Some("99"), Some(100)))
        .then_events([limited(Some("99"), Some(100)).into(), exceeded(100, "99", "100")]);
}

#[test]
fn limits_change_as_a_whole_and_hold_for_what_follows() {
    let over = |cap: &str| format!("the net debit cap of {cap} would be exceeded");
    let _ = account("100", "0", "90")
        .when(limits(Some("200"), None))
        .then_events([limited(Some("200"), None)])
        .when(limits(Some("200"), None))
        .then_nothing()
        .when(reserve("T1", "110"))
        .then_events([reserved("T1", "110", "110", "90")])
        .when(limits(Some("50"), Some(80)))
        .then_events([limited(Some("50"), Some(80)).into(), exceeded(80, "50", "200")])
        .when(reserve("T2", "0.01"))
        .then_events([rejected("T2", "0.01", codes::PAYER_LIMIT, &over("50"))])
        .when(commit_payer("T1", "110"))
        .then_events([debited("T1", "110", "0", "200")])
        .when(limits(None, None))
        .then_events([limited(None, None)])
        .then_state(|state| assert_eq!((state.cap, state.alarm), (None, None)));
    let _ = unopened().when(limits(Some("1"), None)).then_refused(codes::ID_NOT_FOUND);
    for (key, cap) in [("simfsp01/USD", "-1"), ("simfsp01/USD", "1.001"), ("simfsp01/JPY", "1.5")] {
        let _ = account("100", "0", "0")
            .key(key)
            .when(limits(Some(cap), None))
            .then_refused(codes::VALIDATION)
            .then_details("cap: ");
    }
}

/// Golden scenario 18.
#[test]
fn an_account_without_a_cap_reserves_nothing_until_it_has_one() {
    let reason = "no net debit cap is known for the payer";
    let none = OpenAccount { cap: None, alarm: None, position: None };
    let _ = unopened()
        .when(none.clone())
        .then_events([AccountOpened { cap: None, alarm: None, opening: None }])
        .when(none)
        .then_nothing()
        .when(reserve("T1", "1"))
        .then_events([rejected("T1", "1", codes::PAYER_NOT_FOUND, reason)])
        .when(limits(Some("1"), None))
        .then_events([limited(Some("1"), None)])
        .when(reserve("T2", "1"))
        .then_events([reserved("T2", "1", "1", "0")]);
}
