//! What commits and releases make of reservations.

use scheme::codes;

use crate::common::{
    account, commit_payee, commit_payer, credited, debited, rejected, reserve, reserved, reverse,
    reversed, unopened,
};

/// Golden scenarios 1 and 4.
#[test]
fn a_commit_turns_the_reservation_into_a_position() {
    let _ = account("100", "0", "0")
        .when(reserve("T1", "0.1"))
        .then_events([reserved("T1", "0.1", "0.1", "0")])
        .when(reserve("T2", "0.2"))
        .then_events([reserved("T2", "0.2", "0.3", "0")])
        .when(commit_payer("T1", "0.1"))
        .then_events([debited("T1", "0.1", "0.2", "0.1")])
        .when(reverse("T2", "0.2"))
        .then_events([reversed("T2", "0.2", "0", "0.1")])
        .when(commit_payee("T3", "1.11"))
        .then_events([credited("T3", "1.11", "0", "-1.01")]);
}

#[test]
fn a_commit_is_never_rejected_whatever_the_figures() {
    let _ = account("0", "0", "0")
        .when(commit_payer("T1", "5"))
        .then_events([debited("T1", "5", "-5", "5")]);
    let _ = account("0", "0", "-100")
        .when(commit_payee("T1", "999999999999999999.9999"))
        .then_events([credited("T1", "999999999999999999.9999", "0", "-1000000000000000099.9999")]);
    let _ = unopened().when(commit_payer("T1", "5")).then_events([debited("T1", "5", "-5", "5")]);
}

/// What only a defect can ask for.
#[test]
fn what_was_not_reserved_is_not_given_back() {
    let _ = account("100", "5", "0")
        .when(reverse("T1", "5.0001"))
        .then_refused(codes::INTERNAL)
        .when(reverse("T1", "5"))
        .then_events([reversed("T1", "5", "0", "0")])
        .when(reverse("T1", "5"))
        .then_refused(codes::INTERNAL);
    let _ = unopened().when(reverse("T1", "1")).then_refused(codes::INTERNAL);
}

#[test]
fn a_figure_beyond_all_bounds_is_refused_or_rejected_and_never_wrong() {
    let most = "9999999999999999999999999999999999.9999";
    let _ = account(most, "0", most)
        .when(commit_payer("T1", "1"))
        .then_refused(codes::INTERNAL)
        .when(reserve("T2", "1"))
        .then_events([rejected(
            "T2",
            "1",
            codes::PAYER_LIMIT,
            &format!("the net debit cap of {most} would be exceeded"),
        )]);
    let _ = account("0", "0", &format!("-{most}"))
        .when(commit_payee("T1", "1"))
        .then_refused(codes::INTERNAL);
}
