//! The bytes of messages and states, frozen: the log keeps them for ever.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use participants::State;
use participants::endpoints::messages::{
    EndpointRemoved, EndpointSet, RemoveEndpoint, SetEndpoint,
};
use participants::endpoints::{self, Configuration, Form};
use participants::messages::{
    ActivateParticipant, Command, CreateParticipant, DeactivateParticipant, Event,
};
use scheme::participant_events::{
    ParticipantActivated, ParticipantCreated, ParticipantDeactivated,
};
use zamu_guest::testing::{frozen, frozen_states};

#[test]
fn commands_keep_their_bytes() {
    let name = "Bank One".to_owned();
    frozen::<Command>(&[
        (CreateParticipant { name }.into(), "CreateParticipant", r#"{"name":"Bank One"}"#),
        (ActivateParticipant {}.into(), "ActivateParticipant", "{}"),
        (DeactivateParticipant {}.into(), "DeactivateParticipant", "{}"),
    ]);
}

#[test]
fn events_keep_their_bytes() {
    let name = "Bank One".to_owned();
    frozen::<Event>(&[
        (ParticipantCreated { name }.into(), "ParticipantCreated", r#"{"name":"Bank One"}"#),
        (ParticipantActivated {}.into(), "ParticipantActivated", "{}"),
        (ParticipantDeactivated {}.into(), "ParticipantDeactivated", "{}"),
    ]);
}

#[test]
fn a_state_keeps_its_bytes() {
    let state = State { name: Some("Bank One".to_owned()), active: true };
    let json = r#"{"name":"Bank One","active":true}"#;
    frozen_states(&[(state, json)]);
}

const URL: &str = "https://fsp.example/transfers/{{transferId}}";
const PUT: &str = "FSPIOP_CALLBACK_URL_TRANSFER_PUT";

#[test]
fn messages_of_endpoints_keep_their_bytes() {
    let (endpoint_type, value) = (PUT.to_owned(), URL.to_owned());
    let both = format!(r#"{{"type":"{PUT}","value":"{URL}"}}"#);
    let one = format!(r#"{{"type":"{PUT}"}}"#);
    frozen::<endpoints::messages::Command>(&[
        (
            SetEndpoint { endpoint_type: endpoint_type.clone(), value: value.clone() }.into(),
            "SetEndpoint",
            &both,
        ),
        (RemoveEndpoint { endpoint_type: endpoint_type.clone() }.into(), "RemoveEndpoint", &one),
    ]);
    frozen::<endpoints::messages::Event>(&[
        (
            EndpointSet { endpoint_type: endpoint_type.clone(), value: value.clone() }.into(),
            "EndpointSet",
            &both,
        ),
        (EndpointRemoved { endpoint_type: endpoint_type.clone() }.into(), "EndpointRemoved", &one),
    ]);
    let state = endpoints::State([(endpoint_type, value)].into());
    let json = format!(r#"{{"{PUT}":"{URL}"}}"#);
    frozen_states(&[(state, &json)]);
}

#[test]
fn the_operator_names_the_types_of_endpoints_or_has_the_usual_ones() {
    let usual: Configuration = serde_json::from_str("{}").unwrap();
    assert_eq!(usual, Configuration::default());
    assert_eq!(usual.endpoint_types.len(), 4);
    let own: Configuration =
        serde_json::from_str(r#"{"endpointTypes":{"DESK":"email","HOOK":"url"}}"#).unwrap();
    let types = [("DESK".to_owned(), Form::Email), ("HOOK".to_owned(), Form::Url)];
    assert_eq!(own.endpoint_types, types.into());
    assert!(serde_json::from_str::<Configuration>(r#"{"endpointTypes":{"DESK":"fax"}}"#).is_err());
    assert!(serde_json::from_str::<Configuration>(r#"{"endpoints":{}}"#).is_err());
}
