//! Reference tables: what a manifest says of them, what a lookup finds, and what a wrong one says.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod support;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use support::{Jar, aggregates, commands, heard, panic_text};
use zamu_guest::testing::{Reaction, Scenario};
use zamu_guest::{
    Aggregate, Context, Decision, EventContext, EventHandler, Handler, Host, Outbox, Reference,
    ReferenceDeclaration, Time,
};

/// Who may enter.
const GUESTS: Reference<Guest> = Reference::new("guests");
/// Which rooms are open, by name.
const ROOMS: Reference<bool> = Reference::new("rooms");
/// A table that the door does not declare.
const KEYS: Reference<bool> = Reference::new("keys");

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Guest {
    invited: bool,
    nights: u32,
}

zamu_guest::messages! { pub enum DoorCommand { Enter, TryKey } }
zamu_guest::messages! { pub enum DoorEvent { Entered, Left } }
zamu_guest::addressed! { pub enum AtDoors { "door" => { Entered } } }
zamu_guest::addressed! { pub enum ToRooms { "room" => { Prepare } } }

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Enter {
    who: String,
}
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TryKey {}
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entered {
    who: String,
    nights: u32,
    at: Time,
}
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Left {}
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prepare {}

/// Lets invited guests in, one at a time; they leave when it closes, if the room behind it does.
struct Door;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Inside(Option<(String, Time)>);

impl Aggregate for Door {
    const TYPE: &'static str = "door";
    const REFERENCES: &'static [ReferenceDeclaration] = &[ROOMS.declared(), GUESTS.declared()];
    type State = Inside;
    type Command = DoorCommand;
    type Event = DoorEvent;
    type Configuration = ();

    fn decide(inside: &Inside, command: DoorCommand, context: &Context) -> Decision<DoorEvent> {
        let DoorCommand::Enter(Enter { who }) = command else {
            let opens = context.lookup(&KEYS, "any");
            return Decision::refuse("key", format!("{opens:?}"));
        };
        if inside.0.is_some() {
            return Decision::nothing();
        }
        match context.lookup(&GUESTS, &who) {
            Some(Guest { invited: true, nights }) => {
                Decision::accept(Entered { who, nights, at: context.time })
            }
            Some(_) => Decision::refuse("uninvited", ""),
            None => Decision::refuse("unknown", ""),
        }
    }

    fn evolve(_: Inside, event: &DoorEvent) -> Inside {
        match event {
            DoorEvent::Entered(Entered { who, at, .. }) => Inside(Some((who.clone(), *at))),
            DoorEvent::Left(_) => Inside(None),
        }
    }

    fn wake_at(inside: &Inside) -> Option<Time> {
        inside.0.as_ref().map(|(_, at)| at.plus_ms(1_000))
    }

    fn wake(_: &Inside, context: &Context) -> Decision<DoorEvent> {
        match context.lookup(&ROOMS, context.key) {
            Some(true) => {
                Decision::accept(Entered { who: "again".to_owned(), nights: 0, at: context.time })
            }
            _ => Decision::accept(Left {}),
        }
    }
}

/// Has a room made ready for who comes in, if it is open.
struct Porter;

impl EventHandler for Porter {
    const REFERENCES: &'static [ReferenceDeclaration] = &[GUESTS.declared(), ROOMS.declared()];
    type Event = AtDoors;
    type Command = ToRooms;
    type Configuration = ();

    fn react(event: &AtDoors, context: &EventContext) -> Outbox<ToRooms> {
        let AtDoors::Entered(Entered { who, .. }) = event;
        let guest = context.lookup(&GUESTS, who);
        let is_open = context.lookup(&ROOMS, context.key).unwrap_or(false);
        match guest {
            Some(Guest { nights: 1.., .. }) if is_open => Outbox::to(who, Prepare {}),
            _ => Outbox::none(),
        }
    }
}

fn enter(who: &str) -> Enter {
    Enter { who: who.to_owned() }
}

fn entered(who: &str, nights: u32, at: u64) -> Entered {
    Entered { who: who.to_owned(), nights, at: Time(at) }
}

fn hotel() -> Handler {
    Handler::new("hotel", "1.0.0", 1).aggregate::<Door>().event_handler::<Porter>()
}

fn manifest(handler: &Handler) -> Value {
    serde_json::from_str(&handler.describe()).unwrap()
}

#[test]
fn the_manifest_names_each_reference_table_once_in_the_order_of_its_first_use() {
    assert_eq!(manifest(&hotel())["references"], json!(["rooms", "guests"]));
    let porter_first =
        Handler::new("hotel", "1.0.0", 1).event_handler::<Porter>().aggregate::<Door>();
    assert_eq!(manifest(&porter_first)["references"], json!(["guests", "rooms"]));
}

#[test]
fn a_handler_that_looks_nothing_up_says_nothing_of_reference_tables() {
    assert_eq!(manifest(&support::kitchen()).get("references"), None);
}

#[test]
fn a_command_is_decided_by_the_row_that_stands_there() {
    Scenario::<Door>::new()
        .at(Time(10))
        .when(enter("ann"))
        .then_refused("unknown")
        .given_reference(&GUESTS, "ann", &Guest { invited: false, nights: 3 })
        .given_reference(&GUESTS, "ben", &Guest { invited: true, nights: 7 })
        .when(enter("ann"))
        .then_refused("uninvited")
        .when(enter("ben"))
        .then_events([entered("ben", 7, 10)])
        .when(enter("ann"))
        .then_nothing();
}

