//! Who may open a log, and what an opening refuses.

use std::fs;
use std::sync::Arc;

use bytes::Bytes;
use zamu_core::log::contract::TYPES;
use zamu_core::log::{Limit, ShardLog as _};
use zamu_core::model::{PartitionId, Time, TypeId};

use super::harness::{ALL, LEFT_0, Machine, Owner, RIGHT_0, append, check, request};
use crate::{EmbeddedLog, LogOptions, OpenError};

fn open(machine: &Machine, types: &[(&str, u32)]) -> Result<EmbeddedLog, OpenError> {
    EmbeddedLog::open(&machine.dir(), LogOptions::default(), types, Arc::new(|| Time(1)))
}

fn refusal<T>(opened: Result<T, OpenError>) -> String {
    opened.err().expect("refused").to_string()
}

#[test]
fn a_second_opener_is_refused_and_told_who_is_there() {
    let machine = Machine::new();
    let holder = format!("process {} (epoch 1)", std::process::id());
    assert!(refusal(open(&machine, &TYPES)).contains(&holder));
    assert!(refusal(EmbeddedLog::open_read_only(&machine.dir())).contains(&holder));
    append(machine.log(), LEFT_0, vec![request(1)]);
}

#[test]
fn readers_of_files_share_them_and_keep_a_writer_out() {
    let mut machine = Machine::new();
    append(machine.log(), LEFT_0, vec![request(1)]);
    machine.stop();
    let first = EmbeddedLog::open_read_only(&machine.dir()).unwrap();
    let second = EmbeddedLog::open_read_only(&machine.dir()).unwrap();
    assert!(matches!(open(&machine, &TYPES), Err(OpenError::InUse { .. })));
    assert_eq!(first.requests(LEFT_0, 0, ALL), second.requests(LEFT_0, 0, ALL));
    drop((first, second));
    machine.start();
}

#[test]
fn the_epoch_rises_with_each_opening() {
    let mut machine = Machine::new();
    for epoch in 1..4 {
        assert_eq!(machine.log().epoch(), epoch);
        machine.stop();
        machine.start();
    }
}

#[test]
fn a_log_whose_lock_file_was_replaced_stops() {
    let mut machine = Machine::new();
    machine.stop();
    let told = Arc::new(std::sync::Mutex::new(String::new()));
    let hook = Arc::clone(&told);
    machine.options.on_fatal =
        Some(Arc::new(move |reason: &str| *hook.lock().unwrap() = reason.to_string()));
    machine.start();
    assert_eq!(machine.log().drop_expired(), Ok(()));
    let lock = machine.dir().join("log/zamu.lock");
    fs::remove_file(&lock).unwrap();
    fs::write(&lock, "process 1 (epoch 99)\n").unwrap();
    assert!(machine.log().drop_expired().is_err());
    assert!(told.lock().unwrap().contains("lock file"));
    assert!(machine.log().shard(&[LEFT_0], Arc::new(|| ())).is_err(), "everything is refused");
}

#[test]
fn another_partition_count_is_refused_naming_both() {
    let mut machine = Machine::new();
    machine.stop();
    let text = refusal(open(&machine, &[("left", 4), ("right", 3)]));
    assert!(
        text.contains("`left` has 2 partitions") && text.contains("4 are configured"),
        "{text}"
    );
    assert!(open(&machine, &TYPES).is_ok());
}

#[test]
fn a_type_that_is_no_longer_configured_is_refused() {
    let mut machine = Machine::new();
    machine.stop();
    let text = refusal(open(&machine, &[("right", 3)]));
    assert!(text.contains("`left`") && text.contains("2 partitions"), "{text}");
}

