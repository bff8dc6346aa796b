//! The entry points of a handler over columns, as a host drives them.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::json;
use support::{
    AUDIT, Counting, FILL, FILLED, JAR, MISUSE, NOTE, OLD_SEALED, OPENED, SEAL, SEALED, SHELF,
    STOCK, STOCKED, aggregates, commands, heard, kitchen, panic_text, past, texts,
};
use zamu_guest::columns::{ACCEPTED, Decision, Fault, NEVER, NOTHING, REFUSED, WAKE};

const FILL_5: &str = r#"{"with":{"grams":5}}"#;

fn decide(rows: &[(u32, &str, &str)], asked: &[(u32, u32, &str)]) -> Result<Decision, Fault> {
    kitchen().decide(&aggregates(rows), &commands(asked), &mut Counting::default())
}

#[test]
fn the_manifest_says_what_the_handler_is() {
    let manifest: serde_json::Value = serde_json::from_str(&kitchen().describe()).unwrap();
    let kind = |name, schema| json!({ "name": name, "schema": schema, "content-type": "application/json" });
    assert_eq!(
        manifest,
        json!({
            "name": "kitchen",
            "version": "1.2.3",
            "fold": 4,
            "types": ["jar", "shelf", "audit"],
            "kinds": [
                kind("Fill", "1"), kind("Seal", "1"), kind("Misuse", "1"),
                kind("Filled", "1"), kind("Sealed", "2"), kind("Sealed", "1"), kind("Opened", "1"),
                kind("Stock", "1"), kind("Stocked", "1"), kind("Note", "7"),
            ],
            "state-schemas": ["jar-3", "1"],
            "aggregates": [
                { "type": JAR, "commands": [FILL, SEAL, MISUSE], "events": [FILLED, SEALED, OLD_SEALED, OPENED] },
                { "type": SHELF, "commands": [STOCK], "events": [STOCKED] },
            ],
            "subscriptions": [{ "type": JAR, "events": [FILLED, SEALED] }],
            "sends": [
                { "type": SHELF, "commands": [STOCK] },
                { "type": AUDIT, "commands": [NOTE] },
            ],
            "items": true,
        })
    );
}

