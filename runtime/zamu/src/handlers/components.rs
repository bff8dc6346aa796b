//! Loads the configured components, and keeps each by its digest.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use zamu_core::guest::manifest::HandlerSpec;
use zamu_wasm::cache::Cache;
use zamu_wasm::{Engine, Handler, Limits};

use crate::config;

/// Where components become handlers. The data directory gets copies of them by digest, and their
/// compiled code.
pub struct Workshop {
    engine: Engine,
    cache: Cache,
    limits: Limits,
    kept: PathBuf,
}

impl Workshop {
    /// Opens that of a data directory.
    ///
    /// # Errors
    /// When its folders cannot be made.
    pub fn open(limits: Limits, data: &Path) -> Result<Self> {
        let kept = kept_in(data);
        let make =
            || fs::create_dir_all(&kept).and_then(|()| sync(data)).and_then(|()| sync(&kept));
        make().with_context(|| format!("cannot make {}", kept.display()))?;
        let cache = Cache::open(data.join("compiled"))?;
        Ok(Self { engine: Engine::new()?, cache, limits, kept })
    }

    /// From now on components are compiled on the calling thread alone, for turns need the cores.
    ///
    /// # Errors
    /// When the engine cannot be set up so.
    pub fn aside(mut self) -> Result<Self> {
        self.engine = self.engine.compiling_on_one_core()?;
        Ok(self)
    }

    /// The largest component that is let in, in bytes.
    #[must_use]
    pub fn component_bytes_max(&self) -> usize {
        self.limits.component_bytes
    }

    /// Loads all configured handlers, in the topology's order: by name.
    ///
    /// # Errors
    /// Names the handler, its file, what is wrong and what to do.
    pub fn load_configured<'a>(
        &self,
        configured: impl IntoIterator<Item = (&'a String, &'a config::Handler)>,
    ) -> Result<Vec<Arc<Handler>>> {
        let mut handlers = Vec::new();
        for (name, of) in configured {
            let (handler, wasm) =
                load_one(&self.engine, name, of, &self.limits, Some(&self.cache))?;
            keep(&self.kept, &handler.spec().digest, &wasm)?;
            tell_loaded(&handler);
            handlers.push(handler);
        }
        handlers.sort_by(|a, b| a.spec().name.cmp(&b.spec().name));
        Ok(handlers)
    }

    /// Loads a component that somebody has sent. It is kept only by [`Workshop::keep`].
    ///
    /// # Errors
    /// Says what is wrong with it, and what to do.
    pub fn load(&self, wasm: &[u8], configuration: Bytes) -> Result<Arc<Handler>> {
        let limits = self.limits.clone();
        let handler = Handler::load(&self.engine, wasm, Some(&self.cache), limits, configuration)?;
        tell_loaded(&handler);
        Ok(handler)
    }

    /// Keeps a component under its digest, for restarts and rollbacks.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(&self, digest: &str, wasm: &[u8]) -> Result<()> {
        keep(&self.kept, digest, wasm)
    }

    /// Loads a component that was kept.
    ///
    /// # Errors
    /// When it is gone, or does not load.
    pub fn load_kept(&self, digest: &str, configuration: Bytes) -> Result<Arc<Handler>> {
        let wasm = read_kept(&self.kept, digest)?;
        self.load(&wasm, configuration).with_context(|| format!("the component {digest}"))
    }

    /// Removes what was left half written. Only for whoever has the data directory.
    pub fn tidy(&self) {
        let entries = fs::read_dir(&self.kept).into_iter().flatten().flatten();
        let is_left = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "tmp");
        for path in entries.map(|entry| entry.path()).filter(is_left) {
            if let Err(error) = fs::remove_file(&path) {
                tracing::warn!(path = %path.display(), %error, "it was left half written, and stays");
            }
        }
    }
}

/// Where the components of a data directory are kept, by digest.
#[must_use]
pub fn kept_in(data: &Path) -> PathBuf {
    data.join("components")
}

