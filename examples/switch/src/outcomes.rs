//! How all transfers ended, by kind, and whether each ended as its kind allows.

use std::collections::{BTreeMap, BTreeSet};

use crate::kinds::{KINDS, Plan, Transfer, Ways, outcome};
use crate::ledger::{Findings, Ledger};

/// A transfer ended as its kind does not allow.
pub(crate) const UNEXPECTED: &str = "ended otherwise than its kind allows";

/// Of all transfers of a kind, none ended in the way that the kind is about.
pub(crate) const MISSED: &str = "no transfer ended as its kind is meant to";

/// So many transfers of a kind are enough that one ends as the kind is meant to. Fewer may all have
/// been under way when the host was killed, and have come too late.
const ENOUGH: u64 = 5;

/// What stands instead of a final state where there is none.
const NOT_FINAL: &str = "not final";

/// Counts of outcomes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcomes {
    /// By the number of the kind: how many ended how, in words.
    pub(crate) kinds: BTreeMap<u16, BTreeMap<String, u64>>,
    /// Transfers without a final state.
    pub(crate) not_final: u64,
    /// Kinds of which a transfer ended as the kind is meant to.
    met: BTreeSet<u16>,
}

impl Outcomes {
    /// Counts all transfers of the plan, and notes what is not as it must be. `ways` tells in which
    /// ways the race about a transfer may have gone, by what was answered.
    pub(crate) fn count(
        plan: &Plan,
        ledger: &Ledger,
        ways: impl Fn(Transfer) -> Ways,
        findings: &mut Findings,
    ) -> Self {
        let mut outcomes = Self::default();
        for index in 0..plan.transfers {
            let transfer = plan.transfer(index);
            let id = transfer.id();
            outcomes.enter(transfer, &id, ways(transfer), ledger.end(&id), findings);
        }
        outcomes.find_missed(findings);
        outcomes
    }

    /// A kind that may end in several ways and never did in its own shows nothing of what it is for.
    fn find_missed(&self, findings: &mut Findings) {
        for (number, ends) in &self.kinds {
            let Some(kind) = KINDS.get(usize::from(*number)) else { continue };
            if ends.values().sum::<u64>() >= ENOUGH && !self.met.contains(number) {
                findings.add(MISSED, || format!("{}: {}: {ends:?}", kind.name, kind.ends[0]));
            }
        }
    }

