//! Where external commands come in.

use std::sync::Arc;

use zamu_core::error::EngineError;
use zamu_core::log::{AppendDone, Appended, Intake};
use zamu_core::model::{PartitionId, Request};

use crate::log::jobs::{Job, Promise};
use crate::log::shared::Shared;
use crate::log::tail::Input as _;

/// Appends requests for everyone who talks to clients.
pub(crate) struct EmbeddedIntake {
    shared: Arc<Shared>,
}

impl EmbeddedIntake {
    /// The intake of an open log.
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    fn put(
        &self,
        partition: PartitionId,
        requests: Vec<Request>,
        done: AppendDone,
    ) -> Result<(), (Promise<Appended>, EngineError)> {
        let done = Promise::new(done);
        let index = match self.shared.check().and_then(|()| self.shared.view.index(partition)) {
            Ok(index) => index,
            Err(e) => return Err((done, e)),
        };
        let bytes = requests.iter().map(|request| request.cost()).sum();
        match self.shared.queue.put_outside(Job::Append { index, requests, bytes, done }) {
            Ok(()) => Ok(()),
            Err(refused) => {
                self.shared.counters.turned_away();
                match *refused {
                    (Job::Append { done, .. }, e) => Err((done, e)),
                    // The queue gives back what it was given; another job keeps its own promise.
                    _ => Ok(()),
                }
            }
        }
    }
}

impl Intake for EmbeddedIntake {
    fn append(&self, partition: PartitionId, requests: Vec<Request>, done: AppendDone) {
        if let Err((done, e)) = self.put(partition, requests, done) {
            done.keep(Err(e));
        }
    }
}
