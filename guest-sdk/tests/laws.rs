//! The kit finds what breaks a law: one deliberately broken aggregate, event handler or engine per
//! law, and a sound one that passes.

#![allow(missing_docs, unreachable_pub)]

mod support;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use support::{Fill, Filled, Jar, Keeper, Note, Seal, Sealed, Stock, kitchen, panic_text};
use zamu_guest::columns::{
    Aggregates, Commands, Decision as Decided, Fault, Heard, Past, Sent, States,
};
use zamu_guest::testing::{Engine, Law, Reaction, Scenario, Setting};
use zamu_guest::{Aggregate, Context, Decision, EventContext, EventHandler, Handler, Outbox, Time};

zamu_guest::messages! { pub enum Command { Put, Forgetful } }
zamu_guest::messages! { pub enum Event { WasPut, Partial } }

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Put {
    pub name: String,
}
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WasPut {
    pub name: String,
    pub number: u64,
}
/// A command that does not survive being stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Forgetful {
    #[serde(skip)]
    pub lost: u64,
}
/// An event that does not survive being stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Partial {
    #[serde(skip)]
    pub lost: u64,
}

/// An aggregate that numbers the names it is given, with one thing about it broken.
macro_rules! broken {
    (
        $name:ident, $state:ty,
        decide($decide_state:ident, $put:ident, $context:ident) $decide:block,
        evolve($evolve_state:ident, $event:ident) $evolve:block
    ) => {
        struct $name;

        impl Aggregate for $name {
            const TYPE: &'static str = "broken";
            type State = $state;
            type Command = Command;
            type Event = Event;
            type Configuration = ();

            fn decide(
                $decide_state: &$state,
                command: Command,
                $context: &Context,
            ) -> Decision<Event> {
                let $put = match command {
                    Command::Put($put) => $put,
                    Command::Forgetful(_) => return Decision::nothing(),
                };
                $decide
            }

            #[allow(unused_mut)]
            fn evolve(mut $evolve_state: $state, event: &Event) -> $state {
                let $event = match event {
                    Event::WasPut($event) => ($event.name.clone(), $event.number),
                    Event::Partial($event) => (String::new(), $event.lost),
                };
                $evolve
            }
        }
    };
}

fn put(name: &str) -> Put {
    Put { name: name.to_owned() }
}

fn was_put(name: &str) -> WasPut {
    WasPut { name: name.to_owned(), number: 1 }
}

#[track_caller]
fn assert_breaks<T>(law: Law, run: impl FnOnce() -> T) {
    let text = panic_text(run);
    assert!(text.starts_with(&format!("law broken: {law}\n")), "another panic: {text}");
    let marked = |mark| text.lines().skip(1).any(|line| line.starts_with(mark));
    assert!(marked("  - ") || marked("  + "), "no difference is shown: {text}");
}

broken!(
    HashMapState, HashMap<String, u64>,
    decide(state, put, _context) {
        Decision::accept(WasPut { name: put.name, number: state.len() as u64 })
    },
    evolve(state, event) { state.insert(event.0, event.1); state }
);

#[test]
fn a_hash_map_in_the_state_is_found() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    assert_breaks(Law::Repeatable, || Scenario::<HashMapState>::new().given(names.map(was_put)));
    assert_breaks(Law::Repeatable, || {
        Scenario::<HashMapState>::new().given(names.map(was_put)).when(put("k"))
    });
}

broken!(
    Jealous, Vec<String>,
    decide(state, put, _context) {
        assert!(!state.contains(&put.name), "{} cannot come twice", put.name);
        Decision::accept(WasPut { name: put.name, number: 1 })
    },
    evolve(state, event) { state.push(event.0); state }
);

#[test]
fn a_command_that_cannot_be_asked_again_is_found_though_nobody_asks_it_twice() {
    let text = panic_text(|| Scenario::<Jealous>::new().when(put("a")));
    assert!(text.contains("a cannot come twice"), "{text}");
    assert_breaks(Law::Askable, || Scenario::<Jealous>::new().when(put("a")));
    assert_breaks(Law::Askable, || Scenario::<Jealous>::new().given([was_put("a")]).when(put("b")));
}

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
    static LAST_KEY: RefCell<String> = const { RefCell::new(String::new()) };
}

fn next_call() -> u64 {
    CALLS.replace(CALLS.get() + 1)
}

broken!(
    HiddenInDecide, u64,
    decide(_state, put, _context) {
        Decision::accept(WasPut { name: put.name, number: next_call() })
    },
    evolve(state, event) { state + event.1 }
);

