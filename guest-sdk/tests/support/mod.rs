//! What the SDK's own tests share: two small aggregates, an event handler, and columns by the row.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::{Deserialize, Serialize};
use zamu_guest::columns::{Aggregates, Commands, Heard, Past};
use zamu_guest::{
    Aggregate, Context, Decision, EventContext, EventHandler, Handler, Host, Outbox, Time,
};

zamu_guest::messages! {
    /// What a jar can be asked.
    pub enum JarCommand { Fill, Seal, Misuse }
}
zamu_guest::messages! {
    /// What can happen to a jar.
    pub enum JarEvent { Filled, Sealed schema "2", OldSealed as "Sealed", Opened }
}
zamu_guest::messages! { pub enum ShelfCommand { Stock } }
zamu_guest::messages! { pub enum ShelfEvent { Stocked } }
zamu_guest::addressed! { pub enum FromJars { "jar" => { Filled, Sealed schema "2" } } }
zamu_guest::addressed! {
    pub enum ToOthers { "shelf" => { Stock }, "audit" => { Note schema "7" } }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fill {
    pub with: Contents,
}
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contents {
    pub grams: u64,
}
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Seal {}
/// Asks for a decision that breaks a rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Misuse {
    pub how: String,
}
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Filled {
    pub grams: u64,
    pub by: String,
}
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sealed {
    pub at: Time,
}
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OldSealed {}
/// A jar was sealed for long enough.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Opened {
    pub at: Time,
}
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stock {
    pub jar: String,
}
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stocked {
    pub jar: String,
}
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Note {
    pub text: String,
}

pub struct Jar;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JarState {
    pub grams: u64,
    pub sealed: Option<Time>,
}

#[derive(Debug, Deserialize)]
pub struct Kitchen {
    pub jar: JarLimits,
}
#[derive(Debug, Deserialize)]
pub struct JarLimits {
    pub grams_max: u64,
}
impl Default for Kitchen {
    fn default() -> Self {
        Self { jar: JarLimits { grams_max: 1_000 } }
    }
}

impl Aggregate for Jar {
    const TYPE: &'static str = "jar";
    const STATE_SCHEMA: &'static str = "jar-3";
    type State = JarState;
    type Command = JarCommand;
    type Event = JarEvent;
    type Configuration = Kitchen;

    fn decide(
        jar: &JarState,
        command: JarCommand,
        context: &Context<'_, Kitchen>,
    ) -> Decision<JarEvent> {
        match command {
            JarCommand::Fill(Fill { with: Contents { grams } }) => {
                let total = jar.grams.saturating_add(grams);
                if jar.sealed.is_some() {
                    Decision::refuse("sealed", "the jar is sealed")
                } else if total > context.configuration.jar.grams_max {
                    Decision::refuse("full", format!("{total} g do not fit"))
                } else {
                    let by = context.principal.to_owned();
                    Decision::accept(Filled { grams, by }).reply(&total)
                }
            }
            JarCommand::Seal(_) if jar.sealed.is_some() => Decision::nothing(),
            JarCommand::Seal(_) => Decision::accept(Sealed { at: context.time }),
            JarCommand::Misuse(Misuse { how }) => match how.as_str() {
                "reply to a refusal" => Decision::refuse("no", "").reply(&1),
                "event beside nothing" => Decision::nothing().and(OldSealed {}),
                "refusal without a code" => Decision::refuse("", "why not"),
                "two events" => Decision::accept(Filled { grams: 1, by: how }).and(OldSealed {}),
                "long reply" => Decision::nothing().reply(&"x".repeat(2_000)),
                "long details" => Decision::refuse("no", "ä".repeat(2_000)),
                "many events" => Decision::accept_all((0..1_025).map(|_| OldSealed {}.into())),
                "large event" => Decision::accept(Filled { grams: 1, by: "x".repeat(1 << 20) }),
                "no event" => Decision::accept_all([]),
                _ => panic!("asked to panic: {how}"),
            },
        }
    }

