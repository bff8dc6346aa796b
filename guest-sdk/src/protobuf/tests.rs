//! What is written is the Protobuf that others write, and what is read names what is wrong with it.

#![allow(clippy::unwrap_used)]

use super::*;

#[derive(Clone, Debug, PartialEq)]
struct Inner {
    by: String,
}

#[derive(Clone, Debug, PartialEq)]
struct Outer {
    number: u64,
    signed: i64,
    flag: bool,
    inner: Inner,
    maybe: Option<Vec<u8>>,
}

crate::protobuf! {
    Inner { by = 1 }
    Outer { number = 1, signed = 2, flag = 3, inner = 4, maybe = 7 }
}

#[derive(Clone, PartialEq, prost::Message)]
struct Derived {
    #[prost(uint64, tag = "1")]
    number: u64,
    #[prost(sint64, tag = "2")]
    signed: i64,
    #[prost(bool, tag = "3")]
    flag: bool,
    #[prost(message, optional, tag = "4")]
    inner: Option<DerivedInner>,
    #[prost(bytes = "vec", optional, tag = "7")]
    maybe: Option<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct DerivedInner {
    #[prost(string, optional, tag = "1")]
    by: Option<String>,
}

fn outer() -> Outer {
    Outer {
        number: 300,
        signed: -2,
        flag: true,
        inner: Inner { by: "ann".to_owned() },
        maybe: Some(vec![0, 255]),
    }
}

fn bytes(message: &impl Protobuf) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.to_protobuf(&mut bytes);
    bytes
}

#[test]
fn numbered_fields_are_the_protobuf_that_others_write() {
    let Outer { number, signed, flag, inner, maybe } = outer();
    let inner = Some(DerivedInner { by: Some(inner.by) });
    let derived = Derived { number, signed, flag, inner, maybe };
    assert_eq!(bytes(&outer()), bytes(&derived));
    assert_eq!(Outer::from_protobuf(&bytes(&derived)).unwrap(), outer());
    assert_eq!(Derived::from_protobuf(&bytes(&outer())).unwrap(), derived);
}

#[test]
fn every_number_is_written_as_others_write_it() {
    for number in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
        for signed in [0, -1, 1, i64::MIN, i64::MAX, number as i64] {
            let ours = Outer { number, signed, ..outer() };
            let theirs = Derived::from_protobuf(&bytes(&ours)).unwrap();
            assert_eq!((theirs.number, theirs.signed), (number, signed));
            assert_eq!(Outer::from_protobuf(&bytes(&ours)).unwrap(), ours);
        }
    }
}

#[test]
fn a_long_message_in_a_message_says_its_length() {
    for length in [0, 125, 126, 127, 128, 16_383, 16_384, 70_000] {
        let long = Outer { inner: Inner { by: "x".repeat(length) }, ..outer() };
        let theirs = Derived::from_protobuf(&bytes(&long)).unwrap();
        assert_eq!(theirs.inner.unwrap().by.unwrap().len(), length);
        assert_eq!(Outer::from_protobuf(&bytes(&long)).unwrap(), long);
    }
}

#[test]
fn what_is_not_there_is_false_none_or_missed_by_its_name() {
    let least = Outer { flag: false, maybe: None, ..outer() };
    assert_eq!(bytes(&least), b"\x08\xac\x02\x10\x03\x22\x05\x0a\x03ann");
    assert_eq!(Outer::from_protobuf(&bytes(&least)).unwrap(), least);
    for (message, missing) in [
        (&b""[..], "number: the field is missing"),
        (b"\x08\x00", "signed: the field is missing"),
        (b"\x08\x00\x10\x00", "inner: the field is missing"),
        (b"\x08\x00\x10\x00\x22\x00", "inner.by: the field is missing"),
    ] {
        assert_eq!(Outer::from_protobuf(message).unwrap_err().to_string(), missing);
    }
}

#[test]
fn a_field_that_is_not_what_it_should_be_is_named() {
    for (message, reason) in [
        (&b"\x0a\x00"[..], "number: wire type 2, expected 0"),
        (b"\x22\x04\x0a\x02\xc3\x28", "inner.by: not UTF-8"),
        (b"\x22\x04\x0a\x09ab", "inner.by: it breaks off: 9 bytes are announced, 2 left"),
        (b"\x3a\x7f", "maybe: it breaks off"),
        (b"\x08\xff", "number: a number breaks off"),
        (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", "number: a number breaks off, or is too"),
    ] {
        let error = Outer::from_protobuf(message).unwrap_err().to_string();
        assert!(error.starts_with(reason), "{error}");
    }
    let error = Derived::from_protobuf(b"\x0a\x00").unwrap_err().to_string();
    assert!(error.contains("Derived.number"), "{error}");
}

#[test]
fn what_is_no_protobuf_at_all_is_said_to_be_none() {
    for message in
        [&b"\x00"[..], b"\x07", b"{\"number\":1}", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"]
    {
        let error = Outer::from_protobuf(message).unwrap_err().to_string();
        assert!(error.starts_with("not Protobuf:"), "{message:?}: {error}");
    }
}

#[test]
fn unknown_fields_are_passed_over_and_order_and_repetition_do_not_matter() {
    let mut message = Vec::new();
    write_varint(2_000, 5, &mut message);
    message.extend_from_slice(b"\x4d1234\x5112345678");
    outer().inner.write(4, &mut message);
    write_bytes(9, b"more", &mut message);
    7_u64.write(1, &mut message);
    message.extend_from_slice(&bytes(&outer()));
    assert_eq!(Outer::from_protobuf(&message).unwrap(), outer());
}

#[test]
fn a_message_that_breaks_off_anywhere_is_no_message_or_lacks_a_field() {
    let whole = bytes(&Outer { maybe: None, ..outer() });
    for length in 0..whole.len() {
        assert!(Outer::from_protobuf(&whole[..length]).is_err(), "{length}");
    }
}

#[test]
fn whatever_bytes_come_they_are_read_or_refused() {
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut message = Vec::new();
    for _ in 0..20_000 {
        message.clear();
        for _ in 0..seed % 24 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            message.push(seed as u8);
        }
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        if let Ok(read) = Outer::from_protobuf(&message) {
            assert_eq!(Outer::from_protobuf(&bytes(&read)).unwrap(), read);
        }
    }
}
