//! The bytes of messages and states, frozen: the log keeps them for ever.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use participants::State;
use participants::messages::{
    ActivateParticipant, Command, CreateParticipant, Event, ParticipantActivated,
    ParticipantCreated,
};
use zamu_guest::Messages;

fn frozen<M: Messages>(golden: &[(M, &str, &str)]) {
    assert_eq!(golden.len(), M::KINDS.len(), "every kind has its bytes here");
    for (message, kind, body) in golden {
        let mut written = Vec::new();
        message.encode(&mut written).unwrap();
        assert_eq!(String::from_utf8(written).unwrap(), *body);
        assert_eq!(M::KINDS[message.kind()].name, *kind);
        assert_eq!(M::KINDS[message.kind()].schema, "1");
        assert_eq!(M::decode(message.kind(), body.as_bytes()).unwrap(), *message);
    }
}

#[test]
fn commands_keep_their_bytes() {
    let name = "Bank One".to_owned();
    frozen::<Command>(&[
        (CreateParticipant { name }.into(), "CreateParticipant", r#"{"name":"Bank One"}"#),
        (ActivateParticipant {}.into(), "ActivateParticipant", "{}"),
    ]);
}

#[test]
fn events_keep_their_bytes() {
    let name = "Bank One".to_owned();
    frozen::<Event>(&[
        (ParticipantCreated { name }.into(), "ParticipantCreated", r#"{"name":"Bank One"}"#),
        (ParticipantActivated {}.into(), "ParticipantActivated", "{}"),
    ]);
}

#[test]
fn a_state_keeps_its_bytes() {
    let state = State { name: Some("Bank One".to_owned()), active: true };
    let json = r#"{"name":"Bank One","active":true}"#;
    assert_eq!(serde_json::to_string(&state).unwrap(), json);
    assert_eq!(serde_json::from_str::<State>(json).unwrap(), state);
}
