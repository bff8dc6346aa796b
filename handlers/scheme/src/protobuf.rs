//! Values as fields of Protobuf messages: shorter than their text, and checked like it.

use std::str::FromStr;

use zamu_guest::json::Malformed;
use zamu_guest::protobuf::{Field, Reader, Wire, write_bytes, write_varint};

use crate::condition::{Condition, Fulfilment};
use crate::content::ContentHash;
use crate::currency::Currency;
use crate::money::{Amount, Money};
use crate::names::FspId;
use crate::percentage::Percentage;
use crate::phase::Phase;
use crate::timestamp::Timestamp;

/// Units of 10⁻⁴, as an integer in two's complement of as few bytes as hold it, the highest first.
impl Field for Money {
    fn write(&self, number: u32, into: &mut Vec<u8>) {
        let bytes = self.units().to_be_bytes();
        write_bytes(number, &bytes[superfluous(&bytes)..], into);
    }

    fn read(wire: Wire, from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let read = from.bytes(wire)?;
        let not_one =
            || Malformed::new("not an integer of 1 to 16 bytes, none of them superfluous");
        let [first, ..] = *read else { return Err(not_one()) };
        let mut bytes = [if first & 0x80 == 0 { 0 } else { 0xff }; 16];
        let Some(start) = bytes.len().checked_sub(read.len()) else { return Err(not_one()) };
        bytes[start..].copy_from_slice(read);
        if superfluous(&bytes) != start {
            return Err(not_one());
        }
        Self::from_units(i128::from_be_bytes(bytes)).map_err(malformed)
    }
}

/// How many of an integer's first bytes say nothing but its sign, which the next one says, too.
fn superfluous(bytes: &[u8; 16]) -> usize {
    let sign = if bytes[0] & 0x80 == 0 { 0 } else { 0xff };
    let says_nothing = |pair: &[u8]| pair[0] == sign && (pair[1] ^ sign) & 0x80 == 0;
    bytes.windows(2).take_while(|pair| says_nothing(pair)).count()
}

/// As [`Money`].
impl Field for Amount {
    fn write(&self, number: u32, into: &mut Vec<u8>) {
        Money::from(*self).write(number, into);
    }

    fn read(wire: Wire, from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Self::try_from(Money::read(wire, from)?).map_err(malformed)
    }
}

/// Its 32 bytes.
impl Field for Condition {
    fn write(&self, number: u32, into: &mut Vec<u8>) {
        write_bytes(number, self.as_bytes(), into);
    }

    fn read(wire: Wire, from: &mut Reader<'_>) -> Result<Self, Malformed> {
        fixed(wire, from).map(Self::from)
    }
}

/// Its 32 bytes.
impl Field for Fulfilment {
    fn write(&self, number: u32, into: &mut Vec<u8>) {
        write_bytes(number, self.as_bytes(), into);
    }

    fn read(wire: Wire, from: &mut Reader<'_>) -> Result<Self, Malformed> {
        fixed(wire, from).map(Self::from)
    }
}

/// Its 16 bytes.
impl Field for ContentHash {
    fn write(&self, number: u32, into: &mut Vec<u8>) {
        write_bytes(number, self.as_bytes(), into);
    }

    fn read(wire: Wire, from: &mut Reader<'_>) -> Result<Self, Malformed> {
        fixed(wire, from).map(Self::from)
    }
}

/// Its text.
impl Field for Currency {
    fn write(&self, number: u32, into: &mut Vec<u8>) {
        write_bytes(number, self.as_str().as_bytes(), into);
    }

    fn read(wire: Wire, from: &mut Reader<'_>) -> Result<Self, Malformed> {
        parse(from.text(wire)?)
    }
}

/// Its text.
impl Field for FspId {
    fn write(&self, number: u32, into: &mut Vec<u8>) {
        write_bytes(number, self.as_str().as_bytes(), into);
    }

    fn read(wire: Wire, from: &mut Reader<'_>) -> Result<Self, Malformed> {
        parse(from.text(wire)?)
    }
}

/// Milliseconds since 1970-01-01 UTC.
impl Field for Timestamp {
    fn write(&self, number: u32, into: &mut Vec<u8>) {
        write_varint(number, self.ms(), into);
    }

    fn read(wire: Wire, from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Self::from_ms(from.varint(wire)?).map_err(malformed)
    }
}

/// A number.
impl Field for Percentage {
    fn write(&self, number: u32, into: &mut Vec<u8>) {
        write_varint(number, u8::from(*self).into(), into);
    }

    fn read(wire: Wire, from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let percent = u8::try_from(from.varint(wire)?).unwrap_or(u8::MAX);
        Self::try_from(percent).map_err(malformed)
    }
}

/// Its place in [`Phase::ALL`], from 1. Phases are only added to that list, at its end.
impl Field for Phase {
    fn write(&self, number: u32, into: &mut Vec<u8>) {
        write_varint(number, *self as u64 + 1, into);
    }

    fn read(wire: Wire, from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let number = from.varint(wire)?;
        let at = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        let phase = at.and_then(|at| Self::ALL.get(at).copied());
        phase.ok_or_else(|| Malformed::new(format!("no phase has the number {number}")))
    }
}

fn fixed<const N: usize>(wire: Wire, from: &mut Reader<'_>) -> Result<[u8; N], Malformed> {
    let bytes = from.bytes(wire)?;
    let length = bytes.len();
    bytes.try_into().map_err(|_| Malformed::new(format!("{length} bytes, not {N}")))
}

