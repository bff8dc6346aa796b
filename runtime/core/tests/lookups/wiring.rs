//! Who looks things up where nobody makes them is refused, with what there is and what to do.

use zamu_core::guest::manifest::Manifest;

use crate::toy::*;

fn refused(change: impl FnOnce(&mut [Manifest; 4])) -> String {
    let behaviour = Behaviour::default();
    let mut manifests = manifests(&behaviour);
    change(&mut manifests);
    bind(manifests, &behaviour).unwrap_err().to_string()
}

#[test]
fn a_table_that_nobody_makes_is_refused_with_those_there_are() {
    let error = refused(|[_, _, orders, _]| orders.references = vec!["rate".into()]);
    assert_eq!(
        error,
        "handler `orders` looks things up in table `rate`, which no configured handler makes \
         (there are `rates`): configure the handler that does"
    );
    let error = refused(|[board, ..]| board.tables[0].name = "prices".into());
    assert!(error.contains("handler `notes` looks things up in table `rates`"), "{error}");
    assert!(error.contains("(there are `prices`)"), "{error}");
}

#[test]
fn a_table_that_is_not_made_for_that_is_refused_with_who_makes_it() {
    let error = refused(|[board, ..]| board.tables[0].reference = false);
    assert_eq!(
        error,
        "handler `notes` looks things up in table `rates`, which handler `board` makes without \
         declaring it `reference`: declare it so there"
    );
}

#[test]
fn two_projections_of_one_reference_table_are_refused() {
    let error = refused(|[board, _, _, rates]| {
        rates.tables.clone_from(&board.tables);
        rates.projections.clone_from(&board.projections);
    });
    assert!(error.contains("table `rates` is written by both `board` and `rates`"), "{error}");
}

#[test]
fn a_type_needs_the_tables_of_its_owner_and_of_who_reacts_to_it() {
    let behaviour = Behaviour::default();
    let mut manifests = manifests(&behaviour);
    manifests[2].references.clear();
    let topology = bind(manifests, &behaviour).unwrap();
    assert_eq!(topology.looked_up(ORDER), [0], "who reacts to orders looks things up");
    assert_eq!(topology.looked_up(NOTE), [0]);
    assert!(topology.looked_up(RATE).is_empty());
}
