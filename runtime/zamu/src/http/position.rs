//! Where a client is in the streams of some partitions. Opaque to clients; only unreserved
//! characters, so that it fits into a query as it is.
//!
//! `NAME.N.N~NAME.N`: by type, the number of the next event of each partition.

use std::fmt;

use zamu_core::model::{EventNumber, PartitionId, TypeId};

/// By type, the next event of each partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    types: Vec<(TypeId, String, Vec<EventNumber>)>,
}

/// A text that is no position of these types.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "is no position of a stream of {0}: use the id of an event of the same stream, or leave it out"
)]
pub struct NoPosition(String);

impl Position {
    /// A position in these types, given as id, name and partition count; `next` says where.
    #[must_use]
    pub fn new(
        types: &[(TypeId, &str, u32)],
        mut next: impl FnMut(PartitionId) -> EventNumber,
    ) -> Self {
        let of_type = |(id, name, partitions): &(TypeId, &str, u32)| {
            let number = |number| next(PartitionId { aggregate_type: *id, number });
            (*id, (*name).to_owned(), (0..*partitions).map(number).collect())
        };
        Self { types: types.iter().map(of_type).collect() }
    }

    /// Reads a position in these types.
    ///
    /// # Errors
    /// When it is none, or one of other types.
    pub fn parse(text: &str, types: &[(TypeId, &str, u32)]) -> Result<Self, NoPosition> {
        let names: Vec<&str> = types.iter().map(|(_, name, _)| *name).collect();
        let wrong = || NoPosition(names.join(", "));
        let mut position = Self::new(types, |_| 0);
        let parts: Vec<&str> = text.split('~').collect();
        if parts.len() != types.len() {
            return Err(wrong());
        }
        for ((_, name, numbers), part) in position.types.iter_mut().zip(parts) {
            let mut words = part.split('.');
            if words.next() != Some(name) {
                return Err(wrong());
            }
            for number in numbers.iter_mut() {
                *number = words.next().and_then(|word| word.parse().ok()).ok_or_else(wrong)?;
            }
            if words.next().is_some() {
                return Err(wrong());
            }
        }
        Ok(position)
    }

    /// All partitions with their next events.
    pub fn partitions(&self) -> impl Iterator<Item = (PartitionId, EventNumber)> + '_ {
        self.types.iter().flat_map(|(id, _, numbers)| {
            (0..)
                .zip(numbers)
                .map(|(number, next)| (PartitionId { aggregate_type: *id, number }, *next))
        })
    }

    /// Sets the next event of a partition, if it is one of these.
    pub fn set(&mut self, partition: PartitionId, next: EventNumber) {
        let of_type = self.types.iter_mut().find(|(id, _, _)| *id == partition.aggregate_type);
        if let Some(number) = of_type.and_then(|(_, _, n)| n.get_mut(partition.number as usize)) {
            *number = next;
        }
    }
}

/// What a client demands of the partitions of one type: the position of one answer, or of several
/// with `~` between them. Other types are left out, and of the same type the highest counts.
///
/// # Errors
/// When it is no position, with what to do.
pub(crate) fn demanded(
    text: &str,
    name: &str,
    partitions: u32,
) -> Result<Vec<EventNumber>, &'static str> {
    const WRONG: &str = "is no position: use the `position` of an answer as it is, or several with `~` between them";
    let mut demanded = vec![0; partitions as usize];
    for part in text.split('~') {
        let mut words = part.split('.');
        let of = words.next().filter(|of| !of.is_empty()).ok_or(WRONG)?;
        let numbers: Vec<EventNumber> =
            words.map(str::parse).collect::<Result<_, _>>().map_err(|_| WRONG)?;
        if numbers.is_empty() || (of == name && numbers.len() != demanded.len()) {
            return Err(WRONG);
        }
        if of == name {
            for (demanded, number) in demanded.iter_mut().zip(numbers) {
                *demanded = number.max(*demanded);
            }
        }
    }
    Ok(demanded)
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (_, name, numbers)) in self.types.iter().enumerate() {
            f.write_str(if index > 0 { "~" } else { "" })?;
            f.write_str(name)?;
            for number in numbers {
                write!(f, ".{number}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPES: [(TypeId, &str, u32); 2] = [(TypeId(0), "a", 2), (TypeId(2), "b-c", 1)];

    #[test]
    fn a_position_is_read_as_it_was_told() {
        let mut position = Position::new(&TYPES, |partition| u64::from(partition.number) + 5);
        position.set(PartitionId { aggregate_type: TypeId(2), number: 0 }, 77);
        assert_eq!(position.to_string(), "a.5.6~b-c.77");
        assert_eq!(Position::parse("a.5.6~b-c.77", &TYPES), Ok(position));
    }

    #[test]
    fn demands_of_several_answers_are_taken_together_and_other_types_left_out() {
        assert_eq!(demanded("a.0.7", "a", 2), Ok(vec![0, 7]));
        assert_eq!(demanded("a.0.7~b.1~a.5.6", "a", 2), Ok(vec![5, 7]));
        assert_eq!(demanded("b.1", "a", 2), Ok(vec![0, 0]));
        for text in ["", "a", "a.", "a.1", "a.1.2.3", "a.1.x", ".1.2", "b", "a.0.7~"] {
            assert!(demanded(text, "a", 2).is_err(), "{text}");
        }
    }

    #[test]
    fn a_position_of_other_types_or_partitions_is_refused() {
        for text in ["", "a.5.6", "b-c.7~a.5.6", "a.5~b-c.7", "a.5.6.7~b-c.7", "a.5.x~b-c.7"] {
            assert!(Position::parse(text, &TYPES).is_err(), "{text}");
        }
    }
}
