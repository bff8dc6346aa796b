//! Every kind of transfer that the demo drives: one table.
//!
//! A kind is what is unusual about the payer's offer, what is said about the transfer at which point
//! of its life and what the host must answer, and how the transfer may end. Who is to say it, and
//! when, is left to `load` and `payee`; whether it was answered so, to the `clerk`; whether it ended
//! so, to `outcomes`.
//!
//! The number of a transfer's kind is part of its id, so all of this is known from the id alone. A
//! new kind is one entry of the table, at its end.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use anyhow::Result;
use scheme::{Phase, Timestamp};

use crate::transfer::{
    self, ABORT_CODE, ABOVE_CAP, ABOVE_COVER, Abort, BARE, Body, COVERED, Command, Fulfil, NOBODY,
    Prepare, RETIRED, participant,
};

/// How long the offers of those stand that time out. Long enough to be prepared in, and short enough
/// for an end of the demo that nobody waits for.
const SHORT_OFFER: Duration = Duration::from_secs(2);
/// How long ago those ended that arrive too late.
const PAST_OFFER: Duration = Duration::from_secs(3_600);

const PAYERS: &str = "payers";
const PAYEES: &str = "payees";

/// A kind of transfer.
pub(crate) struct Kind {
    /// Its name for people and programs.
    pub(crate) name: &'static str,
    /// What is unusual about the offer that is made at this time.
    offer: fn(&mut Prepare<'_>, Timestamp),
    /// All that is said of it beside the offer.
    says: &'static [Say],
    /// How it may end. The first is what the kind is about; what is to be said at the end is said
    /// only then.
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
    /// Right behind the offer, in the same request: before the accounts can have answered.
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
}

/// What the host must answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is an event.
    Accepted,
    /// It changes nothing.
    Nothing,
    /// It is refused with this code.
    Refused(&'static str),
}

/// How a transfer ends: the final state, and the code if it was not fulfilled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    phase: Phase,
    code: Option<&'static str>,
}

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
const FULFILLED: Say = say(When::Prepared, Word::Fulfil, Answer::Accepted);

/// The usual offer.
const USUAL: fn(&mut Prepare<'_>, Timestamp) = |_, _| {};
/// One that ends soon.
const SHORT: fn(&mut Prepare<'_>, Timestamp) =
    |prepare, now| prepare.expiration = at(now.ms() + SHORT_OFFER.as_millis() as u64);

/// All kinds. The first is the happy one. One that starts with a short offer may come too late with
/// it: a host that is just being killed and started again lets it wait.
pub(crate) const KINDS: [Kind; 23] = [
    Kind { name: "happy", offer: USUAL, says: &[FULFILLED], ends: &[COMMITTED] },
    Kind {
        name: "cap exceeded",
        offer: |prepare, _| prepare.amount = ABOVE_CAP.into(),
        says: &[],
        ends: &[end(Phase::AbortedRejected, "4200")],
    },
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
        ends: &[end(Phase::AbortedRejected, "3202")],
    },
    Kind {
        name: "expired on arrival",
        offer: |prepare, now| {
            prepare.expiration = at(now.ms().saturating_sub(PAST_OFFER.as_millis() as u64));
        },
        says: &[],
        ends: &[INVALID],
    },
    Kind {
        name: "on-us",
        offer: |prepare, _| prepare.payee.clone_from(&prepare.payer),
        says: &[],
        ends: &[INVALID],
    },
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
        says: &[FULFILLED, say(When::Ended, Word::Same, Answer::Nothing)],
        ends: &[COMMITTED],
    },
    Kind {
        name: "changed prepare, final",
        offer: USUAL,
        says: &[FULFILLED, say(When::Ended, Word::Changed, Answer::Refused("3106"))],
        ends: &[COMMITTED],
    },
    Kind {
        name: "payee aborts",
        offer: USUAL,
        says: &[say(When::Prepared, Word::Abort, Answer::Accepted)],
        ends: &[end(Phase::AbortedError, ABORT_CODE)],
    },
    Kind {
        name: "wrong fulfilment",
        offer: USUAL,
        says: &[say(When::Prepared, Word::FulfilWrong, Answer::Accepted)],
        ends: &[end(Phase::AbortedError, "3100")],
    },
    Kind {
        name: "malformed fulfilment",
        offer: USUAL,
        says: &[say(When::Prepared, Word::FulfilMalformed, Answer::Accepted)],
        ends: &[end(Phase::AbortedError, "3100")],
    },
    Kind {
        name: "wrong payee",
        offer: USUAL,
        says: &[
            say(When::Prepared, Word::FulfilByPayer, Answer::Accepted),
            // The right one comes too late.
            say(When::Ended, Word::Fulfil, Answer::Refused("3100")),
        ],
        ends: &[end(Phase::AbortedError, "3100")],
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
        says: &[FULFILLED, say(When::Ended, Word::FulfilAgain, Answer::Nothing)],
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
];

/// Which transfer is of which kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// How many there are.
    pub(crate) transfers: u64,
    /// How many of a hundred are not happy: of all other kinds in turn, evenly spread.
    pub(crate) unhappy_percent: u64,
}

