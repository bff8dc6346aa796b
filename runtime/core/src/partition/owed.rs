//! Turns that turned out to be durable when the partition had to start over, and of which nobody has
//! been told.

use std::sync::Arc;

use super::Partition;
use crate::error::EngineError;
use crate::log::{Limit, ShardLog};
use crate::outcomes::decode_record;
use crate::proto::BatchRecord;

impl Partition {
    /// The batch records of turns that turned out to be durable when it had to start over, oldest
    /// first: nobody has been told of them.
    ///
    /// # Errors
    /// When they cannot be read: `Retry` to ask again later.
    pub fn take_owed(
        &mut self,
        log: &mut dyn ShardLog,
    ) -> Result<Vec<Arc<BatchRecord>>, EngineError> {
        let Some(told) = self.owes_after else { return Ok(Vec::new()) };
        let last = log.last_outcome(self.id)?.map_or(0, |(turn, _)| turn);
        let mut records: Vec<Arc<BatchRecord>> = Vec::new();
        while told + (records.len() as u64) < last {
            let next = told + records.len() as u64 + 1;
            let limit = Limit { records: (last + 1 - next) as usize, bytes: usize::MAX };
            let page = log.read_outcomes(self.id, next, limit)?;
            if page.is_empty() {
                return Err(EngineError::Damaged(format!(
                    "batch record of turn {next} is missing"
                )));
            }
            for (turn, bytes) in page {
                let record = decode_record(&bytes).map_err(|e| {
                    EngineError::Damaged(format!("batch record of turn {turn}: {e}"))
                })?;
                records.push(Arc::new(record));
            }
        }
        self.owes_after = None;
        Ok(records)
    }

    /// Nobody will be told any more.
    pub fn drop_owed(&mut self) {
        self.owes_after = None;
    }

    /// Whether turns may have to be told that turned out to be durable.
    #[must_use]
    pub fn owes(&self) -> bool {
        self.owes_after.is_some()
    }
}
