//! Which imports are served, and what class they make of a component. What is served of WASI is
//! defined in [`crate::wasi`]; everything else is refused by its name, with what to do instead.
//!
//! What Rust's standard library imports on `wasm32-wasip2` follows from what the linker keeps: code
//! that never asks for the time imports no clock. So a clock, a file or a socket among the imports
//! means that the handler, or a crate below it, can reach for one, and that is found here rather than
//! in the middle of a turn.

use zamu_core::guest::manifest::Class;

use crate::admission::AdmissionError;

/// What becomes of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Import {
    /// It is there for components of this class, and of wider ones.
    Served(Class),
    /// No handler gets it.
    Forbidden {
        /// What to do instead.
        remedy: &'static str,
    },
}

/// Looks at an import's name.
///
/// # Errors
/// If it is ours, in a version that this host does not speak.
pub(crate) fn of_import(name: &str) -> Result<Import, AdmissionError> {
    Ok(match ours(name)? {
        // `columns` has types and no functions; the linker refuses one that has.
        Some(interface) if OURS.contains(&interface) => Import::Served(Class::Pure),
        Some(_) => Import::Forbidden { remedy: NOT_OURS },
        None => of_another(name),
    })
}

fn of_another(name: &str) -> Import {
    let Some(wasi) = name.strip_prefix("wasi:") else {
        return Import::Forbidden { remedy: NOT_OURS };
    };
    let (interface, version) = wasi.split_once('@').unwrap_or((wasi, ""));
    let package = interface.split_once('/').map_or(interface, |(package, _)| package);
    if let Some((_, remedy)) = REMEDIES.iter().find(|(of, _)| [interface, package].contains(of)) {
        return Import::Forbidden { remedy };
    }
    if !SERVED.contains(&interface) {
        return Import::Forbidden { remedy: NOT_OURS };
    }
    let served = semver::Version::parse(version)
        .is_ok_and(|v| (v.major, v.minor) == (0, 2) && v.pre.is_empty());
    if served { Import::Served(Class::Std) } else { Import::Forbidden { remedy: OTHER_VERSION } }
}

/// The interface's own name, if it is of our package and of a version that we speak.
pub(crate) fn ours(name: &str) -> Result<Option<&str>, AdmissionError> {
    let Some(interface) = name.strip_prefix("zamu:handler/") else {
        return Ok(None);
    };
    let (interface, version) = interface.split_once('@').unwrap_or((interface, ""));
    let compatible = semver::Version::parse(version)
        .is_ok_and(|v| (v.major, v.minor) == (0, 1) && v.pre.is_empty());
    if !compatible {
        return Err(AdmissionError::IncompatibleVersion { name: name.to_owned() });
    }
    Ok(Some(interface))
}

const OURS: [&str; 5] = ["log", "meter", "configuration", "reference", "columns"];

/// What class *std* is served, of WASI 0.2.
const SERVED: [&str; 14] = [
    "cli/environment",
    "cli/exit",
    "cli/stdin",
    "cli/stdout",
    "cli/stderr",
    "cli/terminal-input",
    "cli/terminal-output",
    "cli/terminal-stdin",
    "cli/terminal-stdout",
    "cli/terminal-stderr",
    "io/error",
    "io/poll",
    "io/streams",
    // The keys of Rust's hash maps: two constants.
    "random/insecure-seed",
];

const NOT_OURS: &str = "a handler sees log, meter, configuration and reference of \
    zamu:handler@0.1, and of WASI 0.2 the standard streams, the environment and exit";

const OTHER_VERSION: &str = "this host serves WASI 0.2: build it for wasm32-wasip2";

/// What to do instead of importing a package, or an interface, of WASI that gives something else on
/// every machine or in every run.
const REMEDIES: [(&str, &str); 8] = [
    (
        "clocks",
        "a handler has no clock, and the time of a command or event is in its context: find the code \
         that reads a clock or sleeps (for Rust, Instant and SystemTime, also in crates), and leave it \
         out",
    ),
    ("random/random", RANDOM),
    ("random/insecure", RANDOM),
    (
        "filesystem",
        "a handler has no files, and what it must know comes with its configuration, its state and \
         reference tables: find the code that opens files (also in crates), and leave it out",
    ),
    ("sockets", NETWORK),
    ("http", NETWORK),
    ("keyvalue", NETWORK),
    ("messaging", NETWORK),
];

const RANDOM: &str = "a handler has no randomness, for the same input gives the same output: derive \
    what must be unique from the id of the command or event";

const NETWORK: &str = "a handler talks to nobody: what it wants of others it says in events, and an \
    event handler sends commands";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn imports_make_the_class() {
        for (name, class) in [
            ("zamu:handler/log@0.1.0", Class::Pure),
            ("zamu:handler/reference@0.1.9", Class::Pure),
            ("wasi:cli/environment@0.2.0", Class::Std),
            ("wasi:io/streams@0.2.6", Class::Std),
            ("wasi:random/insecure-seed@0.2.40", Class::Std),
        ] {
            assert_eq!(of_import(name).unwrap(), Import::Served(class), "{name}");
        }
    }

    #[test]
    fn what_differs_between_machines_or_runs_is_forbidden_with_what_to_do_instead() {
        for (name, remedy) in [
            ("wasi:clocks/monotonic-clock@0.2.6", "Instant"),
            ("wasi:clocks/wall-clock@0.2.0", "the time of a command or event"),
            ("wasi:random/random@0.2.6", "derive what must be unique"),
            ("wasi:random/insecure@0.2.6", "derive what must be unique"),
            ("wasi:filesystem/types@0.2.6", "configuration"),
            ("wasi:filesystem/preopens@0.2.6", "configuration"),
            ("wasi:sockets/tcp@0.2.6", "talks to nobody"),
            ("wasi:http/outgoing-handler@0.2.6", "talks to nobody"),
            ("wasi:cli/run@0.2.6", "a handler sees"),
            ("wasi:cli/stdout@0.3.0", "wasm32-wasip2"),
            ("wasi:cli/stdout@0.2.0-rc-2023-11-10", "wasm32-wasip2"),
            ("wasi:cli/stdout", "wasm32-wasip2"),
            ("wasi:", "a handler sees"),
            ("zamu:handler/lag@0.1.0", "a handler sees"),
            ("vendor:own/thing@1.0.0", "a handler sees"),
            ("greet", "a handler sees"),
        ] {
            let Import::Forbidden { remedy: told } = of_import(name).unwrap() else {
                panic!("{name} is served");
            };
            assert!(told.contains(remedy), "{name}: {told}");
        }
    }

    #[test]
    fn our_own_interfaces_are_of_a_version_that_this_host_speaks() {
        for name in ["zamu:handler/log@0.2.0", "zamu:handler/log", "zamu:handler/log@0.1.0-rc"] {
            assert!(matches!(of_import(name), Err(AdmissionError::IncompatibleVersion { .. })));
        }
    }
}
