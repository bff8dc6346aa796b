//! The bytes of messages and states, frozen: the log keeps them for ever.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use accounts::messages::{
    ChangeLimits, CloseAccount, Command, CommitPayeeFunds, CommitPayerFunds, Event, LowerCover,
    OpenAccount, RaiseCover, ReopenAccount, ReservePayerFunds, ReversePayerFunds,
};
use accounts::settlement::messages::{
    CommitFundsOut, FundIn, FundOut, FundsIn, FundsOutCommitted, FundsOutPrepared,
    FundsOutRejected, OpenSettlementAccount, RejectFundsOut, SettlementAccountOpened,
};
use accounts::{State, settlement};
use scheme::account_events::{
    AccountClosed, AccountOpened, AccountReopened, CoverHeld, CoverLowered, CoverRaised,
    LimitsChanged, Opening, PayeeFundsCommitted, PayerFundsCommitted, PayerFundsRejected,
    PayerFundsReserved, PayerFundsReversed, ThresholdExceeded,
};
use scheme::{Amount, Money, Percentage};
use zamu_guest::testing::{frozen, frozen_protobuf, frozen_protobuf_states, frozen_states};

const ID: &str = "b51ec534-ee48-4575-b6a9-ead2955b8069";

fn money(text: &str) -> Money {
    text.parse().unwrap()
}

fn amount() -> Amount {
    "1.11".parse().unwrap()
}

fn eighty() -> Percentage {
    80.try_into().unwrap()
}

fn reference() -> String {
    "wire 7".to_owned()
}

fn id() -> String {
    ID.to_owned()
}

