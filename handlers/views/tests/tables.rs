//! The tables, over the events that transfers and accounts really write.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use views::positions::{self, POSITIONS, Positions};
use views::transfers::{self, TRANSFERS, Transfers};
use zamu_guest::testing::Projected;
use zamu_guest::{Messages, Projection, Time};

/// An event with its body, as its aggregate writes it.
fn on<P: Projection>(tables: Projected<P>, kind: &str, body: &Value) -> Projected<P> {
    tables.on_stored(kind, "1", body.to_string())
}

/// The same, after the aggregate's own type has understood it.
fn written<M: Messages>(kind: &str, body: &Value) -> Value {
    let message: M = zamu_guest::testing::stored(kind, "1", body.to_string());
    let mut bytes = Vec::new();
    message.encode(&mut bytes).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

fn transfer(tables: Projected<Transfers>, kind: &str, more: Value) -> Projected<Transfers> {
    let mut body =
        json!({ "payer": "green", "payee": "blue", "amount": "12.5", "currency": "USD" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    on(tables, kind, &written::<::transfers::messages::Event>(kind, &body))
}

fn prepared() -> Projected<Transfers> {
    let more = json!({
        "expiration": "2026-01-01T00:00:00.000Z",
        "condition": "GIxd5xcohkM9pnolpl2cw5hO9uMKDfjOcCGsCbGjQdY",
        "content": "AAECAwQFBgcICQoLDA0ODw",
    });
    let begun =
        transfer(Projected::new().key("t-1").at(Time(5)), "TransferPrepareAccepted", more.clone());
    transfer(begun.at(Time(6)), "TransferPrepared", more)
}

#[test]
fn a_transfer_that_goes_well_is_followed_to_its_end() {
    let tables = prepared().then_row(
        &TRANSFERS,
        &json!({
            "state": "RESERVED", "payer": "green", "payee": "blue", "amount": "12.5",
            "currency": "USD", "begun": 5, "changed": 6,
        }),
    );
    let more = json!({ "fulfilment": "UNlJ98hZTY_dsw0cAqw4i_UN3v4utt7CZFB4yfLbVFA" });
    let tables = transfer(tables.at(Time(7)), "TransferFulfilAccepted", more.clone());
    transfer(tables.at(Time(8)), "TransferFulfilled", more)
        .then_row(
            &TRANSFERS,
            &json!({
                "state": "COMMITTED", "payer": "green", "payee": "blue", "amount": "12.5",
                "currency": "USD", "begun": 5, "changed": 8,
            }),
        )
        .then_suffixes(
            &transfers::HISTORY,
            &["1", "2", "3", "4"].map(|n| format!("{n:0>20}")).each_ref().map(String::as_str),
        )
        .then_row_at(
            &transfers::HISTORY,
            "00000000000000000003",
            &json!({ "event": "TransferFulfilAccepted", "at": 7, "state": "RECEIVED_FULFIL" }),
        );
}

#[test]
fn a_transfer_that_fails_says_why() {
    let failure = json!({ "code": "3100", "reason": "not the preimage" });
    let tables = transfer(prepared().at(Time(7)), "TransferFulfilInvalid", failure.clone());
    let mut released = failure;
    released["state"] = json!("ABORTED_ERROR");
    transfer(tables.at(Time(8)), "TransferReleased", released)
        .then_row(
            &TRANSFERS,
            &json!({
                "state": "ABORTED_ERROR", "payer": "green", "payee": "blue", "amount": "12.5",
                "currency": "USD", "code": "3100", "reason": "not the preimage",
                "begun": 5, "changed": 8,
            }),
        )
        .then_row_at(
            &transfers::HISTORY,
            "00000000000000000003",
            &json!({
                "event": "TransferFulfilInvalid", "at": 7, "state": "RECEIVED_ERROR", "code": "3100",
            }),
        );
}

#[test]
fn a_transfer_that_never_began_is_there_with_its_reason() {
    let rejected = json!({ "code": "4001", "reason": "over the cap" });
    transfer(prepared(), "TransferRejected", rejected).then_row(
        &TRANSFERS,
        &json!({
            "state": "ABORTED_REJECTED", "payer": "green", "payee": "blue", "amount": "12.5",
            "currency": "USD", "code": "4001", "reason": "over the cap", "begun": 5, "changed": 6,
        }),
    );
    let invalid = json!({
        "code": "3100", "reason": "`amount` is 0", "content": "AAECAwQFBgcICQoLDA0ODw",
    });
    let body = written::<::transfers::messages::Event>("InvalidTransfer", &invalid);
    on(Projected::<Transfers>::new().at(Time(9)), "InvalidTransfer", &body).then_row(
        &TRANSFERS,
        &json!({
            "state": "INVALID", "code": "3100", "reason": "`amount` is 0", "begun": 9, "changed": 9,
        }),
    );
}

fn account(
    tables: Projected<Positions>,
    kind: &str,
    reserved: &str,
    position: &str,
) -> Projected<Positions> {
    let body = json!({
        "transferId": "t-1", "amount": "12.5", "reserved": reserved, "position": position,
        "code": "4001", "reason": "over the cap",
    });
    on(tables, kind, &written::<accounts::messages::Event>(kind, &body))
}

#[test]
fn an_account_is_shown_with_what_moved_it() {
    let tables = Projected::<Positions>::new().key("green/USD").at(Time(5));
    let tables = on(tables, "AccountOpened", &json!({ "cap": "100" }));
    let tables = account(tables.at(Time(6)), "PayerFundsReserved", "12.5", "0");
    let tables = account(tables, "PayerFundsRejected", "", "");
    let tables = account(tables, "PayerFundsCommitted", "0", "12.5");
    let tables = account(tables, "PayerFundsReserved", "7", "12.5");
    let tables = account(tables, "PayerFundsReversed", "0", "12.5");
    account(tables.at(Time(7)), "PayeeFundsCommitted", "0", "-3")
        .then_row(
            &POSITIONS,
            &json!({ "reserved": "0", "position": "-3", "cap": "100", "changed": 7 }),
        )
        .then_row_at(
            &positions::HISTORY,
            "00000000000000000003",
            &json!({
                "event": "PayerFundsRejected", "at": 6, "reserved": "12.5", "position": "0",
                "transfer": "t-1", "code": "4001",
            }),
        )
        .then_row_at(
            &positions::HISTORY,
            "00000000000000000004",
            &json!({
                "event": "PayerFundsCommitted", "at": 6, "reserved": "0", "position": "12.5",
                "transfer": "t-1",
            }),
        );
}

#[test]
fn a_credit_to_an_account_that_was_never_opened_is_shown() {
    account(Projected::new().at(Time(7)), "PayeeFundsCommitted", "0", "-3")
        .then_row(&POSITIONS, &json!({ "reserved": "0", "position": "-3", "changed": 7 }));
}

/// An event that is left out would be missing in the tables for ever.
#[test]
fn the_tables_take_every_event_of_transfers_and_accounts() {
    fn missing<Written: Messages, Taken: Messages>() -> Vec<String> {
        let all = Written::KINDS.iter().filter(|kind| !Taken::KINDS.contains(kind));
        all.map(|kind| format!("{kind:?}")).collect()
    }
    let none: [String; 0] = [];
    let remedy = "add it to handlers/views, and raise the fold of `views`";
    assert_eq!(missing::<::transfers::messages::Event, transfers::Event>(), none, "{remedy}");
    assert_eq!(missing::<accounts::messages::Event, positions::Event>(), none, "{remedy}");
}