impl Plan {
    /// The transfer with this index.
    pub(crate) fn transfer(&self, index: u64) -> Transfer {
        let unhappy_before = |index: u64| index * self.unhappy_percent / 100;
        let before = unhappy_before(index);
        let kind = if unhappy_before(index + 1) > before {
            1 + (before % (KINDS.len() as u64 - 1)) as u16
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

    /// The payer's command: an offer until `expiration`, or, if it is a short one, soon after `now`.
    ///
    /// # Errors
    /// Never for 32 bytes of hash; the type of [`transfer::fulfilment`].
    pub(crate) fn offer<'a>(
        self,
        id: &'a str,
        expiration: &'a str,
        now: Timestamp,
    ) -> Result<Command<'a, Body<'a>>> {
        let prepare = Body::Prepare(self.prepare(id, expiration, now)?);
        Ok(Command::new(PAYERS, "PrepareTransfer", scheme::TRANSFER, id, prepare))
    }

    /// All that is said of it then, in order, and what must be answered. `expiration` is that of its
    /// offer.
    ///
    /// # Errors
    /// Never for 32 bytes of hash; the type of [`transfer::fulfilment`].
    pub(crate) fn words<'a>(
        self,
        when: When,
        id: &'a str,
        expiration: &'a str,
    ) -> Result<Vec<(Command<'a, Body<'a>>, Answer)>> {
        let says = self.kind().says.iter().filter(|say| say.when == when);
        says.map(|say| Ok((self.word(say.word, id, expiration)?, say.answer))).collect()
    }

    fn word<'a>(
        self,
        word: Word,
        id: &'a str,
        expiration: &'a str,
    ) -> Result<Command<'a, Body<'a>>> {
        // Whoever repeats an offer has made one without regard to the time.
        let mut prepare = self.prepare(id, expiration, Timestamp::from_ms(0)?)?;
        let again = |prepare| {
            let body = Body::Prepare(prepare);
            Command::new(PAYERS, "PrepareTransfer", scheme::TRANSFER, id, body).under("again")
        };
        let fulfil = |fsp, fulfilment| {
            let body = Body::Fulfil(Fulfil { fsp, fulfilment });
            Command::new(PAYEES, "FulfilTransfer", scheme::TRANSFER, id, body)
        };
        let secret = || transfer::fulfilment(id).map(|fulfilment| fulfilment.to_string());
        Ok(match word {
            Word::Same => again(prepare),
            Word::Changed => {
                prepare.amount = "99".into();
                again(prepare)
            }
            Word::Fulfil => fulfil(prepare.payee, secret()?),
            Word::FulfilAgain => fulfil(prepare.payee, secret()?).under("again"),
            Word::FulfilWrong => {
                fulfil(prepare.payee, transfer::fulfilment("another")?.to_string()).under("wrong")
            }
            Word::FulfilMalformed => fulfil(prepare.payee, "no secret".to_owned()).under("wrong"),
            Word::FulfilByPayer => fulfil(prepare.payer, secret()?).under("wrong"),
            Word::Abort => {
                let reason = "no such customer";
                let body = Body::Abort(Abort { fsp: prepare.payee, code: ABORT_CODE, reason });
                Command::new(PAYEES, "AbortTransfer", scheme::TRANSFER, id, body)
            }
        })
    }

    fn prepare<'a>(self, id: &str, expiration: &'a str, now: Timestamp) -> Result<Prepare<'a>> {
        // The unhappy ones stand at regular places: all participants get some of each kind.
        let place = if self.is_happy() { self.index } else { transfer::mix(self.index) };
        let parties = transfer::parties(place);
        let mut prepare = Prepare::new(self.index, id, parties, expiration)?;
        (self.kind().offer)(&mut prepare, now);
        Ok(prepare)
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

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted => f.write_str("accepted"),
            Self::Nothing => f.write_str("nothing"),
            Self::Refused(code) => write!(f, "refused {code}"),
        }
    }
}

