//! An event with its provenance.
//!
//! What made its aggregate decide it stands under `cause`: `request` (a client's command), `command`
//! (another aggregate's, by an event handler) or `wake` (its own deadline), each with its offset.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use zamu_core::model::{self, Cause, EventRef, PartitionId};

use crate::json::{Data, Terms, text};

/// See [`event`].
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event<'a> {
    id: String,
    r#type: &'a str,
    key: Cow<'a, str>,
    sequence: u64,
    partition: u32,
    number: u64,
    previous: Option<u64>,
    kind: &'a str,
    schema: &'a str,
    content_type: &'a str,
    time: u64,
    correlation: Cow<'a, str>,
    principal: Cow<'a, str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    trace_parent: Cow<'a, str>,
    cause: CauseJson<'a>,
    handler: HandlerJson<'a>,
    deployment: u64,
    #[serde(flatten)]
    data: Data<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum CauseJson<'a> {
    Request {
        offset: u64,
        source: Cow<'a, str>,
        id: Cow<'a, str>,
    },
    /// The aggregate's own deadline, in milliseconds since 1970.
    Wake {
        offset: u64,
        deadline: u64,
    },
    Command {
        offset: u64,
        id: String,
    },
}

/// The handler that decided; version and digest are `null` for a deployment that is not known here.
#[derive(Debug, Serialize)]
struct HandlerJson<'a> {
    name: &'a str,
    #[serde(serialize_with = "shared")]
    version: Option<Arc<str>>,
    #[serde(serialize_with = "shared")]
    digest: Option<Arc<str>>,
}

fn shared<S: Serializer>(text: &Option<Arc<str>>, serializer: S) -> Result<S::Ok, S::Error> {
    text.as_deref().serialize(serializer)
}

/// An event of a partition, as JSON shows it.
#[must_use]
pub fn event<'a>(event: &'a model::Event, partition: PartitionId, terms: &'a Terms) -> Event<'a> {
    let r#type = terms.type_name(partition.aggregate_type);
    let key = text(&event.key);
    let deployed = terms.history.handler(event.deployment, &event.handler);
    Event {
        id: format!("{type}/{key}/{}", event.sequence),
        r#type,
        key,
        sequence: event.sequence,
        partition: partition.number,
        number: event.number,
        previous: event.previous,
        kind: &event.kind.name,
        schema: &event.kind.schema,
        content_type: &event.kind.content_type,
        time: event.time.0,
        correlation: text(&event.context.correlation),
        principal: text(&event.context.principal),
        trace_parent: text(&event.context.trace_parent),
        cause: cause(&event.cause, terms),
        handler: HandlerJson {
            name: &event.handler,
            version: deployed.as_ref().map(|handler| Arc::clone(&handler.version)),
            digest: deployed.map(|handler| handler.digest),
        },
        deployment: event.deployment,
        data: Data::of(&event.body),
    }
}

fn cause<'a>(cause: &'a Cause, terms: &Terms) -> CauseJson<'a> {
    match cause {
        Cause::Request { offset, source, id } => {
            CauseJson::Request { offset: *offset, source: text(source), id: text(id) }
        }
        Cause::Wake { offset, deadline } => {
            CauseJson::Wake { offset: *offset, deadline: deadline.0 }
        }
        Cause::Command { offset, event, handler, index } => CauseJson::Command {
            offset: *offset,
            id: format!("{}/{handler}/{index}", event_id(event, terms)),
        },
    }
}

/// `type/key/sequence`.
fn event_id(event: &EventRef, terms: &Terms) -> String {
    let r#type = terms.type_name(event.aggregate_type);
    format!("{type}/{}/{}", text(&event.key), event.sequence)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use zamu_core::model::{Context, KindName, Time, TypeId};

    use super::*;

    #[test]
    fn an_event_at_a_deadline_tells_which() {
        let cause = cause(&Cause::Wake { offset: 5, deadline: Time(77) }, &Terms::default())
            .serialize(serde_json::value::Serializer);
        assert_eq!(cause.unwrap(), serde_json::json!({ "wake": { "offset": 5, "deadline": 77 } }));
    }

    #[test]
    fn an_event_tells_who_decided_it_and_why() {
        let told = model::Event {
            number: 9,
            key: "k/1".into(),
            sequence: 2,
            previous: Some(4),
            kind: Arc::new(KindName {
                name: "Made".into(),
                schema: "1".into(),
                content_type: "application/json".into(),
            }),
            time: Time(77),
            cause: Cause::Command {
                offset: 5,
                event: EventRef { aggregate_type: TypeId(0), key: "c".into(), sequence: 1 },
                handler: "h".into(),
                index: 0,
            },
            handler: "h".into(),
            deployment: 1,
            context: Arc::new(Context {
                correlation: "s/i".into(),
                principal: "anonymous".into(),
                trace_parent: "".into(),
            }),
            body: "{\"a\": 1}".into(),
        };
        let terms = Terms { types: vec!["t".into()], ..Terms::default() };
        let here = PartitionId { aggregate_type: TypeId(0), number: 3 };
        assert_eq!(
            serde_json::to_string(&event(&told, here, &terms)).unwrap(),
            concat!(
                r#"{"id":"t/k/1/2","type":"t","key":"k/1","sequence":2,"partition":3,"number":9,"#,
                r#""previous":4,"kind":"Made","schema":"1","contentType":"application/json","#,
                r#""time":77,"correlation":"s/i","principal":"anonymous","#,
                r#""cause":{"command":{"offset":5,"id":"t/c/1/h/0"}},"#,
                r#""handler":{"name":"h","version":null,"digest":null},"deployment":1,"#,
                r#""data":{"a": 1}}"#
            )
        );
    }
}
