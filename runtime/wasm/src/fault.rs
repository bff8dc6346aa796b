//! From what went wrong in the engine to the core's [`Fault`].

use std::time::Duration;

use wasmtime::{Trap, WasmBacktrace};
use zamu_core::guest::check::KEY_BYTES_MAX;
use zamu_core::guest::manifest::Manifest;
use zamu_core::guest::{Fault, FaultReason};

use crate::budget::Phase;
use crate::columns::FaultOut;
use crate::host::Host;
use crate::wasi::HANDLES_MAX;

/// A limit or a rule that the host found broken while the guest ran.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Breach {
    #[error(
        "called meter.item({index}) after {phase:?} in a call of {count} items: items must ascend strictly"
    )]
    Item { index: u32, count: u32, phase: Phase },
    #[error("used more than its fuel, {limit} ({setting})")]
    Fuel { limit: u64, setting: &'static str },
    #[error("used more CPU time than {limit:?} (cpu_time_per_item)")]
    Time { limit: Duration },
    #[error("wanted {wanted} bytes of memory, and may have {limit} (memory_bytes)")]
    Memory { wanted: usize, limit: usize },
    #[error("wanted {wanted} bytes of memory, more than the component itself declares")]
    MemoryDeclared { wanted: usize },
    #[error(
        "may have {wanted} bytes of memory, and the machine did not give them ({why}): free memory, or give this process more"
    )]
    MemoryRefused { wanted: usize, why: String },
    #[error("wanted a table of {wanted} entries, and may have {limit} (table_elements)")]
    Table { wanted: usize, limit: usize },
    #[error(
        "read the configuration in {call}, which may not depend on it: only decide and react may"
    )]
    Configuration { call: &'static str },
    #[error(
        "looked something up in {call}, which may not depend on other tables: only decide and react may"
    )]
    Reference { call: &'static str },
    #[error(
        "looked something up in table {table}, and the manifest's references has {tables} entries: correct the index"
    )]
    ReferenceTable { table: u32, tables: usize },
    #[error(
        "looked up a key of {bytes} bytes, and no aggregate has a longer one than {KEY_BYTES_MAX}"
    )]
    ReferenceKey { bytes: usize },
    #[error(
        "called exit with status {status}: a handler ends a call by returning; say no by a refusal, and what is broken by a panic"
    )]
    Exit { status: u8 },
    #[error("waited for nothing: wasi:io/poll takes at least one pollable")]
    PollOfNothing,
}

impl Breach {
    fn reason(&self) -> FaultReason {
        match self {
            Self::Item { .. } => FaultReason::BadOutput,
            Self::Fuel { .. } => FaultReason::Fuel,
            Self::Time { .. } => FaultReason::Time,
            Self::Memory { .. } | Self::MemoryDeclared { .. } | Self::Table { .. } => {
                FaultReason::Memory
            }
            Self::MemoryRefused { .. } => FaultReason::Host,
            Self::Configuration { .. }
            | Self::Reference { .. }
            | Self::ReferenceTable { .. }
            | Self::ReferenceKey { .. }
            | Self::Exit { .. }
            | Self::PollOfNothing => FaultReason::Trap,
        }
    }
}

/// The fault of a call that the engine ended.
pub(crate) fn of_call(error: &wasmtime::Error, host: &Host) -> Fault {
    let (reason, message) = explain(error, host);
    // A protocol breach is the guest's as a whole; all else happened during an item, if in any.
    let culprit = match reason {
        FaultReason::BadOutput | FaultReason::Output => None,
        _ => host.meter.culprit(),
    };
    Fault { culprit, reason, message }
}

/// The fault of an instance that could not be made.
pub(crate) fn of_start(error: &wasmtime::Error, host: &Host) -> Fault {
    let (_, message) = explain(error, host);
    Fault::unnamed(FaultReason::Instantiate, format!("the handler could not be started: {message}"))
}

