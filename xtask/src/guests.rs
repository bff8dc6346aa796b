//! `cargo xtask guests`: handlers from source to WebAssembly components.
//!
//! A guest is a workspace package whose library is a `cdylib`; `[package.metadata.zamu]` may say
//! more:
//!
//! ```toml
//! [package.metadata.zamu]
//! guest = false                                           # a cdylib that is no guest
//! target = "wasm32-wasip2"                                # of class std; pure is the default
//! variants = [{ name = "zoo-loop", features = ["loop"] }] # built besides the plain one
//! ```
//!
//! A variant may have a `target` of its own.
//!
//! Each guest is built alone, and the folders of this machine are kept out of it, so that its bytes
//! depend on nothing but its sources, its lock file and the compiler: a digest means something.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use serde_json::Value as Json;

use crate::args::{self, Flag, Given, Value};
use crate::say;
use crate::setup::{self, OFFLINE};
use crate::workspace::{STD_TARGET, WASM_TARGET, Workspace, run};

/// The command.
pub(crate) const COMMAND: args::Command = args::Command {
    name: "guests",
    help: "\
Build the handlers as WebAssembly components.

Usage: cargo xtask guests [OPTIONS]

Every package of the workspace with a `cdylib` library is built for wasm32-unknown-unknown (or for
wasm32-wasip2, where its Cargo.toml says so) with the profile `guest` and encoded as a component: <target folder>/guests/<name>.wasm. A file is written
only if its bytes change. Prints name, size, SHA-256 and path of each.

Options:
      --only NAME  Build this one
      --offline    Install and download nothing
  -h, --help       Print this
",
    options: &[Flag { name: ONLY, value: Value::Text }, Flag { name: OFFLINE, value: Value::None }],
    run: command,
};

const ONLY: &str = "--only";

/// The package feature and the binary of the encoder.
pub(crate) const ENCODER: &str = "componentize";

/// A component to build: a package with some of its features.
#[derive(Debug, PartialEq, Eq)]
struct Guest {
    name: String,
    package: String,
    /// The library's file name without extension.
    library: String,
    features: Vec<String>,
    target: &'static str,
}

fn command(given: &Given) -> Result<ExitCode> {
    let mut workspace = Workspace::find()?;
    setup::prepare(&mut workspace, given)?;
    for line in build(&workspace, given.value(ONLY))? {
        say::result(line);
    }
    Ok(ExitCode::SUCCESS)
}

/// The folder of the built components.
pub(crate) fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target.join("guests")
}

/// Builds all guests, or only the one named; returns a line about each.
pub(crate) fn build(workspace: &Workspace, only: Option<&str>) -> Result<Vec<String>> {
    say::headline("guests");
    let mut guests = discover(&workspace.packages)?;
    if let Some(only) = only {
        let names: Vec<String> = guests.iter().map(|guest| guest.name.clone()).collect();
        guests.retain(|guest| guest.name == only);
        ensure!(!guests.is_empty(), "no guest `{only}`; the guests are {}", names.join(", "));
    }
    build_encoder(workspace)?;
    let folder = folder(workspace);
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    guests.iter().map(|guest| build_one(workspace, guest, &folder)).collect()
}

fn discover(packages: &[Json]) -> Result<Vec<Guest>> {
    let mut guests = Vec::new();
    for package in packages {
        let name = package["name"].as_str().context("a package without a name")?;
        let settings = &package["metadata"]["zamu"];
        let Some(library) = cdylib(package) else {
            ensure!(settings["guest"] != true, "guest {name}: its library is no `cdylib`");
            continue;
        };
        if settings["guest"] == false {
            continue;
        }
        let guest = |name: &str, features, target| Guest {
            name: name.to_owned(),
            package: package["name"].as_str().unwrap_or_default().to_owned(),
            library: library.replace('-', "_"),
            features,
            target,
        };
        let target = target(name, &settings["target"], WASM_TARGET)?;
        guests.push(guest(name, Vec::new(), target));
        for variant in settings["variants"].as_array().into_iter().flatten() {
            let variant_name = variant["name"]
                .as_str()
                .with_context(|| format!("guest {name}: a variant without a name"))?;
            let features = variant["features"].as_array().into_iter().flatten();
            let features = features.filter_map(|feature| feature.as_str().map(str::to_owned));
            let target = self::target(variant_name, &variant["target"], target)?;
            guests.push(guest(variant_name, features.collect(), target));
        }
    }
    guests.sort_by(|a, b| a.name.cmp(&b.name));
    for pair in guests.windows(2) {
        ensure!(pair[0].name != pair[1].name, "two guests are called `{}`", pair[0].name);
    }
    Ok(guests)
}

