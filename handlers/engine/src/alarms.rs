//! What the core alarms an operator of is an error here: scenarios and stories have nothing in them
//! that a sound switch alarms of, but for a refusal that a scenario asks for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zamu_core::model::PartitionId;
use zamu_core::observer::{Alarm, Observer};
use zamu_core::projection::{Stale, Watcher};

/// Everything that was alarmed of so far. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Alarms(Arc<Mutex<Noted>>);

#[derive(Debug, Default)]
struct Noted {
    alarms: Vec<String>,
    /// Where a refusal is asked for.
    excused: Option<PartitionId>,
    was_excused: bool,
}

impl Alarms {
    /// What was alarmed of, if anything.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let alarms = &self.noted().alarms;
        anyhow::ensure!(alarms.is_empty(), "alarms: {}", alarms.join("; "));
        Ok(())
    }

    /// One refusal of a command in this partition is asked for from now on; or none any more.
    pub(crate) fn excuse(&self, partition: Option<PartitionId>) {
        let mut noted = self.noted();
        (noted.excused, noted.was_excused) = (partition, false);
    }

    /// Whether there was an alarm of the refusal that was asked for.
    pub(crate) fn was_excused(&self) -> bool {
        self.noted().was_excused
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Alarms {
    fn alarm(&mut self, alarm: Alarm<'_>) {
        let mut noted = self.noted();
        match alarm {
            Alarm::CommandsRefused { partition, count: 1 } if noted.excused == Some(partition) => {
                (noted.excused, noted.was_excused) = (None, true);
            }
            alarm => noted.alarms.push(format!("{alarm:?}")),
        }
    }
}

impl Watcher for Alarms {
    fn stopped(&mut self, projection: &str, partition: PartitionId, stale: &Stale) {
        self.noted().alarms.push(format!("{projection} stopped in {partition:?}: {stale:?}"));
    }
}