#[test]
fn commands_keep_their_bytes() {
    let move_body = r#"{"transferId":"b51ec534-ee48-4575-b6a9-ead2955b8069","amount":"1.11"}"#;
    let (transfer_id, amount) = (id(), amount());
    frozen::<Command>(&[
        (
            OpenAccount { cap: Some(money("10000000")), alarm: None, position: None }.into(),
            "OpenAccount",
            r#"{"cap":"10000000"}"#,
        ),
        (
            OpenAccount {
                cap: Some(money("1")),
                alarm: Some(eighty()),
                position: Some(money("-5")),
            }
            .into(),
            "OpenAccount",
            r#"{"cap":"1","alarm":80,"position":"-5"}"#,
        ),
        (OpenAccount { cap: None, alarm: None, position: None }.into(), "OpenAccount", "{}"),
        (
            ChangeLimits { cap: Some(money("1")), alarm: Some(eighty()) }.into(),
            "ChangeLimits",
            r#"{"cap":"1","alarm":80}"#,
        ),
        (ChangeLimits { cap: None, alarm: None }.into(), "ChangeLimits", "{}"),
        (CloseAccount {}.into(), "CloseAccount", "{}"),
        (ReopenAccount {}.into(), "ReopenAccount", "{}"),
        (RaiseCover { amount: money("60") }.into(), "RaiseCover", r#"{"amount":"60"}"#),
        (
            LowerCover { reference: reference(), amount: self::amount() }.into(),
            "LowerCover",
            r#"{"reference":"wire 7","amount":"1.11"}"#,
        ),
        (
            ReservePayerFunds { transfer_id: transfer_id.clone(), amount }.into(),
            "ReservePayerFunds",
            move_body,
        ),
        (
            CommitPayerFunds { transfer_id: transfer_id.clone(), amount }.into(),
            "CommitPayerFunds",
            move_body,
        ),
        (
            CommitPayeeFunds { transfer_id: transfer_id.clone(), amount }.into(),
            "CommitPayeeFunds",
            move_body,
        ),
        (ReversePayerFunds { transfer_id, amount }.into(), "ReversePayerFunds", move_body),
    ]);
}

#[test]
fn events_keep_their_bytes() {
    let (amount, reserved, position) = (amount(), money("1.11"), money("-90"));
    let moved = r#"{"transferId":"b51ec534-ee48-4575-b6a9-ead2955b8069","amount":"1.11","reserved":"1.11","position":"-90"}"#;
    frozen::<Event>(&[
        (
            AccountOpened { cap: Some(money("10000000")), alarm: None, opening: None }.into(),
            "AccountOpened",
            r#"{"cap":"10000000"}"#,
        ),
        (
            AccountOpened {
                cap: None,
                alarm: Some(eighty()),
                opening: Some(Opening { amount: money("-5"), position: money("-7") }),
            }
            .into(),
            "AccountOpened",
            r#"{"alarm":80,"opening":{"amount":"-5","position":"-7"}}"#,
        ),
        (
            LimitsChanged { cap: Some(money("1")), alarm: Some(eighty()) }.into(),
            "LimitsChanged",
            r#"{"cap":"1","alarm":80}"#,
        ),
        (
            ThresholdExceeded { alarm: eighty(), cap: money("100"), current_position: money("85") }
                .into(),
            "ThresholdExceeded",
            r#"{"alarm":80,"cap":"100","currentPosition":"85"}"#,
        ),
        (AccountClosed {}.into(), "AccountClosed", "{}"),
        (AccountReopened {}.into(), "AccountReopened", "{}"),
        (
            CoverRaised { amount: money("60"), cover: money("61") }.into(),
            "CoverRaised",
            r#"{"amount":"60","cover":"61"}"#,
        ),
        (
            CoverLowered { reference: reference(), amount, cover: money("61") }.into(),
            "CoverLowered",
            r#"{"reference":"wire 7","amount":"1.11","cover":"61"}"#,
        ),
        (
            CoverHeld {
                reference: reference(),
                amount,
                code: "4001".to_owned(),
                reason: "needed".to_owned(),
            }
            .into(),
            "CoverHeld",
            r#"{"reference":"wire 7","amount":"1.11","code":"4001","reason":"needed"}"#,
        ),
        (
            PayerFundsReserved { transfer_id: id(), amount, reserved, position }.into(),
            "PayerFundsReserved",
            moved,
        ),
        (
            PayerFundsRejected {
                transfer_id: id(),
                amount,
                code: "4200".to_owned(),
                reason: "too much".to_owned(),
            }
            .into(),
            "PayerFundsRejected",
            r#"{"transferId":"b51ec534-ee48-4575-b6a9-ead2955b8069","amount":"1.11","code":"4200","reason":"too much"}"#,
        ),
        (
            PayerFundsCommitted { transfer_id: id(), amount, reserved, position }.into(),
            "PayerFundsCommitted",
            moved,
        ),
        (
            PayeeFundsCommitted { transfer_id: id(), amount, reserved, position, unopened: false }
                .into(),
            "PayeeFundsCommitted",
            moved,
        ),
        (
            PayeeFundsCommitted { transfer_id: id(), amount, reserved, position, unopened: true }
                .into(),
            "PayeeFundsCommitted",
            r#"{"transferId":"b51ec534-ee48-4575-b6a9-ead2955b8069","amount":"1.11","reserved":"1.11","position":"-90","unopened":true}"#,
        ),
        (
            PayerFundsReversed { transfer_id: id(), amount, reserved, position }.into(),
            "PayerFundsReversed",
            moved,
        ),
    ]);
}

#[test]
fn commands_keep_their_bytes_in_protobuf() {
    let bytes =
        "0a2462353165633533342d656534382d343537352d623661392d65616432393535623830363912022b5c";
    let (transfer_id, amount) = (id(), amount());
    frozen_protobuf::<Command>(&[
        (
            ReservePayerFunds { transfer_id: transfer_id.clone(), amount }.into(),
            "ReservePayerFunds",
            bytes,
        ),
        (
            CommitPayerFunds { transfer_id: transfer_id.clone(), amount }.into(),
            "CommitPayerFunds",
            bytes,
        ),
        (
            CommitPayeeFunds { transfer_id: transfer_id.clone(), amount }.into(),
            "CommitPayeeFunds",
            bytes,
        ),
        (ReversePayerFunds { transfer_id, amount }.into(), "ReversePayerFunds", bytes),
    ]);
}

#[test]
fn events_keep_their_bytes_in_protobuf() {
    let bytes = "0a2462353165633533342d656534382d343537352d623661392d65616432393535623830363912022b5c1a022b5c2203f24460";
    let (transfer_id, amount, reserved, position) = (id(), amount(), money("1.11"), money("-90"));
    let credited = |unopened| PayeeFundsCommitted {
        transfer_id: transfer_id.clone(),
        amount,
        reserved,
        position,
        unopened,
    };
    frozen_protobuf::<Event>(&[
        (credited(false).into(), "PayeeFundsCommitted", bytes),
        (credited(true).into(), "PayeeFundsCommitted", &format!("{bytes}2801")),
        (
            PayerFundsReserved { transfer_id: transfer_id.clone(), amount, reserved, position }
                .into(),
            "PayerFundsReserved",
            bytes,
        ),
        (
            PayerFundsCommitted { transfer_id: transfer_id.clone(), amount, reserved, position }
                .into(),
            "PayerFundsCommitted",
            bytes,
        ),
        (
            PayerFundsReversed { transfer_id: transfer_id.clone(), amount, reserved, position }
                .into(),
            "PayerFundsReversed",
            bytes,
        ),
        (
            PayerFundsRejected {
                transfer_id: transfer_id.clone(),
                amount,
                code: "4200".to_owned(),
                reason: "too much".to_owned(),
            }
            .into(),
            "PayerFundsRejected",
            "0a2462353165633533342d656534382d343537352d623661392d65616432393535623830363912022b5c1a04343230302208746f6f206d756368",
        ),
    ]);
}

#[test]
fn messages_of_settlement_accounts_keep_their_bytes() {
    let (amount, funds, leaving) = (amount(), money("60"), money("1.11"));
    let (code, reason) = ("4001".to_owned(), "needed".to_owned());
    let moved = r#"{"reference":"wire 7","amount":"1.11"}"#;
    frozen::<settlement::messages::Command>(&[
        (
            OpenSettlementAccount { funds: Some(funds) }.into(),
            "OpenSettlementAccount",
            r#"{"funds":"60"}"#,
        ),
        (OpenSettlementAccount { funds: None }.into(), "OpenSettlementAccount", "{}"),
        (FundIn { reference: reference(), amount }.into(), "FundIn", moved),
        (FundOut { reference: reference(), amount }.into(), "FundOut", moved),
        (CommitFundsOut { reference: reference(), amount }.into(), "CommitFundsOut", moved),
        (
            RejectFundsOut {
                reference: reference(),
                amount,
                code: code.clone(),
                reason: reason.clone(),
            }
            .into(),
            "RejectFundsOut",
            r#"{"reference":"wire 7","amount":"1.11","code":"4001","reason":"needed"}"#,
        ),
    ]);
    frozen::<settlement::messages::Event>(&[
        (SettlementAccountOpened { funds }.into(), "SettlementAccountOpened", r#"{"funds":"60"}"#),
        (
            FundsIn { reference: reference(), amount, funds }.into(),
            "FundsIn",
            r#"{"reference":"wire 7","amount":"1.11","funds":"60"}"#,
        ),
        (
            FundsOutPrepared { reference: reference(), amount, leaving }.into(),
            "FundsOutPrepared",
            r#"{"reference":"wire 7","amount":"1.11","leaving":"1.11"}"#,
        ),
        (
            FundsOutCommitted { reference: reference(), amount, funds, leaving }.into(),
            "FundsOutCommitted",
            r#"{"reference":"wire 7","amount":"1.11","funds":"60","leaving":"1.11"}"#,
        ),
        (
            FundsOutRejected { reference: reference(), amount, leaving, code, reason }.into(),
            "FundsOutRejected",
            r#"{"reference":"wire 7","amount":"1.11","leaving":"1.11","code":"4001","reason":"needed"}"#,
        ),
    ]);
    let state = settlement::State { opened: true, funds, leaving };
    let json = r#"{"opened":true,"funds":"60","leaving":"1.11"}"#;
    frozen_states(&[(state, json)]);
}

#[test]
fn a_state_keeps_its_bytes() {
    let state = State {
        opened: true,
        cap: Some(money("10000000")),
        reserved: money("1.11"),
        position: money("-90"),
        ..State::default()
    };
    let mut full = state.clone();
    (full.closed, full.alarm, full.cover) = (true, Some(eighty()), Some(money("60")));
    frozen_protobuf_states(&[
        (state.clone(), "08011a05174876e80032022b5c3a03f24460"),
        (full.clone(), "080110011a05174876e80020502a030927c032022b5c3a03f24460"),
        (State::default(), "3201003a0100"),
    ]);
    frozen_states(&[
        (state, r#"{"opened":true,"cap":"10000000","reserved":"1.11","position":"-90"}"#),
        (
            full,
            r#"{"opened":true,"closed":true,"cap":"10000000","alarm":80,"cover":"60","reserved":"1.11","position":"-90"}"#,
        ),
        (State::default(), r#"{"opened":false,"reserved":"0","position":"0"}"#),
    ]);
}
