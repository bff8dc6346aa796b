//! The kit's assertions fail when they should, and say what was there instead.

mod support;

use serde_json::json;
use support::{
    Contents, Fill, Filled, Jar, JarEvent, JarState, Keeper, Misuse, Note, OldSealed, Opened, Seal,
    Sealed, panic_text,
};
use zamu_guest::Time;
use zamu_guest::testing::{Reaction, Scenario, frozen, frozen_states};

fn fill(grams: u64) -> Fill {
    Fill { with: Contents { grams } }
}

fn filled(grams: u64) -> Filled {
    Filled { grams, by: "anonymous".to_owned() }
}

fn jar() -> Scenario<Jar> {
    Scenario::new()
}

#[test]
fn other_events_than_expected_are_shown_as_a_difference() {
    let text = panic_text(|| jar().when(fill(5)).then_events([filled(6)]));
    assert!(text.starts_with("other events than expected (-):\n"), "{text}");
    assert!(text.contains("  -             grams: 6,\n"), "{text}");
    assert!(text.contains("  +             grams: 5,\n"), "{text}");
}

#[test]
fn more_and_fewer_events_than_expected_are_found() {
    let fewer = panic_text(|| jar().when(fill(5)).then_events((filled(5), OldSealed {})));
    assert!(fewer.contains("  -     OldSealed("), "{fewer}");
    let more = panic_text(|| {
        jar()
            .when(Misuse { how: "two events".to_owned() })
            .then_events([Filled { grams: 1, by: "two events".to_owned() }])
    });
    assert!(more.contains("  +     OldSealed("), "{more}");
}

#[test]
fn another_outcome_than_expected_is_told() {
    let cases = [
        (
            panic_text(|| jar().when(fill(5)).then_nothing()),
            "expected the command to be nothing to do, but it was accepted with 1 event(s)",
        ),
        (
            panic_text(|| jar().when(fill(5)).then_refused("full")),
            "expected the command to be refused with full, but it was accepted with 1 event(s)",
        ),
        (
            panic_text(|| jar().when(fill(5_000)).then_events([filled(5_000)])),
            "expected the command to be accepted, but it was refused with full: 5000 g do not fit",
        ),
        (
            panic_text(|| jar().when(fill(5_000)).then_refused("sealed")),
            "expected a refusal with sealed, but the command was refused with full: 5000 g",
        ),
        (
            panic_text(|| jar().when(fill(5_000)).then_details("4000 g")),
            "expected details with `4000 g` in them, not: 5000 g do not fit",
        ),
        (
            panic_text(|| jar().when(fill(5)).then_reply(&6)),
            "another reply than expected (-):\n  - 6\n  + 5\n",
        ),
        (
            panic_text(|| jar().when(Seal {}).then_reply(&6)),
            "another reply than expected (-):\n  - 6\n  + (empty)\n",
        ),
        (panic_text(|| jar().then_nothing()), "`then` needs a `when` before it"),
        (
            panic_text(|| jar().when(fill(5)).given([filled(5)]).then_nothing()),
            "`then` needs a `when` before it",
        ),
        (
            panic_text(|| jar().when(fill(5)).then_wake_at(Some(Time(5)))),
            "expected to be woken at Some(Time(5)), not at None",
        ),
        (panic_text(|| jar().when_body("Drop", "{}")), "jar takes no command Drop"),
    ];
    for (text, expected) in cases {
        assert!(text.starts_with(expected), "expected: {expected}\nfound: {text}");
    }
}

#[test]
fn the_setting_reaches_the_handler() {
    jar()
        .configured(json!({ "jar": { "grams_max": 10 } }))
        .principal("ben")
        .when(fill(10))
        .then_events([Filled { grams: 10, by: "ben".to_owned() }])
        .then_reply(&10)
        .when(fill(1))
        .then_refused("full")
        .at(Time(77))
        .later_by_ms(3)
        .when(Seal {})
        .then_events([Sealed { at: Time(80) }])
        .then_state(|jar| assert_eq!((jar.grams, jar.sealed), (10, Some(Time(80)))));
}