#[test]
fn a_decide_with_hidden_state_is_found() {
    assert_breaks(Law::Repeatable, || Scenario::<HiddenInDecide>::new().when(put("a")));
}

broken!(
    HiddenInReply, u64,
    decide(_state, _put, _context) { Decision::nothing().reply(&next_call()) },
    evolve(state, event) { state + event.1 }
);

#[test]
fn a_reply_that_depends_on_hidden_state_is_found() {
    assert_breaks(Law::Repeatable, || Scenario::<HiddenInReply>::new().when(put("a")));
}

broken!(
    HiddenInEvolve, u64,
    decide(_state, put, _context) { Decision::accept(WasPut { name: put.name, number: 1 }) },
    evolve(state, event) { state + event.1 + next_call() }
);

#[test]
fn an_evolve_with_hidden_state_is_found() {
    assert_breaks(Law::Repeatable, || Scenario::<HiddenInEvolve>::new().given([was_put("a")]));
    assert_breaks(Law::Repeatable, || Scenario::<HiddenInEvolve>::new().when(put("a")));
}

broken!(
    LossyEvent, u64,
    decide(_state, _put, _context) { Decision::accept(Partial { lost: 7 }) },
    evolve(state, event) { state + event.1 }
);

#[test]
fn an_evolve_that_disagrees_with_decide_is_found() {
    assert_breaks(Law::Agreeing, || Scenario::<LossyEvent>::new().when(put("a")));
}

/// Part of it is not stored, and equality does not tell.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Cached {
    stored: u64,
    #[serde(skip)]
    cache: u64,
}

impl PartialEq for Cached {
    fn eq(&self, other: &Self) -> bool {
        self.stored == other.stored
    }
}

broken!(
    CachedInDecide, Cached,
    decide(state, put, _context) {
        Decision::accept(WasPut { name: put.name, number: state.cache })
    },
    evolve(state, event) {
        Cached { stored: state.stored + event.1, cache: state.cache + 1 }
    }
);

#[test]
fn a_batch_that_differs_from_its_parts_is_found() {
    let once = Scenario::<CachedInDecide>::new().when(put("a"));
    assert_breaks(Law::Splittable, || once.when(put("b")));
}

broken!(
    CachedInEvolve, Cached,
    decide(_state, _put, _context) { Decision::nothing() },
    evolve(state, event) {
        Cached { stored: state.stored + state.cache + event.1, cache: state.cache + 1 }
    }
);

#[test]
fn a_snapshot_that_forgets_something_is_found() {
    let once = Scenario::<CachedInEvolve>::new().given([was_put("a")]);
    assert_breaks(Law::Replayable, || once.given([was_put("b")]));
}

broken!(
    Neighbourly, u64,
    decide(_state, put, context) {
        let last = LAST_KEY.replace(context.key.to_owned());
        let moved = !last.is_empty() && last != context.key;
        Decision::accept(WasPut { name: put.name, number: u64::from(moved) })
    },
    evolve(state, event) { state + event.1 }
);

#[test]
fn an_aggregate_that_feels_its_neighbours_is_found() {
    assert_breaks(Law::Separate, || Scenario::<Neighbourly>::new().when(put("a")));
}

/// Part of it is not stored, and equality tells.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Skipping {
    stored: u64,
    #[serde(skip)]
    lost: u64,
}

broken!(
    LossyState, Skipping,
    decide(_state, put, _context) { Decision::accept(WasPut { name: put.name, number: 1 }) },
    evolve(state, event) { Skipping { stored: state.stored + event.1, lost: state.lost + 1 } }
);

#[test]
fn a_state_that_does_not_survive_being_stored_is_found() {
    assert_breaks(Law::StateLossless, || Scenario::<LossyState>::new().given([was_put("a")]));
    assert_breaks(Law::StateLossless, || Scenario::<LossyState>::new().when(put("a")));
}

broken!(
    UnwritableState, HashMap<(u8, u8), u64>,
    decide(_state, put, _context) { Decision::accept(WasPut { name: put.name, number: 1 }) },
    evolve(state, event) { state.insert((1, 2), event.1); state }
);

#[test]
fn a_state_that_cannot_be_stored_is_found() {
    let text = panic_text(|| Scenario::<UnwritableState>::new().when(put("a")));
    let expected = "decide faulted: broken/key: item 0, Put: the state cannot be JSON: ";
    assert!(text.starts_with(expected), "{text}");
}

