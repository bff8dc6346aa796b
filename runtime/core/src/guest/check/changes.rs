//! What the host demands of the rows that `project` returns. A row's key is made of its aggregate's
//! key here, never taken from the guest, so that no partition can write a row of another.

use super::{BODY_BYTES_MAX, Checked, MESSAGES_PER_ITEM_MAX};
use super::{blobs, lie, over, same, text};
use crate::guest::columns::{ChangeColumns, DELETE, PUT, Subjects};
use crate::guest::manifest::Manifest;

/// Separates the aggregate's key from the suffix in a row's key. No suffix has it in it, so the
/// last one in a row's key is the separator.
pub const SUFFIX_SEPARATOR: u8 = b'/';

/// A suffix is at most this long, in bytes: it fits whatever key the aggregate has, since clients
/// choose that.
pub const SUFFIX_BYTES_MAX: usize = 255;

/// Checks what `project` returned for so many events of these subjects.
///
/// # Errors
/// A fault that names the column.
pub fn changes(
    changes: &ChangeColumns,
    subjects: &Subjects,
    events: usize,
    manifest: &Manifest,
) -> Checked {
    let n = changes.slot.len();
    let max = events.saturating_mul(MESSAGES_PER_ITEM_MAX);
    if n > max {
        return over(format!("changes.slot has {n} entries, more than {max} of {events} events"));
    }
    same("changes.table", changes.table.len(), n)?;
    same("changes.delete", changes.delete.len(), n)?;
    blobs("changes.suffixes", &changes.suffixes, n, SUFFIX_BYTES_MAX)?;
    blobs("changes.values", &changes.values, n, BODY_BYTES_MAX)?;
    text("changes.suffixes", &changes.suffixes)?;
    (0..n).try_for_each(|i| change(changes, i, subjects, manifest))
}

fn change(changes: &ChangeColumns, i: usize, subjects: &Subjects, manifest: &Manifest) -> Checked {
    let (slot, table) = (changes.slot[i], changes.table[i]);
    let Some(of_type) = subjects.aggregate_type.get(slot as usize) else {
        return lie(format!("changes.slot has {slot}, which is no subject of the batch"));
    };
    let Some(declared) = manifest.tables.get(table as usize) else {
        return lie(format!("changes.table has {table}, which the manifest has not"));
    };
    let name = &declared.name;
    if declared.aggregate_type != *of_type {
        return lie(format!("changes.table: `{name}` is not a table of the subject's type"));
    }
    let suffix = changes.suffixes.get(i);
    if declared.keyed != suffix.is_empty() {
        return lie(format!(
            "changes.suffixes: a row of `{name}` has {}",
            match declared.keyed {
                true => "a suffix, although the table is keyed",
                false => "no suffix, although the table is not keyed",
            }
        ));
    }
    if suffix.contains(&SUFFIX_SEPARATOR) {
        return lie(format!("changes.suffixes: a row of `{name}` has a `/` in its suffix"));
    }
    match changes.delete[i] {
        PUT => Ok(()),
        DELETE if changes.values.get(i).is_empty() => Ok(()),
        DELETE => lie(format!("changes.values: a removed row of `{name}` has a value")),
        other => lie(format!("changes.delete has {other}, which means nothing")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::columns::Blobs;
    use crate::guest::manifest::Table;

    fn manifest() -> Manifest {
        let table = |name: &str, aggregate_type, keyed| Table {
            name: name.into(),
            aggregate_type,
            keyed,
            reference: false,
        };
        Manifest {
            types: vec!["t".into(), "u".into()],
            tables: vec![table("now", 0, true), table("past", 0, false), table("other", 1, true)],
            ..Manifest::default()
        }
    }

    fn texts(texts: &[&str]) -> Blobs {
        texts.iter().map(|text| text.as_bytes()).collect()
    }

    fn good() -> ChangeColumns {
        ChangeColumns {
            slot: vec![0, 0],
            table: vec![0, 1],
            suffixes: texts(&["", "1"]),
            delete: vec![PUT, DELETE],
            values: texts(&["{}", ""]),
        }
    }

    fn complaint(tell: impl FnOnce(&mut ChangeColumns)) -> String {
        let mut lying = good();
        tell(&mut lying);
        let subjects = Subjects { aggregate_type: vec![0], keys: texts(&["key"]) };
        match changes(&lying, &subjects, 1, &manifest()) {
            Ok(()) => "nothing".into(),
            Err(fault) => fault.to_string(),
        }
    }

    #[test]
    fn honest_changes_pass() {
        assert_eq!(complaint(|_| ()), "nothing");
    }

    #[test]
    fn every_lie_about_rows_is_found_and_names_its_column() {
        type Lie = fn(&mut ChangeColumns);
        let lies: [(&str, Lie); 14] = [
            ("bad-output: changes.table has 1 entries", |c| c.table.truncate(1)),
            ("bad-output: changes.delete has 3 entries", |c| c.delete.push(0)),
            ("bad-output: changes.values has 1 entries", |c| c.values = texts(&["{}"])),
            ("bad-output: changes.suffixes: ends decrease", |c| {
                c.suffixes = Blobs { data: vec![0; 2], ends: vec![2, 1] }
            }),
            ("bad-output: changes.suffixes: entry 1 is not UTF-8", |c| {
                c.suffixes = Blobs { data: vec![0xff], ends: vec![0, 1] }
            }),
            ("bad-output: changes.slot has 1, which is no subject", |c| c.slot[1] = 1),
            ("bad-output: changes.table has 3, which the manifest has not", |c| c.table[0] = 3),
            ("bad-output: changes.table: `other` is not a table of", |c| c.table[0] = 2),
            ("bad-output: changes.suffixes: a row of `now` has a suffix", |c| c.table[1] = 0),
            ("bad-output: changes.suffixes: a row of `past` has no suffix", |c| c.table[0] = 1),
            ("bad-output: changes.suffixes: a row of `past` has a `/`", |c| {
                c.suffixes = texts(&["", "1/2"]);
            }),
            ("output: changes.suffixes: 256 bytes are more than 255", |c| {
                c.suffixes = texts(&["", &"x".repeat(256)]);
            }),
            ("bad-output: changes.values: a removed row of `past` has a value", |c| {
                c.values = texts(&["{}", "{}"]);
            }),
            ("bad-output: changes.delete has 2", |c| c.delete[0] = 2),
        ];
        for (expected, tell) in lies {
            let found = complaint(tell);
            assert!(found.starts_with(expected), "expected `{expected}`, found `{found}`");
        }
    }

    #[test]
    fn changes_without_an_end_are_found() {
        let n = MESSAGES_PER_ITEM_MAX + 1;
        let found = complaint(|c| {
            *c = ChangeColumns {
                slot: vec![0; n],
                table: vec![0; n],
                suffixes: texts(&vec![""; n]),
                delete: vec![PUT; n],
                values: texts(&vec!["1"; n]),
            };
        });
        assert!(found.starts_with("output: changes.slot has 1025 entries"), "{found}");
    }
}
