//! The tables, over the events that transfers and accounts really write.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use views::positions::{self, POSITIONS, Positions};
use views::transfers::{self, TRANSFERS, Transfers};
use zamu_guest::projection::sequence_suffix;
use zamu_guest::testing::Projected;
use zamu_guest::{Codec, Messages, Projection, Time};

/// An event with its body, as its aggregate writes it.
fn on<P: Projection>(tables: Projected<P>, kind: &str, body: &Value) -> Projected<P> {
    tables.on_stored(kind, "1", body.to_string())
}

/// The same, after the aggregate's own type has understood it.
fn written<M: Messages>(kind: &str, body: &Value) -> Value {
    let message: M = zamu_guest::testing::stored(kind, "1", body.to_string());
    let mut bytes = Vec::new();
    message.encode(Codec::Json, &mut bytes).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

fn transfer(tables: Projected<Transfers>, kind: &str, more: &Value) -> Projected<Transfers> {
    on(tables, kind, &written::<::transfers::messages::Event>(kind, &of_transfer(more)))
}

/// The body of an event of a transfer: the terms and more.
fn of_transfer(more: &Value) -> Value {
    let mut body =
        json!({ "payer": "green", "payee": "blue", "amount": "12.5", "currency": "USD" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

fn offer() -> Value {
    json!({
        "expiration": "2026-01-01T00:00:00.000Z",
        "condition": "GIxd5xcohkM9pnolpl2cw5hO9uMKDfjOcCGsCbGjQdY",
        "content": "AAECAwQFBgcICQoLDA0ODw",
    })
}

fn begun() -> Projected<Transfers> {
    let tables = Projected::new().key("t-1").at(Time(5));
    transfer(tables, "TransferPrepareAccepted", &offer())
}

fn prepared() -> Projected<Transfers> {
    transfer(begun().at(Time(6)), "TransferPrepared", &offer())
}

/// How a transfer of 12.5 USD stands, begun at 5 and changed at 8.
fn failed(state: &str, code: &str, reason: &str) -> Value {
    json!({
        "state": state, "payer": "green", "payee": "blue", "amount": "12.5", "currency": "USD",
        "code": code, "reason": reason, "begun": 5, "changed": 8,
    })
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
    let tables = transfer(tables.at(Time(7)), "TransferFulfilAccepted", &more);
    transfer(tables.at(Time(8)), "TransferFulfilled", &more)
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
    let tables = transfer(prepared().at(Time(7)), "TransferFulfilInvalid", &failure);
    let mut released = failure;
    released["state"] = json!("ABORTED_ERROR");
    transfer(tables.at(Time(8)), "TransferReleased", &released)
        .then_row(&TRANSFERS, &failed("ABORTED_ERROR", "3100", "not the preimage"))
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
    // Written before a rejection had a state.
    on(begun().at(Time(8)), "TransferRejected", &of_transfer(&rejected))
        .then_row(&TRANSFERS, &failed("ABORTED_REJECTED", "4001", "over the cap"));
    let invalid = json!({
        "payer": "green", "code": "3100", "reason": "`amount` is 0",
        "content": "AAECAwQFBgcICQoLDA0ODw",
    });
    let body = written::<::transfers::messages::Event>("InvalidTransfer", &invalid);
    on(Projected::<Transfers>::new().at(Time(9)), "InvalidTransfer", &body).then_row(
        &TRANSFERS,
        &json!({
            "state": "INVALID", "payer": "green", "code": "3100", "reason": "`amount` is 0",
            "begun": 9, "changed": 9,
        }),
    );
}

#[test]
fn a_transfer_that_the_payee_does_not_want_has_the_payees_reason() {
    let answer = json!({ "fsp": "blue", "content": "AAECAwQFBgcICQoLDA0ODw" });
    let aborted = json!({ "code": "5104", "reason": "no such customer", "answer": answer });
    let mut released = aborted.clone();
    released["state"] = json!("ABORTED_ERROR");
    let tables = transfer(prepared().at(Time(8)), "TransferAborted", &aborted)
        .then_row(&TRANSFERS, &failed("RECEIVED_ERROR", "5104", "no such customer"));
    transfer(tables, "TransferReleased", &released)
        .then_row(&TRANSFERS, &failed("ABORTED_ERROR", "5104", "no such customer"));
}

#[test]
fn a_transfer_that_timed_out_says_how_far_it_was_and_how_it_ended() {
    let over = |state: &str| json!({ "state": state, "code": "3303", "reason": "ended" });
    let row = |state: &str| failed(state, "3303", "ended");
    let time_out = |tables: Projected<Transfers>, state: &str| {
        transfer(tables.at(Time(8)), "TransferTimedOut", &over(state))
            .then_row(&TRANSFERS, &row(state))
    };
    let tables = time_out(prepared(), "RESERVED_TIMEOUT");
    transfer(tables, "TransferReleased", &over("EXPIRED_RESERVED"))
        .then_row(&TRANSFERS, &row("EXPIRED_RESERVED"));

    let tables = time_out(begun(), "PREPARE_TIMEOUT");
    transfer(tables, "TransferRejected", &over("EXPIRED_PREPARED"))
        .then_row(&TRANSFERS, &row("EXPIRED_PREPARED"));

    let tables = time_out(time_out(begun(), "PREPARE_TIMEOUT"), "RESERVED_TIMEOUT");
    transfer(tables, "TransferReleased", &over("EXPIRED_RESERVED"))
        .then_row(&TRANSFERS, &row("EXPIRED_RESERVED"))
        .then_row_at(
            &transfers::HISTORY,
            "00000000000000000002",
            &json!({
                "event": "TransferTimedOut", "at": 8, "state": "PREPARE_TIMEOUT", "code": "3303",
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
            &json!({
                "opened": true, "cap": "100", "reserved": "0", "position": "-3", "changed": 7,
            }),
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

/// The event that this JSON is, in either form.
fn heard<P: Projection>(tables: Projected<P>, kind: &str, body: &Value) -> Projected<P> {
    let event: P::Event = zamu_guest::testing::stored(kind, "1", body.to_string());
    tables.on(event)
}

#[test]
fn events_in_protobuf_make_the_rows_that_they_make_in_json() {
    let moved = |reserved: &str, position: &str| {
        json!({
            "transferId": "t-1", "amount": "12.5", "reserved": reserved, "position": position,
        })
    };
    for codec in Codec::ALL {
        let tables = Projected::<Positions>::new().key("green/USD").at(Time(5)).in_form(codec);
        let tables = heard(tables, "PayerFundsReserved", &moved("12.5", "0"));
        let tables = heard(tables, "PayerFundsCommitted", &moved("0", "12.5"));
        heard(tables, "PayeeFundsCommitted", &moved("0", "-3"))
            .then_row(
                &POSITIONS,
                &json!({ "opened": false, "reserved": "0", "position": "-3", "changed": 5 }),
            )
            .then_row_at(
                &positions::HISTORY,
                "00000000000000000002",
                &json!({
                    "event": "PayerFundsCommitted", "at": 5, "reserved": "0", "position": "12.5",
                    "transfer": "t-1",
                }),
            );

        let tables = Projected::<Transfers>::new().key("t-1").at(Time(5)).in_form(codec);
        heard(tables, "TransferPrepareAccepted", &of_transfer(&offer())).then_row(
            &TRANSFERS,
            &json!({
                "state": "RECEIVED_PREPARE", "payer": "green", "payee": "blue",
                "amount": "12.5", "currency": "USD", "begun": 5, "changed": 5,
            }),
        );
    }
}

#[test]
fn a_credit_to_an_account_that_was_never_opened_is_shown() {
    account(Projected::new().at(Time(7)), "PayeeFundsCommitted", "0", "-3").then_row(
        &POSITIONS,
        &json!({ "opened": false, "reserved": "0", "position": "-3", "changed": 7 }),
    );
}

#[test]
fn an_account_is_shown_with_its_limits_and_whether_it_is_open() {
    let happen = |tables: Projected<Positions>, kind: &str, body: Value| {
        on(tables, kind, &written::<accounts::messages::Event>(kind, &body))
    };
    let tables = Projected::<Positions>::new().key("green/USD").at(Time(5));
    let tables = happen(tables, "CoverRaised", json!({ "amount": "40", "cover": "40" }));
    let tables = tables.then_row(
        &POSITIONS,
        &json!({ "opened": false, "cover": "40", "reserved": "0", "position": "0", "changed": 5 }),
    );
    let opened =
        json!({ "cap": "100", "alarm": 80, "opening": { "amount": "7", "position": "4" } });
    let tables = happen(tables, "AccountOpened", opened).then_row(
        &POSITIONS,
        &json!({
            "opened": true, "cap": "100", "alarm": 80, "cover": "40", "reserved": "0",
            "position": "4", "changed": 5,
        }),
    );
    let exceeded = json!({ "alarm": 80, "cap": "100", "currentPosition": "81" });
    let tables = happen(tables, "ThresholdExceeded", exceeded);
    let tables = happen(tables.at(Time(6)), "AccountClosed", json!({}));
    let held = json!({ "reference": "w-1", "amount": "39", "code": "4001", "reason": "needed" });
    let tables = happen(tables, "CoverHeld", held);
    let lowered = json!({ "reference": "w-2", "amount": "30", "cover": "10" });
    let tables = happen(tables, "CoverLowered", lowered);
    let tables = happen(tables, "LimitsChanged", json!({ "alarm": 50 })).then_row(
        &POSITIONS,
        &json!({
            "opened": true, "closed": true, "alarm": 50, "cover": "10", "reserved": "0",
            "position": "4", "changed": 6,
        }),
    );
    let tables = happen(tables.at(Time(7)), "AccountReopened", json!({})).then_row(
        &POSITIONS,
        &json!({
            "opened": true, "alarm": 50, "cover": "10", "reserved": "0", "position": "4",
            "changed": 7,
        }),
    );
    let about = [
        (5, "CoverRaised", "0", json!({ "cover": "40" })),
        (5, "AccountOpened", "4", json!({ "cap": "100", "alarm": 80 })),
        (5, "ThresholdExceeded", "4", json!({ "alarm": 80 })),
        (6, "AccountClosed", "4", json!({})),
        (6, "CoverHeld", "4", json!({ "reference": "w-1", "code": "4001" })),
        (6, "CoverLowered", "4", json!({ "reference": "w-2", "cover": "10" })),
        (6, "LimitsChanged", "4", json!({ "alarm": 50 })),
        (7, "AccountReopened", "4", json!({})),
    ];
    about.into_iter().zip(1..).fold(tables, |tables, ((at, event, position, about), number)| {
        let mut row = json!({ "event": event, "at": at, "reserved": "0", "position": position });
        row.as_object_mut().unwrap().extend(about.as_object().unwrap().clone());
        tables.then_row_at(&positions::HISTORY, &sequence_suffix(number), &row)
    });
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