#[test]
fn an_aggregate_is_woken_when_its_deadline_has_come() {
    let sealed = || jar().given([filled(2)]).at(Time(70)).when(Seal {});
    sealed()
        .when_woken_at(Time(1_070))
        .then_events([Opened { at: Time(1_070) }])
        .then_wake_at(None)
        .when(fill(1))
        .then_events([filled(1)]);
    sealed().when_woken_at(Time(5_000)).then_events([Opened { at: Time(5_000) }]);

    let early = panic_text(|| sealed().when_woken_at(Time(1_069)));
    let expected =
        "the aggregate is not to be woken at Time(1069): its wake_at is Some(Time(1070))";
    assert_eq!(early, expected);
    let never = panic_text(|| jar().when(fill(1)).when_woken_at(Time(1_070)));
    assert_eq!(never, "the aggregate is not to be woken at Time(1070): its wake_at is None");
}

#[test]
fn state_assertions_see_the_stored_state() {
    let text = panic_text(|| jar().when(fill(3)).then_state(|jar| assert_eq!(jar.grams, 4)));
    assert!(text.contains("left: 3"), "{text}");
}

#[test]
fn a_body_as_a_client_sends_it_can_be_tried() {
    jar()
        .when_body("Fill", r#"{"with":{"grams":"many"}}"#)
        .then_refused("malformed")
        .then_details("with.grams")
        .when_body("Fill", r#" {"with": {"grams": 2}} "#)
        .then_events([filled(2)]);
}

#[test]
fn events_of_older_schemas_can_be_given() {
    let scenario = jar().given((filled(1), OldSealed {})).when(fill(1)).then_refused("sealed");
    assert_eq!(scenario.events(), [JarEvent::from(filled(1)), OldSealed {}.into()]);
}

#[test]
fn records_of_a_log_can_be_given_as_they_stand_there() {
    jar()
        .given_stored("Filled", "1", r#"{"grams":2,"by":"x","since":"gone"}"#)
        .given_stored("Sealed", "1", "{}")
        .when(fill(1))
        .then_refused("sealed")
        .then_state(|jar| assert_eq!((jar.grams, jar.sealed), (2, Some(Time(0)))));
    let missing = panic_text(|| jar().given_stored("Sealed", "3", "{}"));
    assert!(missing.starts_with("there is no kind Sealed of schema 3 in ["), "{missing}");
    let broken = panic_text(|| jar().given_stored("Filled", "1", r#"{"grams":2}"#));
    let expected = "a stored Filled (schema 1) does not decode: missing field `by`";
    assert!(broken.starts_with(expected), "{broken}");
}

#[test]
fn a_fault_is_told_with_its_text() {
    let text = panic_text(|| jar().when(Misuse { how: "reply to a refusal".to_owned() }));
    let expected =
        "decide faulted: jar/key: item 0, Misuse: a refusal carries details, not a reply";
    assert_eq!(text, expected);
}

#[test]
fn other_commands_than_expected_are_shown_as_a_difference() {
    let heavy = || Reaction::<Keeper>::new().key("a").on(filled(500));
    let other = panic_text(|| heavy().then_commands([("log", Note { text: "b".to_owned() })]));
    assert!(other.starts_with("other commands than expected (-):\n"), "{other}");
    assert!(other.contains("text: \"a is heavy\""), "{other}");
    let elsewhere =
        panic_text(|| heavy().then_commands([("diary", Note { text: "a is heavy".to_owned() })]));
    assert!(elsewhere.contains("  -         \"diary\""), "{elsewhere}");
    let nothing = panic_text(|| heavy().then_nothing());
    assert!(nothing.starts_with("other commands than expected (-):\n"), "{nothing}");
    let early = panic_text(|| Reaction::<Keeper>::new().then_nothing());
    assert_eq!(early, "`then` needs an `on` before it");
}

#[test]
fn the_bytes_of_every_kind_are_kept() {
    let at = Time(7);
    let all: [(JarEvent, &str, &str); 4] = [
        (filled(2).into(), "Filled", r#"{"grams":2,"by":"anonymous"}"#),
        (Sealed { at }.into(), "Sealed 2", r#"{"at":7}"#),
        (OldSealed {}.into(), "Sealed", "{}"),
        (Opened { at }.into(), "Opened", r#"{"at":7}"#),
    ];
    frozen(&all);

    let without_old = [all[0].clone(), all[1].clone(), all[3].clone()];
    let unfrozen = panic_text(|| frozen(&without_old));
    assert_eq!(unfrozen, "no body of Sealed is frozen");
    let mut other = all.clone();
    other[0].2 = r#"{"grams":2}"#;
    let text = panic_text(|| frozen(&other));
    let difference = "  - {\"grams\":2}\n  + {\"grams\":2,\"by\":\"anonymous\"}\n";
    assert_eq!(text, format!("Filled has another body than once (-):\n{difference}"));
    let mut renamed = all;
    renamed[1].1 = "Sealed";
    let text = panic_text(|| frozen(&renamed));
    assert!(text.starts_with("this is Sealed 2, not Sealed: "), "{text}");
}

#[test]
fn a_command_that_comes_again_is_answered_as_before_and_changes_nothing() {
    let once = jar().id("client", "1").when(fill(5)).then_events([filled(5)]).then_reply(&5);
    let twice = once
        .when(fill(2))
        .then_reply(&7)
        .id("client", "1")
        .when(fill(5))
        .then_duplicate()
        .then_reply(&5)
        .then_events([] as [Filled; 0])
        .then_state(|jar| assert_eq!(jar.grams, 7));
    assert_eq!(twice.events(), [filled(5).into(), filled(2).into()]);
    // Also what was refused or nothing stays so, whatever has happened since.
    let _ = twice
        .id("client", "2")
        .when(fill(2_000))
        .then_refused("full")
        .id("client", "3")
        .when(Seal {})
        .id("client", "2")
        .when(fill(2_000))
        .then_duplicate()
        .then_refused("full")
        .id("another client", "2")
        .when(fill(2_000))
        .then_refused("sealed");
}

#[test]
fn an_id_that_comes_with_other_content_is_refused_as_a_host_does() {
    let _ = jar()
        .id("client", "1")
        .when(fill(5))
        .id("client", "1")
        .when(fill(6))
        .then_refused("id-reused")
        .id("client", "1")
        .when(Seal {})
        .then_refused("id-reused")
        .then_state(|jar| assert_eq!((jar.grams, jar.sealed), (5, None)));
}

#[test]
fn after_a_day_an_id_is_new() {
    let day = 24 * 60 * 60 * 1_000;
    let first = || jar().id("client", "1").when(fill(5)).later_by_ms(day);
    let _ = first().id("client", "1").when(fill(5)).then_duplicate();
    let late = first().later_by_ms(1).id("client", "1").when(fill(5)).then_reply(&10);
    let text = panic_text(|| late.then_duplicate());
    assert!(text.starts_with("expected a command that had come before, but it was acc"), "{text}");
}

#[test]
fn the_bytes_of_states_are_kept() {
    let sealed = JarState { grams: 2, sealed: Some(Time(7)) };
    frozen_states(&[
        (sealed.clone(), r#"{"grams":2,"sealed":7}"#),
        (JarState::default(), r#"{"grams":0,"sealed":null}"#),
    ]);
    let renamed = panic_text(|| frozen_states(&[(sealed.clone(), r#"{"weight":2,"sealed":7}"#)]));
    let difference = "  - {\"weight\":2,\"sealed\":7}\n  + {\"grams\":2,\"sealed\":7}\n";
    assert_eq!(renamed, format!("the state has other bytes than once (-):\n{difference}"));

    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Forgetful {
        kept: u64,
        #[serde(skip)]
        lost: u64,
    }
    let text = panic_text(|| frozen_states(&[(Forgetful { kept: 1, lost: 2 }, r#"{"kept":1}"#)]));
    assert!(text.starts_with("another state (+) than was written (-) is read back:\n"), "{text}");
    assert!(text.contains("  -     lost: 2,"), "{text}");
    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct OneWay {
        #[serde(rename(serialize = "kept"))]
        held: u64,
    }
    let text = panic_text(|| frozen_states(&[(OneWay { held: 1 }, r#"{"kept":1}"#)]));
    assert!(text.starts_with("a stored state does not decode: missing field `held`"), "{text}");
}
