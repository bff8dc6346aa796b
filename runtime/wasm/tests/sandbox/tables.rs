//! A projection that misbehaves: a fault, as with every other role, and never a row.

use zamu_core::guest::check::changes::changes;
use zamu_core::guest::columns::{ChangeColumns, ProjectedColumns, RowColumns, Subjects};
use zamu_core::guest::{Fault, FaultReason, Guest};
use zamu_wasm::Limits;

use crate::support::*;

pub(crate) fn project(guest: &mut impl Guest, bodies: &[&str]) -> Result<ChangeColumns, Fault> {
    let n = bodies.len();
    let subjects = Subjects { aggregate_type: vec![0], keys: blobs(["a"]) };
    let rows = RowColumns { slot: vec![0], table: vec![0], values: blobs(["41"]) };
    let events = ProjectedColumns {
        slot: vec![0; n],
        sequences: (1..=n as u64).collect(),
        kind: vec![1; n],
        time: vec![5; n],
        correlations: blobs(std::iter::repeat_n("c", n)),
        bodies: blobs(bodies.iter().copied()),
    };
    guest.project(&subjects, &rows, &events)
}

#[test]
fn a_projection_sees_current_rows_and_returns_every_column_in_its_place() {
    let made = project(&mut zoo(), &["x", "y"]).unwrap();
    assert_eq!((&*made.slot, &*made.table, &*made.delete), (&[0, 0][..], &[0, 0][..], &[0, 0][..]));
    assert_eq!(texts(&made.suffixes), ["", ""]);
    assert_eq!(texts(&made.values), ["42", "43"]);
}

#[test]
fn a_fault_in_a_projection_names_the_event_and_leaves_nothing_behind() {
    for name in ["zoo", "zoo-plain"] {
        let mut guest = load(name, Limits::default()).instance();
        let culprit = (name == "zoo").then_some(1);
        for (animal, reason) in [
            ("trap", FaultReason::Trap),
            ("memory", FaultReason::Memory),
            ("loop", FaultReason::Fuel),
        ] {
            let fault = project(&mut guest, &["x", &format!("project {animal}")]).unwrap_err();
            assert_eq!((fault.reason, fault.culprit), (reason, culprit), "{name}: {fault}");
            assert_eq!(texts(&project(&mut guest, &["x"]).unwrap().values), ["42"]);
        }
    }
}

#[test]
fn a_projection_does_not_see_the_configuration() {
    let mut guest = load_configured("zoo", Limits::default(), b"secret").instance();
    let fault = project(&mut guest, &["project evolve-configuration"]).unwrap_err();
    assert!(fault.message.contains("in project"), "{fault}");
}

#[test]
fn lies_about_rows_are_found() {
    let mut guest = zoo();
    let manifest = guest.handler().spec().manifest.clone();
    let subjects = Subjects { aggregate_type: vec![0], keys: blobs(["a"]) };
    let honest = project(&mut guest, &["x"]).unwrap();
    assert_eq!(changes(&honest, &subjects, 1, &manifest), Ok(()));
    let lie = project(&mut guest, &["project lie"]).unwrap();
    let fault = changes(&lie, &subjects, 1, &manifest).unwrap_err();
    assert_eq!(fault.to_string(), "bad-output: changes.delete has 2 entries instead of 1");
}
