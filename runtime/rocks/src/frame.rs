//! Frames: many records under one key, compressed together, with a checksum.
//!
//! Knows nothing of what the records are; see [`crate::codec`].

use bytes::Bytes;
use zamu_core::error::EngineError;
use zamu_core::model::Time;

use crate::checksum::crc32c;
use crate::keys::{FRAME_HEADER_LEN, FrameHeader};

/// Below this many bytes compression is not tried.
const WORTH_COMPRESSING: usize = 96;
/// A payload that claims to be larger than this is damaged: no commit comes near it.
const RAW_LEN_MAX: u32 = 1 << 30;

/// Packed records, ready to be written as soon as their key, group and time are known.
#[derive(Debug)]
pub(crate) struct Packed {
    count: u32,
    raw_len: u32,
    compressed: bool,
    crc: u32,
    /// Room for the header, then the payload.
    bytes: Vec<u8>,
}

impl Packed {
    /// Packs an encoded payload of `count` records.
    pub(crate) fn new(raw: &[u8], count: usize) -> Result<Self, EngineError> {
        let too_large = || {
            EngineError::Fatal(format!(
                "{count} records of {} bytes are too many for one frame",
                raw.len()
            ))
        };
        let raw_len = u32::try_from(raw.len()).ok().filter(|len| *len <= RAW_LEN_MAX);
        let raw_len = raw_len.ok_or_else(too_large)?;
        let (bytes, compressed) = compress(raw);
        Ok(Self {
            count: u32::try_from(count).map_err(|_| too_large())?,
            raw_len,
            compressed,
            crc: crc32c(&[&bytes[FRAME_HEADER_LEN..]]),
            bytes,
        })
    }

    /// Number of records.
    pub(crate) fn count(&self) -> u64 {
        u64::from(self.count)
    }

    /// Bytes of the frame, header included.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The frame as it is stored under `key`.
    pub(crate) fn seal(mut self, key: &[u8], group: u64, appended: Time) -> Vec<u8> {
        let header = FrameHeader {
            compressed: self.compressed,
            count: self.count,
            group,
            appended,
            raw_len: self.raw_len,
            payload_crc: self.crc,
        };
        self.bytes[..FRAME_HEADER_LEN].copy_from_slice(&header.seal(key));
        self.bytes
    }
}

/// The payload behind room for a header, compressed if that makes it smaller.
fn compress(raw: &[u8]) -> (Vec<u8>, bool) {
    if raw.len() >= WORTH_COMPRESSING {
        let bound = lz4_flex::block::get_maximum_output_size(raw.len());
        let mut bytes = vec![0; FRAME_HEADER_LEN + bound];
        if let Ok(len) = lz4_flex::block::compress_into(raw, &mut bytes[FRAME_HEADER_LEN..])
            && len < raw.len()
        {
            bytes.truncate(FRAME_HEADER_LEN + len);
            return (bytes, true);
        }
    }
    let mut bytes = Vec::with_capacity(FRAME_HEADER_LEN + raw.len());
    bytes.resize(FRAME_HEADER_LEN, 0);
    bytes.extend_from_slice(raw);
    (bytes, false)
}

/// The payload of a stored frame whose header has been read, checked and decompressed.
pub(crate) fn payload(header: &FrameHeader, value: &[u8]) -> Result<Bytes, EngineError> {
    let damaged =
        |what: &str| EngineError::Damaged(format!("frame of group {}: {what}", header.group));
    let stored = value.get(FRAME_HEADER_LEN..).unwrap_or_default();
    if crc32c(&[stored]) != header.payload_crc {
        return Err(damaged("the checksum of its records does not fit"));
    }
    if !header.compressed {
        return Ok(Bytes::copy_from_slice(stored));
    }
    if header.raw_len > RAW_LEN_MAX {
        return Err(damaged("claims an impossible length"));
    }
    let mut raw = vec![0; header.raw_len as usize];
    match lz4_flex::block::decompress_into(stored, &mut raw) {
        Ok(len) if len == raw.len() => Ok(Bytes::from(raw)),
        Ok(_) => Err(damaged("decompresses to another length than it had")),
        Err(e) => Err(damaged(&format!("does not decompress: {e}"))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    const KEY: &[u8] = b"a frame's key";

    fn round_trip(raw: &[u8]) -> (FrameHeader, Bytes) {
        let value = Packed::new(raw, 3).unwrap().seal(KEY, 4, Time(5));
        let header = FrameHeader::open(KEY, &value).unwrap();
        (header, payload(&header, &value).unwrap())
    }

    #[test]
    fn records_come_back_as_they_were_packed() {
        for len in [0, 1, 95, 96, 1_000, 100_000] {
            let text = "the same words again and again, ".repeat(len / 32 + 1);
            let (header, raw) = round_trip(&text.as_bytes()[..len]);
            assert_eq!(raw, text.as_bytes()[..len]);
            assert_eq!((header.count, header.group, header.appended), (3, 4, Time(5)));
            assert_eq!(header.compressed, len >= WORTH_COMPRESSING, "{len} bytes");
        }
    }

    #[test]
    fn what_does_not_get_smaller_is_stored_as_it_is() {
        let noise: Vec<u8> =
            (0_u64..500).map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
        let (header, raw) = round_trip(&noise);
        assert!(!header.compressed);
        assert_eq!(raw, noise);
    }

    #[test]
    fn any_flipped_bit_of_a_payload_is_found() {
        let value = Packed::new(&b"some records ".repeat(20), 1).unwrap().seal(KEY, 1, Time(1));
        let header = FrameHeader::open(KEY, &value).unwrap();
        for bit in FRAME_HEADER_LEN * 8..value.len() * 8 {
            let mut bent = value.clone();
            bent[bit / 8] ^= 1 << (bit % 8);
            assert!(payload(&header, &bent).is_err(), "bit {bit}");
        }
        assert!(payload(&header, &value[..value.len() - 1]).is_err());
    }
}
