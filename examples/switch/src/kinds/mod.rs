//! Every kind of transfer that the demo drives, and which transfer is of which.
//!
//! A kind is what is unusual about the payer's offer, what is said about the transfer at which point
//! of its life and what the host must answer, and how the transfer may end. All kinds are the
//! `table`; what is said of one transfer becomes commands in `said`. Who is to say it, and when, is
//! left to `load` and `payee`; whether it was answered so, to the `clerk`; whether it ended so, to
//! `outcomes`.
//!
//! The number of a transfer's kind is part of its id, so all of this is known from the id alone.

mod answer;
mod said;
mod table;
#[cfg(test)]
mod tests;

use std::fmt;

use scheme::{Phase, Timestamp};

use crate::transfer::{self, Prepare};

use table::UNHAPPY;

pub(crate) use answer::{Answer, Ways};
pub(crate) use said::Offered;
pub(crate) use table::{KINDS, LARGE, UNLUCKY};

/// A kind of transfer.
pub(crate) struct Kind {
    /// Its name for people and programs.
    pub(crate) name: &'static str,
    /// What is unusual about the offer that is made at this time.
    offer: fn(&mut Prepare<'_>, Timestamp),
    /// All that is said of it beside the offer.
    says: &'static [Say],
    /// How it may end. The first is what the kind is about; what is to be said at the end is said
    /// only then. Where answers are raced, these are the ends of each way, in their order.
    pub(crate) ends: &'static [End],
}

/// What is said of a transfer.
struct Say {
    when: When,
    word: Word,
    answer: Answer,
}

/// At which point of a transfer's life something is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// Right behind the offer, in the same request: before the accounts can have answered, as a rule.
    AtOnce,
    /// By the payee, which has been told that it was prepared.
    Prepared,
    /// After its final event.
    Ended,
}

/// What can be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    /// The payer asks for the same again.
    Same,
    /// The payer asks for something else under the same name.
    Changed,
    /// The payee fulfils.
    Fulfil,
    /// The payee fulfils before it knows of any reservation.
    FulfilEarly,
    /// The payee fulfils once more.
    FulfilAgain,
    /// The payee sends a fulfilment of another condition.
    FulfilWrong,
    /// The payee sends a fulfilment that is none.
    FulfilMalformed,
    /// The payer fulfils by itself: the right secret, from the wrong one.
    FulfilByPayer,
    /// The payee does not want it.
    Abort,
    /// The payee does not want it, and says so before it knows of any reservation.
    AbortEarly,
    /// The payee says once more that it does not want it.
    AbortAgain,
    /// The payee does not want it for another reason.
    AbortOtherwise,
    /// The payer aborts by itself.
    AbortByPayer,
}

/// How a transfer ends: the final state, and the code if it was not fulfilled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    phase: Phase,
    code: Option<&'static str>,
}

/// Every so many transfers, one is large, where versions are deployed.
const LARGE_EVERY: u64 = 25;
/// Likewise, one is unlucky.
const UNLUCKY_EVERY: u64 = 100;

/// Which transfer is of which kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// How many there are.
    pub(crate) transfers: u64,
    /// How many of a hundred are not happy: of all unhappy kinds in turn, evenly spread.
    pub(crate) unhappy_percent: u64,
    /// Whether some are there for other versions of the rules, which decide them otherwise.
    pub(crate) for_versions: bool,
}

impl Plan {
    /// The transfer with this index.
    pub(crate) fn transfer(&self, index: u64) -> Transfer {
        let unhappy_before = |index: u64| index * self.unhappy_percent / 100;
        let before = unhappy_before(index);
        let kind = if unhappy_before(index + 1) > before {
            1 + (before % u64::from(UNHAPPY)) as u16
        } else if self.for_versions && index % UNLUCKY_EVERY == UNLUCKY_EVERY / 2 {
            UNLUCKY
        } else if self.for_versions && index % LARGE_EVERY == LARGE_EVERY / 2 {
            LARGE
        } else {
            0
        };
        Transfer { index, kind }
    }
}

/// A transfer, by what its id says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Transfer {
    /// Its place among all.
    pub(crate) index: u64,
    /// The number of its kind.
    pub(crate) kind: u16,
}

impl Transfer {
    /// The transfer of an id, if it is one of ours.
    pub(crate) fn of(id: &str) -> Option<Self> {
        let (index, kind) = transfer::parse(id)?;
        (usize::from(kind) < KINDS.len()).then_some(Self { index, kind })
    }

    /// Its id.
    pub(crate) fn id(self) -> String {
        transfer::id(self.index, self.kind)
    }

    /// Its kind.
    pub(crate) fn kind(self) -> &'static Kind {
        // A number that has no kind is never made: both ways to a transfer see to that.
        KINDS.get(usize::from(self.kind)).unwrap_or(&KINDS[0])
    }

    /// Whether it goes the usual way.
    pub(crate) fn is_happy(self) -> bool {
        self.kind == 0
    }

    /// Whether anything is said of it then.
    pub(crate) fn has_words(self, when: When) -> bool {
        self.kind().says.iter().any(|say| say.when == when)
    }
}

impl Kind {
    /// Whether something is answered by what came first.
    pub(crate) fn is_raced(&self) -> bool {
        self.says.iter().any(|say| matches!(say.answer, Answer::Raced(_)))
    }

    /// Whether a transfer may end so, if its race went in one of these ways.
    pub(crate) fn may_end(&self, ways: Ways, state: &str, code: Option<&str>) -> bool {
        let may = |way| !self.is_raced() || ways.has(way);
        self.ends.iter().enumerate().any(|(way, end)| end.is(state, code) && may(way))
    }

    /// Whether such an end is what the kind is about.
    pub(crate) fn is_meant(&self, ways: Ways, state: &str, code: Option<&str>) -> bool {
        self.ends[0].is(state, code) && ways.has(0)
    }
}

impl End {
    /// Whether this is it.
    pub(crate) fn is(&self, state: &str, code: Option<&str>) -> bool {
        (self.phase.as_str(), self.code) == (state, code)
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&outcome(self.phase.as_str(), self.code))
    }
}

/// A final state and the code, as reports name it.
pub(crate) fn outcome(state: &str, code: Option<&str>) -> String {
    code.map_or_else(|| state.to_owned(), |code| format!("{state} {code}"))
}
