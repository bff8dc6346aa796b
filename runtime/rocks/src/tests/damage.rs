//! Damage is told from a torn tail, and refuses to start.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use zamu_core::error::EngineError;
use zamu_core::log::contract::TYPES;
use zamu_core::model::Time;

use super::harness::{LEFT_0, LEFT_1, Machine, Owner, append, check, lengths, request};
use crate::keys;
use crate::log::database::Database;
use crate::{EmbeddedLog, LogOptions, OpenError};

fn open(machine: &Machine) -> Result<EmbeddedLog, OpenError> {
    EmbeddedLog::open(&machine.dir(), LogOptions::default(), &TYPES, Arc::new(|| Time(1)))
}

/// A log with so many groups of one turn each, of two partitions by turns, that has been killed.
fn killed_after(groups: u64) -> Machine {
    let mut machine = Machine::new();
    write(&machine, groups);
    copy_as_killed(&mut machine);
    machine
}

fn write(machine: &Machine, groups: u64) {
    let mut owners = [LEFT_0, LEFT_1].map(|partition| Owner::of(machine.log(), partition));
    for n in 0..groups {
        owners[n as usize % 2].submit(2);
        machine.log().wait_durable().unwrap();
    }
}

/// Leaves the files as a kill does, with nobody using them.
fn copy_as_killed(machine: &mut Machine) {
    machine.leave_copy(|_, len| len);
}

fn newest_wal(machine: &Machine) -> PathBuf {
    let folder = machine.dir().join("log");
    folder.join(lengths(&folder).into_keys().next_back().unwrap())
}

/// Removes notes of groups, as if their write had never reached the disk, with or without frames.
fn remove_groups(machine: &Machine, groups: &[u64]) {
    let database = Database::open(&machine.dir().join("log"), &LogOptions::default()).unwrap();
    let mut batch = database.batch();
    for group in groups {
        batch.delete(&keys::segment_family(1), &keys::group_key(*group)).unwrap();
    }
    batch.write(true).unwrap();
}

/// Says that fewer groups had been durable when these were written.
fn rewrite_durable(machine: &Machine, groups: std::ops::RangeInclusive<u64>, durable: u64) {
    let database = Database::open(&machine.dir().join("log"), &LogOptions::default()).unwrap();
    let mut batch = database.batch();
    for group in groups {
        let note = keys::GroupNote { durable, time: Time(2_000) };
        batch.put(&keys::segment_family(1), &keys::group_key(group), &note.seal(group)).unwrap();
    }
    batch.write(true).unwrap();
    fs::remove_file(machine.dir().join("log/zamu.durable")).unwrap();
}

fn damage(opened: Result<EmbeddedLog, OpenError>) -> String {
    match opened {
        Err(e @ OpenError::LogDamaged { .. }) => e.to_string(),
        Err(e) => panic!("refused for another reason: {e}"),
        Ok(_) => panic!("opened"),
    }
}

#[test]
fn a_flipped_byte_in_the_middle_refuses_to_start_and_says_what_to_do() {
    let machine = killed_after(40);
    let wal = newest_wal(&machine);
    let whole = fs::read(&wal).unwrap();
    for part in 1..20 {
        let mut bytes = whole.clone();
        bytes[whole.len() * part / 20] ^= 0x10;
        fs::write(&wal, bytes).unwrap();
        let text = damage(open(&machine));
        assert!(text.contains("restore it from a backup"), "{text}");
    }
    fs::write(&wal, whole).unwrap();
    let log = open(&machine).unwrap();
    assert_eq!(check(&log.reader(), LEFT_0).outcomes, 21);
    assert_eq!(check(&log.reader(), LEFT_1).outcomes, 21);
}

#[test]
fn a_write_ahead_log_that_lost_what_was_synced_refuses_to_start() {
    let machine = killed_after(10);
    let wal = newest_wal(&machine);
    let bytes = fs::read(&wal).unwrap();
    fs::write(&wal, &bytes[..bytes.len() - 1]).unwrap();
    for _ in 0..2 {
        let text = damage(open(&machine));
        assert!(text.contains("group 10 is missing"), "{text}");
    }
    let machine = killed_after(10);
    fs::remove_file(newest_wal(&machine)).unwrap();
    let text = damage(open(&machine));
    assert!(text.contains("group 1 is missing"), "{text}");
}

#[test]
fn a_group_missing_below_what_was_durable_refuses_to_start() {
    let machine = killed_after(10);
    remove_groups(&machine, &[4]);
    let text = damage(open(&machine));
    assert!(text.contains("group 4 is missing"), "{text}");
    assert!(damage(open(&machine)).contains("group 4"), "and nothing was changed by trying");
}

