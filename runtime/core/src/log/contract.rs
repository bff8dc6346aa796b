//! The tests that every log passes: one function per promise of [`super::ShardLog`] and
//! [`super::Intake`], named for it.
//!
//! An engine's tests implement [`LogUnderTest`], and those of the other harness traits that they
//! can, and let [`log_contract!`](crate::log_contract) make a `#[test]` of each promise:
//!
//! ```text
//! zamu_core::log_contract!(every_log: Harness::new);
//! zamu_core::log_contract!(durability: Harness::new);
//! ```
//!
//! The suites use the partitions of [`TYPES`] and nothing else. They leave out what an engine adds
//! of its own (files, locks, formats), and how fast it is.

#![expect(clippy::expect_used, clippy::panic, reason = "a suite fails by panicking")]

pub mod durability;
pub mod every_log;
pub mod failure;
pub mod ownership;
pub mod retention;

pub(in crate::log) mod author;
mod fixture;

use std::sync::Arc;

use crate::log::{Intake, ShardLog};
use crate::model::PartitionId;

/// Name and partition count of the aggregate types that the suites use; a `TypeId` is an index here.
pub const TYPES: [(&str, u32); 2] = [("left", 2), ("right", 3)];

/// A log to be tested: empty when a test gets it. What it opens belongs to one process at a time.
pub trait LogUnderTest {
    /// Opens a shard that is going to own these partitions; no other live shard owns them.
    fn shard(&mut self, partitions: &[PartitionId]) -> Box<dyn ShardLog>;

    /// Opens an intake.
    fn intake(&mut self) -> Arc<dyn Intake>;

    /// Waits until all that was submitted and appended has come to its end: durable, or whatever the
    /// harness was told to let happen instead.
    fn settle(&mut self);

    /// The process dies as by `kill -9`, whatever is in flight, and another one starts on what it
    /// left. The tests have dropped all shards and intakes before, or never use them again.
    fn restart(&mut self);
}

/// A log whose fsync, or what stands for it, can be held back, and that can lose power.
pub trait LosesPower: LogUnderTest {
    /// While held, nothing becomes durable; [`LogUnderTest::settle`] waits for written then.
    fn hold_durable(&mut self, held: bool);

    /// As [`LogUnderTest::restart`], but of what was written and not durable only the oldest part is
    /// found afterwards: `kept` thousandths of it, in writes or in bytes, so that a tear may go
    /// through the middle of a write. Nothing is held back any more.
    fn power_loss(&mut self, kept: u32);
}

/// A log whose retention can be run at will.
pub trait Retains: LogUnderTest {
    /// Removes what was released and is older than any time that retention waits for.
    fn trim(&mut self);
}

/// A log that can be made to fail commits and go on.
pub trait Fails: LogUnderTest {
    /// Decides what becomes of the next commit, whosever it is. Asked several times, each is for one
    /// commit more.
    fn next(&mut self, fate: Fate);

    /// While held, what is submitted stays in flight.
    fn hold_written(&mut self, held: bool);
}

/// What [`Fails`] lets happen to a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is written.
    Written,
    /// `submit` gives it back.
    Refused,
    /// It is aborted.
    Aborted,
    /// It becomes unknown, and of the commits in flight this many have happened.
    Doubted {
        /// From the first one on.
        happened: usize,
    },
}

/// A log whose partitions can move between the shards of a process. Shards are numbered in the order
/// in which they were opened, from 0.
pub trait Moves: Fails {
    /// Asks the owner of a partition to give it up to another shard.
    fn revoke(&mut self, partition: PartitionId, to: usize);

    /// Takes a partition from its owner for another shard.
    fn lose(&mut self, partition: PartitionId, to: usize);

    /// Fences a shard. Its partitions are free for a new one.
    fn fence(&mut self, shard: usize);
}

