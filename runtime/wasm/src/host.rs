//! The host's side of one instance: what a store carries, and the net under a running guest.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use wasmtime::{ResourceLimiter, StoreContextMut, UpdateDeadline};

use zamu_core::guest::Lookup;

use crate::budget::{Meter, Phase};
use crate::fault::Breach;
use crate::imports::Lines;
use crate::limits::Limits;
use crate::stdio::Stdio;

/// What a store carries.
pub(crate) struct Host {
    pub(crate) limits: Arc<Limits>,
    pub(crate) meter: Meter,
    pub(crate) lines: Lines,
    /// What class *std* writes to its standard streams.
    pub(crate) stdio: Stdio,
    pub(crate) memory: Memory,
    configuration: Arc<[u8]>,
    /// The export that runs.
    call: &'static str,
    /// What it may see besides its arguments and the configuration; none if not even that.
    outside: Option<Outside>,
    watch: Watch,
}

/// What `decide` and `react` may see besides their arguments and the configuration.
pub(crate) struct Outside {
    /// Rows of reference tables.
    pub(crate) lookup: Lookup,
    /// How many tables the manifest names.
    pub(crate) tables: usize,
}

/// Linear memory and tables of one instance.
pub(crate) struct Memory {
    /// All memories together, in bytes.
    pub(crate) bytes: usize,
    bytes_max: usize,
    table_max: usize,
}

/// CPU time of the current phase of a call, as far as ticks show it.
#[derive(Default)]
struct Watch {
    phase: Option<Phase>,
    since: Duration,
}

impl Host {
    pub(crate) fn new(limits: Arc<Limits>, handler: Arc<str>, configuration: Arc<[u8]>) -> Self {
        Self {
            meter: Meter::default(),
            lines: Lines::new(handler, &limits),
            stdio: Stdio::default(),
            memory: Memory {
                bytes: 0,
                bytes_max: limits.memory_bytes,
                table_max: limits.table_elements,
            },
            limits,
            configuration,
            call: "instantiation",
            outside: None,
            watch: Watch::default(),
        }
    }

    /// Prepares a call of an export. Returns the fuel to start with.
    pub(crate) fn begin(
        &mut self,
        call: &'static str,
        outside: Option<Outside>,
        metered: bool,
        items_bytes: impl Iterator<Item = usize>,
    ) -> u64 {
        self.call = call;
        self.outside = outside;
        self.watch = Watch::default();
        self.begin_lines();
        self.meter.begin(&self.limits, metered, items_bytes)
    }

    /// Prepares instantiation or `describe`. Returns the fuel to start with.
    pub(crate) fn begin_start(&mut self, call: &'static str) -> u64 {
        self.call = call;
        self.outside = None;
        self.watch = Watch::default();
        self.begin_lines();
        self.meter.begin_start(&self.limits)
    }

    pub(crate) fn configuration(&self) -> Result<Arc<[u8]>, Breach> {
        if self.outside.is_none() {
            return Err(Breach::Configuration { call: self.call });
        }
        Ok(Arc::clone(&self.configuration))
    }

    /// The row of a reference table, by the manifest's index.
    pub(crate) fn row(&self, table: u32, key: &[u8]) -> Result<Option<Bytes>, Breach> {
        let Some(Outside { lookup, tables }) = &self.outside else {
            return Err(Breach::Reference { call: self.call });
        };
        if table as usize >= *tables {
            return Err(Breach::ReferenceTable { table, tables: *tables });
        }
        Ok(lookup.row(table, key))
    }

    /// The call is over: nothing of what it might see is kept, and what it wrote is logged.
    pub(crate) fn end(&mut self) {
        self.outside = None;
        self.stdio.end(&mut self.lines);
        self.lines.end();
    }

    fn begin_lines(&mut self) {
        self.lines.begin();
        self.stdio.begin();
    }

