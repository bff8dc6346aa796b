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
        start_from(history, file, None)
    }

    fn start_from(
        history: &History,
        file: &Arc<HandlerSpec>,
        from: Option<StartFrom>,
    ) -> Result<Option<Deployment>, DeploymentError> {
        let file_has = Chosen::of(file, from);
        let Chosen { digest, configuration, from } =
            Chosen::at_start(history, "h", file_has.clone());
        let chosen = Arc::new(HandlerSpec { digest, configuration, ..(**file).clone() });
        Proposal::default().start(history, &[file_has], &[(chosen, from)])
    }

    /// A log whose first start had this.
    fn history(file: &Arc<HandlerSpec>) -> History {
        let history = History::default();
        let first = start(&history, file).unwrap().unwrap();
        history.add(3, first);
        history
    }

    fn deploy(history: &History, number: u64, spec: &HandlerSpec) {
        history.add(number, Proposal::default().replace(history, spec, None).unwrap());
    }

    fn roll_back(history: &History, number: u64) {
        let (_, to) = previous(history, "h").unwrap();
        history.add(number, Proposal::default().roll_back(history, &to, None).unwrap());
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
        assert_eq!(
            Proposal::default().replace(&history, &spec("1.0.0", "d1", 1, "{}"), None),
            None
        );
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

    /// Where the handler starts, and since which deployment.
    fn declared(history: &History) -> Option<(StartFrom, u64)> {
        let start = starts(&history.newest().unwrap().1).remove("h")?;
        Some((start.from, start.since))
    }

    #[test]
    fn a_start_is_declared_by_the_deployment_that_first_says_it_and_by_no_later_one() {
        use StartFrom::{Beginning, Now};
        let file = spec("1.0.0", "d1", 1, "{}");
        let history = history(&file);
        assert_eq!(declared(&history), None);
        history.add(4, start_from(&history, &file, Some(Now)).unwrap().unwrap());
        assert_eq!(declared(&history), Some((Now, 4)));
        assert_eq!(start_from(&history, &file, Some(Now)).unwrap(), None);
        deploy(&history, 5, &spec("1.1.0", "d2", 1, "{}"));
        roll_back(&history, 6);
        assert_eq!(declared(&history), Some((Now, 4)));
        // Said again while the node runs, it holds again, and over restarts with the same file.
        let next = spec("1.2.0", "d3", 1, "{}");
        let again = Proposal::default().replace(&history, &next, Some(Beginning)).unwrap();
        history.add(7, again);
        assert_eq!(start_from(&history, &file, Some(Now)).unwrap(), None);
        assert_eq!(declared(&history), Some((Beginning, 7)));
        // A file that says nothing any more has said something new, and declares nothing.
        let silent = start(&history, &file).unwrap().unwrap();
        history.add(8, silent);
        assert_eq!(declared(&history), Some((Beginning, 7)));
    }

    #[test]
    fn a_handler_that_was_added_is_no_files_until_a_file_has_it() {
        let file = spec("1.0.0", "d1", 1, "{}");
        let history = history(&file);
        let new = HandlerSpec { name: "a".into(), ..(*spec("1.0.0", "d9", 1, "")).clone() };
        let next = Proposal::default().replace(&history, &new, Some(StartFrom::Now)).unwrap();
        let names: Vec<&str> = next.handlers.iter().map(|h| &*h.name).collect();
        assert_eq!(names, ["a", "h"], "in the order of names");
        history.add(4, next);
        let (_, newest) = history.newest().unwrap();
        assert_eq!(added(&newest).map(|h| &*h.name).collect::<Vec<_>>(), ["a"]);
        assert_eq!(newest.handlers[0].from_since, 4);
        // A start that has it nowhere keeps it, and writes nothing.
        let files = [Chosen::default(), Chosen::of(&file, None)];
        let chosen = [(Arc::new(new), Some(StartFrom::Now)), (file, None)];
        assert_eq!(Proposal::default().start(&history, &files, &chosen).unwrap(), None);
        // One whose file has it takes the file's word from then on.
        let has = Chosen { digest: "d8".into(), ..Chosen::default() };
        let at_start = Chosen::at_start(&history, "a", has);
        assert_eq!((&*at_start.digest, at_start.from), ("d8", Some(StartFrom::Now)));
    }

    #[test]
    fn what_is_in_force_already_is_not_brought_back() {
        let history = history(&spec("1.0.0", "d1", 1, "{}"));
        deploy(&history, 4, &spec("1.1.0", "d2", 1, "{}"));
        let back = |number| {
            let to = history.entry(number, "h").unwrap();
            Proposal::default().roll_back(&history, &to, None).is_some()
        };
        assert!(back(3) && !back(4));
    }

    #[test]
    fn only_what_a_rollback_has_put_in_force_was_brought_back() {
        let history = history(&spec("1.0.0", "d1", 1, "{}"));
        deploy(&history, 4, &spec("1.1.0", "d2", 1, "{}"));
        deploy(&history, 5, &spec("1.2.0", "d3", 1, "{}"));
        roll_back(&history, 6);
        roll_back(&history, 7);
        // What was deployed before, and is deployed once more, is no rollback.
        deploy(&history, 8, &spec("1.2.0", "d3", 1, "{}"));
        let of = |number| is_brought_back(&history, &history.entry(number, "h").unwrap());
        assert_eq!([3, 4, 5, 6, 7, 8].map(of), [false, false, false, true, true, false]);
    }
}
