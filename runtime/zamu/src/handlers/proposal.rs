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
use zamu_core::topology::{Start, StartFrom, Starts};

use super::deployments::{DeploymentError, History};

/// What of a handler is to be in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chosen {
    /// SHA-256 of the component, lower-case hexadecimal.
    pub digest: String,
    /// The document that the handler gets.
    pub configuration: Bytes,
    /// From which event on it reacts where it has not reacted to all, if that was ever said.
    pub from: Option<StartFrom>,
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
    pub fn at_start(history: &History, name: &str, file: Self) -> Self {
        let newest = history.newest().and_then(|(number, _)| history.entry(number, name));
        let Some(last) = newest else { return file };
        let (before, last) = (Self::of_file(&last), Self::of_entry(&last));
        // The last word counts, of each on its own: the file's, if it says something new.
        Self {
            digest: pick(file.digest, before.digest, last.digest),
            configuration: pick(file.configuration, before.configuration, last.configuration),
            from: pick(file.from, before.from, last.from),
        }
    }

    /// That of a handler that is loaded.
    #[must_use]
    pub fn of(spec: &HandlerSpec, from: Option<StartFrom>) -> Self {
        Self { digest: spec.digest.clone(), configuration: spec.configuration.clone(), from }
    }

    fn of_entry(entry: &DeployedHandler) -> Self {
        Self {
            digest: entry.digest.clone(),
            configuration: entry.configuration.clone(),
            from: StartFrom::named(&entry.from),
        }
    }

    /// What the file had when this was deployed.
    fn of_file(entry: &DeployedHandler) -> Self {
        match &entry.file {
            None => Self::of_entry(entry),
            Some(HandlerSource { digest, configuration, from }) => Self {
                digest: digest.clone(),
                configuration: configuration.clone(),
                from: StartFrom::named(from),
            },
        }
    }

    fn source(self) -> HandlerSource {
        let from = self.from.map_or("", StartFrom::name).to_owned();
        HandlerSource { digest: self.digest, configuration: self.configuration, from }
    }
}

fn pick<T: PartialEq>(file: T, before: T, deployed: T) -> T {
    if file == before { deployed } else { file }
}

/// The handlers of a deployment that were added while a node ran, and that no file has had since.
pub fn added(deployment: &Deployment) -> impl Iterator<Item = &DeployedHandler> {
    let is_added = |handler: &&DeployedHandler| {
        handler.file.as_ref().is_some_and(|file| file.digest.is_empty())
    };
    deployment.handlers.iter().filter(is_added)
}

/// The starts that a deployment declares.
#[must_use]
pub fn starts(deployment: &Deployment) -> Starts {
    let start = |handler: &DeployedHandler| {
        let from = StartFrom::named(&handler.from)?;
        Some((handler.name.as_str().into(), Start { from, since: handler.from_since }))
    };
    deployment.handlers.iter().filter_map(start).collect()
}

impl Proposal {
    /// The deployment of a start: `None` if nothing has changed. `files` is what the file has of each
    /// handler that is to run, and `chosen` what is to run of it, by name.
    ///
    /// # Errors
    /// When states of a handler were made with another fold number.
    pub fn start(
        self,
        history: &History,
        files: &[Chosen],
        chosen: &[(Arc<HandlerSpec>, Option<StartFrom>)],
    ) -> Result<Option<Deployment>, DeploymentError> {
        // One that only makes tables has no states: its tables are made anew.
        let specs = chosen.iter().map(|(spec, _)| spec);
        for spec in specs.filter(|spec| !spec.manifest.aggregates.is_empty()) {
            check_fold(history, spec)?;
        }
        let newest = history.newest().map(|(_, newest)| newest);
        let handlers: Vec<DeployedHandler> = files
            .iter()
            .zip(chosen)
            .map(|(file, (spec, from))| {
                let mut entry = entry(newest.as_deref(), spec, *from);
                let other = *file != Chosen::of(spec, *from);
                entry.file = other.then(|| file.clone().source());
                entry
            })
            .collect();
        let unchanged = newest.is_some_and(|newest| newest.handlers == handlers);
        Ok((!unchanged).then(|| self.deployment(handlers)))
    }

