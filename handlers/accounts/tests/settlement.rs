//! The rules of settlement accounts, one table or story each.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use accounts::SettlementAccount;
use accounts::settlement::messages::{
    Command, CommitFundsOut, FundIn, FundOut, FundsIn, FundsOutCommitted, FundsOutPrepared,
    FundsOutRejected, OpenSettlementAccount, RejectFundsOut, SettlementAccountOpened,
};
use scheme::{Amount, Money, codes};
use zamu_guest::testing::Scenario;

fn money(text: &str) -> Money {
    text.parse().unwrap()
}

fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

fn open(funds: Option<&str>) -> OpenSettlementAccount {
    OpenSettlementAccount { funds: funds.map(money) }
}

fn opened(funds: &str) -> SettlementAccountOpened {
    SettlementAccountOpened { funds: money(funds) }
}

fn fund_in(reference: &str, a: &str) -> FundIn {
    FundIn { reference: reference.to_owned(), amount: amount(a) }
}

fn fund_out(reference: &str, a: &str) -> FundOut {
    FundOut { reference: reference.to_owned(), amount: amount(a) }
}

fn commit(reference: &str, a: &str) -> CommitFundsOut {
    CommitFundsOut { reference: reference.to_owned(), amount: amount(a) }
}

fn reject(reference: &str, a: &str) -> RejectFundsOut {
    RejectFundsOut {
        reference: reference.to_owned(),
        amount: amount(a),
        code: "4001".to_owned(),
        reason: "needed".to_owned(),
    }
}

fn came_in(reference: &str, a: &str, funds: &str) -> FundsIn {
    FundsIn { reference: reference.to_owned(), amount: amount(a), funds: money(funds) }
}

fn prepared(reference: &str, a: &str, leaving: &str) -> FundsOutPrepared {
    FundsOutPrepared { reference: reference.to_owned(), amount: amount(a), leaving: money(leaving) }
}

fn went_out(reference: &str, a: &str, funds: &str, leaving: &str) -> FundsOutCommitted {
    FundsOutCommitted {
        reference: reference.to_owned(),
        amount: amount(a),
        funds: money(funds),
        leaving: money(leaving),
    }
}

fn stayed(reference: &str, a: &str, leaving: &str) -> FundsOutRejected {
    FundsOutRejected {
        reference: reference.to_owned(),
        amount: amount(a),
        leaving: money(leaving),
        code: "4001".to_owned(),
        reason: "needed".to_owned(),
    }
}

/// An account that never was, asked by the switch itself.
fn unopened() -> Scenario<SettlementAccount> {
    Scenario::new().key("simfsp01/USD").id("zamu", "first")
}

fn account(funds: &str) -> Scenario<SettlementAccount> {
    unopened().given([opened(funds)])
}

#[test]
fn funds_come_in_and_go_out_in_two_steps() {
    let _ = unopened()
        .when(open(None))
        .then_events([opened("0")])
        .when(fund_in("a", "60"))
        .then_events([came_in("a", "60", "60")])
        .when(fund_in("b", "0.5"))
        .then_events([came_in("b", "0.5", "60.5")])
        .when(fund_out("c", "10.5"))
        .then_events([prepared("c", "10.5", "10.5")])
        .then_state(|state| assert_eq!(state.funds, money("60.5")))
        .when(commit("c", "10.5"))
        .then_events([went_out("c", "10.5", "50", "0")]);
}

#[test]
fn what_is_on_its_way_out_cannot_leave_twice() {
    let _ = account("60")
        .when(fund_out("a", "60.01"))
        .then_refused(codes::PAYER_LIQUIDITY)
        .when(fund_out("b", "40"))
        .then_events([prepared("b", "40", "40")])
        .when(fund_out("c", "20.01"))
        .then_refused(codes::PAYER_LIQUIDITY)
        .then_details("40 of it leave already")
        .when(fund_out("d", "20"))
        .then_events([prepared("d", "20", "60")])
        .when(reject("b", "40"))
        .then_events([stayed("b", "40", "20")])
        .when(fund_out("e", "40"))
        .then_events([prepared("e", "40", "60")])
        .when(commit("d", "20"))
        .then_events([went_out("d", "20", "40", "40")])
        .when(commit("e", "40"))
        .then_events([went_out("e", "40", "0", "0")])
        .when(fund_out("f", "0.01"))
        .then_refused(codes::PAYER_LIQUIDITY);
}

