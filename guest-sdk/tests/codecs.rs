//! Bodies and states in JSON and in Protobuf, side by side in one handler.
#![allow(clippy::unwrap_used, missing_docs)]

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zamu_guest::columns::{Aggregates, Blobs, Commands, Decision, Fault, Past, States};
use zamu_guest::testing::{
    Native, Projected, Reaction, Scenario, Setting, frozen, frozen_protobuf,
    frozen_protobuf_states, frozen_states,
};
use zamu_guest::{
    Aggregate, Codec, Context, EventContext, EventHandler, Handler, KeyedTable, Outbox, Projection,
    ProjectionContext, ProtobufForm, Rows,
};

/// A client's: it has no Protobuf form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Open {}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Add {
    pub by: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Opened {}

/// Plain data: `prost` is enough.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
pub struct Added {
    #[prost(uint64, tag = "1")]
    pub by: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sum {
    open: bool,
    sum: u64,
}

zamu_guest::protobuf! {
    Add { by = 1 }
    Sum { open = 1, sum = 2 }
}

zamu_guest::messages! { pub enum Command { Open, Add } }
zamu_guest::messages! { pub enum Event { Opened, Added } }

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Configuration {
    codec: Codec,
}

pub struct Adder;

impl Aggregate for Adder {
    const TYPE: &'static str = "adder";
    const STATE_PROTOBUF: Option<ProtobufForm<Sum>> = Some(ProtobufForm::new());
    type State = Sum;
    type Command = Command;
    type Event = Event;
    type Configuration = Configuration;

    fn decide(
        state: &Sum,
        command: Command,
        _: &Context<'_, Configuration>,
    ) -> zamu_guest::Decision<Event> {
        match command {
            Command::Open(Open {}) if state.open => zamu_guest::Decision::nothing(),
            Command::Open(Open {}) => zamu_guest::Decision::accept(Opened {}),
            Command::Add(Add { by }) => zamu_guest::Decision::accept(Added { by }),
        }
    }

    fn evolve(state: Sum, event: &Event) -> Sum {
        match event {
            Event::Opened(Opened {}) => Sum { open: true, ..state },
            Event::Added(Added { by }) => Sum { sum: state.sum.wrapping_add(*by), ..state },
        }
    }

    fn codec(_: &Event, configuration: &Configuration) -> Codec {
        configuration.codec
    }
}

zamu_guest::addressed! { pub enum Heard { "adder" => { Opened, Added } } }
zamu_guest::addressed! { pub enum Sent { "adder" => { Open, Add } } }

pub struct Echo;

impl EventHandler for Echo {
    type Event = Heard;
    type Command = Sent;
    type Configuration = Configuration;

    fn react(event: &Heard, context: &EventContext<'_, Configuration>) -> Outbox<Sent> {
        match event {
            Heard::Opened(Opened {}) => Outbox::to(context.key, Open {}),
            Heard::Added(Added { by }) => Outbox::to(context.key, Add { by: *by }),
        }
    }

    fn codec(_: &Sent, configuration: &Configuration) -> Codec {
        configuration.codec
    }
}

const LAST: KeyedTable<u64> = KeyedTable::new("last");

pub struct Last;

impl Projection for Last {
    const TYPE: &'static str = "adder";
    const TABLES: &'static [zamu_guest::projection::TableDeclaration] = &[LAST.declared()];
    type Event = Event;

