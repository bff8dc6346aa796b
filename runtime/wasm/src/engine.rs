//! Engine settings: what makes guests deterministic, and what makes them stoppable.
//!
//! - No concurrency support: it triples the cost of a call, and guests are synchronous.
//! - Fuel is the deterministic budget; epochs are the net under it, counted in CPU time.
//! - NaNs are canonical; no threads, no relaxed SIMD, no shared memory.
//! - Instances are allocated on demand, not from a pool: they are reused for a thousand batches, so
//!   a pool saves nothing (30 µs either way), while it would fix their number and shape beforehand
//!   and hand one tenant's memory slots to the next.
//! - A linear memory reserves its address space, so that it never moves and needs no bounds checks.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use wasmtime::{Config, EngineWeak, OperatorCost, OptLevel, Strategy};

/// How often a running guest looks at its CPU time.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// Names every setting that shapes compiled code. The engine's own compatibility hash leaves some
/// out (optimisation, NaNs), so a change below must change this text.
const COMPILE_PROFILE: &str = "zamu-1 cranelift speed nan-canonical";

/// Native stack that a guest may use, in bytes. Shard threads need at least 2 MiB.
const STACK_BYTES: usize = 512 << 10;

/// A process has one engine; clones share it. A thread of its own advances its epochs for as long
/// as it is in use.
#[derive(Clone)]
pub struct Engine {
    inner: wasmtime::Engine,
    /// Makes code for `inner`.
    compiler: wasmtime::Engine,
    compile_key: Arc<str>,
}

impl Engine {
    /// Starts an engine and its ticker.
    ///
    /// # Errors
    /// If the settings do not fit this machine, or the thread cannot be started.
    pub fn new() -> Result<Self, EngineError> {
        let inner = wasmtime::Engine::new(&config()).map_err(EngineError::settings)?;
        let compile_key = compile_key(&inner).into();
        let weak = inner.weak();
        std::thread::Builder::new()
            .name("zamu-epochs".to_owned())
            .spawn(move || tick(&weak))
            .map_err(EngineError::Ticker)?;
        Ok(Self { compiler: inner.clone(), inner, compile_key })
    }

    /// The same engine, which compiles on the calling thread alone: where others must not be kept from
    /// their cores. Otherwise a component is compiled on all of them at once.
    ///
    /// # Errors
    /// If the settings do not fit this machine.
    pub fn compiling_on_one_core(&self) -> Result<Self, EngineError> {
        let mut config = config();
        config.parallel_compilation(false);
        let compiler = wasmtime::Engine::new(&config).map_err(EngineError::settings)?;
        Ok(Self { compiler, ..self.clone() })
    }

    /// Names the engine's version and everything that shapes the code it makes: equal keys, equal
    /// code.
    #[must_use]
    pub fn compile_key(&self) -> &str {
        &self.compile_key
    }

    pub(crate) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.inner
    }

    /// What compiles components for this engine.
    pub(crate) fn compiler(&self) -> &wasmtime::Engine {
        &self.compiler
    }
}

/// The engine could not be started.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The settings do not fit this machine.
    #[error("the WebAssembly engine does not run on this machine: {0}")]
    Settings(String),
    /// The thread that advances epochs could not be started.
    #[error("the thread that stops runaway handlers could not be started: {0}")]
    Ticker(std::io::Error),
}

impl EngineError {
    fn settings(error: wasmtime::Error) -> Self {
        Self::Settings(format!("{error:#}"))
    }
}

fn config() -> Config {
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        .cranelift_nan_canonicalization(true)
        .consume_fuel(true)
        .operator_cost(operator_cost())
        .epoch_interruption(true)
        .max_wasm_stack(STACK_BYTES)
        .concurrency_support(false)
        .gc_support(false)
        .shared_memory(false)
        .wasm_component_model(true)
        .wasm_multi_memory(false)
        .wasm_memory64(false)
        .wasm_relaxed_simd(false)
        .wasm_tail_call(false)
        .wasm_custom_page_sizes(false)
        .wasm_wide_arithmetic(false);
    config
}

/// Fuel is counted by the engine's own table for operators, and by these prices for what takes longer
/// the larger it is. A golden figure in the tests tells when an update of the engine changes either.
fn operator_cost() -> OperatorCost {
    let mut cost = OperatorCost::new();
    cost.variable.memory_copy_per_byte = 1;
    cost.variable.memory_fill_per_byte = 1;
    cost.variable.memory_init_per_byte = 1;
    // A page that is touched for the first time costs the kernel some microseconds.
    cost.variable.memory_grow_per_page = 200;
    cost
}

fn compile_key(engine: &wasmtime::Engine) -> String {
    // The version stands in the compatibility hash, too. `DefaultHasher::new` is seeded with zeros;
    // were it to change with the compiler, the cost is one compilation.
    let mut hasher = std::hash::DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("{COMPILE_PROFILE} {:016x}", hasher.finish())
}

fn tick(engine: &EngineWeak) {
    while let Some(engine) = engine.upgrade() {
        engine.increment_epoch();
        drop(engine);
        std::thread::sleep(TICK);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// `(func (export "f") (local i32) (loop (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0)
    /// (i32.const 1))) (i32.const 100)))))`
    const COUNTS_TO_A_HUNDRED: &[u8] = b"\0asm\x01\0\0\0\
        \x01\x04\x01\x60\0\0\
        \x03\x02\x01\0\
        \x07\x05\x01\x01f\0\0\
        \x0a\x16\x01\x14\x01\x01\x7f\x03\x40\x20\0\x41\x01\x6a\x22\0\x41\xe4\0\x49\x0d\0\x0b\x0b";

    /// Frozen: another figure means that the engine counts differently now, and so that other work
    /// fits into every handler's budget. Say so in the release notes.
    #[test]
    fn operators_cost_what_budgets_were_set_by() {
        let engine = wasmtime::Engine::new(&config()).unwrap();
        let module = wasmtime::Module::new(&engine, COUNTS_TO_A_HUNDRED).unwrap();
        let mut store = wasmtime::Store::new(&engine, ());
        store.set_epoch_deadline(1_000_000);
        store.set_fuel(1_000_000).unwrap();
        let instance = wasmtime::Instance::new(&mut store, &module, &[]).unwrap();
        let before = store.get_fuel().unwrap();
        instance.get_typed_func::<(), ()>(&mut store, "f").unwrap().call(&mut store, ()).unwrap();
        assert_eq!(before - store.get_fuel().unwrap(), 701);
    }
}
