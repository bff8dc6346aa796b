//! The control topic: which handlers are in force, and which were.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use bytes::Bytes;
use zamu_core::aggregate::{decode, encode};
use zamu_core::error::EngineError;
use zamu_core::log::Limit;
use zamu_core::model::DeploymentNumber;
use zamu_core::proto::{DeployedHandler, Deployment};
use zamu_rocks::{EmbeddedLog, LogReader};

/// All deployments of a log. Grows while the node runs.
#[derive(Debug, Default)]
pub struct History(RwLock<Deployments>);

/// Oldest first. In all that stand here, `since` and `from_since` are resolved.
#[derive(Debug, Default)]
struct Deployments {
    all: Vec<(DeploymentNumber, Arc<Deployment>)>,
    handlers: HashMap<DeploymentNumber, HashMap<String, Deployed>>,
}

/// A version of a handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployed {
    /// Its semantic version.
    pub version: Arc<str>,
    /// SHA-256 of its component, lower-case hexadecimal.
    pub digest: Arc<str>,
    /// Its fold number.
    pub fold: u32,
}

/// A set of handlers that cannot be put in force, or a control topic that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DeploymentError {
    /// States folded by one fold number cannot be used by another.
    #[error(
        "handler `{name}` has fold number {configured}, but its states were made with {recorded} (version {version}, digest {digest}). Changing the fold is not possible yet: go back to a component with fold number {recorded}, or start with a new data directory"
    )]
    Fold {
        /// Which handler.
        name: String,
        /// Of the configured component.
        configured: u32,
        /// Of the last deployment that had it.
        recorded: u32,
        /// Its version then.
        version: String,
        /// Its digest then.
        digest: String,
    },
    /// A record of the control topic.
    #[error("deployment {number} cannot be read: {problem}")]
    Unreadable {
        /// Its number.
        number: DeploymentNumber,
        /// What is wrong.
        problem: String,
    },
    /// The log failed.
    #[error("the control topic: {0}")]
    Log(#[from] EngineError),
}

impl History {
    /// Reads the whole control topic.
    ///
    /// # Errors
    /// When the log fails or a record is from a newer version.
    pub fn read(log: &LogReader) -> Result<Self, DeploymentError> {
        let history = Self::default();
        let page = Limit { records: 256, bytes: 8 << 20 };
        loop {
            let from = history.newest().map_or(1, |(number, _)| number + 1);
            let records = log.control(from, page)?;
            if records.is_empty() {
                return Ok(history);
            }
            for (number, bytes) in records {
                let deployment = decode(&bytes).map_err(|error| DeploymentError::Unreadable {
                    number,
                    problem: error.to_string(),
                })?;
                history.add(number, deployment);
            }
        }
    }

    /// The deployment that was written last.
    #[must_use]
    pub fn newest(&self) -> Option<(DeploymentNumber, Arc<Deployment>)> {
        self.lock().all.last().cloned()
    }

    /// The version of a handler under a deployment.
    #[must_use]
    pub fn handler(&self, deployment: DeploymentNumber, name: &str) -> Option<Deployed> {
        self.lock().handlers.get(&deployment)?.get(name).cloned()
    }

    /// What a deployment says of a handler.
    #[must_use]
    pub fn entry(&self, deployment: DeploymentNumber, name: &str) -> Option<DeployedHandler> {
        let deployments = self.lock();
        let found =
            deployments.all.binary_search_by_key(&deployment, |(number, _)| *number).ok()?;
        let handlers = &deployments.all[found].1.handlers;
        handlers.iter().find(|handler| handler.name == name).cloned()
    }

    /// What the deployment before that one says of a handler.
    #[must_use]
    pub fn entry_before(
        &self,
        deployment: DeploymentNumber,
        name: &str,
    ) -> Option<DeployedHandler> {
        let deployments = self.lock();
        let older = deployments.all.partition_point(|(number, _)| *number < deployment);
        let (_, before) = deployments.all.get(older.checked_sub(1)?)?;
        before.handlers.iter().find(|handler| handler.name == name).cloned()
    }

