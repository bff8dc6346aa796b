//! Batch records, dead letters and control records: bytes that the log does not look into.

use bytes::Bytes;
use prost::Message as _;
use zamu_core::error::EngineError;

use super::{damaged, proto};
use crate::frame::Packed;

/// Packs records in order.
pub(crate) fn pack(records: Vec<Bytes>) -> Result<Packed, EngineError> {
    let count = records.len();
    Packed::new(&proto::Blobs { records }.encode_to_vec(), count)
}

/// The records of a payload.
pub(crate) fn unpack(payload: Bytes) -> Result<Vec<Bytes>, EngineError> {
    Ok(proto::Blobs::decode(payload).map_err(damaged)?.records)
}
