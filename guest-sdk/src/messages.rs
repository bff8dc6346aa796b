//! Message kinds as Rust enums: one variant per kind, each carrying the struct that is its body.
//!
//! [`messages!`](macro@crate::messages) makes the enum of an aggregate's own commands or events,
//! [`addressed!`](crate::addressed) that of other aggregates' events or commands. What is done with
//! a message is left to [`Aggregate`](crate::Aggregate) and [`EventHandler`](crate::EventHandler).

use crate::codec::Codec;
use crate::json::Malformed;

/// What a message is: the log stores these names, so they outlive every build of a handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// The name in the domain.
    pub name: &'static str,
    /// Identifies the body's schema within the kind.
    pub schema: &'static str,
    /// Whether there are bodies in Protobuf, too, beside those in JSON: then both are read.
    pub has_protobuf: bool,
}

/// Messages of a closed list of kinds. Made by [`messages!`](macro@crate::messages) and
/// [`addressed!`](crate::addressed); there is no reason to write one by hand.
pub trait Messages: Clone + PartialEq + std::fmt::Debug + 'static {
    /// All kinds, each once.
    const KINDS: &'static [Kind];

    /// Index of this message's kind in [`Messages::KINDS`].
    fn kind(&self) -> usize;

    /// Reads the body of a message of kind `kind`, an index into [`Messages::KINDS`], in this form.
    ///
    /// # Errors
    /// Names the field that was not understood; or the kind has no such form.
    ///
    /// # Panics
    /// If there is no such kind.
    fn decode(kind: usize, codec: Codec, body: &[u8]) -> Result<Self, Malformed>;

    /// Appends this message's body in this form.
    ///
    /// # Errors
    /// If the body cannot be JSON; or the kind has no such form.
    fn encode(&self, codec: Codec, into: &mut Vec<u8>) -> Result<(), Malformed>;
}

/// Messages that come from, or go to, aggregates of named types.
pub trait Addressed: Messages {
    /// The aggregate type of each kind, in the order of [`Messages::KINDS`].
    const TYPES: &'static [&'static str];
}