    /// The deployment that has another version of one handler, or a new one: `None` if that is in force
    /// already. What is said of where it starts is declared anew.
    #[must_use]
    pub fn replace(
        self,
        history: &History,
        spec: &HandlerSpec,
        from: Option<StartFrom>,
    ) -> Option<Deployment> {
        let (_, newest) = history.newest()?;
        let mut entry = entry(Some(&newest), spec, None);
        declare(&mut entry, from);
        if let Some(last) = newest.handlers.iter().find(|handler| handler.name == entry.name) {
            entry.file = source(last, &entry);
        }
        let next = self.with(&newest, entry);
        (next.handlers != newest.handlers).then_some(next)
    }

    /// The deployment that brings back what a handler was under an earlier one: `None` if that is in
    /// force already. What can be rolled back after that is what could be then. Where it starts is
    /// another matter, and stays as it was last declared, or is declared anew.
    #[must_use]
    pub fn roll_back(
        self,
        history: &History,
        to: &DeployedHandler,
        from: Option<StartFrom>,
    ) -> Option<Deployment> {
        let (_, newest) = history.newest()?;
        let now = newest.handlers.iter().find(|handler| handler.name == to.name)?;
        let is_so = (&now.digest, &now.configuration) == (&to.digest, &to.configuration);
        if is_so && from.is_none() {
            return None;
        }
        let mut entry = DeployedHandler {
            since: 0,
            from: now.from.clone(),
            from_since: now.from_since,
            ..to.clone()
        };
        declare(&mut entry, from);
        entry.file = source(now, &entry);
        Some(self.with(&newest, entry))
    }

    fn with(self, newest: &Deployment, entry: DeployedHandler) -> Deployment {
        let mut handlers = newest.handlers.clone();
        match handlers.binary_search_by(|handler| handler.name.cmp(&entry.name)) {
            Ok(found) => handlers[found] = entry,
            Err(place) => handlers.insert(place, entry),
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

/// Whether the version of an entry was brought back by a rollback. Every other one follows on the version
/// before it, and names that as the one to go back to.
#[must_use]
pub fn is_brought_back(history: &History, entry: &DeployedHandler) -> bool {
    let before = history.entry_before(entry.since, &entry.name);
    before.is_some_and(|before| entry.previous != before.since)
}

/// What a deployment says of a version that follows on the newest one. A start that is not what it was
/// is declared anew.
fn entry(
    newest: Option<&Deployment>,
    spec: &HandlerSpec,
    from: Option<StartFrom>,
) -> DeployedHandler {
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
    let mut next = match last {
        Some(last) if last.digest == next.digest && last.configuration == next.configuration => {
            last.clone()
        }
        Some(last) => DeployedHandler {
            previous: last.since,
            from: last.from.clone(),
            from_since: last.from_since,
            file: source(last, &next),
            ..next
        },
        // The file does not have it, unless somebody says so.
        None => DeployedHandler { file: Some(HandlerSource::default()), ..next },
    };
    if from.is_some_and(|from| from.name() != next.from) {
        declare(&mut next, from);
    }
    next
}

fn declare(entry: &mut DeployedHandler, from: Option<StartFrom>) {
    if let Some(from) = from {
        (entry.from, entry.from_since) = (from.name().to_owned(), 0);
    }
}

/// What the file has, seen from the next version: it is the same as under the last one.
fn source(last: &DeployedHandler, next: &DeployedHandler) -> Option<HandlerSource> {
    let file = Chosen::of_file(last);
    (file != Chosen::of_entry(next)).then(|| file.source())
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
mod tests;
