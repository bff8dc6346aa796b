//! What a guest may call: `log`, `meter`, `configuration` and `reference` of `wit/imports.wit`.
//! Class *pure* is linked nothing else.

use std::sync::Arc;

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, WasmList, WasmStr};
use zamu_core::guest::check::KEY_BYTES_MAX;

use crate::fault::{Breach, MESSAGE_BYTES_MAX};
use crate::host::Host;
use crate::limits::Limits;
use crate::text::clean;

/// Defines all imports. The linker matches `0.1.x` of a guest to this.
pub(crate) fn define(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    linker.instance("zamu:handler/log@0.1.0")?.func_wrap("write", write)?;
    linker.instance("zamu:handler/meter@0.1.0")?.func_wrap("item", item)?;
    linker.instance("zamu:handler/configuration@0.1.0")?.func_wrap("get", configuration)?;
    linker.instance("zamu:handler/reference@0.1.0")?.func_wrap("get", reference)?;
    Ok(())
}

/// The log lines of a call: bounded, cleaned, handed to `tracing`.
pub(crate) struct Lines {
    handler: Arc<str>,
    lines_max: u32,
    bytes_max: usize,
    lines: u32,
    bytes: usize,
    dropped: u64,
    last_error: Option<String>,
}

impl Lines {
    pub(crate) fn new(handler: Arc<str>, limits: &Limits) -> Self {
        Self {
            handler,
            lines_max: limits.log_lines,
            bytes_max: limits.log_bytes,
            lines: 0,
            bytes: 0,
            dropped: 0,
            last_error: None,
        }
    }

    /// A new call begins.
    pub(crate) fn begin(&mut self) {
        self.lines = 0;
        self.bytes = 0;
        self.dropped = 0;
        self.last_error = None;
    }

    /// The last line of level error: what a panic said.
    pub(crate) fn last_error(&self) -> Option<&str> {
        self.last_error.as_deref()
    }

    pub(crate) fn written(&self) -> u32 {
        self.lines
    }

    /// Lines that were over the bound in this call.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Says how many lines were dropped, if any were.
    pub(crate) fn end(&self) {
        if self.dropped > 0 {
            let (handler, dropped) = (&*self.handler, self.dropped);
            tracing::warn!(target: "zamu::handler", handler, dropped, "log lines over the bound");
        }
    }

    /// How much of a line of this level is read; `None` if it is dropped unread. Errors always are
    /// read: the last one may be the text of a panic.
    fn room(&mut self, level: u8) -> Option<usize> {
        match (level, self.left()) {
            (0, left) => Some(left.max(MESSAGE_BYTES_MAX)),
            (_, 0) => {
                self.dropped += 1;
                None
            }
            (_, left) => Some(left),
        }
    }

    /// Bytes that may still be written.
    pub(crate) fn left(&self) -> usize {
        if self.lines < self.lines_max { self.bytes_max.saturating_sub(self.bytes) } else { 0 }
    }

    /// Takes a line, and cleans it.
    pub(crate) fn write(&mut self, level: u8, text: &str) {
        if level == 0 {
            self.last_error = Some(clean(text, MESSAGE_BYTES_MAX));
        }
        let left = self.left();
        if left == 0 {
            self.dropped += 1;
            return;
        }
        let text = clean(text, left);
        self.lines += 1;
        self.bytes += text.len();
        let handler = &*self.handler;
        match level {
            0 => tracing::error!(target: "zamu::handler", handler, "{text}"),
            1 => tracing::warn!(target: "zamu::handler", handler, "{text}"),
            2 => tracing::info!(target: "zamu::handler", handler, "{text}"),
            _ => tracing::debug!(target: "zamu::handler", handler, "{text}"),
        }
    }
}

/// The text is read in place, looked through for wrong UTF-8 as a whole and cleaned as far as it
/// is kept. The guest pays for that by the byte.
fn write(
    mut store: StoreContextMut<'_, Host>,
    (level, text): (u8, WasmStr),
) -> wasmtime::Result<()> {
    charge(&mut store, 0)?;
    let Some(room) = store.data_mut().lines.room(level) else { return Ok(()) };
    let (text, bytes) = {
        let text = text.to_str(&store)?;
        (clean(&text[..text.floor_char_boundary(room)], room), text.len())
    };
    charge(&mut store, bytes)?;
    store.data_mut().lines.write(level, &text);
    Ok(())
}

/// Takes fuel for a call into the host and for the bytes that it moves: what the host does for a
/// guest counts as the guest's work, or a loop of calls would cost next to nothing.
pub(crate) fn charge(store: &mut StoreContextMut<'_, Host>, bytes: usize) -> wasmtime::Result<()> {
    take(store, FUEL_PER_CALL.saturating_add(bytes as u64))
}

fn take(store: &mut StoreContextMut<'_, Host>, fuel: u64) -> wasmtime::Result<()> {
    let left = store.get_fuel()?.checked_sub(fuel).ok_or(wasmtime::Trap::OutOfFuel)?;
    store.set_fuel(left)
}

/// What a call into the host costs beside its bytes: roughly its time in operators.
const FUEL_PER_CALL: u64 = 100;

fn item(mut store: StoreContextMut<'_, Host>, (index,): (u32,)) -> wasmtime::Result<()> {
    let left = store.get_fuel()?;
    let host = store.data_mut();
    host.stdio.begin_item();
    let fuel = host.meter.item(index, left)?;
    store.set_fuel(fuel)
}

fn configuration(mut store: StoreContextMut<'_, Host>, (): ()) -> wasmtime::Result<(Arc<[u8]>,)> {
    let configuration = store.data().configuration()?;
    charge(&mut store, configuration.len())?;
    Ok((configuration,))
}

/// A key is looked at only if an aggregate could have it. The guest pays for what is moved; what it
/// gets lies in its own memory, and counts there.
fn reference(
    mut store: StoreContextMut<'_, Host>,
    (table, key): (u32, WasmList<u8>),
) -> wasmtime::Result<(Option<Vec<u8>>,)> {
    if key.len() > KEY_BYTES_MAX {
        return Err(Breach::ReferenceKey { bytes: key.len() }.into());
    }
    charge(&mut store, key.len())?;
    let row = store.data().row(table, key.as_le_slice(&store))?;
    take(&mut store, row.as_ref().map_or(0, |row| row.len() as u64))?;
    Ok((row.map(Vec::from),))
}
