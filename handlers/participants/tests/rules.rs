//! The rules of participants, one table or story each.

use participants::Participant;
use participants::messages::{ActivateParticipant, CreateParticipant, DeactivateParticipant};
use scheme::codes;
use scheme::participant_events::{
    ParticipantActivated, ParticipantCreated, ParticipantDeactivated,
};
use zamu_guest::testing::Scenario;

fn create(name: &str) -> CreateParticipant {
    CreateParticipant { name: name.to_owned() }
}

fn created(name: &str) -> ParticipantCreated {
    ParticipantCreated { name: name.to_owned() }
}

fn nobody() -> Scenario<Participant> {
    Scenario::new().key("simfsp01")
}

#[test]
fn a_participant_is_created_and_then_activated() {
    let _ = nobody()
        .when(create("Bank One"))
        .then_events([created("Bank One")])
        .then_state(|state| assert!(!state.active))
        .when(ActivateParticipant {})
        .then_events([ParticipantActivated {}])
        .then_state(|state| assert!(state.active));
}

/// Golden scenario 23.
#[test]
fn a_participant_is_created_once() {
    let _ = nobody()
        .given((created("Bank One"), ParticipantActivated {}))
        .when(create("Bank One"))
        .then_nothing()
        .when(create("Bank Two"))
        .then_refused(codes::MODIFIED_REQUEST)
        .when(create(""))
        .then_refused(codes::MODIFIED_REQUEST)
        .then_state(|state| assert_eq!(state.name.as_deref(), Some("Bank One")));
}

#[test]
fn a_participant_is_activated_once_and_only_if_it_exists() {
    let _ = nobody()
        .when(ActivateParticipant {})
        .then_refused(codes::ID_NOT_FOUND)
        .given([created("Bank One")])
        .when(ActivateParticipant {})
        .then_events([ParticipantActivated {}])
        .when(ActivateParticipant {})
        .then_nothing();
}

#[test]
fn a_participant_is_deactivated_and_activated_again() {
    let _ = nobody()
        .when(DeactivateParticipant {})
        .then_refused(codes::ID_NOT_FOUND)
        .given([created("Bank One")])
        .when(DeactivateParticipant {})
        .then_nothing()
        .when(ActivateParticipant {})
        .then_events([ParticipantActivated {}])
        .when(DeactivateParticipant {})
        .then_events([ParticipantDeactivated {}])
        .then_state(|state| assert_eq!((state.active, state.name.is_some()), (false, true)))
        .when(DeactivateParticipant {})
        .then_nothing()
        .when(ActivateParticipant {})
        .then_events([ParticipantActivated {}])
        .then_state(|state| assert!(state.active));
}

#[test]
fn a_name_has_1_to_128_characters() {
    for (name, taken) in [
        (String::new(), false),
        ("x".to_owned(), true),
        ("ä".repeat(128), true),
        ("x".repeat(129), false),
    ] {
        let asked = nobody().when(create(&name));
        let _ = if taken {
            asked.then_events([created(&name)])
        } else {
            asked.then_refused(codes::VALIDATION).then_details("name: ")
        };
    }
}

#[test]
fn a_key_is_a_participants_id() {
    for key in ["a/b", "a b", "ä", &"x".repeat(33)] {
        let _ = nobody()
            .key(key)
            .when(create("Bank One"))
            .then_refused(codes::VALIDATION)
            .then_details("key: ");
    }
}

#[test]
fn a_body_that_cannot_be_read_is_refused_with_the_field_named() {
    for (kind, body, field) in [
        ("CreateParticipant", r#"{"name":7}"#, "name"),
        ("CreateParticipant", "{}", "name"),
        ("CreateParticipant", r#"{"name":"Bank One","active":true}"#, "active"),
        ("ActivateParticipant", r#"{"now":true}"#, "now"),
        ("DeactivateParticipant", r#"{"now":true}"#, "now"),
    ] {
        let _ = nobody().when_body(kind, body).then_refused("malformed").then_details(field);
    }
}
