//! Every layout on disk that is ours, in one place: names of column families, keys, and the headers
//! in front of values. Frozen by the golden bytes below: a change is a new layout number.
//!
//! ```text
//! log
//!   meta              identity | type/<id> | segment/<number> | verified | epoch   -> note
//!   control           stream key                                                   -> frame
//!   dead-letters      stream key                                                   -> frame
//!   events-<number>   stream key                                                   -> frame, for ever
//!   segment-<number>  stream key                                                   -> frame, until retention
//!                     10 | group u64                                               -> group note
//! stream key  topic u8 | type u16 | partition u32 | first number u64               (15 bytes)
//! frame       version u8 | flags u8 | count u32 | group u64 | appended ms u64 | raw length u32
//!             | crc of payload u32 | crc of key and header u32 | payload           (34 bytes + payload)
//! group note  version u8 | durable u64 | time ms u64 | crc of key and value u32
//! note        version u8 | crc of key and payload u32 | payload
//!
//! store, in a column family for each partition, `<type>.<partition>`
//!   00                                                                             -> position
//!   01 | key                                                                       -> value
//!
//! store, in the column family `tables`
//!   00                                                                             -> catalogue
//!   01 | place                                                                     -> position
//!   01 | place | 01 | table u16 | row key                                          -> row
//! place       generation u32 | source u16 | partition u32                          (10 bytes)
//! ```
//! Numbers in keys are big-endian, so that they sort; all other numbers are big-endian as well.

use bytes::{Buf, Bytes};
use zamu_core::error::EngineError;
use zamu_core::model::Time;
use zamu_core::store::tables::{Generation, Place, TableNumber};

use crate::checksum::crc32c;

/// The layout that this file describes; stored when a log is created.
pub(crate) const LAYOUT: u32 = 1;

/// Notes of the log on itself.
pub(crate) const META: &str = "meta";
/// The control topic.
pub(crate) const CONTROL: &str = "control";
/// Dead letters of all partitions.
pub(crate) const DEAD_LETTERS: &str = "dead-letters";

/// Note: who this log is.
pub(crate) const IDENTITY: &[u8] = b"identity";
/// Note: how often it was opened.
pub(crate) const EPOCH: &[u8] = b"epoch";
/// Note: groups below this number are known to be whole and in sorted files.
pub(crate) const VERIFIED: &[u8] = b"verified";
const TYPE: &[u8] = b"type/";
const SEGMENT: &[u8] = b"segment/";

/// Number of a segment, from 1: a column family that is filled, then only read, then dropped.
pub(crate) type SegmentNumber = u64;

/// The column family of requests, commands, outcomes and group notes.
pub(crate) fn segment_family(number: SegmentNumber) -> String {
    format!("segment-{number:010}")
}

/// A column family of events, which is filled while one or more segments are, from this one on.
pub(crate) fn events_family(number: SegmentNumber) -> String {
    format!("events-{number:010}")
}

/// The number in a name that [`segment_family`] made.
pub(crate) fn segment_of_family(name: &str) -> Option<SegmentNumber> {
    name.strip_prefix("segment-")?.parse().ok()
}

/// Where the records of a time are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Families {
    /// Number of the segment.
    pub(crate) segment: SegmentNumber,
    /// Number of the column family of events.
    pub(crate) events: SegmentNumber,
}

/// The number in a name that [`events_family`] made.
pub(crate) fn segment_of_events_family(name: &str) -> Option<SegmentNumber> {
    name.strip_prefix("events-")?.parse().ok()
}

/// Key of a type's registry note.
pub(crate) fn type_key(id: u16) -> Vec<u8> {
    [TYPE, &id.to_be_bytes()].concat()
}

/// The type's number in a key that [`type_key`] made.
pub(crate) fn type_of_key(key: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes(key.strip_prefix(TYPE)?.try_into().ok()?))
}

/// Key of the note on where a segment begins.
pub(crate) fn segment_key(number: SegmentNumber) -> Vec<u8> {
    [SEGMENT, &number.to_be_bytes()].concat()
}

/// The segment's number in a key that [`segment_key`] made.
pub(crate) fn segment_of_key(key: &[u8]) -> Option<SegmentNumber> {
    Some(u64::from_be_bytes(key.strip_prefix(SEGMENT)?.try_into().ok()?))
}

