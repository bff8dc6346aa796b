//! The laws of the contract, checked over columns after every step of a scenario.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::diff;
use super::engine::Engine;
use super::lane::{Answer, Asked, Happened, Lane, Stored};
use crate::bounds::{ANSWER_BYTES_MAX, BODY_BYTES_MAX, MESSAGES_PER_ITEM_MAX};
use crate::columns::{ACCEPTED, Fault, NEVER, WAKE};

/// How often the same call is repeated to find out that its result differs.
const REPEATS: u32 = 3;

/// How many Wakes at one time, each on what the one before left, are not yet a loop.
const WAKES_MAX: u32 = 64;

/// What the host relies on, beyond what types can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// Equal arguments give equal results.
    Repeatable,
    /// The state that `decide` leaves is the one that `evolve` makes of the stored events.
    Agreeing,
    /// Deciding a batch gives what deciding its parts in order gives.
    Splittable,
    /// A command that was decided can be asked again under another id, as an impatient client or another
    /// context may: whatever becomes of it, it does not fault.
    Askable,
    /// What happens to one aggregate does not depend on others in the batch.
    Separate,
    /// A snapshot and the events after it give the state that all events give.
    Replayable,
    /// A state is the same after it was stored and read again.
    StateLossless,
    /// A message is the same after it was stored and read again.
    MessageLossless,
    /// A state that asks to be woken answers with at least one event.
    Answering,
    /// A deadline that was answered does not stay due.
    Settling,
    /// No bound of the host is more than half used up: what a test finds to be large is larger
    /// some day in production.
    Roomy,
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Repeatable => "the same input gives the same output",
            Self::Agreeing => "decide and evolve agree",
            Self::Splittable => "a batch equals its parts",
            Self::Askable => "what was decided can be asked again",
            Self::Separate => "aggregates in one batch do not touch each other",
            Self::Replayable => "a snapshot and its tail equal a full replay",
            Self::StateLossless => "a state survives being stored",
            Self::MessageLossless => "a message survives being stored",
            Self::Answering => "a state that asks to be woken answers with an event",
            Self::Settling => "a deadline that was answered does not stay due",
            Self::Roomy => "there is head-room in the limits",
        })
    }
}

/// Says which law is broken, and how.
#[track_caller]
pub(crate) fn broken(law: Law, how: &str, difference: &str) -> ! {
    panic!("law broken: {law}\n{how}:\n{difference}")
}

/// The value of a call that must not fault.
#[track_caller]
pub(crate) fn unfaulted<T>(what: &str, result: Result<T, Fault>) -> T {
    match result {
        Ok(value) => value,
        Err(fault) => panic!("{what} faulted: {fault}"),
    }
}

/// One step of a scenario: what was asked, what became of it, and the aggregate after it.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) asked: Asked,
    pub(crate) answer: Answer,
    pub(crate) after: Stored,
}

/// The laws of `decide`, for the steps since `base`, of which the last is new. All shorter runs of
/// steps have been checked before.
#[track_caller]
pub(crate) fn check_decide(lane: &Lane, engine: &mut dyn Engine, base: &Stored, steps: &[Step]) {
    let Some((last, earlier)) = steps.split_last() else { return };
    let before = earlier.last().map_or(base, |step| &step.after);
    repeat_decide(lane, engine, before, last);
    agree(lane, engine, before, last);
    for first in (0..earlier.len()).rev() {
        let from = if first == 0 { base } else { &steps[first - 1].after };
        split(lane, engine, from, &steps[first..]);
    }
    stay_apart(lane, engine, base, steps);
    ask_again(lane, engine, last);
}

/// Wakes are never repeated: they name the sequence of the state that asked for them.
#[track_caller]
fn ask_again(lane: &Lane, engine: &mut dyn Engine, step: &Step) {
    if step.asked.kind == WAKE {
        return;
    }
    let asked = Asked { id: format!("{}-again", step.asked.id), ..step.asked.clone() };
    // A panic of a handler that runs natively would end the test without a word of whose command it was.
    let decided = catch_unwind(AssertUnwindSafe(|| {
        lane.decide(engine, &step.after, std::slice::from_ref(&asked), None)
    }));
    let how = match decided {
        Ok(Ok((mut answers, after))) => {
            let Some(answer) = answers.pop() else { panic!("decide gave no answer to a command") };
            return agree(lane, engine, &step.after, &Step { asked, answer, after });
        }
        Ok(Err(fault)) => fault.to_string(),
        Err(panic) => said(&*panic).to_owned(),
    };
    broken(
        Law::Askable,
        "a command that was decided, asked again under another id on the state that it left",
        &format!("  + {how}"),
    )
}

