//! The macro that makes a crate a handler: a native value for tests, and the exports of a component
//! when the crate is built for WebAssembly.

/// Makes the crate a handler.
///
/// Defines `pub fn handler() -> Handler`, and exports the component's interfaces when built for
/// `wasm32`. Which interfaces those are follows from which of `aggregates` and `event_handlers` are
/// given. The version is the package's, unless `version` is given after the name.
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// # use zamu_guest::{Aggregate, Context, Decision};
/// # #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)] pub struct Open {}
/// # #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)] pub struct Opened {}
/// # zamu_guest::messages! { pub enum Command { Open } }
/// # zamu_guest::messages! { pub enum Event { Opened } }
/// # pub struct Account;
/// # impl Aggregate for Account {
/// #     const TYPE: &'static str = "account";
/// #     type State = u32;
/// #     type Command = Command;
/// #     type Event = Event;
/// #     type Configuration = ();
/// #     fn decide(_: &u32, _: Command, _: &Context) -> Decision<Event> { Decision::nothing() }
/// #     fn evolve(state: u32, _: &Event) -> u32 { state }
/// # }
/// zamu_guest::handler! {
///     name: "accounts",
///     fold: 1,
///     aggregates: [Account],
/// }
/// # fn main() { assert!(handler().describe().contains("account")); }
/// ```
#[macro_export]
macro_rules! handler {
    (
        name: $name:expr,
        $(version: $version:expr,)?
        fold: $fold:expr
        $(, aggregates: [$($aggregate:ty),+ $(,)?])?
        $(, event_handlers: [$($event_handler:ty),+ $(,)?])?
        $(,)?
    ) => {
        /// The handler of this crate, as a value.
        #[must_use]
        pub fn handler() -> $crate::Handler {
            $crate::Handler::new($name, $crate::__version!($($version)?), $fold)
                $($(.aggregate::<$aggregate>())+)?
                $($(.event_handler::<$event_handler>())+)?
        }

        $crate::__export! {
            $(aggregates [$($aggregate)+])? $(event_handlers [$($event_handler)+])?
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __version {
    () => {
        env!("CARGO_PKG_VERSION")
    };
    ($version:expr) => {
        $version
    };
}

/// Native builds export nothing.
#[cfg(not(target_arch = "wasm32"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($($roles:tt)+) => {};
}
