//! The tests that every store of tables passes: one function per promise of [`super::TableStore`],
//! named for it.
//!
//! An engine's tests implement [`TablesUnderTest`], and [`Crashes`] if they can, and let
//! [`table_contract!`](crate::table_contract) make a `#[test]` of each promise:
//!
//! ```text
//! zamu_core::table_contract!(every_table_store: Harness::new);
//! zamu_core::table_contract!(crashes: Harness::new);
//! ```

#![expect(clippy::expect_used, reason = "a suite fails by panicking")]

pub mod crashes;
pub mod every_table_store;

use std::sync::Arc;

use bytes::Bytes;

use super::{Place, RowWrite, TableStore};

/// A store of tables to be tested: empty when a test gets it.
pub trait TablesUnderTest {
    /// The tables, as all threads of a process share them.
    fn tables(&mut self) -> Arc<dyn TableStore>;

    /// The process ends in good order and another one starts. The tests have dropped all tables.
    fn restart(&mut self);
}

/// Tables that can lose what is not yet durable.
pub trait Crashes: TablesUnderTest {
    /// The machine fails, and another process starts. Of all writes that were not durable only the
    /// oldest part is found: `kept` thousandths of them, roughly. The tests have dropped all tables.
    fn crash(&mut self, kept: u32);
}

/// One `#[test]` for each promise of a suite, in a module of the suite's name. The factory gives
/// empty tables that implement the suite's harness trait.
#[macro_export]
macro_rules! table_contract {
    (every_table_store: $factory:expr) => {
        $crate::table_contract! { @tests every_table_store $factory;
            new_tables_are_empty
            a_write_puts_and_deletes_rows_and_moves_the_position_at_once
            rows_come_back_in_the_order_asked_for
            a_later_write_wins
            an_empty_row_is_not_an_absent_one
            scans_are_in_the_order_of_keys_and_go_on_after_one
            a_scan_by_prefix_gives_all_that_begins_so_and_nothing_else
            places_tables_and_generations_do_not_mix
            a_catalogue_comes_back_as_it_was_written
            a_dropped_generation_is_gone_and_the_others_stay
            a_snapshot_sees_nothing_that_came_after_it
            what_was_written_is_there_after_a_restart
        }
    };
    (crashes: $factory:expr) => {
        $crate::table_contract! { @tests crashes $factory;
            a_crash_leaves_a_prefix_of_all_writes
            rows_and_position_survive_together_or_not_at_all
        }
    };
    (@tests $suite:ident $factory:expr; $($promise:ident)*) => {
        mod $suite {
            #[allow(unused_imports, reason = "the factory may need nothing from around it")]
            use super::*;
            $(
                #[test]
                fn $promise() {
                    $crate::store::tables::contract::$suite::$promise(&mut $factory());
                }
            )*
        }
    };
}

const ONE: Place = Place { generation: 1, source: 0, partition: 0 };
const OTHER_PARTITION: Place = Place { generation: 1, source: 0, partition: 1 };
const OTHER_SOURCE: Place = Place { generation: 1, source: 1, partition: 0 };
const NEXT: Place = Place { generation: 2, source: 0, partition: 0 };
const FAR: Place = Place { generation: u32::MAX, source: u16::MAX, partition: u32::MAX };

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// Rows of table 0.
fn write(puts: &[(&str, &str)], deletes: &[&str], position: &str) -> RowWrite {
    RowWrite {
        puts: puts.iter().map(|(key, value)| (0, bytes(key), bytes(value))).collect(),
        deletes: deletes.iter().map(|key| (0, bytes(key))).collect(),
        position: bytes(position),
    }
}

#[cfg(test)]
mod tests {
    /// A promise that the macro does not list would be one that nobody tests.
    #[test]
    fn the_macro_lists_every_promise_of_every_suite() {
        let listed = include_str!("contract.rs");
        let suites =
            [include_str!("contract/every_table_store.rs"), include_str!("contract/crashes.rs")];
        for suite in suites {
            let promises = suite.lines().filter_map(|line| line.strip_prefix("pub fn "));
            let names: Vec<_> = promises.filter_map(|p| p.split(['(', '<']).next()).collect();
            assert!(names.len() > 1, "{names:?}");
            for name in names {
                assert!(listed.contains(&format!("            {name}\n")), "{name}");
            }
        }
    }
}