/// What a panic said.
fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked")
}

#[track_caller]
fn repeat_decide(lane: &Lane, engine: &mut dyn Engine, before: &Stored, step: &Step) {
    for _ in 0..REPEATS {
        let again = lane.decide(engine, before, std::slice::from_ref(&step.asked), None);
        let (answers, after) = unfaulted("decide, called again,", again);
        compare_answers(
            Law::Repeatable,
            "the same command, decided twice on the same state, got different answers",
            std::slice::from_ref(&step.answer),
            &answers,
        );
        compare_states(
            Law::Repeatable,
            "the same command, decided twice on the same state, left different states \
             (a HashMap in the state?)",
            &step.after,
            &after,
        );
    }
}

#[track_caller]
fn agree(lane: &Lane, engine: &mut dyn Engine, before: &Stored, step: &Step) {
    if step.answer.events.is_empty() {
        return;
    }
    let folded = unfaulted("evolve", lane.evolve(engine, before, &step.answer.events));
    compare_states(
        Law::Agreeing,
        "the state that decide left (-) is not what evolve makes of the decided events (+)",
        &step.after,
        &folded,
    );
}

#[track_caller]
fn split(lane: &Lane, engine: &mut dyn Engine, from: &Stored, steps: &[Step]) {
    let (asked, singles) = rows(steps);
    let (answers, after) =
        unfaulted("decide, called with a batch,", lane.decide(engine, from, &asked, None));
    let how = format!("{} commands, one by one (-) and in one batch (+)", asked.len());
    compare_answers(Law::Splittable, &how, &singles, &answers);
    compare_states(Law::Splittable, &how, &steps[steps.len() - 1].after, &after);
}

#[track_caller]
fn stay_apart(lane: &Lane, engine: &mut dyn Engine, base: &Stored, steps: &[Step]) {
    let (asked, alone) = rows(steps);
    let neighbour = format!("{}-neighbour", lane.key);
    let (answers, after) = unfaulted(
        "decide, called with two aggregates,",
        lane.decide(engine, base, &asked, Some(&neighbour)),
    );
    let how = "the aggregate alone in its batch (-) and beside another one (+)";
    compare_answers(Law::Separate, how, &alone, &answers);
    compare_states(Law::Separate, how, &steps[steps.len() - 1].after, &after);
}

/// The laws of deadlines: if the state has one, waking it then, or at `now` if that is later, is
/// answered; and so on while it stays due. `ask` makes the Wake of a state.
#[track_caller]
pub(crate) fn check_deadline(
    lane: &Lane,
    engine: &mut dyn Engine,
    state: &Stored,
    now: u64,
    ask: impl Fn(&Stored, u64) -> Asked,
) {
    let time = state.wake_at.max(now);
    let mut before = state.clone();
    for _ in 0..WAKES_MAX {
        if before.wake_at > time || before.wake_at == NEVER {
            return;
        }
        let asked = ask(&before, time);
        let decided = lane.decide(engine, &before, std::slice::from_ref(&asked), None);
        let (mut answers, after) = unfaulted("wake", decided);
        let Some(answer) = answers.pop() else { panic!("decide gave no answer to a Wake") };
        if answer.code != ACCEPTED || answer.events.is_empty() {
            broken(
                Law::Answering,
                &format!("the state wants to be woken at {}; woken at {time}, it", before.wake_at),
                &format!("  + {}", answer.show()),
            );
        }
        let step = Step { asked, answer, after };
        repeat_decide(lane, engine, &before, &step);
        agree(lane, engine, &before, &step);
        before = step.after;
    }
    broken(
        Law::Settling,
        &format!("the state before (-) and after it was woken {WAKES_MAX} times at {time} (+)"),
        &diff::lines(&state.show(), &before.show()),
    );
}