/// Makes an enum of message kinds.
///
/// A variant carries the struct of its own name, or the one in parentheses. The kind's name is the
/// variant's, unless `as "Other"` follows; its schema id is `"1"`, unless `schema "2"` follows. The
/// body is that struct as JSON, or as [`Protobuf`](crate::Protobuf) if it has that form. `From` is
/// there for every body, so that a body can be given wherever the enum is asked for; hence a struct
/// stands in one variant only.
///
/// ```
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
/// pub struct Opened { pub owner: String }
///
/// /// What was written before owners had names.
/// #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
/// pub struct OldOpened { pub owner: u64 }
///
/// zamu_guest::messages! {
///     /// What happened to an account.
///     pub enum AccountEvent {
///         Opened schema "2",
///         FirstOpened(OldOpened) as "Opened",
///     }
/// }
///
/// use zamu_guest::Messages;
/// assert_eq!(AccountEvent::KINDS[0].schema, "2");
/// assert_eq!(AccountEvent::KINDS[1].name, "Opened");
/// assert_eq!(AccountEvent::from(OldOpened { owner: 7 }).kind(), 1);
/// ```
///
/// Two variants with one kind and schema do not compile:
/// ```compile_fail,E0080
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)] pub struct Opened {}
/// # #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)] pub struct OldOpened {}
/// zamu_guest::messages! { pub enum AccountEvent { Opened, OldOpened as "Opened" } }
/// ```
#[macro_export]
macro_rules! messages {
    ($(#[$meta:meta])* $vis:vis enum $name:ident { $($variants:tt)* }) => {
        $crate::__messages_unchecked! { $(#[$meta])* $vis enum $name { $($variants)* } }

        const _: () = $crate::messages::assert_distinct(
            <$name as $crate::Messages>::KINDS,
            &[],
        );
    };
}

/// Makes an enum of messages of other aggregates: the events that an event handler hears, or the
/// commands that it sends. As [`messages!`](macro@crate::messages), with the aggregate type before
/// its kinds:
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)] pub struct Opened {}
/// # #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)] pub struct WindowClosed {}
/// zamu_guest::addressed! {
///     /// What the ledger hears.
///     pub enum Heard {
///         "account" => { Opened },
///         "window" => { WindowClosed as "Closed" schema "3" },
///     }
/// }
///
/// use zamu_guest::Addressed;
/// assert_eq!(Heard::TYPES, ["account", "window"]);
/// ```
#[macro_export]
macro_rules! addressed {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident {
            $(
                $type:expr => {
                    $(
                        $(#[$variant_meta:meta])*
                        $variant:ident $(($body:ty))? $(as $kind:literal)? $(schema $schema:literal)?
                    ),* $(,)?
                }
            ),* $(,)?
        }
    ) => {
        $crate::__messages_unchecked! {
            $(#[$meta])*
            $vis enum $name {
                $($(
                    $(#[$variant_meta])*
                    $variant $(($body))? $(as $kind)? $(schema $schema)?,
                )*)*
            }
        }

        impl $crate::Addressed for $name {
            const TYPES: &'static [&'static str] = &[
                $($($crate::__second!($variant, $type),)*)*
            ];
        }

        const _: () = $crate::messages::assert_distinct(
            <$name as $crate::Messages>::KINDS,
            <$name as $crate::Addressed>::TYPES,
        );
    };
}

/// The enum, without the check that its kinds are distinct.
#[doc(hidden)]
#[macro_export]
macro_rules! __messages_unchecked {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident {
            $(
                $(#[$variant_meta:meta])*
                $variant:ident $(($body:ty))? $(as $kind:literal)? $(schema $schema:literal)?
            ),* $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        #[allow(clippy::large_enum_variant, clippy::derive_partial_eq_without_eq)]
        $vis enum $name {
            $(
                $(#[$variant_meta])*
                #[doc = ""]
                #[doc = concat!(
                    "Kind `", $crate::__or!($($kind)?, stringify!($variant)),
                    "`, schema `", $crate::__or!($($schema)?, "1"), "`."
                )]
                $variant($crate::__body!($variant $(, $body)?)),
            )*
        }

        impl $crate::Messages for $name {
            const KINDS: &'static [$crate::Kind] = &[
                $($crate::Kind {
                    name: $crate::__or!($($kind)?, stringify!($variant)),
                    schema: $crate::__or!($($schema)?, "1"),
                    has_protobuf: $crate::__protobuf!($variant $(, $body)?).is_some(),
                },)*
            ];

            fn kind(&self) -> usize {
                #[allow(dead_code)]
                enum Index { $($variant,)* }
                match self {
                    $(Self::$variant(_) => Index::$variant as usize,)*
                }
            }

            fn decode(
                kind: usize,
                codec: $crate::Codec,
                body: &[u8],
            ) -> ::core::result::Result<Self, $crate::json::Malformed> {
                type Decode = fn(
                    $crate::Codec,
                    &[u8],
                ) -> ::core::result::Result<$name, $crate::json::Malformed>;
                const DECODERS: &[Decode] = &[
                    $(|codec, body| {
                        let protobuf = $crate::__protobuf!($variant $(, $body)?);
                        $crate::codec::decode(codec, body, protobuf).map($name::$variant)
                    },)*
                ];
                DECODERS[kind](codec, body)
            }

            fn encode(
                &self,
                codec: $crate::Codec,
                into: &mut ::std::vec::Vec<u8>,
            ) -> ::core::result::Result<(), $crate::json::Malformed> {
                match self {
                    $(Self::$variant(body) => {
                        let protobuf = $crate::__protobuf!($variant $(, $body)?);
                        $crate::codec::encode(body, codec, protobuf, into)
                    })*
                }
            }
        }

        $(
            impl ::core::convert::From<$crate::__body!($variant $(, $body)?)> for $name {
                fn from(body: $crate::__body!($variant $(, $body)?)) -> Self {
                    Self::$variant(body)
                }
            }
        )*
    };
}

/// The body's type: the one given, or the one with the variant's name.
#[doc(hidden)]
#[macro_export]
macro_rules! __body {
    ($variant:ident) => {
        $variant
    };
    ($variant:ident, $body:ty) => {
        $body
    };
}

/// The body's Protobuf form, if it has one.
#[doc(hidden)]
#[macro_export]
macro_rules! __protobuf {
    ($variant:ident $(, $body:ty)?) => {{
        #[allow(unused_imports)]
        use $crate::codec::JsonOnly as _;
        $crate::codec::Forms::<$crate::__body!($variant $(, $body)?)>::PROTOBUF
    }};
}

/// The first literal if there is one, else the second.
#[doc(hidden)]
#[macro_export]
macro_rules! __or {
    (, $default:expr) => {
        $default
    };
    ($given:literal, $default:expr) => {
        $given
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __second {
    ($first:ident, $second:expr) => {
        $second
    };
}

/// Stops the build if a kind stands twice in a list (for the same aggregate type, where types are
/// given).
#[doc(hidden)]
pub const fn assert_distinct(kinds: &[Kind], types: &[&str]) {
    let mut i = 0;
    while i < kinds.len() {
        let mut j = i + 1;
        while j < kinds.len() {
            let same_type = types.is_empty() || same(types[i], types[j]);
            let same_kind =
                same(kinds[i].name, kinds[j].name) && same(kinds[i].schema, kinds[j].schema);
            assert!(!(same_type && same_kind), "two variants have the same kind and schema");
            j += 1;
        }
        i += 1;
    }
}

const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}
