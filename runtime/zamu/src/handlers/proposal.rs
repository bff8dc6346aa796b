//! The next deployment: what is in force with something changed, by a start, an operator or the host.
//!
//! The configuration file and operators both say which version of a handler is to run, and the last
//! word counts: what was deployed holds over restarts until the file says something new. The component
//! and its configuration each on its own: who sets a value in the file does not bring an old component
//! back.

use std::sync::Arc;

use bytes::Bytes;
use zamu_core::guest::manifest::HandlerSpec;
use zamu_core::model::{DeploymentNumber, Time};
use zamu_core::proto::{DeployedHandler, Deployment, HandlerSource};

use super::deployments::{DeploymentError, History};

/// Which component and configuration of a handler are to be in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// SHA-256 of the component, lower-case hexadecimal.
    pub digest: String,
    /// The document that the handler gets.
    pub configuration: Bytes,
}

/// A deployment to be made, and by whom.
#[derive(Clone, Debug, Default)]
pub struct Proposal {
    /// When.
    pub time: Time,
    /// Who asks; nobody at a start, [`HOST_SOURCE`](zamu_core::model::HOST_SOURCE) if it is the host.
    pub principal: String,
    /// Why, for people.
    pub reason: String,
}

impl Chosen {
    /// What is to run of a handler after a start with this in the file.
    #[must_use]
    pub fn at_start(history: &History, file: &HandlerSpec) -> Self {
        let newest = history.newest().and_then(|(number, _)| history.entry(number, &file.name));
        let mut chosen = Self::of(file);
        let Some(last) = newest else { return chosen };
        let (digest, configuration) = match &last.file {
            Some(file) => (&file.digest, &file.configuration),
            None => (&last.digest, &last.configuration),
        };
        if chosen.digest == *digest {
            chosen.digest.clone_from(&last.digest);
        }
        if chosen.configuration == *configuration {
            chosen.configuration.clone_from(&last.configuration);
        }
        chosen
    }

    /// That of a handler that is loaded.
    #[must_use]
    pub fn of(spec: &HandlerSpec) -> Self {
        Self { digest: spec.digest.clone(), configuration: spec.configuration.clone() }
    }
}

impl Proposal {
    /// The deployment of a start: `None` if nothing has changed. `files` is what the file has, by
    /// name, and `chosen` what is to run of it.
    ///
    /// # Errors
    /// When states of a handler were made with another fold number.
    pub fn start(
        self,
        history: &History,
        files: &[Arc<HandlerSpec>],
        chosen: &[Arc<HandlerSpec>],
    ) -> Result<Option<Deployment>, DeploymentError> {
        // One that only makes tables has no states: its tables are made anew.
        for spec in chosen.iter().filter(|spec| !spec.manifest.aggregates.is_empty()) {
            check_fold(history, spec)?;
        }
        let newest = history.newest().map(|(_, newest)| newest);
        let handlers: Vec<DeployedHandler> = files
            .iter()
            .zip(chosen)
            .map(|(file, chosen)| {
                let mut entry = entry(newest.as_deref(), chosen);
                let (digest, configuration) = (file.digest.clone(), file.configuration.clone());
                let other = Chosen::of(file) != Chosen::of(chosen);
                entry.file = other.then_some(HandlerSource { digest, configuration });
                entry
            })
            .collect();
        let unchanged = newest.is_some_and(|newest| newest.handlers == handlers);
        Ok((!unchanged).then(|| self.deployment(handlers)))
    }

    /// The deployment that has another version of one handler: `None` if that is in force already.
    #[must_use]
    pub fn replace(self, history: &History, spec: &HandlerSpec) -> Option<Deployment> {
        let (_, newest) = history.newest()?;
        let next = self.with(&newest, entry(Some(&newest), spec));
        (next.handlers != newest.handlers).then_some(next)
    }

