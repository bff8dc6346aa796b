//! The list of golden scenarios: which there are, and where each is held.
//!
//! What the scenario files tell is found by the numbers in their titles; the rest is listed here, with
//! the tests that hold it, unless it is of the HTTP edge.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::ensure;

use crate::Scenario;

/// Where a golden scenario that no file tells is held.
#[derive(Clone, Copy, Debug)]
enum Held {
    /// By tests: the file, from the repository's root, and the function.
    By(&'static [(&'static str, &'static str)]),
    /// Not here: it is of the HTTP edge only.
    AtTheEdge,
}

/// What it is about.
const PROMISES: &[(u32, &str)] = &[
    (8, "bodies are forwarded byte for byte, to the endpoints of both"),
    (9, "the payee gets a confirmation, if that is switched on"),
    (44, "the payee is told the final state by PATCH"),
    (52, "a cold start folds only what lies above the store's position, and equals a full replay"),
    (
        53,
        "states go to the store when their time has come or memory is full, and not at every change",
    ),
    (55, "a state is looked for in memory, then in the store, and then there is none"),
    (56, "random crashes, and all laws hold"),
    (58, "one command of a batch traps"),
    (61, "an event of a kind that a handler did not subscribe to is passed over, not handed to it"),
    (62, "a record that cannot be read"),
    (63, "a projection that reads everything twice"),
    (65, "GET of a transfer"),
    (66, "an endpoint that is down for a while"),
    (67, "payers are spread by their keys as Java clients do, and each partition keeps its order"),
];

/// What no file tells.
const HELD: &[(u32, Held)] = &[
    (8, Held::AtTheEdge),
    (9, Held::AtTheEdge),
    (44, Held::AtTheEdge),
    (
        52,
        Held::By(&[
            (
                "runtime/core/tests/restoring.rs",
                "a_cold_start_folds_only_what_lies_above_the_position_of_the_store_and_equals_a_full_replay",
            ),
            (
                "runtime/core/tests/restoring.rs",
                "a_store_that_is_lost_after_retention_is_rebuilt_from_all_events_and_the_newest_outcomes",
            ),
        ]),
    ),
    (
        53,
        Held::By(&[
            (
                "runtime/core/tests/flushing.rs",
                "states_are_flushed_once_in_each_period_in_which_something_changed",
            ),
            (
                "runtime/core/tests/flushing.rs",
                "a_shard_at_its_bound_of_memory_takes_no_input_until_it_has_flushed",
            ),
        ]),
    ),
    (
        55,
        Held::By(&[
            (
                "runtime/core/src/turn/load.rs",
                "a_state_is_looked_for_in_memory_from_the_newest_then_in_the_store_and_then_there_is_none",
            ),
            (
                "runtime/core/src/memory.rs",
                "readers_see_only_what_is_durable_while_turns_see_the_newest",
            ),
        ]),
    ),
    (
        56,
        Held::By(&[(
            "handlers/engine/tests/stories.rs",
            "the_laws_hold_at_every_rest_whatever_the_log_does",
        )]),
    ),
    (
        58,
        Held::By(&[
            (
                "runtime/core/tests/faults.rs",
                "a_poisoned_command_alone_is_dead_lettered_in_any_batch",
            ),
            (
                "runtime/wasm/tests/turn/commands.rs",
                "a_poisoned_command_alone_is_a_dead_letter_and_applies_once_after_a_fix",
            ),
        ]),
    ),
    (
        61,
        Held::By(&[(
            "runtime/core/tests/subscriptions.rs",
            "an_event_of_a_kind_that_a_handler_did_not_subscribe_to_is_passed_over_and_not_handed_to_it",
        )]),
    ),
    (
        62,
        Held::By(&[(
            "runtime/core/tests/faults.rs",
            "what_a_record_lacks_is_named_in_its_dead_letter",
        )]),
    ),
    (
        63,
        Held::By(&[
            (
                "runtime/core/tests/projections/rebuilding.rs",
                "a_rebuild_serves_the_old_rows_until_the_new_ones_are_the_same",
            ),
            (
                "runtime/core/tests/projections/crashing.rs",
                "a_crash_after_any_write_leaves_rows_that_fit_their_position_and_costs_nothing_else",
            ),
        ]),
    ),
    (65, Held::AtTheEdge),
    (66, Held::AtTheEdge),
    (
        67,
        Held::By(&[
            ("runtime/core/src/model.rs", "keys_hash_as_java_clients_hash_them"),
            (
                "handlers/engine/tests/tools.rs",
                "payers_are_spread_over_partitions_by_their_keys_and_each_partition_keeps_their_order",
            ),
        ]),
    ),
];

/// How many golden scenarios there are.
const COUNT: usize = 54;

/// The table of all golden scenarios, as Markdown.
///
/// # Errors
/// If one is told and listed as left out, or neither, or `exists` does not know a test (by its file
/// and its name).
pub fn table(
    scenarios: &[Scenario],
    exists: impl Fn(&str, &str) -> bool,
) -> anyhow::Result<String> {
    let mut rows: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for scenario in scenarios {
        let Some(number) = scenario.number() else { continue };
        let (promise, file) = (scenario.promise(), &scenario.file);
        let row = format!("| {number} | {promise} | {file} | yes | yes |\n");
        rows.entry(number).or_default().push(row);
    }
    for (number, held) in HELD {
        ensure!(!rows.contains_key(number), "golden scenario {number} is told and listed as not");
        let promise = PROMISES.iter().find(|(of, _)| of == number).map_or("", |(_, text)| text);
        let row = match held {
            Held::AtTheEdge => {
                format!("| {number} | {promise} | left out: HTTP edge only | | |\n")
            }
            Held::By(tests) => {
                let mut native = String::new();
                let mut engine = String::new();
                for (file, name) in *tests {
                    ensure!(exists(file, name), "golden scenario {number}: no {name} in {file}");
                    let is_native = !file.contains("/engine/") && !file.starts_with("runtime/");
                    let cell = if is_native { &mut native } else { &mut engine };
                    write!(cell, "{}`{name}`", if cell.is_empty() { "" } else { ", " })?;
                }
                format!("| {number} | {promise} | tests | {native} | {engine} |\n")
            }
        };
        rows.entry(*number).or_default().push(row);
    }
    ensure!(rows.len() == COUNT, "{} golden scenarios, not {COUNT}", rows.len());
    let rows: String = rows.into_values().flatten().collect();
    Ok(format!("{HEAD}{rows}"))
}

const HEAD: &str = "\
# Golden scenarios

Made from the scenario files and `src/golden.rs` by `cargo test -p scenarios --test coverage`; with
`ZAMU_WRITE=1` it writes this file, without it holds it to what is there. A scenario that a file tells
is played natively by `tests/golden.rs` here, and in the real runtime, on two logs, with restarts and
crashes between its steps, by `handlers/engine/tests/scenarios.rs`.

| number | promise | told in | natively | in the engine |
|---|---|---|---|---|
";
