//! What becomes of a command: accepted with events, refused, or nothing to do.

use std::borrow::Cow;

use serde::Serialize;

use crate::{bounds, json};

/// The answer of [`Aggregate::decide`](crate::Aggregate::decide).
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// # use zamu_guest::Decision;
/// # #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)] pub struct Opened {}
/// # #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)] pub struct Greeted {}
/// # zamu_guest::messages! { pub enum Event { Opened, Greeted } }
/// let accepted: Decision<Event> = Decision::accept(Opened {}).and(Greeted {}).reply(&"welcome");
/// let refused: Decision<Event> = Decision::refuse("closed", "the account was closed");
/// let repeated: Decision<Event> = Decision::nothing().reply(&"you are in already");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a decision that is not returned decides nothing"]
pub struct Decision<E> {
    pub(crate) outcome: Outcome,
    pub(crate) events: Vec<E>,
    /// JSON, or nothing.
    pub(crate) reply: Vec<u8>,
    /// A mistake of the handler that makes the whole decision a fault.
    pub(crate) defect: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    Accepted,
    Refused { code: Cow<'static, str>, details: String },
    Nothing,
}

impl<E> Decision<E> {
    /// The command is accepted, and this happens.
    pub fn accept(event: impl Into<E>) -> Self {
        Self::accept_all([event.into()])
    }

    /// The command is accepted, and all this happens, in this order. With no events it is accepted
    /// all the same.
    pub fn accept_all(events: impl IntoIterator<Item = E>) -> Self {
        Self::of(Outcome::Accepted, events.into_iter().collect())
    }

    /// The command is refused: a stable code, for programs, and an explanation, for people, which is
    /// cut to [`bounds::ANSWER_BYTES_MAX`].
    pub fn refuse(code: impl Into<Cow<'static, str>>, details: impl Into<String>) -> Self {
        let (code, mut details) = (code.into(), details.into());
        bounds::cut(&mut details, bounds::ANSWER_BYTES_MAX);
        let defect = code.is_empty().then(|| "a refusal needs a code".to_owned());
        Self { defect, ..Self::of(Outcome::Refused { code, details }, Vec::new()) }
    }

    /// There is nothing to do: what is asked for is so already.
    pub fn nothing() -> Self {
        Self::of(Outcome::Nothing, Vec::new())
    }

    /// One more event. Only an accepted command has events; on any other this is a fault.
    pub fn and(mut self, event: impl Into<E>) -> Self {
        if self.outcome != Outcome::Accepted {
            self.defect = Some("a command that is not accepted has no events".to_owned());
        }
        self.events.push(event.into());
        self
    }

    /// What the caller gets back, as JSON of at most [`bounds::ANSWER_BYTES_MAX`]. A refusal has its
    /// details instead: to give it a reply is a fault, and so is a reply that cannot be JSON.
    pub fn reply(mut self, reply: &(impl Serialize + ?Sized)) -> Self {
        self.reply.clear();
        if matches!(self.outcome, Outcome::Refused { .. }) {
            self.defect = Some("a refusal carries details, not a reply".to_owned());
        } else if let Err(error) = json::encode(reply, &mut self.reply) {
            self.defect = Some(format!("the reply cannot be JSON: {error}"));
        }
        self
    }

    fn of(outcome: Outcome, events: Vec<E>) -> Self {
        Self { outcome, events, reply: Vec::new(), defect: None }
    }
}
