//! A dead letter: what could not be processed, and why.

use std::borrow::Cow;

use serde::Serialize;
use zamu_core::model::PartitionId;
use zamu_core::proto::{self, dead_letter::Subject};

use crate::json::{Data, Terms, text};

/// See [`dead_letter`].
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter<'a> {
    id: String,
    open: bool,
    reason: &'a str,
    message: &'a str,
    handler: &'a str,
    version: &'a str,
    digest: &'a str,
    deployment: u64,
    time: u64,
    subject: Option<SubjectJson<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
enum SubjectJson<'a> {
    Request {
        offset: u64,
        key: Cow<'a, str>,
        kind: &'a str,
        schema: &'a str,
        content_type: &'a str,
        source: Cow<'a, str>,
        id: Cow<'a, str>,
        correlation: Cow<'a, str>,
        principal: Cow<'a, str>,
        #[serde(flatten)]
        data: Data<'a>,
    },
    /// A Wake: the aggregate's own deadline, in milliseconds since 1970, and the sequence of the
    /// state that had it.
    Wake { offset: u64, key: Cow<'a, str>, sequence: u64, deadline: u64 },
    Command {
        offset: u64,
        key: Cow<'a, str>,
        kind: &'a str,
        schema: &'a str,
        content_type: &'a str,
        /// `event id/handler/index`.
        id: String,
        channel: Channel<'a>,
        correlation: Cow<'a, str>,
        principal: Cow<'a, str>,
        #[serde(flatten)]
        data: Data<'a>,
    },
    /// An event that an event handler could not react to.
    Event { number: u64 },
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Channel<'a> {
    from_type: &'a str,
    from_partition: u32,
    number: u64,
}

/// A dead letter of a partition, as JSON shows it.
#[must_use]
pub fn dead_letter<'a>(
    letter: &'a proto::DeadLetter,
    open: bool,
    partition: PartitionId,
    terms: &Terms,
) -> DeadLetter<'a> {
    let r#type = terms.type_name(partition.aggregate_type);
    DeadLetter {
        id: format!("{type}/{}/{}", partition.number, letter.number),
        open,
        reason: &letter.reason,
        message: &letter.message,
        handler: &letter.handler,
        version: &letter.version,
        digest: &letter.digest,
        deployment: letter.deployment,
        time: letter.time,
        subject: letter.subject.as_ref().map(subject),
    }
}

fn subject(subject: &Subject) -> SubjectJson<'_> {
    match subject {
        Subject::Request(request) if request.wake_deadline.is_some() => SubjectJson::Wake {
            offset: request.offset,
            key: text(&request.key),
            sequence: request.wake_sequence.unwrap_or_default(),
            deadline: request.wake_deadline.unwrap_or_default(),
        },
        Subject::Request(request) => {
            let (kind, schema, content_type) = kind(request.kind.as_ref());
            SubjectJson::Request {
                offset: request.offset,
                key: text(&request.key),
                kind,
                schema,
                content_type,
                source: text(&request.source),
                id: text(&request.id),
                correlation: text(&request.correlation),
                principal: text(&request.principal),
                data: Data::of(&request.body),
            }
        }
        Subject::Command(command) => {
            let (kind, schema, content_type) = kind(command.kind.as_ref());
            SubjectJson::Command {
                offset: command.offset,
                key: text(&command.key),
                kind,
                schema,
                content_type,
                id: format!(
                    "{}/{}/{}/{}/{}",
                    command.cause_type,
                    text(&command.cause_key),
                    command.cause_sequence,
                    command.handler,
                    command.index
                ),
                channel: Channel {
                    from_type: &command.from_type,
                    from_partition: command.from_partition,
                    number: command.channel_number,
                },
                correlation: text(&command.correlation),
                principal: text(&command.principal),
                data: Data::of(&command.body),
            }
        }
        Subject::Event(number) => SubjectJson::Event { number: *number },
    }
}

fn kind(kind: Option<&proto::Kind>) -> (&str, &str, &str) {
    kind.map_or(("", "", ""), |kind| (&kind.name, &kind.schema, &kind.content_type))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use zamu_core::model::TypeId;

    use super::*;

    #[test]
    fn a_deadline_that_was_given_up_shows_what_was_wanted() {
        let letter = proto::DeadLetter {
            subject: Some(Subject::Request(proto::DeadRequest {
                offset: 9,
                key: "k".into(),
                wake_sequence: Some(3),
                wake_deadline: Some(77),
                ..Default::default()
            })),
            ..Default::default()
        };
        let here = PartitionId { aggregate_type: TypeId(0), number: 1 };
        let terms = Terms { types: vec!["t".into()], ..Terms::default() };
        let shown = serde_json::to_value(dead_letter(&letter, true, here, &terms)).unwrap();
        let wake = serde_json::json!({ "offset": 9, "key": "k", "sequence": 3, "deadline": 77 });
        assert_eq!(shown["subject"], serde_json::json!({ "wake": wake }));
    }

    #[test]
    fn a_dead_letter_shows_the_whole_record_even_if_it_is_not_json() {
        let letter = proto::DeadLetter {
            number: 4,
            reason: "trap".into(),
            subject: Some(Subject::Request(proto::DeadRequest {
                key: "k".into(),
                body: vec![0xff].into(),
                ..Default::default()
            })),
            ..Default::default()
        };
        let terms = Terms { types: vec!["t".into()], ..Terms::default() };
        let here = PartitionId { aggregate_type: TypeId(0), number: 1 };
        let shown = serde_json::to_value(dead_letter(&letter, true, here, &terms)).unwrap();
        assert_eq!(shown["id"], "t/1/4");
        assert_eq!(shown["open"], true);
        assert_eq!(shown["subject"]["request"]["key"], "k");
        assert_eq!(shown["subject"]["request"]["dataBase64"], "/w==");
    }
}