#[test]
fn messages_that_do_not_survive_being_stored_are_found() {
    assert_breaks(Law::MessageLossless, || {
        Scenario::<LossyEvent>::new().given([Partial { lost: 7 }])
    });
    assert_breaks(Law::MessageLossless, || {
        Scenario::<LossyEvent>::new().when(Forgetful { lost: 7 })
    });
}

/// An aggregate whose deadline is answered as the name that it was given says.
struct Sleeper;

impl Aggregate for Sleeper {
    const TYPE: &'static str = "sleeper";
    type State = (String, u64);
    type Command = Command;
    type Event = Event;
    type Configuration = ();

    fn decide(_: &(String, u64), command: Command, _: &Context) -> Decision<Event> {
        let Command::Put(Put { name }) = command else { return Decision::nothing() };
        Decision::accept(was_put(&name))
    }

    fn evolve(state: (String, u64), event: &Event) -> (String, u64) {
        let Event::WasPut(event) = event else { return state };
        match event.name.as_str() {
            "" => (state.0, state.1 + event.number),
            name => (name.to_owned(), 0),
        }
    }

    fn wake_at((name, woken): &(String, u64)) -> Option<Time> {
        (name != "thrice" || *woken < 3).then_some(Time(9))
    }

    fn wake((name, _): &(String, u64), context: &Context) -> Decision<Event> {
        assert_eq!(context.source, "zamu");
        assert!(context.id.starts_with("sleeper/key/") && context.id.ends_with("/wake"));
        match name.as_str() {
            "refuses" => Decision::refuse("asleep", "let me sleep"),
            "nothing" => Decision::nothing(),
            "no event" => Decision::accept_all([]),
            "hidden" => Decision::accept(WasPut { name: String::new(), number: next_call() }),
            _ => Decision::accept(was_put("")),
        }
    }
}

#[test]
fn a_deadline_that_is_not_answered_with_an_event_is_found() {
    for name in ["refuses", "nothing", "no event"] {
        assert_breaks(Law::Answering, || Scenario::<Sleeper>::new().when(put(name)));
        assert_breaks(Law::Answering, || Scenario::<Sleeper>::new().given([was_put(name)]));
    }
    // One that says nothing of deadlines but when.
    struct Silent;
    impl Aggregate for Silent {
        const TYPE: &'static str = "silent";
        type State = u64;
        type Command = Command;
        type Event = Event;
        type Configuration = ();

        fn decide(_: &u64, _: Command, _: &Context) -> Decision<Event> {
            Decision::accept(was_put("a"))
        }
        fn evolve(count: u64, _: &Event) -> u64 {
            count + 1
        }
        fn wake_at(count: &u64) -> Option<Time> {
            Some(Time(*count))
        }
    }
    let text = panic_text(|| Scenario::<Silent>::new().when(put("a")));
    assert!(text.contains("silent has a wake_at, but no wake that answers it"), "{text}");
}

#[test]
fn a_deadline_that_stays_due_for_ever_is_found() {
    assert_breaks(Law::Settling, || Scenario::<Sleeper>::new().when(put("always")));
    // Some more Wakes at the same time are no loop.
    Scenario::<Sleeper>::new().when(put("thrice")).then_wake_at(Some(Time(9)));
}

#[test]
fn a_wake_with_hidden_state_is_found() {
    assert_breaks(Law::Repeatable, || Scenario::<Sleeper>::new().when(put("hidden")));
}

zamu_guest::addressed! { pub enum Puts { "broken" => { WasPut } } }
zamu_guest::addressed! { pub enum Asks { "broken" => { Put, Forgetful } } }

struct HiddenInReact;

impl EventHandler for HiddenInReact {
    type Event = Puts;
    type Command = Asks;
    type Configuration = ();

    fn react(_: &Puts, _: &EventContext) -> Outbox<Asks> {
        Outbox::to("other", put(&next_call().to_string()))
    }
}

#[test]
fn a_react_with_hidden_state_is_found() {
    assert_breaks(Law::Repeatable, || Reaction::<HiddenInReact>::new().on(was_put("a")));
}

/// A sound handler, except that calls with more than one item go wrong.
struct BadWithBatches(Handler);

impl Engine for BadWithBatches {
    fn describe(&mut self) -> String {
        self.0.describe()
    }

    fn decide(
        &mut self,
        aggregates: &Aggregates,
        commands: &Commands,
        setting: &Setting,
    ) -> Result<Decided, Fault> {
        let mut decided = Engine::decide(&mut self.0, aggregates, commands, setting)?;
        if commands.kind.len() > 1 {
            decided.outcomes.replies = commands.kind.iter().map(|_| "1").collect();
        }
        Ok(decided)
    }