/// The target that is asked for.
fn target(guest: &str, asked: &Json, default: &'static str) -> Result<&'static str> {
    if asked.is_null() {
        return Ok(default);
    }
    let known = [WASM_TARGET, STD_TARGET];
    let target = known.into_iter().find(|target| asked == target);
    target.with_context(|| format!("guest {guest}: target {asked} is none of {}", known.join(", ")))
}

/// The name of the package's `cdylib`, if it has one.
fn cdylib(package: &Json) -> Option<&str> {
    let targets = package["targets"].as_array()?;
    let is_cdylib = |target: &&Json| {
        target["crate_types"].as_array().is_some_and(|types| types.iter().any(|t| t == "cdylib"))
    };
    targets.iter().find(is_cdylib)?["name"].as_str()
}

fn build_encoder(workspace: &Workspace) -> Result<()> {
    // `--workspace`, so that the features of shared crates are those of every other build.
    run(&mut workspace.cargo(&[
        "build",
        "--quiet",
        "--workspace",
        "--features",
        ENCODER,
        "--bin",
        ENCODER,
    ]))
    .context("the component encoder does not build")
}

fn build_one(workspace: &Workspace, guest: &Guest, folder: &Path) -> Result<String> {
    let features = guest.features.join(",");
    let mut cargo = workspace.cargo(&["build", "--quiet", "--lib", "--profile", "guest"]);
    cargo.args(["--target", guest.target, "--package", &guest.package, "--features", &features]);
    cargo.env_remove("RUSTFLAGS").env("CARGO_ENCODED_RUSTFLAGS", remap_flags());
    run(&mut cargo).with_context(|| format!("guest {} does not build", guest.name))?;

    let module = workspace.target.join(guest.target).join("guest");
    let module = module.join(format!("{}.wasm", guest.library));
    let component = folder.join(format!("{}.wasm", guest.name));
    let output = std::process::Command::new(workspace.binary(ENCODER))
        .args([&module, &component])
        .output()
        .context("cannot run the component encoder")?;
    ensure!(
        output.status.success(),
        "guest {}: {}",
        guest.name,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let line = format!(
        "{:<24} {} {}",
        guest.name,
        String::from_utf8_lossy(&output.stdout).trim(),
        component.display()
    );
    say::note(&line);
    Ok(line)
}

/// Compiler flags that replace the folders where crates lie on this machine. (Paths of our own
/// crates are relative to the workspace already.) Separated as `CARGO_ENCODED_RUSTFLAGS` wants.
fn remap_flags() -> String {
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cargo")));
    let sources = home.and_then(|home| fs::read_dir(home.join("registry/src")).ok());
    let flags = sources
        .into_iter()
        .flatten()
        .flatten()
        .map(|registry| format!("--remap-path-prefix={}=/crates", registry.path().display()));
    flags.collect::<Vec<_>>().join("\x1f")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn package(name: &str, crate_types: &[&str], zamu: Json) -> Json {
        json!({
            "name": name,
            "targets": [{ "name": name.replace('-', "_"), "crate_types": crate_types }],
            "metadata": { "zamu": zamu },
        })
    }

    fn names(packages: &[Json]) -> Vec<String> {
        discover(packages).unwrap().into_iter().map(|guest| guest.name).collect()
    }

    #[test]
    fn guests_are_the_packages_with_a_cdylib() {
        let packages = [
            package("zamu-core", &["lib"], Json::Null),
            package("fee-policy", &["cdylib", "rlib"], Json::Null),
            package("plugin", &["cdylib"], json!({ "guest": false })),
            package("counter", &["cdylib", "rlib"], Json::Null),
        ];
        assert_eq!(names(&packages), ["counter", "fee-policy"]);
        assert_eq!(discover(&packages).unwrap()[1].library, "fee_policy");
    }

    #[test]
    fn variants_are_built_besides_the_plain_guest() {
        let variants = json!({ "variants": [{ "name": "zoo-loop", "features": ["loop"] }] });
        let guests = discover(&[package("zoo", &["cdylib"], variants)]).unwrap();
        assert_eq!(guests.len(), 2);
        assert_eq!(guests[1].name, "zoo-loop");
        assert_eq!(guests[1].package, "zoo");
        assert_eq!(guests[1].features, ["loop"]);
    }

    #[test]
    fn a_guest_and_each_variant_of_it_has_a_target() {
        let settings = json!({ "target": STD_TARGET, "variants": [
            { "name": "a", "target": WASM_TARGET }, { "name": "b", "features": [] },
        ] });
        let variant = json!({ "variants": [{ "name": "d", "target": STD_TARGET }] });
        let packages =
            [package("zoo", &["cdylib"], settings), package("counter", &["cdylib"], variant)];
        let targets: Vec<_> =
            discover(&packages).unwrap().into_iter().map(|g| (g.name, g.target)).collect();
        assert_eq!(
            targets,
            [
                ("a".into(), WASM_TARGET),
                ("b".into(), STD_TARGET),
                ("counter".into(), WASM_TARGET),
                ("d".into(), STD_TARGET),
                ("zoo".into(), STD_TARGET),
            ] as [(String, &str); 5]
        );
        let other = json!({ "target": "wasm32-wasip1" });
        let error = discover(&[package("zoo", &["cdylib"], other)]).unwrap_err().to_string();
        assert!(error.contains("guest zoo") && error.contains("wasm32-wasip2"), "{error}");
    }

    #[test]
    fn a_guest_that_cannot_be_one_or_shares_its_name_is_refused() {
        let no_library = package("odd", &["lib"], json!({ "guest": true }));
        assert!(discover(&[no_library]).unwrap_err().to_string().contains("guest odd"));
        let twice = json!({ "variants": [{ "name": "zoo", "features": [] }] });
        let error = discover(&[package("zoo", &["cdylib"], twice)]).unwrap_err().to_string();
        assert!(error.contains("two guests are called `zoo`"), "{error}");
    }
}
