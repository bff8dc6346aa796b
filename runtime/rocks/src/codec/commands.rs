//! Records of `<type>.commands`.

use bytes::Bytes;
use prost::Message as _;
use zamu_core::error::EngineError;
use zamu_core::model::{ChannelStamp, Command, EventRef, PartitionId, Time};

use super::tables::{Distinct, Shared, Tables, entry};
use super::{Names, damaged, proto};
use crate::frame::Packed;
use crate::types::TypeTable;

/// Packs records in order.
///
/// # Errors
/// `Fatal` when a record names a type that the log does not have.
pub(crate) fn pack(records: &[Command], types: &TypeTable) -> Result<Packed, EngineError> {
    let mut shared = Shared::default();
    let mut senders = Distinct::default();
    let base = records.first().map_or(Time(0), |command| command.time);
    let records: Result<Vec<_>, _> = records
        .iter()
        .map(|command| encode(command, base, types, &mut shared, &mut senders))
        .collect();
    let records = records?;
    let count = records.len();
    let (kinds, contexts, deciders) = shared.into_tables();
    let senders = senders.into_values();
    let stored = proto::Commands { kinds, contexts, deciders, senders, time: base.0, records };
    Packed::new(&stored.encode_to_vec(), count)
}

fn encode(
    command: &Command,
    base: Time,
    types: &TypeTable,
    shared: &mut Shared,
    senders: &mut Distinct<proto::Sender>,
) -> Result<proto::Command, EngineError> {
    let (sender, number) = match command.channel {
        None => (0, 0),
        Some(stamp) => {
            let sender = proto::Sender {
                aggregate_type: stored_type(stamp.from.aggregate_type, types)?,
                partition: stamp.from.number,
            };
            (senders.index(&sender, |a, b| a == b) + 1, stamp.number)
        }
    };
    Ok(proto::Command {
        key: command.key.clone(),
        kind: shared.kind(&command.kind),
        context: shared.context(&command.context),
        decider: shared.decider(&command.handler, command.deployment),
        time: command.time.0.wrapping_sub(base.0) as i64,
        sender,
        number,
        cause_type: stored_type(command.cause.aggregate_type, types)?,
        cause_key: command.cause.key.clone(),
        cause_sequence: command.cause.sequence,
        index: command.index,
        body: command.body.clone(),
    })
}

/// The log's number of a type that a record names.
pub(super) fn stored_type(
    id: zamu_core::model::TypeId,
    types: &TypeTable,
) -> Result<u32, EngineError> {
    types.stored(id).map(u32::from).ok_or_else(|| {
        EngineError::Fatal(format!("a record names aggregate type {}, which does not exist", id.0))
    })
}

/// The records of a payload.
pub(crate) fn unpack(
    payload: Bytes,
    types: &TypeTable,
    names: &mut Names,
) -> Result<Vec<Command>, EngineError> {
    let stored = proto::Commands::decode(payload).map_err(damaged)?;
    let tables = Tables::new(stored.kinds, stored.contexts, &stored.deciders, names);
    let senders = stored.senders;
    stored
        .records
        .into_iter()
        .map(|record| decode(record, stored.time, types, &tables, &senders))
        .collect()
}

fn decode(
    record: proto::Command,
    base: u64,
    types: &TypeTable,
    tables: &Tables,
    senders: &[proto::Sender],
) -> Result<Command, EngineError> {
    let channel = match record.sender.checked_sub(1) {
        None => None,
        Some(index) => {
            let sender = entry(senders, index, "sender")?;
            let from = PartitionId {
                aggregate_type: known_type(sender.aggregate_type, types)?,
                number: sender.partition,
            };
            Some(ChannelStamp { from, number: record.number })
        }
    };
    let (handler, deployment) = tables.decider(record.decider)?;
    Ok(Command {
        key: record.key,
        kind: tables.kind(record.kind)?,
        time: Time(base.wrapping_add_signed(record.time)),
        channel,
        cause: EventRef {
            aggregate_type: known_type(record.cause_type, types)?,
            key: record.cause_key,
            sequence: record.cause_sequence,
        },
        handler,
        index: record.index,
        deployment,
        context: tables.context(record.context)?,
        body: record.body,
    })
}

/// The process's number of a type that a stored record names.
pub(super) fn known_type(
    stored: u32,
    types: &TypeTable,
) -> Result<zamu_core::model::TypeId, EngineError> {
    types.id(stored).ok_or_else(|| damaged(format!("aggregate type {stored} is not registered")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::super::samples;
    use super::*;

    fn payload(records: &[Command], types: &TypeTable) -> Bytes {
        let value = pack(records, types).unwrap().seal(b"", 1, Time(1));
        let header = crate::keys::FrameHeader::open(b"", &value).unwrap();
        crate::frame::payload(&header, &value).unwrap()
    }

    #[test]
    fn commands_come_back_as_they_were_without_a_channel_too() {
        let (records, types) = (samples::commands(), samples::types());
        let payload = payload(&records, &types);
        assert_eq!(unpack(payload, &types, &mut Names::default()).unwrap(), records);
    }

    #[test]
    fn a_type_that_does_not_exist_is_refused_and_a_stored_one_is_damage() {
        let types = samples::types();
        let mut records = samples::commands();
        let stored = payload(&records, &types);
        let none = TypeTable::new(vec![]);
        let found = unpack(stored, &none, &mut Names::default());
        assert!(matches!(found, Err(EngineError::Damaged(_))), "{found:?}");
        records[0].cause.aggregate_type = zamu_core::model::TypeId(9);
        assert!(matches!(pack(&records, &types), Err(EngineError::Fatal(_))));
    }

    /// A reader of the next version finds the records of this one.
    #[test]
    fn the_payload_is_frozen_byte_for_byte() {
        let types = samples::types();
        let hex: String =
            payload(&samples::commands()[..1], &types).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(
            hex,
            "0a1e0a07526573657276651201311a106170706c69636174696f6e2f6a736f6e\
             12160a03632d31120462616e6b1a0930302d312d322d3031\
             1a080a04736167611005\
             220408031002\
             28e807\
             32160a016b3001384d40014a036163635009580362027b7d"
        );
    }
}
