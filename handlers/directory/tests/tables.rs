//! The tables, over the events that participants and accounts really write.
#![allow(clippy::unwrap_used)]

use directory::accounts::{ACCOUNTS, Accounts};
use directory::participants::{PARTICIPANTS, Participants};
use scheme::directory::{ListedAccount, ListedParticipant};
use serde_json::{Value, json};
use zamu_guest::testing::Projected;
use zamu_guest::{Codec, Messages};

/// The body of an event, after the aggregate's own type has understood and written it.
fn written<M: Messages>(kind: &str, body: &Value) -> String {
    let message: M = zamu_guest::testing::stored(kind, "1", body.to_string());
    let mut bytes = Vec::new();
    message.encode(Codec::Json, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn participant(tables: Projected<Participants>, kind: &str) -> Projected<Participants> {
    let body = match kind {
        "ParticipantCreated" => json!({ "name": "Bank One" }),
        _ => json!({}),
    };
    let body = written::<::participants::messages::Event>(kind, &body);
    tables.on_stored(kind, "1", body)
}

fn account(tables: Projected<Accounts>, kind: &str) -> Projected<Accounts> {
    let body = match kind {
        "AccountOpened" => json!({ "cap": "100", "alarm": 80 }),
        _ => json!({}),
    };
    let body = written::<::accounts::messages::Event>(kind, &body);
    tables.on_stored(kind, "1", body)
}

#[test]
fn a_participant_is_listed_from_its_creation_and_active_while_it_takes_part() {
    let mut tables = Projected::<Participants>::new().key("simfsp01").then_no_row(&PARTICIPANTS);
    for (kind, active) in [
        ("ParticipantCreated", false),
        ("ParticipantActivated", true),
        ("ParticipantDeactivated", false),
        ("ParticipantActivated", true),
    ] {
        tables = participant(tables, kind).then_row(&PARTICIPANTS, &ListedParticipant { active });
    }
    tables.key("simfsp02").then_no_row(&PARTICIPANTS);
}

#[test]
fn an_account_is_listed_from_its_opening_and_open_until_it_is_closed() {
    let mut tables = Projected::<Accounts>::new().key("simfsp01/JPY").then_no_row(&ACCOUNTS);
    for (kind, open) in [
        ("AccountOpened", true),
        ("AccountClosed", false),
        ("AccountReopened", true),
        ("AccountClosed", false),
    ] {
        let row = ListedAccount { currency: "JPY".parse().unwrap(), open };
        tables = account(tables, kind).then_row(&ACCOUNTS, &row);
    }
    tables.key("simfsp01/USD").then_no_row(&ACCOUNTS);
}

#[test]
fn an_account_under_a_key_that_nobody_can_name_stops_no_table() {
    let tables = Projected::<Accounts>::new().key("simfsp01");
    let tables = account(tables, "AccountOpened").then_no_row(&ACCOUNTS).key("simfsp01/USD");
    let row = ListedAccount { currency: "USD".parse().unwrap(), open: true };
    let _ = account(tables, "AccountOpened").then_row(&ACCOUNTS, &row);
}

#[test]
fn rows_keep_their_bytes_which_others_look_up() {
    let currency = "USD".parse().unwrap();
    for (row, json) in [
        (serde_json::to_string(&ListedParticipant { active: true }), r#"{"active":true}"#),
        (
            serde_json::to_string(&ListedAccount { currency, open: false }),
            r#"{"currency":"USD","open":false}"#,
        ),
    ] {
        assert_eq!(row.unwrap(), json);
    }
}

#[test]
fn both_tables_are_reference_tables() {
    let manifest: Value = serde_json::from_str(&directory::handler().describe()).unwrap();
    let table = |name, aggregate_type| json!({ "name": name, "type": aggregate_type, "keyed": true, "reference": true });
    assert_eq!(manifest["types"], json!(["participant", "account"]));
    assert_eq!(manifest["tables"], json!([table("participants", 0), table("accounts", 1)]));
}
