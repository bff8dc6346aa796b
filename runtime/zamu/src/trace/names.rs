//! What an id may stand for. Pure.

use bytes::Bytes;
use zamu_core::model::{PartitionId, Sequence, TypeId, partition_of};
use zamu_rocks::LogType;

use crate::json::Terms;
use crate::trace::Known;

/// An aggregate that an id may name, or one of whose events it may name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Where the aggregate would be.
    pub partition: PartitionId,
    /// Its key.
    pub key: Bytes,
    pub(crate) reading: Reading,
}

impl Candidate {
    /// Whether the id may name the aggregate itself.
    pub(crate) fn is_aggregate(&self) -> bool {
        matches!(self.reading, Reading::Aggregate | Reading::Key)
    }
}

/// How the id was read, the likeliest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reading {
    /// `TYPE/KEY`.
    Aggregate,
    /// `TYPE/KEY/SEQUENCE`.
    Event(Sequence),
    /// `TYPE/KEY/SEQUENCE/HANDLER/INDEX`: what that event made a handler ask for.
    Command(Sequence),
    /// `KEY`, of any type.
    Key,
}

impl Reading {
    fn name(self) -> &'static str {
        match self {
            Self::Aggregate | Self::Key => "aggregate",
            Self::Event(_) => "event",
            Self::Command(_) => "command",
        }
    }

    /// Whether an aggregate that has come so far is what the id means.
    fn fits(self, known: &Known) -> bool {
        match self {
            Self::Aggregate | Self::Key => true,
            Self::Event(sequence) | Self::Command(sequence) => {
                (1..=known.sequence).contains(&sequence)
            }
        }
    }

    /// Two of one rank may both be meant.
    fn rank(self) -> u8 {
        match self {
            Self::Aggregate => 0,
            Self::Event(_) => 1,
            Self::Command(_) => 2,
            Self::Key => 3,
        }
    }
}

/// Everything that an id may name by its form alone.
#[must_use]
pub fn candidates(id: &str, terms: &Terms, types: &[LogType]) -> Vec<Candidate> {
    let mut found = Vec::new();
    for (index, log_type) in types.iter().enumerate() {
        let aggregate_type = TypeId(index as u16);
        let mut add = |key: &str, reading| {
            if key.is_empty() {
                return;
            }
            let number = partition_of(key.as_bytes(), log_type.partitions);
            let partition = PartitionId { aggregate_type, number };
            found.push(Candidate {
                partition,
                key: Bytes::copy_from_slice(key.as_bytes()),
                reading,
            });
        };
        if let Some(rest) = id.strip_prefix(terms.type_name(aggregate_type))
            && let Some(rest) = rest.strip_prefix('/')
        {
            add(rest, Reading::Aggregate);
            if let Some((key, sequence)) = event(rest) {
                add(key, Reading::Event(sequence));
            }
            if let Some((key, sequence)) = command(rest) {
                add(key, Reading::Command(sequence));
            }
        }
        add(id, Reading::Key);
    }
    found
}

/// `KEY/SEQUENCE`.
fn event(text: &str) -> Option<(&str, Sequence)> {
    let (key, sequence) = text.rsplit_once('/')?;
    Some((key, sequence.parse().ok()?))
}

/// `KEY/SEQUENCE/HANDLER/INDEX`.
fn command(text: &str) -> Option<(&str, Sequence)> {
    let (rest, index) = text.rsplit_once('/')?;
    index.parse::<u32>().ok()?;
    event(rest.rsplit_once('/')?.0)
}

/// What the id means, given which aggregates there are: the likeliest reading, and all that fit it.
pub(crate) fn choose<'a>(
    candidates: &'a [Candidate],
    known: &'a [Known],
) -> Option<(&'static str, Vec<(&'a Candidate, &'a Known)>)> {
    let fitting: Vec<_> = known
        .iter()
        .filter_map(|known| Some((candidates.get(known.candidate)?, known)))
        .filter(|(candidate, known)| candidate.reading.fits(known))
        .collect();
    let first = fitting.iter().map(|(candidate, _)| candidate.reading).min_by_key(|r| r.rank())?;
    let same = |(candidate, _): &(&Candidate, _)| candidate.reading.rank() == first.rank();
    Some((first.name(), fitting.into_iter().filter(same).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types() -> (Terms, Vec<LogType>) {
        let names = ["order", "stock"];
        let types = names.map(|name| LogType { name: name.into(), partitions: 1 }).to_vec();
        (Terms { types: names.map(Into::into).to_vec(), ..Terms::default() }, types)
    }

    /// The readings of an id: type, key, how.
    fn read(id: &str) -> Vec<(u16, String, Reading)> {
        let (terms, types) = types();
        let shown = |c: Candidate| {
            let key = String::from_utf8_lossy(&c.key).into_owned();
            (c.partition.aggregate_type.0, key, c.reading)
        };
        candidates(id, &terms, &types).into_iter().map(shown).collect()
    }

    #[test]
    fn an_id_is_read_in_every_way_that_its_form_allows() {
        let key = |id: &str| [0, 1].map(|t| (t, id.to_owned(), Reading::Key));
        assert_eq!(read("17"), key("17"));
        let mut all = vec![
            (0, "a/b/3".to_owned(), Reading::Aggregate),
            (0, "a/b".to_owned(), Reading::Event(3)),
        ];
        all.extend(key("order/a/b/3"));
        assert_eq!(read("order/a/b/3"), all);
        let command = (1, "k".to_owned(), Reading::Command(2));
        assert!(read("stock/k/2/shop/0").contains(&command));
        assert!(!read("stock/k/2/shop/x").contains(&command));
        assert!(read("").is_empty());
        assert_eq!(read("order/").len(), 2, "an empty key is none");
    }

    #[test]
    fn the_likeliest_reading_that_exists_is_meant() {
        let (terms, types) = types();
        let candidates = candidates("order/a/3", &terms, &types);
        let known = |sequence, reading: Reading| Known {
            candidate: candidates.iter().position(|c| c.reading == reading).unwrap_or(99),
            sequence,
            last_event: None,
            requests: Vec::new(),
        };
        let chosen = |known: &[Known]| choose(&candidates, known).map(|(what, _)| what);
        assert_eq!(chosen(&[]), None);
        assert_eq!(chosen(&[known(2, Reading::Event(3))]), None, "it has no third event");
        assert_eq!(chosen(&[known(3, Reading::Event(3))]), Some("event"));
        let both = [known(3, Reading::Event(3)), known(0, Reading::Aggregate)];
        assert_eq!(chosen(&both), Some("aggregate"));
        assert_eq!(chosen(&[known(9, Reading::Key)]), Some("aggregate"));
    }
}
