//! Reference tables in whole turns: what `decide` and `react` find, and what becomes of an item that
//! looks where there is nothing.

use zamu_core::outcomes::decode_record;
use zamu_core::proto::ReferenceVersion;

use crate::zoo::*;

#[test]
fn what_one_turn_left_in_a_table_a_later_one_looks_up() {
    for guest in GUESTS {
        let mut world = World::new(guest, WILD, settings(50));
        world.send("lion", "1", "look lion");
        world.process.settle();
        world.send("lion", "2", "look lion");
        world.send("tiger", "3", "emit react look lion");
        world.process.settle();
        assert_eq!(world.answer(0), "accepted 1..2 -", "nothing was there");
        assert_eq!(world.answer(1), "accepted 2..3 1");
        let told = world.process.log.contents(KEEPERS).commands;
        assert_eq!(&*told.last().unwrap().record.body, b"1", "as `decide` saw it in the same turn");
        let records = world.animals().outcomes;
        let versions = records.iter().map(|(_, bytes)| decode_record(bytes).unwrap().references);
        let version = |next| vec![ReferenceVersion { table: "notes".into(), next: vec![next] }];
        assert_eq!(versions.collect::<Vec<_>>(), [version(0), version(1)]);
    }
}

#[test]
fn an_item_that_looks_beyond_its_tables_is_a_dead_letter_and_its_neighbours_are_decided() {
    for guest in GUESTS {
        for animal in ["look-beyond", "look-long"] {
            let mut world = World::new(guest, WILD, settings(50));
            for (id, body) in [("1", "note"), ("2", animal), ("3", "note")] {
                world.send("lion", id, body);
            }
            world.process.settle();
            assert_eq!(world.answer(0), "accepted 1..2 1");
            assert_eq!(world.answer(1), "fault 1", "{guest}: {animal}");
            assert_eq!(world.answer(2), "accepted 2..3 2");
        }
    }
}

#[test]
fn a_redriven_command_looks_things_up_as_they_are_then() {
    let mut world = World::new("zoo", WILD, settings(50));
    world.send("lion", "1", "look-beyond");
    world.send("lion", "2", "note");
    world.process.settle();
    world.restart(TAME);
    world.process.settle();
    world.process.redrive(ANIMALS, 1);
    world.process.settle();
    let records = world.animals().outcomes;
    let last = decode_record(&records.last().unwrap().1).unwrap();
    assert_eq!(last.dead_letters_closed, [1]);
    assert_eq!(last.references[0].next, [1], "the note that came after it is in the rows");
}
