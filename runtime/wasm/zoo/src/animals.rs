//! What the zoo can do wrong, by name. The host's tests name these and expect a reaction to each.

use std::cell::Cell;
use std::hint::black_box;

use crate::bindings::exports::zamu::handler::command_handler::{Decision, Events, Outcomes};
use crate::bindings::exports::zamu::handler::event_handler::Commands;
use crate::bindings::zamu::handler::columns::Fault;
use crate::bindings::zamu::handler::{configuration, log, meter, reference};
use crate::{ACT, ANIMAL, KEEPER, Mood, NOTED, NOTES, blobs, push, states};

/// What `decide` will return, and how it will lie about it.
pub(crate) struct Answer {
    outcomes: Outcomes,
    events: Events,
    lie: Option<Lie>,
}

/// A contradiction in the returned columns.
#[derive(Clone, Copy)]
enum Lie {
    EndsDescend,
    EndsBeyondData,
    ColumnTooLong,
    CauseOutOfRange,
    UnknownKind,
    UnknownCode,
    TooFewOutcomes,
    TooFewStates,
    CauseRefused,
}

impl Default for Answer {
    fn default() -> Self {
        Self {
            outcomes: Outcomes {
                code: Vec::new(),
                reasons: blobs(),
                details: blobs(),
                replies: blobs(),
            },
            events: Events { cause: Vec::new(), kind: Vec::new(), bodies: blobs() },
            lie: None,
        }
    }
}

impl Answer {
    pub(crate) fn into_decision(self, counts: &[u64]) -> Decision {
        let mut decision =
            Decision { outcomes: self.outcomes, events: self.events, states: states(counts) };
        if let Some(lie) = self.lie {
            lie.apply(&mut decision);
        }
        decision
    }

    fn accept(&mut self, index: u32, event: &[u8], reply: &[u8]) {
        self.outcome(0, b"", reply);
        self.event(index, event);
    }

    fn event(&mut self, index: u32, event: &[u8]) {
        self.events.cause.push(index);
        self.events.kind.push(NOTED);
        push(&mut self.events.bodies, event);
    }

    fn outcome(&mut self, code: u8, reason: &[u8], reply: &[u8]) {
        self.outcomes.code.push(code);
        push(&mut self.outcomes.reasons, reason);
        push(&mut self.outcomes.details, reason);
        push(&mut self.outcomes.replies, reply);
    }
}

impl Lie {
    fn named(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"lie-ends-descend" => Self::EndsDescend,
            b"lie-ends-beyond-data" => Self::EndsBeyondData,
            b"lie-column-too-long" => Self::ColumnTooLong,
            b"lie-cause-out-of-range" => Self::CauseOutOfRange,
            b"lie-unknown-kind" => Self::UnknownKind,
            b"lie-unknown-code" => Self::UnknownCode,
            b"lie-too-few-outcomes" => Self::TooFewOutcomes,
            b"lie-too-few-states" => Self::TooFewStates,
            b"lie-cause-refused" => Self::CauseRefused,
            _ => return None,
        })
    }

    fn apply(self, decision: &mut Decision) {
        let events = &mut decision.events;
        match self {
            Self::EndsDescend => {
                let replies = &mut decision.outcomes.replies;
                replies.ends[0] = replies.data.len() as u32 + 1;
            }
            Self::EndsBeyondData => events.bodies.ends.iter_mut().for_each(|end| *end += 1_000),
            Self::ColumnTooLong => events.kind.push(NOTED),
            Self::CauseOutOfRange => events.cause.iter_mut().for_each(|cause| *cause += 1_000),
            Self::UnknownKind => events.kind.iter_mut().for_each(|kind| *kind = 77),
            Self::UnknownCode => decision.outcomes.code.iter_mut().for_each(|code| *code = 9),
            Self::TooFewOutcomes => {
                decision.outcomes.code.pop();
            }
            Self::TooFewStates => {
                decision.states.schemas.pop();
                decision.states.wake_at.pop();
                decision.states.bytes.ends.pop();
            }
            Self::CauseRefused => decision.outcomes.code.iter_mut().for_each(|code| *code = 1),
        }
    }
}

/// What `react` will return, and how it will lie about it.
pub(crate) struct Told {
    commands: Commands,
    lie: Option<Slander>,
}

/// A contradiction in the commands that `react` returns.
#[derive(Clone, Copy)]
enum Slander {
    EndsDescend,
    EndsBeyondData,
    ColumnTooLong,
    CauseOutOfRange,
    UnknownKind,
    TypeNotSent,
    NoKey,
    KeyNotText,
}

impl Default for Told {
    fn default() -> Self {
        let commands = Commands {
            cause: Vec::new(),
            aggregate_type: Vec::new(),
            keys: blobs(),
            kind: Vec::new(),
            bodies: blobs(),
        };
        Self { commands, lie: None }
    }
}

