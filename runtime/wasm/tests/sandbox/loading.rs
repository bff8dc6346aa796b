//! Which components become handlers, why others do not, and that compiled code is reused only when
//! it is the right code.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use zamu_wasm::admission::{AdmissionError, admit};
use zamu_wasm::cache::{Cache, CacheError};
use zamu_wasm::{Handler, Limits, LoadError};

use crate::support::*;

fn try_load(wasm: &[u8], limits: Limits) -> Result<(), LoadError> {
    Handler::load(&ENGINE, wasm, None, limits, Bytes::new()).map(drop)
}

fn refusal(wasm: &[u8]) -> AdmissionError {
    admit(wasm, &Limits::default()).unwrap_err()
}

/// The zoo with a name in it changed to another of the same length.
fn zoo_with(from: &str, to: &str) -> Vec<u8> {
    let (from, to) = (from.as_bytes(), to.as_bytes());
    assert_eq!(from.len(), to.len());
    let mut wasm = guest("zoo");
    let places: Vec<usize> =
        (0..wasm.len() - from.len()).filter(|i| wasm[*i..].starts_with(from)).collect();
    assert!(!places.is_empty());
    for place in places {
        wasm[place..place + to.len()].copy_from_slice(to);
    }
    wasm
}

#[test]
fn an_import_that_is_not_ours_is_refused_by_name() {
    let wasm = zoo_with("zamu:handler/log@0.1.0", "wasi:sockets/tcp@0.2.6");
    let refused = refusal(&wasm);
    assert!(matches!(&refused, AdmissionError::ForbiddenImports { names, .. }
        if names == "wasi:sockets/tcp@0.2.6"));
    assert!(refused.to_string().contains("talks to nobody"), "{refused}");
    let wasm = zoo_with("zamu:handler/log@0.1.0", "zamu:handler/lag@0.1.0");
    assert!(matches!(refusal(&wasm), AdmissionError::ForbiddenImports { .. }));
}

#[test]
fn another_version_is_refused_and_a_compatible_one_is_not() {
    let wasm = zoo_with("zamu:handler/log@0.1.0", "zamu:handler/log@0.2.0");
    assert!(matches!(refusal(&wasm), AdmissionError::IncompatibleVersion { name }
        if name == "zamu:handler/log@0.2.0"));
    let newer = zoo_with("zamu:handler/log@0.1.0", "zamu:handler/log@0.1.7");
    try_load(&newer, Limits::default()).unwrap();
    let newer = zoo_with("zamu:handler/inspect@0.1.0", "zamu:handler/inspect@0.1.7");
    try_load(&newer, Limits::default()).unwrap();
}

#[test]
fn an_export_that_is_no_role_is_refused_by_name() {
    let wasm = zoo_with("zamu:handler/inspect@0.1.0", "zamu:handler/suspect@0.1.0");
    assert!(matches!(refusal(&wasm), AdmissionError::UnknownExport { name }
        if name == "zamu:handler/suspect@0.1.0"));
}

#[test]
fn what_is_no_component_is_named() {
    let core_module = b"\0asm\x01\0\0\0";
    for (bytes, says) in [
        (&core_module[..], "a core module"),
        (b"\x7fELF and so on", "native code"),
        (b"(component)", "WebAssembly text"),
        (b"", "an unknown file"),
        (b"#!/bin/sh", "an unknown file"),
    ] {
        let refused = refusal(bytes).to_string();
        assert!(refused.contains(says), "{refused}");
    }
}

#[test]
fn a_component_without_a_role_is_refused() {
    assert_eq!(refusal(b"\0asm\x0d\0\x01\0"), AdmissionError::NoManifest);
}

/// Only class std has handles, to what the host lends it.
#[test]
fn resources_of_its_own_are_refused() {
    for (function, name) in [(2, "resource.new"), (3, "resource.drop"), (4, "resource.rep")] {
        let mut wasm = b"\0asm\x0d\0\x01\0".to_vec();
        // A section of types with one resource, and one of canonical functions with this one of it.
        wasm.extend([7, 4, 1, 0x3f, 0x7f, 0, 8, 3, 1, function, 0]);
        assert!(
            matches!(refusal(&wasm), AdmissionError::Unwanted { what: "resources", .. }),
            "{name}"
        );
    }
}

