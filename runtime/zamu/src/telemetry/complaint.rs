//! Handlers that break, as shards tell of them. What is done about it is the node's.

use tokio::sync::mpsc;
use zamu_core::model::PartitionId;
use zamu_core::topology::Blamed;

/// Where shards tell of handlers that break.
pub type Watched = mpsc::Sender<Complaint>;

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
