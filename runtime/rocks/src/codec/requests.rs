//! Records of `<type>.requests`.

use bytes::Bytes;
use prost::Message as _;
use zamu_core::error::EngineError;
use zamu_core::model::{Request, Time, Wake};

use super::tables::{Shared, Tables};
use super::{Names, damaged, proto};
use crate::frame::Packed;

/// Packs records in order.
pub(crate) fn pack<'a>(records: impl Iterator<Item = &'a Request>) -> Result<Packed, EngineError> {
    let mut shared = Shared::default();
    let records: Vec<_> = records.map(|request| encode(request, &mut shared)).collect();
    let count = records.len();
    let (kinds, contexts, _) = shared.into_tables();
    Packed::new(&proto::Requests { kinds, contexts, records }.encode_to_vec(), count)
}

fn encode(request: &Request, shared: &mut Shared) -> proto::Request {
    proto::Request {
        key: request.key.clone(),
        kind: shared.kind(&request.kind),
        context: shared.context(&request.context),
        source: request.source.clone(),
        id: request.id.clone(),
        redrive: request.redrive,
        body: request.body.clone(),
        wake: request
            .wake
            .map(|wake| proto::Wake { sequence: wake.sequence, deadline: wake.deadline.0 }),
    }
}

/// The records of a payload.
pub(crate) fn unpack(payload: Bytes, names: &mut Names) -> Result<Vec<Request>, EngineError> {
    let stored = proto::Requests::decode(payload).map_err(damaged)?;
    let tables = Tables::new(stored.kinds, stored.contexts, &[], names);
    stored.records.into_iter().map(|record| decode(record, &tables)).collect()
}

fn decode(record: proto::Request, tables: &Tables) -> Result<Request, EngineError> {
    Ok(Request {
        key: record.key,
        kind: tables.kind(record.kind)?,
        source: record.source,
        id: record.id,
        context: tables.context(record.context)?,
        redrive: record.redrive,
        wake: record
            .wake
            .map(|wake| Wake { sequence: wake.sequence, deadline: Time(wake.deadline) }),
        body: record.body,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::super::{proto, samples};
    use super::*;

    fn payload(records: &[Request]) -> Bytes {
        let value = pack(records.iter()).unwrap().seal(b"", 1, Time(1));
        let header = crate::keys::FrameHeader::open(b"", &value).unwrap();
        crate::frame::payload(&header, &value).unwrap()
    }

    #[test]
    fn requests_come_back_as_they_were() {
        let records = samples::requests();
        assert_eq!(unpack(payload(&records), &mut Names::default()).unwrap(), records);
    }

    #[test]
    fn what_records_share_is_stored_once() {
        let mut records = samples::requests();
        records.retain(|record| !record.key.is_empty());
        records.iter_mut().for_each(|record| record.context = records_context());
        let stored = proto::Requests::decode(payload(&records)).unwrap();
        assert_eq!((stored.kinds.len(), stored.records.len()), (2, 3));

        let shared = samples::context();
        records.iter_mut().for_each(|record| record.context = shared.clone());
        let stored = proto::Requests::decode(payload(&records)).unwrap();
        assert_eq!(stored.contexts.len(), 1);
    }

    fn records_context() -> std::sync::Arc<zamu_core::model::Context> {
        samples::context()
    }

    #[test]
    fn readers_share_one_copy_of_a_kind() {
        let mut names = Names::default();
        let payload = payload(&samples::requests());
        let first = unpack(payload.clone(), &mut names).unwrap();
        let second = unpack(payload, &mut names).unwrap();
        assert!(std::sync::Arc::ptr_eq(&first[0].kind, &second[3].kind));
    }

    #[test]
    fn an_index_beyond_its_table_is_damage_and_not_a_panic() {
        let stored = proto::Requests {
            kinds: vec![],
            contexts: vec![],
            records: vec![proto::Request::default()],
        };
        let found = unpack(stored.encode_to_vec().into(), &mut Names::default());
        assert!(matches!(found, Err(EngineError::Damaged(_))), "{found:?}");
    }

    /// A reader of the next version finds the records of this one.
    #[test]
    fn the_payload_is_frozen_byte_for_byte() {
        let hex: String =
            payload(&samples::requests()[..1]).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex,
            "0a1b0a044f70656e120131\
             1a106170706c69636174696f6e2f6a736f6e\
             12160a03632d31120462616e6b1a0930302d312d322d3031\
             1a140a016b22066472697665722a01313000\
             3a027b7d"
        );
    }

    /// Frozen, too, since there are Wakes.
    #[test]
    fn the_payload_of_a_wake_is_frozen_byte_for_byte() {
        let wakes = [samples::wake()];
        let hex: String = payload(&wakes).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(
            hex,
            "0a001200\
             1a220a016b22047a616d752a0c6163632f6b2f332f77616b65\
             420908031080d095ffbc31"
        );
        assert_eq!(unpack(payload(&wakes), &mut Names::default()).unwrap(), wakes);
    }
}
