//! What a counter promises, and what `total` is told.

use counter::{
    COUNTERS, COUNTS, Configuration, Count, Counter, CounterCommand, CounterEvent, Increment,
    Incremented, Reset, Standing, TOTAL, Tables, Total, WasReset,
};
use zamu_guest::Time;
use zamu_guest::testing::{Projected, Reaction, Scenario, frozen};

fn counted(by: u64, value: u64) -> Incremented {
    Incremented { by, value, forgets_at: None }
}

#[test]
fn a_counter_counts_up_and_says_where_it_stands() {
    Scenario::<Counter>::new()
        .when(Increment { by: 3 })
        .then_events([counted(3, 3)])
        .then_reply(&3)
        .when(Increment { by: 4 })
        .then_events([counted(4, 7)])
        .then_reply(&7)
        .then_state(|state| assert_eq!(state.value, 7));
}

#[test]
fn counting_by_nothing_changes_nothing_and_says_where_it_stands() {
    Scenario::<Counter>::new()
        .given([counted(3, 3)])
        .when(Increment { by: 0 })
        .then_nothing()
        .then_reply(&3);
}

#[test]
fn a_counter_never_passes_its_limit() {
    Scenario::<Counter>::new()
        .configured(Configuration { limit: 10, ..Configuration::default() })
        .when(Increment { by: 10 })
        .then_events([counted(10, 10)])
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
        .then_events([counted(u64::MAX, u64::MAX)])
        .when(Increment { by: 1 })
        .then_refused("over-limit");
}

#[test]
fn a_reset_begins_again_at_nothing() {
    Scenario::<Counter>::new()
        .given([counted(3, 3)])
        .when(Reset {})
        .then_events([WasReset { from: 3 }])
        .when(Increment { by: 2 })
        .then_events([counted(2, 2)])
        .then_state(|state| assert_eq!((state.value, state.resets), (2, 1)));
}

#[test]
fn a_reset_of_a_counter_at_nothing_is_nothing_to_do() {
    Scenario::<Counter>::new().when(Reset {}).then_nothing();
}

#[test]
fn a_counter_that_is_left_alone_begins_again() {
    let until = |time| Some(Time(time));
    Scenario::<Counter>::new()
        .configured(Configuration { idle_ms: Some(500), ..Configuration::default() })
        .at(Time(1_000))
        .when(Increment { by: 3 })
        .then_events([Incremented { forgets_at: until(1_500), ..counted(3, 3) }])
        .then_wake_at(until(1_500))
        .at(Time(1_400))
        .when(Increment { by: 4 })
        .then_events([Incremented { forgets_at: until(1_900), ..counted(4, 7) }])
        .when_woken_at(Time(1_900))
        .then_events([WasReset { from: 7 }])
        .then_wake_at(None)
        .when(Increment { by: 1 })
        .then_reply(&1)
        .when(Reset {})
        .then_wake_at(None);
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
        .on(counted(3, 9))
        .then_commands([(TOTAL, Increment { by: 3 })])
        .key("pears")
        .on(counted(1, 1))
        .then_commands([(TOTAL, Increment { by: 1 })])
        .key(TOTAL)
        .on(counted(1, 4))
        .then_nothing();
}

// Bytes as they stand in logs: the lines of these two tests are never changed, only added to.

#[test]
fn messages_keep_their_bytes() {
    frozen::<CounterCommand>(&[
        (Increment { by: 3 }.into(), "Increment", r#"{"by":3}"#),
        (Reset {}.into(), "Reset", "{}"),
    ]);
    let forgets_at = Some(Time(1_700_000_000_500));
    frozen::<CounterEvent>(&[
        (counted(3, 9).into(), "Incremented", r#"{"by":3,"value":9}"#),
        (
            Incremented { by: 3, value: 3, forgets_at }.into(),
            "Incremented",
            r#"{"by":3,"value":3,"forgets_at":1700000000500}"#,
        ),
        (WasReset { from: 9 }.into(), "WasReset", r#"{"from":9}"#),
    ]);
}

#[test]
fn old_records_still_decode() {
    Scenario::<Counter>::new()
        .given_stored("Incremented", "1", r#"{"by":3,"value":9}"#)
        .then_state(|state| assert_eq!(state.value, 9))
        .given_stored("WasReset", "1", r#"{"from":9}"#)
        .then_state(|state| assert_eq!((state.value, state.resets), (0, 1)))
        .given_stored("Incremented", "1", r#"{"by":3,"value":3,"forgets_at":1700000000500}"#)
        .then_wake_at(Some(Time(1_700_000_000_500)));
}

#[test]
fn the_tables_say_where_a_counter_stands_and_what_it_counted() {
    Projected::<Tables>::new()
        .at(Time(5))
        .on(counted(3, 3))
        .at(Time(6))
        .on(counted(4, 7))
        .then_row(&COUNTERS, &Standing { value: 7, highest: 7, changed: Time(6) })
        .on(WasReset { from: 7 })
        .then_row(&COUNTERS, &Standing { value: 0, highest: 7, changed: Time(6) })
        .then_row_at(&COUNTS, "00000000000000000001", &Count { by: 3, at: Time(5) })
        .then_suffixes(&COUNTS, &["00000000000000000001", "00000000000000000002"]);
}
