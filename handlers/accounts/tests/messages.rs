//! The bytes of messages and states, frozen: the log keeps them for ever.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use accounts::State;
use accounts::messages::{
    AccountOpened, Command, CommitPayeeFunds, CommitPayerFunds, Event, OpenAccount,
    ReservePayerFunds, ReversePayerFunds,
};
use scheme::account_events::{
    PayeeFundsCommitted, PayerFundsCommitted, PayerFundsRejected, PayerFundsReserved,
    PayerFundsReversed,
};
use scheme::{Amount, Money};
use zamu_guest::Messages;

const ID: &str = "b51ec534-ee48-4575-b6a9-ead2955b8069";

fn money(text: &str) -> Money {
    text.parse().unwrap()
}

fn amount() -> Amount {
    "1.11".parse().unwrap()
}

fn id() -> String {
    ID.to_owned()
}

fn frozen<M: Messages>(golden: &[(M, &str, &str)]) {
    for kind in M::KINDS {
        assert!(golden.iter().any(|(_, name, _)| *name == kind.name), "{} has no bytes", kind.name);
    }
    for (message, kind, body) in golden {
        let body = body.replace("ID", ID);
        let mut written = Vec::new();
        message.encode(&mut written).unwrap();
        assert_eq!(String::from_utf8(written).unwrap(), body);
        assert_eq!(M::KINDS[message.kind()].name, *kind);
        assert_eq!(M::KINDS[message.kind()].schema, "1");
        assert_eq!(M::decode(message.kind(), body.as_bytes()).unwrap(), *message);
    }
}

#[test]
fn commands_keep_their_bytes() {
    let move_body = r#"{"transferId":"ID","amount":"1.11"}"#;
    let (transfer_id, amount) = (id(), amount());
    frozen::<Command>(&[
        (OpenAccount { cap: money("10000000") }.into(), "OpenAccount", r#"{"cap":"10000000"}"#),
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
    let moved = r#"{"transferId":"ID","amount":"1.11","reserved":"1.11","position":"-90"}"#;
    frozen::<Event>(&[
        (AccountOpened { cap: money("10000000") }.into(), "AccountOpened", r#"{"cap":"10000000"}"#),
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
            r#"{"transferId":"ID","amount":"1.11","code":"4200","reason":"too much"}"#,
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
            r#"{"transferId":"ID","amount":"1.11","reserved":"1.11","position":"-90","unopened":true}"#,
        ),
        (
            PayerFundsReversed { transfer_id: id(), amount, reserved, position }.into(),
            "PayerFundsReversed",
            moved,
        ),
    ]);
}

#[test]
fn a_state_keeps_its_bytes() {
    let state = State {
        opened: true,
        cap: money("10000000"),
        reserved: money("1.11"),
        position: money("-90"),
    };
    let json = r#"{"opened":true,"cap":"10000000","reserved":"1.11","position":"-90"}"#;
    assert_eq!(serde_json::to_string(&state).unwrap(), json);
    assert_eq!(serde_json::from_str::<State>(json).unwrap(), state);
}
