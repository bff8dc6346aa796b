//! What can stand in a field that is numbered by [`protobuf!`](crate::protobuf!).

use super::reader::{Reader, Wire};
use crate::json::Malformed;

/// A type of fields. Vendors write it for types whose values check themselves: of text, bytes or a
/// number that is read, and of nothing else.
///
/// ```
/// use zamu_guest::json::Malformed;
/// use zamu_guest::protobuf::{Field, Reader, Wire, write_varint};
///
/// struct Percent(u8);
///
/// impl Field for Percent {
///     fn write(&self, number: u32, into: &mut Vec<u8>) {
///         write_varint(number, self.0.into(), into);
///     }
///
///     fn read(wire: Wire, from: &mut Reader<'_>) -> Result<Self, Malformed> {
///         match from.varint(wire)? {
///             percent @ 0..=100 => Ok(Self(percent as u8)),
///             other => Err(Malformed::new(format!("{other} is more than 100"))),
///         }
///     }
/// }
/// ```
pub trait Field: Sized {
    /// Appends the field, key and value; nothing where [`Field::absent`] says as much.
    fn write(&self, number: u32, into: &mut Vec<u8>);

    /// Reads the value.
    ///
    /// # Errors
    /// What is wrong with it. The field is named by whoever reads the message.
    fn read(wire: Wire, from: &mut Reader<'_>) -> Result<Self, Malformed>;

    /// What it means that the field is not there; nothing if it has to be.
    #[must_use]
    fn absent() -> Option<Self> {
        None
    }
}

/// Appends a field that is a number.
pub fn write_varint(number: u32, value: u64, into: &mut Vec<u8>) {
    write_key(number, Wire::Varint, into);
    push_varint(value, into);
}

/// Appends a field that is bytes or text.
pub fn write_bytes(number: u32, value: &[u8], into: &mut Vec<u8>) {
    write_key(number, Wire::Bytes, into);
    push_varint(value.len() as u64, into);
    into.extend_from_slice(value);
}

pub(super) fn write_key(number: u32, wire: Wire, into: &mut Vec<u8>) {
    push_varint(u64::from(number) << 3 | wire as u64, into);
}

pub(super) fn push_varint(mut value: u64, into: &mut Vec<u8>) {
    while value >= 0x80 {
        into.push(value as u8 | 0x80);
        value >>= 7;
    }
    into.push(value as u8);
}

impl Field for String {
    fn write(&self, number: u32, into: &mut Vec<u8>) {
        write_bytes(number, self.as_bytes(), into);
    }

    fn read(wire: Wire, from: &mut Reader<'_>) -> Result<Self, Malformed> {
        from.text(wire).map(str::to_owned)
    }
}

impl Field for Vec<u8> {
    fn write(&self, number: u32, into: &mut Vec<u8>) {
        write_bytes(number, self, into);
    }

    fn read(wire: Wire, from: &mut Reader<'_>) -> Result<Self, Malformed> {
        from.bytes(wire).map(<[u8]>::to_vec)
    }
}

impl Field for u64 {
    fn write(&self, number: u32, into: &mut Vec<u8>) {
        write_varint(number, *self, into);
    }

    fn read(wire: Wire, from: &mut Reader<'_>) -> Result<Self, Malformed> {
        from.varint(wire)
    }
}

impl Field for u32 {
    fn write(&self, number: u32, into: &mut Vec<u8>) {
        write_varint(number, u64::from(*self), into);
    }

    fn read(wire: Wire, from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let value = from.varint(wire)?;
        Self::try_from(value).map_err(|_| Malformed::new(format!("{value} has more than 32 bits")))
    }
}

/// Protobuf's `sint64`.
impl Field for i64 {
    fn write(&self, number: u32, into: &mut Vec<u8>) {
        write_varint(number, (*self << 1 ^ *self >> 63) as u64, into);
    }

    fn read(wire: Wire, from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let value = from.varint(wire)?;
        Ok((value >> 1) as Self ^ -((value & 1) as Self))
    }
}

impl Field for bool {
    fn write(&self, number: u32, into: &mut Vec<u8>) {
        if *self {
            write_varint(number, 1, into);
        }
    }

    fn read(wire: Wire, from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(from.varint(wire)? != 0)
    }

    fn absent() -> Option<Self> {
        Some(false)
    }
}

impl<F: Field> Field for Option<F> {
    fn write(&self, number: u32, into: &mut Vec<u8>) {
        if let Some(value) = self {
            value.write(number, into);
        }
    }

    fn read(wire: Wire, from: &mut Reader<'_>) -> Result<Self, Malformed> {
        F::read(wire, from).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}