    fn project(event: &Event, _: &ProjectionContext<'_>, rows: &mut Rows<'_>) {
        if let Event::Added(Added { by }) = event {
            *rows.current(&LAST) = Some(*by);
        }
    }
}

zamu_guest::handler! {
    name: "adders",
    fold: 1,
    aggregates: [Adder],
    event_handlers: [Echo],
    projections: [Last],
}

const PROTOBUF: &str = r#"{"codec":"protobuf"}"#;

fn manifest() -> Value {
    serde_json::from_str(&handler().describe()).unwrap()
}

/// The manifest's index of a kind in this form.
fn kind(name: &str, codec: Codec) -> u32 {
    let is_it =
        |entry: &Value| entry["name"] == name && entry["content-type"] == codec.content_type();
    let at = manifest()["kinds"].as_array().unwrap().iter().position(is_it);
    at.unwrap() as u32
}

fn schema(id: &str) -> u32 {
    manifest()["state-schemas"].as_array().unwrap().iter().position(|known| known == id).unwrap()
        as u32
}

fn at_rest(sequence: u64, schema: u32, state: &[u8]) -> Aggregates {
    Aggregates {
        aggregate_type: vec![0],
        keys: ["key"].into_iter().collect(),
        sequences: vec![sequence],
        schemas: vec![schema],
        states: [state].into_iter().collect(),
    }
}

fn decide(
    aggregates: &Aggregates,
    configuration: &str,
    asked: &[(u32, &[u8])],
) -> Result<Decision, Fault> {
    let each = |text: &str| asked.iter().map(|_| text).collect::<Blobs>();
    let commands = Commands {
        slot: vec![0; asked.len()],
        kind: asked.iter().map(|(kind, _)| *kind).collect(),
        time: vec![0; asked.len()],
        sources: each("s"),
        ids: each("i"),
        correlations: each("c"),
        principals: each("p"),
        bodies: asked.iter().map(|(_, body)| body).collect(),
    };
    let setting = Setting { configuration: configuration.into(), ..Setting::default() };
    let handler = handler();
    handler.decide(aggregates, &commands, &mut Native::new(&handler, &setting))
}

fn evolve(handler: &Handler, from: &Aggregates, events: &[(u32, &[u8])]) -> States {
    let past = Past {
        slot: vec![0; events.len()],
        kind: events.iter().map(|(kind, _)| *kind).collect(),
        time: vec![0; events.len()],
        bodies: events.iter().map(|(_, body)| body).collect(),
    };
    handler.evolve(from, &past, &mut Native::default()).unwrap()
}

#[test]
fn a_kind_stands_in_the_manifest_once_for_each_form() {
    let (json, protobuf) = ("application/json", "application/protobuf");
    let kind =
        |name: &str, form: &str| json!({ "name": name, "schema": "1", "content-type": form });
    let manifest = manifest();
    assert_eq!(
        manifest["kinds"],
        json!([
            kind("Open", json),
            kind("Add", json),
            kind("Add", protobuf),
            kind("Opened", json),
            kind("Added", json),
            kind("Added", protobuf),
        ])
    );
    assert_eq!(manifest["state-schemas"], json!(["1", "1+protobuf"]));
    let owned = json!([{ "type": 0, "commands": [0, 1, 2], "events": [3, 4, 5] }]);
    assert_eq!(manifest["aggregates"], owned);
    assert_eq!(manifest["subscriptions"], json!([{ "type": 0, "events": [3, 4, 5] }]));
    assert_eq!(manifest["sends"], json!([{ "type": 0, "commands": [0, 1, 2] }]));
    assert_eq!(manifest["projections"], json!([{ "type": 0, "events": [3, 4, 5] }]));
}

#[test]
fn what_comes_in_is_read_by_its_own_content_type_and_what_goes_out_is_written_as_configured() {
    let bodies = [
        (kind("Add", Codec::Json), &br#"{"by":300}"#[..]),
        (kind("Add", Codec::Protobuf), b"\x08\xac\x02"),
    ];
    for (configuration, codec, body) in
        [("", Codec::Json, &br#"{"by":300}"#[..]), (PROTOBUF, Codec::Protobuf, b"\x08\xac\x02")]
    {
        let decided = decide(&at_rest(0, 0, b""), configuration, &bodies).unwrap();
        assert_eq!(decided.events.kind, vec![kind("Added", codec); 2]);
        assert_eq!(decided.events.bodies, [body, body].into_iter().collect());
    }
}

#[test]
fn a_kind_without_a_protobuf_form_is_json_whatever_is_configured() {
    let open = (kind("Open", Codec::Json), &b"{}"[..]);
    let decided = decide(&at_rest(0, 0, b""), PROTOBUF, &[open]).unwrap();
    assert_eq!(decided.events.kind, [kind("Opened", Codec::Json)]);
    // It is no reason for another form of the state either.
    assert_eq!(decided.states.schemas, [schema("1")]);
    assert_eq!(decided.states.bytes.get(0), br#"{"open":true,"sum":0}"#);
}

#[test]
fn a_malformed_body_is_refused_by_its_form_and_names_the_field() {
    let asked = [
        (kind("Add", Codec::Json), &b"\x08\x01"[..]),
        (kind("Add", Codec::Protobuf), br#"{"by":1}"#),
        (kind("Add", Codec::Protobuf), b"\x0a\x01x"),
        (kind("Add", Codec::Protobuf), b""),
        (kind("Add", Codec::Protobuf), b"\x08\x01"),
    ];
    let decided = decide(&at_rest(0, 0, b""), PROTOBUF, &asked).unwrap();
    assert_eq!(decided.outcomes.code, [1, 1, 1, 1, 0]);
    let details: Vec<_> = decided.outcomes.details.iter().map(String::from_utf8_lossy).collect();
    assert!(details[0].contains("expected"), "{details:?}");
    assert!(details[1].starts_with("not Protobuf"), "{details:?}");
    assert_eq!(details[2], "by: wire type 2, expected 0");
    assert_eq!(details[3], "by: the field is missing");
    assert!(decided.outcomes.reasons.iter().take(4).all(|code| code == b"malformed"));
}

#[test]
fn a_state_is_json_until_an_event_in_protobuf_and_protobuf_from_then_on() {
    let handler = handler();
    let (json, protobuf) = (kind("Added", Codec::Json), kind("Added", Codec::Protobuf));
    let one = (json, &br#"{"by":1}"#[..]);
    let two = (protobuf, &b"\x08\x02"[..]);
    for (events, id, bytes) in [
        (&[one][..], "1", &br#"{"open":false,"sum":1}"#[..]),
        (&[one, one], "1", br#"{"open":false,"sum":2}"#),
        (&[one, two], "1+protobuf", b"\x10\x03"),
        (&[two, one], "1+protobuf", b"\x10\x03"),
        (&[one, two, one], "1+protobuf", b"\x10\x04"),
    ] {
        let whole = evolve(&handler, &at_rest(0, 0, b""), events);
        assert_eq!((&*whole.schemas, whole.bytes.get(0)), (&[schema(id)][..], bytes));
        for cut in 0..=events.len() {
            let head = evolve(&handler, &at_rest(0, 0, b""), &events[..cut]);
            let snapshot = at_rest(cut as u64, head.schemas[0], head.bytes.get(0));
            assert_eq!(evolve(&handler, &snapshot, &events[cut..]), whole, "cut at {cut}");
        }
    }
}

#[test]
fn an_aggregate_goes_over_to_protobuf_and_back_without_another_fold_number() {
    let handler = handler();
    let mut state = at_rest(4, schema("1"), br#"{"open":true,"sum":7}"#);
    let add = (kind("Add", Codec::Json), &br#"{"by":1}"#[..]);
    for (configuration, id, bytes) in [
        ("", "1", &br#"{"open":true,"sum":8}"#[..]),
        (PROTOBUF, "1+protobuf", b"\x08\x01\x10\x09"),
        ("", "1+protobuf", b"\x08\x01\x10\x0a"),
    ] {
        let decided = decide(&state, configuration, &[add]).unwrap();
        assert_eq!((decided.states.schemas[0], decided.states.bytes.get(0)), (schema(id), bytes));
        let event = (decided.events.kind[0], decided.events.bodies.get(0));
        assert_eq!(evolve(&handler, &state, &[event]), decided.states);
        state = at_rest(5, decided.states.schemas[0], decided.states.bytes.get(0));
    }
}

#[test]
fn people_are_shown_json_whatever_the_form_is() {
    let handler = handler();
    for (id, bytes) in
        [("1", &br#"{"open":true,"sum":7}"#[..]), ("1+protobuf", b"\x08\x01\x10\x07")]
    {
        let shown = handler.inspect(&at_rest(1, schema(id), bytes)).unwrap();
        assert_eq!(shown.get(0), br#"{"open":true,"sum":7}"#);
    }
    let kinds =
        [kind("Open", Codec::Json), kind("Add", Codec::Protobuf), kind("Added", Codec::Protobuf)];
    let bodies = [&b"{}"[..], b"\x08\x05", b"\x08\x06"].into_iter().collect();
    let shown = handler.show(&[0, 0, 0], &kinds, &bodies).unwrap();
    let expected = [&b"{}"[..], br#"{"by":5}"#, br#"{"by":6}"#].into_iter().collect();
    assert_eq!(shown, expected);
}

#[test]
fn what_cannot_be_shown_is_named() {
    let handler = handler();
    let show = |aggregate_type, kind, body: &[u8]| {
        let bodies = [body].into_iter().collect();
        handler.show(&[aggregate_type], &[kind], &bodies).unwrap_err().to_string()
    };
    let broken = show(0, kind("Add", Codec::Protobuf), b"\x0a\x00");
    assert_eq!(broken, "adder: message 0, Add: by: wire type 2, expected 0");
    assert!(show(0, 77, b"").contains("neither a command nor an event"));
    assert!(show(5, 0, b"").contains("does not own aggregate type 5"));
}

#[test]
fn a_state_of_no_known_schema_is_a_fault() {
    let fault = decide(&at_rest(1, 9, b"x"), "", &[]).err();
    assert_eq!(fault, None, "a slot that is not used is not read");
    let add = (kind("Add", Codec::Json), &br#"{"by":1}"#[..]);
    let fault = decide(&at_rest(1, 9, b"x"), "", &[add]).unwrap_err();
    assert_eq!(fault, Fault::UnsupportedSchema(9));
    let fault = decide(&at_rest(1, schema("1+protobuf"), b"\x0a"), "", &[add]).unwrap_err();
    assert!(fault.to_string().contains("adder/key: the state (schema 1+protobuf)"), "{fault}");
}

#[test]
fn the_laws_hold_in_both_forms_and_in_a_mixture() {
    for said in Codec::ALL {
        for answered in Codec::ALL {
            Scenario::<Adder>::new()
                .given([Added { by: 1 }])
                .in_form(said)
                .given([Added { by: 2 }])
                .configured(json!({ "codec": answered }))
                .when(Add { by: 3 })
                .then_events([Added { by: 3 }])
                .when(Open {})
                .when_body("Open", "{}")
                .then_nothing()
                .configured(json!({ "codec": "json" }))
                .when(Add { by: 4 })
                .then_state(|state| assert_eq!(*state, Sum { open: true, sum: 10 }));
            Reaction::<Echo>::new()
                .in_form(said)
                .configured(json!({ "codec": answered }))
                .on(Added { by: 1 })
                .then_commands([("key", Add { by: 1 })])
                .on(Opened {})
                .then_commands([("key", Open {})]);
        }
        Projected::<Last>::new()
            .in_form(said)
            .on(Opened {})
            .on(Added { by: 7 })
            .then_row(&LAST, &7)
            .in_form(Codec::Json)
            .on(Added { by: 8 })
            .then_row(&LAST, &8);
    }
}

#[test]
fn both_forms_of_messages_and_states_have_frozen_bytes() {
    frozen::<Command>(&[
        (Open {}.into(), "Open", "{}"),
        (Add { by: 300 }.into(), "Add", r#"{"by":300}"#),
    ]);
    frozen_protobuf::<Command>(&[(Add { by: 300 }.into(), "Add", "08ac02")]);
    frozen_protobuf::<Event>(&[
        (Added { by: 300 }.into(), "Added", "08ac02"),
        (Added { by: 0 }.into(), "Added", ""),
    ]);
    frozen_states(&[(Sum { open: true, sum: 1 }, r#"{"open":true,"sum":1}"#)]);
    frozen_protobuf_states(&[
        (Sum { open: true, sum: 1 }, "08011001"),
        (Sum { open: false, sum: 0 }, "1000"),
    ]);
}

#[test]
#[should_panic(expected = "no body of Add is frozen")]
fn a_protobuf_form_that_is_not_frozen_is_missed() {
    frozen_protobuf::<Command>(&[]);
}

#[test]
#[should_panic(expected = "Add has another body than once")]
fn another_protobuf_form_than_once_is_found() {
    frozen_protobuf::<Command>(&[(Add { by: 300 }.into(), "Add", "08ac03")]);
}
