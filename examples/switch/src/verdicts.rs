//! Which version of the rules decided what about offers that versions decide otherwise, by the provenance
//! of the events: every event says who decided it.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::kinds::{LARGE, Transfer, UNLUCKY};
use crate::ledger::Findings;

/// A version decided what another one decides otherwise.
pub(crate) const OTHER_RULES: &str = "decided by other rules than its version's";

/// By version: what it decided.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Verdicts(BTreeMap<String, Decided>);

/// What a version decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Decided {
    /// Offers, of whatever kind.
    pub(crate) offers: u64,
    /// Large ones that it took.
    pub(crate) large_taken: u64,
    /// Large ones that it refused.
    pub(crate) large_refused: u64,
    /// Unlucky ones that it took.
    pub(crate) unlucky_taken: u64,
}

impl Verdicts {
    /// Enters an event as JSON; what is not about an offer is nothing to it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn enter(&mut self, json: &str) -> Result<()> {
        #[derive(Deserialize)]
        struct Event<'a> {
            #[serde(rename = "type")]
            aggregate_type: &'a str,
            key: std::borrow::Cow<'a, str>,
            kind: &'a str,
            #[serde(borrow)]
            handler: Handler<'a>,
        }
        #[derive(Deserialize)]
        struct Handler<'a> {
            version: Option<&'a str>,
        }
        let event: Event<'_> = serde_json::from_str(json)?;
        let is_taken = match event.kind {
            "TransferPrepareAccepted" => true,
            "InvalidTransfer" => false,
            _ => return Ok(()),
        };
        if event.aggregate_type != scheme::TRANSFER {
            return Ok(());
        }
        let version = event.handler.version.unwrap_or("unknown").to_owned();
        let decided = self.0.entry(version).or_default();
        decided.offers += 1;
        match (Transfer::of(&event.key).map(|transfer| transfer.kind), is_taken) {
            (Some(LARGE), true) => decided.large_taken += 1,
            (Some(LARGE), false) => decided.large_refused += 1,
            (Some(UNLUCKY), true) => decided.unlucky_taken += 1,
            _ => {}
        }
        Ok(())
    }

    /// By version.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, Decided)> {
        self.0.iter().map(|(version, decided)| (version.as_str(), *decided))
    }

    /// How many large offers this version refused.
    pub(crate) fn large_refused(&self, version: &str) -> u64 {
        self.0.get(version).map_or(0, |decided| decided.large_refused)
    }

    /// Notes what is not as these versions have it: the first has no ceiling, all others have; and the
    /// last takes nothing that is unlucky.
    pub(crate) fn check(&self, first: &str, last: &str, findings: &mut Findings) {
        for (version, decided) in self.iter() {
            let Decided { large_taken, large_refused, unlucky_taken, .. } = decided;
            let wrong = if version == first { large_refused } else { large_taken };
            if wrong > 0 || (version == last && unlucky_taken > 0) {
                findings.add(OTHER_RULES, || format!("{version}: {decided:?}"));
            }
        }
    }
}

impl fmt::Display for Decided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { offers, large_taken, large_refused, unlucky_taken } = self;
        write!(
            f,
            "{offers:>8} offers; large ones: {large_taken} taken, {large_refused} refused; unlucky \
             ones: {unlucky_taken} taken"
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn event(kind: u16, event: &str, version: &str) -> String {
        let key = Transfer { index: 7, kind }.id();
        serde_json::json!({
            "type": "transfer", "key": key, "kind": event, "handler": { "version": version },
        })
        .to_string()
    }

    fn verdicts(events: &[(u16, &str, &str)]) -> Verdicts {
        let mut verdicts = Verdicts::default();
        for (kind, name, version) in events {
            verdicts.enter(&event(*kind, name, version)).unwrap();
        }
        verdicts
    }

    const TAKEN: &str = "TransferPrepareAccepted";
    const REFUSED: &str = "InvalidTransfer";

    #[test]
    fn offers_count_for_the_version_that_decided_them() {
        let verdicts = verdicts(&[
            (0, TAKEN, "1"),
            (LARGE, TAKEN, "1"),
            (LARGE, REFUSED, "2"),
            (UNLUCKY, TAKEN, "2"),
            (0, "TransferPrepared", "2"),
        ]);
        let decided: Vec<(&str, Decided)> = verdicts.iter().collect();
        let first = Decided { offers: 2, large_taken: 1, ..Decided::default() };
        let second =
            Decided { offers: 2, large_refused: 1, unlucky_taken: 1, ..Decided::default() };
        assert_eq!(decided, [("1", first), ("2", second)]);
    }

    #[test]
    fn a_version_that_decides_by_the_rules_of_another_is_found() {
        for (events, is_wrong) in [
            (&[(LARGE, TAKEN, "1"), (LARGE, REFUSED, "2"), (LARGE, REFUSED, "3")][..], false),
            (&[(UNLUCKY, TAKEN, "1"), (UNLUCKY, TAKEN, "2")], false),
            (&[(LARGE, REFUSED, "1")], true),
            (&[(LARGE, TAKEN, "2")], true),
            (&[(LARGE, TAKEN, "3")], true),
            (&[(UNLUCKY, TAKEN, "3")], true),
        ] {
            let mut findings = Findings::default();
            verdicts(events).check("1", "3", &mut findings);
            assert_eq!(findings.is_empty(), !is_wrong, "{events:?}");
        }
    }
}
