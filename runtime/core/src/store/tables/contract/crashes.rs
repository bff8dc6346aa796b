//! What a crash may leave of tables: the oldest writes, whole ones.

use super::{Crashes, NEXT, ONE, OTHER_PARTITION, bytes, write};
use crate::store::tables::Scan;

/// Thousandths of the writes that survive, over all runs of a test.
const KEPT: [u32; 7] = [0, 90, 280, 480, 660, 920, 1000];

/// Writes of two places and of the catalogue count on together: what is found are the first ones.
pub fn a_crash_leaves_a_prefix_of_all_writes(under_test: &mut impl Crashes) {
    let mut first = 0;
    for kept in KEPT {
        let tables = under_test.tables();
        for n in first..first + 60 {
            let number = format!("{n:04}");
            let written = match n % 3 {
                0 => tables.write(ONE, &write(&[("n", &number)], &[], &number)),
                1 => tables.write(OTHER_PARTITION, &write(&[("n", &number)], &[], &number)),
                _ => tables.write_catalogue(&bytes(&number), &[9]),
            };
            written.expect("write");
        }
        drop(tables);
        under_test.crash(kept);
        let tables = under_test.tables();
        let found = [tables.position(ONE), tables.position(OTHER_PARTITION), tables.catalogue()]
            .map(|bytes| bytes.expect("read").map(|bytes| number(&bytes)));
        let next = found.iter().flatten().max().map_or(0, |newest| newest + 1);
        for (n, found) in found.iter().enumerate() {
            let expected = (0..next).rev().find(|written| written % 3 == n);
            assert_eq!(*found, expected, "of {next}, {kept} kept");
        }
        assert!(kept < 1000 || next == first + 60, "something was lost");
        first = next;
    }
}

/// A hundred rows that change together with the position, and a generation that goes with its
/// catalogue.
pub fn rows_and_position_survive_together_or_not_at_all(under_test: &mut impl Crashes) {
    for (round, kept) in KEPT.into_iter().enumerate() {
        let tables = under_test.tables();
        for n in 0..20 {
            let value = format!("{:04}", round * 20 + n);
            let keys: Vec<String> = (0..100).map(|key| format!("k{key}")).collect();
            let puts: Vec<_> = keys.iter().map(|key| (key.as_str(), value.as_str())).collect();
            tables.write(ONE, &write(&puts, &[], &value)).expect("write");
            tables.write(NEXT, &write(&puts, &[], &value)).expect("write");
            tables.write_catalogue(&bytes(&value), &[NEXT.generation]).expect("write");
        }
        drop(tables);
        under_test.crash(kept);
        let tables = under_test.tables();
        for place in [ONE, NEXT] {
            let rows = tables.scan(place, 0, Scan::default(), 1_000).expect("scan");
            match tables.position(place).expect("position") {
                Some(position) => {
                    assert_eq!(rows.len(), 100);
                    assert!(rows.iter().all(|(_, value)| *value == position));
                }
                None => assert!(rows.is_empty()),
            }
        }
        let position = |place| tables.position(place).expect("position").map(|p| number(&p));
        let catalogue = tables.catalogue().expect("catalogue").map(|c| number(&c));
        // The generation is there only between its write and the catalogue that drops it.
        assert!(position(NEXT).is_none() || position(NEXT) > catalogue, "{kept} kept");
    }
}

fn number(bytes: &[u8]) -> usize {
    std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok()).expect("a number")
}