/// What a command led to uses no bound up by more than half. Details are left out: they are cut.
#[track_caller]
pub(crate) fn check_room_of_answer(answer: &Answer) {
    check_room("the refusal's code", "bytes", answer.reason.len(), ANSWER_BYTES_MAX);
    check_room("the reply", "bytes", answer.reply.len(), ANSWER_BYTES_MAX);
    check_room("a command", "events", answer.events.len(), MESSAGES_PER_ITEM_MAX);
    for event in &answer.events {
        check_room("an event", "bytes", event.body.len(), BODY_BYTES_MAX);
    }
}

/// A state uses its bound up by no more than half.
#[track_caller]
pub(crate) fn check_room_of_state(state: &Stored) {
    check_room("the state", "bytes", state.bytes.len(), BODY_BYTES_MAX);
}

#[track_caller]
pub(crate) fn check_room(what: &str, unit: &str, size: usize, max: usize) {
    if size > max / 2 {
        broken(
            Law::Roomy,
            &format!("half of what the host takes (-) and what {what} has (+), in {unit}"),
            &diff::lines(&(max / 2).to_string(), &size.to_string()),
        );
    }
}

fn rows(steps: &[Step]) -> (Vec<Asked>, Vec<Answer>) {
    steps.iter().map(|step| (step.asked.clone(), step.answer.clone())).unzip()
}

/// The laws of `evolve`: the aggregate's whole history, folded in every two parts, gives its state.
#[track_caller]
pub(crate) fn check_evolve(
    lane: &Lane,
    engine: &mut dyn Engine,
    history: &[Happened],
    state: &Stored,
) {
    if history.is_empty() {
        return;
    }
    let whole = unfaulted("evolve", lane.evolve(engine, &Stored::absent(), history));
    for _ in 0..REPEATS {
        let again = unfaulted("evolve", lane.evolve(engine, &Stored::absent(), history));
        compare_states(
            Law::Repeatable,
            "the same events, folded twice, gave different states (a HashMap in the state?)",
            &whole,
            &again,
        );
    }
    compare_states(
        Law::Replayable,
        "the aggregate's state (-) and a fold of its whole history (+)",
        state,
        &whole,
    );
    for cut in 1..history.len() {
        let snapshot = unfaulted("evolve", lane.evolve(engine, &Stored::absent(), &history[..cut]));
        let tail = unfaulted("evolve", lane.evolve(engine, &snapshot, &history[cut..]));
        let how = format!(
            "all {} events in one fold (-) and in two, of {cut} and {} (+)",
            history.len(),
            history.len() - cut
        );
        compare_states(Law::Replayable, &how, state, &tail);
    }
}

#[track_caller]
fn compare_answers(law: Law, how: &str, expected: &[Answer], found: &[Answer]) {
    if expected != found {
        let show =
            |answers: &[Answer]| answers.iter().map(Answer::show).collect::<Vec<_>>().join("\n");
        broken(law, how, &diff::lines(&show(expected), &show(found)));
    }
}

#[track_caller]
pub(crate) fn compare_states(law: Law, how: &str, expected: &Stored, found: &Stored) {
    if expected != found {
        broken(law, how, &diff::lines(&expected.show(), &found.show()));
    }
}

impl Answer {
    /// For people.
    pub(crate) fn show(&self) -> String {
        use crate::columns::{ACCEPTED, NOTHING, REFUSED};
        let mut lines = vec![match self.code {
            ACCEPTED => format!("accepted with {} event(s)", self.events.len()),
            REFUSED => format!("refused with {}: {}", self.reason, self.details),
            NOTHING => "nothing to do".to_owned(),
            other => format!("outcome code {other}, which does not exist"),
        }];
        for event in &self.events {
            lines.push(format!("event of kind {}: {}", event.kind, diff::pretty(&event.body)));
        }
        if !self.reply.is_empty() {
            lines.push(format!("reply: {}", diff::pretty(&self.reply)));
        }
        lines.join("\n")
    }
}

impl Stored {
    fn show(&self) -> String {
        let wake = match self.wake_at {
            crate::columns::NEVER => "never".to_owned(),
            time => time.to_string(),
        };
        format!(
            "sequence {}, schema {}, wake at {wake}\n{}",
            self.sequence,
            self.schema,
            diff::pretty(&self.bytes)
        )
    }
}