/// What a frame holds. The number is the first byte of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(crate) enum Topic {
    /// `<type>.requests`.
    Requests = 1,
    /// `<type>.commands`.
    Commands = 2,
    /// `<type>.outcomes`.
    Outcomes = 3,
    /// `<type>.events`.
    Events = 4,
    /// `<type>.dead-letters`.
    DeadLetters = 5,
    /// The control topic: type 0, partition 0.
    Control = 6,
}

const GROUPS: u8 = 0x10;

/// One topic of one partition: records with ascending, gapless numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Stream {
    /// What it holds.
    pub(crate) topic: Topic,
    /// The log's own number of the aggregate type.
    pub(crate) type_id: u16,
    /// The partition.
    pub(crate) partition: u32,
}

/// Length of a stream's key.
pub(crate) const STREAM_KEY_LEN: usize = 15;
/// Length of the part that all keys of a stream share.
pub(crate) const STREAM_PREFIX_LEN: usize = 7;

impl Stream {
    /// The control topic's only stream.
    pub(crate) const CONTROL: Self = Self { topic: Topic::Control, type_id: 0, partition: 0 };

    /// Key of the frame whose first record has this number.
    pub(crate) fn key(self, first: u64) -> [u8; STREAM_KEY_LEN] {
        let mut key = [0; STREAM_KEY_LEN];
        key[0] = self.topic as u8;
        key[1..3].copy_from_slice(&self.type_id.to_be_bytes());
        key[3..7].copy_from_slice(&self.partition.to_be_bytes());
        key[7..].copy_from_slice(&first.to_be_bytes());
        key
    }

    /// The number in a key of this stream; `None` for a key of another.
    pub(crate) fn first_of(self, key: &[u8]) -> Option<u64> {
        let own = self.key(0);
        let number = key.strip_prefix(&own[..STREAM_PREFIX_LEN])?;
        Some(u64::from_be_bytes(number.try_into().ok()?))
    }

    /// The column family of this stream in a segment.
    pub(crate) fn family(self, families: Families) -> String {
        match self.topic {
            Topic::Requests | Topic::Commands | Topic::Outcomes => segment_family(families.segment),
            Topic::Events => events_family(families.events),
            Topic::DeadLetters => DEAD_LETTERS.to_string(),
            Topic::Control => CONTROL.to_string(),
        }
    }
}

/// Key of a group's note.
pub(crate) fn group_key(group: u64) -> [u8; 9] {
    let mut key = [GROUPS; 9];
    key[1..].copy_from_slice(&group.to_be_bytes());
    key
}

/// The group in a key that [`group_key`] made.
pub(crate) fn group_of_key(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.strip_prefix(&[GROUPS])?.try_into().ok()?))
}

/// What a group of commits notes of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GroupNote {
    /// The newest group that was durable when this one was written.
    pub(crate) durable: u64,
    /// Append time of all records of the group.
    pub(crate) time: Time,
}

const VERSION: u8 = 1;

impl GroupNote {
    /// The value to store under [`group_key`].
    pub(crate) fn seal(self, group: u64) -> [u8; 21] {
        let mut value = [VERSION; 21];
        value[1..9].copy_from_slice(&self.durable.to_be_bytes());
        value[9..17].copy_from_slice(&self.time.0.to_be_bytes());
        let crc = crc32c(&[&group_key(group), &value[..17]]);
        value[17..].copy_from_slice(&crc.to_be_bytes());
        value
    }

    /// Reads such a value back.
    pub(crate) fn open(group: u64, mut value: &[u8]) -> Result<Self, EngineError> {
        let whole = value.len() == 21
            && value[0] == VERSION
            && crc32c(&[&group_key(group), &value[..17]]).to_be_bytes() == value[17..];
        if !whole {
            return Err(EngineError::Damaged(format!("the note of group {group} is not whole")));
        }
        value.advance(1);
        Ok(Self { durable: value.get_u64(), time: Time(value.get_u64()) })
    }
}

/// Bytes in front of a frame's payload.
pub(crate) const FRAME_HEADER_LEN: usize = 34;

const FLAG_LZ4: u8 = 1;

