//! Bodies and states as Protobuf.
//!
//! A type has this form in one of two ways. `#[derive(prost::Message)]` is enough for plain data (the
//! crate is [`prost`]; no `.proto` file and no build script are needed). Types whose values check
//! themselves, and structs of them, number their fields with [`protobuf!`](crate::protobuf!).
//!
//! What is written is canonical: fields in the order of their numbers, integers as short as can be, no
//! map (with `prost`, a `BTreeMap` at most). What is read may be any Protobuf: fields in any order,
//! the last of a field that comes twice, and fields of unknown numbers are passed over. So a field may be
//! added that an older reader can do without; what nobody may overlook needs another schema id.

mod field;
mod reader;

pub use prost;

pub use self::field::{Field, write_bytes, write_varint};
pub use self::reader::{Reader, Wire};
use crate::json::Malformed;

/// A type with a Protobuf form. `prost::Message` has it by itself, and
/// [`protobuf!`](crate::protobuf!) gives it.
pub trait Protobuf: Sized {
    /// Reads a whole message.
    ///
    /// # Errors
    /// Names the field that was not understood, as far as there is one.
    fn from_protobuf(message: &[u8]) -> Result<Self, Malformed>;

    /// Appends the message: equal values have equal bytes.
    fn to_protobuf(&self, into: &mut Vec<u8>);
}

impl<T: prost::Message + Default> Protobuf for T {
    fn from_protobuf(message: &[u8]) -> Result<Self, Malformed> {
        Self::decode(message).map_err(|error| Malformed::new(error.to_string()))
    }

    fn to_protobuf(&self, into: &mut Vec<u8>) {
        self.encode_raw(into);
    }
}

/// Gives structs a Protobuf form, by numbering their fields. Their types are [`Field`]s.
///
/// Numbers ascend, and are never used for anything else: what a log holds is read by them. A field
/// without a value is an `Option`; a `bool` that is not there is `false`; all others have to be there.
/// A struct so numbered is a [`Field`] itself.
///
/// ```
/// #[derive(Debug, PartialEq)]
/// pub struct Rented { pub by: String, pub days: u32, pub insured: bool, pub note: Option<String> }
///
/// zamu_guest::protobuf! {
///     Rented { by = 1, days = 2, insured = 3, note = 5 }
/// }
///
/// use zamu_guest::Protobuf;
/// let rented = Rented { by: "ann".to_owned(), days: 2, insured: false, note: None };
/// let mut bytes = Vec::new();
/// rented.to_protobuf(&mut bytes);
/// assert_eq!(bytes, b"\x0a\x03ann\x10\x02");
/// assert_eq!(Rented::from_protobuf(&bytes).unwrap(), rented);
/// let error = Rented::from_protobuf(b"\x0a\x03ann").unwrap_err();
/// assert_eq!(error.to_string(), "days: the field is missing");
/// ```
///
/// A field that is not numbered does not compile, and neither do numbers that do not ascend:
/// ```compile_fail,E0027
/// pub struct Rented { pub by: String, pub days: u32 }
/// zamu_guest::protobuf! { Rented { by = 1 } }
/// ```
/// ```compile_fail,E0080
/// pub struct Rented { pub by: String, pub days: u32 }
/// zamu_guest::protobuf! { Rented { by = 2, days = 2 } }
/// ```
#[macro_export]
macro_rules! protobuf {
    ($($type:ident { $($field:ident = $number:literal),* $(,)? })*) => {
        $(
            const _: () = $crate::protobuf::assert_ascending(&[$($number),*]);

            impl $crate::Protobuf for $type {
                fn from_protobuf(
                    message: &[u8],
                ) -> ::core::result::Result<Self, $crate::json::Malformed> {
                    $(let mut $field = ::core::option::Option::None;)*
                    let mut reader = $crate::protobuf::Reader::new(message);
                    while let ::core::option::Option::Some((number, wire)) = reader.next_field()? {
                        match number {
                            $($number => {
                                let read = $crate::protobuf::Field::read(wire, &mut reader);
                                $field = ::core::option::Option::Some(
                                    read.map_err(|error| error.within(stringify!($field)))?,
                                );
                            })*
                            _ => reader.skip(wire)?,
                        }
                    }
                    ::core::result::Result::Ok(Self {
                        $($field: $crate::protobuf::present($field, stringify!($field))?,)*
                    })
                }

                #[allow(unused_variables)]
                fn to_protobuf(&self, into: &mut ::std::vec::Vec<u8>) {
                    let Self { $($field),* } = self;
                    $($crate::protobuf::Field::write($field, $number, into);)*
                }
            }

            impl $crate::protobuf::Field for $type {
                fn write(&self, number: u32, into: &mut ::std::vec::Vec<u8>) {
                    $crate::protobuf::write_message(self, number, into);
                }

                fn read(
                    wire: $crate::protobuf::Wire,
                    from: &mut $crate::protobuf::Reader<'_>,
                ) -> ::core::result::Result<Self, $crate::json::Malformed> {
                    <Self as $crate::Protobuf>::from_protobuf(from.bytes(wire)?)
                }
            }
        )*
    };
}

/// A field's value: what was read, or what its absence means.
#[doc(hidden)]
pub fn present<F: Field>(read: Option<F>, name: &str) -> Result<F, Malformed> {
    match read.or_else(F::absent) {
        Some(value) => Ok(value),
        None => Err(Malformed::new("the field is missing").within(name)),
    }
}

/// Appends a message as a field of another one.
#[doc(hidden)]
pub fn write_message<M: Protobuf>(message: &M, number: u32, into: &mut Vec<u8>) {
    field::write_key(number, Wire::Bytes, into);
    // The length stands before what it is the length of, and is mostly one byte.
    let at = into.len();
    into.push(0);
    message.to_protobuf(into);
    let length = into.len() - at - 1;
    if length < 0x80 {
        into[at] = length as u8;
        return;
    }
    let mut prefix = Vec::with_capacity(5);
    field::push_varint(length as u64, &mut prefix);
    into.splice(at..=at, prefix);
}

/// Stops the build if numbers of fields do not ascend from 1.
#[doc(hidden)]
pub const fn assert_ascending(numbers: &[u32]) {
    let (mut i, mut before) = (0, 0);
    while i < numbers.len() {
        assert!(numbers[i] > before, "the numbers of fields ascend from 1");
        assert!(numbers[i] < 1 << 29, "the number of a field is below 2^29");
        before = numbers[i];
        i += 1;
    }
}

#[cfg(test)]
mod tests;
