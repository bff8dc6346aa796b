//! What a turn must know of dead letters that requests name, before anything is decided.

use std::collections::{BTreeMap, BTreeSet};

use super::{Stop, Tools};
use crate::aggregate::decode;
use crate::log::Limit;
use crate::model::{DeadLetterNumber, PartitionId, Request, Stored};
use crate::outcomes::Standing;
use crate::proto::{DeadLetter, dead_letter::Subject};
use crate::turn::Taken;
use crate::turn::decode::OpenLetter;

/// A turn ends before a second redrive of one dead letter: whether it is still open then depends on
/// the first.
pub(super) fn until_second_redrive(mut requests: Vec<Stored<Request>>) -> Vec<Stored<Request>> {
    let mut named = BTreeSet::new();
    let second = requests.iter().position(|r| r.record.redrive.is_some_and(|n| !named.insert(n)));
    if let Some(second) = second {
        requests.truncate(second);
    }
    requests
}

/// Reads the open dead letters that requests name, before anything is decided.
pub(super) fn open_letters(
    partition: PartitionId,
    taken: &Taken,
    standing: &Standing,
    tools: &mut Tools<'_>,
) -> Result<BTreeMap<DeadLetterNumber, OpenLetter>, Stop> {
    let mut letters = BTreeMap::new();
    for number in taken.requests.iter().filter_map(|r| r.record.redrive) {
        if !standing.dead_letters_open.contains(&number) {
            continue;
        }
        let Some(bytes) = tools.log.read_dead_letter(partition, number)? else { continue };
        let letter: DeadLetter =
            decode(&bytes).map_err(|e| Stop::Halt(format!("dead letter {number}: {e}")))?;
        let event = match letter.subject {
            Some(Subject::Event(event)) => {
                let one = Limit { records: 1, bytes: usize::MAX };
                tools.log.read_events(partition, event, one)?.into_iter().next()
            }
            _ => None,
        };
        letters.insert(number, OpenLetter { letter, event });
    }
    Ok(letters)
}