#[test]
fn a_hole_above_everything_durable_is_a_torn_tail_and_is_cut() {
    let machine = killed_after(10);
    rewrite_durable(&machine, 5..=10, 4);
    remove_groups(&machine, &[7]);
    let reader = EmbeddedLog::open_read_only(&machine.dir()).unwrap();
    assert_eq!(check(&reader, LEFT_0).outcomes, 4, "a reader sees what an opening keeps");
    drop(reader);
    let log = open(&machine).unwrap();
    // Groups 1 to 6 stay: turns 1, 2 and 3 of both.
    assert_eq!(check(&log.reader(), LEFT_0).outcomes, 4);
    assert_eq!(check(&log.reader(), LEFT_1).outcomes, 4);
    let mut owner = Owner::of(&log, LEFT_0);
    (0..3).for_each(|_| _ = owner.submit(5));
    log.wait_durable().unwrap();
    assert_eq!(check(&log.reader(), LEFT_0).events, 6 + 15);
    drop((owner, log));
    let log = open(&machine).unwrap();
    assert_eq!(check(&log.reader(), LEFT_0).events, 6 + 15);
    assert_eq!(check(&log.reader(), LEFT_1).events, 6);
}

/// The tail may begin before a segment does: its beginning is cut with it.
#[test]
fn a_torn_tail_takes_a_segment_that_began_in_it() {
    let mut machine = Machine::rotating();
    write(&machine, 4);
    machine.log().append_control("c".into()).unwrap();
    copy_as_killed(&mut machine);
    let database = Database::open(&machine.dir().join("log"), &LogOptions::default()).unwrap();
    let mut batch = database.batch();
    for group in 2..=5 {
        let (family, key) = (keys::segment_family(group), keys::group_key(group));
        let note = keys::GroupNote { durable: 1, time: Time(2_000) };
        batch.put(&family, &key, &note.seal(group)).unwrap();
    }
    batch.delete(&keys::segment_family(3), &keys::group_key(3)).unwrap();
    batch.delete(keys::META, &keys::segment_key(3)).unwrap();
    batch.write(true).unwrap();
    drop(batch);
    drop(database);
    fs::remove_file(machine.dir().join("log/zamu.durable")).unwrap();

    let log = open(&machine).unwrap();
    assert_eq!(check(&log.reader(), LEFT_0).outcomes, 2);
    assert_eq!(check(&log.reader(), LEFT_1).outcomes, 2);
    assert_eq!(log.reader().control(0, super::harness::ALL).unwrap(), []);
    append(&log, LEFT_0, vec![request(1)]);
    let mut owner = Owner::of(&log, LEFT_1);
    owner.submit(7);
    log.wait_durable().unwrap();
    drop((owner, log));
    let log = open(&machine).unwrap();
    assert_eq!(check(&log.reader(), LEFT_1).events, 2 + 7);
    assert_eq!(log.reader().request(LEFT_0, 0).unwrap().unwrap().record, request(1));
}

#[test]
fn a_damaged_or_missing_frame_is_told_to_who_reads_it() {
    let machine = Machine::new();
    write(&machine, 6);
    let database = &machine.log().shared.view.database;
    let stream = machine.log().shared.view.stream(0, keys::Topic::Events);
    let reader = machine.log().reader();
    let mut batch = database.batch();
    batch.put(&keys::events_family(1), &stream.key(2), b"nonsense").unwrap();
    batch.write(true).unwrap();
    let found = reader.events(LEFT_0, 0, super::harness::ALL);
    assert!(matches!(found, Err(EngineError::Damaged(_))), "{found:?}");
    batch.delete(&keys::events_family(1), &stream.key(2)).unwrap();
    batch.write(true).unwrap();
    let found = reader.events(LEFT_0, 0, super::harness::ALL);
    let Err(EngineError::Damaged(text)) = found else { panic!("{found:?}") };
    assert!(text.contains("left/0"), "{text}");
    assert_eq!(reader.events(LEFT_0, 4, super::harness::ALL).unwrap().len(), 2, "others are there");
}

#[test]
fn a_segment_that_was_lost_refuses_to_start() {
    let mut machine = Machine::rotating();
    write(&machine, 3);
    let database = &machine.log().shared.view.database;
    database.drop_family(&keys::events_family(2)).unwrap();
    machine.stop();
    assert!(damage(open(&machine)).contains("events of segment 2"));
}
