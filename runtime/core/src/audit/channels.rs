//! Both ends of every channel: nobody has taken a command that its sender has not sent. Nobody reacts in
//! an audit, so this is what tells a command that was never sent from the others.

use std::collections::BTreeMap;

use super::{AuditError, span};
use crate::log::records::Records;
use crate::model::PartitionId;
use crate::outcomes::Standing;
use crate::topology::Types;

/// A channel of which more was taken than was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsent {
    /// The partition that sent.
    pub from: PartitionId,
    /// The partition that took.
    pub to: PartitionId,
    /// The last number that was sent, by the newest batch record of the sender.
    pub sent: u64,
    /// The last number that was taken, by that of the other.
    pub taken: u64,
}

/// Looks at both ends of all channels, as the newest turns have left them.
///
/// # Errors
/// When a batch record cannot be read.
pub fn unsent(log: &mut dyn Records, types: &Types) -> Result<Vec<Unsent>, AuditError> {
    let mut standings = BTreeMap::new();
    for partition in types.partitions() {
        let turn = log.kept(partition)?.newest;
        if turn == 0 {
            continue;
        }
        let record = span::read(log, partition, turn)?;
        let standing = Standing::after(&record, types);
        let problem = |problem: String| AuditError::Record { turn, problem };
        standings.insert(partition, standing.map_err(|error| problem(error.to_string()))?);
    }
    let sent = |from, to| standings.get(&from).map_or(0, |of: &Standing| of.sent.last(to));
    let of_taker = standings.iter().flat_map(|(to, standing)| {
        standing.seen.iter().map(|(from, taken)| Unsent {
            from,
            to: *to,
            sent: sent(from, *to),
            taken,
        })
    });
    Ok(of_taker.filter(|channel| channel.taken > channel.sent).collect())
}
