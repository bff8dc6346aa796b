//! The table of kinds. A new one is one entry, behind the other unhappy ones.

use std::borrow::Cow;
use std::time::Duration;

use scheme::{Phase, Timestamp};

use crate::kinds::{Answer, End, Kind, Say, When, Word};
use crate::transfer::{
    ABORT_CODE, ABOVE_CAP, ABOVE_CEILING, ABOVE_COVER, BARE, CLOSED, COVERED, MODEST, NOBODY,
    Prepare, RETIRED, UNCAPPED, UNLUCKY_AMOUNT, participant,
};

/// How long the offers of those stand that time out. Long enough to be prepared in, and short enough
/// for an end of the demo that nobody waits for.
const SHORT_OFFER: Duration = Duration::from_secs(2);
/// How long ago those ended that arrive too late.
const PAST_OFFER: Duration = Duration::from_secs(3_600);

const fn end(phase: Phase, code: &'static str) -> End {
    End { phase, code: Some(code) }
}

const fn say(when: When, word: Word, answer: Answer) -> Say {
    Say { when, word, answer }
}

const COMMITTED: End = End { phase: Phase::Committed, code: None };
const INVALID: End = end(Phase::Invalid, "3100");
const NO_PAYEE: End = end(Phase::Invalid, "3203");
const EXPIRED: End = end(Phase::ExpiredReserved, "3303");
const OVER_CAP: End = end(Phase::AbortedRejected, "4200");
const REJECTED: End = end(Phase::AbortedRejected, "3202");
const ABORTED: End = end(Phase::AbortedError, ABORT_CODE);
const FAILED: End = end(Phase::AbortedError, "3100");
const ABORTS: Say = say(When::Prepared, Word::Abort, Answer::Accepted);
const FULFILLED: Say = say(When::Prepared, Word::Fulfil, Answer::Accepted);

