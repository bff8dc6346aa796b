//! Which events an event handler is handed, and how far it has come: all kinds that it subscribed to,
//! and past all others.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::toy::mirror_of;
use common::{CELL, Layout, MIRROR, World};
use zamu_core::model::PartitionId;
use zamu_core::outcomes::decode_record;

const CELLS: PartitionId = PartitionId { aggregate_type: CELL, number: 0 };

/// Number of the next event that each event handler of the cells will see.
fn cursors(world: &World) -> Vec<(String, u64)> {
    let (_, last) = world.contents(CELL, 0).outcomes.last().unwrap().clone();
    let cursors = decode_record(&last).unwrap().cursors;
    cursors.into_iter().map(|cursor| (cursor.handler, cursor.next)).collect()
}

/// The mirrors break at an event of that kind: handed to them, it would become a dead letter.
#[test]
fn an_event_of_a_kind_that_a_handler_did_not_subscribe_to_is_passed_over_and_not_handed_to_it() {
    for batch in [1, 2, 50] {
        let mut world = World::new(Layout::calm(batch));
        for (id, body) in [("1", "5"), ("2", "remark"), ("3", "7"), ("4", "remark")] {
            world.send("c", id, body);
        }
        world.settle();
        let kinds: Vec<String> =
            world.contents(CELL, 0).events.iter().map(|event| event.kind.name.clone()).collect();
        assert_eq!(kinds, ["Added", "Remarked", "Added", "Remarked"]);
        assert_eq!(world.open_dead_letters(CELLS), Vec::<u64>::new());
        assert_eq!(cursors(&world), [("mirrors".to_owned(), 4)]);
        assert_eq!(world.sum(MIRROR, &mirror_of(b"c")), 12);
    }
}
