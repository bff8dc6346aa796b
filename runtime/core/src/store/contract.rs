//! The tests that every store passes: one function per promise of [`super::Store`], named for it.
//!
//! An engine's tests implement [`StoreUnderTest`], and [`Crashes`] if they can, and let
//! [`store_contract!`](crate::store_contract) make a `#[test]` of each promise:
//!
//! ```text
//! zamu_core::store_contract!(every_store: Harness::new);
//! zamu_core::store_contract!(crashes: Harness::new);
//! ```
//!
//! The suites use the partitions of [`TYPES`] and nothing else. How records look is left to the
//! core, how fast a store is to benchmarks.

#![expect(clippy::expect_used, reason = "a suite fails by panicking")]

pub mod crashes;
pub mod every_store;

use bytes::Bytes;

use super::{Store, Write};
use crate::model::{PartitionId, TypeId};

/// Name and partition count of the aggregate types that the suites use; a `TypeId` is an index here.
pub const TYPES: [(&str, u32); 2] = [("left", 2), ("right", 3)];

/// A store to be tested: empty when a test gets it.
pub trait StoreUnderTest {
    /// Opens a handle, as each shard of a process has one.
    fn store(&mut self) -> Box<dyn Store>;

    /// The process ends in good order and another one starts. The tests have dropped all handles.
    fn restart(&mut self);
}

/// A store that can lose what it has not yet made durable.
pub trait Crashes: StoreUnderTest {
    /// The machine fails, and another process starts. Of each partition's writes that were not
    /// durable only the oldest part is found: `kept` thousandths of them, roughly. The tests have
    /// dropped all handles.
    fn crash(&mut self, kept: u32);
}

/// One `#[test]` for each promise of a suite, in a module of the suite's name. The factory gives an
/// empty store that implements the suite's harness trait.
#[macro_export]
macro_rules! store_contract {
    (every_store: $factory:expr) => {
        $crate::contract_tests! { store every_store $factory;
            a_new_partition_has_no_position_and_no_records
            values_come_back_in_the_order_of_the_keys_asked_for
            a_write_puts_and_deletes_and_moves_the_position_at_once
            a_write_without_a_position_leaves_it_where_it_was
            a_later_write_wins
            deleting_what_is_absent_is_no_error
            an_empty_value_is_not_an_absent_one
            keys_are_any_bytes_and_scans_are_in_their_order
            a_scan_goes_on_after_a_key_whether_or_not_it_is_there
            a_scan_gives_no_more_than_its_limit
            deadlines_come_in_the_order_of_time_and_key
            deadlines_are_given_within_their_bounds_and_limit
            deadlines_are_no_records_and_records_no_deadlines
            a_deadline_that_is_done_and_put_in_one_write_is_there
            partitions_are_independent
            clearing_removes_all_of_one_partition
            a_cleared_partition_can_be_filled_again
            every_handle_of_a_process_sees_every_write
            big_writes_are_whole
            what_was_written_is_there_after_a_restart
            a_cleared_partition_is_empty_after_a_restart
        }
    };
    (crashes: $factory:expr) => {
        $crate::contract_tests! { store crashes $factory;
            a_crash_leaves_a_prefix_of_the_writes_of_a_partition
            a_write_survives_whole_or_not_at_all
            a_crash_never_brings_half_of_a_cleared_partition_back
            a_synced_write_survives_every_crash
            deadlines_survive_with_the_records_of_their_write
            syncing_one_partition_is_enough_for_that_partition
            syncing_again_and_syncing_nothing_are_no_errors
        }
    };
}

const LEFT_0: PartitionId = partition(0, 0);
const LEFT_1: PartitionId = partition(0, 1);
const RIGHT_0: PartitionId = partition(1, 0);
const RIGHT_2: PartitionId = partition(1, 2);

const fn partition(aggregate_type: u16, number: u32) -> PartitionId {
    PartitionId { aggregate_type: TypeId(aggregate_type), number }
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// A write of texts; an empty position is none.
fn write(puts: &[(&str, &str)], deletes: &[&str], position: &str) -> Write {
    Write {
        puts: puts.iter().map(|(key, value)| (bytes(key), bytes(value))).collect(),
        deletes: deletes.iter().map(|key| bytes(key)).collect(),
        position: (!position.is_empty()).then(|| bytes(position)),
        ..Write::default()
    }
}

#[cfg(test)]
mod tests {
    /// A promise that the macro does not list would be one that nobody tests.
    #[test]
    fn the_macro_lists_every_promise_of_every_suite() {
        let listed = include_str!("contract.rs");
        for suite in [include_str!("contract/every_store.rs"), include_str!("contract/crashes.rs")]
        {
            let promises = suite.lines().filter_map(|line| line.strip_prefix("pub fn "));
            let names: Vec<_> = promises.filter_map(|p| p.split(['(', '<']).next()).collect();
            assert!(names.len() > 3, "{names:?}");
            for name in names {
                assert!(listed.contains(&format!("            {name}\n")), "{name}");
            }
        }
    }
}
