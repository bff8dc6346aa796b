//! What the core alarms an operator of is an error here: scenarios and stories have nothing in them
//! that a sound switch alarms of.

use std::sync::{Arc, Mutex, PoisonError};

use zamu_core::model::PartitionId;
use zamu_core::observer::{Alarm, Observer};
use zamu_core::projection::{Stale, Watcher};

/// Everything that was alarmed of so far. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Alarms(Arc<Mutex<Vec<String>>>);

impl Alarms {
    /// What was alarmed of, if anything.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let alarms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        anyhow::ensure!(alarms.is_empty(), "alarms: {}", alarms.join("; "));
        Ok(())
    }

    fn note(&self, what: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }
}

impl Observer for Alarms {
    fn alarm(&mut self, alarm: Alarm<'_>) {
        self.note(format!("{alarm:?}"));
    }
}

impl Watcher for Alarms {
    fn stopped(&mut self, projection: &str, partition: PartitionId, stale: &Stale) {
        self.note(format!("{projection} stopped in {partition:?}: {stale:?}"));
    }
}
