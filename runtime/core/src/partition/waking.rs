//! Waking aggregates: from hints that a deadline may have come to Wakes for those that want one.

use std::sync::Arc;

use bytes::Bytes;

use super::{Partition, Stop, Tools};
use crate::aggregate::Aggregate;
use crate::deadlines::Hint;
use crate::log::CommitId;
use crate::model::{Request, Time, Wake};
use crate::turn;
use crate::working::{Cached, read};

impl Partition {
    /// Wakes for the aggregates whose deadlines have come, to be appended by this commit.
    pub(super) fn wake(
        &mut self,
        commit: CommitId,
        now: Time,
        tools: &mut Tools<'_>,
    ) -> Result<Vec<Request>, Stop> {
        if self.deadlines.earliest().is_none_or(|earliest| earliest > now) {
            return Ok(Vec::new());
        }
        let due = self.deadlines.due(now, self.id, tools.store)?;
        let wanting = self.look_up(&due.hints, tools)?;
        self.deadlines.looked_at(&due);
        let mut wakes = self.deadlines.take_again(now);
        for (hint, aggregate) in due.hints.into_iter().zip(wanting) {
            let wanted = aggregate.as_ref().is_some_and(|a| a.deadline() == Some(hint.0));
            match aggregate {
                _ if self.deadlines.is_asked(&hint) => {}
                Some(aggregate) if wanted => {
                    let wake = Wake { sequence: aggregate.sequence, deadline: hint.0 };
                    wakes.push((hint.1, wake));
                }
                _ => self.deadlines.drop_stale(hint),
            }
        }
        let again = now.plus_ms(tools.settings.wake_retry_ms);
        let name = &tools.topology.settings(self.id.aggregate_type).name;
        let request = |(key, wake): (Bytes, Wake)| {
            self.deadlines.ask(&key, wake, commit, again);
            turn::wake_request(name, key, wake)
        };
        Ok(wakes.into_iter().map(request).collect())
    }

    /// The durable aggregates of hints, in their order.
    fn look_up(
        &mut self,
        hints: &[Hint],
        tools: &mut Tools<'_>,
    ) -> Result<Vec<Option<Arc<Aggregate>>>, Stop> {
        let mut found: Vec<_> = hints.iter().map(|(_, key)| self.memory.durable(key)).collect();
        let missing: Vec<usize> = (0..found.len()).filter(|i| found[*i].is_none()).collect();
        let keys: Vec<Bytes> = missing.iter().map(|i| hints[*i].1.clone()).collect();
        if keys.is_empty() {
            return Ok(found);
        }
        for (i, record) in missing.into_iter().zip(tools.store.get(self.id, &keys)?) {
            let Some(record) = record else { continue };
            let key = &hints[i].1;
            let aggregate = Arc::new(read(key, &record)?);
            // The turn that takes its Wake finds it here.
            self.memory.keep(key, &aggregate);
            found[i] = Some(aggregate);
        }
        Ok(found)
    }
}
