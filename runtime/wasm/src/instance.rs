//! One guest of one shard: calls with budgets, faults, recycling.
//!
//! - A sandbox is used for many calls. It is dropped after a fault, after so many calls, when its
//!   memory has grown past a mark, and when asked to.
//! - Every call sets fuel, deadline and output limit anew; none can be switched off.
//! - Returned columns are handed on unchecked: the core checks them.

use std::sync::Arc;

use wasmtime::component::{ComponentNamedList, Func, Lift, Lower, TypedFunc};
use zamu_core::guest::columns::{
    Aggregates, Blobs, ChangeColumns, CommandColumns, Decision, EventColumns, MessageColumns,
    PastColumns, ProjectedColumns, RowColumns, SentColumns, States, Subjects,
};
use zamu_core::guest::{Fault, FaultReason, Guest, Lookup};

use crate::columns::{BlobsOut, ChangesOut, DecisionOut, SentOut, StatesOut};
use crate::component::{
    DecideParams, EvolveParams, Functions, Handler, InspectParams, Live, ProjectParams,
    ReactParams, Returned, ShowParams,
};
use crate::counters::{Counters, Used};
use crate::fault;
use crate::host::Outside;

/// A handler's guest in one shard.
pub struct Instance {
    handler: Arc<Handler>,
    live: Option<Live>,
    counters: Arc<Counters>,
}

impl Instance {
    pub(crate) fn new(handler: Arc<Handler>) -> Self {
        Self { handler, live: None, counters: Arc::default() }
    }

    /// The handler that this is an instance of.
    #[must_use]
    pub fn handler(&self) -> &Arc<Handler> {
        &self.handler
    }

    /// What was used so far. Shared: keep it when the instance goes into a shard.
    #[must_use]
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Makes a fresh sandbox now, rather than at the next call.
    ///
    /// # Errors
    /// If it could not be made.
    pub fn warm(&mut self) -> Result<(), Fault> {
        self.live().map(drop)
    }

    fn live(&mut self) -> Result<&mut Live, Fault> {
        if self.live.is_none() {
            let live = self.handler.start().inspect_err(|_| self.counters.faulted())?;
            self.counters.started();
            self.live = Some(live);
        }
        // `live` was just filled if it was empty; the fault is for the compiler.
        self.live
            .as_mut()
            .ok_or_else(|| Fault::unnamed(FaultReason::Instantiate, "no instance was made"))
    }

    /// Calls an export, and settles what it used. It sees the configuration where it may look things up.
    ///
    /// # Safety
    /// `function` must pick a function whose type was checked, when the component was loaded, to be
    /// from `P` to `Returned<R>`.
    unsafe fn call<P, R>(
        &mut self,
        export: Export,
        function: fn(&Functions) -> Option<Func>,
        lookup: Option<&Lookup>,
        items_bytes: impl Iterator<Item = usize>,
        params: P,
    ) -> Result<R, Fault>
    where
        P: ComponentNamedList + Lower,
        R: Lift,
        Returned<R>: ComponentNamedList + Lift,
    {
        let manifest = self.handler.manifest();
        let (metered, tables) = (manifest.items, manifest.references.len());
        let outside = lookup.map(|lookup| Outside { lookup: lookup.clone(), tables });
        let live = self.live()?;
        let Some(function) = function(&live.functions) else {
            return Err(export.missing());
        };
        // SAFETY: the caller picked a function that was type-checked as this.
        let function = unsafe { TypedFunc::<P, Returned<R>>::new_unchecked(function) };
        let host = live.store.data_mut();
        let fuel = host.begin(export.name, outside, metered, items_bytes);
        live.store.set_epoch_deadline(1);
        let returned =
            live.store.set_fuel(fuel).and_then(|()| function.call(&mut live.store, params));
        let result = match returned {
            Ok((Ok(value),)) => Ok(value),
            Ok((Err(said),)) => Err(fault::returned(said, self.handler.manifest())),
            Err(error) => Err(fault::of_call(&error, live.store.data())),
        };
        self.settle(&result);
        result
    }

    /// Counts what a call used, and drops the sandbox if it must go.
    fn settle<R>(&mut self, result: &Result<R, Fault>) {
        let Some(live) = &mut self.live else { return };
        live.calls += 1;
        let used = used(live);
        self.counters.called(&used);
        let limits = self.handler.limits();
        if result.is_err() {
            self.counters.faulted();
            self.live = None;
        } else if live.calls >= limits.calls_per_instance
            || used.memory_bytes > limits.memory_recycle_bytes as u64
        {
            self.counters.recycle();
            self.live = None;
        }
    }
}

fn used(live: &mut Live) -> Used {
    // Fuel is always on, so this does not fail; if it did, all would count as used.
    let left = live.store.get_fuel().unwrap_or(0);
    let host = live.store.data_mut();
    host.end();
    Used {
        items: host.meter.items() as u64,
        fuel: host.meter.end(left),
        item_fuel_max: host.meter.item_max(),
        memory_bytes: host.memory.bytes as u64,
        log_lines: u64::from(host.lines.written()),
        log_lines_dropped: host.lines.dropped(),
    }
}

/// An exported function.
#[derive(Clone, Copy)]
struct Export {
    name: &'static str,
    interface: &'static str,
}

