//! What a counter promises, and what `total` is told.

use counter::{Configuration, Counter, Increment, Incremented, Reset, TOTAL, Total, WasReset};
use zamu_guest::testing::{Reaction, Scenario};

#[test]
fn a_counter_counts_up_and_says_where_it_stands() {
    Scenario::<Counter>::new()
        .when(Increment { by: 3 })
        .then_events([Incremented { by: 3, value: 3 }])
        .then_reply(&3)
        .when(Increment { by: 4 })
        .then_events([Incremented { by: 4, value: 7 }])
        .then_reply(&7)
        .then_state(|state| assert_eq!(state.value, 7));
}

#[test]
fn counting_by_nothing_changes_nothing_and_says_where_it_stands() {
    Scenario::<Counter>::new()
        .given([Incremented { by: 3, value: 3 }])
        .when(Increment { by: 0 })
        .then_nothing()
        .then_reply(&3);
}

#[test]
fn a_counter_never_passes_its_limit() {
    Scenario::<Counter>::new()
        .configured(Configuration { limit: 10 })
        .when(Increment { by: 10 })
        .then_events([Incremented { by: 10, value: 10 }])
        .when(Increment { by: 1 })
        .then_refused("over-limit")
        .then_details("limit of 10")
        .when(Increment { by: u64::MAX })
        .then_refused("over-limit")
        .then_state(|state| assert_eq!(state.value, 10));
}

#[test]
fn without_configuration_the_limit_is_what_fits() {
    Scenario::<Counter>::new()
        .when(Increment { by: u64::MAX })
        .then_events([Incremented { by: u64::MAX, value: u64::MAX }])
        .when(Increment { by: 1 })
        .then_refused("over-limit");
}

#[test]
fn a_reset_begins_again_at_nothing() {
    Scenario::<Counter>::new()
        .given([Incremented { by: 3, value: 3 }])
        .when(Reset {})
        .then_events([WasReset { from: 3 }])
        .when(Increment { by: 2 })
        .then_events([Incremented { by: 2, value: 2 }])
        .then_state(|state| assert_eq!((state.value, state.resets), (2, 1)));
}

#[test]
fn a_reset_of_a_counter_at_nothing_is_nothing_to_do() {
    Scenario::<Counter>::new().when(Reset {}).then_nothing();
}

#[test]
fn a_command_that_is_not_understood_is_refused_naming_the_field() {
    Scenario::<Counter>::new()
        .when_body("Increment", r#"{"by":"three"}"#)
        .then_refused("malformed")
        .then_details("by: invalid type: string \"three\", expected u64")
        .when_body("Increment", r#"{"by":3,"twice":true}"#)
        .then_refused("malformed")
        .then_details("twice: unknown field")
        .when_body("Increment", r#"{"by":-3}"#)
        .then_refused("malformed");
}

#[test]
fn the_total_is_told_of_every_counter_but_itself() {
    Reaction::<Total>::new()
        .key("apples")
        .on(Incremented { by: 3, value: 9 })
        .then_commands([(TOTAL, Increment { by: 3 })])
        .key("pears")
        .on(Incremented { by: 1, value: 1 })
        .then_commands([(TOTAL, Increment { by: 1 })])
        .key(TOTAL)
        .on(Incremented { by: 1, value: 4 })
        .then_nothing();
}

#[test]
fn old_records_still_decode() {
    // Bytes as they stand in logs: these lines are never changed, only added to.
    Scenario::<Counter>::new()
        .given_stored("Incremented", "1", r#"{"by":3,"value":9}"#)
        .then_state(|state| assert_eq!(state.value, 9))
        .given_stored("WasReset", "1", r#"{"from":9}"#)
        .then_state(|state| assert_eq!((state.value, state.resets), (0, 1)));
}
