//! What a host remembers of the commands that an aggregate was sent, as scenarios have it: who sends a
//! command again is told what was answered first, and no handler is asked. A pure double; what a
//! command that *is* decided again leads to is a law's to check.

use std::collections::VecDeque;

use super::lane::{Answer, Asked};
use crate::columns::REFUSED;

/// Ids that a host remembers of an aggregate, unless its configuration says otherwise.
const IDS: usize = 64;
/// For how long it does, in milliseconds of the commands' own time.
const AGE_MS: u64 = 24 * 60 * 60 * 1_000;

/// The latest commands with their answers, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Window {
    entries: VecDeque<(Asked, Answer)>,
}

impl Window {
    /// What a command is told whose source and id came before: the first answer again, and nothing
    /// happens; or that it is another command. None for a new one.
    pub(crate) fn find(&self, asked: &Asked) -> Option<Answer> {
        let same = |(known, _): &&(Asked, Answer)| {
            known.source == asked.source
                && known.id == asked.id
                && known.time.saturating_add(AGE_MS) >= asked.time
        };
        let (known, first) = self.entries.iter().rev().find(same)?;
        if (known.kind, &known.body) == (asked.kind, &asked.body) {
            return Some(Answer { events: Vec::new(), ..first.clone() });
        }
        Some(Answer {
            code: REFUSED,
            reason: "id-reused".to_owned(),
            details: "the same id came with another content before".to_owned(),
            reply: Vec::new(),
            events: Vec::new(),
        })
    }

    /// A command was decided.
    pub(crate) fn remember(&mut self, asked: Asked, answer: Answer) {
        self.entries.push_back((asked, answer));
        if self.entries.len() > IDS {
            self.entries.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::ACCEPTED;

    fn asked(id: &str, time: u64, body: &str) -> Asked {
        Asked {
            kind: 1,
            time,
            source: "client".to_owned(),
            id: id.to_owned(),
            correlation: String::new(),
            principal: String::new(),
            body: body.as_bytes().to_vec(),
        }
    }

    fn answer(reply: &str) -> Answer {
        Answer {
            code: ACCEPTED,
            reason: String::new(),
            details: String::new(),
            reply: reply.as_bytes().to_vec(),
            events: Vec::new(),
        }
    }

    #[test]
    fn an_id_is_remembered_for_a_day_and_among_the_last_64() {
        let mut window = Window::default();
        window.remember(asked("1", 7, "a"), answer("first"));
        let found = |window: &Window, time| window.find(&asked("1", time, "a"));
        assert_eq!(found(&window, 7 + AGE_MS), Some(answer("first")));
        assert_eq!(found(&window, 8 + AGE_MS), None);
        for n in 2..=64 {
            window.remember(asked(&n.to_string(), 7, "a"), answer("later"));
        }
        assert_eq!(found(&window, 7), Some(answer("first")));
        window.remember(asked("65", 7, "a"), answer("later"));
        assert_eq!(found(&window, 7), None);
        let mut other = asked("2", 7, "a");
        other.source = "another client".to_owned();
        assert_eq!(window.find(&other), None, "an id is its source's");
    }
}
