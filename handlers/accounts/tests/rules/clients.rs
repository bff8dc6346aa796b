//! What clients may ask, and what of it cannot be read.

use scheme::codes;

use crate::common::{
    account, commit_payee, commit_payer, lower, open, opened, raise, reserve, reverse, unopened,
};

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