    fn evolve(jar: JarState, event: &JarEvent) -> JarState {
        match event {
            JarEvent::Filled(filled) => {
                JarState { grams: jar.grams.saturating_add(filled.grams), ..jar }
            }
            JarEvent::Sealed(sealed) => JarState { sealed: Some(sealed.at), ..jar },
            JarEvent::OldSealed(_) => JarState { sealed: Some(Time(0)), ..jar },
            JarEvent::Opened(_) => JarState { sealed: None, ..jar },
        }
    }

    fn wake_at(jar: &JarState) -> Option<Time> {
        jar.sealed.map(|at| at.plus_ms(1_000))
    }

    fn wake(_: &JarState, context: &Context<'_, Kitchen>) -> Decision<JarEvent> {
        Decision::accept(Opened { at: context.time })
    }
}

pub struct Shelf;

impl Aggregate for Shelf {
    const TYPE: &'static str = "shelf";
    type State = Vec<String>;
    type Command = ShelfCommand;
    type Event = ShelfEvent;
    type Configuration = ();

    fn decide(jars: &Vec<String>, command: ShelfCommand, _: &Context) -> Decision<ShelfEvent> {
        let ShelfCommand::Stock(Stock { jar }) = command;
        if jars.contains(&jar) {
            return Decision::nothing();
        }
        Decision::accept(Stocked { jar })
    }

    fn evolve(mut jars: Vec<String>, event: &ShelfEvent) -> Vec<String> {
        let ShelfEvent::Stocked(Stocked { jar }) = event;
        jars.push(jar.clone());
        jars
    }
}

/// Sealed jars go to a shelf, which is noted; jars with more than 100 g are noted, too.
pub struct Keeper;

impl EventHandler for Keeper {
    type Event = FromJars;
    type Command = ToOthers;
    type Configuration = ();

    fn react(event: &FromJars, context: &EventContext) -> Outbox<ToOthers> {
        let jar = context.key;
        match event {
            FromJars::Sealed(_) => Outbox::to("top", Stock { jar: jar.to_owned() })
                .and_to("log", Note { text: format!("{jar} was number {}", context.sequence) }),
            FromJars::Filled(filled) if filled.grams > 100 => {
                Outbox::to("log", Note { text: format!("{jar} is heavy") })
            }
            FromJars::Filled(filled) if filled.grams == 14 => {
                Outbox::to("k".repeat(1_025), Note { text: "to a long name".to_owned() })
            }
            FromJars::Filled(filled) if filled.grams == 15 => {
                (0..1_025).map(|i| (i.to_string(), Stock { jar: "j".to_owned() }.into())).collect()
            }
            FromJars::Filled(filled) if filled.grams == 13 => {
                Outbox::to("", Note { text: "to nobody".to_owned() })
            }
            FromJars::Filled(_) => Outbox::none(),
        }
    }
}

/// Hears what [`Keeper`] hears, too, after it.
pub struct Gossip;

zamu_guest::addressed! { pub enum OnlySealed { "jar" => { Sealed schema "2" } } }
zamu_guest::addressed! { pub enum OnlyNotes { "audit" => { Note schema "7" } } }

impl EventHandler for Gossip {
    type Event = OnlySealed;
    type Command = OnlyNotes;
    type Configuration = Kitchen;

    fn react(_: &OnlySealed, context: &EventContext<'_, Kitchen>) -> Outbox<OnlyNotes> {
        let max = context.configuration.jar.grams_max;
        Outbox::to("gossip", Note { text: format!("someone sealed {}, of {max}", context.key) })
    }
}

pub fn kitchen() -> Handler {
    Handler::new("kitchen", "1.2.3", 4)
        .aggregate::<Jar>()
        .aggregate::<Shelf>()
        .event_handler::<Keeper>()
        .event_handler::<Gossip>()
}