    fn evolve(&mut self, aggregates: &Aggregates, events: &Past) -> Result<States, Fault> {
        Engine::evolve(&mut self.0, aggregates, events)
    }

    fn react(&mut self, events: &Heard, setting: &Setting) -> Result<Sent, Fault> {
        let mut sent = Engine::react(&mut self.0, events, setting)?;
        if events.kind.len() > 1 {
            sent.cause.fill(0);
        }
        Ok(sent)
    }
}

#[test]
fn an_engine_that_is_wrong_about_batches_is_found() {
    let keeper = Handler::new("keeper", "1.0.0", 1).event_handler::<Keeper>();
    let heavy = Filled { grams: 500, by: "ann".to_owned() };
    let once = Reaction::<Keeper>::on_engine(BadWithBatches(keeper)).on(heavy.clone());
    assert_breaks(Law::Splittable, || once.on(heavy));

    let once = Scenario::<Jar>::on_engine(BadWithBatches(kitchen())).key("a");
    // One command beside a neighbour's is a batch already.
    assert_breaks(Law::Separate, || once.when(Seal {}));
}

#[test]
fn a_sound_aggregate_and_a_sound_event_handler_pass() {
    let fill = |grams| Fill { with: support::Contents { grams } };
    let mut scenario = Scenario::<Jar>::new();
    for grams in 0..40 {
        scenario = scenario.later_by_ms(5).when(fill(grams));
    }
    scenario
        .given([Filled { grams: 1, by: "x".to_owned() }])
        .at(Time(500))
        .when(Seal {})
        .then_events([Sealed { at: Time(500) }])
        .then_wake_at(Some(Time(1_500)))
        .when(fill(1))
        .then_refused("sealed")
        .when(Seal {})
        .then_nothing();

    Reaction::<Keeper>::new()
        .key("a")
        .on(Filled { grams: 500, by: "ann".to_owned() })
        .then_commands([("log", Note { text: "a is heavy".to_owned() })])
        .on(Filled { grams: 5, by: "ann".to_owned() })
        .then_nothing()
        .sequence(9)
        .on(Sealed { at: Time(1) })
        .then_commands(
            Outbox::to("top", Stock { jar: "a".to_owned() })
                .and_to("log", Note { text: "a was number 9".to_owned() }),
        );
}

/// A name of so many bytes.
fn long(bytes: usize) -> String {
    "x".repeat(bytes)
}

broken!(
    Growing, Vec<String>,
    decide(_state, put, _context) {
        match put.name.as_str() {
            "reply" => Decision::nothing().reply(&long(600)),
            "events" => Decision::accept_all(vec![Event::WasPut(was_put("a")); 600]),
            "event" => Decision::accept(was_put(&long(600 << 10))),
            name => Decision::accept(was_put(name)),
        }
    },
    evolve(state, event) { state.push(event.0); state }
);

#[test]
fn an_aggregate_without_head_room_is_found_before_the_host_faults_it() {
    for name in ["reply", "events", "event"] {
        assert_breaks(Law::Roomy, || Scenario::<Growing>::new().when(put(name)));
    }
    let half_full = Scenario::<Growing>::new().when(put(&long(400 << 10)));
    assert_breaks(Law::Roomy, || half_full.when(put(&long(400 << 10))));
    assert_breaks(Law::Roomy, || {
        Scenario::<Growing>::new().given([was_put(&long(300 << 10)), was_put(&long(300 << 10))])
    });
}

struct Talkative;

impl EventHandler for Talkative {
    type Event = Puts;
    type Command = Asks;
    type Configuration = ();

    fn react(event: &Puts, _: &EventContext) -> Outbox<Asks> {
        let Puts::WasPut(event) = event;
        match event.name.as_str() {
            "key" => Outbox::to(long(600), put("a")),
            "body" => Outbox::to("other", put(&long(600 << 10))),
            "commands" => {
                (0..600).fold(Outbox::none(), |all, n| all.and_to(n.to_string(), put("a")))
            }
            _ => Outbox::to(long(500), put("a")),
        }
    }
}

#[test]
fn an_event_handler_without_head_room_is_found_before_the_host_faults_it() {
    for name in ["key", "body", "commands"] {
        assert_breaks(Law::Roomy, || Reaction::<Talkative>::new().on(was_put(name)));
    }
    Reaction::<Talkative>::new().on(was_put("a")).then_commands([(long(500), put("a"))]);
}