#[test]
fn limits_are_named_when_a_component_passes_them() {
    let wasm = guest("zoo");
    let limits = Limits::default;
    for (limits, says) in [
        (Limits { component_bytes: 1_000, ..limits() }, "component_bytes is 1000"),
        (Limits { function_bytes: 500, ..limits() }, "function_bytes is 500"),
        (Limits { functions: 3, ..limits() }, "functions is 3"),
        (Limits { modules: 1, ..limits() }, "modules is 1"),
        (Limits { fuel_start: 100, ..limits() }, "100 (fuel_start)"),
        (Limits { output_bytes: 100, ..limits() }, "100 bytes (output_bytes)"),
    ] {
        let error = try_load(&wasm, limits).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn other_types_than_the_contracts_are_refused_with_their_interface() {
    let wasm = zoo_with("unsupported-kind", "unsupported-kine");
    let error = try_load(&wasm, Limits::default()).unwrap_err();
    assert!(
        matches!(&error, LoadError::Shape { interface, .. }
        if interface.contains("command-handler")),
        "{error}"
    );
}

#[test]
fn a_manifest_that_contradicts_itself_is_refused_with_the_place() {
    for (from, to, says) in [
        (r#""fold": 1"#, r#""fold": x"#, "wit/manifest.wit"),
        (
            r#""commands": [0], "events": [1] },"#,
            r#""commands": [7], "events": [1] },"#,
            "aggregates[0].commands[0] is 7, and kinds has 2 entries",
        ),
        (
            r#""types": ["animal", "keeper"]"#,
            r#""types": [                  ]"#,
            "aggregates[0].type is 0, and types has 0",
        ),
        (r#""version": "0.1.0""#, r#""version": "0.1.z""#, "semantic version"),
        (r#""name": "Noted""#, r#""name": ""     "#, "kinds[1].name is empty"),
        (r#"["zoo/count/1"]"#, r#"[             ]"#, "state-schemas is empty"),
    ] {
        let error = try_load(&zoo_with(from, to), Limits::default()).unwrap_err().to_string();
        assert!(error.contains(says), "{from}: {error}");
    }
}

#[test]
fn damaged_bytes_are_refused_and_never_panic() {
    let wasm = guest("zoo");
    for length in (0..wasm.len()).step_by(997) {
        assert!(admit(&wasm[..length], &Limits::default()).is_err(), "cut to {length}");
    }
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..500 {
        let mut wasm = wasm.clone();
        for _ in 0..3 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let place = (random >> 20) as usize % wasm.len();
            wasm[place] ^= (random >> 56) as u8 | 1;
        }
        // Some changes, say in a name or a constant, do no harm.
        let _: Result<_, _> = admit(&wasm, &Limits::default());
    }
}

fn load_with(cache: &Cache) -> Arc<Handler> {
    Handler::load(&ENGINE, &guest("zoo"), Some(cache), Limits::default(), Bytes::new()).unwrap()
}

fn only_file(directory: &Path) -> std::path::PathBuf {
    let files: Vec<_> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files.into_iter().next().unwrap()
}

#[test]
fn compiled_code_is_reused() {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::open(directory.path().join("compiled")).unwrap();
    assert!(!load_with(&cache).from_cache());
    let again = load_with(&cache);
    assert!(again.from_cache());
    assert_healthy(&mut again.instance());
}

#[test]
fn what_was_compiled_on_one_core_is_the_code_that_all_cores_make() {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::open(directory.path().join("compiled")).unwrap();
    let alone = ENGINE.compiling_on_one_core().unwrap();
    let limits = Limits::default();
    let first = Handler::load(&alone, &guest("zoo"), Some(&cache), limits, Bytes::new()).unwrap();
    assert!(!first.from_cache());
    assert_healthy(&mut first.instance());
    let code = std::fs::read(only_file(&directory.path().join("compiled"))).unwrap();
    assert!(load_with(&cache).from_cache());
    std::fs::remove_file(only_file(&directory.path().join("compiled"))).unwrap();
    load_with(&cache);
    assert_eq!(std::fs::read(only_file(&directory.path().join("compiled"))).unwrap(), code);
}

#[test]
fn damaged_code_is_compiled_again_and_repaired() {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::open(directory.path().join("compiled")).unwrap();
    load_with(&cache);
    let file = only_file(&directory.path().join("compiled"));
    let whole = std::fs::read(&file).unwrap();
    let flipped = |place: usize| {
        let mut damaged = whole.clone();
        damaged[place] ^= 1;
        damaged
    };
    for damaged in [
        flipped(0),
        flipped(20),
        flipped(whole.len() / 2),
        flipped(whole.len() - 1),
        whole[..whole.len() - 100].to_vec(),
        whole[..30].to_vec(),
        Vec::new(),
    ] {
        std::fs::write(&file, damaged).unwrap();
        let handler = load_with(&cache);
        assert!(!handler.from_cache());
        assert_healthy(&mut handler.instance());
        assert!(load_with(&cache).from_cache());
    }
}

#[test]
fn a_directory_that_others_may_write_to_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let error = Cache::open(directory.path()).unwrap_err();
    assert!(matches!(error, CacheError::NotPrivate { mode: 0o777, .. }), "{error}");
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(matches!(Cache::open(&file).unwrap_err(), CacheError::Io { .. }));
}