/// The fault that a guest returned.
pub(crate) fn returned(fault: FaultOut, manifest: &Manifest) -> Fault {
    let message = match fault {
        FaultOut::UnsupportedSchema(index) => format!(
            "the handler does not read state schema {index} ({})",
            manifest
                .state_schemas
                .get(index as usize)
                .map_or("not in its manifest", String::as_str)
        ),
        FaultOut::UnsupportedKind(index) => match manifest.kinds.get(index as usize) {
            Some(kind) => format!("the handler does not take kind {index} here: {kind}"),
            None => format!("the handler does not take kind {index} (not in its manifest) here"),
        },
        FaultOut::Internal(text) => crate::text::clean(&text, MESSAGE_BYTES_MAX),
    };
    Fault::unnamed(FaultReason::Returned, message)
}

/// What a fault's message may hold of a guest's own words.
pub(crate) const MESSAGE_BYTES_MAX: usize = 1_000;

fn explain(error: &wasmtime::Error, host: &Host) -> (FaultReason, String) {
    if let Some(breach) = error.downcast_ref::<Breach>() {
        return (breach.reason(), breach.to_string());
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => (FaultReason::Fuel, host.meter.out_of_fuel().to_string()),
        Some(trap) => (FaultReason::Trap, of_trap(*trap, error, host)),
        // The engine's own type for this is private; a test with an oversized output guards the text.
        None if error.root_cause().to_string().contains("fuel allocated for hostcalls") => {
            let limit = host.limits.output_bytes;
            (FaultReason::Output, format!("returned more than {limit} bytes (output_bytes)"))
        }
        // Likewise; an animal that opens streams without end guards it.
        None if error.root_cause().to_string().contains("store handle limit exceeded") => {
            (FaultReason::Memory, format!("held more than {HANDLES_MAX} streams and pollables"))
        }
        None if of_the_machine(error) => {
            let said = crate::text::clean(&format!("{error:#}"), MESSAGE_BYTES_MAX);
            (FaultReason::Host, format!("the machine could not run the handler: {said}"))
        }
        None => {
            let said = crate::text::clean(&format!("{error:#}"), MESSAGE_BYTES_MAX);
            (FaultReason::BadOutput, format!("broke the component model's rules: {said}"))
        }
    }
}

/// Whether an error is the operating system's, and no answer to what a guest did.
fn of_the_machine(error: &wasmtime::Error) -> bool {
    error.chain().any(|cause| cause.is::<std::io::Error>() || cause.is::<wasmtime::OutOfMemory>())
}

fn of_trap(trap: Trap, error: &wasmtime::Error, host: &Host) -> String {
    if let (Trap::UnreachableCodeReached, Some(panic)) = (trap, host.lines.last_error()) {
        return panic.to_owned();
    }
    let place = error
        .downcast_ref::<WasmBacktrace>()
        .and_then(|trace| trace.frames().first()?.func_name())
        .map(|name| format!(", in {name}"))
        .unwrap_or_default();
    let place = crate::text::clean(&place, MESSAGE_BYTES_MAX);
    match trap {
        Trap::MemoryOutOfBounds => format!(
            "{trap}{place} (a Rust guest whose stack overflows shows this: look for deep recursion)"
        ),
        Trap::StackOverflow => format!("{trap}{place}: look for deep recursion"),
        _ => match host.stdio.last_words() {
            Some(words) => format!("{trap}{place}; its standard error ends with: {words}"),
            None => format!("{trap}{place}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::limits::Limits;

    fn fault(error: wasmtime::Error) -> Fault {
        let host = Host::new(Arc::new(Limits::default()), "test".into(), Arc::from([]));
        of_call(&error, &host)
    }

    #[test]
    fn what_the_operating_system_denies_is_no_breach_of_the_guest() {
        let denied = std::io::Error::from(std::io::ErrorKind::OutOfMemory);
        let fault = fault(wasmtime::Error::new(denied).context("mapping a stack"));
        assert_eq!(fault.reason, FaultReason::Host, "{fault}");
        assert!(fault.message.contains("mapping a stack: out of memory"), "{fault}");
    }

    #[test]
    fn what_an_error_quotes_of_a_guest_is_made_harmless() {
        let fault = fault(wasmtime::Error::msg("invalid \u{1b}[31m\ntext"));
        assert_eq!(fault.reason, FaultReason::BadOutput);
        assert_eq!(fault.message, "broke the component model's rules: invalid [31m text");
    }
}
