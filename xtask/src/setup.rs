//! `cargo xtask setup`: what the build needs besides Rust and a C compiler, and how to get it.
//!
//! RocksDB is C++ and its bindings are generated with libclang; jemalloc is built with make;
//! handlers are compiled for WebAssembly. What is missing is installed where that is allowed (apt
//! as root or by a sudo that asks nothing; rustup), with a line saying so. Otherwise the error says
//! what to type. Where everything is there, no network is touched, and none is from then on.

use std::io::Write;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::args::{self, Flag, Given, Value};
use crate::libclang;
use crate::say;
use crate::workspace::{STD_TARGET, WASM_TARGET, Workspace, describe, program, run};

/// The command.
pub(crate) const COMMAND: args::Command = args::Command {
    name: "setup",
    help: "\
Look for what the build needs, and install what is missing.

Usage: cargo xtask setup [OPTIONS]

Looks for clang++ with the C++ library, libclang, make, the WebAssembly targets, rustfmt and clippy,
and the crates of Cargo.lock. Missing packages are installed with apt-get as root or by a sudo that
asks nothing, Rust's parts with rustup. Where that is not possible, it prints what to type.

Options:
      --offline  Install and download nothing
  -h, --help     Print this
",
    options: &[Flag { name: OFFLINE, value: Value::None }],
    run: |given| {
        prepare(&mut Workspace::find()?, given)?;
        Ok(ExitCode::SUCCESS)
    },
};

/// The option that all commands share.
pub(crate) const OFFLINE: &str = "--offline";

/// A program that RocksDB's and jemalloc's builds must be able to compile and link.
const PROBE: &str = "#include <cstdint>\n#include <memory>\n#include <string>\n\
    int main() { return std::make_unique<std::string>(\"x\")->size() == 1 ? 0 : 1; }\n";

/// Sees to it that everything needed is there, as far as it may.
pub(crate) fn prepare(workspace: &mut Workspace, given: &Given) -> Result<()> {
    say::headline("setup");
    if given.has(OFFLINE) {
        workspace.go_offline();
    }
    system_packages(workspace)?;
    rust_parts(workspace)?;
    crates(workspace)
}

/// One package may only show that another is missing (a compiler without its headers), so what was
/// installed is looked at again, a few times.
fn system_packages(workspace: &Workspace) -> Result<()> {
    for _ in 0..ROUNDS {
        let missing = missing_packages(&workspace.target);
        if missing.is_empty() {
            return Ok(());
        }
        install(workspace, &missing)?;
    }
    let missing = missing_packages(&workspace.target);
    let packages: Vec<String> = missing.iter().map(|(package, _)| package.clone()).collect();
    ensure!(
        missing.is_empty(),
        "after installing: {}. {}",
        missing.into_iter().map(|(_, reason)| reason).collect::<Vec<_>>().join("; "),
        what_to_type(&packages)
    );
    Ok(())
}

/// How often what is missing is installed before giving up.
const ROUNDS: u32 = 3;

fn install(workspace: &Workspace, missing: &[(String, String)]) -> Result<()> {
    let packages: Vec<String> = missing.iter().map(|(package, _)| package.clone()).collect();
    for (_, reason) in missing {
        say::note(reason);
    }
    let installer = if workspace.is_offline() { None } else { installer() };
    let Some(prefix) = installer else {
        bail!("{}", what_to_type(&packages));
    };
    say::note(format_args!("installing {} with apt-get", packages.join(" ")));
    // A mirror that is away must not hide that the package is already in the lists.
    let _ = run(apt(prefix, &["update", "-qq"]).stdout(Stdio::null()));
    let mut install = apt(prefix, &["install", "-y", "-qq", "--no-install-recommends"]);
    run(install.args(&packages).stdout(Stdio::null())).with_context(|| what_to_type(&packages))
}

/// Debian's packages that are missing, and why each is wanted.
fn missing_packages(target: &Path) -> Vec<(String, String)> {
    let mut missing = Vec::new();
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "clang++".to_owned());
    match program(program_of(&compiler)) {
        None => missing.push((
            "clang".to_owned(),
            format!("`{compiler}` is missing: RocksDB is written in C++"),
        )),
        Some(path) => match compiles(&compiler, target) {
            Ok(()) => say::note(format_args!("C++ compiler: {}", path.display())),
            Err(error) => missing.push((
                standard_library(&compiler),
                format!("`{compiler}` cannot build a C++ program: {error:#}"),
            )),
        },
    }
    match libclang::find() {
        Some(path) => say::note(format_args!("libclang: {}", path.display())),
        None => missing.push((
            "libclang-dev".to_owned(),
            "libclang is missing: the bindings to RocksDB are generated with it".to_owned(),
        )),
    }
    if program("make").is_none() {
        missing
            .push(("make".to_owned(), "`make` is missing: jemalloc is built with it".to_owned()));
    }
    missing
}

/// `CXX` may hold arguments too.
fn program_of(compiler: &str) -> &str {
    compiler.split_whitespace().next().unwrap_or_default()
}

