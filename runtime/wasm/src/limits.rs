//! Every bound on a handler, with its default. A bound that is hit is a fault that names it, or, at
//! admission, an error that does.

use std::time::Duration;

use zamu_core::guest::manifest::Class;

/// Bounds on one handler. All are always on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The classes of components that are let in. Default both.
    pub classes: Vec<Class>,
    /// Size of the component file, in bytes. Default 8 MiB: a Rust handler has 20 to 500 KiB.
    pub component_bytes: usize,
    /// Core modules inside the component. Default 8: the encoder of Rust guests makes 3.
    pub modules: u32,
    /// Functions in all modules together. Default 20,000.
    pub functions: u32,
    /// The largest function body, in bytes. Default 128 KiB. Compile time grows with the square of
    /// it (100 KB can take 0.8 s, 600 KB 28 s), so this is the fence against compile bombs.
    pub function_bytes: u32,
    /// Linear memory of one instance, in bytes, all its memories together. Default 64 MiB.
    pub memory_bytes: usize,
    /// Entries of one table. Default 20,000.
    pub table_elements: usize,
    /// Fuel for instantiation and `describe`, each. Default 50 million.
    pub fuel_start: u64,
    /// Fuel for one item, before what its bytes add. Default 10 million (about 5 ms): a JSON
    /// command of a kilobyte needs some 50,000.
    pub fuel_per_item: u64,
    /// Fuel for each byte of an item's input (body, key, ids, state). Default 1,000.
    pub fuel_per_byte: u64,
    /// Fuel for unpacking and packing, for each item of a call: before the first item and after
    /// the last. Default 50,000.
    pub fuel_overhead_per_item: u64,
    /// CPU time between two calls of `meter.item`, or of a whole call times its items if the guest
    /// does not meter. Default 1 s: fuel is spent long before; this net holds what fuel cannot see.
    pub cpu_time_per_item: Duration,
    /// What a call may return, in bytes; also the longest single log line. Default 16 MiB.
    pub output_bytes: usize,
    /// Log lines of a call; more are counted and dropped. Default 64.
    pub log_lines: u32,
    /// Bytes of log text of a call; longer lines are cut. Default 16 KiB.
    pub log_bytes: usize,
    /// Calls after which an instance is replaced by a fresh one. Default 1,000.
    pub calls_per_instance: u32,
    /// Linear memory above which an instance is replaced after the call. Default 32 MiB.
    pub memory_recycle_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            classes: Class::ALL.to_vec(),
            component_bytes: 8 << 20,
            modules: 8,
            functions: 20_000,
            function_bytes: 128 << 10,
            memory_bytes: 64 << 20,
            table_elements: 20_000,
            fuel_start: 50_000_000,
            fuel_per_item: 10_000_000,
            fuel_per_byte: 1_000,
            fuel_overhead_per_item: 50_000,
            cpu_time_per_item: Duration::from_secs(1),
            output_bytes: 16 << 20,
            log_lines: 64,
            log_bytes: 16 << 10,
            calls_per_instance: 1_000,
            memory_recycle_bytes: 32 << 20,
        }
    }
}
