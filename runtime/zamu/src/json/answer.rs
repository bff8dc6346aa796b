//! What became of a request, as a client is told.

use std::borrow::Cow;

use serde::Serialize;
use zamu_core::model::PartitionId;
use zamu_core::proto::{self, RequestOutcome, outcome::What};

use crate::json::{Loose, Terms, text};

/// See [`answer`].
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome<'a> {
    status: u16,
    r#type: &'a str,
    key: Cow<'a, str>,
    partition: u32,
    offset: u64,
    /// Milliseconds since 1970 of the first append.
    time: u64,
    outcome: &'static str,
    /// Whether the answer is that of an earlier request with the same source and id.
    duplicate: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequences: Option<Vec<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<Loose<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dead_letter: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    /// What `min-position` of a query may demand, to see what this command did.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<String>,
}

impl Outcome<'_> {
    /// With the position of the partition after the turn that decided this.
    #[must_use]
    pub fn at(mut self, position: Option<String>) -> Self {
        self.position = position;
        self
    }
}

/// The HTTP status of an outcome: 200, 422 or 503.
#[must_use]
pub fn status(outcome: &RequestOutcome) -> u16 {
    match what(outcome).1 {
        Some(What::Refused(_)) => 422,
        Some(What::Fault(_)) => 503,
        _ => 200,
    }
}

/// An outcome of a partition's request, as JSON shows it.
#[must_use]
pub fn answer<'a>(
    outcome: &'a RequestOutcome,
    partition: PartitionId,
    terms: &'a Terms,
) -> Outcome<'a> {
    let (first, what) = what(outcome);
    let r#type = terms.type_name(partition.aggregate_type);
    let mut answer = Outcome {
        status: status(outcome),
        r#type,
        key: text(&outcome.key),
        partition: partition.number,
        offset: outcome.offset,
        time: outcome.time,
        outcome: "dropped",
        duplicate: first.is_some(),
        first,
        sequences: None,
        reply: None,
        code: None,
        details: None,
        dead_letter: None,
        reason: None,
        position: None,
    };
    match what {
        Some(What::Accepted(accepted)) => {
            answer.outcome = "accepted";
            answer.sequences = Some(sequences(accepted));
            answer.reply = Some(Loose::of(&accepted.reply));
        }
        Some(What::Nothing(nothing)) => {
            answer.outcome = "nothing";
            answer.reply = Some(Loose::of(&nothing.reply));
        }
        Some(What::Refused(refused)) => {
            answer.outcome = "refused";
            answer.code = Some(&refused.code);
            answer.details = Some(&refused.details);
        }
        Some(What::Fault(fault)) => {
            answer.outcome = "fault";
            let number = partition.number;
            answer.dead_letter = Some(format!("{type}/{number}/{}", fault.dead_letter));
        }
        Some(What::Dropped(dropped)) => answer.reason = Some(&dropped.reason),
        Some(What::Duplicate(_)) | None => answer.reason = Some("the batch record says nothing"),
    }
    answer
}

/// The outcome itself, and the offset of the first request if this one repeats it.
fn what(outcome: &RequestOutcome) -> (Option<u64>, Option<&What>) {
    match outcome.outcome.as_ref().and_then(|outcome| outcome.what.as_ref()) {
        Some(What::Duplicate(duplicate)) => {
            let inner = duplicate.outcome.as_ref().and_then(|outcome| outcome.what.as_ref());
            (Some(duplicate.first), inner)
        }
        what => (None, what),
    }
}

fn sequences(accepted: &proto::Accepted) -> Vec<u64> {
    accepted.sequences.as_ref().map_or_else(Vec::new, |range| (range.first..range.next).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use zamu_core::model::TypeId;

    use super::*;

    fn shown(what: What) -> String {
        let outcome = RequestOutcome {
            offset: 7,
            key: "k".into(),
            time: 5,
            outcome: Some(proto::Outcome { what: Some(what) }),
            ..RequestOutcome::default()
        };
        let terms = Terms { types: vec!["t".into()], ..Terms::default() };
        let here = PartitionId { aggregate_type: TypeId(0), number: 1 };
        serde_json::to_string(&answer(&outcome, here, &terms)).unwrap()
    }

    const PLACE: &str = r#""type":"t","key":"k","partition":1,"offset":7,"time":5"#;

    #[test]
    fn each_outcome_has_its_status_and_says_what_it_must() {
        let accepted = proto::Accepted {
            sequences: Some(proto::Range { first: 2, next: 4 }),
            reply: "{\"x\": 1}".into(),
        };
        let refused = proto::Refused { code: "c".into(), details: "d".into() };
        let again = proto::Duplicate {
            first: 3,
            outcome: Some(Box::new(proto::Outcome { what: Some(What::Refused(refused.clone())) })),
        };
        for (what, status, rest) in [
            (
                What::Accepted(accepted),
                200,
                r#""outcome":"accepted","duplicate":false,"sequences":[2,3],"reply":{"x": 1}"#,
            ),
            (
                What::Nothing(proto::Nothing::default()),
                200,
                r#""outcome":"nothing","duplicate":false,"reply":null"#,
            ),
            (
                What::Refused(refused),
                422,
                r#""outcome":"refused","duplicate":false,"code":"c","details":"d""#,
            ),
            (
                What::Duplicate(Box::new(again)),
                422,
                r#""outcome":"refused","duplicate":true,"first":3,"code":"c","details":"d""#,
            ),
            (
                What::Fault(proto::Fault { dead_letter: 9 }),
                503,
                r#""outcome":"fault","duplicate":false,"deadLetter":"t/1/9""#,
            ),
            (
                What::Dropped(proto::Dropped { reason: "r".into() }),
                200,
                r#""outcome":"dropped","duplicate":false,"reason":"r""#,
            ),
        ] {
            assert_eq!(shown(what), format!(r#"{{"status":{status},{PLACE},{rest}}}"#));
        }
    }
}