/// What stands in front of a frame's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    /// The payload is compressed with lz4.
    pub(crate) compressed: bool,
    /// Number of records.
    pub(crate) count: u32,
    /// The group that wrote it.
    pub(crate) group: u64,
    /// When it was written.
    pub(crate) appended: Time,
    /// Length of the payload before compression.
    pub(crate) raw_len: u32,
    /// Checksum of the payload as stored.
    pub(crate) payload_crc: u32,
}

impl FrameHeader {
    /// Writes the header, with a checksum over itself and the frame's key.
    pub(crate) fn seal(self, key: &[u8]) -> [u8; FRAME_HEADER_LEN] {
        let mut header = [0; FRAME_HEADER_LEN];
        header[0] = VERSION;
        header[1] = if self.compressed { FLAG_LZ4 } else { 0 };
        header[2..6].copy_from_slice(&self.count.to_be_bytes());
        header[6..14].copy_from_slice(&self.group.to_be_bytes());
        header[14..22].copy_from_slice(&self.appended.0.to_be_bytes());
        header[22..26].copy_from_slice(&self.raw_len.to_be_bytes());
        header[26..30].copy_from_slice(&self.payload_crc.to_be_bytes());
        let crc = crc32c(&[key, &header[..30]]);
        header[30..].copy_from_slice(&crc.to_be_bytes());
        header
    }

    /// Reads and checks the header of the frame under `key`. The payload is not looked at.
    pub(crate) fn open(key: &[u8], mut value: &[u8]) -> Result<Self, EngineError> {
        let damaged = |what: &str| EngineError::Damaged(format!("frame {}: {what}", hex(key)));
        if value.len() < FRAME_HEADER_LEN {
            return Err(damaged("shorter than its header"));
        }
        if crc32c(&[key, &value[..30]]).to_be_bytes() != value[30..FRAME_HEADER_LEN] {
            return Err(damaged("the checksum of its header does not fit"));
        }
        if value[0] != VERSION || value[1] & !FLAG_LZ4 != 0 {
            return Err(damaged("written by a newer version of this program; use that one"));
        }
        let compressed = value[1] & FLAG_LZ4 != 0;
        value.advance(2);
        Ok(Self {
            compressed,
            count: value.get_u32(),
            group: value.get_u64(),
            appended: Time(value.get_u64()),
            raw_len: value.get_u32(),
            payload_crc: value.get_u32(),
        })
    }
}

/// A value of the log's own notes.
pub(crate) fn seal_note(key: &[u8], payload: &[u8]) -> Vec<u8> {
    let crc = crc32c(&[key, &[VERSION], payload]);
    [&[VERSION], crc.to_be_bytes().as_slice(), payload].concat()
}

/// Reads back what [`seal_note`] made.
pub(crate) fn open_note(key: &[u8], value: &[u8]) -> Result<Bytes, EngineError> {
    let whole =
        value.len() >= 5 && crc32c(&[key, &value[..1], &value[5..]]).to_be_bytes() == value[1..5];
    if !whole {
        return Err(EngineError::Damaged(format!(
            "the note `{}` is not whole",
            String::from_utf8_lossy(key)
        )));
    }
    if value[0] != VERSION {
        return Err(EngineError::Damaged(format!(
            "the note `{}` was written by a newer version of this program; use that one",
            String::from_utf8_lossy(key)
        )));
    }
    Ok(Bytes::copy_from_slice(&value[5..]))
}

/// A column family of the store.
pub(crate) fn store_family(type_name: &str, partition: u32) -> String {
    format!("{type_name}.{partition}")
}

/// Key of a partition's position in the store.
pub(crate) const STORE_POSITION: &[u8] = &[0];
/// The first byte of the keys of records in the store.
pub(crate) const STORE_DATA: u8 = 1;
/// The first byte of the entries of the store's index of deadlines: above all records.
pub(crate) const STORE_DEADLINES: u8 = 2;
/// Above all keys in the store.
pub(crate) const STORE_END: &[u8] = &[3];
/// Bytes of an index entry before the key.
const STORE_DEADLINE_LEN: usize = 9;

/// The key under which the store keeps `key`.
pub(crate) fn store_key(key: &[u8]) -> Vec<u8> {
    let mut stored = Vec::with_capacity(1 + key.len());
    stored.push(STORE_DATA);
    stored.extend_from_slice(key);
    stored
}

