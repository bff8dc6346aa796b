//! Accounts that are opened, closed or were never there.

use accounts::messages::{CloseAccount, OpenAccount, ReopenAccount};
use scheme::account_events::{
    AccountClosed, AccountOpened, AccountReopened, Opening, PayeeFundsCommitted,
};
use scheme::{Money, codes};

use crate::common::{
    account, amount, commit_payee, commit_payer, credited, debited, exceeded, limited, limits,
    money, open, opened, percent, rejected, reserve, reserved, reverse, reversed, unopened,
};

/// Golden scenarios 18 and 19.
#[test]
fn an_account_that_was_never_opened_reserves_nothing() {
    let reason = "the payer has no account in this currency";
    let _ = unopened().when(reserve("T1", "1")).then_events([rejected(
        "T1",
        "1",
        codes::PAYER_NOT_FOUND,
        reason,
    )]);
}

#[test]
fn an_account_that_was_never_opened_takes_a_credit_and_keeps_it_when_it_is_opened() {
    let credit = |position: &str| PayeeFundsCommitted {
        transfer_id: "T1".to_owned(),
        amount: amount("7"),
        reserved: Money::ZERO,
        position: money(position),
        unopened: true,
    };
    let reason = "the payer has no account in this currency";
    let _ = unopened()
        .when(commit_payee("T1", "7"))
        .then_events([credit("-7")])
        .then_state(|state| assert!(!state.opened))
        .when(reserve("T2", "1"))
        .then_events([rejected("T2", "1", codes::PAYER_NOT_FOUND, reason)])
        .when(open("0"))
        .then_events([opened("0")])
        .when(reserve("T3", "7"))
        .then_events([reserved("T3", "7", "7", "-7")]);
}

#[test]
fn an_account_is_opened_once_with_a_cap_that_its_currency_admits() {
    let _ = unopened()
        .when(open("100"))
        .then_events([opened("100")])
        .when(open("100"))
        .then_nothing()
        .when(open("101"))
        .then_refused(codes::MODIFIED_REQUEST)
        .then_state(|state| assert_eq!(state.cap, Some(money("100"))));
    for (key, cap, field) in [
        ("simfsp01/USD", "-1", "cap: "),
        ("simfsp01/USD", "1.001", "cap: "),
        ("simfsp01/JPY", "1.5", "cap: "),
        ("simfsp01", "1", "key: "),
        ("simfsp01/usd", "1", "key: "),
        ("sim fsp/USD", "1", "key: "),
    ] {
        let _ =
            unopened().key(key).when(open(cap)).then_refused(codes::VALIDATION).then_details(field);
    }
}

#[test]
fn a_closed_account_reserves_nothing_and_takes_all_that_is_under_way() {
    let reason = "the payer's account in this currency is closed";
    let _ = account("100", "30", "0")
        .when(CloseAccount {})
        .then_events([AccountClosed {}])
        .when(CloseAccount {})
        .then_nothing()
        .when(reserve("T1", "1"))
        .then_events([rejected("T1", "1", codes::PAYER_NOT_FOUND, reason)])
        .when(commit_payer("T2", "10"))
        .then_events([debited("T2", "10", "20", "10")])
        .when(reverse("T3", "20"))
        .then_events([reversed("T3", "20", "0", "10")])
        .when(commit_payee("T4", "5"))
        .then_events([credited("T4", "5", "0", "5")])
        .when(limits(Some("50"), None))
        .then_events([limited(Some("50"), None)])
        .when(ReopenAccount {})
        .then_events([AccountReopened {}])
        .when(ReopenAccount {})
        .then_nothing()
        .when(reserve("T5", "45"))
        .then_events([reserved("T5", "45", "45", "5")]);
    let _ = unopened()
        .when(CloseAccount {})
        .then_refused(codes::ID_NOT_FOUND)
        .when(ReopenAccount {})
        .then_refused(codes::ID_NOT_FOUND);
}

/// So that an existing hub can start from its books.
#[test]
fn an_account_brings_its_position_along() {
    let opening = |amount: &str, position: &str| AccountOpened {
        cap: Some(money("100")),
        alarm: Some(percent(80)),
        opening: Some(Opening { amount: money(amount), position: money(position) }),
    };
    let bringing = |position: &str| OpenAccount {
        cap: Some(money("100")),
        alarm: Some(percent(80)),
        position: Some(money(position)),
    };
    let _ = unopened()
        .when(bringing("-12.5"))
        .then_events([opening("-12.5", "-12.5")])
        .when(bringing("-12.5"))
        .then_refused(codes::MODIFIED_REQUEST)
        .when(reserve("T1", "92.5"))
        .then_events([reserved("T1", "92.5", "92.5", "-12.5")]);
    let _ = unopened()
        .when(bringing("90"))
        .then_events([opening("90", "90").into(), exceeded(80, "100", "90")]);
    // What it was credited with before it was opened is not lost.
    let _ = account("0", "0", "0").when(bringing("1")).then_refused(codes::MODIFIED_REQUEST);
    let _ = unopened()
        .when(commit_payee("T1", "7"))
        .when(bringing("50"))
        .then_events([opening("50", "43")]);
    let most = "-9999999999999999999999999999999999.99";
    let _ = unopened()
        .when(commit_payee("T1", "7"))
        .when(bringing(most))
        .then_refused(codes::VALIDATION)
        .then_details("position: ");
    let _ = unopened()
        .when(bringing("1.001"))
        .then_refused(codes::VALIDATION)
        .then_details("position: ");
}
