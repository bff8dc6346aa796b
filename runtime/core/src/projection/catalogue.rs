//! Which generations there are, and which of them a set of handlers goes on with. Pure: what is
//! decided here, the store writes.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::aggregate::{DecodeError, decode, encode};
use crate::proto::{TableCatalogue, TableGeneration, TableProjection, TableShape};
use crate::store::tables::{Generation, TableNumber};
use crate::topology::{BoundHandler, Topology};

/// Encodes a catalogue for the store.
#[must_use]
pub fn encode_catalogue(catalogue: &TableCatalogue) -> Bytes {
    encode(catalogue)
}

/// Reads a catalogue of the store; an absent one is empty.
///
/// # Errors
/// When it is damaged or from a newer version.
pub fn decode_catalogue(bytes: Option<&Bytes>) -> Result<TableCatalogue, DecodeError> {
    bytes.map_or_else(|| Ok(TableCatalogue::default()), decode)
}

/// What a handler would make of the log now: a generation without a number.
#[must_use]
pub fn shape_of(handler: &BoundHandler, topology: &Topology) -> TableGeneration {
    let manifest = &handler.spec.manifest;
    let type_name = |index: u32| {
        let id = handler.types[index as usize];
        topology.settings(id).name.to_string()
    };
    let sources: BTreeSet<String> =
        manifest.projections.iter().map(|taken| type_name(taken.aggregate_type)).collect();
    let shape = |table: &crate::guest::manifest::Table| TableShape {
        name: table.name.clone(),
        aggregate_type: type_name(table.aggregate_type),
        keyed: table.keyed,
        reference: table.reference,
    };
    let mut tables: Vec<TableShape> = manifest.tables.iter().map(shape).collect();
    tables.sort_by(|a, b| a.name.cmp(&b.name));
    TableGeneration {
        number: 0,
        fold: manifest.fold,
        sources: sources.into_iter().collect(),
        tables,
    }
}

/// Number of a table within a generation.
#[must_use]
pub fn table_number(generation: &TableGeneration, name: &str) -> Option<TableNumber> {
    generation.tables.iter().position(|table| table.name == name).map(|at| at as TableNumber)
}

/// Whether two generations are made alike.
#[must_use]
pub fn alike(a: &TableGeneration, b: &TableGeneration) -> bool {
    (a.fold, &a.sources, &a.tables) == (b.fold, &b.sources, &b.tables)
}

/// The projection of that name.
#[must_use]
pub fn entry<'c>(catalogue: &'c TableCatalogue, name: &str) -> Option<&'c TableProjection> {
    catalogue.projections.iter().find(|projection| projection.name == name)
}

/// A change of the catalogue, and the generations that it drops.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// The catalogue after it.
    pub catalogue: TableCatalogue,
    /// What is no longer in it.
    pub dropped: Vec<Generation>,
}

/// What a handler goes on with, at start. Its first generation is served at once, while it grows; one
/// of another shape is built beside what is served. Handlers that are gone keep their tables.
#[must_use]
pub fn resume(catalogue: &TableCatalogue, name: &str, shape: &TableGeneration) -> Option<Change> {
    let Some(TableProjection { serving: Some(serving), building, .. }) = entry(catalogue, name)
    else {
        return Some(serve_new(catalogue, name, shape));
    };
    if alike(serving, shape) {
        return match building {
            Some(building) if !alike(building, shape) => Some(abandon(catalogue, name)),
            _ => None,
        };
    }
    match building {
        Some(building) if alike(building, shape) => None,
        _ => Some(build(catalogue, name, shape)),
    }
}

/// Begins another generation beside the one that is served; one that is being built is dropped.
#[must_use]
pub fn build(catalogue: &TableCatalogue, name: &str, shape: &TableGeneration) -> Change {
    let mut change = abandon(catalogue, name);
    let number = next_number(&mut change.catalogue);
    of(&mut change.catalogue, name).building = Some(TableGeneration { number, ..shape.clone() });
    change
}

/// Serves what was being built, and drops what was served until now.
#[must_use]
pub fn cut_over(catalogue: &TableCatalogue, name: &str) -> Change {
    let mut change = Change { catalogue: catalogue.clone(), dropped: Vec::new() };
    let projection = of(&mut change.catalogue, name);
    if let Some(building) = projection.building.take()
        && let Some(served) = projection.serving.replace(building)
    {
        change.dropped.push(served.number);
    }
    change
}

/// Forgets a projection, and drops all that it has made. Nothing changes if there is none of that name.
#[must_use]
pub fn forget(catalogue: &TableCatalogue, name: &str) -> Option<Change> {
    let TableProjection { serving, building, .. } = entry(catalogue, name)?;
    let dropped = [serving, building].into_iter().flatten().map(|made| made.number).collect();
    let mut catalogue = catalogue.clone();
    catalogue.projections.retain(|projection| projection.name != name);
    Some(Change { catalogue, dropped })
}