/// The entry of the store's index of deadlines for `key`; its value is empty. Entries are in the
/// order of (deadline, key).
pub(crate) fn store_deadline(deadline: Time, key: &[u8]) -> Vec<u8> {
    let mut stored = Vec::with_capacity(STORE_DEADLINE_LEN + key.len());
    stored.push(STORE_DEADLINES);
    stored.extend_from_slice(&deadline.0.to_be_bytes());
    stored.extend_from_slice(key);
    stored
}

/// The deadline of an index entry, and where its key begins.
pub(crate) fn deadline_of_entry(stored: &[u8]) -> Option<(Time, usize)> {
    let deadline = stored.get(1..STORE_DEADLINE_LEN)?;
    Some((Time(u64::from_be_bytes(deadline.try_into().ok()?)), STORE_DEADLINE_LEN))
}

/// The column family of tables in the store. No type has that name: those have a partition in theirs.
pub(crate) const TABLES: &str = "tables";
/// Key of the catalogue of tables.
pub(crate) const TABLE_CATALOGUE: &[u8] = &[0];
const PLACES: u8 = 1;
const ROWS: u8 = 1;

/// Key of a place's position; the keys of its rows begin with it.
pub(crate) fn place_key(place: Place) -> [u8; 11] {
    let mut key = [PLACES; 11];
    key[1..5].copy_from_slice(&place.generation.to_be_bytes());
    key[5..7].copy_from_slice(&place.source.to_be_bytes());
    key[7..].copy_from_slice(&place.partition.to_be_bytes());
    key
}

/// Key of a row.
pub(crate) fn row_key(place: Place, table: TableNumber, key: &[u8]) -> Vec<u8> {
    [&place_key(place)[..], &[ROWS], &table.to_be_bytes(), key].concat()
}

/// From the first key of a generation up to, but not including, the first after it.
pub(crate) fn generation_range(generation: Generation) -> (Vec<u8>, Vec<u8>) {
    let first = [&[PLACES], &generation.to_be_bytes()[..]].concat();
    let end = end_of_prefix(&first);
    (first, end)
}