/// One `#[test]` for each promise of a suite, in a module of the suite's name. The factory gives an
/// empty log that implements the suite's harness trait.
#[macro_export]
macro_rules! log_contract {
    (every_log: $factory:expr) => {
        $crate::contract_tests! { log every_log $factory;
            a_shard_is_assigned_its_partitions_before_anything_else
            requests_come_back_as_they_were_sent
            offsets_ascend_and_append_times_never_decrease
            an_append_stands_together_and_says_where
            appends_of_one_client_keep_their_order
            an_append_is_answered_exactly_once
            a_take_gives_at_least_one_record_and_no_more_than_asked
            taking_past_the_end_gives_nothing
            input_ends_are_the_offsets_after_the_last_records
            a_commit_is_told_written_and_durable_in_the_order_of_ids
            events_come_back_as_they_were_decided
            events_are_read_from_any_number_on
            batch_records_are_addressed_by_turn
            a_new_partition_has_no_batch_record
            dead_letters_are_addressed_by_number
            commands_reach_the_partition_they_are_for
            commands_of_one_partition_arrive_in_the_order_of_its_turns
            a_commit_of_two_partitions_happens_as_a_whole
            a_turn_without_input_or_output_leaves_its_record
            a_turn_may_send_to_its_own_partition
            wakes_stand_behind_the_requests_of_their_partition
            partitions_do_not_mix
            a_big_commit_is_one_commit
            what_was_durable_is_found_after_a_restart
            a_kill_leaves_whole_commits_and_a_prefix_of_them
            numbering_goes_on_after_a_restart
            the_log_keeps_its_identity
            resolving_without_doubt_changes_nothing
            releasing_takes_nothing_that_recovery_needs
        }
    };
    (durability: $factory:expr) => {
        $crate::contract_tests! { log durability $factory;
            a_commit_is_written_before_it_is_durable
            reads_show_only_what_is_durable
            commands_are_taken_by_another_shard_before_they_are_durable
            requests_are_taken_before_they_are_durable_and_told_after
            durable_commits_survive_the_loss_of_power
            the_loss_of_power_leaves_a_prefix_of_whole_commits_at_every_point
            a_cause_survives_with_its_consequence_across_shards
            wakes_survive_with_their_commit_and_not_without
            an_answered_append_survives_the_loss_of_power
            the_log_goes_on_after_the_loss_of_power
        }
    };
    (retention: $factory:expr) => {
        $crate::contract_tests! { log retention $factory;
            the_newest_batch_record_outlives_everything
            batch_records_after_the_low_water_mark_stay
            a_trimmed_turn_is_told_as_trimmed
            the_oldest_turn_is_the_first_that_can_be_read
            consumed_inputs_go_and_others_stay
            events_are_never_removed
            a_trimmed_log_is_the_same_after_a_restart
        }
    };
    (failure: $factory:expr) => {
        $crate::contract_tests! { log failure $factory;
            a_refused_commit_comes_back_whole_and_can_be_submitted_again
            an_aborted_commit_never_happens_and_takes_later_ones_with_it
            the_same_commit_can_be_submitted_after_an_abort
            commits_before_a_failed_one_happen
            what_was_submitted_before_the_abort_was_told_fails_too
            a_doubtful_commit_that_happened_is_there_once_resolved
            a_doubtful_commit_that_did_not_happen_never_will
            of_doubtful_commits_a_prefix_happened
            an_aborted_commit_leaves_no_wakes
            nothing_is_taken_between_unknown_and_resolve
            the_shard_goes_on_after_resolving
        }
    };
    (ownership: $factory:expr) => {
        $crate::contract_tests! { log ownership $factory;
            a_revoked_partition_lets_commits_in_flight_finish
            the_next_owner_waits_until_the_partition_is_given_up
            the_next_owner_finds_all_that_was_written
            a_lost_partition_commits_nothing_that_was_in_flight
            a_commit_submitted_after_the_loss_never_happens
            other_partitions_of_the_shard_go_on_after_a_loss
            a_fenced_shard_has_no_effect
            the_partitions_of_a_fenced_shard_have_one_truth
        }
    };
}

/// What the contract macros expand to.
#[doc(hidden)]
#[macro_export]
macro_rules! contract_tests {
    ($seam:ident $suite:ident $factory:expr; $($promise:ident)*) => {
        mod $suite {
            #[allow(unused_imports, reason = "the factory may need nothing from around it")]
            use super::*;
            $(
                #[test]
                fn $promise() {
                    $crate::$seam::contract::$suite::$promise(&mut $factory());
                }
            )*
        }
    };
}

#[cfg(test)]
mod tests {
    /// A promise that the macro does not list would be one that nobody tests.
    #[test]
    fn the_macro_lists_every_promise_of_every_suite() {
        let listed = include_str!("contract.rs");
        for suite in [
            include_str!("contract/every_log.rs"),
            include_str!("contract/durability.rs"),
            include_str!("contract/retention.rs"),
            include_str!("contract/failure.rs"),
            include_str!("contract/ownership.rs"),
        ] {
            let promises = suite.lines().filter_map(|line| line.strip_prefix("pub fn "));
            let names: Vec<_> = promises.filter_map(|p| p.split(['(', '<']).next()).collect();
            assert!(names.len() > 5, "{names:?}");
            for name in names {
                assert!(listed.contains(&format!("            {name}\n")), "{name}");
            }
        }
    }
}