/// A final state and the code, as reports name it.
pub(crate) fn outcome(state: &str, code: Option<&str>) -> String {
    code.map_or_else(|| state.to_owned(), |code| format!("{state} {code}"))
}

/// A point in time in words.
fn at(ms: u64) -> Cow<'static, str> {
    // None only after the year 9999.
    Timestamp::from_ms(ms).map_or(Cow::Borrowed("never"), |time| time.to_string().into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::{Value, json};

    use super::*;

    const LATER: &str = "2030-01-01T00:00:00.000Z";

    fn of_kind(name: &str) -> Transfer {
        let kind = KINDS.iter().position(|kind| kind.name == name).unwrap() as u16;
        Transfer { index: 12, kind }
    }

    fn now() -> Timestamp {
        "2026-11-23T09:12:37.000Z".parse().unwrap()
    }

    fn offer(transfer: Transfer) -> Value {
        let id = transfer.id();
        serde_json::to_value(transfer.offer(&id, LATER, now()).unwrap()).unwrap()
    }

    #[test]
    fn names_are_names() {
        let names: BTreeSet<&str> = KINDS.iter().map(|kind| kind.name).collect();
        assert_eq!(names.len(), KINDS.len());
        assert!(KINDS.iter().all(|kind| !kind.ends.is_empty()));
    }

    #[test]
    fn the_unhappy_share_is_what_was_asked_for_and_every_kind_has_its_part() {
        for (percent, unhappy) in [(0, 0), (5, 1_000), (33, 6_600), (100, 20_000)] {
            let plan = Plan { transfers: 20_000, unhappy_percent: percent };
            let mut by_kind: BTreeMap<u16, u64> = BTreeMap::new();
            for index in 0..plan.transfers {
                *by_kind.entry(plan.transfer(index).kind).or_default() += 1;
            }
            let happy = by_kind.remove(&0).unwrap_or(0);
            assert_eq!(happy, plan.transfers - unhappy, "{percent} %");
            let fair = unhappy / (KINDS.len() as u64 - 1);
            assert!(by_kind.values().all(|count| (fair..=fair + 1).contains(count)), "{by_kind:?}");
            assert_eq!(by_kind.len(), if percent == 0 { 0 } else { KINDS.len() - 1 });
        }
    }

    #[test]
    fn everybody_pays_in_unhappy_transfers_of_each_usual_kind() {
        let plan = Plan { transfers: 20_000, unhappy_percent: 5 };
        let mut payers: BTreeMap<u16, BTreeSet<String>> = BTreeMap::new();
        for transfer in (0..plan.transfers).map(|index| plan.transfer(index)) {
            let payer = offer(transfer)["data"]["payer"].as_str().unwrap().to_owned();
            payers.entry(transfer.kind).or_default().insert(payer);
        }
        for (kind, payers) in payers {
            let expected = match KINDS[usize::from(kind)].name {
                "cover lacking" | "unknown payer" | "inactive payer" => 1,
                _ => transfer::PARTICIPANTS as usize,
            };
            assert_eq!(payers.len(), expected, "{}", KINDS[usize::from(kind)].name);
        }
    }

    #[test]
    fn an_id_leads_back_to_its_kind_and_one_of_no_kind_to_nothing() {
        for (number, kind) in (0..).zip(&KINDS) {
            let transfer = Transfer { index: 7, kind: number };
            assert_eq!(Transfer::of(&transfer.id()), Some(transfer));
            assert_eq!(transfer.kind().name, kind.name);
        }
        let beyond = transfer::id(7, KINDS.len() as u16);
        assert_eq!(Transfer::of(&beyond), None);
    }

    #[test]
    fn each_offer_breaks_the_rule_that_its_kind_names() {
        let usual = offer(Transfer { index: 12, kind: 0 });
        for (name, member, expected) in [
            ("cap exceeded", "amount", json!(ABOVE_CAP)),
            ("cover lacking", "amount", json!(ABOVE_COVER)),
            ("cover lacking", "payer", json!("simfsp09")),
            ("unknown payer", "payer", json!("simfsp10")),
            ("inactive payer", "payer", json!("simfsp11")),
            ("unknown payee", "payee", json!("simfsp10")),
            ("inactive payee", "payee", json!("simfsp11")),
            ("payee without an account", "payee", json!("simfsp12")),
            ("expired on arrival", "expiration", json!("2026-11-23T08:12:37.000Z")),
            ("finer than minor units", "amount", json!("1.001")),
            ("timeout", "expiration", json!("2026-11-23T09:12:39.000Z")),
            ("late fulfilment", "expiration", json!("2026-11-23T09:12:39.000Z")),
            ("payee aborts", "amount", usual["data"]["amount"].clone()),
            ("payee aborts", "expiration", json!(LATER)),
        ] {
            assert_eq!(offer(of_kind(name))["data"][member], expected, "{name}");
        }
        let on_us = offer(of_kind("on-us"));
        assert_eq!(on_us["data"]["payer"], on_us["data"]["payee"]);
    }

    #[test]
    fn the_same_offer_again_is_the_same_but_for_its_id_and_a_changed_one_is_not() {
        for (name, when, is_same) in [
            ("same prepare, in progress", When::AtOnce, true),
            ("same prepare, final", When::Ended, true),
            ("changed prepare, in progress", When::AtOnce, false),
            ("changed prepare, final", When::Ended, false),
        ] {
            let transfer = of_kind(name);
            let id = transfer.id();
            let first = offer(transfer);
            let words = transfer.words(when, &id, LATER).unwrap();
            let again = serde_json::to_value(&words[0].0).unwrap();
            assert_ne!(first["id"], again["id"]);
            assert_eq!(first["subject"], again["subject"]);
            assert_eq!(first["data"] == again["data"], is_same, "{name}");
        }
    }

    #[test]
    fn no_command_of_a_transfer_has_the_id_of_another() {
        for number in 0..KINDS.len() as u16 {
            let transfer = Transfer { index: 3, kind: number };
            let id = transfer.id();
            let mut ids = vec![offer(transfer)["id"].as_str().unwrap().to_owned()];
            for when in [When::AtOnce, When::Prepared, When::Ended] {
                let words = transfer.words(when, &id, LATER).unwrap();
                assert_eq!(!words.is_empty(), transfer.has_words(when));
                ids.extend(words.iter().map(|(command, _)| command.id().to_owned()));
            }
            let different: BTreeSet<&String> = ids.iter().collect();
            assert_eq!(different.len(), ids.len(), "{ids:?}");
        }
    }

    #[test]
    fn only_the_payee_with_its_secret_fulfils() {
        for (name, by_payee, fulfils) in [
            ("happy", true, true),
            ("wrong fulfilment", true, false),
            ("malformed fulfilment", true, false),
            ("wrong payee", false, true),
        ] {
            let transfer = of_kind(name);
            let id = transfer.id();
            let words = transfer.words(When::Prepared, &id, LATER).unwrap();
            let said = serde_json::to_value(&words[0].0).unwrap();
            let party = if by_payee { "payee" } else { "payer" };
            assert_eq!(said["data"]["fsp"], offer(transfer)["data"][party], "{name}");
            let secret = transfer::fulfilment(&id).unwrap().to_string();
            assert_eq!(said["data"]["fulfilment"] == *secret, fulfils, "{name}");
        }
    }
}
