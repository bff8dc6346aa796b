//! `componentize MODULE COMPONENT`: encodes a core module as a component.
//!
//! The module carries its world in a custom section, which the bindings put there. What the linker of
//! wasm32-wasip2 made is a component already. The component is validated, and written only if its bytes change; its size, digest and what became of the file go
//! to the standard output. Called by `cargo xtask guests`.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use wit_component::ComponentEncoder;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(line) => {
            print(&line);
            ExitCode::SUCCESS
        }
        Err(error) => {
            print_error(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<String> {
    let [module, component] = arguments else {
        bail!("usage: componentize MODULE COMPONENT");
    };
    let bytes = fs::read(module).with_context(|| format!("cannot read {module}"))?;
    let bytes = encode(&bytes).with_context(|| format!("{module} makes no component"))?;
    let changed = write_if_changed(Path::new(component), &bytes)
        .with_context(|| format!("cannot write {component}"))?;
    let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let what = if changed { "written" } else { "unchanged" };
    Ok(format!("{:>8} bytes {digest} {what}", bytes.len()))
}

fn encode(module: &[u8]) -> Result<Vec<u8>> {
    if wasm_is_component(module) {
        wit_component::decode(module)?;
        return Ok(module.to_vec());
    }
    ComponentEncoder::default().validate(true).module(module)?.encode()
}

/// A component says so in the second half of its version field.
fn wasm_is_component(bytes: &[u8]) -> bool {
    matches!(bytes, [0, b'a', b's', b'm', _, _, 1, 0, ..])
}

/// Writes by renaming, so that whoever reads meanwhile sees the old file or the new one.
fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<bool> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(false);
    }
    let new = path.with_extension(format!("{}.tmp", std::process::id()));
    fs::write(&new, bytes)?;
    fs::rename(&new, path)?;
    Ok(true)
}

#[expect(clippy::print_stdout, reason = "this is the program's output")]
fn print(line: &str) {
    println!("{line}");
}

#[expect(clippy::print_stderr, reason = "this is the program's output")]
fn print_error(error: &anyhow::Error) {
    eprintln!("{error:#}");
}
