//! What a deployment says, over starts, deployments and rollbacks.
#![allow(clippy::unwrap_used)]

use zamu_core::guest::manifest::{Class, Manifest, OwnedType};

use super::*;

fn spec(version: &str, digest: &str, fold: u32, configuration: &'static str) -> Arc<HandlerSpec> {
    let aggregates = vec![OwnedType::default()];
    let manifest = Manifest { version: version.into(), fold, aggregates, ..Manifest::default() };
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
    let Chosen { digest, configuration, from } = Chosen::at_start(history, "h", file_has.clone());
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
    assert_eq!(Proposal::default().replace(&history, &spec("1.0.0", "d1", 1, "{}"), None), None);
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