    /// The deployment that brings back what a handler was under an earlier one. What can be rolled
    /// back after that is what could be then.
    #[must_use]
    pub fn roll_back(self, history: &History, to: &DeployedHandler) -> Option<Deployment> {
        let (_, newest) = history.newest()?;
        let now = newest.handlers.iter().find(|handler| handler.name == to.name)?;
        let entry = DeployedHandler { since: 0, file: source(now, to), ..to.clone() };
        Some(self.with(&newest, entry))
    }

    fn with(self, newest: &Deployment, entry: DeployedHandler) -> Deployment {
        let mut handlers = newest.handlers.clone();
        for handler in handlers.iter_mut().filter(|handler| handler.name == entry.name) {
            *handler = entry.clone();
        }
        self.deployment(handlers)
    }

    fn deployment(self, handlers: Vec<DeployedHandler>) -> Deployment {
        let Self { time, principal, reason } = self;
        Deployment { handlers, time: time.0, principal, reason }
    }
}

/// The deployment to which a handler is rolled back unless somebody says which, if there is one.
#[must_use]
pub fn previous(history: &History, name: &str) -> Option<(DeploymentNumber, DeployedHandler)> {
    let (number, _) = history.newest()?;
    let previous = history.entry(number, name)?.previous;
    Some((previous, history.entry(previous, name)?))
}

/// What a deployment says of a version that follows on the newest one.
fn entry(newest: Option<&Deployment>, spec: &HandlerSpec) -> DeployedHandler {
    let last = newest.and_then(|newest| newest.handlers.iter().find(|h| *h.name == *spec.name));
    let next = DeployedHandler {
        name: spec.name.to_string(),
        version: spec.manifest.version.clone(),
        digest: spec.digest.clone(),
        fold: spec.manifest.fold,
        configuration: spec.configuration.clone(),
        class: spec.class.name().to_owned(),
        ..DeployedHandler::default()
    };
    match last {
        Some(last) if last.digest == next.digest && last.configuration == next.configuration => {
            last.clone()
        }
        Some(last) => {
            let file = source(last, &next);
            DeployedHandler { previous: last.since, file, ..next }
        }
        None => next,
    }
}

/// What the file has, seen from the next version: it is the same as under the last one.
fn source(last: &DeployedHandler, next: &DeployedHandler) -> Option<HandlerSource> {
    let own = |of: &DeployedHandler| HandlerSource {
        digest: of.digest.clone(),
        configuration: of.configuration.clone(),
    };
    let file = last.file.clone().unwrap_or_else(|| own(last));
    (file != own(next)).then_some(file)
}

