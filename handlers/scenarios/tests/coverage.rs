//! The table of golden scenarios is what it says it is.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::Path;

use scenarios::golden;

const WRITE: &str = "ZAMU_WRITE";

#[test]
fn the_table_of_golden_scenarios_is_that_of_the_files() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here.join("../..");
    let exists = |file: &str, name: &str| {
        let text = fs::read_to_string(root.join(file)).unwrap_or_default();
        text.contains(&format!("fn {name}("))
    };
    let table = golden::table(&scenarios::all().unwrap(), exists).unwrap();
    let file = here.join("COVERAGE.md");
    if std::env::var_os(WRITE).is_some() {
        fs::write(&file, table).unwrap();
        return;
    }
    let found = fs::read_to_string(&file).unwrap_or_default();
    assert!(found == table, "{} is out of date: run this with {WRITE}=1", file.display());
}

#[test]
fn a_test_that_is_not_there_is_not_listed() {
    let error = golden::table(&scenarios::all().unwrap(), |_, _| false).unwrap_err();
    assert!(error.to_string().contains("golden scenario 52: no a_cold"), "{error}");
}

#[test]
fn a_golden_scenario_that_is_told_nowhere_is_missed() {
    let mut told = scenarios::all().unwrap();
    told.retain(|scenario| scenario.number() != Some(46));
    let error = golden::table(&told, |_, _| true).unwrap_err();
    assert!(error.to_string().contains("golden scenarios, not"), "{error}");
}
