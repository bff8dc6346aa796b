//! The control topic: which handlers are in force, and which were.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use zamu_core::aggregate::{decode, encode};
use zamu_core::error::EngineError;
use zamu_core::guest::manifest::HandlerSpec;
use zamu_core::log::Limit;
use zamu_core::model::{DeploymentNumber, Time};
use zamu_core::proto::{DeployedHandler, Deployment};
use zamu_rocks::{EmbeddedLog, LogReader};

/// All deployments of a log, oldest first.
#[derive(Debug, Default, PartialEq)]
pub struct History {
    deployments: Vec<(DeploymentNumber, Deployment)>,
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
        let mut history = Self::default();
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
    pub fn newest(&self) -> Option<(DeploymentNumber, &Deployment)> {
        self.deployments.last().map(|(number, deployment)| (*number, deployment))
    }

    /// The version of a handler under a deployment.
    #[must_use]
    pub fn handler(&self, deployment: DeploymentNumber, name: &str) -> Option<&Deployed> {
        self.handlers.get(&deployment)?.get(name)
    }

    /// All deployments, oldest first.
    #[must_use]
    pub fn deployments(&self) -> &[(DeploymentNumber, Deployment)] {
        &self.deployments
    }

    fn add(&mut self, number: DeploymentNumber, deployment: Deployment) {
        let handlers = self.handlers.entry(number).or_default();
        for handler in &deployment.handlers {
            let deployed = Deployed {
                version: handler.version.as_str().into(),
                digest: handler.digest.as_str().into(),
                fold: handler.fold,
            };
            handlers.insert(handler.name.clone(), deployed);
        }
        self.deployments.push((number, deployment));
    }

    /// The record that puts these handlers in force, `None` if they are already.
    fn next(
        &self,
        specs: &[Arc<HandlerSpec>],
        time: Time,
    ) -> Result<Option<Deployment>, DeploymentError> {
        for spec in specs {
            // One that only makes tables has no states: its tables are made anew.
            if !spec.manifest.aggregates.is_empty() {
                self.check_fold(spec)?;
            }
        }
        let handlers: Vec<DeployedHandler> = specs.iter().map(|spec| deployed(spec)).collect();
        let unchanged = self.newest().is_some_and(|(_, newest)| newest.handlers == handlers);
        Ok((!unchanged).then_some(Deployment { handlers, time: time.0 }))
    }

    fn check_fold(&self, spec: &HandlerSpec) -> Result<(), DeploymentError> {
        let last = self.deployments.iter().rev().find_map(|(_, deployment)| {
            deployment.handlers.iter().find(|handler| *handler.name == *spec.name)
        });
        match last {
            Some(last) if last.fold != spec.manifest.fold => Err(DeploymentError::Fold {
                name: spec.name.to_string(),
                configured: spec.manifest.fold,
                recorded: last.fold,
                version: last.version.clone(),
                digest: last.digest.clone(),
            }),
            _ => Ok(()),
        }
    }
}

/// Puts these handlers in force: writes a record if any of them changed. Gives the number in force.
///
/// # Errors
/// When they may not be, or the log fails.
pub fn enact(
    log: &EmbeddedLog,
    history: &mut History,
    specs: &[Arc<HandlerSpec>],
    time: Time,
) -> Result<DeploymentNumber, DeploymentError> {
    if let Some(deployment) = history.next(specs, time)? {
        let record: Bytes = encode(&deployment);
        let number = log.append_control(record)?;
        tracing::info!(number, "new deployment");
        history.add(number, deployment);
    }
    Ok(history.newest().map_or(0, |(number, _)| number))
}

fn deployed(spec: &HandlerSpec) -> DeployedHandler {
    DeployedHandler {
        name: spec.name.to_string(),
        version: spec.manifest.version.clone(),
        digest: spec.digest.clone(),
        fold: spec.manifest.fold,
        configuration: spec.configuration.clone(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use zamu_core::guest::manifest::{Class, Manifest, OwnedType};

    use super::*;

    fn spec(
        version: &str,
        digest: &str,
        fold: u32,
        configuration: &'static str,
    ) -> Arc<HandlerSpec> {
        let aggregates = vec![OwnedType::default()];
        let manifest =
            Manifest { version: version.into(), fold, aggregates, ..Manifest::default() };
        Arc::new(HandlerSpec {
            name: "h".into(),
            digest: digest.into(),
            class: Class::Pure,
            manifest,
            configuration: configuration.into(),
        })
    }

    fn history(specs: &[Arc<HandlerSpec>]) -> History {
        let mut history = History::default();
        let first = history.next(specs, Time(1)).unwrap().unwrap();
        history.add(3, first);
        history
    }

    #[test]
    fn a_new_record_is_written_when_anything_changed_and_only_then() {
        let history = history(&[spec("1.0.0", "d1", 1, "{}")]);
        for (spec, changed) in [
            (spec("1.0.0", "d1", 1, "{}"), false),
            (spec("1.0.1", "d1", 1, "{}"), true),
            (spec("1.0.0", "d2", 1, "{}"), true),
            (spec("1.0.0", "d1", 1, "{\"a\":1}"), true),
        ] {
            assert_eq!(
                history.next(std::slice::from_ref(&spec), Time(9)).unwrap().is_some(),
                changed,
                "{spec:?}"
            );
        }
        assert!(history.next(&[], Time(9)).unwrap().is_some());
    }

    #[test]
    fn another_fold_number_is_refused_by_name_even_after_an_absence() {
        let mut history = history(&[spec("1.0.0", "d1", 1, "")]);
        history.add(4, Deployment::default());
        let error = history.next(&[spec("2.0.0", "d2", 2, "")], Time(9)).unwrap_err().to_string();
        for part in ["handler `h`", "fold number 2", "with 1", "version 1.0.0", "d1", "go back"] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn provenance_is_resolved_by_deployment_number_and_name() {
        let history = history(&[spec("1.0.0", "d1", 1, "")]);
        assert_eq!(history.handler(3, "h").map(|h| &*h.digest), Some("d1"));
        assert_eq!(history.handler(3, "other"), None);
        assert_eq!(history.handler(2, "h"), None);
    }

    #[test]
    fn another_fold_of_a_handler_without_states_is_another_deployment() {
        let tables = |fold| {
            let manifest = Manifest { fold, ..Manifest::default() };
            vec![Arc::new(HandlerSpec { manifest, ..(*spec("1.0.0", "d", 1, "")).clone() })]
        };
        assert!(history(&tables(1)).next(&tables(2), Time(2)).unwrap().is_some());
    }
}