fn check_fold(history: &History, spec: &HandlerSpec) -> Result<(), DeploymentError> {
    match history.last_entry(&spec.name) {
        Some(last) if last.fold != spec.manifest.fold => Err(DeploymentError::Fold {
            name: spec.name.to_string(),
            configured: spec.manifest.fold,
            recorded: last.fold,
            version: last.version,
            digest: last.digest,
        }),
        _ => Ok(()),
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

    fn start(
        history: &History,
        file: &Arc<HandlerSpec>,
    ) -> Result<Option<Deployment>, DeploymentError> {
        let Chosen { digest, configuration } = Chosen::at_start(history, file);
        let chosen = Arc::new(HandlerSpec { digest, configuration, ..(**file).clone() });
        Proposal::default().start(history, std::slice::from_ref(file), &[chosen])
    }

    /// A log whose first start had this.
    fn history(file: &Arc<HandlerSpec>) -> History {
        let history = History::default();
        let first = start(&history, file).unwrap().unwrap();
        history.add(3, first);
        history
    }

    fn deploy(history: &History, number: u64, spec: &HandlerSpec) {
        history.add(number, Proposal::default().replace(history, spec).unwrap());
    }

    fn roll_back(history: &History, number: u64) {
        let (_, to) = previous(history, "h").unwrap();
        history.add(number, Proposal::default().roll_back(history, &to).unwrap());
    }

    fn in_force(history: &History) -> (String, String) {
        let entry = history.last_entry("h").unwrap();
        (entry.digest, String::from_utf8(entry.configuration.to_vec()).unwrap())
    }

    fn pair(digest: &str, configuration: &str) -> (String, String) {
        (digest.to_owned(), configuration.to_owned())
    }

    #[test]
    fn a_start_writes_a_record_when_anything_has_changed_and_only_then() {
        let history = history(&spec("1.0.0", "d1", 1, "{}"));
        for (file, changed) in [
            (spec("1.0.0", "d1", 1, "{}"), false),
            (spec("1.0.0", "d2", 1, "{}"), true),
            (spec("1.0.0", "d1", 1, "{\"a\":1}"), true),
        ] {
            assert_eq!(start(&history, &file).unwrap().is_some(), changed, "{file:?}");
        }
        assert!(Proposal::default().start(&history, &[], &[]).unwrap().is_some());
    }

    #[test]
    fn another_fold_number_is_refused_by_name_even_after_an_absence() {
        let history = history(&spec("1.0.0", "d1", 1, ""));
        history.add(4, Deployment::default());
        let error = start(&history, &spec("2.0.0", "d2", 2, "")).unwrap_err().to_string();
        for part in ["handler `h`", "fold number 2", "with 1", "version 1.0.0", "d1", "go back"] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn another_fold_of_a_handler_without_states_is_another_deployment() {
        let tables = |fold| {
            let manifest = Manifest { fold, ..Manifest::default() };
            let digest = format!("d{fold}");
            Arc::new(HandlerSpec { manifest, digest, ..(*spec("1.0.0", "d", 1, "")).clone() })
        };
        assert!(start(&history(&tables(1)), &tables(2)).unwrap().is_some());
    }

    #[test]
    fn what_was_deployed_holds_over_restarts_until_the_file_says_something_new() {
        let file = spec("1.0.0", "d1", 1, "{}");
        let history = history(&file);
        deploy(&history, 4, &spec("1.1.0", "d2", 1, "{}"));
        for _ in 0..2 {
            assert_eq!(start(&history, &file).unwrap(), None, "a restart changes nothing");
        }
        // A value in the file does not bring the old component back.
        let valued = spec("1.0.0", "d1", 1, "{\"a\":1}");
        history.add(5, start(&history, &valued).unwrap().unwrap());
        assert_eq!(in_force(&history), pair("d2", "{\"a\":1}"));
        // Another component in the file is the last word.
        let mended = spec("1.2.0", "d3", 1, "{\"a\":1}");
        history.add(6, start(&history, &mended).unwrap().unwrap());
        assert_eq!(in_force(&history), pair("d3", "{\"a\":1}"));
        assert_eq!(history.last_entry("h").unwrap().file, None);
    }

    #[test]
    fn the_same_version_again_is_no_deployment() {
        let history = history(&spec("1.0.0", "d1", 1, "{}"));
        assert_eq!(Proposal::default().replace(&history, &spec("1.0.0", "d1", 1, "{}")), None);
    }

    #[test]
    fn rollbacks_undo_deployments_one_by_one_and_end_at_the_first() {
        let file = spec("1.0.0", "d1", 1, "{}");
        let history = history(&file);
        assert_eq!(previous(&history, "h"), None);
        deploy(&history, 4, &spec("1.1.0", "d2", 1, "{}"));
        deploy(&history, 5, &spec("1.1.0", "d2", 1, "{\"a\":1}"));
        roll_back(&history, 6);
        assert_eq!(in_force(&history), pair("d2", "{}"));
        assert_eq!(history.last_entry("h").unwrap().since, 6);
        roll_back(&history, 7);
        assert_eq!(in_force(&history), pair("d1", "{}"));
        assert_eq!(previous(&history, "h"), None, "it does not go back to what was rolled back");
        assert_eq!(start(&history, &file).unwrap(), None);
        // And forward again.
        deploy(&history, 8, &spec("1.2.0", "d3", 1, "{}"));
        roll_back(&history, 9);
        assert_eq!(in_force(&history), pair("d1", "{}"));
    }
}
