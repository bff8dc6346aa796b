//! Records of each topic to the payload of a frame, and back.
//!
//! What records share is written once per frame. Reading copies nothing: keys and bodies are slices
//! of the frame's payload.

pub(crate) mod blobs;
pub(crate) mod commands;
pub(crate) mod events;
pub(crate) mod requests;
mod tables;

pub(crate) use tables::Names;

use zamu_core::error::EngineError;

/// What the log stores, as generated from `proto/log.proto`.
#[allow(missing_docs, unreachable_pub, clippy::all)]
pub(crate) mod proto {
    include!(concat!(env!("OUT_DIR"), "/zamu.log.v1.rs"));
}

fn damaged(what: impl std::fmt::Display) -> EngineError {
    EngineError::Damaged(format!("a frame's records do not decode: {what}"))
}

#[cfg(test)]
pub(crate) mod samples {
    //! Records with every field set, and with as few as possible.

    use std::sync::Arc;

    use bytes::Bytes;
    use zamu_core::model::{
        Cause, ChannelStamp, Command, Context, Event, EventRef, Kind, KindName, PartitionId,
        Request, Time, TypeId, Wake,
    };

    use crate::types::{TypeEntry, TypeTable};

    pub(crate) fn types() -> TypeTable {
        let entry = |name: &str, stored| TypeEntry { name: name.into(), partitions: 4, stored };
        TypeTable::new(vec![entry("payments", 3), entry("accounts", 1)])
    }

    pub(crate) fn kind(name: &str) -> Kind {
        Arc::new(KindName {
            name: name.into(),
            schema: "1".into(),
            content_type: "application/json".into(),
        })
    }

    pub(crate) fn context() -> Arc<Context> {
        Arc::new(Context {
            correlation: "c-1".into(),
            principal: "bank".into(),
            trace_parent: "00-1-2-01".into(),
        })
    }

    pub(crate) fn bare_request() -> Request {
        Request {
            key: Bytes::new(),
            kind: Kind::default(),
            source: Bytes::new(),
            id: Bytes::new(),
            context: Arc::default(),
            redrive: None,
            wake: None,
            body: Bytes::new(),
        }
    }

    pub(crate) fn wake() -> Request {
        Request {
            key: "k".into(),
            source: "zamu".into(),
            id: "acc/k/3/wake".into(),
            wake: Some(Wake { sequence: 3, deadline: Time(1_700_000_000_000) }),
            ..bare_request()
        }
    }

    pub(crate) fn requests() -> Vec<Request> {
        let full = Request {
            key: "k".into(),
            kind: kind("Open"),
            source: "driver".into(),
            id: "1".into(),
            context: context(),
            redrive: Some(0),
            wake: None,
            body: "{}".into(),
        };
        let other = Request { kind: kind("Close"), redrive: None, ..full.clone() };
        vec![full.clone(), bare_request(), other, full]
    }

    pub(crate) fn event_ref() -> EventRef {
        EventRef { aggregate_type: TypeId(1), key: "acc".into(), sequence: 9 }
    }

    pub(crate) fn commands() -> Vec<Command> {
        let full = Command {
            key: "k".into(),
            kind: kind("Reserve"),
            time: Time(1_000),
            channel: Some(ChannelStamp {
                from: PartitionId { aggregate_type: TypeId(0), number: 2 },
                number: 77,
            }),
            cause: event_ref(),
            handler: "saga".into(),
            index: 3,
            deployment: 5,
            context: context(),
            body: "{}".into(),
        };
        let bare = Command { time: Time(900), channel: None, deployment: 6, ..full.clone() };
        vec![full, bare]
    }

    pub(crate) fn events() -> Vec<Event> {
        let first = Event {
            number: 100,
            key: "k".into(),
            sequence: 1,
            previous: None,
            kind: kind("Opened"),
            time: Time(1_000),
            cause: Cause::Request { offset: 4, source: "driver".into(), id: "1".into() },
            handler: "accounts".into(),
            deployment: 5,
            context: context(),
            body: "{}".into(),
        };
        let second = Event {
            number: 101,
            sequence: 2,
            previous: Some(100),
            time: Time(2_000),
            cause: Cause::Command {
                offset: 8,
                event: event_ref(),
                handler: "saga".into(),
                index: 1,
            },
            ..first.clone()
        };
        let third = Event { number: 102, sequence: 3, previous: Some(7), ..second.clone() };
        let cause = Cause::Wake { offset: 9, deadline: Time(1_999) };
        let fourth = Event { number: 103, sequence: 4, cause, ..first.clone() };
        vec![first, second, third, fourth]
    }
}
