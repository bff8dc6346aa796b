//! Records that could not be processed, as dead letters keep them, and read back for a redrive.

use std::sync::Arc;

use crate::model::{Command, Context, Kind, KindName, Request, Stored, Time, TypeId, Wake};
use crate::proto::{self, dead_letter::Subject};
use crate::topology::Topology;

/// A request as a dead letter keeps it.
#[must_use]
pub fn of_request(stored: &Stored<Request>) -> Subject {
    let record = &stored.record;
    Subject::Request(proto::DeadRequest {
        offset: stored.offset,
        key: record.key.clone(),
        kind: Some(kept_kind(&record.kind)),
        source: record.source.clone(),
        id: record.id.clone(),
        correlation: record.context.correlation.clone(),
        principal: record.context.principal.clone(),
        trace_parent: record.context.trace_parent.clone(),
        body: record.body.clone(),
        wake_sequence: record.wake.map(|wake| wake.sequence),
        wake_deadline: record.wake.map(|wake| wake.deadline.0),
    })
}

/// The Wake that a dead request was, for its redrive.
#[must_use]
pub fn wake_of_request(dead: &proto::DeadRequest) -> Option<Wake> {
    let deadline = Time(dead.wake_deadline?);
    Some(Wake { sequence: dead.wake_sequence?, deadline })
}

/// A choreographed command as a dead letter keeps it.
#[must_use]
pub fn of_command(stored: &Stored<Command>, topology: &Topology) -> Subject {
    let record = &stored.record;
    let name = |id: TypeId| {
        topology.types.get(id.0 as usize).map_or_else(String::new, |t| t.name.to_string())
    };
    Subject::Command(proto::DeadCommand {
        offset: stored.offset,
        key: record.key.clone(),
        kind: Some(kept_kind(&record.kind)),
        cause_type: name(record.cause.aggregate_type),
        cause_key: record.cause.key.clone(),
        cause_sequence: record.cause.sequence,
        handler: record.handler.to_string(),
        index: record.index,
        from_type: record.channel.map_or_else(String::new, |c| name(c.from.aggregate_type)),
        from_partition: record.channel.map_or(0, |c| c.from.number),
        channel_number: record.channel.map_or(0, |c| c.number),
        correlation: record.context.correlation.clone(),
        principal: record.context.principal.clone(),
        trace_parent: record.context.trace_parent.clone(),
        deployment: record.deployment,
        body: record.body.clone(),
    })
}

/// The context of a dead request, for its redrive.
#[must_use]
pub fn context_of_request(dead: &proto::DeadRequest) -> Arc<Context> {
    Arc::new(Context {
        correlation: dead.correlation.clone(),
        principal: dead.principal.clone(),
        trace_parent: dead.trace_parent.clone(),
    })
}

/// The context of a dead command, for its redrive.
#[must_use]
pub fn context_of_command(dead: &proto::DeadCommand) -> Arc<Context> {
    Arc::new(Context {
        correlation: dead.correlation.clone(),
        principal: dead.principal.clone(),
        trace_parent: dead.trace_parent.clone(),
    })
}

/// The kind that a dead letter kept.
#[must_use]
pub fn kind_of(kept: Option<&proto::Kind>) -> Kind {
    let kind = kept.cloned().unwrap_or_default();
    Arc::new(KindName { name: kind.name, schema: kind.schema, content_type: kind.content_type })
}

fn kept_kind(kind: &KindName) -> proto::Kind {
    proto::Kind {
        name: kind.name.clone(),
        schema: kind.schema.clone(),
        content_type: kind.content_type.clone(),
    }
}
