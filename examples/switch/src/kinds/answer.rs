//! What the host must answer to what is said of a transfer, also where that depends on what came first.

use std::fmt;

use crate::kinds::End;

/// In how many ways a race may go: either may come first.
const WAYS: usize = 2;

/// What the host must answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is an event.
    Accepted,
    /// It changes nothing.
    Nothing,
    /// It changes nothing, and the answer tells that the transfer has ended so.
    Ended(End),
    /// It is refused with this code.
    Refused(&'static str),
    /// It depends on what comes first: the answer in each way that this may go. All that is said of
    /// a transfer is answered in the same way, and the transfer ends in it.
    Raced(&'static [Answer; WAYS]),
}

/// The ways in which the race about a transfer may have gone, by all that is known of it. Where there is
/// none, all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ways([bool; WAYS]);

impl Answer {
    /// The ways in which it must be so, if an answer was given that `is` one of those that know of
    /// no race.
    pub(crate) fn ways(self, is: impl Fn(Self) -> bool) -> Ways {
        match self {
            Self::Raced(answers) => Ways(answers.map(is)),
            answer => Ways([is(answer); WAYS]),
        }
    }
}

impl Ways {
    /// Nothing is known.
    pub(crate) const ALL: Self = Self([true; WAYS]);

    /// Whether this is one of them.
    pub(crate) fn has(self, way: usize) -> bool {
        self.0.get(way).is_some_and(|has| *has)
    }

    /// Whether there is none.
    pub(crate) fn is_empty(self) -> bool {
        self.0 == [false; WAYS]
    }

    /// Those that are among the others, too.
    pub(crate) fn and(self, other: Self) -> Self {
        Self(std::array::from_fn(|way| self.has(way) && other.has(way)))
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted => f.write_str("accepted"),
            Self::Nothing => f.write_str("nothing"),
            Self::Ended(end) => write!(f, "nothing, with {end}"),
            Self::Refused(code) => write!(f, "refused {code}"),
            Self::Raced([first, second]) => write!(f, "{first} or {second}, as the race went"),
        }
    }
}
