//! Who hears of what has become of tables: metrics, the log of the node, and whoever waits.

use std::sync::Arc;

use tokio::sync::watch;
use zamu_core::model::PartitionId;
use zamu_core::projection::set::Committed;
use zamu_core::projection::{Shown, Stale, Watcher};
use zamu_core::proto::TableGeneration;

use crate::node::shards::Doorbell;
use crate::telemetry::{Metrics, ProjectionLabels};

/// Counts, logs, and tells who waits for rows or for a table.
#[derive(Clone)]
pub(super) struct Teller {
    pub(super) tell: watch::Sender<()>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) types: Vec<Arc<str>>,
    pub(super) bells: Vec<Doorbell>,
}

impl Watcher for Teller {
    fn changed(&mut self, committed: &Committed<'_>) {
        let labels = ProjectionLabels { projection: committed.projection.to_owned() };
        let rows = committed.write.puts.len() + committed.write.deletes.len();
        self.metrics.table_events.get_or_create(&labels).inc_by(committed.events);
        self.metrics.table_rows.get_or_create(&labels).inc_by(rows as u64);
        self.tell.send_replace(());
    }

    fn stopped(&mut self, projection: &str, partition: PartitionId, stale: &Stale) {
        let labels = ProjectionLabels { projection: projection.to_owned() };
        self.metrics.table_stops.get_or_create(&labels).inc();
        let r#type = self.types.get(usize::from(partition.aggregate_type.0));
        tracing::warn!(
            projection,
            r#type = r#type.map(|name| &**name),
            partition = partition.number,
            event = stale.event,
            reason = stale.reason,
            "tables are stale: mend the projection and restart, or `zamu tables resume`"
        );
    }

    fn served(&mut self, projection: &str, generation: &TableGeneration) {
        tracing::info!(projection, generation = generation.number, "newly built tables are served");
        self.tell.send_replace(());
    }

    fn pending(&mut self, table: &str, why: &str) {
        tracing::warn!(table, why, "partitions that look things up in this table wait for it");
    }

    fn ready(&mut self, shown: &Shown) {
        let table = &*shown.table;
        if shown.stopped {
            tracing::warn!(
                table,
                "reference table is looked up as it stands, though it has stopped: no earlier turn has seen more"
            );
        } else {
            tracing::info!(table, "reference table is ready");
        }
        for bell in &self.bells {
            bell.ring();
        }
    }
}
