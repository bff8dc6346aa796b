//! What the exports do for an honest guest, and what each may see.

use zamu_core::guest::columns::{
    ACCEPTED, Aggregates, CommandColumns, MessageColumns, NEVER, NOTHING, REFUSED,
};
use zamu_core::guest::{FaultReason, Guest, Lookup};
use zamu_wasm::Limits;

use crate::support::*;

#[test]
fn decide_returns_every_column_in_its_place() {
    let mut zoo = zoo();
    let mut batch = commands(&["note", "refuse because", "nothing", "note"]);
    batch.slot = vec![1, 0, 0, 1];
    let decision =
        zoo.decide(&aggregates(&[("a", "7"), ("b", "4")]), &batch, &Lookup::default()).unwrap();
    assert_eq!(decision.outcomes.code, [ACCEPTED, REFUSED, NOTHING, ACCEPTED]);
    assert_eq!(texts(&decision.outcomes.reasons), ["", " because", "", ""]);
    assert_eq!(texts(&decision.outcomes.details), ["", " because", "", ""]);
    assert_eq!(texts(&decision.outcomes.replies), ["5", "", "already", "6"]);
    assert_eq!(decision.events.cause, [0, 3]);
    assert_eq!(decision.events.kind, [1, 1]);
    assert_eq!(texts(&decision.events.bodies), ["5", "6"]);
    assert_eq!(texts(&decision.states.bytes), ["7", "6"]);
    assert_eq!(decision.states.schemas, [0, 0]);
    assert_eq!(decision.states.wake_at, [NEVER, NEVER]);
}

#[test]
fn evolve_agrees_with_decide() {
    let mut zoo = zoo();
    let decided = decide(&mut zoo, &["note", "emit x", "nothing", "note"]).unwrap();
    let bodies = texts(&decided.events.bodies);
    let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
    let folded = zoo.evolve(&one_aggregate(), &past(&bodies)).unwrap();
    assert_eq!(folded, decided.states);
}

#[test]
fn react_names_the_causes_of_its_commands() {
    let sent = zoo().react(&events(&["x", "y"]), &Lookup::default()).unwrap();
    assert_eq!((sent.cause, sent.aggregate_type, sent.kind), (vec![0, 1], vec![1, 1], vec![0, 0]));
    assert_eq!(texts(&sent.keys), ["a", "a"]);
    assert_eq!(texts(&sent.bodies), ["x", "y"]);
}

#[test]
fn inspect_shows_states_as_json() {
    let shown = zoo().inspect(&aggregates(&[("a", "7"), ("b", "")])).unwrap();
    assert_eq!(texts(&shown), [r#"{"count":7}"#, r#"{"count":0}"#]);
}

#[test]
fn show_shows_messages_as_json_and_one_that_breaks_it_is_blamed() {
    let mut zoo = zoo();
    let messages = |bodies: &[&str]| MessageColumns {
        aggregate_type: vec![1; bodies.len()],
        kind: (0..bodies.len() as u32).collect(),
        bodies: bodies.iter().map(|body| body.as_bytes()).collect(),
    };
    let shown = zoo.show(&messages(&["x", ""])).unwrap();
    let expected = [r#"{"of":1,"kind":0,"body":"x"}"#, r#"{"of":1,"kind":1,"body":""}"#];
    assert_eq!(texts(&shown), expected);
    let fault = zoo.show(&messages(&["x", "show trap"])).unwrap_err();
    assert_eq!((fault.reason, fault.culprit), (FaultReason::Trap, Some(1)));
    let fault = zoo.show(&messages(&["show evolve-configuration"])).unwrap_err();
    assert!(fault.message.contains("in show"), "{fault:?}");
    assert_eq!(zoo.show(&messages(&["x"])).unwrap().len(), 1, "it goes on");
}

#[test]
fn empty_batches_are_served() {
    let mut zoo = zoo();
    let decision =
        zoo.decide(&Aggregates::default(), &CommandColumns::default(), &Lookup::default()).unwrap();
    assert!(decision.outcomes.code.is_empty() && decision.states.bytes.is_empty());
    assert!(zoo.react(&events(&[]), &Lookup::default()).unwrap().cause.is_empty());
}

#[test]
fn decide_sees_the_configuration() {
    let mut zoo = load_configured("zoo", Limits::default(), b"as the operator wrote it").instance();
    assert_eq!(zoo.handler().spec().configuration, "as the operator wrote it");
    let decision = decide(&mut zoo, &["configuration"]).unwrap();
    assert_eq!(replies(&decision), ["as the operator wrote it"]);
}

#[test]
fn evolve_and_inspect_do_not_see_the_configuration() {
    let mut zoo = load_configured("zoo", Limits::default(), b"secret").instance();
    let evolve = zoo.evolve(&one_aggregate(), &past(&["x", "evolve-configuration"])).unwrap_err();
    let inspect = zoo.inspect(&aggregates(&[("evolve-configuration", "1")])).unwrap_err();
    for (fault, call, culprit) in [(evolve, "in evolve", 1), (inspect, "in inspect", 0)] {
        assert_eq!((fault.reason, fault.culprit), (FaultReason::Trap, Some(culprit)), "{fault}");
        assert!(fault.message.contains(call), "{fault}");
    }
}

#[test]
fn the_manifest_is_read_in_full() {
    let handler = load("zoo", Limits::default());
    let spec = handler.spec();
    let manifest = &spec.manifest;
    assert_eq!((&*spec.name, manifest.version.as_str(), manifest.fold), ("zoo", "0.1.0", 1));
    assert_eq!(spec.digest.len(), 64);
    assert_eq!(manifest.types, ["animal", "keeper"]);
    assert_eq!(manifest.kinds[1].to_string(), "Noted (schema zoo/noted/1, text/plain)");
    assert_eq!(manifest.state_schemas, ["zoo/count/1"]);
    assert_eq!(
        (&*manifest.aggregates[0].commands, &*manifest.aggregates[0].events),
        (&[0][..], &[1][..])
    );
    assert_eq!(
        (manifest.subscriptions[0].aggregate_type, &*manifest.subscriptions[0].kinds),
        (0, &[1][..])
    );
    assert_eq!((manifest.sends[0].aggregate_type, &*manifest.sends[0].kinds), (1, &[0][..]));
    assert!(manifest.items);
    assert!(!load("zoo-plain", Limits::default()).spec().manifest.items);
}