fn parse<T: FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, Malformed> {
    text.parse().map_err(malformed)
}

fn malformed(error: impl std::fmt::Display) -> Malformed {
    Malformed::new(error.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use proptest::prelude::*;
    use zamu_guest::protobuf::Wire;

    use super::*;

    fn written(value: &impl Field) -> Vec<u8> {
        let mut bytes = Vec::new();
        value.write(1, &mut bytes);
        bytes
    }

    fn read<F: Field>(field: &[u8]) -> Result<F, String> {
        let mut reader = Reader::new(field);
        let (number, wire) = reader.next_field().unwrap().unwrap();
        assert_eq!(number, 1);
        F::read(wire, &mut reader).map_err(|error| error.to_string())
    }

    #[test]
    fn money_is_as_short_as_can_be_and_exact() {
        for (text, bytes) in [
            ("0", &b"\x0a\x01\x00"[..]),
            ("0.0001", b"\x0a\x01\x01"),
            ("-0.0001", b"\x0a\x01\xff"),
            ("0.0127", b"\x0a\x01\x7f"),
            ("0.0128", b"\x0a\x02\x00\x80"),
            ("-0.0128", b"\x0a\x01\x80"),
            ("1.11", b"\x0a\x02\x2b\x5c"),
            ("-1.11", b"\x0a\x02\xd4\xa4"),
        ] {
            let money: Money = text.parse().unwrap();
            assert_eq!(written(&money), bytes, "{text}");
            assert_eq!(read::<Money>(bytes), Ok(money), "{text}");
        }
    }

    #[test]
    fn one_value_has_one_form_and_what_is_no_money_is_none() {
        for bytes in [
            &b"\x0a\x00"[..],
            b"\x0a\x02\x00\x01",
            b"\x0a\x02\xff\xff",
            b"\x0a\x11\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
        ] {
            assert!(read::<Money>(bytes).unwrap_err().contains("1 to 16 bytes"), "{bytes:?}");
        }
        let largest = b"\x0a\x10\x7f\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";
        assert_eq!(read::<Money>(largest), Err("the sum is beyond 34 integer digits".to_owned()));
        assert!(read::<Money>(b"\x08\x01").unwrap_err().contains("wire type"));
    }

    #[test]
    fn an_amount_has_no_sign_and_the_bounds_of_its_text() {
        let most: Amount = "999999999999999999.9999".parse().unwrap();
        assert_eq!(read::<Amount>(&written(&most)), Ok(most));
        let more = Money::from(most).plus(Money::from_units(1).unwrap()).unwrap();
        assert!(read::<Amount>(&written(&more)).unwrap_err().contains("18 digits"));
        let less = Money::from_units(-1).unwrap();
        assert_eq!(read::<Amount>(&written(&less)), Err("an amount has no sign".to_owned()));
    }

    #[test]
    fn every_phase_has_its_number() {
        for (phase, number) in Phase::ALL.into_iter().zip(1..) {
            assert_eq!(written(&phase), [0x08, number]);
            assert_eq!(read::<Phase>(&[0x08, number]), Ok(phase));
        }
        for number in [0, 13, 127] {
            let error = read::<Phase>(&[0x08, number]).unwrap_err();
            assert_eq!(error, format!("no phase has the number {number}"));
        }
    }

    #[test]
    fn whatever_breaks_a_rule_as_text_breaks_it_here() {
        assert!(read::<Condition>(b"\x0a\x01x").unwrap_err().contains("1 bytes, not 32"));
        assert!(read::<Fulfilment>(b"\x0a\x01x").unwrap_err().contains("1 bytes, not 32"));
        assert!(read::<ContentHash>(b"\x0a\x01x").unwrap_err().contains("1 bytes, not 16"));
        assert!(read::<Currency>(b"\x0a\x03usd").unwrap_err().contains("upper-case"));
        assert!(read::<FspId>(b"\x0a\x03a/b").unwrap_err().contains("slash"));
        assert!(read::<FspId>(b"\x0a\x01\xff").unwrap_err().contains("not UTF-8"));
        assert!(read::<Percentage>(b"\x08\x65").unwrap_err().contains("0 to 100"));
        assert!(read::<Percentage>(b"\x08\x80\x10").unwrap_err().contains("0 to 100"));
        let mut late = Vec::new();
        write_varint(1, 253_402_300_800_000, &mut late);
        assert!(read::<Timestamp>(&late).unwrap_err().contains("1970 to 9999"));
        let mut reader = Reader::new(b"\x08");
        assert!(reader.next_field().unwrap() == Some((1, Wire::Varint)));
    }

    proptest! {
        #[test]
        fn all_money_is_read_as_it_was_written(shift in 0_u32..127, units in any::<i128>()) {
            if let Ok(money) = Money::from_units(units >> shift) {
                prop_assert_eq!(read::<Money>(&written(&money)), Ok(money));
            }
        }

        #[test]
        fn all_times_and_bytes_are_read_as_they_were_written(
            ms in 0..253_402_300_800_000_u64,
            bytes in any::<[u8; 32]>(),
        ) {
            let time = Timestamp::from_ms(ms).unwrap();
            prop_assert_eq!(read::<Timestamp>(&written(&time)), Ok(time));
            let condition = Condition::from(bytes);
            prop_assert_eq!(read::<Condition>(&written(&condition)), Ok(condition));
            let fulfilment = Fulfilment::from(bytes);
            prop_assert_eq!(read::<Fulfilment>(&written(&fulfilment)), Ok(fulfilment));
        }
    }
}
