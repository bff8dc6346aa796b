//! The configuration that tests of the command line and of HTTP run: the counter, and the zoo of
//! misbehaving handlers.

use std::path::{Path, PathBuf};

/// The file of a node over a data folder, in which counters go up to `limit`.
pub(crate) fn text(data: &Path, more: &str, limit: u64) -> String {
    std::fs::create_dir_all(data).unwrap();
    // Compiled once for all tests and later runs.
    let compiled = PathBuf::from(concat!(env!("CARGO_TARGET_TMPDIR"), "/zamu-compiled"));
    zamu_wasm::cache::Cache::open(&compiled).unwrap();
    let link = data.join("compiled");
    if !link.exists() {
        std::os::unix::fs::symlink(&compiled, link).unwrap();
    }
    let guests = guests();
    format!(
        r#"
data = {data:?}
[types.counter]
partitions = 3
[types.animal]
partitions = 1
[types.keeper]
partitions = 1
[handlers.counter]
component = "{guests}/counter.wasm"
configuration = {{ limit = {limit} }}
[handlers.zoo]
component = "{guests}/zoo.wasm"
{more}"#,
        guests = guests.display(),
    )
}

/// Where the components are.
pub(crate) fn guests() -> PathBuf {
    let target = || match std::env::var_os("CARGO_TARGET_DIR") {
        Some(target) => PathBuf::from(target),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target"),
    };
    let guests =
        std::env::var_os("ZAMU_GUESTS_DIR").map_or_else(|| target().join("guests"), PathBuf::from);
    assert!(
        guests.join("counter.wasm").exists(),
        "{}: run `cargo xtask guests` first (or set ZAMU_GUESTS_DIR)",
        guests.display()
    );
    guests
}
