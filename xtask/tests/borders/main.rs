//! Style and borders as ordinary tests: who may import whom, which words stay where.
//!
//! The rules are data (`rules.rs`); this file holds them against what cargo says of the packages
//! and against the `use` lines of the core. What the compiler can check by itself (a crate cannot
//! use what it does not depend on) is checked on the dependencies, not on the text.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod modules;
mod rules;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo).args(arguments).current_dir(root()).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "cargo {}: {error}", arguments.join(" "));
    String::from_utf8(output.stdout).unwrap()
}

fn packages() -> Vec<Value> {
    let text = cargo(&["metadata", "--no-deps", "--offline", "--format-version", "1"]);
    let metadata: Value = serde_json::from_str(&text).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

/// Names of a package's direct dependencies: normal, build and dev.
fn dependencies(package: &Value) -> BTreeSet<String> {
    let dependencies = package["dependencies"].as_array().unwrap();
    dependencies.iter().map(|d| d["name"].as_str().unwrap().to_owned()).collect()
}

/// Files below a folder with one of the extensions; build folders and hidden ones left out.
fn files(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        let name = entry.file_name().into_string().unwrap();
        if name.starts_with('.') || name == "target" {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&path, extensions));
        } else if extensions.iter().any(|e| path.extension().is_some_and(|x| x == *e)) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

fn assert_none(what: &str, violations: &[String]) {
    assert!(violations.is_empty(), "{what}:\n  {}", violations.join("\n  "));
}

#[test]
fn a_package_imports_only_those_of_ours_that_it_may() {
    let packages = packages();
    let rules: BTreeMap<&str, &[&str]> = rules::PACKAGES.iter().copied().collect();
    let ours: BTreeSet<&str> = packages.iter().map(|p| p["name"].as_str().unwrap()).collect();
    let mut violations = Vec::new();
    for package in &packages {
        let name = package["name"].as_str().unwrap();
        let Some(may) = rules.get(name) else {
            violations.push(format!("{name} is in no rule: say in rules.rs whom it may import"));
            continue;
        };
        for dependency in dependencies(package) {
            if ours.contains(dependency.as_str()) && !may.contains(&dependency.as_str()) {
                violations.push(format!("{name} imports {dependency}"));
            }
        }
    }
    violations.extend(
        rules.keys().filter(|name| !ours.contains(*name)).map(|name| format!("{name} is gone")),
    );
    assert_none("borders between packages", &violations);
}

#[test]
fn each_engine_is_met_in_one_package() {
    let mut violations = Vec::new();
    for package in packages() {
        let name = package["name"].as_str().unwrap();
        let dependencies = dependencies(&package);
        for (engine, owners) in rules::ENGINES {
            if dependencies.contains(*engine) && !owners.contains(&name) {
                violations.push(format!("{name} imports {engine}, which belongs to {owners:?}"));
            }
        }
    }
    assert_none("third-party engines", &violations);
}

#[test]
fn no_engine_lies_below_a_package_that_must_not_know_it() {
    let mut violations = Vec::new();
    for (package, absent) in rules::ABSENT_BELOW {
        let tree = cargo(&[
            "tree",
            "--offline",
            "--all-features",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--format",
            "{p}",
            "--package",
            package,
        ]);
        let below: BTreeSet<&str> =
            tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
        assert!(below.contains(package), "cargo tree does not list {package} itself:\n{tree}");
        let found = absent.iter().filter(|name| below.contains(*name));
        violations.extend(found.map(|name| format!("{package} has {name} below it")));
    }
    assert_none("dependencies", &violations);
}

#[test]
fn the_words_of_the_domain_stay_out_of_the_host() {
    let mut violations = Vec::new();
    for folder in rules::DOMAIN_FREE_FOLDERS {
        for file in files(&root().join(folder), rules::DOMAIN_FREE_EXTENSIONS) {
            let text = fs::read_to_string(&file).unwrap();
            for (line, word) in domain_words(&text) {
                violations.push(format!("{}:{line} says `{word}`", relative(&file)));
            }
        }
    }
    assert_none("domain words", &violations);
}

/// The domain words of a text, each with its line.
fn domain_words(text: &str) -> Vec<(usize, &'static str)> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let mut line = line.to_lowercase();
        for harmless in rules::HARMLESS {
            line = line.replace(harmless, "");
        }
        let words = rules::DOMAIN_WORDS.iter().filter(|word| line.contains(*word));
        found.extend(words.map(|word| (number + 1, *word)));
    }
    found
}

#[test]
fn domain_words_are_found_in_any_spelling() {
    let text = "struct Quiet;\nfn net_debit() {}\nTransfer-Encoding: chunked\nTransferPrepared";
    assert_eq!(domain_words(text), [(2, "net_debit"), (4, "transfer")]);
}

#[test]
fn every_file_opens_by_saying_what_it_is_for() {
    let sources = files(&root(), &["rs"]);
    assert!(sources.len() > 20, "only {} sources: looked in the wrong place", sources.len());
    let mut violations = Vec::new();
    for file in sources {
        let text = fs::read_to_string(&file).unwrap();
        let opening = text.lines().next().unwrap_or_default();
        if opening.strip_prefix("//!").is_none_or(|words| words.trim().len() < 10) {
            violations.push(relative(&file));
        }
    }
    assert_none("files without an opening `//!`", &violations);
}

#[test]
fn a_module_of_the_core_imports_only_what_it_may() {
    let folder = root().join("runtime/core/src");
    let sources: Vec<(PathBuf, String)> = files(&folder, &["rs"])
        .into_iter()
        .map(|file| {
            let text = fs::read_to_string(&file).unwrap();
            (file.strip_prefix(&folder).unwrap().to_owned(), text)
        })
        .collect();
    assert!(sources.len() > 10, "only {} sources of the core", sources.len());
    let violations = modules::violations(&sources, rules::CORE, rules::CORE_EXCEPTIONS);
    assert_none("borders inside the core", &violations);
}
