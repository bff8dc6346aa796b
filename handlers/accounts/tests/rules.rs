//! The rules of accounts, one table or story each.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use accounts::Account;
use accounts::messages::{
    AccountOpened, Command, CommitPayeeFunds, CommitPayerFunds, Event, OpenAccount,
    ReservePayerFunds, ReversePayerFunds,
};
use scheme::account_events::{
    PayeeFundsCommitted, PayerFundsCommitted, PayerFundsRejected, PayerFundsReserved,
    PayerFundsReversed,
};
use scheme::{Amount, Money, codes};
use zamu_guest::testing::Scenario;

fn money(text: &str) -> Money {
    text.parse().unwrap()
}

fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

fn reserve(id: &str, a: &str) -> Command {
    ReservePayerFunds { transfer_id: id.to_owned(), amount: amount(a) }.into()
}

fn commit_payer(id: &str, a: &str) -> Command {
    CommitPayerFunds { transfer_id: id.to_owned(), amount: amount(a) }.into()
}

fn commit_payee(id: &str, a: &str) -> Command {
    CommitPayeeFunds { transfer_id: id.to_owned(), amount: amount(a) }.into()
}

fn reverse(id: &str, a: &str) -> Command {
    ReversePayerFunds { transfer_id: id.to_owned(), amount: amount(a) }.into()
}

fn reserved(id: &str, a: &str, reserved: &str, position: &str) -> Event {
    PayerFundsReserved {
        transfer_id: id.to_owned(),
        amount: amount(a),
        reserved: money(reserved),
        position: money(position),
    }
    .into()
}

fn debited(id: &str, a: &str, reserved: &str, position: &str) -> Event {
    PayerFundsCommitted {
        transfer_id: id.to_owned(),
        amount: amount(a),
        reserved: money(reserved),
        position: money(position),
    }
    .into()
}

fn credited(id: &str, a: &str, reserved: &str, position: &str) -> Event {
    PayeeFundsCommitted {
        transfer_id: id.to_owned(),
        amount: amount(a),
        reserved: money(reserved),
        position: money(position),
        unopened: false,
    }
    .into()
}

fn reversed(id: &str, a: &str, reserved: &str, position: &str) -> Event {
    PayerFundsReversed {
        transfer_id: id.to_owned(),
        amount: amount(a),
        reserved: money(reserved),
        position: money(position),
    }
    .into()
}

fn rejected(id: &str, a: &str, code: &str, reason: &str) -> Event {
    PayerFundsRejected {
        transfer_id: id.to_owned(),
        amount: amount(a),
        code: code.to_owned(),
        reason: reason.to_owned(),
    }
    .into()
}

/// An account that never was, asked by the switch itself.
fn unopened() -> Scenario<Account> {
    Scenario::new().key("simfsp01/USD").id("zamu", "first")
}

/// An account with a cap and figures.
fn account(cap: &str, held: &str, position: &str) -> Scenario<Account> {
    unopened()
        .given([AccountOpened { cap: money(cap) }.into(), reserved("before", "1", held, position)])
}

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
        .when(OpenAccount { cap: money("0") })
        .then_events([AccountOpened { cap: money("0") }])
        .when(reserve("T3", "7"))
        .then_events([reserved("T3", "7", "7", "-7")]);
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

#[test]
fn an_account_is_opened_once_with_a_cap_that_its_currency_admits() {
    let _ = unopened()
        .when(OpenAccount { cap: money("100") })
        .then_events([AccountOpened { cap: money("100") }])
        .when(OpenAccount { cap: money("100") })
        .then_nothing()
        .when(OpenAccount { cap: money("101") })
        .then_refused(codes::MODIFIED_REQUEST)
        .then_state(|state| assert_eq!(state.cap, money("100")));
    for (key, cap, field) in [
        ("simfsp01/USD", "-1", "cap: "),
        ("simfsp01/USD", "1.001", "cap: "),
        ("simfsp01/JPY", "1.5", "cap: "),
        ("simfsp01", "1", "key: "),
        ("simfsp01/usd", "1", "key: "),
        ("sim fsp/USD", "1", "key: "),
    ] {
        let _ = unopened()
            .key(key)
            .when(OpenAccount { cap: money(cap) })
            .then_refused(codes::VALIDATION)
            .then_details(field);
    }
}

/// Golden scenario 35, for the account: only the switch itself, never a client.
#[test]
fn a_client_moves_no_money() {
    let commands =
        [reserve("T1", "1"), commit_payer("T1", "1"), commit_payee("T1", "1"), reverse("T1", "1")];
    for command in commands {
        let _ = account("100", "50", "0")
            .id("client", "1")
            .when(command)
            .then_refused(codes::VALIDATION)
            .then_details("no client");
    }
}

#[test]
fn a_client_opens_accounts() {
    let _ = unopened()
        .id("client", "1")
        .when(OpenAccount { cap: money("1") })
        .then_events([AccountOpened { cap: money("1") }]);
}

#[test]
fn a_body_that_cannot_be_read_is_refused_with_the_field_named() {
    for (kind, body, field) in [
        ("OpenAccount", "{}", "cap"),
        ("OpenAccount", r#"{"cap":100}"#, "cap"),
        ("OpenAccount", r#"{"cap":"1e3"}"#, "cap"),
        ("OpenAccount", r#"{"cap":"1","position":"-5"}"#, "position"),
        ("ReservePayerFunds", r#"{"transferId":"T1","amount":"-1"}"#, "amount"),
        ("ReservePayerFunds", r#"{"amount":"1"}"#, "transferId"),
    ] {
        let _ = unopened().when_body(kind, body).then_refused("malformed").then_details(field);
    }
}