impl Told {
    pub(crate) fn into_commands(mut self) -> Commands {
        if let Some(lie) = self.lie {
            lie.apply(&mut self.commands);
        }
        self.commands
    }

    fn tell(&mut self, index: u32, keeper: &[u8], what: &[u8]) {
        self.commands.cause.push(index);
        self.commands.aggregate_type.push(KEEPER);
        push(&mut self.commands.keys, keeper);
        self.commands.kind.push(ACT);
        push(&mut self.commands.bodies, what);
    }
}

impl Slander {
    fn named(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"lie-ends-descend" => Self::EndsDescend,
            b"lie-ends-beyond-data" => Self::EndsBeyondData,
            b"lie-column-too-long" => Self::ColumnTooLong,
            b"lie-cause-out-of-range" => Self::CauseOutOfRange,
            b"lie-unknown-kind" => Self::UnknownKind,
            b"lie-type-not-sent" => Self::TypeNotSent,
            b"lie-no-key" => Self::NoKey,
            b"lie-key-not-text" => Self::KeyNotText,
            _ => return None,
        })
    }

    fn apply(self, commands: &mut Commands) {
        match self {
            Self::EndsDescend => commands.bodies.ends[0] = commands.bodies.data.len() as u32 + 1,
            Self::EndsBeyondData => commands.keys.ends.iter_mut().for_each(|end| *end += 1_000),
            Self::ColumnTooLong => commands.kind.push(ACT),
            Self::CauseOutOfRange => commands.cause.iter_mut().for_each(|cause| *cause += 1_000),
            Self::UnknownKind => commands.kind.iter_mut().for_each(|kind| *kind = 77),
            Self::TypeNotSent => commands.aggregate_type.fill(ANIMAL),
            Self::NoKey => {
                commands.keys.data.clear();
                commands.keys.ends.fill(0);
            }
            Self::KeyNotText => commands.keys.data.fill(0xff),
        }
    }
}