#[test]
fn a_row_that_is_gone_is_not_found() {
    Scenario::<Door>::new()
        .given_reference(&GUESTS, "ann", &Guest { invited: true, nights: 3 })
        .given_no_reference(&GUESTS, "ann")
        .given_no_reference(&ROOMS, "never there")
        .when(enter("ann"))
        .then_refused("unknown");
}

#[test]
fn a_deadline_can_be_answered_by_what_stands_in_a_table() {
    let inside = || {
        Scenario::<Door>::new()
            .key("blue")
            .given([entered("ann", 1, 0)])
            .then_wake_at(Some(Time(1_000)))
    };
    inside().when_woken_at(Time(2_000)).then_events([Left {}]);
    inside()
        .given_reference(&ROOMS, "blue", &true)
        .when_woken_at(Time(2_000))
        .then_events([entered("again", 0, 2_000)]);
}

#[test]
fn an_event_is_reacted_to_by_the_rows_that_stand_there() {
    Reaction::<Porter>::new()
        .key("blue")
        .on(entered("ann", 1, 0))
        .then_nothing()
        .given_reference(&GUESTS, "ann", &Guest { invited: true, nights: 1 })
        .on(entered("ann", 1, 0))
        .then_nothing()
        .given_reference(&ROOMS, "blue", &true)
        .on(entered("ann", 1, 0))
        .then_commands([("ann", Prepare {})])
        .given_no_reference(&ROOMS, "blue")
        .on(entered("ann", 1, 0))
        .then_nothing();
}

#[test]
fn a_reader_may_leave_out_fields_that_the_maker_writes() {
    Scenario::<Door>::new()
        .at(Time(10))
        .given_reference(&GUESTS, "ann", &json!({ "nights": 2, "invited": true, "since": "May" }))
        .when(enter("ann"))
        .then_events([entered("ann", 2, 10)]);
}

#[test]
fn a_row_that_does_not_decode_names_table_key_and_field() {
    let text = panic_text(|| {
        Scenario::<Door>::new()
            .given_reference(&GUESTS, "ann", &json!({ "invited": true, "nights": "two" }))
            .when(enter("ann"))
    });
    let expected =
        "row ann of reference table guests does not decode: nights: invalid type: string";
    assert!(text.starts_with(expected), "{text}");
}

#[test]
fn a_table_that_is_not_declared_names_itself_the_role_and_the_remedy() {
    let text = panic_text(|| Scenario::<Door>::new().when(TryKey {}));
    let expected =
        "references::Door does not declare the reference table keys: add it to its REFERENCES";
    assert_eq!(text, expected);
}

#[test]
fn the_kit_takes_no_row_that_the_handler_would_never_see() {
    for (text, said) in [
        (
            panic_text(|| Scenario::<Door>::new().given_reference(&KEYS, "any", &true)),
            "references::Door looks nothing up in keys: it is not among its REFERENCES",
        ),
        (
            panic_text(|| Reaction::<Porter>::new().given_no_reference(&KEYS, "any")),
            "references::Porter looks nothing up in keys",
        ),
        (
            panic_text(|| Scenario::<Jar>::new().given_reference(&ROOMS, "blue", &true)),
            "looks nothing up in rooms",
        ),
        (
            panic_text(|| Scenario::<Door>::new().given_reference(&ROOMS, "", &true)),
            "a key has 1 to 1024 bytes",
        ),
        (
            panic_text(|| {
                Scenario::<Door>::new().given_reference(&ROOMS, "k".repeat(1_025), &true)
            }),
            "a key has 1 to 1024 bytes",
        ),
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
}

/// A host that notes what it is asked for, and has one row in each table.
#[derive(Default)]
struct Asked {
    lookups: std::cell::RefCell<Vec<(u32, String)>>,
}

impl Host for Asked {
    fn item(&mut self, _: u32) {}

    fn configuration(&mut self) -> Vec<u8> {
        panic!("nothing here is configured")
    }

    fn reference(&self, table: u32, key: &[u8]) -> Option<Vec<u8>> {
        let key = String::from_utf8(key.to_vec()).unwrap();
        self.lookups.borrow_mut().push((table, key));
        Some(if table == 0 { b"true".to_vec() } else { br#"{"invited":true,"nights":1}"#.to_vec() })
    }
}

#[test]
fn the_host_is_asked_by_the_index_in_the_manifest_and_only_for_what_is_looked_up() {
    let mut host = Asked::default();
    let asked = commands(&[
        (0, 0, r#"{"who":"ann"}"#),
        (0, 0, r#"{"who":"ben"}"#),
        (1, 0, r#"{"who":"cid"}"#),
    ]);
    hotel().decide(&aggregates(&[(0, "blue", ""), (0, "red", "")]), &asked, &mut host).unwrap();
    // Ben comes to a door that is taken, and is not looked up.
    let of_guests = |key: &str| (1, key.to_owned());
    assert_eq!(host.lookups.take(), [of_guests("ann"), of_guests("cid")]);

    let event = r#"{"who":"ann","nights":1,"at":0}"#;
    hotel().react(&heard(&[(0, "blue", 2, event)]), &mut host).unwrap();
    assert_eq!(host.lookups.take(), [of_guests("ann"), (0, "blue".to_owned())]);
}

#[test]
fn a_key_that_no_row_can_have_is_not_found_and_the_host_is_not_asked() {
    let mut host = Asked::default();
    for (length, found) in [(1_024, 1), (1_025, 0)] {
        let asked = commands(&[(0, 0, &json!({ "who": "x".repeat(length) }).to_string())]);
        let decision = hotel().decide(&aggregates(&[(0, "blue", "")]), &asked, &mut host).unwrap();
        assert_eq!(decision.events.kind.len(), found, "{length}");
        assert_eq!(host.lookups.take().len(), found, "{length}");
    }
}