#[test]
fn a_batch_of_several_types_is_decided_in_its_order() {
    let decision = decide(
        &[(JAR, "a", ""), (SHELF, "s", r#"["x"]"#), (JAR, "b", r#"{"grams":7,"sealed":null}"#)],
        &[
            (2, FILL, FILL_5),
            (1, STOCK, r#"{"jar":"y"}"#),
            (0, SEAL, "{}"),
            (2, SEAL, "{}"),
            (0, FILL, FILL_5),
            (1, STOCK, r#"{"jar":"x"}"#),
        ],
    )
    .unwrap();

    let outcomes = &decision.outcomes;
    assert_eq!(outcomes.code, [ACCEPTED, ACCEPTED, ACCEPTED, ACCEPTED, REFUSED, NOTHING]);
    assert_eq!(texts(&outcomes.reasons), ["", "", "", "", "sealed", ""]);
    assert_eq!(texts(&outcomes.details), ["", "", "", "", "the jar is sealed", ""]);
    assert_eq!(texts(&outcomes.replies), ["12", "", "", "", "", ""]);
    assert_eq!(decision.events.cause, [0, 1, 2, 3]);
    assert_eq!(decision.events.kind, [FILLED, STOCKED, SEALED, SEALED]);
    assert_eq!(
        texts(&decision.events.bodies),
        [r#"{"grams":5,"by":"ann"}"#, r#"{"jar":"y"}"#, r#"{"at":102}"#, r#"{"at":103}"#]
    );
    assert_eq!(decision.states.schemas, [0, 1, 0]);
    assert_eq!(
        texts(&decision.states.bytes),
        [r#"{"grams":0,"sealed":102}"#, r#"["x","y"]"#, r#"{"grams":12,"sealed":103}"#]
    );
    assert_eq!(decision.states.wake_at, [1102, NEVER, 1103]);
}

#[test]
fn a_wake_is_decided_in_its_place_among_commands() {
    let sealed = r#"{"grams":1,"sealed":3}"#;
    let decision = decide(
        &[(JAR, "a", sealed), (SHELF, "s", r#"["x"]"#)],
        &[(0, FILL, FILL_5), (0, WAKE, ""), (0, FILL, FILL_5), (1, WAKE, "")],
    )
    .unwrap();
    let outcomes = &decision.outcomes;
    assert_eq!(outcomes.code, [REFUSED, ACCEPTED, ACCEPTED, REFUSED]);
    // A shelf has no deadline, so nobody wakes it; it would say so.
    assert_eq!(texts(&outcomes.reasons), ["sealed", "", "", "wake-missing"]);
    assert_eq!(decision.events.cause, [1, 2]);
    assert_eq!(decision.events.kind, [OPENED, FILLED]);
    assert_eq!(texts(&decision.events.bodies)[0], r#"{"at":101}"#);
    assert_eq!(decision.states.wake_at, [NEVER, NEVER]);
}

#[test]
fn a_slot_without_events_gets_no_state() {
    let decision = decide(
        &[(JAR, "a", r#"{"grams":1,"sealed":3}"#), (JAR, "b", "")],
        &[(0, FILL, FILL_5), (0, SEAL, "{}")],
    )
    .unwrap();
    assert_eq!(decision.outcomes.code, [REFUSED, NOTHING]);
    assert_eq!(texts(&decision.states.bytes), ["", ""]);
    assert_eq!(decision.states.wake_at, [NEVER, NEVER]);
}

#[test]
fn an_accepted_command_may_have_many_events_or_none() {
    let decision = decide(
        &[(JAR, "a", "")],
        &[(0, MISUSE, r#"{"how":"no event"}"#), (0, MISUSE, r#"{"how":"two events"}"#)],
    )
    .unwrap();
    assert_eq!(decision.outcomes.code, [ACCEPTED, ACCEPTED]);
    assert_eq!(decision.events.cause, [1, 1]);
    assert_eq!(decision.events.kind, [FILLED, OLD_SEALED]);
}

#[test]
fn a_body_that_does_not_decode_is_refused_naming_the_field() {
    let cases = [
        (r#"{"with":{"grams":"x"}}"#, "with.grams: invalid type: string \"x\", expected u64"),
        (r#"{"with":{"grams":1,"ounces":2}}"#, "with.ounces: unknown field `ounces`"),
        (r#"{"with":{}}"#, "with: missing field `grams`"),
        (r#"{"with":{"grams":-1}}"#, "with.grams: invalid value: integer `-1`, expected u64"),
        ("{}", "missing field `with`"),
        ("", "the document is empty"),
        ("{", "EOF while parsing an object"),
    ];
    for (body, details) in cases {
        let decision = decide(&[(JAR, "a", "")], &[(0, FILL, body), (0, SEAL, "{}")]).unwrap();
        assert_eq!(decision.outcomes.code, [REFUSED, ACCEPTED], "{body}");
        assert_eq!(decision.outcomes.reasons.get(0), b"malformed", "{body}");
        let found = texts(&decision.outcomes.details).remove(0);
        assert!(found.starts_with(details), "{body}: {found}");
    }
}

#[test]
fn an_attribute_that_is_not_text_is_refused_by_name() {
    let mut asked = commands(&[(0, SEAL, "{}")]);
    asked.principals = [b"\xff".as_slice()].into_iter().collect();
    let decision =
        kitchen().decide(&aggregates(&[(JAR, "a", "")]), &asked, &mut Counting::default()).unwrap();
    assert_eq!(texts(&decision.outcomes.reasons), ["malformed"]);
    assert!(texts(&decision.outcomes.details)[0].starts_with("principal: not UTF-8"));
}

#[test]
fn a_state_that_does_not_decode_is_a_fault_naming_type_key_and_schema() {
    let fault = decide(&[(JAR, "a", r#"{"grams":[]}"#)], &[(0, SEAL, "{}")]).unwrap_err();
    let text = fault.to_string();
    assert!(text.starts_with("jar/a: the state (schema jar-3) does not decode: grams: "), "{text}");
}

#[test]
fn a_past_event_that_does_not_decode_is_a_fault_naming_type_key_and_schema() {
    let fault = kitchen()
        .evolve(
            &aggregates(&[(JAR, "a", "")]),
            &past(&[(0, FILLED, r#"{"grams":1,"by":"x"}"#), (0, SEALED, r#"{"at":true}"#)]),
            &mut Counting::default(),
        )
        .unwrap_err();
    let text = fault.to_string();
    assert!(text.starts_with("jar/a: item 1, event Sealed (schema 2): at: "), "{text}");
}

#[test]
fn states_of_another_schema_and_messages_of_another_kind_are_faults_of_their_own() {
    let state = r#"{"grams":1,"sealed":null}"#;
    let mut wrong = aggregates(&[(JAR, "a", state)]);
    wrong.schemas = vec![1];
    let (handler, mut host) = (kitchen(), Counting::default());
    let asked = commands(&[(0, SEAL, "{}")]);
    assert_eq!(handler.decide(&wrong, &asked, &mut host), Err(Fault::UnsupportedSchema(1)));
    assert_eq!(
        decide(&[(JAR, "a", "")], &[(0, STOCK, "{}")]),
        Err(Fault::UnsupportedKind(STOCK)),
        "a kind of another type of the same handler"
    );
    assert_eq!(decide(&[(JAR, "a", "")], &[(0, 99, "{}")]), Err(Fault::UnsupportedKind(99)));
    let folded =
        handler.evolve(&aggregates(&[(JAR, "a", "")]), &past(&[(0, FILL, "{}")]), &mut host);
    assert_eq!(folded, Err(Fault::UnsupportedKind(FILL)), "a command is no event");
    let reacted = handler.react(&heard(&[(SHELF, "s", STOCKED, "{}")]), &mut host);
    assert_eq!(reacted, Err(Fault::UnsupportedKind(STOCKED)), "nobody hears it");
}

#[test]
fn an_aggregate_type_of_another_handler_is_a_fault_that_names_it() {
    let fault = decide(&[(AUDIT, "a", "")], &[(0, NOTE, "{}")]).unwrap_err();
    assert_eq!(fault.to_string(), "handler kitchen does not own aggregate type 2 (audit)");
}

#[test]
fn columns_that_contradict_each_other_are_faults() {
    let (handler, mut host) = (kitchen(), Counting::default());
    let mut asked = commands(&[(0, SEAL, "{}")]);
    asked.time.clear();
    let fault = handler.decide(&aggregates(&[(JAR, "a", "")]), &asked, &mut host).unwrap_err();
    assert!(fault.to_string().contains("the commands have different lengths"), "{fault}");

    let fault = decide(&[(JAR, "a", "")], &[(1, SEAL, "{}")]).unwrap_err();
    assert!(fault.to_string().contains("slot 1 is not among the aggregates"), "{fault}");
}

#[test]
fn a_decision_that_breaks_a_rule_is_a_fault_that_names_the_item() {
    let cases = [
        ("reply to a refusal", "a refusal carries details, not a reply"),
        ("event beside nothing", "a command that is not accepted has no events"),
        ("refusal without a code", "a refusal needs a code"),
    ];
    for (how, what) in cases {
        let body = json!({ "how": how }).to_string();
        let fault = decide(&[(JAR, "a", "")], &[(0, SEAL, "{}"), (0, MISUSE, &body)]);
        assert_eq!(fault, Err(Fault::Internal(format!("jar/a: item 1, Misuse: {what}"))));
    }
}

#[test]
fn what_the_host_would_not_take_is_a_fault_that_says_how_much_there_was() {
    let cases = [
        ("long reply", "the reply has 2002 bytes, more than the host takes (1024)"),
        ("many events", "the decision has 1025 events, more than the host takes (1024)"),
        ("large event", "Filled has 1048595 bytes, more than the host takes (1048576)"),
    ];
    for (how, what) in cases {
        let body = json!({ "how": how }).to_string();
        let fault = decide(&[(JAR, "a", "")], &[(0, MISUSE, &body)]);
        assert_eq!(fault, Err(Fault::Internal(format!("jar/a: item 0, Misuse: {what}"))));
    }
    let cases = [
        (14, "a key has 1025 bytes, more than the host takes (1024)"),
        (15, "the outbox has 1025 commands, more than the host takes (1024)"),
    ];
    for (grams, what) in cases {
        let body = json!({ "grams": grams, "by": "x" }).to_string();
        let fault = kitchen().react(&heard(&[(JAR, "a", FILLED, &body)]), &mut Counting::default());
        let text = format!("jar/a: item 0, event Filled (schema 1): {what}");
        assert_eq!(fault, Err(Fault::Internal(text)));
    }
}

#[test]
fn long_details_are_cut_not_refused() {
    let body = r#"{"how":"long details"}"#;
    let decision = decide(&[(JAR, "a", "")], &[(0, MISUSE, body)]).unwrap();
    let details = texts(&decision.outcomes.details).remove(0);
    assert!(details.len() <= 1024 && details.ends_with("ä…"), "{details}");
}

#[test]
fn a_panic_of_the_vendors_code_is_not_swallowed() {
    let text = panic_text(|| decide(&[(JAR, "a", "")], &[(0, MISUSE, r#"{"how":"now"}"#)]));
    assert_eq!(text, "asked to panic: now");
}

#[test]
fn every_item_is_announced_once_and_in_order() {
    let (handler, mut host) = (kitchen(), Counting::default());
    let jars = aggregates(&[(JAR, "a", ""), (JAR, "b", "")]);
    let asked = commands(&[(1, SEAL, "{}"), (0, FILL, "malformed"), (1, SEAL, "{}")]);
    handler.decide(&jars, &asked, &mut host).unwrap();
    assert_eq!(host.items, [0, 1, 2]);

    let mut host = Counting::default();
    let events = past(&[(1, SEALED, r#"{"at":1}"#), (0, OLD_SEALED, "{}")]);
    handler.evolve(&jars, &events, &mut host).unwrap();
    assert_eq!(host.items, [0, 1]);

    let mut host = Counting::default();
    let events = heard(&[(JAR, "a", SEALED, r#"{"at":1}"#), (JAR, "a", SEALED, r#"{"at":1}"#)]);
    handler.react(&events, &mut host).unwrap();
    assert_eq!(host.items, [0, 1]);
}

#[test]
fn the_configuration_is_fetched_at_most_once_and_only_for_those_who_read_it() {
    let handler = kitchen();
    let mut host =
        Counting { configuration: br#"{"jar":{"grams_max":4}}"#.to_vec(), ..Default::default() };
    let rows = aggregates(&[(JAR, "a", ""), (JAR, "b", ""), (SHELF, "s", "")]);
    let asked = commands(&[(0, FILL, FILL_5), (1, FILL, FILL_5), (2, STOCK, r#"{"jar":"a"}"#)]);
    let decision = handler.decide(&rows, &asked, &mut host).unwrap();
    assert_eq!(texts(&decision.outcomes.reasons), ["full", "full", ""]);
    assert_eq!(host.configuration_calls, 1);

    let mut host = Counting::default();
    let shelf = aggregates(&[(SHELF, "s", "")]);
    handler.decide(&shelf, &commands(&[(0, STOCK, r#"{"jar":"a"}"#)]), &mut host).unwrap();
    assert_eq!(host.configuration_calls, 0, "nobody in this batch reads it");
    let jar = aggregates(&[(JAR, "a", "")]);
    handler.evolve(&jar, &past(&[(0, OLD_SEALED, "{}")]), &mut host).unwrap();
    assert_eq!(host.configuration_calls, 0, "evolve may not ask for it");
}

#[test]
fn a_configuration_that_is_not_understood_is_a_fault_naming_the_setting() {
    let mut host =
        Counting { configuration: br#"{"jar":{"grams_max":"x"}}"#.to_vec(), ..Default::default() };
    let jar = aggregates(&[(JAR, "a", "")]);
    let fault = kitchen().decide(&jar, &commands(&[(0, SEAL, "{}")]), &mut host).unwrap_err();
    let text = fault.to_string();
    let expected = "the handler's configuration is not understood: jar.grams_max: invalid type";
    assert!(text.starts_with(expected), "{text}");
}

#[test]
fn evolve_folds_interleaved_events_and_keeps_what_has_none() {
    let states = kitchen()
        .evolve(
            &aggregates(&[
                (JAR, "a", ""),
                (JAR, "untouched", r#"{"grams":9,"sealed":50}"#),
                (SHELF, "s", r#"["x"]"#),
                (JAR, "absent", ""),
            ]),
            &past(&[
                (0, FILLED, r#"{"grams":5,"by":"x"}"#),
                (2, STOCKED, r#"{"jar":"y"}"#),
                (0, OLD_SEALED, "{}"),
            ]),
            &mut Counting::default(),
        )
        .unwrap();
    assert_eq!(
        texts(&states.bytes),
        [r#"{"grams":5,"sealed":0}"#, r#"{"grams":9,"sealed":50}"#, r#"["x","y"]"#, ""]
    );
    assert_eq!(states.schemas, [0, 0, 1, 0]);
    assert_eq!(states.wake_at, [1000, 1050, NEVER, NEVER]);
}

#[test]
fn commands_leave_in_the_order_of_events_and_then_of_handlers() {
    let sent = kitchen()
        .react(
            &heard(&[
                (JAR, "a", FILLED, r#"{"grams":101,"by":"x"}"#),
                (JAR, "b", FILLED, r#"{"grams":1,"by":"x"}"#),
                (JAR, "c", SEALED, r#"{"at":1}"#),
            ]),
            &mut Counting::default(),
        )
        .unwrap();
    assert_eq!(sent.cause, [0, 2, 2, 2]);
    assert_eq!(sent.aggregate_type, [AUDIT, SHELF, AUDIT, AUDIT]);
    assert_eq!(sent.kind, [NOTE, STOCK, NOTE, NOTE]);
    assert_eq!(texts(&sent.keys), ["log", "top", "log", "gossip"]);
    assert_eq!(
        texts(&sent.bodies),
        [
            r#"{"text":"a is heavy"}"#,
            r#"{"jar":"c"}"#,
            r#"{"text":"c was number 7"}"#,
            r#"{"text":"someone sealed c, of 1000"}"#,
        ]
    );
}

#[test]
fn a_command_without_a_key_is_a_fault_that_names_event_and_command() {
    let event = heard(&[(JAR, "a", FILLED, r#"{"grams":13,"by":"x"}"#)]);
    let fault = kitchen().react(&event, &mut Counting::default()).unwrap_err();
    assert_eq!(
        fault.to_string(),
        "jar/a: item 0, event Filled (schema 1): command Note is sent to an empty key"
    );
}

#[test]
fn an_event_that_does_not_decode_is_a_fault_naming_type_key_and_schema() {
    let event = heard(&[(JAR, "a", SEALED, "{}")]);
    let fault = kitchen().react(&event, &mut Counting::default()).unwrap_err();
    let text = fault.to_string();
    assert!(
        text.starts_with("jar/a: item 0, event Sealed (schema 2): missing field `at`"),
        "{text}"
    );
}

#[test]
fn inspect_shows_every_state_as_json() {
    let rows = [(JAR, "a", r#"{"grams":1,"sealed":null}"#), (SHELF, "s", ""), (SHELF, "t", "[]")];
    let shown = kitchen().inspect(&aggregates(&rows)).unwrap();
    assert_eq!(texts(&shown), [r#"{"grams":1,"sealed":null}"#, "null", "[]"]);
}

#[test]
fn an_aggregate_type_has_one_owner() {
    let text = panic_text(|| kitchen().aggregate::<support::Jar>());
    assert_eq!(text, "aggregate type jar stands twice in handler kitchen");
}

#[test]
fn an_empty_batch_is_nothing_to_do() {
    let decision = decide(&[], &[]).unwrap();
    assert_eq!(decision, Decision::default());
}
