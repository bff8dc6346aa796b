//! Components import what they use, and no more: a host of today runs a handler of tomorrow that uses
//! nothing new. Wants `cargo xtask guests` first.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

/// An import that a host may lack, by its name in a component, and the handlers that use it.
const IMPORTS: &[(&str, &[&str])] = &[("zamu:handler/reference@0.1.0", &["transfers"])];

const HANDLERS: [&str; 6] =
    ["accounts", "counter", "directory", "participants", "transfers", "views"];

#[test]
fn only_a_handler_that_looks_something_up_imports_reference_tables() {
    for handler in HANDLERS {
        let path = guests().join(format!("{handler}.wasm"));
        let bytes = fs::read(&path).unwrap_or_else(|error| {
            panic!("{}: {error}; build it with `cargo xtask guests`", path.display())
        });
        for (import, users) in IMPORTS {
            let is_there = bytes.windows(import.len()).any(|window| window == import.as_bytes());
            assert_eq!(is_there, users.contains(&handler), "{import} in {}", path.display());
        }
    }
}

fn guests() -> PathBuf {
    if let Some(folder) = std::env::var_os("ZAMU_GUESTS_DIR") {
        return folder.into();
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    target.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target")).join("guests")
}