fn serve_new(catalogue: &TableCatalogue, name: &str, shape: &TableGeneration) -> Change {
    let mut change = abandon(catalogue, name);
    let number = next_number(&mut change.catalogue);
    of(&mut change.catalogue, name).serving = Some(TableGeneration { number, ..shape.clone() });
    change
}

fn abandon(catalogue: &TableCatalogue, name: &str) -> Change {
    let mut change = Change { catalogue: catalogue.clone(), dropped: Vec::new() };
    let building = of(&mut change.catalogue, name).building.take();
    change.dropped.extend(building.map(|building| building.number));
    change
}

fn next_number(catalogue: &mut TableCatalogue) -> Generation {
    catalogue.last_generation += 1;
    catalogue.last_generation
}

/// The projection of that name, which is there afterwards.
fn of<'c>(catalogue: &'c mut TableCatalogue, name: &str) -> &'c mut TableProjection {
    let projections = &mut catalogue.projections;
    let at = projections.binary_search_by(|p| p.name.as_str().cmp(name)).unwrap_or_else(|at| {
        projections.insert(at, TableProjection { name: name.to_owned(), ..Default::default() });
        at
    });
    &mut projections[at]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(fold: u32) -> TableGeneration {
        TableGeneration { fold, sources: vec!["t".into()], ..TableGeneration::default() }
    }

    fn numbers(catalogue: &TableCatalogue) -> (Option<u32>, Option<u32>) {
        entry(catalogue, "p").map_or((None, None), |p| {
            (p.serving.as_ref().map(|g| g.number), p.building.as_ref().map(|g| g.number))
        })
    }

    fn then(catalogue: &TableCatalogue, change: Option<Change>, dropped: &[u32]) -> TableCatalogue {
        let Some(change) = change else {
            assert!(dropped.is_empty(), "nothing was dropped");
            return catalogue.clone();
        };
        assert_eq!(change.dropped, dropped);
        change.catalogue
    }

    #[test]
    fn the_first_generation_is_served_at_once() {
        let empty = TableCatalogue::default();
        let first = then(&empty, resume(&empty, "p", &shape(1)), &[]);
        assert_eq!(numbers(&first), (Some(1), None));
        assert_eq!(resume(&first, "p", &shape(1)), None);
    }

    #[test]
    fn another_shape_is_built_beside_what_is_served() {
        let first = then(
            &TableCatalogue::default(),
            resume(&TableCatalogue::default(), "p", &shape(1)),
            &[],
        );
        let second = then(&first, resume(&first, "p", &shape(2)), &[]);
        assert_eq!(numbers(&second), (Some(1), Some(2)));
        assert_eq!(resume(&second, "p", &shape(2)), None, "the building goes on");
        let third = then(&second, resume(&second, "p", &shape(3)), &[2]);
        assert_eq!(numbers(&third), (Some(1), Some(3)));
        let back = then(&third, resume(&third, "p", &shape(1)), &[3]);
        assert_eq!(numbers(&back), (Some(1), None), "what is served fits again");
    }

    #[test]
    fn a_cut_over_serves_the_new_and_drops_the_old() {
        let first = serve_new(&TableCatalogue::default(), "p", &shape(1)).catalogue;
        let second = build(&first, "p", &shape(1)).catalogue;
        let change = cut_over(&second, "p");
        assert_eq!((numbers(&change.catalogue), change.dropped), ((Some(2), None), vec![1]));
        let nothing = cut_over(&first, "p");
        assert_eq!((numbers(&nothing.catalogue), nothing.dropped), ((Some(1), None), vec![]));
    }

    #[test]
    fn what_is_forgotten_is_dropped_and_its_numbers_are_not_given_again() {
        let both = serve_new(&TableCatalogue::default(), "q", &shape(1)).catalogue;
        let both = serve_new(&both, "p", &shape(1)).catalogue;
        let both = build(&both, "p", &shape(2)).catalogue;
        let change = forget(&both, "p").unwrap_or_default();
        assert_eq!((numbers(&change.catalogue), &change.dropped), ((None, None), &vec![2, 3]));
        assert!(entry(&change.catalogue, "q").is_some(), "others stay");
        assert_eq!(forget(&change.catalogue, "p"), None);
        let again = then(&change.catalogue, resume(&change.catalogue, "p", &shape(1)), &[]);
        assert_eq!(numbers(&again), (Some(4), None));
    }

    #[test]
    fn generations_of_two_projections_never_share_a_number() {
        let both = serve_new(&TableCatalogue::default(), "q", &shape(1)).catalogue;
        let both = serve_new(&both, "p", &shape(1)).catalogue;
        let both = build(&both, "q", &shape(1)).catalogue;
        assert_eq!(numbers(&both), (Some(2), None));
        assert_eq!(entry(&both, "q").and_then(|q| q.building.as_ref()).map(|g| g.number), Some(3));
        let read = decode_catalogue(Some(&encode_catalogue(&both)));
        assert_eq!(read, Ok(both));
        assert_eq!(decode_catalogue(None), Ok(TableCatalogue::default()));
    }
}
