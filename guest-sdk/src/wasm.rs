//! The component's side of the border: generated bindings, and columns moved (never copied) between
//! them and the SDK's own. Only in builds for WebAssembly.
//!
//! There is a world per role, so that a component can be given exactly the roles it has: the tool
//! that encodes it joins the worlds that it finds into one, as `wit/world.wit` shows it.

use std::sync::Once;

use crate::handler::Host;
use crate::item;
use crate::log::{self, Level};

/// What every handler has: its manifest, and what the host offers.
#[allow(missing_docs, unreachable_pub, clippy::all)]
pub mod manifest {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "
            package zamu:guest;
            world every-handler {
                import zamu:handler/log@0.1.0;
                import zamu:handler/meter@0.1.0;
                import zamu:handler/configuration@0.1.0;
                export zamu:handler/manifest@0.1.0;
            }
        ",
        generate_all,
        export_macro_name: "export_manifest",
        pub_export_macro: true,
        default_bindings_module: "zamu_guest::wasm::manifest",
    });
}

/// What a handler has that owns aggregates.
#[allow(missing_docs, unreachable_pub, clippy::all)]
pub mod command_handler {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "
            package zamu:guest;
            world owns-aggregates {
                export zamu:handler/command-handler@0.1.0;
                export zamu:handler/inspect@0.1.0;
                export zamu:handler/show@0.1.0;
            }
        ",
        generate_all,
        export_macro_name: "export_command_handler",
        pub_export_macro: true,
        default_bindings_module: "zamu_guest::wasm::command_handler",
    });
}

/// What a handler has that hears events.
#[allow(missing_docs, unreachable_pub, clippy::all)]
pub mod event_handler {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "
            package zamu:guest;
            world hears-events {
                export zamu:handler/event-handler@0.1.0;
            }
        ",
        with: { "zamu:handler/columns@0.1.0": crate::wasm::command_handler::zamu::handler::columns },
        generate_all,
        export_macro_name: "export_event_handler",
        pub_export_macro: true,
        default_bindings_module: "zamu_guest::wasm::event_handler",
    });
}

/// What a handler has that makes tables.
#[allow(missing_docs, unreachable_pub, clippy::all)]
pub mod projection {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "
            package zamu:guest;
            world makes-tables {
                export zamu:handler/projection@0.1.0;
            }
        ",
        with: { "zamu:handler/columns@0.1.0": crate::wasm::command_handler::zamu::handler::columns },
        generate_all,
        export_macro_name: "export_projection",
        pub_export_macro: true,
        default_bindings_module: "zamu_guest::wasm::projection",
    });
}

/// What a handler has that looks things up in reference tables.
#[allow(missing_docs, unreachable_pub, clippy::all)]
pub mod reference {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "
            package zamu:guest;
            world looks-things-up {
                import zamu:handler/reference@0.1.0;
            }
        ",
        generate_all,
    });
}

use command_handler::exports::zamu::handler::command_handler as commands;
use command_handler::zamu::handler::columns as shared;
use event_handler::exports::zamu::handler::event_handler as events;
use manifest::zamu::handler::{configuration, log as host_log, meter};
use projection::exports::zamu::handler::projection as tables;

use crate::columns;

/// The host outside the sandbox.
#[derive(Debug)]
pub struct Outside;

impl Outside {
    /// The host; a panic from now on reaches its log before it ends the instance.
    #[must_use]
    pub fn new() -> Self {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| std::panic::set_hook(Box::new(report)));
        Self
    }
}

impl Default for Outside {
    fn default() -> Self {
        Self::new()
    }
}

impl Host for Outside {
    fn item(&mut self, index: u32) {
        meter::item(index);
    }

    fn configuration(&mut self) -> Vec<u8> {
        configuration::get()
    }
}

/// The row at this key of a reference table. Only a component that calls this has the import.
pub(crate) fn reference(table: u32, key: &[u8]) -> Option<Vec<u8>> {
    reference::zamu::handler::reference::get(table, key)
}

/// Writes a line to the host's log.
pub(crate) fn write(level: Level, text: &str) {
    host_log::write(level as u8, text);
}

fn report(panic: &std::panic::PanicHookInfo<'_>) {
    let text = panic.payload_as_str().unwrap_or("(a panic without a text)");
    log::write(Level::Error, &item::describe_panic(panic.location(), text));
}

