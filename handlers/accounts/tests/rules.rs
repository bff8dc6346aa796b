//! The rules of accounts, one table or story each.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use accounts::Account;
use accounts::messages::{
    ChangeLimits, CloseAccount, Command, CommitPayeeFunds, CommitPayerFunds, Event, LowerCover,
    OpenAccount, RaiseCover, ReopenAccount, ReservePayerFunds, ReversePayerFunds,
};
use scheme::account_events::{
    AccountClosed, AccountOpened, AccountReopened, CoverHeld, CoverLowered, CoverRaised,
    LimitsChanged, Opening, PayeeFundsCommitted, PayerFundsCommitted, PayerFundsRejected,
    PayerFundsReserved, PayerFundsReversed, ThresholdExceeded,
};
use scheme::{Amount, Money, Percentage, codes};
use serde_json::json;
use zamu_guest::testing::Scenario;

fn money(text: &str) -> Money {
    text.parse().unwrap()
}

fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

fn percent(percent: u8) -> Percentage {
    percent.try_into().unwrap()
}

fn open(cap: &str) -> OpenAccount {
    OpenAccount { cap: Some(money(cap)), alarm: None, position: None }
}

fn opened(cap: &str) -> AccountOpened {
    AccountOpened { cap: Some(money(cap)), alarm: None, opening: None }
}

fn limits(cap: Option<&str>, alarm: Option<u8>) -> ChangeLimits {
    ChangeLimits { cap: cap.map(money), alarm: alarm.map(percent) }
}

fn limited(cap: Option<&str>, alarm: Option<u8>) -> LimitsChanged {
    LimitsChanged { cap: cap.map(money), alarm: alarm.map(percent) }
}

fn exceeded(alarm: u8, cap: &str, current_position: &str) -> Event {
    ThresholdExceeded {
        alarm: percent(alarm),
        cap: money(cap),
        current_position: money(current_position),
    }
    .into()
}

fn raise(amount: &str) -> RaiseCover {
    RaiseCover { amount: money(amount) }
}

fn raised(amount: &str, cover: &str) -> CoverRaised {
    CoverRaised { amount: money(amount), cover: money(cover) }
}

fn lower(a: &str) -> LowerCover {
    LowerCover { reference: "out".to_owned(), amount: amount(a) }
}

fn lowered(a: &str, cover: &str) -> CoverLowered {
    CoverLowered { reference: "out".to_owned(), amount: amount(a), cover: money(cover) }
}

