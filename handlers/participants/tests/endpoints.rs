//! The rules of endpoints, one table or story each.

use participants::Endpoints;
use participants::endpoints::messages::{
    EndpointRemoved, EndpointSet, RemoveEndpoint, SetEndpoint,
};
use scheme::codes;
use serde_json::json;
use zamu_guest::testing::Scenario;

const POST: &str = "FSPIOP_CALLBACK_URL_TRANSFER_POST";
const PUT: &str = "FSPIOP_CALLBACK_URL_TRANSFER_PUT";
const EMAIL: &str = "SETTLEMENT_TRANSFER_POSITION_CHANGE_EMAIL";
const URL: &str = "https://fsp.example/transfers";

fn set(endpoint_type: &str, value: &str) -> SetEndpoint {
    SetEndpoint { endpoint_type: endpoint_type.to_owned(), value: value.to_owned() }
}

fn was_set(endpoint_type: &str, value: &str) -> EndpointSet {
    EndpointSet { endpoint_type: endpoint_type.to_owned(), value: value.to_owned() }
}

fn remove(endpoint_type: &str) -> RemoveEndpoint {
    RemoveEndpoint { endpoint_type: endpoint_type.to_owned() }
}

fn removed(endpoint_type: &str) -> EndpointRemoved {
    EndpointRemoved { endpoint_type: endpoint_type.to_owned() }
}

fn nobody() -> Scenario<Endpoints> {
    Scenario::new().key("simfsp01")
}

#[test]
fn an_endpoint_is_set_changed_and_removed_and_touches_no_other() {
    let _ = nobody()
        .when(set(POST, URL))
        .then_events([was_set(POST, URL)])
        .when(set(PUT, URL))
        .then_events([was_set(PUT, URL)])
        .when(set(POST, URL))
        .then_nothing()
        .when(set(POST, "http://other.example:4000/a?b=c"))
        .then_events([was_set(POST, "http://other.example:4000/a?b=c")])
        .when(remove(POST))
        .then_events([removed(POST)])
        .then_state(|state| assert_eq!(state.0, [(PUT.to_owned(), URL.to_owned())].into()))
        .when(remove(POST))
        .then_refused(codes::ID_NOT_FOUND);
}

#[test]
fn an_address_has_the_form_of_its_type() {
    let long = format!("https://{}", "x".repeat(2_041));
    for (endpoint_type, value, taken) in [
        (PUT, "https://fsp.example/transfers/{{transferId}}", true),
        (PUT, "https://{{transferId}}.example/{{transferId}}", true),
        (PUT, "https://fsp.example/{{payerId}}", false),
        (PUT, "https://fsp.example/{{transferId}", false),
        (PUT, "https://fsp.example/{{{{transferId}}transferId}}", false),
        (PUT, "ftp://fsp.example", false),
        (PUT, "fsp.example/transfers", false),
        (PUT, "https://", false),
        (PUT, "https:///path", false),
        (PUT, "https://fsp.example/a b", false),
        (PUT, "https://fsp.example/ä", false),
        (PUT, "", false),
        (PUT, &long, false),
        (PUT, &long[1..], false),
        (PUT, &long[..long.len() - 1], true),
        (EMAIL, "desk@fsp.example", true),
        (EMAIL, "desk", false),
        (EMAIL, "@fsp.example", false),
        (EMAIL, "desk@", false),
        (EMAIL, "desk@fsp@example", false),
        (EMAIL, URL, false),
    ] {
        let asked = nobody().when(set(endpoint_type, value));
        let _ = if taken {
            asked.then_events([was_set(endpoint_type, value)])
        } else {
            asked.then_refused(codes::VALIDATION).then_details("value: ")
        };
    }
}

#[test]
fn there_are_the_types_that_the_operator_names() {
    let own = || nobody().configured(json!({ "endpointTypes": { "HOOK": "url" } }));
    let _ = nobody().when(set("HOOK", URL)).then_refused(codes::VALIDATION).then_details(POST);
    let _ = own()
        .when(set("HOOK", URL))
        .then_events([was_set("HOOK", URL)])
        .when(set(POST, URL))
        .then_refused(codes::VALIDATION)
        .then_details("type: there is no FSPIOP_CALLBACK_URL_TRANSFER_POST, only HOOK");
    // What was set under another configuration can go.
    let _ = own().given([was_set(POST, URL)]).when(remove(POST)).then_events([removed(POST)]);
}

#[test]
fn a_key_is_a_participants_id() {
    let _ = nobody()
        .key("sim/fsp")
        .when(set(PUT, URL))
        .then_refused(codes::VALIDATION)
        .then_details("key: ");
}

#[test]
fn a_body_that_cannot_be_read_is_refused_with_the_field_named() {
    for (kind, body, field) in [
        ("SetEndpoint", r#"{"type":"X"}"#, "value"),
        ("SetEndpoint", r#"{"type":"X","value":"y","also":1}"#, "also"),
        ("RemoveEndpoint", "{}", "type"),
    ] {
        let _ = nobody().when_body(kind, body).then_refused("malformed").then_details(field);
    }
}