    fn enter(
        &mut self,
        transfer: Transfer,
        id: &str,
        ways: Ways,
        end: Option<(&'static str, Option<&str>)>,
        findings: &mut Findings,
    ) {
        let kind = transfer.kind();
        let words = match end {
            Some((state, code)) => outcome(state, code),
            // What was taken and is not final is lost: the ledger says so.
            None => {
                self.not_final += 1;
                NOT_FINAL.to_owned()
            }
        };
        if end.is_some_and(|(state, code)| !kind.may_end(ways, state, code)) {
            findings.add(UNEXPECTED, || format!("{id}: {}: {words}", kind.name));
        }
        if end.is_some_and(|(state, code)| kind.is_meant(ways, state, code)) {
            self.met.insert(transfer.kind);
        }
        *self.kinds.entry(transfer.kind).or_default().entry(words).or_default() += 1;
    }

    /// By name of the kind, as the table of kinds has them.
    pub(crate) fn by_name(&self) -> impl Iterator<Item = (&'static str, &BTreeMap<String, u64>)> {
        let name = |number: &u16| KINDS.get(usize::from(*number)).map_or("?", |kind| kind.name);
        self.kinds.iter().map(move |(number, ends)| (name(number), ends))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::kinds::Answer;

    fn kind(name: &str) -> Transfer {
        let kind = KINDS.iter().position(|kind| kind.name == name).unwrap() as u16;
        Transfer { index: 3, kind }
    }

    #[test]
    fn every_kind_ends_as_it_may_and_in_no_other_way() {
        let all = [
            ("COMMITTED", None),
            ("ABORTED_REJECTED", Some("4200")),
            ("ABORTED_REJECTED", Some("4001")),
            ("ABORTED_REJECTED", Some("3202")),
            ("ABORTED_ERROR", Some("5104")),
            ("ABORTED_ERROR", Some("3100")),
            ("EXPIRED_RESERVED", Some("3303")),
            ("EXPIRED_PREPARED", Some("3303")),
            ("INVALID", Some("3100")),
        ];
        for (name, allowed) in [
            ("happy", &[("COMMITTED", None)][..]),
            ("cap exceeded", &[("ABORTED_REJECTED", Some("4200"))]),
            ("cover lacking", &[("ABORTED_REJECTED", Some("4001"))]),
            ("unknown payer", &[("ABORTED_REJECTED", Some("3202"))]),
            ("payee aborts", &[("ABORTED_ERROR", Some("5104"))]),
            ("wrong payee", &[("ABORTED_ERROR", Some("3100"))]),
            ("on-us", &[("INVALID", Some("3100"))]),
            ("timeout", &[("EXPIRED_RESERVED", Some("3303")), ("INVALID", Some("3100"))]),
            ("early abort", &[("COMMITTED", None), ("ABORTED_ERROR", Some("5104"))]),
        ] {
            for end in all {
                let mut findings = Findings::default();
                Outcomes::default().enter(kind(name), "T", Ways::ALL, Some(end), &mut findings);
                assert_eq!(findings.is_empty(), allowed.contains(&end), "{name}: {end:?}");
            }
        }
    }

    #[test]
    fn what_ended_otherwise_is_named_with_its_kind_and_its_end() {
        let mut findings = Findings::default();
        let end = Some(("COMMITTED", None));
        Outcomes::default().enter(kind("on-us"), "T7", Ways::ALL, end, &mut findings);
        let lines: Vec<String> = findings.lines().collect();
        assert!(lines[1].ends_with("T7: on-us: COMMITTED"), "{lines:?}");
    }

    #[test]
    fn transfers_count_by_kind_and_end_and_one_without_an_end_is_not_final() {
        let mut findings = Findings::default();
        let mut outcomes = Outcomes::default();
        let committed = Some(("COMMITTED", None));
        outcomes.enter(kind("happy"), "T1", Ways::ALL, committed, &mut findings);
        outcomes.enter(kind("happy"), "T2", Ways::ALL, committed, &mut findings);
        outcomes.enter(kind("happy"), "T3", Ways::ALL, None, &mut findings);
        outcomes.enter(
            kind("on-us"),
            "T4",
            Ways::ALL,
            Some(("INVALID", Some("3100"))),
            &mut findings,
        );
        assert!(findings.is_empty());
        assert_eq!(outcomes.not_final, 1);
        let counts: Vec<String> =
            outcomes.by_name().map(|(name, ends)| format!("{name}: {ends:?}")).collect();
        let expected =
            [r#"happy: {"COMMITTED": 2, "not final": 1}"#, r#"on-us: {"INVALID 3100": 1}"#];
        assert_eq!(counts, expected);
    }

    #[test]
    fn a_kind_of_which_there_are_some_must_end_in_its_own_way_at_least_once() {
        let expired = ("EXPIRED_RESERVED", Some("3303"));
        let invalid = ("INVALID", Some("3100"));
        for (name, ends, is_missed) in [
            ("timeout", vec![invalid; 4], false),
            ("timeout", vec![invalid; 5], true),
            ("late fulfilment", vec![invalid; 9], true),
            ("timeout", [vec![invalid; 8], vec![expired]].concat(), false),
            ("on-us", vec![invalid; 5], false),
        ] {
            let mut findings = Findings::default();
            let mut outcomes = Outcomes::default();
            for end in &ends {
                outcomes.enter(kind(name), "T", Ways::ALL, Some(*end), &mut findings);
            }
            assert!(findings.is_empty());
            outcomes.find_missed(&mut findings);
            assert_eq!(findings.count(MISSED), u64::from(is_missed), "{name}: {ends:?}");
        }
    }

    #[test]
    fn where_there_was_a_race_the_end_is_that_of_the_answers() {
        let first = Answer::Raced(&[Answer::Accepted, Answer::Nothing]);
        let [refused, accepted] = [Answer::Accepted, Answer::Nothing]
            .map(|answer| first.ways(|expected| expected == answer));
        let [committed, aborted] = [("COMMITTED", None), ("ABORTED_ERROR", Some("5104"))];
        for (name, ways, end, is_allowed, is_meant) in [
            ("early abort", refused, committed, true, true),
            ("early abort", accepted, aborted, true, false),
            ("early abort", refused, aborted, false, false),
            ("early abort", accepted, committed, false, false),
            ("early fulfilment", refused, committed, true, true),
            ("early fulfilment", accepted, committed, true, false),
            ("early fulfilment", accepted, aborted, false, false),
        ] {
            let mut findings = Findings::default();
            let mut outcomes = Outcomes::default();
            for _ in 0..ENOUGH {
                outcomes.enter(kind(name), "T", ways, Some(end), &mut findings);
            }
            outcomes.find_missed(&mut findings);
            assert_eq!(findings.count(UNEXPECTED) == 0, is_allowed, "{name}: {ways:?} {end:?}");
            assert_eq!(findings.count(MISSED) == 0, is_meant, "{name}: {ways:?} {end:?}");
        }
    }

    #[test]
    fn kinds_are_looked_at_when_all_transfers_are_counted() {
        let plan = Plan { transfers: 5, unhappy_percent: 0, for_versions: false };
        let mut findings = Findings::default();
        Outcomes::count(&plan, &Ledger::default(), |_| Ways::ALL, &mut findings);
        assert_eq!(findings.count(MISSED), 1);
    }

    #[test]
    fn a_transfer_that_left_no_trace_is_not_final() {
        let plan = Plan { transfers: 3, unhappy_percent: 0, for_versions: false };
        let mut findings = Findings::default();
        let outcomes = Outcomes::count(&plan, &Ledger::default(), |_| Ways::ALL, &mut findings);
        assert_eq!(outcomes.not_final, 3);
    }
}
