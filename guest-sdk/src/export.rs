//! The macro that makes a crate a handler: a native value for tests, and the exports of a component
//! when the crate is built for WebAssembly.

/// Makes the crate a handler.
///
/// Defines `pub fn handler() -> Handler`, and exports the component's interfaces when built for
/// `wasm32`. Which interfaces those are follows from which of `aggregates`, `event_handlers` and
/// `projections` are given. The version is the package's, unless `version` is given after the name.
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
///
/// A handler without a role does not compile:
/// ```compile_fail
/// zamu_guest::handler! { name: "idle", fold: 1 }
/// ```
#[macro_export]
macro_rules! handler {
    (name: $name:expr, $(version: $version:expr,)? fold: $fold:expr $(,)?) => {
        compile_error!(
            "a handler has `aggregates: [..]`, `event_handlers: [..]`, `projections: [..]`, or several"
        );
    };
    (
        name: $name:expr,
        $(version: $version:expr,)?
        fold: $fold:expr
        $(, aggregates: [$($aggregate:ty),+ $(,)?])?
        $(, event_handlers: [$($event_handler:ty),+ $(,)?])?
        $(, projections: [$($projection:ty),+ $(,)?])?
        $(,)?
    ) => {
        /// The handler of this crate, as a value.
        #[must_use]
        pub fn handler() -> $crate::Handler {
            $crate::Handler::new($name, $crate::__version!($($version)?), $fold)
                $($(.aggregate::<$aggregate>())+)?
                $($(.event_handler::<$event_handler>())+)?
                $($(.projection::<$projection>())+)?
        }

        $crate::__export! {
            $(aggregates [$($aggregate)+])?
            $(event_handlers [$($event_handler)+])?
            $(projections [$($projection)+])?
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

/// Every handler has a manifest; the other exports follow from its roles.
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($($role:ident [$($member:ty)+])+) => {
        const _: () = {
            struct Component;

            impl Component {
                /// Put together once.
                fn handler() -> &'static $crate::Handler {
                    static HANDLER: ::std::sync::OnceLock<$crate::Handler> =
                        ::std::sync::OnceLock::new();
                    HANDLER.get_or_init(handler)
                }
            }

            $crate::__export_role!(manifest);
            $($crate::__export_role!($role);)+
        };
    };
}

#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_role {
    (manifest) => {
        impl $crate::wasm::manifest::exports::zamu::handler::manifest::Guest for Component {
            fn describe() -> ::std::string::String {
                Self::handler().describe()
            }
        }

        $crate::wasm::manifest::export_manifest!(
            Component with_types_in $crate::wasm::manifest
        );
    };
    (aggregates) => {
        const _: () = {
            use $crate::wasm::command_handler::exports::zamu::handler::command_handler::{
                Aggregates, Commands, Decision, Fault, Guest, Past, States,
            };

            impl Guest for Component {
                fn decide(
                    aggregates: Aggregates,
                    commands: Commands,
                ) -> ::core::result::Result<Decision, Fault> {
                    let mut host = $crate::wasm::Outside::new();
                    let (aggregates, commands) = (aggregates.into(), commands.into());
                    Ok(Self::handler().decide(&aggregates, &commands, &mut host)?.into())
                }

                fn evolve(
                    aggregates: Aggregates,
                    events: Past,
                ) -> ::core::result::Result<States, Fault> {
                    let mut host = $crate::wasm::Outside::new();
                    let (aggregates, events) = (aggregates.into(), events.into());
                    Ok(Self::handler().evolve(&aggregates, &events, &mut host)?.into())
                }
            }
        };

        const _: () = {
            use $crate::wasm::command_handler::exports::zamu::handler::inspect::{
                Aggregates, Blobs, Fault, Guest,
            };

            impl Guest for Component {
                fn inspect(aggregates: Aggregates) -> ::core::result::Result<Blobs, Fault> {
                    let _panics_are_reported = $crate::wasm::Outside::new();
                    Ok(Self::handler().inspect(&aggregates.into())?.into())
                }
            }
        };

        const _: () = {
            use $crate::wasm::command_handler::exports::zamu::handler::show::{
                Blobs, Fault, Guest, Messages,
            };

            impl Guest for Component {
                fn show(messages: Messages) -> ::core::result::Result<Blobs, Fault> {
                    let _panics_are_reported = $crate::wasm::Outside::new();
                    let Messages { aggregate_type, kind, bodies } = messages;
                    Ok(Self::handler().show(&aggregate_type, &kind, &bodies.into())?.into())
                }
            }
        };

        $crate::wasm::command_handler::export_command_handler!(
            Component with_types_in $crate::wasm::command_handler
        );
    };
    (event_handlers) => {
        const _: () = {
            use $crate::wasm::event_handler::exports::zamu::handler::event_handler::{
                Commands, Events, Fault, Guest,
            };

            impl Guest for Component {
                fn react(events: Events) -> ::core::result::Result<Commands, Fault> {
                    let mut host = $crate::wasm::Outside::new();
                    Ok(Self::handler().react(&events.into(), &mut host)?.into())
                }
            }
        };

        $crate::wasm::event_handler::export_event_handler!(
            Component with_types_in $crate::wasm::event_handler
        );
    };
    (projections) => {
        const _: () = {
            use $crate::wasm::projection::exports::zamu::handler::projection::{
                Changes, Events, Fault, Guest, Rows, Subjects,
            };

            impl Guest for Component {
                fn project(
                    subjects: Subjects,
                    rows: Rows,
                    events: Events,
                ) -> ::core::result::Result<Changes, Fault> {
                    let mut host = $crate::wasm::Outside::new();
                    let (subjects, rows) = (subjects.into(), rows.into());
                    Ok(Self::handler().project(&subjects, &rows, &events.into(), &mut host)?.into())
                }
            }
        };

        $crate::wasm::projection::export_projection!(
            Component with_types_in $crate::wasm::projection
        );
    };
}