    /// A deployment.
    #[must_use]
    pub fn deployment(&self, number: DeploymentNumber) -> Option<Arc<Deployment>> {
        let deployments = self.lock();
        let found = deployments.all.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        Some(Arc::clone(&deployments.all[found].1))
    }

    /// What the last deployment that had a handler says of it.
    #[must_use]
    pub fn last_entry(&self, name: &str) -> Option<DeployedHandler> {
        self.lock().all.iter().rev().find_map(|(_, deployment)| {
            deployment.handlers.iter().find(|handler| handler.name == name).cloned()
        })
    }

    /// All deployments, oldest first.
    #[must_use]
    pub fn deployments(&self) -> Vec<(DeploymentNumber, Arc<Deployment>)> {
        self.lock().all.clone()
    }

    /// Puts a deployment in force: it is durable, and part of the history, when its number comes back.
    ///
    /// # Errors
    /// When the log fails.
    pub fn write(
        &self,
        log: &EmbeddedLog,
        deployment: Deployment,
    ) -> Result<DeploymentNumber, DeploymentError> {
        let record: Bytes = encode(&deployment);
        let number = log.append_control(record)?;
        self.add(number, deployment);
        Ok(number)
    }

    pub(crate) fn add(&self, number: DeploymentNumber, mut deployment: Deployment) {
        for handler in deployment.handlers.iter_mut().filter(|handler| handler.since == 0) {
            handler.since = number;
        }
        for handler in deployment.handlers.iter_mut().filter(|handler| handler.from_since == 0) {
            handler.from_since = if handler.from.is_empty() { 0 } else { number };
        }
        let named = deployment.handlers.iter().map(|handler| {
            let deployed = Deployed {
                version: handler.version.as_str().into(),
                digest: handler.digest.as_str().into(),
                fold: handler.fold,
            };
            (handler.name.clone(), deployed)
        });
        let named = named.collect();
        let mut deployments = self.0.write().unwrap_or_else(PoisonError::into_inner);
        deployments.handlers.insert(number, named);
        deployments.all.push((number, Arc::new(deployment)));
    }

    fn lock(&self) -> RwLockReadGuard<'_, Deployments> {
        // It only grows, entry by entry: it is never half changed.
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn entry(digest: &str, since: u64) -> DeployedHandler {
        let (name, version) = ("h".to_owned(), "1.0.0".to_owned());
        DeployedHandler {
            name,
            version,
            digest: digest.into(),
            fold: 1,
            since,
            ..Default::default()
        }
    }

    fn history() -> History {
        let history = History::default();
        history.add(3, Deployment { handlers: vec![entry("d1", 0)], ..Deployment::default() });
        history.add(5, Deployment { handlers: vec![entry("d1", 3)], ..Deployment::default() });
        history.add(6, Deployment { handlers: vec![entry("d2", 0)], ..Deployment::default() });
        history.add(7, Deployment::default());
        history
    }

    #[test]
    fn provenance_is_resolved_by_deployment_number_and_name() {
        let history = history();
        let digest = |number, name| history.handler(number, name).map(|h| h.digest.to_string());
        assert_eq!(digest(3, "h").as_deref(), Some("d1"));
        assert_eq!(digest(6, "h").as_deref(), Some("d2"));
        assert_eq!((digest(3, "other"), digest(2, "h"), digest(7, "h")), (None, None, None));
    }

    #[test]
    fn an_entry_says_since_when_its_version_is_in_force() {
        let history = history();
        let since = |number| history.entry(number, "h").map(|entry| entry.since);
        assert_eq!([3, 5, 6, 7, 8].map(since), [Some(3), Some(3), Some(6), None, None]);
        assert_eq!(history.last_entry("h").unwrap().digest, "d2");
        assert_eq!(history.newest().unwrap().0, 7);
        let before = |number| history.entry_before(number, "h").map(|entry| entry.since);
        assert_eq!([3, 5, 6, 7, 8].map(before), [None, Some(3), Some(3), Some(6), None]);
    }
}