/// The usual offer.
const USUAL: fn(&mut Prepare<'_>, Timestamp) = |_, _| {};
/// One that ends soon.
const SHORT: fn(&mut Prepare<'_>, Timestamp) =
    |prepare, now| prepare.expiration = at(now.ms() + SHORT_OFFER.as_millis() as u64);

/// One above the payer's cap.
const ABOVE: fn(&mut Prepare<'_>, Timestamp) =
    |prepare, _| (prepare.payer, prepare.amount) = (participant(MODEST), ABOVE_CAP.into());
/// One of the payer to itself.
const ON_US: fn(&mut Prepare<'_>, Timestamp) =
    |prepare, _| prepare.payee.clone_from(&prepare.payer);

/// The number of the kind that a later version of the rules refuses.
pub(crate) const LARGE: u16 = 43;
/// The number of the kind that a version with a defect breaks on.
pub(crate) const UNLUCKY: u16 = 44;
/// How many kinds there are of unhappy transfers: all but the happy one, and the two that are unusual to
/// other versions only.
pub(crate) const UNHAPPY: u16 = LARGE - 1;

/// All kinds. The first is the happy one, and those for other versions are the last two. One that starts with a short offer may come too late with
/// it: a host that is just being killed and started again lets it wait.
pub(crate) const KINDS: [Kind; 45] = [
    Kind { name: "happy", offer: USUAL, says: &[FULFILLED], ends: &[COMMITTED] },
    Kind { name: "cap exceeded", offer: ABOVE, says: &[], ends: &[OVER_CAP] },
    Kind {
        name: "cover lacking",
        offer: |prepare, _| {
            (prepare.payer, prepare.amount) = (participant(COVERED), ABOVE_COVER.into());
        },
        says: &[],
        ends: &[end(Phase::AbortedRejected, "4001")],
    },
    Kind {
        name: "unknown payer",
        offer: |prepare, _| prepare.payer = participant(NOBODY),
        says: &[],
        ends: &[REJECTED],
    },
    Kind {
        name: "expired on arrival",
        offer: |prepare, now| {
            prepare.expiration = at(now.ms().saturating_sub(PAST_OFFER.as_millis() as u64));
        },
        says: &[],
        ends: &[INVALID],
    },
    Kind { name: "on-us", offer: ON_US, says: &[], ends: &[INVALID] },
    Kind {
        name: "finer than minor units",
        offer: |prepare, _| prepare.amount = "1.001".into(),
        says: &[],
        ends: &[INVALID],
    },
    Kind {
        name: "same prepare, in progress",
        offer: USUAL,
        says: &[say(When::AtOnce, Word::Same, Answer::Nothing), FULFILLED],
        ends: &[COMMITTED],
    },
    Kind {
        name: "changed prepare, in progress",
        offer: USUAL,
        says: &[say(When::AtOnce, Word::Changed, Answer::Refused("3106")), FULFILLED],
        ends: &[COMMITTED],
    },
    Kind {
        name: "same prepare, final",
        offer: USUAL,
        says: &[FULFILLED, say(When::Ended, Word::Same, Answer::Ended(COMMITTED))],
        ends: &[COMMITTED],
    },
    Kind {
        name: "changed prepare, final",
        offer: USUAL,
        says: &[FULFILLED, say(When::Ended, Word::Changed, Answer::Refused("3106"))],
        ends: &[COMMITTED],
    },
    Kind { name: "payee aborts", offer: USUAL, says: &[ABORTS], ends: &[ABORTED] },
    Kind {
        name: "wrong fulfilment",
        offer: USUAL,
        says: &[say(When::Prepared, Word::FulfilWrong, Answer::Accepted)],
        ends: &[FAILED],
    },
    Kind {
        name: "malformed fulfilment",
        offer: USUAL,
        says: &[say(When::Prepared, Word::FulfilMalformed, Answer::Accepted)],
        ends: &[FAILED],
    },
    Kind {
        name: "wrong payee",
        offer: USUAL,
        says: &[
            say(When::Prepared, Word::FulfilByPayer, Answer::Accepted),
            // The right one comes too late.
            say(When::Ended, Word::Fulfil, Answer::Refused("3100")),
        ],
        ends: &[FAILED],
    },
    Kind {
        name: "fulfilled twice",
        offer: USUAL,
        says: &[FULFILLED, say(When::Prepared, Word::FulfilAgain, Answer::Nothing)],
        ends: &[COMMITTED],
    },
    Kind {
        name: "fulfilled again, final",
        offer: USUAL,
        says: &[FULFILLED, say(When::Ended, Word::FulfilAgain, Answer::Ended(COMMITTED))],
        ends: &[COMMITTED],
    },
    Kind { name: "timeout", offer: SHORT, says: &[], ends: &[EXPIRED, INVALID] },
    Kind {
        name: "late fulfilment",
        offer: SHORT,
        says: &[say(When::Ended, Word::Fulfil, Answer::Refused("3303"))],
        ends: &[EXPIRED, INVALID],
    },
    Kind {
        name: "unknown payee",
        offer: |prepare, _| prepare.payee = participant(NOBODY),
        says: &[],
        ends: &[NO_PAYEE],
    },
    Kind {
        name: "inactive payee",
        offer: |prepare, _| prepare.payee = participant(RETIRED),
        says: &[],
        ends: &[NO_PAYEE],
    },
    Kind {
        name: "payee without an account",
        offer: |prepare, _| prepare.payee = participant(BARE),
        says: &[],
        ends: &[NO_PAYEE],
    },
    Kind {
        name: "inactive payer",
        offer: |prepare, _| prepare.payer = participant(RETIRED),
        says: &[],
        ends: &[end(Phase::Invalid, "3202")],
    },
    Kind {
        name: "payee's account closed",
        offer: |prepare, _| prepare.payee = participant(CLOSED),
        says: &[],
        ends: &[NO_PAYEE],
    },
    Kind {
        name: "payer's account closed",
        offer: |prepare, _| prepare.payer = participant(CLOSED),
        says: &[],
        ends: &[REJECTED],
    },
    Kind {
        name: "payer without a cap",
        offer: |prepare, _| prepare.payer = participant(UNCAPPED),
        says: &[],
        ends: &[REJECTED],
    },
    Kind {
        name: "early fulfilment",
        offer: USUAL,
        says: &[
            say(
                When::AtOnce,
                Word::FulfilEarly,
                Answer::Raced(&[Answer::Refused("3100"), Answer::Accepted]),
            ),
            say(When::Prepared, Word::Fulfil, Answer::Raced(&[Answer::Accepted, Answer::Nothing])),
        ],
        ends: &[COMMITTED, COMMITTED],
    },
    Kind {
        name: "early abort",
        offer: USUAL,
        says: &[
            say(
                When::AtOnce,
                Word::AbortEarly,
                Answer::Raced(&[Answer::Refused("3100"), Answer::Accepted]),
            ),
            say(
                When::Prepared,
                Word::Fulfil,
                Answer::Raced(&[Answer::Accepted, Answer::Refused("3106")]),
            ),
        ],
        ends: &[COMMITTED, ABORTED],
    },
    Kind {
        name: "other fulfilment, in progress",
        offer: USUAL,
        says: &[FULFILLED, say(When::Prepared, Word::FulfilWrong, Answer::Refused("3106"))],
        ends: &[COMMITTED],
    },
    Kind {
        name: "other fulfilment, final",
        offer: USUAL,
        says: &[FULFILLED, say(When::Ended, Word::FulfilWrong, Answer::Refused("3106"))],
        ends: &[COMMITTED],
    },
    Kind {
        name: "late abort",
        offer: USUAL,
        says: &[FULFILLED, say(When::Ended, Word::Abort, Answer::Refused("3106"))],
        ends: &[COMMITTED],
    },
    Kind {
        name: "aborted twice",
        offer: USUAL,
        says: &[ABORTS, say(When::Prepared, Word::AbortAgain, Answer::Nothing)],
        ends: &[ABORTED],
    },
    Kind {
        name: "aborted again, final",
        offer: USUAL,
        says: &[ABORTS, say(When::Ended, Word::AbortAgain, Answer::Ended(ABORTED))],
        ends: &[ABORTED],
    },
    Kind {
        name: "aborted otherwise, final",
        offer: USUAL,
        says: &[ABORTS, say(When::Ended, Word::AbortOtherwise, Answer::Refused("3106"))],
        ends: &[ABORTED],
    },
    Kind {
        name: "wrong payee aborts",
        offer: USUAL,
        says: &[
            say(When::Prepared, Word::AbortByPayer, Answer::Accepted),
            // The right one comes too late.
            say(When::Ended, Word::Abort, Answer::Refused("3100")),
        ],
        ends: &[FAILED],
    },
    Kind {
        name: "same prepare, rejected",
        offer: ABOVE,
        says: &[say(When::Ended, Word::Same, Answer::Ended(OVER_CAP))],
        ends: &[OVER_CAP],
    },
    Kind {
        name: "changed prepare, rejected",
        offer: ABOVE,
        says: &[say(When::Ended, Word::Changed, Answer::Refused("3106"))],
        ends: &[OVER_CAP],
    },
    Kind {
        name: "same prepare, invalid",
        offer: ON_US,
        says: &[say(When::Ended, Word::Same, Answer::Ended(INVALID))],
        ends: &[INVALID],
    },
    Kind {
        name: "changed prepare, invalid",
        offer: ON_US,
        says: &[say(When::Ended, Word::Changed, Answer::Refused("3106"))],
        ends: &[INVALID],
    },
    Kind {
        name: "same prepare, aborted",
        offer: USUAL,
        says: &[ABORTS, say(When::Ended, Word::Same, Answer::Ended(ABORTED))],
        ends: &[ABORTED],
    },
    Kind {
        name: "changed prepare, aborted",
        offer: USUAL,
        says: &[ABORTS, say(When::Ended, Word::Changed, Answer::Refused("3106"))],
        ends: &[ABORTED],
    },
    Kind {
        name: "same prepare, expired",
        offer: SHORT,
        says: &[say(When::Ended, Word::Same, Answer::Ended(EXPIRED))],
        ends: &[EXPIRED, INVALID],
    },
    Kind {
        name: "changed prepare, expired",
        offer: SHORT,
        says: &[say(When::Ended, Word::Changed, Answer::Refused("3106"))],
        ends: &[EXPIRED, INVALID],
    },
    Kind {
        name: "large",
        offer: |prepare, _| prepare.amount = ABOVE_CEILING.into(),
        says: &[FULFILLED],
        ends: &[COMMITTED, INVALID],
    },
    Kind {
        name: "unlucky",
        offer: |prepare, _| prepare.amount = UNLUCKY_AMOUNT.into(),
        says: &[FULFILLED],
        ends: &[COMMITTED],
    },
];

/// A point in time in words.
fn at(ms: u64) -> Cow<'static, str> {
    // None only after the year 9999.
    Timestamp::from_ms(ms).map_or(Cow::Borrowed("never"), |time| time.to_string().into())
}