impl Export {
    const DECIDE: Self = Self { name: "decide", interface: "command-handler" };
    const EVOLVE: Self = Self { name: "evolve", interface: "command-handler" };
    const REACT: Self = Self { name: "react", interface: "event-handler" };
    const PROJECT: Self = Self { name: "project", interface: "projection" };
    const INSPECT: Self = Self { name: "inspect", interface: "inspect" };
    const SHOW: Self = Self { name: "show", interface: "show" };

    fn missing(self) -> Fault {
        let Self { name, interface, .. } = self;
        let message = format!("the handler has no {name}: it does not export {interface}");
        Fault::unnamed(FaultReason::Instantiate, message)
    }
}

impl Guest for Instance {
    fn decide(
        &mut self,
        aggregates: &Aggregates,
        commands: &CommandColumns,
        lookup: &Lookup,
    ) -> Result<Decision, Fault> {
        let sizes = (0..commands.slot.len()).map(|i| {
            aggregate_bytes(aggregates, commands.slot[i])
                + length(&commands.sources, i)
                + length(&commands.ids, i)
                + length(&commands.correlations, i)
                + length(&commands.principals, i)
                + length(&commands.bodies, i)
        });
        let params: DecideParams = (aggregates.into(), commands.into());
        // SAFETY: `Exports::check` checked `decide` as this.
        let decision: DecisionOut =
            unsafe { self.call(Export::DECIDE, |f| f.decide, Some(lookup), sizes, params) }?;
        Ok(decision.into())
    }

    fn evolve(&mut self, aggregates: &Aggregates, events: &PastColumns) -> Result<States, Fault> {
        let sizes = (0..events.slot.len())
            .map(|i| aggregate_bytes(aggregates, events.slot[i]) + length(&events.bodies, i));
        let params: EvolveParams = (aggregates.into(), events.into());
        // SAFETY: `Exports::check` checked `evolve` as this.
        let states: StatesOut =
            unsafe { self.call(Export::EVOLVE, |f| f.evolve, None, sizes, params) }?;
        Ok(states.into())
    }

    fn react(&mut self, events: &EventColumns, lookup: &Lookup) -> Result<SentColumns, Fault> {
        let sizes = (0..events.kind.len()).map(|i| {
            length(&events.keys, i)
                + length(&events.correlations, i)
                + length(&events.principals, i)
                + length(&events.bodies, i)
        });
        let params: ReactParams = (events.into(),);
        // SAFETY: `Exports::check` checked `react` as this.
        let sent: SentOut =
            unsafe { self.call(Export::REACT, |f| f.react, Some(lookup), sizes, params) }?;
        Ok(sent.into())
    }

    fn project(
        &mut self,
        subjects: &Subjects,
        rows: &RowColumns,
        events: &ProjectedColumns,
    ) -> Result<ChangeColumns, Fault> {
        let mut of_rows = vec![0_usize; subjects.keys.len()];
        for (i, slot) in rows.slot.iter().enumerate() {
            if let Some(bytes) = of_rows.get_mut(*slot as usize) {
                *bytes += length(&rows.values, i);
            }
        }
        let sizes = (0..events.slot.len()).map(|i| {
            let slot = events.slot[i] as usize;
            length(&subjects.keys, slot)
                + of_rows.get(slot).copied().unwrap_or(0)
                + length(&events.correlations, i)
                + length(&events.bodies, i)
        });
        let params: ProjectParams = (subjects.into(), rows.into(), events.into());
        // SAFETY: `Exports::check` checked `project` as this.
        let changes: ChangesOut =
            unsafe { self.call(Export::PROJECT, |f| f.project, None, sizes, params) }?;
        Ok(changes.into())
    }

    fn inspect(&mut self, aggregates: &Aggregates) -> Result<Blobs, Fault> {
        let sizes = (0..aggregates.keys.len()).map(|i| aggregate_bytes(aggregates, i as u32));
        let params: InspectParams = (aggregates.into(),);
        // SAFETY: `Exports::check` checked `inspect` as this.
        let texts: BlobsOut =
            unsafe { self.call(Export::INSPECT, |f| f.inspect, None, sizes, params) }?;
        Ok(texts.into())
    }

    fn show(&mut self, messages: &MessageColumns) -> Result<Blobs, Fault> {
        let sizes = (0..messages.kind.len()).map(|i| length(&messages.bodies, i));
        let params: ShowParams = (messages.into(),);
        // SAFETY: `Exports::check` checked `show` as this.
        let texts: BlobsOut = unsafe { self.call(Export::SHOW, |f| f.show, None, sizes, params) }?;
        Ok(texts.into())
    }

    fn renew(&mut self) {
        self.live = None;
    }
}

fn aggregate_bytes(aggregates: &Aggregates, slot: u32) -> usize {
    length(&aggregates.keys, slot as usize) + length(&aggregates.states, slot as usize)
}

/// Length of string `index`; 0 where there is none.
fn length(blobs: &Blobs, index: usize) -> usize {
    let end = |i: usize| blobs.ends.get(i).copied().unwrap_or(0);
    let start = if index == 0 { 0 } else { end(index - 1) };
    end(index).saturating_sub(start) as usize
}
