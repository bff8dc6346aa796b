//! The components of the transfer switch, loaded once per process and configuration: a new switch
//! costs no compiling and no reading.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use zamu_wasm::cache::Cache;
use zamu_wasm::{Engine, Handler, Limits};

/// The handlers of the transfer switch, by name.
const NAMES: [&str; 3] = ["accounts", "participants", "transfers"];

/// Handlers by name and configuration.
type Loaded = BTreeMap<(&'static str, String), Arc<Handler>>;

static SHARED: LazyLock<anyhow::Result<Shared>> = LazyLock::new(Shared::open);

struct Shared {
    engine: Engine,
    cache: Cache,
    loaded: Mutex<Loaded>,
}

/// All handlers and these others, in the order of their names, with these configurations by name.
///
/// # Errors
/// Names what cannot be loaded and what to do; or the configuration that is for no handler.
pub(crate) fn load(
    others: &[&'static str],
    configuration: &[(String, String)],
) -> anyhow::Result<Vec<Arc<Handler>>> {
    let names: BTreeSet<&'static str> = NAMES.iter().chain(others).copied().collect();
    for (name, _) in configuration {
        ensure!(names.contains(&**name), "a configuration for no handler: {name}");
    }
    let shared = SHARED.as_ref().map_err(|error| anyhow::anyhow!("{error:#}"))?;
    names
        .into_iter()
        .map(|name| {
            let own = configuration.iter().find(|(of, _)| *of == *name);
            shared.handler(name, own.map_or("", |(_, json)| json))
        })
        .collect()
}

impl Shared {
    fn open() -> anyhow::Result<Self> {
        let cache = Cache::open(target().join("tmp").join("engine-compiled"))?;
        Ok(Self { engine: Engine::new()?, cache, loaded: Mutex::default() })
    }

    fn handler(&self, name: &'static str, configuration: &str) -> anyhow::Result<Arc<Handler>> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (name, configuration.to_owned());
        if let Some(handler) = loaded.get(&key) {
            return Ok(Arc::clone(handler));
        }
        let path = guests().join(format!("{name}.wasm"));
        let wasm = read(&path)?;
        let configuration = Bytes::copy_from_slice(configuration.as_bytes());
        let cache = Some(&self.cache);
        let handler = Handler::load(&self.engine, &wasm, cache, Limits::default(), configuration)
            .with_context(|| format!("{}", path.display()))?;
        ensure!(*handler.spec().name == *name, "{}: not the handler {name}", path.display());
        loaded.insert(key, Arc::clone(&handler));
        Ok(handler)
    }
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| {
        let path = path.display();
        format!("{path}: build it with `cargo xtask guests` (or set ZAMU_GUESTS_DIR)")
    })
}

fn guests() -> PathBuf {
    std::env::var_os("ZAMU_GUESTS_DIR").map_or_else(|| target().join("guests"), PathBuf::from)
}

/// Where cargo builds.
fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(target) => PathBuf::from(target),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_component_that_is_not_there_is_named_with_what_builds_it() {
        let error = read(Path::new("/nowhere/accounts.wasm")).unwrap_err().to_string();
        assert!(error.contains("/nowhere/accounts.wasm"), "{error}");
        assert!(error.contains("cargo xtask guests"), "{error}");
    }

    #[test]
    fn a_handler_is_loaded_once_for_each_configuration() {
        let allowed = [("transfers".to_owned(), r#"{"allowOnUs": true}"#.to_owned())];
        let (first, again, other) =
            (load(&["directory"], &[]), load(&["directory"], &[]), load(&["directory"], &allowed));
        let same = |a: &Arc<Handler>, b: &Arc<Handler>| Arc::ptr_eq(a, b);
        let (first, again, other) = (first.unwrap(), again.unwrap(), other.unwrap());
        assert!(first.iter().zip(&again).all(|(a, b)| same(a, b)));
        let shared = first.iter().zip(&other).filter(|(a, b)| same(a, b)).count();
        assert_eq!(shared, first.len() - 1);
    }

    #[test]
    fn a_configuration_for_nobody_is_refused() {
        let error =
            load(&["directory"], &[("tranfers".to_owned(), String::new())]).map(drop).unwrap_err();
        assert!(error.to_string().contains("tranfers"), "{error}");
    }
}