    /// Called every tick while the guest runs. A thread that was preempted has used no CPU time and
    /// goes on.
    fn tick(&mut self) -> Result<(), Breach> {
        let now = thread_cpu_time();
        let phase = Some(self.meter.phase());
        if self.watch.phase != phase {
            self.watch = Watch { phase, since: now };
            return Ok(());
        }
        let limit = self.limits.cpu_time_per_item.saturating_mul(self.meter.shares());
        if now.saturating_sub(self.watch.since) > limit {
            return Err(Breach::Time { limit });
        }
        Ok(())
    }
}

/// The epoch callback of every store.
pub(crate) fn on_tick(mut store: StoreContextMut<'_, Host>) -> wasmtime::Result<UpdateDeadline> {
    store.data_mut().tick()?;
    Ok(UpdateDeadline::Continue(1))
}

/// A growth that is denied is a fault at once, so that it has one meaning in every guest language.
impl ResourceLimiter for Memory {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let wanted = self.bytes.saturating_add(desired.saturating_sub(current));
        if wanted > self.bytes_max {
            return Err(Breach::Memory { wanted, limit: self.bytes_max }.into());
        }
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Err(Breach::MemoryDeclared { wanted: desired }.into());
        }
        self.bytes = wanted;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        // What the limits or the component deny was denied before.
        Err(Breach::MemoryRefused { wanted: self.bytes, why: format!("{error:#}") }.into())
    }

    fn table_growing(
        &mut self,
        _: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > self.table_max {
            return Err(Breach::Table { wanted: desired, limit: self.table_max }.into());
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        32
    }

    fn tables(&self) -> usize {
        16
    }

    fn memories(&self) -> usize {
        4
    }
}

/// CPU time that this thread has used.
fn thread_cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place to write to, and the clock exists on every Linux.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    debug_assert_eq!(result, 0);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn outside() -> Outside {
        Outside { lookup: Lookup::default(), tables: 1 }
    }

    fn host(cpu_time_per_item: Duration) -> Host {
        let limits = Limits { cpu_time_per_item, ..Limits::default() };
        let mut host = Host::new(Arc::new(limits), "test".into(), Arc::from([]));
        host.begin("decide", Some(outside()), true, [0, 0].into_iter());
        host
    }

    #[test]
    fn ticks_alone_stop_nothing() {
        let mut host = host(Duration::from_secs(3600));
        for _ in 0..10_000 {
            host.tick().unwrap();
        }
    }

    #[test]
    fn cpu_time_over_the_limit_stops_the_guest_and_names_the_limit() {
        let mut host = host(Duration::from_micros(1));
        let breach = loop {
            if let Err(breach) = host.tick() {
                break breach;
            }
        };
        assert!(breach.to_string().contains("1µs (cpu_time_per_item)"), "{breach}");
    }

    #[test]
    fn every_item_has_its_own_cpu_time() {
        let mut host = host(Duration::ZERO);
        host.tick().unwrap();
        host.meter.item(0, 0).unwrap();
        host.tick().unwrap();
        host.meter.item(1, 0).unwrap();
        host.tick().unwrap();
    }

    #[test]
    fn memories_are_counted_together() {
        let mut host = host(Duration::ZERO);
        host.memory.bytes_max = 100;
        assert!(host.memory.memory_growing(0, 60, None).unwrap());
        let error = host.memory.memory_growing(0, 50, None).unwrap_err();
        assert!(error.to_string().contains("wanted 110 bytes"), "{error}");
        assert!(host.memory.memory_growing(0, 40, None).unwrap());
    }

    #[test]
    fn configuration_is_for_decide_and_react_only() {
        let mut host = host(Duration::ZERO);
        assert!(host.configuration().is_ok());
        host.begin("evolve", None, true, std::iter::empty());
        let breach = host.configuration().unwrap_err();
        assert!(breach.to_string().contains("in evolve"), "{breach}");
    }

    #[test]
    fn tables_are_for_decide_and_react_only_and_only_those_of_the_manifest() {
        let mut host = host(Duration::ZERO);
        assert!(matches!(host.row(0, b"key"), Ok(None)));
        let breach = host.row(1, b"key").unwrap_err();
        assert!(breach.to_string().contains("table 1"), "{breach}");
        host.end();
        let breach = host.row(0, b"key").unwrap_err();
        assert!(breach.to_string().contains("in decide"), "{breach}");
    }
}
