//! Records of `<type>.events`.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;
use zamu_core::error::EngineError;
use zamu_core::model::{Cause, Event, EventNumber, EventRef, Time};

use super::commands::{known_type, stored_type};
use super::tables::{Distinct, Shared, Tables, entry};
use super::{Names, damaged, proto};
use crate::frame::Packed;
use crate::types::TypeTable;

/// Packs events whose numbers follow each other.
///
/// # Errors
/// `Fatal` when a record names a type that the log does not have.
pub(crate) fn pack(records: &[Event], types: &TypeTable) -> Result<Packed, EngineError> {
    let mut shared = Shared::default();
    let mut handlers = Distinct::default();
    let base = records.first().map_or(Time(0), |event| event.time);
    let records: Result<Vec<_>, _> = records
        .iter()
        .map(|event| encode(event, base, types, &mut shared, &mut handlers))
        .collect();
    let records = records?;
    let count = records.len();
    let (kinds, contexts, deciders) = shared.into_tables();
    let handlers = handlers.into_values().iter().map(ToString::to_string).collect();
    let stored = proto::Events { kinds, contexts, deciders, handlers, time: base.0, records };
    Packed::new(&stored.encode_to_vec(), count)
}

fn encode(
    event: &Event,
    base: Time,
    types: &TypeTable,
    shared: &mut Shared,
    handlers: &mut Distinct<Arc<str>>,
) -> Result<proto::Event, EngineError> {
    let previous_back = match event.previous {
        None => 0,
        Some(previous) => {
            event.number.checked_sub(previous).filter(|back| *back > 0).ok_or_else(|| {
                EngineError::Fatal(format!(
                    "event {} names event {previous} as its aggregate's previous one",
                    event.number
                ))
            })?
        }
    };
    Ok(proto::Event {
        key: event.key.clone(),
        sequence: event.sequence,
        previous_back,
        kind: shared.kind(&event.kind),
        context: shared.context(&event.context),
        decider: shared.decider(&event.handler, event.deployment),
        time: event.time.0.wrapping_sub(base.0) as i64,
        body: event.body.clone(),
        cause: Some(encode_cause(&event.cause, types, handlers)?),
    })
}

fn encode_cause(
    cause: &Cause,
    types: &TypeTable,
    handlers: &mut Distinct<Arc<str>>,
) -> Result<proto::event::Cause, EngineError> {
    Ok(match cause {
        Cause::Request { offset, source, id } => {
            proto::event::Cause::Request(proto::CausedByRequest {
                offset: *offset,
                source: source.clone(),
                id: id.clone(),
            })
        }
        Cause::Wake { offset, deadline } => {
            proto::event::Cause::Wake(proto::CausedByWake { offset: *offset, deadline: deadline.0 })
        }
        Cause::Command { offset, event, handler, index } => {
            proto::event::Cause::Command(proto::CausedByCommand {
                offset: *offset,
                aggregate_type: stored_type(event.aggregate_type, types)?,
                key: event.key.clone(),
                sequence: event.sequence,
                handler: handlers.index(handler, |a, b| Arc::ptr_eq(a, b) || a == b),
                index: *index,
            })
        }
    })
}

/// The events of a payload, the first of which has the number `first`.
pub(crate) fn unpack(
    first: EventNumber,
    payload: Bytes,
    types: &TypeTable,
    names: &mut Names,
) -> Result<Vec<Event>, EngineError> {
    let stored = proto::Events::decode(payload).map_err(damaged)?;
    let tables = Tables::new(stored.kinds, stored.contexts, &stored.deciders, names);
    let handlers: Vec<_> = stored.handlers.iter().map(|name| names.handler(name)).collect();
    (first..)
        .zip(stored.records)
        .map(|(number, record)| decode(number, record, stored.time, types, &tables, &handlers))
        .collect()
}

fn decode(
    number: EventNumber,
    record: proto::Event,
    base: u64,
    types: &TypeTable,
    tables: &Tables,
    handlers: &[Arc<str>],
) -> Result<Event, EngineError> {
    let previous = match record.previous_back {
        0 => None,
        back => Some(number.checked_sub(back).ok_or_else(|| damaged("an event before the first"))?),
    };
    let (handler, deployment) = tables.decider(record.decider)?;
    let cause = record.cause.ok_or_else(|| damaged("an event without a cause"))?;
    Ok(Event {
        number,
        key: record.key,
        sequence: record.sequence,
        previous,
        kind: tables.kind(record.kind)?,
        time: Time(base.wrapping_add_signed(record.time)),
        cause: decode_cause(cause, types, handlers)?,
        handler,
        deployment,
        context: tables.context(record.context)?,
        body: record.body,
    })
}

fn decode_cause(
    cause: proto::event::Cause,
    types: &TypeTable,
    handlers: &[Arc<str>],
) -> Result<Cause, EngineError> {
    Ok(match cause {
        proto::event::Cause::Request(request) => {
            Cause::Request { offset: request.offset, source: request.source, id: request.id }
        }
        proto::event::Cause::Wake(wake) => {
            Cause::Wake { offset: wake.offset, deadline: Time(wake.deadline) }
        }
        proto::event::Cause::Command(command) => Cause::Command {
            offset: command.offset,
            event: EventRef {
                aggregate_type: known_type(command.aggregate_type, types)?,
                key: command.key,
                sequence: command.sequence,
            },
            handler: entry(handlers, command.handler, "handler")?.clone(),
            index: command.index,
        },
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::super::samples;
    use super::*;

    fn payload(records: &[Event], types: &TypeTable) -> Bytes {
        let value = pack(records, types).unwrap().seal(b"", 1, Time(1));
        let header = crate::keys::FrameHeader::open(b"", &value).unwrap();
        crate::frame::payload(&header, &value).unwrap()
    }

    #[test]
    fn events_come_back_as_they_were_with_their_chain() {
        let (records, types) = (samples::events(), samples::types());
        let payload = payload(&records, &types);
        assert_eq!(unpack(100, payload, &types, &mut Names::default()).unwrap(), records);
    }

    #[test]
    fn a_chain_that_does_not_lead_back_is_refused() {
        let types = samples::types();
        let mut records = samples::events();
        records[1].previous = Some(101);
        assert!(matches!(pack(&records, &types), Err(EngineError::Fatal(_))));
        let stored = payload(&samples::events()[2..], &types);
        let found = unpack(3, stored, &types, &mut Names::default());
        assert!(matches!(found, Err(EngineError::Damaged(_))), "{found:?}");
    }

    /// A reader of the next version finds the records of this one.
    #[test]
    fn the_payload_is_frozen_byte_for_byte() {
        let types = samples::types();
        let hex: String =
            payload(&samples::events()[..2], &types).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(
            hex,
            "0a1d0a064f70656e65641201311a106170706c69636174696f6e2f6a736f6e\
             12160a03632d31120462616e6b1a0930302d312d322d3031\
             1a0c0a086163636f756e74731005\
             220473616761\
             28e807\
             32180a016b100142027b7d4a0d080412066472697665721a0131\
             321d0a016b1002180138d00f42027b7d520d080810011a0361636320093001"
        );
    }

    /// Frozen, too, since there are Wakes.
    #[test]
    fn the_cause_of_an_event_at_a_deadline_is_frozen_byte_for_byte() {
        let types = samples::types();
        let payload = payload(&samples::events()[3..], &types);
        let stored = proto::Events::decode(payload).unwrap();
        let cause = stored.records[0].clone();
        let hex: String = cause.encode_to_vec().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, "0a016b100442027b7d5a05080910cf0f");
    }
}
