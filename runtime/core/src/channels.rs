//! Numbered channels between partitions: so that nothing can be lost or doubled on the way without
//! being noticed.
//!
//! The owner of a partition numbers what it sends to each target partition, from 1 without a gap;
//! the target drops what it has seen and halts on a gap. All numbers stand in every batch record, so
//! a turn that is recomputed reuses them.

use std::sync::Arc;

use crate::model::{ChannelStamp, PartitionId, TypeId};
use crate::proto;
use crate::topology::TypeSettings;

/// The last number of each channel at one end, by partition of the other end. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Channels {
    numbers: Arc<Vec<Vec<u64>>>,
}

/// What the target makes of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The next one.
    New,
    /// Already taken: to be dropped.
    Seen,
    /// Numbers are missing before it: the promise of the channel is broken.
    Gap {
        /// The number that was due.
        due: u64,
    },
}

impl Channels {
    /// The last number of a channel; 0 before the first.
    #[must_use]
    pub fn last(&self, other: PartitionId) -> u64 {
        let of_type = self.numbers.get(other.aggregate_type.0 as usize);
        of_type.and_then(|n| n.get(other.number as usize)).copied().unwrap_or(0)
    }

    /// Takes the next number of a channel.
    pub fn next(&mut self, other: PartitionId) -> u64 {
        let number = self.last(other) + 1;
        self.advance(other, number);
        number
    }

    /// Records a number as the channel's last.
    pub fn advance(&mut self, other: PartitionId, number: u64) {
        let types = Arc::make_mut(&mut self.numbers);
        let t = other.aggregate_type.0 as usize;
        if types.len() <= t {
            types.resize_with(t + 1, Vec::new);
        }
        let p = other.number as usize;
        if types[t].len() <= p {
            types[t].resize(p + 1, 0);
        }
        types[t][p] = number;
    }

    /// Compares an arriving stamp with the channel.
    #[must_use]
    pub fn arrival(&self, stamp: ChannelStamp) -> Arrival {
        let due = self.last(stamp.from) + 1;
        match stamp.number.cmp(&due) {
            std::cmp::Ordering::Less => Arrival::Seen,
            std::cmp::Ordering::Equal => Arrival::New,
            std::cmp::Ordering::Greater => Arrival::Gap { due },
        }
    }

    /// For the batch record: all channels, by name of the other end's type.
    #[must_use]
    pub fn to_record(&self, types: &[TypeSettings]) -> Vec<proto::Channels> {
        self.numbers
            .iter()
            .zip(types)
            .filter(|(numbers, _)| !numbers.is_empty())
            .map(|(numbers, t)| proto::Channels {
                aggregate_type: t.name.to_string(),
                numbers: numbers.clone(),
            })
            .collect()
    }

    /// Reads the channels of a batch record.
    ///
    /// # Errors
    /// The name of a type that is not configured any more.
    pub fn from_record(record: &[proto::Channels], types: &[TypeSettings]) -> Result<Self, String> {
        let mut numbers = Vec::new();
        for channels in record {
            let t = types
                .iter()
                .position(|t| *t.name == *channels.aggregate_type)
                .ok_or_else(|| channels.aggregate_type.clone())?;
            if numbers.len() <= t {
                numbers.resize_with(t + 1, Vec::new);
            }
            numbers[t].clone_from(&channels.numbers);
        }
        Ok(Self { numbers: Arc::new(numbers) })
    }

    /// All channels that have a number: (other end, last number).
    pub fn iter(&self) -> impl Iterator<Item = (PartitionId, u64)> {
        self.numbers.iter().enumerate().flat_map(|(t, numbers)| {
            numbers.iter().enumerate().map(move |(p, n)| {
                (PartitionId { aggregate_type: TypeId(t as u16), number: p as u32 }, *n)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: PartitionId = PartitionId { aggregate_type: TypeId(1), number: 2 };

    fn types() -> Vec<TypeSettings> {
        ["a", "b"]
            .map(|n| TypeSettings { name: n.into(), partitions: 3, window_ids: 1, window_ms: 1 })
            .to_vec()
    }

    #[test]
    fn numbers_are_gapless_from_one_and_survive_the_record() {
        let mut channels = Channels::default();
        assert_eq!([channels.next(FROM), channels.next(FROM)], [1, 2]);
        let read = Channels::from_record(&channels.to_record(&types()), &types());
        assert_eq!(read, Ok(channels));
    }

    #[test]
    fn what_was_seen_is_told_from_what_is_missing() {
        let mut seen = Channels::default();
        seen.advance(FROM, 4);
        let stamp = |number| ChannelStamp { from: FROM, number };
        assert_eq!(seen.arrival(stamp(4)), Arrival::Seen);
        assert_eq!(seen.arrival(stamp(5)), Arrival::New);
        assert_eq!(seen.arrival(stamp(7)), Arrival::Gap { due: 5 });
    }

    #[test]
    fn a_record_that_names_an_unknown_type_is_refused_by_that_name() {
        let record = [proto::Channels { aggregate_type: "gone".into(), numbers: vec![1] }];
        assert_eq!(Channels::from_record(&record, &types()), Err("gone".into()));
    }
}
