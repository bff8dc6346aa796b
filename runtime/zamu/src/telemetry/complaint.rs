//! Handlers that break, as shards tell of them. What is done about it is the node's.

use tokio::sync::mpsc;
use zamu_core::model::PartitionId;
use zamu_core::topology::Blamed;

/// Where shards tell of handlers that break. Faults of one never take the place of another's pause.
#[derive(Clone, Debug)]
pub struct Watched {
    pub(crate) faults: mpsc::Sender<Complaint>,
    pub(crate) pauses: mpsc::Sender<Complaint>,
}

/// A handler broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// Which, and under which deployment.
    pub blamed: Blamed,
    /// Where.
    pub partition: PartitionId,
    /// How.
    pub how: How,
}

/// How a handler broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// At an aggregate of this key, for good.
    Faulted(Box<[u8]>),
    /// So often that the partition does not go on with it.
    Paused(String),
}

impl Watched {
    /// Tells of one. Where nobody listens any more, or too much waits already, it is not heard.
    pub(crate) fn tell(&self, complaint: Complaint) {
        let place = match complaint.how {
            How::Faulted(_) => &self.faults,
            How::Paused(_) => &self.pauses,
        };
        drop(place.try_send(complaint));
    }
}