impl From<shared::Blobs> for columns::Blobs {
    fn from(blobs: shared::Blobs) -> Self {
        Self { data: blobs.data, ends: blobs.ends }
    }
}

impl From<columns::Blobs> for shared::Blobs {
    fn from(blobs: columns::Blobs) -> Self {
        Self { data: blobs.data, ends: blobs.ends }
    }
}

impl From<columns::Fault> for shared::Fault {
    fn from(fault: columns::Fault) -> Self {
        match fault {
            columns::Fault::UnsupportedSchema(index) => Self::UnsupportedSchema(index),
            columns::Fault::UnsupportedKind(index) => Self::UnsupportedKind(index),
            columns::Fault::Internal(text) => Self::Internal(text),
        }
    }
}

impl From<shared::Aggregates> for columns::Aggregates {
    fn from(aggregates: shared::Aggregates) -> Self {
        Self {
            aggregate_type: aggregates.aggregate_type,
            keys: aggregates.keys.into(),
            sequences: aggregates.sequences,
            schemas: aggregates.schemas,
            states: aggregates.states.into(),
        }
    }
}

impl From<commands::Commands> for columns::Commands {
    fn from(commands: commands::Commands) -> Self {
        Self {
            slot: commands.slot,
            kind: commands.kind,
            time: commands.time,
            sources: commands.sources.into(),
            ids: commands.ids.into(),
            correlations: commands.correlations.into(),
            principals: commands.principals.into(),
            bodies: commands.bodies.into(),
        }
    }
}

impl From<commands::Past> for columns::Past {
    fn from(past: commands::Past) -> Self {
        Self { slot: past.slot, kind: past.kind, time: past.time, bodies: past.bodies.into() }
    }
}

impl From<columns::States> for shared::States {
    fn from(states: columns::States) -> Self {
        Self { schemas: states.schemas, bytes: states.bytes.into(), wake_at: states.wake_at }
    }
}

impl From<columns::Decision> for commands::Decision {
    fn from(decision: columns::Decision) -> Self {
        let columns::Decision { outcomes, events, states } = decision;
        Self {
            outcomes: commands::Outcomes {
                code: outcomes.code,
                reasons: outcomes.reasons.into(),
                details: outcomes.details.into(),
                replies: outcomes.replies.into(),
            },
            events: commands::Events {
                cause: events.cause,
                kind: events.kind,
                bodies: events.bodies.into(),
            },
            states: states.into(),
        }
    }
}

impl From<events::Events> for columns::Heard {
    fn from(events: events::Events) -> Self {
        Self {
            aggregate_type: events.aggregate_type,
            keys: events.keys.into(),
            sequences: events.sequences,
            kind: events.kind,
            time: events.time,
            correlations: events.correlations.into(),
            principals: events.principals.into(),
            bodies: events.bodies.into(),
        }
    }
}

impl From<columns::Sent> for events::Commands {
    fn from(sent: columns::Sent) -> Self {
        Self {
            cause: sent.cause,
            aggregate_type: sent.aggregate_type,
            keys: sent.keys.into(),
            kind: sent.kind,
            bodies: sent.bodies.into(),
        }
    }
}

impl From<tables::Subjects> for columns::Subjects {
    fn from(subjects: tables::Subjects) -> Self {
        Self { aggregate_type: subjects.aggregate_type, keys: subjects.keys.into() }
    }
}

impl From<tables::Rows> for columns::CurrentRows {
    fn from(rows: tables::Rows) -> Self {
        Self { slot: rows.slot, table: rows.table, values: rows.values.into() }
    }
}

impl From<tables::Events> for columns::Projected {
    fn from(events: tables::Events) -> Self {
        Self {
            slot: events.slot,
            sequences: events.sequences,
            kind: events.kind,
            time: events.time,
            correlations: events.correlations.into(),
            bodies: events.bodies.into(),
        }
    }
}

impl From<columns::Changes> for tables::Changes {
    fn from(changes: columns::Changes) -> Self {
        Self {
            slot: changes.slot,
            table: changes.table,
            suffixes: changes.suffixes.into(),
            delete: changes.delete,
            values: changes.values.into(),
        }
    }
}
