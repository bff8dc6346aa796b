//! Reading Protobuf field by field, without copying.

use crate::json::Malformed;

/// How the value of a field is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// A number in groups of seven bits.
    Varint = 0,
    /// Eight bytes.
    Fixed64 = 1,
    /// A length, and so many bytes: text, bytes, a message.
    Bytes = 2,
    /// Four bytes.
    Fixed32 = 5,
}

/// What is left of a message.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A whole message.
    #[must_use]
    pub const fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// The next field's number and how its value is packed, which is to be read then; nothing at the
    /// end.
    ///
    /// # Errors
    /// If what is there is no field.
    pub fn next_field(&mut self) -> Result<Option<(u32, Wire)>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = self.number()?;
        let number = u32::try_from(key >> 3).unwrap_or_default();
        let wire = match key & 7 {
            0 => Wire::Varint,
            1 => Wire::Fixed64,
            2 => Wire::Bytes,
            5 => Wire::Fixed32,
            _ => return Err(Malformed::new("not Protobuf: a field has no known wire type")),
        };
        if number == 0 || number >= 1 << 29 {
            return Err(Malformed::new("not Protobuf: a field has no valid number"));
        }
        Ok(Some((number, wire)))
    }

    /// A number.
    ///
    /// # Errors
    /// If the field is packed in another way, or the number breaks off.
    pub fn varint(&mut self, wire: Wire) -> Result<u64, Malformed> {
        expect(wire, Wire::Varint)?;
        self.number()
    }

    /// Bytes.
    ///
    /// # Errors
    /// If the field is packed in another way, or there are fewer than it says.
    pub fn bytes(&mut self, wire: Wire) -> Result<&'a [u8], Malformed> {
        expect(wire, Wire::Bytes)?;
        let length = self.number()?;
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }

    /// Text.
    ///
    /// # Errors
    /// As [`Reader::bytes`], and if it is not UTF-8.
    pub fn text(&mut self, wire: Wire) -> Result<&'a str, Malformed> {
        let bytes = self.bytes(wire)?;
        std::str::from_utf8(bytes).map_err(|error| Malformed::new(format!("not UTF-8: {error}")))
    }

    /// Passes over a value.
    ///
    /// # Errors
    /// If it breaks off.
    pub fn skip(&mut self, wire: Wire) -> Result<(), Malformed> {
        match wire {
            Wire::Varint => self.number().map(|_| ()),
            Wire::Fixed64 => self.take(8).map(|_| ()),
            Wire::Bytes => self.bytes(wire).map(|_| ()),
            Wire::Fixed32 => self.take(4).map(|_| ()),
        }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let Some((taken, rest)) = self.rest.split_at_checked(length) else {
            let left = self.rest.len();
            return Err(Malformed::new(format!(
                "it breaks off: {length} bytes are announced, {left} left"
            )));
        };
        self.rest = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u64, Malformed> {
        let mut value = 0;
        for (index, byte) in self.rest.iter().enumerate() {
            // Of the tenth group only one bit is left.
            if index == 9 && *byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                self.rest = &self.rest[index + 1..];
                return Ok(value);
            }
        }
        Err(Malformed::new("a number breaks off, or is too long"))
    }
}

fn expect(found: Wire, expected: Wire) -> Result<(), Malformed> {
    if found == expected {
        return Ok(());
    }
    Err(Malformed::new(format!("wire type {}, expected {}", found as u8, expected as u8)))
}
