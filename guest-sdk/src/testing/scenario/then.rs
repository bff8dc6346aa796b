//! Then: what a scenario says of the last command, and of the aggregate after it.

use serde::Serialize;

use super::Scenario;
use crate::aggregate::Aggregate;
use crate::codec::{self, Codec};
use crate::columns::{ACCEPTED, NOTHING, REFUSED};
use crate::json;
use crate::messages::Messages;
use crate::testing::lane::{Answer, Happened};
use crate::testing::laws::{Law, broken};
use crate::testing::{MessageList, diff};
use crate::time::Time;

/// Then.
impl<A: Aggregate> Scenario<A> {
    /// The command was accepted, with exactly these events.
    ///
    /// # Panics
    /// If it was not.
    #[track_caller]
    pub fn then_events(self, events: impl MessageList<A::Event>) -> Self {
        let answer = self.expect(ACCEPTED, "accepted");
        let (expected, found) = (events.into_messages(), self.decode_events(answer));
        if expected != found {
            panic!("other events than expected (-):\n{}", diff::values(&expected, &found));
        }
        self
    }

    /// The command was refused, with this code.
    ///
    /// # Panics
    /// If it was not.
    #[track_caller]
    pub fn then_refused(self, code: &str) -> Self {
        let answer = self.expect(REFUSED, &format!("refused with {code}"));
        if answer.reason != code {
            panic!("expected a refusal with {code}, but the command was {}", answer.show());
        }
        self
    }

    /// The command was refused, and the details have this text in them.
    ///
    /// # Panics
    /// If it was not.
    #[track_caller]
    pub fn then_details(self, text: &str) -> Self {
        let answer = self.expect(REFUSED, "refused");
        if !answer.details.contains(text) {
            panic!("expected details with `{text}` in them, not: {}", answer.details);
        }
        self
    }

    /// The command had come before, with this source and id: it got the first answer again, which
    /// `then_reply` and the like look at, and nothing happened.
    ///
    /// # Panics
    /// If it had not.
    #[track_caller]
    pub fn then_duplicate(self) -> Self {
        let answer = self.answered();
        if !self.duplicate {
            panic!("expected a command that had come before, but it was {}", answer.show());
        }
        self
    }

    /// There was nothing to do.
    ///
    /// # Panics
    /// If there was.
    #[track_caller]
    pub fn then_nothing(self) -> Self {
        self.expect(NOTHING, "nothing to do");
        self
    }

    /// The command got this reply.
    ///
    /// # Panics
    /// If it got none or another.
    #[track_caller]
    pub fn then_reply(self, reply: &(impl Serialize + ?Sized)) -> Self {
        let mut expected = Vec::new();
        if let Err(error) = json::encode(reply, &mut expected) {
            panic!("the expected reply cannot be JSON: {error}");
        }
        let found = &self.answered().reply;
        if *found != expected {
            panic!(
                "another reply than expected (-):\n{}",
                diff::lines(&diff::pretty(&expected), &diff::pretty(found))
            );
        }
        self
    }

    /// The state passes these assertions.
    #[track_caller]
    pub fn then_state(self, assertions: impl FnOnce(&A::State)) -> Self {
        assertions(&self.state());
        self
    }

    /// The aggregate wants to be woken then, or never.
    ///
    /// # Panics
    /// If it does not.
    #[track_caller]
    pub fn then_wake_at(self, expected: Option<Time>) -> Self {
        let found = A::wake_at(&self.state());
        if found != expected {
            panic!("expected to be woken at {expected:?}, not at {found:?}");
        }
        self
    }

    /// The state, as it was stored.
    ///
    /// # Panics
    /// If what was stored cannot be read.
    #[track_caller]
    #[must_use]
    pub fn state(&self) -> A::State {
        if self.stored.bytes.is_empty() {
            return A::State::default();
        }
        let codec = match self.protobuf_schema {
            Some(schema) if schema == self.stored.schema => Codec::Protobuf,
            _ => Codec::Json,
        };
        match codec::decode(codec, &self.stored.bytes, A::STATE_PROTOBUF) {
            Ok(state) => state,
            Err(error) => broken(
                Law::StateLossless,
                "the state was written and cannot be read",
                &format!("{error}\n{}", diff::pretty(&self.stored.bytes)),
            ),
        }
    }

    /// All events so far.
    #[track_caller]
    #[must_use]
    pub fn events(&self) -> Vec<A::Event> {
        self.decode_all(&self.history)
    }

    #[track_caller]
    fn expect(&self, code: u8, what: &str) -> &Answer {
        let answer = self.answered();
        if answer.code != code {
            panic!("expected the command to be {what}, but it was {}", answer.show());
        }
        answer
    }

    #[track_caller]
    fn answered(&self) -> &Answer {
        match &self.answer {
            Some(answer) => answer,
            None => panic!("`then` needs a `when` before it"),
        }
    }

    #[track_caller]
    pub(super) fn decode_events(&self, answer: &Answer) -> Vec<A::Event> {
        self.decode_all(&answer.events)
    }

    #[track_caller]
    fn decode_all(&self, events: &[Happened]) -> Vec<A::Event> {
        let mut decoded = Vec::with_capacity(events.len());
        for event in events {
            let kind = self.event_kinds.read(event.kind);
            match kind.map(|(kind, codec)| A::Event::decode(kind, codec, &event.body)) {
                Some(Ok(event)) => decoded.push(event),
                Some(Err(error)) => broken(
                    Law::MessageLossless,
                    "an event was written and cannot be read",
                    &format!("{error}\n{}", diff::pretty(&event.body)),
                ),
                None => panic!("kind {} is not an event of {}", event.kind, A::TYPE),
            }
        }
        decoded
    }
}