/// The least key above all that begin with this, which is not of highest bytes alone.
pub(crate) fn end_of_prefix(prefix: &[u8]) -> Vec<u8> {
    let kept = prefix.iter().rposition(|byte| *byte < u8::MAX).map_or(0, |at| at + 1);
    let mut end = prefix[..kept].to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    const EVENTS: Stream = Stream { topic: Topic::Events, type_id: 2, partition: 3 };

    fn header() -> FrameHeader {
        FrameHeader {
            compressed: true,
            count: 5,
            group: 6,
            appended: Time(7),
            raw_len: 8,
            payload_crc: 9,
        }
    }

    #[test]
    fn the_layout_is_frozen_byte_for_byte() {
        let topics = [
            Topic::Requests,
            Topic::Commands,
            Topic::Outcomes,
            Topic::Events,
            Topic::DeadLetters,
            Topic::Control,
        ];
        assert_eq!(topics.map(|topic| topic as u8), [1, 2, 3, 4, 5, 6]);
        assert_eq!(hex(&EVENTS.key(4)), "040002000000030000000000000004");
        assert_eq!(hex(&Stream::CONTROL.key(1)), "060000000000000000000000000001");
        assert_eq!(hex(&group_key(258)), "100000000000000102");
        assert_eq!(hex(&type_key(1)), hex(b"type/\x00\x01"));
        assert_eq!(hex(&segment_key(1)), hex(b"segment/\0\0\0\0\0\0\0\x01"));
        assert_eq!([IDENTITY, EPOCH, VERIFIED], [&b"identity"[..], b"epoch", b"verified"]);
        assert_eq!(segment_family(42), "segment-0000000042");
        assert_eq!(events_family(42), "events-0000000042");
        assert_eq!([META, CONTROL, DEAD_LETTERS], ["meta", "control", "dead-letters"]);
        assert_eq!(
            hex(&header().seal(&EVENTS.key(4))),
            "0101000000050000000000000006000000000000000700000008000000099d72917f"
        );
        assert_eq!(
            hex(&GroupNote { durable: 1, time: Time(2) }.seal(3)),
            "01000000000000000100000000000000025afc0819"
        );
        assert_eq!(hex(&seal_note(EPOCH, b"x")), "01d317b32f78");
        assert_eq!(store_family("accounts", 7), "accounts.7");
        assert_eq!(hex(&store_key(b"k")), "016b");
        assert_eq!(hex(&store_deadline(Time(258), b"k")), "0200000000000001026b");
        assert_eq!(STORE_POSITION, [0]);
    }

    #[test]
    fn the_layout_of_tables_is_frozen_byte_for_byte() {
        let place = Place { generation: 1, source: 2, partition: 3 };
        assert_eq!((TABLES, TABLE_CATALOGUE), ("tables", &[0_u8][..]));
        assert_eq!(hex(&place_key(place)), "0100000001000200000003");
        assert_eq!(hex(&row_key(place, 4, b"k")), "01000000010002000000030100046b");
        let range = |generation| {
            let (first, end) = generation_range(generation);
            [hex(&first), hex(&end)]
        };
        assert_eq!(range(1), ["0100000001", "0100000002"]);
        assert_eq!(range(u32::MAX), ["01ffffffff", "02"]);
        assert_eq!(hex(&end_of_prefix(b"\x01a\xff\xff")), "0162");
    }

    #[test]
    fn what_is_sealed_opens_as_it_was() {
        let key = EVENTS.key(4);
        assert_eq!(FrameHeader::open(&key, &header().seal(&key)).unwrap(), header());
        let note = GroupNote { durable: 1, time: Time(2) };
        assert_eq!(GroupNote::open(3, &note.seal(3)).unwrap(), note);
        assert_eq!(open_note(EPOCH, &seal_note(EPOCH, b"x")).unwrap(), "x");
        assert_eq!(EVENTS.first_of(&EVENTS.key(9)), Some(9));
        assert_eq!(EVENTS.first_of(&Stream { partition: 4, ..EVENTS }.key(9)), None);
        assert_eq!(group_of_key(&group_key(11)), Some(11));
        assert_eq!(type_of_key(&type_key(12)), Some(12));
        assert_eq!(segment_of_key(&segment_key(13)), Some(13));
        assert_eq!(segment_of_family(&segment_family(14)), Some(14));
        assert_eq!(segment_of_events_family(&events_family(15)), Some(15));
        assert_eq!(segment_of_family(&events_family(15)), None);
        assert_eq!(deadline_of_entry(&store_deadline(Time(258), b"k")), Some((Time(258), 9)));
        assert_eq!(deadline_of_entry(&[2, 0, 0]), None);
    }

    #[test]
    fn deadlines_stand_above_all_records_in_their_order() {
        let stored = [
            STORE_POSITION.to_vec(),
            store_key(b""),
            store_key(&[0xff; 40]),
            store_deadline(Time(0), b""),
            store_deadline(Time(0), &[0xff]),
            store_deadline(Time(255), b"b"),
            store_deadline(Time(256), b"a"),
            store_deadline(Time(u64::MAX), &[0xff; 40]),
            STORE_END.to_vec(),
        ];
        assert!(stored.is_sorted(), "{stored:?}");
    }

    #[test]
    fn any_flipped_bit_of_a_header_or_its_key_is_found() {
        let key = EVENTS.key(4);
        let sealed = header().seal(&key);
        for bit in 0..sealed.len() * 8 {
            let mut bent = sealed;
            bent[bit / 8] ^= 1 << (bit % 8);
            assert!(FrameHeader::open(&key, &bent).is_err(), "bit {bit} of the header");
        }
        for bit in 0..key.len() * 8 {
            let mut bent = key;
            bent[bit / 8] ^= 1 << (bit % 8);
            assert!(FrameHeader::open(&bent, &sealed).is_err(), "bit {bit} of the key");
        }
        let note = GroupNote { durable: 1, time: Time(2) }.seal(3);
        for bit in 0..note.len() * 8 {
            let mut bent = note;
            bent[bit / 8] ^= 1 << (bit % 8);
            assert!(GroupNote::open(3, &bent).is_err(), "bit {bit} of a group note");
        }
        assert!(GroupNote::open(4, &note).is_err());
    }
}