fn held(a: &str, reason: &str) -> CoverHeld {
    CoverHeld {
        reference: "out".to_owned(),
        amount: amount(a),
        code: codes::PAYER_LIQUIDITY.to_owned(),
        reason: reason.to_owned(),
    }
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
    unopened().given([opened(cap).into(), reserved("before", "1", held, position)])
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
        .when(open("0"))
        .then_events([opened("0")])
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

/// Golden scenario 15: the cover limits as the cap does, and is told of first.
#[test]
fn a_reservation_may_reach_the_cover_and_not_exceed_it() {
    let short = |cover| format!("the liquidity cover of {cover} would be exceeded");
    let over = |cap| format!("the net debit cap of {cap} would be exceeded");
    for (cap, cover, held, position, asked, then) in [
        ("100", "60", "0", "0", "70", Err((codes::PAYER_LIQUIDITY, short("60")))),
        ("100", "60", "0", "0", "60.0001", Err((codes::PAYER_LIQUIDITY, short("60")))),
        ("100", "60", "0", "0", "60", Ok("60")),
        ("100", "60", "20", "30", "10", Ok("30")),
        ("100", "60", "20", "30", "10.01", Err((codes::PAYER_LIQUIDITY, short("60")))),
        ("100", "0", "0", "-5", "5", Ok("5")),
        ("100", "0", "0", "0", "0.01", Err((codes::PAYER_LIQUIDITY, short("0")))),
        ("50", "60", "0", "0", "55", Err((codes::PAYER_LIMIT, over("50")))),
        ("50", "60", "0", "0", "65", Err((codes::PAYER_LIQUIDITY, short("60")))),
    ] {
        let event = match then {
            Ok(after) => reserved("T1", asked, after, position),
            Err((code, reason)) => rejected("T1", asked, code, &reason),
        };
        let _ = account(cap, held, position)
            .given([raised(cover, cover)])
            .when(reserve("T1", asked))
            .then_events([event]);
    }
}

#[test]
fn without_a_settlement_account_cover_is_nothing_where_the_operator_requires_it() {
    for (configuration, pays) in [
        (json!({}), true),
        (json!({ "coverRequired": false }), true),
        (json!({ "coverRequired": true }), false),
    ] {
        let asked = account("100", "0", "0").configured(configuration).id("zamu", "2");
        let asked = asked.when(reserve("T1", "1"));
        let _ = if pays {
            asked.then_events([reserved("T1", "1", "1", "0")])
        } else {
            let reason = "the liquidity cover of 0 would be exceeded";
            asked.then_events([rejected("T1", "1", codes::PAYER_LIQUIDITY, reason)])
        };
    }
}

#[test]
fn cover_rises_by_what_comes_in_and_never_falls_below_what_is_owed() {
    let needed = |needed, cover| format!("{needed} of the liquidity cover of {cover} is needed");
    let _ = account("1000", "0", "0")
        .when(raise("0"))
        .then_events([raised("0", "0")])
        .when(raise("60"))
        .then_events([raised("60", "60")])
        .when(lower("60.01"))
        .then_events([held("60.01", &needed("0", "60"))])
        .when(reserve("T1", "40"))
        .then_events([reserved("T1", "40", "40", "0")])
        .when(commit_payer("T1", "40"))
        .then_events([debited("T1", "40", "0", "40")])
        .when(reserve("T2", "5"))
        .then_events([reserved("T2", "5", "5", "40")])
        .when(lower("15.01"))
        .then_events([held("15.01", &needed("45", "60"))])
        .when(lower("15"))
        .then_events([lowered("15", "45")])
        .when(lower("0.01"))
        .then_events([held("0.01", &needed("45", "45"))])
        .when(commit_payee("T3", "100"))
        .then_events([credited("T3", "100", "5", "-60")])
        .when(lower("45"))
        .then_events([lowered("45", "0")])
        .when(lower("1"))
        .then_events([held("1", &needed("0", "0"))]);
}

#[test]
fn an_account_that_was_never_opened_takes_cover_too() {
    let _ = unopened()
        .when(raise("60"))
        .then_events([raised("60", "60")])
        .then_state(|state| assert!(!state.opened))
        .when(open("100"))
        .then_events([opened("100")])
        .when(reserve("T1", "60"))
        .then_events([reserved("T1", "60", "60", "0")]);
}

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

/// Golden scenario 35, for the account: only the switch itself, never a client.
#[test]
fn a_client_moves_no_money() {
    let commands = [
        reserve("T1", "1"),
        commit_payer("T1", "1"),
        commit_payee("T1", "1"),
        reverse("T1", "1"),
        raise("1").into(),
        lower("1").into(),
    ];
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
    let _ = unopened().id("client", "1").when(open("1")).then_events([opened("1")]);
}

#[test]
fn a_body_that_cannot_be_read_is_refused_with_the_field_named() {
    for (kind, body, field) in [
        ("OpenAccount", r#"{"alarm":101}"#, "alarm"),
        ("OpenAccount", r#"{"alarm":-1}"#, "alarm"),
        ("OpenAccount", r#"{"cap":100}"#, "cap"),
        ("OpenAccount", r#"{"cap":"1e3"}"#, "cap"),
        ("OpenAccount", r#"{"cap":"1","reserved":"5"}"#, "reserved"),
        ("ChangeLimits", r#"{"limit":"1"}"#, "limit"),
        ("CloseAccount", r#"{"now":true}"#, "now"),
        ("ReopenAccount", r#"{"now":true}"#, "now"),
        ("ReservePayerFunds", r#"{"transferId":"T1","amount":"-1"}"#, "amount"),
        ("ReservePayerFunds", r#"{"amount":"1"}"#, "transferId"),
    ] {
        let _ = unopened().when_body(kind, body).then_refused("malformed").then_details(field);
    }
}
