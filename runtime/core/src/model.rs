//! Plain data: names, numbers and records, as every step of the turn and every engine sees them.
//!
//! Nothing here knows how a record is stored: an engine writes it lean or as CloudEvents, and gives
//! the same values back.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

/// Position of a record in a topic's partition, given by the log. May have gaps on some engines.
pub type Offset = u64;
/// Gapless number of an event within its partition, from 0, given by the partition's owner.
pub type EventNumber = u64;
/// Gapless number of an event within its aggregate, from 1. 0 means that the aggregate has none yet.
pub type Sequence = u64;
/// Gapless number of a turn within its partition, from 1.
pub type TurnNumber = u64;
/// Offset in the control topic of the deployment that is in force.
pub type DeploymentNumber = u64;
/// Gapless number of a dead letter within its partition, from 1.
pub type DeadLetterNumber = u64;

/// Milliseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

impl Time {
    /// This time, so many milliseconds later.
    #[must_use]
    pub fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

/// An aggregate type, as an index into [`crate::topology::Topology::types`]. Never stored: the log
/// and the store keep names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(pub u16);

/// One partition of an aggregate type: the unit of ownership and of order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId {
    /// The aggregate type.
    pub aggregate_type: TypeId,
    /// From 0, below the type's partition count.
    pub number: u32,
}

/// What a message is: the name and the form of its body.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KindName {
    /// The name in the domain, for example `Incremented`. Empty in a record that came without one.
    pub name: String,
    /// Identifies the body's schema within the kind.
    pub schema: String,
    /// Media type of the body.
    pub content_type: String,
}

impl fmt::Display for KindName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (schema {}, {})", self.name, self.schema, self.content_type)
    }
}

/// A shared kind name: records of one kind share one.
pub type Kind = Arc<KindName>;

/// What passes unchanged from an external command to all that it causes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// Ties together all messages of one business process.
    pub correlation: Bytes,
    /// Who asked: authenticated, or `anonymous`.
    pub principal: Bytes,
    /// W3C `traceparent`, or empty.
    pub trace_parent: Bytes,
}

/// Names one event: `type/key/sequence` as text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EventRef {
    /// Type of the aggregate that decided it.
    pub aggregate_type: TypeId,
    /// Key of that aggregate.
    pub key: Bytes,
    /// The event's number within the aggregate.
    pub sequence: Sequence,
}

/// The source of every choreographed command and of every Wake, as handlers see it; of a Wake the
/// principal, too. No client may use it: a handler relies on it to tell what only other aggregates
/// may ask.
pub const HOST_SOURCE: &str = "zamu";

/// What the owner of an aggregate asks of it when its deadline has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wake {
    /// The sequence of the state that wanted it.
    pub sequence: Sequence,
    /// When that state wanted it.
    pub deadline: Time,
}

/// A record of `<type>.requests`, as a client sent it. Any field may be empty: what is missing is
/// found when the record is decoded, not before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Key of the aggregate.
    pub key: Bytes,
    /// Kind of the command.
    pub kind: Kind,
    /// Who made the id.
    pub source: Bytes,
    /// Unique for the source.
    pub id: Bytes,
    /// Correlation, principal, trace.
    pub context: Arc<Context>,
    /// Set by an operator's redrive: the dead letter of this partition to process again. All other
    /// fields are then for people only.
    pub redrive: Option<DeadLetterNumber>,
    /// Set by the aggregate's own host: its deadline has come. Kind and body are then empty, and
    /// only the key and this count, so that a forged one asks nothing that is not so.
    pub wake: Option<Wake>,
    /// The command itself.
    pub body: Bytes,
}

/// The number of a choreographed command in the channel between two partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelStamp {
    /// The partition that sent it.
    pub from: PartitionId,
    /// Gapless within (from, to), from 1.
    pub number: u64,
}

/// A record of `<type>.commands`: what an event handler asks of another aggregate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Key of the aggregate.
    pub key: Bytes,
    /// Kind of the command.
    pub kind: Kind,
    /// The time of its cause.
    pub time: Time,
    /// Absent only in a record that no host sent (possible on engines that clients can reach).
    pub channel: Option<ChannelStamp>,
    /// The event that caused it.
    pub cause: EventRef,
    /// Name of the event handler that returned it.
    pub handler: Arc<str>,
    /// Which of the commands that the handler returned for this event, from 0.
    pub index: u32,
    /// The sender's deployment.
    pub deployment: DeploymentNumber,
    /// Correlation, principal, trace.
    pub context: Arc<Context>,
    /// The command itself.
    pub body: Bytes,
}

/// What made an aggregate decide an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A record of the aggregate's own partition of `requests`.
    Request {
        /// Where it stands.
        offset: Offset,
        /// Who made the id.
        source: Bytes,
        /// The client's id.
        id: Bytes,
    },
    /// The aggregate's own deadline: a Wake in its own partition of `requests`.
    Wake {
        /// Where it stands.
        offset: Offset,
        /// The deadline.
        deadline: Time,
    },
    /// A record of the aggregate's own partition of `commands`.
    Command {
        /// Where it stands.
        offset: Offset,
        /// The event that caused the command.
        event: EventRef,
        /// The event handler that returned it.
        handler: Arc<str>,
        /// Which of the commands returned for that event.
        index: u32,
    },
}

/// A record of `<type>.events`: a fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its number in the partition.
    pub number: EventNumber,
    /// Key of the aggregate.
    pub key: Bytes,
    /// Its number in the aggregate.
    pub sequence: Sequence,
    /// Number of the aggregate's previous event, if it has one: a chain that can be walked.
    pub previous: Option<EventNumber>,
    /// Kind of the event.
    pub kind: Kind,
    /// The time of its cause.
    pub time: Time,
    /// What made the aggregate decide it.
    pub cause: Cause,
    /// Name of the handler that decided it; with the deployment it gives version and digest.
    pub handler: Arc<str>,
    /// The deployment under which it was decided.
    pub deployment: DeploymentNumber,
    /// Correlation, principal, trace.
    pub context: Arc<Context>,
    /// The event itself.
    pub body: Bytes,
}

/// A record of `requests` or `commands` as the log gives it back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored<R> {
    /// Where it stands.
    pub offset: Offset,
    /// When the log took it. Never decreases within a partition.
    pub appended: Time,
    /// The record.
    pub record: R,
}

/// The partition of a key: murmur2 as Java's Kafka clients compute it, so that records of any
/// ordinary Kafka client reach the right owner.
#[must_use]
pub fn partition_of(key: &[u8], partitions: u32) -> u32 {
    (murmur2(key) & 0x7fff_ffff) % partitions.max(1)
}

fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    const SEED: u32 = 0x9747_b28c;
    let mut hash = SEED ^ data.len() as u32;
    let mut words = data.chunks_exact(4);
    for word in &mut words {
        let mut k = u32::from_le_bytes([word[0], word[1], word[2], word[3]]).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let tail = words.remainder();
    for (i, byte) in tail.iter().enumerate().rev() {
        hash ^= u32::from(*byte) << (8 * i);
    }
    if !tail.is_empty() {
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of `org.apache.kafka.common.utils.Utils.murmur2`, as Kafka's own unit test lists them.
    #[test]
    fn keys_hash_as_java_clients_hash_them() {
        for (key, hash) in [
            ("21", -973_932_308_i32),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()) as i32, hash, "{key}");
        }
    }
}