/// Compiles and links [`PROBE`]: a clang++ without the C++ library is a common half installation.
fn compiles(compiler: &str, target: &Path) -> Result<()> {
    std::fs::create_dir_all(target)?;
    let out = target.join(format!(".probe-{}", std::process::id()));
    let arguments = compiler.split_whitespace().skip(1);
    let mut child = Command::new(program_of(compiler))
        .args(arguments)
        .args(["-std=c++20", "-x", "c++", "-", "-o"])
        .arg(&out)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(PROBE.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    let _ = std::fs::remove_file(&out);
    let text = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}", text.lines().next().unwrap_or("no reason given"));
    Ok(())
}

/// The package of the C++ library for the GCC whose folders clang++ has chosen.
fn standard_library(compiler: &str) -> String {
    let output = Command::new(program_of(compiler)).arg("-v").output();
    let text = output.map(|o| String::from_utf8_lossy(&o.stderr).into_owned()).unwrap_or_default();
    library_of(&text).unwrap_or_else(|| "g++".to_owned())
}

fn library_of(verbose: &str) -> Option<String> {
    let line = verbose.lines().find(|line| line.starts_with("Selected GCC installation:"))?;
    let version = line.rsplit('/').next()?.split('.').next()?;
    version.parse::<u32>().ok().map(|number| format!("libstdc++-{number}-dev"))
}

/// The words before `apt-get`, if there is one that we may run.
fn installer() -> Option<&'static [&'static str]> {
    program("apt-get")?;
    if output_of("id", &["-u"]).as_deref() == Some("0") {
        return Some(&[]);
    }
    output_of("sudo", &["-n", "true"]).map(|_| &["sudo", "-n"][..])
}

/// What a command that succeeds prints.
fn output_of(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn apt(prefix: &[&str], arguments: &[&str]) -> Command {
    // `env`, because sudo drops the environment.
    let words = [prefix, &["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"], arguments].concat();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).stdin(Stdio::null());
    command
}

fn what_to_type(packages: &[String]) -> String {
    format!(
        "please type: sudo apt-get update && sudo apt-get install -y {}\n\
         (elsewhere: clang with its libclang, the C++ standard library, and make)",
        packages.join(" ")
    )
}

/// The WebAssembly targets, and what `cargo xtask test` runs.
fn rust_parts(workspace: &Workspace) -> Result<()> {
    let mut rustc = Command::new("rustc");
    let output = rustc.args(["--print", "sysroot"]).current_dir(&workspace.root).output();
    let sysroot = output.context("cannot run rustc")?;
    let sysroot = String::from_utf8_lossy(&sysroot.stdout).trim().to_owned();
    for target in [WASM_TARGET, STD_TARGET] {
        if Path::new(&sysroot).join("lib/rustlib").join(target).join("lib").is_dir() {
            say::note(format_args!("Rust: {sysroot} with {target}"));
        } else {
            rustup(workspace, &["target", "add", target])?;
        }
    }
    for component in ["rustfmt", "clippy"] {
        let subcommand = if component == "rustfmt" { "fmt" } else { component };
        let output = workspace.cargo(&[subcommand, "--version"]).output()?;
        if !output.status.success() {
            rustup(workspace, &["component", "add", component])?;
        }
    }
    Ok(())
}

fn rustup(workspace: &Workspace, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("rustup");
    command.args(arguments).current_dir(&workspace.root);
    let typed = describe(&command);
    if workspace.is_offline() || program("rustup").is_none() {
        bail!("please type: {typed}\n(without rustup: install that for this Rust some other way)");
    }
    say::note(format_args!("installing: {typed}"));
    run(&mut command).with_context(|| format!("please type: {typed}"))
}

/// The crates of `Cargo.lock`: if all are there, nothing that follows needs the network.
fn crates(workspace: &mut Workspace) -> Result<()> {
    let host = host_target()?;
    let targets = ["--target", &host, "--target", WASM_TARGET, "--target", STD_TARGET];
    let fetch = |flags: &[&str]| workspace.cargo(&[&["fetch"], flags, &targets[..]].concat());
    if fetch(&["--offline", "--locked", "--quiet"]).stderr(Stdio::null()).status()?.success() {
        say::note("crates: all there, the network is left alone");
    } else if workspace.is_offline() {
        bail!(
            "some crates of Cargo.lock are not on this machine; once with a network: cargo fetch"
        );
    } else {
        say::note("crates: downloading what is missing");
        run(&mut fetch(&[]))
            .context("the crates could not be downloaded; with a network: cargo fetch")?;
    }
    workspace.go_offline();
    Ok(())
}

fn host_target() -> Result<String> {
    let text = output_of("rustc", &["-vV"]).context("cannot run rustc")?;
    let line = text.lines().find_map(|line| line.strip_prefix("host: "));
    line.map(str::to_owned).context("rustc does not name its host")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_package_follows_the_gcc_that_clang_chose() {
        let verbose = "Debian clang version 14.0.6\n\
            Found candidate GCC installation: /usr/lib/gcc/x86_64-linux-gnu/11\n\
            Selected GCC installation: /usr/bin/../lib/gcc/x86_64-linux-gnu/12\n";
        assert_eq!(library_of(verbose).as_deref(), Some("libstdc++-12-dev"));
        assert_eq!(library_of("clang version 19\n"), None);
    }

    #[test]
    fn what_to_type_names_every_package() {
        let text = what_to_type(&["clang".to_owned(), "make".to_owned()]);
        assert!(text.contains("apt-get install -y clang make\n"), "{text}");
    }
}