#[test]
fn types_that_make_no_sense_are_refused() {
    let mut machine = Machine::new();
    machine.stop();
    for types in
        [&[("left", 2), ("left", 2), ("right", 3)][..], &[("left", 2), ("right", 3), ("", 1)]]
    {
        assert!(matches!(open(&machine, types), Err(OpenError::Invalid(_))), "{types:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    let none =
        EmbeddedLog::open(folder.path(), LogOptions::default(), &[("a", 0)], machine.clock());
    assert!(matches!(none, Err(OpenError::Invalid(_))));
}

/// The order in a configuration may change, and types may be added: the log keeps names.
#[test]
fn records_are_found_by_the_names_of_types_in_whatever_order() {
    let mut machine = Machine::new();
    let mut owner = Owner::of(machine.log(), LEFT_0);
    let commit = owner.turn(3, Some(RIGHT_0));
    owner.shard.submit(commit.clone()).map_err(|(_, e)| e).unwrap();
    append(machine.log(), RIGHT_0, vec![request(7)]);
    drop(owner);
    machine.stop();

    let log = open(&machine, &[("new", 1), ("right", 3), ("left", 2)]).unwrap();
    let left = PartitionId { aggregate_type: TypeId(2), number: 0 };
    let right = PartitionId { aggregate_type: TypeId(1), number: 0 };
    assert_eq!(check(&log.reader(), left).events, 3);
    assert_eq!(log.reader().request(right, 0).unwrap().unwrap().record, request(7));
    let commands = log.reader().commands(right, 0, ALL).unwrap();
    let sent = &commit.turns[0].commands[0].1[0];
    // `left` was type 0 and is type 2; `right`, which the samples name as cause, was 1 and still is.
    assert_eq!(sent.channel.unwrap().from.aggregate_type, TypeId(0));
    assert_eq!(commands[0].record.channel.unwrap().from.aggregate_type, TypeId(2));
    assert_eq!(commands[0].record.cause.aggregate_type, TypeId(1));
    let new = PartitionId { aggregate_type: TypeId(0), number: 0 };
    append(&log, new, vec![request(8)]);
    assert_eq!(log.reader().ends(new).unwrap().requests, 1);
}

#[test]
fn there_is_nothing_to_read_where_no_log_is() {
    let folder = tempfile::tempdir().unwrap();
    let absent = EmbeddedLog::open_read_only(folder.path());
    assert!(matches!(absent, Err(OpenError::Absent { .. })));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "and nothing was made there");
}

#[test]
fn reading_files_gives_what_an_opening_would_and_changes_nothing() {
    let mut machine = Machine::rotating();
    let mut owner = Owner::of(machine.log(), LEFT_0);
    (1..=5).for_each(|events| _ = owner.submit(events));
    machine.log().append_control("deployment".into()).unwrap();
    append(machine.log(), LEFT_0, vec![request(1), request(2)]);
    let requests = machine.log().reader().requests(LEFT_0, 0, ALL);
    let id = machine.log().reader().log_id();
    drop(owner);
    machine.stop();
    let files = || {
        let entries = fs::read_dir(machine.dir().join("log")).unwrap().map(|e| e.unwrap());
        let data = entries.filter(|e| !e.file_name().to_string_lossy().starts_with("LOG"));
        let mut files: Vec<_> =
            data.map(|e| (e.file_name(), fs::read(e.path()).unwrap())).collect();
        files.sort();
        files
    };
    let before = files();
    let reader = EmbeddedLog::open_read_only(&machine.dir()).unwrap();
    assert_eq!(check(&reader, LEFT_0).events, 15);
    assert_eq!(reader.requests(LEFT_0, 0, ALL), requests);
    assert_eq!(reader.control(0, ALL).unwrap(), [(1, Bytes::from("deployment"))]);
    assert_eq!(reader.log_id(), id);
    let types: Vec<_> = reader.types().iter().map(|t| (t.name.to_string(), t.partitions)).collect();
    assert_eq!(types, TYPES.map(|(name, partitions)| (name.to_string(), partitions)));
    assert_eq!(reader.partitions().len(), 5);
    drop(reader);
    assert!(before == files(), "a file was changed");
}

#[test]
fn another_layout_is_refused_naming_both() {
    let mut machine = Machine::new();
    let identity = crate::codec::proto::Identity { log_id: vec![1; 16].into(), layout: 2 };
    let mut batch = machine.log().shared.view.database.batch();
    batch.put_note(crate::keys::IDENTITY, &prost::Message::encode_to_vec(&identity)).unwrap();
    batch.write(true).unwrap();
    drop(batch);
    machine.stop();
    let text = refusal(open(&machine, &TYPES));
    assert!(text.contains("layout 2") && text.contains("knows 1"), "{text}");
}

#[test]
fn closing_makes_durable_all_that_was_handed_over() {
    let mut machine = Machine::new();
    let mut owner = Owner::of(machine.log(), LEFT_0);
    let turns: Vec<_> = (0..200).map(|_| owner.submit(3)).collect();
    machine.stop();
    assert_eq!(owner.durable(), 200);
    let commit = owner.turn(1, None);
    assert!(owner.shard.submit(commit).is_err(), "a closed log takes nothing");
    let one = Limit { records: 1, bytes: 1 };
    assert_eq!(owner.shard.read_events(LEFT_0, 599, one).unwrap().len(), 1, "but can be read");
    drop(owner);
    machine.start();
    assert_eq!(check(&machine.log().reader(), LEFT_0).outcomes, turns.len() as u64 + 1);
}