/// Reads a component that was kept, and nothing but that.
///
/// # Errors
/// When it is gone, or another is in its place.
pub fn read_kept(folder: &Path, digest: &str) -> Result<Vec<u8>> {
    let path = folder.join(format!("{digest}.wasm"));
    let remedy = "put it back from a backup, or deploy the same component once more";
    let wasm = fs::read(&path)
        .with_context(|| format!("the component {} is gone: {remedy}", path.display()))?;
    let found = zamu_wasm::cache::digest(&wasm);
    ensure!(
        found == digest,
        "the component {} is damaged (its digest is {found}): {remedy}",
        path.display()
    );
    Ok(wasm)
}

/// What handlers are, for a topology.
#[must_use]
pub fn specs(handlers: &[Arc<Handler>]) -> Vec<Arc<HandlerSpec>> {
    handlers.iter().map(|handler| Arc::new(handler.spec().clone())).collect()
}

fn tell_loaded(handler: &Handler) {
    let spec = handler.spec();
    tracing::info!(
        handler = &*spec.name,
        version = spec.manifest.version,
        digest = spec.digest,
        class = spec.class.name(),
        compiled = !handler.from_cache(),
        "handler loaded"
    );
}

/// What the configured components are, by name. Nothing is written.
///
/// # Errors
/// As [`Workshop::load_configured`].
pub fn describe<'a>(
    configured: impl IntoIterator<Item = (&'a String, &'a config::Handler)>,
    limits: &Limits,
) -> Result<Vec<Arc<HandlerSpec>>> {
    let engine = Engine::new()?;
    let spec = |(name, of): (&'a String, &'a config::Handler)| {
        let (handler, _) = load_one(&engine, name, of, limits, None)?;
        Ok(Arc::new(handler.spec().clone()))
    };
    configured.into_iter().map(spec).collect()
}

/// One handler, with its component's bytes.
fn load_one(
    engine: &Engine,
    name: &str,
    of: &config::Handler,
    limits: &Limits,
    cache: Option<&Cache>,
) -> Result<(Arc<Handler>, Vec<u8>)> {
    let place = || format!("handler `{name}` ({})", of.component.display());
    let wasm = fs::read(&of.component)
        .with_context(|| format!("{}: cannot read the component", place()))?;
    let configuration = configuration(name, of)?;
    let handler =
        Handler::load(engine, &wasm, cache, limits.clone(), configuration).with_context(place)?;
    let own = &handler.spec().name;
    ensure!(
        **own == *name,
        "{}: the component calls itself `{own}`: name the section [handlers.{own}]",
        place()
    );
    Ok((handler, wasm))
}

/// The document that the handler gets: JSON, keys in order; empty if nothing is configured.
fn configuration(name: &str, of: &config::Handler) -> Result<Bytes> {
    let Some(table) = of.configuration.as_ref().filter(|table| !table.is_empty()) else {
        return Ok(Bytes::new());
    };
    let place = format!("handlers.{name}.configuration");
    let json = json(&toml::Value::Table(table.clone()), &place)?;
    Ok(serde_json::to_vec(&json)?.into())
}

/// Settings as JSON.
///
/// # Errors
/// Names what JSON cannot say.
pub fn json_of(table: &toml::Table) -> Result<serde_json::Value> {
    json(&toml::Value::Table(table.clone()), "configuration")
}

fn json(value: &toml::Value, place: &str) -> Result<serde_json::Value> {
    use serde_json::Value as Json;
    Ok(match value {
        toml::Value::String(text) => Json::String(text.clone()),
        toml::Value::Integer(number) => Json::from(*number),
        toml::Value::Float(number) => {
            ensure!(
                number.is_finite(),
                "configuration: `{place}` is {number}, which JSON cannot say"
            );
            Json::from(*number)
        }
        toml::Value::Boolean(truth) => Json::Bool(*truth),
        toml::Value::Datetime(time) => Json::String(time.to_string()),
        toml::Value::Array(list) => {
            let entries = list.iter().enumerate();
            Json::Array(
                entries.map(|(i, v)| json(v, &format!("{place}[{i}]"))).collect::<Result<_>>()?,
            )
        }
        toml::Value::Table(table) => {
            let pairs = table.iter();
            let pair = |(key, value): (&String, _)| {
                Ok((key.clone(), json(value, &format!("{place}.{key}"))?))
            };
            Json::Object(pairs.map(pair).collect::<Result<_>>()?)
        }
    })
}

