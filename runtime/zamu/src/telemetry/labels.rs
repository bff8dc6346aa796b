//! The labels of metrics. Their values come from the configuration, never from messages, so that
//! their number is bounded.

use prometheus_client::encoding::EncodeLabelSet;

/// Of one aggregate type.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
#[allow(missing_docs, reason = "labels")]
pub struct TypeLabels {
    pub r#type: String,
}

/// Of one partition.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
#[allow(missing_docs, reason = "labels")]
pub struct PartitionLabels {
    pub r#type: String,
    pub partition: u32,
}

/// Of one input of a partition.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
#[allow(missing_docs, reason = "labels")]
pub struct InputLabels {
    pub r#type: String,
    pub partition: u32,
    pub input: &'static str,
}

/// Of one step of the turn.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
#[allow(missing_docs, reason = "labels")]
pub struct StepLabels {
    pub step: &'static str,
}

/// Of one shard.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
#[allow(missing_docs, reason = "labels")]
pub struct ShardLabels {
    pub shard: u32,
}

/// Of one handler.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
#[allow(missing_docs, reason = "labels")]
pub struct HandlerLabels {
    pub handler: String,
    pub version: String,
}

/// Of one event handler that is behind, in one partition.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
#[allow(missing_docs, reason = "labels")]
pub struct BehindLabels {
    pub handler: String,
    pub r#type: String,
    pub partition: u32,
}

/// Of one handler that makes tables.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
#[allow(missing_docs, reason = "labels")]
pub struct ProjectionLabels {
    pub projection: String,
}

/// Of one handler that makes tables, in one partition.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
#[allow(missing_docs, reason = "labels")]
pub struct TablesLabels {
    pub projection: String,
    pub r#type: String,
    pub partition: u32,
    /// `serving`, or `building`.
    pub generation: &'static str,
}

/// Of what one database keeps in memory.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
#[allow(missing_docs, reason = "labels")]
pub struct MemoryLabels {
    /// `log`, or `store`.
    pub database: &'static str,
    /// `blocks`, `writes` or `readers`.
    pub what: &'static str,
}

/// Of one HTTP status.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
#[allow(missing_docs, reason = "labels")]
pub struct StatusLabels {
    pub status: u16,
}
