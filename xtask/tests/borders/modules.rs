//! Modules of a crate and what they import, held against rules.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::rules::CoreRule;
use crate::source;

/// What `sources` (paths below `src/`, with their text) import against the rules.
pub(crate) fn violations(
    sources: &[(PathBuf, String)],
    rules: &[CoreRule],
    exceptions: &[(&str, &str, &str)],
) -> Vec<String> {
    let mut modules: BTreeSet<String> = sources.iter().map(|(path, _)| module(path)).collect();
    // Generated, so it has no file here.
    modules.insert("proto".to_owned());
    let mut unused: BTreeSet<(&str, &str)> = exceptions.iter().map(|e| (e.0, e.1)).collect();
    let mut violations = Vec::new();
    for (path, text) in sources {
        let importer = module(path);
        if importer.is_empty() {
            continue; // lib.rs names its modules, and may say anything of them.
        }
        let Some((_, may)) = rules.iter().find(|(pattern, _)| fits(pattern, &importer)) else {
            violations
                .push(format!("{importer} is in no rule: say in rules.rs what it may import"));
            continue;
        };
        for imported in imports(&importer, text, &modules) {
            if may.iter().any(|pattern| is_within(pattern, &imported)) {
                continue;
            }
            if exceptions.iter().any(|e| e.0 == importer && e.1 == imported) {
                unused.retain(|e| *e != (importer.as_str(), imported.as_str()));
                continue;
            }
            violations.push(format!("{importer} imports {imported}"));
        }
    }
    let stale = unused.iter().map(|(a, b)| format!("the exception {a} → {b} is no longer needed"));
    violations.extend(stale);
    violations
}

/// `turn/decide.rs` and `turn/decide/mod.rs` are `turn::decide`; `lib.rs` is the empty path.
fn module(path: &Path) -> String {
    let path = path.with_extension("");
    let parts: Vec<&str> = path.iter().filter_map(|part| part.to_str()).collect();
    let parts = match parts.split_last() {
        Some((&"mod" | &"lib", folder)) => folder,
        _ => &parts[..],
    };
    parts.join("::")
}

/// The modules that `importer` names, itself and those below it left out.
fn imports(importer: &str, text: &str, modules: &BTreeSet<String>) -> BTreeSet<String> {
    let here: Vec<&str> = importer.split("::").collect();
    source::paths(&source::code(text))
        .into_iter()
        .filter_map(|path| {
            let absolute = resolve(&here, &path);
            // The longest part of the path that is a module; the rest is an item of it.
            (1..=absolute.len())
                .rev()
                .map(|n| absolute[..n].join("::"))
                .find(|m| modules.contains(m))
        })
        .filter(|module| !is_within(&format!("{importer}::*"), module))
        .collect()
}

fn resolve(here: &[&str], path: &[String]) -> Vec<String> {
    let mut absolute: Vec<String> = here.iter().map(|&part| part.to_owned()).collect();
    for part in path {
        match part.as_str() {
            "crate" => absolute.clear(),
            "super" => _ = absolute.pop(),
            "self" => {}
            name => absolute.push(name.to_owned()),
        }
    }
    absolute
}

/// Whether a rule is about this module: `x` is x alone, `x::*` all below x.
fn fits(pattern: &str, module: &str) -> bool {
    match pattern.strip_suffix("::*") {
        Some(parent) => module.strip_prefix(parent).is_some_and(|rest| rest.starts_with("::")),
        None => module == pattern,
    }
}

/// Whether a module is allowed by an entry: `x` is x alone, `x::*` x and all below.
fn is_within(pattern: &str, module: &str) -> bool {
    fits(pattern, module) || pattern.strip_suffix("::*") == Some(module)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &[CoreRule] = &[
        ("model", &[]),
        ("log", &["model"]),
        ("log::*", &["log::*"]),
        ("turn", &["model"]),
        ("turn::*", &["model", "turn", "log::*"]),
    ];

    fn check(path: &str, text: &str, exceptions: &[(&str, &str, &str)]) -> Vec<String> {
        let mut sources: Vec<(PathBuf, String)> =
            ["lib.rs", "model.rs", "log/mod.rs", "log/simulated.rs", "turn/mod.rs", "turn/load.rs"]
                .map(|name| (PathBuf::from(name), String::new()))
                .into();
        sources.retain(|(name, _)| name != Path::new(path));
        sources.push((PathBuf::from(path), text.to_owned()));
        violations(&sources, RULES, exceptions)
    }

    #[test]
    fn what_a_rule_allows_passes() {
        for (path, text) in [
            ("log/mod.rs", "mod simulated; use crate::model::Id; use self::simulated::Log;"),
            ("turn/decide.rs", "use super::Item; use crate::log::{Log, simulated::World};"),
            ("turn/mod.rs", "use crate::model; use crate::turn::load::Loaded;"),
            ("lib.rs", "use crate::turn::load;"),
        ] {
            assert_eq!(check(path, text, &[]), Vec::<String>::new(), "{path}");
        }
    }

    #[test]
    fn every_other_import_is_named() {
        for (path, text, violation) in [
            ("model.rs", "use crate::log::Log;", "model imports log"),
            ("log/mod.rs", "fn f(x: crate::turn::Item) {}", "log imports turn"),
            ("turn/decide.rs", "use super::load::Held;", "turn::decide imports turn::load"),
            ("turn/decide.rs", "use crate::turn::{Item, load};", "turn::decide imports turn::load"),
            ("shard.rs", "", "shard is in no rule: say in rules.rs what it may import"),
        ] {
            assert_eq!(check(path, text, &[]), [violation], "{path}");
        }
    }

    #[test]
    fn an_exception_opens_one_door_and_must_be_used() {
        let exceptions = &[("turn::decide", "turn::load", "for now")];
        assert!(check("turn/decide.rs", "use super::load::Held;", exceptions).is_empty());
        let stale = check("turn/decide.rs", "use super::Item;", exceptions);
        assert_eq!(stale, ["the exception turn::decide → turn::load is no longer needed"]);
    }
}