/// What only a defect can ask for.
#[test]
fn what_was_not_leaving_neither_leaves_nor_stays() {
    let _ = account("60")
        .when(commit("a", "1"))
        .then_refused(codes::INTERNAL)
        .when(reject("a", "1"))
        .then_refused(codes::INTERNAL)
        .when(fund_out("a", "1"))
        .when(commit("a", "1"))
        .then_events([went_out("a", "1", "59", "0")])
        .when(commit("a", "1"))
        .then_refused(codes::INTERNAL)
        .when(reject("a", "1"))
        .then_refused(codes::INTERNAL);
}

#[test]
fn an_account_is_opened_once_and_may_bring_funds_along() {
    let _ = unopened()
        .when(open(Some("60")))
        .then_events([opened("60")])
        .when(open(None))
        .then_nothing()
        .when(open(Some("60")))
        .then_refused(codes::MODIFIED_REQUEST)
        .then_state(|state| assert_eq!(state.funds, money("60")));
    for (key, funds, field) in [
        ("simfsp01/USD", "-1", "funds: "),
        ("simfsp01/USD", "1.001", "funds: "),
        ("simfsp01/JPY", "1.5", "funds: "),
        ("simfsp01", "1", "key: "),
        ("sim fsp/USD", "1", "key: "),
    ] {
        let _ = unopened()
            .key(key)
            .when(open(Some(funds)))
            .then_refused(codes::VALIDATION)
            .then_details(field);
    }
}

#[test]
fn funds_are_more_than_nothing_as_fine_as_the_currency_and_for_an_account_that_is_there() {
    for command in [Command::from(fund_in("a", "1")), fund_out("a", "1").into()] {
        let _ = unopened().when(command).then_refused(codes::ID_NOT_FOUND);
    }
    let long = "x".repeat(129);
    for (reference, a, field) in
        [("a", "0", "amount: "), ("a", "1.001", "amount: "), (&*long, "1", "reference: ")]
    {
        for command in [Command::from(fund_in(reference, a)), fund_out(reference, a).into()] {
            let _ = account("60").when(command).then_refused(codes::VALIDATION).then_details(field);
        }
    }
    let _ = account("9999999999999999999999999999999999.99")
        .when(fund_in("a", "1"))
        .then_refused(codes::VALIDATION)
        .then_details("amount: ");
}

#[test]
fn a_client_does_not_tell_what_the_position_account_said() {
    for command in [Command::from(commit("a", "1")), reject("a", "1").into()] {
        let _ = account("60")
            .when(fund_out("a", "1"))
            .id("client", "1")
            .when(command)
            .then_refused(codes::VALIDATION)
            .then_details("no client");
    }
}

#[test]
fn a_client_moves_funds() {
    let _ = account("60")
        .id("client", "1")
        .when(fund_in("a", "1"))
        .then_events([came_in("a", "1", "61")])
        .id("client", "2")
        .when(fund_out("b", "1"))
        .then_events([prepared("b", "1", "1")]);
}

#[test]
fn a_body_that_cannot_be_read_is_refused_with_the_field_named() {
    for (kind, body, field) in [
        ("OpenSettlementAccount", r#"{"funds":60}"#, "funds"),
        ("FundIn", r#"{"reference":"a"}"#, "amount"),
        ("FundIn", r#"{"reference":"a","amount":"-1"}"#, "amount"),
        ("FundOut", r#"{"amount":"1"}"#, "reference"),
        ("FundOut", r#"{"reference":"a","amount":"1","now":true}"#, "now"),
    ] {
        let _ = account("60").when_body(kind, body).then_refused("malformed").then_details(field);
    }
}
