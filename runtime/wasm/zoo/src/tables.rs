//! The zoo's table: how many notes each animal has made. The body of an event selects the behaviour,
//! as everywhere here: `project` and the name of an animal, or `project lie`.

use crate::bindings::exports::zamu::handler::projection::{Changes, Events, Guest, Rows, Subjects};
use crate::bindings::zamu::handler::columns::Fault;
use crate::{Zoo, animals, blobs, count_of, item, push, report_panics, strings};

impl Guest for Zoo {
    fn project(subjects: Subjects, rows: Rows, events: Events) -> Result<Changes, Fault> {
        report_panics();
        let mut counts = vec![0; subjects.aggregate_type.len()];
        for (slot, value) in rows.slot.iter().zip(strings(&rows.values)) {
            counts[*slot as usize] = count_of(value);
        }
        let mut changes = Changes {
            slot: Vec::new(),
            table: Vec::new(),
            suffixes: blobs(),
            delete: Vec::new(),
            values: blobs(),
        };
        for (index, body) in strings(&events.bodies).enumerate() {
            item(index);
            match body.strip_prefix(b"project ") {
                Some(b"lie") => changes.delete.push(0),
                Some(animal) => animals::misbehave(animal)?,
                None => {}
            }
            let slot = events.slot[index];
            counts[slot as usize] += 1;
            changes.slot.push(slot);
            changes.table.push(0);
            push(&mut changes.suffixes, b"");
            changes.delete.push(0);
            push(&mut changes.values, counts[slot as usize].to_string().as_bytes());
        }
        item(events.slot.len());
        Ok(changes)
    }
}