/// Keeps a component under its digest. It appears whole, by rename, and is durable when this comes back.
/// What is there and is damaged is replaced.
fn keep(folder: &Path, digest: &str, wasm: &[u8]) -> Result<()> {
    let path = folder.join(format!("{digest}.wasm"));
    if fs::read(&path).is_ok_and(|kept| kept == wasm) {
        return Ok(());
    }
    let temporary: PathBuf = folder.join(format!("{digest}.{}.tmp", std::process::id()));
    let write = || -> std::io::Result<()> {
        fs::write(&temporary, wasm)?;
        fs::File::open(&temporary)?.sync_all()?;
        fs::rename(&temporary, &path)?;
        sync(folder)
    };
    write().with_context(|| format!("cannot keep a component as {}", path.display()))
}

/// Makes durable which files a folder has.
fn sync(folder: &Path) -> std::io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn handler(text: &str) -> config::Handler {
        toml::from_str(&format!("component = \"c.wasm\"\n{text}")).unwrap()
    }

    #[test]
    fn a_configuration_becomes_json_with_its_keys_in_order() {
        let of = handler("configuration = { b = [1, { x = true }], a = 'text', c = 1.5 }");
        assert_eq!(
            configuration("h", &of).unwrap(),
            r#"{"a":"text","b":[1,{"x":true}],"c":1.5}"#.as_bytes()
        );
        for nothing in ["", "configuration = {}"] {
            assert_eq!(configuration("h", &handler(nothing)).unwrap(), "".as_bytes());
        }
    }

    #[test]
    fn a_value_that_json_does_not_have_is_named() {
        let error = configuration("h", &handler("configuration = { a = [nan] }")).unwrap_err();
        assert!(error.to_string().contains("handlers.h.configuration.a[0]"), "{error}");
    }

    #[test]
    fn a_component_is_kept_once_by_its_digest() {
        let folder = tempfile::tempdir().unwrap();
        keep(folder.path(), "d1", b"wasm").unwrap();
        keep(folder.path(), "d1", b"wasm").unwrap();
        assert_eq!(fs::read(folder.path().join("d1.wasm")).unwrap(), b"wasm");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_kept_component_that_is_damaged_is_told_and_mended_by_the_same_component() {
        let data = tempfile::tempdir().unwrap();
        let workshop = Workshop::open(Limits::default(), data.path()).unwrap();
        let digest = zamu_wasm::cache::digest(b"wasm");
        let path = data.path().join(format!("components/{digest}.wasm"));
        let told = || format!("{:#}", workshop.load_kept(&digest, Bytes::new()).err().unwrap());
        assert!(told().contains("is gone") && told().contains("deploy the same component"));
        workshop.keep(&digest, b"wasm").unwrap();
        fs::write(&path, b"other").unwrap();
        assert!(told().contains("is damaged") && told().contains("deploy the same component"));
        workshop.keep(&digest, b"wasm").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"wasm");
    }

    #[test]
    fn what_was_left_half_written_goes_and_what_is_kept_stays() {
        let data = tempfile::tempdir().unwrap();
        let workshop = Workshop::open(Limits::default(), data.path()).unwrap();
        workshop.keep("d1", b"wasm").unwrap();
        fs::write(data.path().join("components/d2.77.tmp"), b"wa").unwrap();
        workshop.tidy();
        let left = fs::read_dir(data.path().join("components")).unwrap();
        let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["d1.wasm"]);
    }
}