/// Indices into the manifest of [`kitchen`], which a test holds to its document.
pub const JAR: u32 = 0;
pub const SHELF: u32 = 1;
pub const AUDIT: u32 = 2;
pub const FILL: u32 = 0;
pub const SEAL: u32 = 1;
pub const MISUSE: u32 = 2;
pub const FILLED: u32 = 3;
pub const SEALED: u32 = 4;
pub const OLD_SEALED: u32 = 5;
pub const OPENED: u32 = 6;
pub const STOCK: u32 = 7;
pub const STOCKED: u32 = 8;
pub const NOTE: u32 = 9;

/// Counts what a handler asks of its host.
#[derive(Default)]
pub struct Counting {
    pub configuration: Vec<u8>,
    pub configuration_calls: u32,
    pub items: Vec<u32>,
}

impl Host for Counting {
    fn item(&mut self, index: u32) {
        self.items.push(index);
    }

    fn configuration(&mut self) -> Vec<u8> {
        self.configuration_calls += 1;
        self.configuration.clone()
    }

    fn reference(&self, table: u32, key: &[u8]) -> Option<Vec<u8>> {
        panic!("nothing here declares a reference table: {table}, {key:?}")
    }
}

/// Aggregates by the row: type, key, state.
pub fn aggregates(rows: &[(u32, &str, &str)]) -> Aggregates {
    let schemas = rows.iter().map(|row| u32::from(row.0 == SHELF)).collect();
    Aggregates {
        aggregate_type: rows.iter().map(|row| row.0).collect(),
        keys: rows.iter().map(|row| row.1).collect(),
        sequences: rows.iter().map(|row| u64::from(!row.2.is_empty())).collect(),
        schemas,
        states: rows.iter().map(|row| row.2).collect(),
    }
}

/// Commands by the row: slot, kind, body. They come at 100, 101, and so on, from `ann`.
pub fn commands(rows: &[(u32, u32, &str)]) -> Commands {
    Commands {
        slot: rows.iter().map(|row| row.0).collect(),
        kind: rows.iter().map(|row| row.1).collect(),
        time: (100..).take(rows.len()).collect(),
        sources: rows.iter().map(|_| "test").collect(),
        ids: rows.iter().map(|_| "id").collect(),
        correlations: rows.iter().map(|_| "correlation").collect(),
        principals: rows.iter().map(|_| "ann").collect(),
        bodies: rows.iter().map(|row| row.2).collect(),
    }
}

/// Past events by the row: slot, kind, body.
pub fn past(rows: &[(u32, u32, &str)]) -> Past {
    Past {
        slot: rows.iter().map(|row| row.0).collect(),
        kind: rows.iter().map(|row| row.1).collect(),
        time: (100..).take(rows.len()).collect(),
        bodies: rows.iter().map(|row| row.2).collect(),
    }
}

/// Events to hear by the row: type, key, kind, body. Their sequences are 5, 6, and so on.
pub fn heard(rows: &[(u32, &str, u32, &str)]) -> Heard {
    Heard {
        aggregate_type: rows.iter().map(|row| row.0).collect(),
        keys: rows.iter().map(|row| row.1).collect(),
        sequences: (5..).take(rows.len()).collect(),
        kind: rows.iter().map(|row| row.2).collect(),
        time: (100..).take(rows.len()).collect(),
        correlations: rows.iter().map(|_| "correlation").collect(),
        principals: rows.iter().map(|_| "ann").collect(),
        bodies: rows.iter().map(|row| row.3).collect(),
    }
}

/// A column of blobs as text.
pub fn texts(blobs: &zamu_guest::columns::Blobs) -> Vec<String> {
    blobs.iter().map(|blob| String::from_utf8(blob.to_vec()).unwrap()).collect()
}

/// The text of the panic that this must end in.
#[track_caller]
pub fn panic_text<T>(run: impl FnOnce() -> T) -> String {
    let Err(panic) = catch_unwind(AssertUnwindSafe(run)) else { panic!("it did not panic") };
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => (*panic.downcast::<&'static str>().unwrap()).to_owned(),
    }
}
