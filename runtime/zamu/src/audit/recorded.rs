//! The handlers of a deployment, as the control topic has them: components from where the node keeps
//! them, by digest, with the configuration of then.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use zamu_core::audit::{Deployments, InForce};
use zamu_core::guest::Guest;
use zamu_core::guest::manifest::{Class, HandlerSpec};
use zamu_core::model::DeploymentNumber;
use zamu_core::proto::DeployedHandler;
use zamu_core::topology::{Topology, Types};
use zamu_wasm::cache::Cache;
use zamu_wasm::{Engine, Handler, Limits};

use crate::handlers::{History, kept_in, read_kept};

/// See the file's head.
pub struct Recorded<'a> {
    history: &'a History,
    types: Types,
    engine: Engine,
    /// What the node has compiled. Nothing is added.
    cache: Option<Cache>,
    limits: Limits,
    kept: PathBuf,
    /// Components that decide instead, by the handler's name.
    instead: BTreeMap<String, Vec<u8>>,
    loaded: HashMap<(String, String, Bytes), Arc<Handler>>,
}

impl<'a> Recorded<'a> {
    /// The handlers of a data directory, some replaced by the components of these files.
    ///
    /// # Errors
    /// When a file cannot be read, or what it is to replace was never in force.
    pub fn open(
        data: &Path,
        history: &'a History,
        types: Types,
        mut limits: Limits,
        instead: &BTreeMap<String, PathBuf>,
    ) -> Result<Self> {
        let mut components = BTreeMap::new();
        for (name, file) in instead {
            ensure!(
                history.last_entry(name).is_some(),
                "--component {name}={}: no handler `{name}` was ever in force in {}",
                file.display(),
                data.display()
            );
            let wasm = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
            components.insert(name.clone(), wasm);
        }
        // What was let in once is looked at as it was.
        limits.classes = Class::ALL.to_vec();
        Ok(Self {
            history,
            types,
            engine: Engine::new()?,
            cache: Cache::open_read_only(data.join("compiled"))?,
            limits,
            kept: kept_in(data),
            instead: components,
            loaded: HashMap::new(),
        })
    }

    fn put_together(&mut self, number: DeploymentNumber) -> Result<InForce> {
        let deployments = self.history.deployments();
        let found = deployments.iter().find(|(of, _)| *of == number);
        let (_, deployment) = found.context("the control topic does not have it")?;
        let mut handlers: Vec<(Arc<HandlerSpec>, Box<dyn Guest>)> = Vec::new();
        for entry in &deployment.handlers {
            let handler = self.load(entry)?;
            // Another component stands in for the one of then: letters and events name that one.
            let mut spec = handler.spec().clone();
            spec.digest.clone_from(&entry.digest);
            spec.manifest.version.clone_from(&entry.version);
            handlers.push((Arc::new(spec), Box::new(handler.instance())));
        }
        handlers.sort_by(|a, b| a.0.name.cmp(&b.0.name));
        let (specs, guests): (Vec<_>, Vec<_>) = handlers.into_iter().unzip();
        let topology = Topology::new(number, self.types_of(&specs), specs)?;
        Ok(InForce { topology: Arc::new(topology), guests })
    }

    fn load(&mut self, entry: &DeployedHandler) -> Result<Arc<Handler>> {
        let name = &entry.name;
        let key = (name.clone(), entry.digest.clone(), entry.configuration.clone());
        if let Some(handler) = self.loaded.get(&key) {
            return Ok(Arc::clone(handler));
        }
        let (wasm, which) = match self.instead.get(name) {
            Some(wasm) => (wasm.clone(), "the component given instead".to_owned()),
            None => {
                let which = format!("version {}, digest {}", entry.version, entry.digest);
                let wasm = read_kept(&self.kept, &entry.digest).with_context(|| {
                    format!(
                        "handler `{name}` ({which}): without its component nothing that it decided can be \
                         decided once more; another one can be compared with what it did: \
                         --component {name}=FILE"
                    )
                })?;
                (wasm, which)
            }
        };
        let cache = self.cache.as_ref();
        let configuration = entry.configuration.clone();
        let handler = Handler::load(&self.engine, &wasm, cache, self.limits.clone(), configuration)
            .with_context(|| format!("handler `{name}` ({which})"))?;
        let own = &handler.spec().name;
        ensure!(**own == **name, "handler `{name}` ({which}): it calls itself `{own}`");
        self.loaded.insert(key, Arc::clone(&handler));
        Ok(handler)
    }

    /// The types that there were: later ones come behind them, and have no owner yet.
    fn types_of(&self, specs: &[Arc<HandlerSpec>]) -> Types {
        let mentioned = |name: &str| {
            let mut all = specs.iter().flat_map(|spec| &spec.manifest.types);
            all.any(|mentioned| mentioned == name)
        };
        let known = self.types.iter().rposition(|of| mentioned(&of.name)).map_or(0, |at| at + 1);
        Types::from(self.types[..known].to_vec())
    }
}

impl Deployments for Recorded<'_> {
    fn handlers(&mut self, deployment: DeploymentNumber) -> Result<InForce, String> {
        self.put_together(deployment).map_err(|error| format!("{error:#}"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use zamu_core::guest::manifest::Manifest;

    use super::*;
    use crate::config::Type;

    #[test]
    fn types_that_came_later_were_not_there_and_numbers_of_the_others_stay() {
        let (folder, history) = (tempfile::tempdir().unwrap(), History::default());
        let types: Vec<_> = ["a", "b", "c"].map(|name| Type::of(2).settings(name)).into();
        let none = BTreeMap::new();
        let limits = Limits::default();
        let recorded =
            Recorded::open(folder.path(), &history, types.into(), limits, &none).unwrap();
        let mentioned = |types: &[&str]| {
            let types = types.iter().map(|name| (*name).to_owned()).collect();
            let spec = HandlerSpec {
                name: "h".into(),
                digest: String::new(),
                class: Class::Pure,
                manifest: Manifest { types, ..Manifest::default() },
                configuration: Bytes::new(),
            };
            let types = recorded.types_of(&[Arc::new(spec)]);
            types.iter().map(|of| of.name.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(mentioned(&["a", "b"]), ["a", "b"]);
        assert_eq!(mentioned(&["b"]), ["a", "b"], "`b` keeps its number");
        assert_eq!(mentioned(&["c"]), ["a", "b", "c"]);
        assert!(fs::read_dir(folder.path()).unwrap().next().is_none(), "nothing was written");
    }
}