thread_local! {
    /// State that a guest must not have: calls of `decide` in this instance.
    static CALLS: Cell<u64> = const { Cell::new(0) };
    /// Memory kept from one call to the next.
    static HOARD: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

pub(crate) fn count_call() {
    CALLS.set(CALLS.get() + 1);
}

/// Answers one command, honestly or not.
pub(crate) fn act(
    body: &[u8],
    index: u32,
    count: &mut u64,
    answer: &mut Answer,
) -> Result<(), Fault> {
    if let Some(lie) = Lie::named(body) {
        answer.lie = Some(lie);
    }
    misbehave(body)?;
    if let Some(rest) = body.strip_prefix(b"refuse") {
        answer.outcome(1, rest, b"");
        return Ok(());
    }
    if body == b"nothing" {
        answer.outcome(2, b"", b"already");
        return Ok(());
    }
    *count += 1;
    let (event, reply) = match body {
        // What the operator configured.
        b"configuration" => (b"".to_vec(), configuration::get()),
        // What the table says of an animal.
        _ if body.starts_with(b"look ") => (b"".to_vec(), looked_up(&body[5..])),
        // How often this instance was called: a breach of purity that no single call shows.
        b"hidden" => (b"".to_vec(), CALLS.get().to_string().into_bytes()),
        #[cfg(feature = "std")]
        _ if body.starts_with(b"std-") => (b"".to_vec(), crate::wasi::ask(body)),
        // More than a reply may be, and more than the tests let a guest return.
        b"output" => (b"".to_vec(), vec![b'x'; 2 << 20]),
        _ => match (number_after(b"event-bytes ", body), number_after(b"reply-bytes ", body)) {
            (Some(bytes), _) => (vec![b'x'; bytes], b"".to_vec()),
            (_, Some(bytes)) => (b"".to_vec(), vec![b'x'; bytes]),
            _ => match body.strip_prefix(b"emit ") {
                Some(event) => (event.to_vec(), b"".to_vec()),
                None => (count.to_string().into_bytes(), count.to_string().into_bytes()),
            },
        },
    };
    answer.accept(index, &event, &reply);
    for _ in 1..number_after(b"events ", body).unwrap_or(1) {
        *count += 1;
        answer.event(index, &event);
    }
    Ok(())
}

/// Tells the keeper of an animal's event. After `react ` it says how to go about it.
pub(crate) fn tell(
    mood: Mood,
    key: &[u8],
    event: &[u8],
    index: u32,
    told: &mut Told,
) -> Result<(), Fault> {
    let how = event.strip_prefix(b"react ").unwrap_or(b"honestly");
    let how = mood.takes(how);
    if let Some(lie) = Slander::named(how) {
        told.lie = Some(lie);
    }
    misbehave(how)?;
    if how == b"quiet" {
        return Ok(());
    }
    let oversized = number_after(b"body-bytes ", how).map(|bytes| vec![b'x'; bytes]);
    let made = oversized.or_else(|| how.strip_prefix(b"look ").map(looked_up));
    let body = made.as_deref().or(how.strip_prefix(b"send ")).unwrap_or(event);
    for _ in 0..number_after(b"times ", how).unwrap_or(1) {
        told.tell(index, key, body);
    }
    Ok(())
}

/// How many notes the table says that an animal has made; `-` if it says nothing.
fn looked_up(animal: &[u8]) -> Vec<u8> {
    reference::get(NOTES, animal).unwrap_or_else(|| b"-".to_vec())
}

/// Whether a tame zoo does a plain note instead.
pub(crate) fn is_misbehaviour(what: &[u8]) -> bool {
    const ANIMALS: [&[u8]; 15] = [
        b"trap",
        b"trap-quietly",
        b"loop",
        b"memory",
        b"stack",
        b"out-of-bounds",
        b"fault",
        b"unsupported-schema",
        b"unsupported-kind",
        b"item-again",
        b"item-far",
        b"output",
        b"look-beyond",
        b"look-long",
        b"look-storm",
    ];
    const GROUPS: [&[u8]; 7] = [
        b"lie-",
        b"burn ",
        b"event-bytes ",
        b"reply-bytes ",
        b"events ",
        b"body-bytes ",
        b"times ",
    ];
    ANIMALS.contains(&what) || GROUPS.iter().any(|group| what.starts_with(group))
}

fn number_after(prefix: &[u8], body: &[u8]) -> Option<usize> {
    std::str::from_utf8(body.strip_prefix(prefix)?).ok()?.parse().ok()
}

/// Does what the text says, where it names a misbehaviour that fits any call.
pub(crate) fn misbehave(what: &[u8]) -> Result<(), Fault> {
    match what {
        b"trap" => panic!("the zoo was asked to trap"),
        b"trap-quietly" => core::arch::wasm32::unreachable(),
        b"loop" => forever(),
        b"memory" => all_memory(),
        b"stack" => {
            black_box(dig(1));
        }
        b"out-of-bounds" => {
            let index = black_box(10_000);
            black_box([0_u8; 4][index]);
        }
        b"fault" => return Err(Fault::Internal("the zoo was asked to give up".to_owned())),
        b"unsupported-schema" => return Err(Fault::UnsupportedSchema(7)),
        b"unsupported-kind" => return Err(Fault::UnsupportedKind(9)),
        b"item-again" => meter::item(0),
        b"item-far" => meter::item(1_000_000),
        b"log-flood" => {
            for line in 0..10_000 {
                log::write(2, &format!("line {line} of a flood"));
            }
        }
        b"log-blank" => {
            let blank = "\0".repeat(1 << 20);
            for _ in 0..1_000 {
                log::write(0, &blank);
            }
        }
        b"log-storm" => {
            for _ in 0..10_000_000 {
                log::write(1, "");
            }
        }
        b"log-long" => log::write(1, &"long ".repeat(100_000)),
        b"log-control" => log::write(1, "bell\u{7} and \u{1b}[31mred\u{1b}[0m\nand\ttab"),
        b"log-level" => log::write(200, "a level that does not exist"),
        b"evolve-configuration" => {
            black_box(configuration::get());
        }
        b"look-here" => {
            black_box(reference::get(NOTES, b"a"));
        }
        b"look-beyond" => {
            black_box(reference::get(7, b"a"));
        }
        b"look-long" => {
            black_box(reference::get(NOTES, &[b'a'; 1_025]));
        }
        b"look-storm" => loop {
            black_box(reference::get(NOTES, b"a"));
        },
        // 40 MiB that stay with the instance.
        b"hoard" => HOARD.set(Vec::with_capacity(40 << 20)),
        _ => {
            #[cfg(feature = "std")]
            crate::wasi::act(what);
            if let Some(rounds) = number_after(b"burn ", what) {
                burn(rounds as u64);
            }
        }
    }
    Ok(())
}

/// Uses fuel in proportion to `rounds`.
fn burn(rounds: u64) {
    let mut sum = 0_u64;
    for round in 0..rounds {
        sum = black_box(sum.wrapping_mul(31).wrapping_add(round));
    }
    black_box(sum);
}

fn forever() -> ! {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

fn all_memory() {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    loop {
        // Untouched: the fence is on what is asked for, not on what is written.
        hoard.push(Vec::with_capacity(1 << 20));
        black_box(&mut hoard);
    }
}

#[expect(unconditional_recursion, reason = "it is meant to overflow the stack")]
fn dig(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    dig(depth + 1) + frame[(depth % 64) as usize]
}
