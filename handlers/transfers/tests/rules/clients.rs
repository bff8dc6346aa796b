//! What clients may ask, and what of it cannot be read.

use scheme::codes;
use transfers::Phase;
use transfers::messages::{
    AckPayeeFundsCommitted, AckPayerFundsReserved, AckPayerFundsReversed, Command,
};

use crate::common::{
    CONDITION, EXPIRATION, FULFILMENT, abort, aborted, accepted, fulfil, fulfil_accepted, prepare,
};
use crate::phases::{in_state, none, reject};

#[test]
fn a_client_does_not_tell_what_accounts_have_done() {
    let commands: [Command; 4] = [
        AckPayerFundsReserved {}.into(),
        reject().into(),
        AckPayeeFundsCommitted {}.into(),
        AckPayerFundsReversed {}.into(),
    ];
    for command in commands {
        for phase in Phase::ALL {
            let _ = in_state(phase)
                .id("client", "1")
                .when(command.clone())
                .then_refused(codes::VALIDATION)
                .then_details("no client");
        }
    }
}

#[test]
fn a_client_prepares_fulfils_and_aborts() {
    let _ = in_state(Phase::Reserved).id("client", "1").when(abort()).then_events([aborted()]);
    let _ = none().id("client", "1").when(prepare()).then_events([accepted()]);
    let _ = in_state(Phase::Reserved)
        .id("client", "1")
        .when(fulfil(FULFILMENT))
        .then_events([fulfil_accepted()]);
}

#[test]
fn a_body_that_cannot_be_read_is_refused_with_the_field_named() {
    let unknown = format!(
        r#"{{"payer":"a","payee":"b","amount":"1","currency":"USD","expiration":"{EXPIRATION}","condition":"{CONDITION}","note":""}}"#
    );
    for (kind, body, field) in [
        ("PrepareTransfer", "{}", "payer"),
        ("PrepareTransfer", r#"{"payer":"a","payee":"b","amount":1}"#, "amount"),
        ("PrepareTransfer", &unknown, "note"),
        ("FulfilTransfer", "{}", "fsp"),
        ("FulfilTransfer", r#"{"fsp":"sim/fsp","fulfilment":"x"}"#, "fsp"),
        ("FulfilTransfer", r#"{"fsp":"simfsp02","fulfilment":null}"#, "fulfilment"),
        ("AbortTransfer", r#"{"fsp":"simfsp02","code":"510","reason":""}"#, "code"),
        ("AbortTransfer", r#"{"fsp":"simfsp02","code":"5104"}"#, "reason"),
        ("AbortTransfer", r#"{"code":"5104","reason":""}"#, "fsp"),
        ("RejectTransfer", r#"{"code":"4200"}"#, "reason"),
    ] {
        let _ = none().when_body(kind, body).then_refused("malformed").then_details(field);
    }
}
